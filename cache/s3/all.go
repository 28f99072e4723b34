package s3

import (
	"context"
	"errors"
	"time"

	"github.com/nbpipe/nbpipe/cache"
)

// Listed is an entry as a listing shows it, before it is read.
type Listed struct {
	Key    cache.Key
	Signer string // whose it is said to be; "" for nobody's
	Digest cache.Digest
	Size   int64     // bytes of the entry itself
	Time   time.Time // by the server's clock

	name string
}

// ListEntries calls f with all entries, in the order of keys, a page of at most
// 1,000 at a time; an error of f ends it. What comes while it goes on may be
// missed. Names that are none of entries are passed over.
func (s *Store) ListEntries(ctx context.Context, f func([]Listed) error) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	const prefix, most = "entries/", 1000
	after := ""
	for {
		found, more, err := s.page(ctx, prefix, after, most)
		if err != nil {
			return err
		}
		out := make([]Listed, 0, len(found))
		for _, i := range found {
			if e, ok := parseEntryName(i.name); ok {
				out = append(out, Listed{Key: e.Key, Signer: e.Signer, Digest: e.Digest, Size: i.size, Time: i.modified, name: i.name})
			}
		}
		if len(out) > 0 {
			if err := f(out); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
		after = found[len(found)-1].name
	}
}

// ReadEntries reads entries that a listing showed, many at a time. Damaged are
// those whose bytes are not what their name says; one that was deleted since is
// left out. Their bytes are all in memory at a time: the caller sees to it that
// they are not too many.
func (s *Store) ReadEntries(ctx context.Context, listed []Listed) (out []cache.StoredEntry, damaged int, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, 0, err
	}
	all := make([]cache.StoredEntry, len(listed))
	bad := make([]bool, len(listed))
	err = each(ctx, listed, func(ctx context.Context, at int, l Listed) error {
		e, err := s.readEntry(ctx, cache.StoredEntry{Key: l.Key, Signer: l.Signer, Digest: l.Digest}, info{name: l.name, size: l.Size, modified: l.Time})
		switch {
		case errors.Is(err, errNotFound):
			return nil
		case errors.As(err, new(*cache.CorruptError)):
			bad[at] = true
			return nil
		}
		all[at] = e
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	for i, e := range all {
		if bad[i] {
			damaged++
		} else if len(e.Data) > 0 {
			out = append(out, e)
		}
	}
	return out, damaged, nil
}

// Absent returns those of items whose entries are not in the store, found by few
// listings; of an entry, only what its name is made of has to be there.
func (s *Store) Absent(ctx context.Context, items []Item) ([]Item, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	there, err := s.published(ctx, items)
	if err != nil {
		return nil, err
	}
	var out []Item
	for _, it := range items {
		if _, ok := there[entryName(it.Entry)]; !ok {
			out = append(out, it)
		}
	}
	return out, nil
}
