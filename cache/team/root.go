package team

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
)

// Root is an experiment on a machine: what it used when it last ran stays in the
// bucket, as long as it is run now and then.
type Root struct {
	ID         string // random-looking; the same for each run
	Experiment string // its folder's own name, for people
}

// rootState is what this process knows of the ref.
type rootState struct {
	mu     sync.Mutex
	loaded bool
	stored map[cache.Key]bool // as it is in the bucket
	set    time.Time          // when that was written, by the server's clock
}

func (t *Team) rootName() string { return s3.RunsPrefix + t.Key.Name + "/" + t.Root.ID }

// protect adds keys to the ref, before their results are published: so a
// collection that does not see the ref yet is one that the publishing sees.
func (t *Team) protect(ctx context.Context, items []s3.Item) error {
	if t.Root == nil {
		return nil
	}
	keys := map[cache.Key]bool{}
	for _, it := range items {
		keys[it.Entry.Key] = true
	}
	return t.updateRoot(ctx, func(old map[cache.Key]bool) map[cache.Key]bool {
		union := maps.Clone(old)
		maps.Copy(union, keys)
		return union
	})
}

// Keep says what the experiment used in this run. With all, that is everything
// that it needs: keys of earlier runs are protected no longer.
func (t *Team) Keep(ctx context.Context, keys []cache.Key, all bool) error {
	if t.Root == nil || t.Key == nil || len(keys) == 0 {
		return nil
	}
	return t.updateRoot(ctx, func(old map[cache.Key]bool) map[cache.Key]bool {
		out := map[cache.Key]bool{}
		if !all {
			out = maps.Clone(old)
		}
		for _, k := range keys {
			out[k] = true
		}
		return out
	})
}

// renewRoot is how old a ref may get before it is written again though nothing
// changed: its age tells when the experiment last ran, and ages count in days.
const renewRoot = 24 * time.Hour

// updateRoot replaces the ref by what change makes of it, where that is something else.
func (t *Team) updateRoot(ctx context.Context, change func(map[cache.Key]bool) map[cache.Key]bool) error {
	r := &t.root
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.loaded {
		if err := t.loadRoot(ctx); err != nil {
			return err
		}
	}
	want := change(r.stored)
	if maps.Equal(want, r.stored) && time.Since(r.set) < renewRoot {
		return nil
	}
	b, err := s3.Root{Experiment: t.Root.Experiment, Keys: slices.Collect(maps.Keys(want))}.Encode()
	if err != nil {
		return err
	}
	if err := t.Remote.SetRef(ctx, t.rootName(), b); err != nil {
		return err
	}
	r.stored, r.set = want, time.Now()
	return nil
}

// loadRoot reads the ref. One that is damaged counts as empty: it is written anew.
func (t *Team) loadRoot(ctx context.Context) error {
	ref, ok, err := t.Remote.Ref(ctx, t.rootName())
	if err != nil {
		return err
	}
	t.root.loaded, t.root.stored, t.root.set = true, map[cache.Key]bool{}, time.Time{}
	if !ok {
		return nil
	}
	if root, err := s3.ParseRoot(ref.Data); err == nil {
		t.root.set = ref.Time
		for _, k := range root.Keys {
			t.root.stored[k] = true
		}
	}
	return nil
}
