package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nbpipe/nbpipe/cache"
)

// The names of the work area, where executors leave actions for workers, and workers
// what becomes of them (package pipeline/executor/queue).
const (
	actionsPrefix  = "actions/"
	attemptsPrefix = "attempts/"
)

// Work is the corner of a store that executors and workers meet in. Nothing in it
// is a result, and nothing in it is believed. It is safe for concurrent use.
type Work struct{ s *Store }

// Work is the store's work area.
func (s *Store) Work() *Work { return &Work{s} }

// Object is an object of the work area, as a listing shows it.
type Object struct {
	Name string
	Size int64
	Time time.Time // when it was last written, by the server's clock
}

// ErrObject says that one object cannot be had as it should be; the store answers.
var ErrObject = errors.New("the object is of no use")

// ErrExists says that an object of that name was there already.
var ErrExists = errExists

func checkWorkName(name string) error {
	if !strings.HasPrefix(name, actionsPrefix) && !strings.HasPrefix(name, attemptsPrefix) {
		return fmt.Errorf("%w: %q is no name of the work area", errLocal, name)
	}
	return nil
}

// Create stores an object of a name that is free, else it returns ErrExists. An
// object of the same bytes counts as one's own, written by a request whose answer was
// lost: bytes must tell who wrote them.
func (w *Work) Create(ctx context.Context, name string, b []byte) error {
	if err := errors.Join(w.s.begin(ctx), checkWorkName(name)); err != nil {
		return err
	}
	_, err := w.s.put(ctx, name, b, condition{absent: true})
	if !errors.Is(err, errExists) {
		return err
	}
	if i, herr := w.s.head(ctx, name); herr == nil && w.same(ctx, name, i, b) {
		return nil
	}
	return err
}

// Keep makes sure that an object has these bytes, which its name follows from: one with
// others is replaced (invariant I1), one that is old is written again, so that no
// collection deletes it just now.
func (w *Work) Keep(ctx context.Context, name string, b []byte) error {
	if err := errors.Join(w.s.begin(ctx), checkWorkName(name)); err != nil {
		return err
	}
	i, err := w.s.put(ctx, name, b, condition{absent: true})
	if !errors.Is(err, errExists) {
		return err
	}
	if i, err = w.s.head(ctx, name); err == nil && w.s.serverNow().Sub(i.modified) < w.s.grace/4 && w.same(ctx, name, i, b) {
		return nil
	}
	_, err = w.s.put(ctx, name, b, always)
	return err
}

// same reports whether an object has these bytes. It reads no more than there are.
func (w *Work) same(ctx context.Context, name string, i info, b []byte) bool {
	if i.size != int64(len(b)) {
		return false
	}
	if len(b) == 0 {
		return true
	}
	have, _, err := w.s.get(ctx, name, 0, i.size)
	return err == nil && bytes.Equal(have, b)
}

// Put stores an object, in place of one that may be there.
func (w *Work) Put(ctx context.Context, name string, b []byte) error {
	if err := errors.Join(w.s.begin(ctx), checkWorkName(name)); err != nil {
		return err
	}
	_, err := w.s.put(ctx, name, b, always)
	return err
}

// Get reads an object of at most most bytes; cache.ErrNotFound where there is none.
func (w *Work) Get(ctx context.Context, name string, most int64) ([]byte, error) {
	if err := errors.Join(w.s.begin(ctx), checkWorkName(name)); err != nil {
		return nil, err
	}
	var b []byte
	i, err := w.s.head(ctx, name)
	if err == nil && i.size > most {
		return nil, fmt.Errorf("%w: %s has %d bytes, and %d are the most", ErrObject, name, i.size, most)
	}
	if err == nil && i.size > 0 {
		b, _, err = w.s.get(ctx, name, 0, i.size)
	}
	if errors.Is(err, errNotFound) {
		return nil, fmt.Errorf("%s: %w", name, cache.ErrNotFound)
	}
	if err != nil && ctx.Err() == nil && final(err) {
		err = fmt.Errorf("%w: %w", ErrObject, err)
	}
	return b, err
}

// List lists the objects whose names begin with prefix and come after a name, in
// order.
func (w *Work) List(ctx context.Context, prefix, after string) ([]Object, error) {
	if err := errors.Join(w.s.begin(ctx), checkWorkName(prefix)); err != nil {
		return nil, err
	}
	found, err := w.s.rest(ctx, prefix, after)
	out := make([]Object, len(found))
	for i, f := range found {
		out[i] = Object{f.name, f.size, f.modified}
	}
	return out, err
}

// Delete removes objects that nobody needs any more; one that is not there is no error.
// Who may not has them stay until a collection.
func (w *Work) Delete(ctx context.Context, names ...string) error {
	if err := w.s.begin(ctx); err != nil {
		return err
	}
	return each(ctx, names, func(ctx context.Context, _ int, name string) error {
		err := checkWorkName(name)
		if err == nil {
			err = w.s.objects.remove(ctx, name)
		}
		if errors.Is(err, errNotFound) {
			return nil
		}
		return err
	})
}

// Now is the server's present time, to about a second.
func (w *Work) Now() time.Time { return w.s.serverNow() }

// SendBlobs puts content into the store that a local store has, and returns when it
// can be read by everybody. Nothing keeps it from a collection for longer than the
// grace, unless an entry comes to need it.
func (s *Store) SendBlobs(ctx context.Context, from *cache.Local, want []cache.Digest) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	p := &push{
		Store: s, from: from, lost: map[cache.Digest]error{}, old: map[string]int64{}, began: time.Now(),
		missing: []Item{{Needs: want}},
	}
	const rounds = 8
	for range rounds {
		clear(p.old)
		before, err := s.awaitCollection(ctx)
		if err == nil {
			err = p.content(ctx)
		}
		if err != nil {
			return err
		}
		for _, d := range want {
			if err := p.lost[d]; err != nil {
				return err
			}
		}
		if safe, err := p.keep(ctx, before); err != nil || safe {
			return err
		}
	}
	return errors.New("a collection of garbage keeps deleting what is needed; try again when it has ended")
}
