package s3

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/nbpipe/nbpipe/cache"
)

// VerifyReport is what Verify found.
type VerifyReport struct {
	cache.VerifyReport
	Healed int // bad blobs that were replaced by right ones
	Lost   int // blobs that results need and the bucket does not have at all
}

// Verify reads everything in the bucket again, as a reader would. With a local
// store to heal from, bad and lost blobs are replaced by what it has of them;
// that needs a writer's rights. progress is told bytes.
func (s *Store) Verify(ctx context.Context, heal *cache.Local, progress Progress) (VerifyReport, error) {
	var out VerifyReport
	if err := s.begin(ctx); err != nil {
		return out, err
	}
	v, err := s.survey(ctx, nil, nil)
	if err != nil {
		return out, err
	}
	w := &verification{survey: v, report: &out, progress: progress}
	if err := w.run(ctx); err != nil {
		return out, err
	}
	lost := w.lost()
	out.Lost = len(lost)
	if heal == nil {
		return out, nil
	}
	for _, b := range out.Bad {
		lost = append(lost, b.Digest)
	}
	left, err := s.heal(ctx, heal, lost)
	out.Healed = len(lost) - len(left)
	return out, err
}

// verification is one Verify.
type verification struct {
	*survey
	progress Progress
	total    int64
	done     int64

	mu     sync.Mutex
	report *VerifyReport
}

func (w *verification) run(ctx context.Context) error {
	for _, e := range w.entries {
		w.report.Entries++
		if e.trouble != "" {
			w.report.BadEntries = append(w.report.BadEntries, e.name+": "+e.trouble)
		}
	}
	for _, objects := range []map[cache.Digest]info{w.packs, w.blobs} {
		for _, i := range objects {
			w.total += i.size
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4) // a large blob is read by several ranges at a time
	for d, i := range w.packs {
		g.Go(func() error { return w.pack(gctx, d, i) })
	}
	for d, i := range w.blobs {
		g.Go(func() error { return w.blob(gctx, d, i) })
	}
	err := g.Wait()
	slices.SortFunc(w.report.Bad, func(a, b cache.CorruptError) int { return slices.Compare(a.Digest[:], b.Digest[:]) })
	return err
}

// found takes in how reading blobs went.
func (w *verification) found(blobs int, size, stored int64, bad ...error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report.Blobs += blobs
	w.report.Bytes += size
	for _, err := range bad {
		if c := new(cache.CorruptError); errors.As(err, &c) {
			w.report.Bad = append(w.report.Bad, *c)
		}
	}
	w.done += stored
	if w.progress != nil {
		w.progress(w.done, w.total)
	}
}

// pack reads a pack and checks each blob in it.
func (w *verification) pack(ctx context.Context, d cache.Digest, i info) error {
	blobs := w.catalogue.contents(d)
	if blobs == nil && !w.catalogue.distrusts(d) {
		return nil // collected meanwhile
	}
	if blobs == nil {
		w.found(0, 0, i.size, &cache.CorruptError{Digest: d, Detail: "a pack without a readable index"})
		return nil
	}
	object, _, err := w.get(ctx, i.name, 0, i.size)
	if errors.Is(err, errNotFound) {
		return nil // collected meanwhile
	}
	if err != nil {
		return err
	}
	var size int64
	var bad []error
	for _, b := range blobs {
		p, err := b.in(object)
		if err == nil {
			_, err = p.Bytes()
		}
		if err != nil {
			bad = append(bad, w.noteBadCopy(d, b.digest, err))
			continue
		}
		size += p.Size
	}
	w.found(len(blobs), size, i.size, bad...)
	return nil
}

// blob reads a large blob.
func (w *verification) blob(ctx context.Context, d cache.Digest, i info) error {
	src := &source{ReadCloser: w.stream(ctx, i.name, i.size)}
	r, size, err := cache.DecodeStored(d, i.size, src)
	if err == nil {
		_, err = io.Copy(io.Discard, r)
		_ = r.Close()
	}
	err = src.cause(err)
	switch {
	case errors.Is(err, errNotFound):
		return nil
	case errors.As(err, new(*cache.CorruptError)):
		w.found(1, 0, i.size, w.noteBad(d, err))
		return nil
	case err != nil:
		return err
	}
	w.found(1, size, i.size)
	return nil
}

// lost lists what results need and the bucket has not.
func (w *verification) lost() []cache.Digest {
	var out []cache.Digest
	seen := map[cache.Digest]bool{}
	for _, e := range w.entries {
		for _, d := range w.lacking(e.needs) {
			if !seen[d] && !w.isBad(d) {
				seen[d] = true
				out = append(out, d)
			}
		}
	}
	return out
}
