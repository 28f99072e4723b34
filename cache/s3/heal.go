package s3

import (
	"context"

	"github.com/nbpipe/nbpipe/cache"
)

// heal puts content there that is missing, or of which wrong bytes were seen, as
// far as a local store has it; it returns what it could not get.
func (s *Store) heal(ctx context.Context, from *cache.Local, want []cache.Digest) (left []cache.Digest, err error) {
	builder := newPackBuilder()
	flush := func() error {
		if len(builder.blobs) == 0 {
			return nil
		}
		full := builder
		builder = newPackBuilder()
		return s.putPack(ctx, full)
	}
	for _, d := range want {
		p, f, err := from.Stored(ctx, d)
		switch {
		case cache.IsMissing(err):
			left = append(left, d)
			continue
		case err != nil:
			return left, err
		case p != nil:
			builder.add(*p)
			if builder.full() {
				err = flush()
			}
		default:
			err = s.putFile(ctx, f)
			_ = f.Close()
			if cache.IsMissing(err) { // damaged here, too
				left, err = append(left, d), nil
			}
		}
		if err != nil {
			return left, err
		}
	}
	return left, flush()
}
