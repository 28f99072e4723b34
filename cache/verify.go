package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// VerifyOptions say what Verify reads.
type VerifyOptions struct {
	Parallel int // blobs at a time; a number that suits the machine if 0
}

// VerifyReport is what Verify found.
type VerifyReport struct {
	Blobs      int
	Bytes      int64 // uncompressed
	Bad        []CorruptError
	Entries    int
	BadEntries []string
}

// Verify reads every blob and entry again. Bad blobs are set aside: entries that
// need them are misses from then on. progress is called with the number of blobs
// done and in all, never from two goroutines at once.
func (l *Local) Verify(ctx context.Context, o VerifyOptions, progress func(done, total int)) (VerifyReport, error) {
	var digests []Digest
	var entries []foundEntry
	err := l.withIndex(func(x *index) error {
		if err := l.refresh(); err != nil {
			return err
		}
		for d := range l.idx.blobs {
			digests = append(digests, d)
		}
		for _, loc := range l.idx.chain {
			entries = append(entries, foundEntry{loc.p, *loc.ref()})
		}
		return nil
	})
	if err == nil {
		err = l.eachBlobFile(func(d Digest, _ string, _ fs.FileInfo) error {
			digests = append(digests, d)
			return nil
		})
	}
	if err != nil {
		return VerifyReport{}, fmt.Errorf("verifying the store: %w", err)
	}
	v := verification{l: l, total: len(digests), progress: progress}
	if o.Parallel <= 0 {
		o.Parallel = parallel()
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(o.Parallel)
	for _, d := range digests {
		g.Go(func() error { return v.blob(gctx, d) })
	}
	err = g.Wait()
	for _, e := range entries {
		v.entry(e)
	}
	slices.SortFunc(v.report.Bad, func(a, b CorruptError) int { return slices.Compare(a.Digest[:], b.Digest[:]) })
	return v.report, err
}

type verification struct {
	l        *Local
	mu       sync.Mutex
	report   VerifyReport
	total    int
	progress func(done, total int)
}

func (v *verification) blob(ctx context.Context, d Digest) error {
	n, err := v.l.verifyBlob(ctx, d)
	var bad *CorruptError
	if err != nil && !errors.As(err, &bad) {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Blobs++
	v.report.Bytes += n
	if bad != nil {
		v.report.Bad = append(v.report.Bad, *bad)
	}
	if v.progress != nil {
		v.progress(v.report.Blobs, v.total)
	}
	return nil
}

func (l *Local) verifyBlob(ctx context.Context, d Digest) (int64, error) {
	r, _, err := l.OpenBlob(ctx, d)
	if err != nil {
		if errors.Is(err, ErrNotFound) {
			return 0, nil // set aside meanwhile
		}
		return 0, err
	}
	defer r.Close()
	return io.CopyBuffer(io.Discard, struct{ io.Reader }{&contextReader{ctx, r}}, make([]byte, streamBuffer))
}

func (v *verification) entry(e foundEntry) {
	v.report.Entries++
	stored, err := v.l.readEntry(e.ref.key, e)
	if err == nil {
		_, err = stored.Decode()
	}
	if err != nil {
		v.report.BadEntries = append(v.report.BadEntries, err.Error())
	}
}
