package s3

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// each calls f for every element, many at a time: what they wait for is the network.
func each[T any](ctx context.Context, all []T, f func(ctx context.Context, at int, v T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for i, v := range all {
		g.Go(func() error { return f(ctx, i, v) })
	}
	return g.Wait()
}
