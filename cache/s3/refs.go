package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nbpipe/nbpipe/cache"
)

// Ref is a named root of garbage collection. What is in it is the caller's; a
// writer can replace it, so it may cost or save space, and proves nothing.
type Ref struct {
	Name string
	Data []byte
	Time time.Time // when it was last set, by the server's clock
}

const refsPrefix = "refs/"

// maxRef bounds what a ref may make a reader allocate: the keys of 100,000 nodes.
const maxRef = 16 << 20

// SetRef stores data under a name, replacing what was there. Names are those of
// cache.Local's refs.
func (s *Store) SetRef(ctx context.Context, name string, data []byte) error {
	if err := errors.Join(s.begin(ctx), cache.CheckRefName(name)); err != nil {
		return err
	}
	if len(data) == 0 || len(data) > maxRef {
		return fmt.Errorf("ref %s has %d bytes; 1 to %d are possible", name, len(data), maxRef)
	}
	const attempts = 4
	for range attempts {
		s.at("ref-before")
		if _, err := s.put(ctx, refsPrefix+name, data, always); err != nil {
			return err
		}
		s.at("ref-set")
		if there, err := s.stays(ctx, refsPrefix+name); err != nil || there {
			return err
		}
	}
	return fmt.Errorf("ref %s was deleted %d times just after it was set", name, attempts)
}

// stays reports whether an object that was just written is there once no collection
// deletes: one at work may have found what was there before to be garbage.
func (s *Store) stays(ctx context.Context, name string) (bool, error) {
	if _, err := s.awaitCollection(ctx); err != nil {
		return false, err
	}
	_, err := s.head(ctx, name)
	if errors.Is(err, errNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Ref returns one ref; ok is false where there is none.
func (s *Store) Ref(ctx context.Context, name string) (r Ref, ok bool, err error) {
	if err := errors.Join(s.begin(ctx), cache.CheckRefName(name)); err != nil {
		return r, false, err
	}
	i, err := s.head(ctx, refsPrefix+name)
	if err == nil {
		r.Name = name
		r.Data, i, err = s.getWhole(ctx, i)
		r.Time = i.modified
	}
	if errors.Is(err, errNotFound) {
		return r, false, nil
	}
	return r, err == nil, err
}

// Refs returns all refs whose names begin with a prefix, in the order of names.
func (s *Store) Refs(ctx context.Context, prefix string) ([]Ref, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	found, err := s.list(ctx, refsPrefix+prefix)
	if err != nil {
		return nil, err
	}
	out := make([]Ref, len(found))
	err = each(ctx, found, func(ctx context.Context, at int, i info) error {
		name := strings.TrimPrefix(i.name, refsPrefix)
		if cache.CheckRefName(name) != nil {
			return nil // nobody's
		}
		if i.size <= 0 || i.size > maxRef {
			out[at] = Ref{Name: name, Time: i.modified} // it is there, and cannot be read
			return nil
		}
		b, i, err := s.getWhole(ctx, i)
		if errors.Is(err, errNotFound) {
			return nil
		}
		out[at] = Ref{Name: name, Data: b, Time: i.modified}
		return err
	})
	kept := out[:0]
	for _, r := range out {
		if r.Name != "" {
			kept = append(kept, r)
		}
	}
	return kept, err
}

// getWhole reads an object that may be replaced meanwhile, by one of another
// length: an answer that was cut off is told from that by asking again.
func (c *client) getWhole(ctx context.Context, i info) ([]byte, info, error) {
	for range c.Attempts {
		b, _, err := c.get(ctx, i.name, 0, -1)
		if err != nil {
			return nil, i, err
		}
		if int64(len(b)) == i.size {
			return b, i, nil
		}
		if i, err = c.head(ctx, i.name); err != nil {
			return nil, i, err
		}
		if int64(len(b)) == i.size {
			return b, i, nil
		}
	}
	return nil, i, fmt.Errorf("reading %s: its length is another one each time", i.name)
}

// DeleteRef removes a ref; one that is not there is no error. It needs a
// collector's rights.
func (s *Store) DeleteRef(ctx context.Context, name string) error {
	if err := errors.Join(s.begin(ctx), cache.CheckRefName(name)); err != nil {
		return err
	}
	return s.remove(ctx, refsPrefix+name)
}

// remove deletes an object; one that is not there is no error.
func (c *client) remove(ctx context.Context, name string) error {
	return c.removeIf(ctx, name, func() error { return nil })
}

// removeIf is remove; before each attempt may is asked.
func (c *client) removeIf(ctx context.Context, name string, may func() error) error {
	err := c.do(ctx, "deleting "+name, func(ctx context.Context) error {
		if err := may(); err != nil {
			return fmt.Errorf("%w: %w", errLocal, err)
		}
		return c.objects.remove(ctx, name)
	})
	if errors.Is(err, errNotFound) {
		return nil
	}
	return err
}
