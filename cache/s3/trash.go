package s3

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nbpipe/nbpipe/cache"
)

// What a collection does is told to everybody by objects in trash/. A tombstone
// names objects that were found to be garbage; when it is as old as the grace,
// those that still are, and were not refreshed since, are deleted. While a
// collection deletes, a marker is there: it is put before the collection looks at
// what is needed, and taken away, after the tombstones that it worked off, when it
// is done. So who finds the same tombstones and no marker before and after it has
// looked at something knows that nothing was deleted meanwhile.
const (
	trashPrefix  = "trash/"
	markerPrefix = trashPrefix + "deleting-"
	tombPrefix   = trashPrefix + "tombstone-"
	maxCondemned = 10_000 // names in one tombstone
	maxTombstone = 16 << 20
	tombVersion  = 1
)

// tombstone is the content of a tombstone.
type tombstone struct {
	Version   int      `json:"version"`
	Condemned []string `json:"condemned"` // names, sorted
}

// trashState is what trash/ holds at a moment.
type trashState struct {
	names    string // of all objects, with their tags
	deleting bool
}

// trashNow looks at trash/.
func (s *Store) trashNow(ctx context.Context) (trashState, error) {
	found, err := s.list(ctx, trashPrefix)
	if err != nil {
		return trashState{}, err
	}
	var t trashState
	var names strings.Builder
	for _, i := range found {
		names.WriteString(i.name + " " + i.etag + "\n")
		t.deleting = t.deleting || strings.HasPrefix(i.name, markerPrefix)
	}
	t.names = names.String()
	return t, nil
}

// awaitCollection returns what is in trash/ as soon as no collection deletes. One
// that has died deletes nothing once its lease has run out.
func (s *Store) awaitCollection(ctx context.Context) (trashState, error) {
	told := false
	for {
		now, err := s.trashNow(ctx)
		if err != nil || !now.deleting {
			return now, err
		}
		running, err := s.collecting(ctx)
		if err != nil {
			return now, err
		}
		if !running {
			now.deleting = false // a left-over
			return now, nil
		}
		if !told {
			told = true
			s.tell("waiting for a collection of garbage in the team cache to end")
		}
		const pause = time.Second
		if err := sleep(ctx, pause); err != nil {
			return now, err
		}
	}
}

// readTombstone reads a tombstone; one that is damaged condemns nothing.
func (s *Store) readTombstone(ctx context.Context, i info) (tombstone, error) {
	var t tombstone
	if i.size <= 0 || i.size > maxTombstone {
		return t, nil
	}
	b, _, err := s.get(ctx, i.name, 0, i.size)
	if errors.Is(err, errNotFound) {
		return t, nil
	}
	if err != nil {
		return t, err
	}
	return parseTombstone(b), nil
}

// parseTombstone reads what bury wrote.
func parseTombstone(b []byte) (t tombstone) {
	if json.Unmarshal(b, &t) != nil || t.Version != tombVersion {
		return tombstone{}
	}
	return t
}

// bury writes tombstones for garbage.
func (s *Store) bury(ctx context.Context, names []string) error {
	for part := range slices.Chunk(names, maxCondemned) {
		b, err := json.Marshal(tombstone{Version: tombVersion, Condemned: part})
		if err != nil {
			return err
		}
		name := tombPrefix + cache.DigestOf(append(b, s.Now().String()...)).Short() + ".json"
		if _, err := s.put(ctx, name, b, always); err != nil {
			return err
		}
		s.at("gc-tombstone-written")
	}
	return nil
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
