package s3

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/nbpipe/nbpipe/cache"
)

const (
	// A pack of which less than half is needed is written anew: the rest costs money.
	repackShare = 2
	// Each run makes a pack of its own, and each machine reads the index of each pack
	// once: many small ones become few.
	smallPack      = 1 << 20
	manySmallPacks = 64
)

// repack copies what is needed of packs that are not worth keeping into new ones.
// The old ones are garbage then, and are deleted like any other.
func (c *collection) repack(ctx context.Context) error {
	builder := newPackBuilder()
	var copied []cache.Digest
	for _, w := range c.worthRepacking() {
		if err := c.lease.check(); err != nil {
			return err
		}
		blobs, err := c.readPack(ctx, w.pack, w.needed)
		if err != nil {
			return err
		}
		if len(blobs) < len(w.needed) {
			continue // gone or damaged: what is left of it stays
		}
		for _, b := range blobs {
			builder.add(b)
		}
		copied = append(copied, w.pack)
		if builder.full() {
			if err := c.replacePacks(ctx, builder, copied); err != nil {
				return err
			}
			builder, copied = newPackBuilder(), nil
		}
	}
	return c.replacePacks(ctx, builder, copied)
}

func (c *collection) replacePacks(ctx context.Context, b *packBuilder, old []cache.Digest) error {
	if len(old) == 0 {
		return nil
	}
	if err := c.putPack(ctx, b); err != nil {
		return err
	}
	c.at("gc-repacked")
	c.report.Repacked += len(old)
	for _, d := range old {
		c.garbage[packName(d)] = "written anew"
	}
	return nil
}

// partlyNeeded is a pack, and what is needed of it.
type partlyNeeded struct {
	pack   cache.Digest
	needed []packed
}

// worthRepacking lists packs that are to be written anew, in the order of names.
// Young ones may belong to results that are being published.
func (c *collection) worthRepacking() []partlyNeeded {
	packs, _ := c.needed(func(e *surveyed) bool { return !c.dead[e] })
	var poor, tiny []partlyNeeded
	for p, needed := range packs {
		i := c.view.packs[p]
		if c.buried[i.name] || c.age(i) < c.grace {
			continue
		}
		var live int64
		for _, b := range needed {
			live += b.n
		}
		switch {
		case live*repackShare < i.size && i.size > 2*firstTail:
			poor = append(poor, partlyNeeded{p, needed})
		case i.size < smallPack:
			tiny = append(tiny, partlyNeeded{p, needed})
		}
	}
	if len(tiny) >= manySmallPacks {
		poor = append(poor, tiny...)
	}
	slices.SortFunc(poor, func(a, b partlyNeeded) int { return bytes.Compare(a.pack[:], b.pack[:]) })
	return poor
}

// readPack reads blobs of a pack and verifies them.
func (c *collection) readPack(ctx context.Context, d cache.Digest, want []packed) (out []cache.Packed, err error) {
	object, _, err := c.get(ctx, packName(d), 0, c.view.packs[d].size)
	if errors.Is(err, errNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	for _, w := range want {
		b, err := w.in(object)
		if err == nil {
			_, err = b.Bytes()
		}
		if err != nil {
			continue
		}
		out = append(out, b)
	}
	return out, nil
}
