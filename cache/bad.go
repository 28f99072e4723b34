package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// MarkBad notes that the bytes of d are wrong or lost: the local copy is set
// aside, and entries that need d are misses until the same bytes are stored
// again, or a newer entry needs others (invariant I4).
func (l *Local) MarkBad(ctx context.Context, d Digest, reason string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.markBad(d, reason)
}

func (l *Local) markBad(d Digest, reason string) error {
	if err := l.canWrite(); err != nil {
		return err
	}
	return l.deleting(func() error {
		err := l.withIndex(func(x *index) error {
			if err := l.refresh(); err != nil {
				return err
			}
			clear(l.trees)
			r := record{kind: kindBad, taken: l.opt.Now().UnixNano(), id: d}
			return l.appendRecord(r, marshalKillPayload(l.idx.copies(d), reason))
		})
		if err == nil {
			err = l.syncOwn()
		}
		if err != nil {
			return fmt.Errorf("noting that blob %s is bad: %w", d.Short(), err)
		}
		l.at("bad-noted")
		return l.quarantine(d)
	})
}

// quarantine moves a blob file aside; one that is not there is no error.
func (l *Local) quarantine(d Digest) error {
	to := filepath.Join(l.dir, "quarantine", fmt.Sprintf("%s.%d", d, l.opt.Now().UnixNano()))
	if err := os.Rename(l.blobPath(d), to); err != nil && !notExist(err) {
		return fmt.Errorf("setting blob %s aside: %w", d.Short(), err)
	}
	l.at("bad-moved")
	return nil
}

// Forget deletes all entries of a key and returns how many there were. Blobs stay
// until the next collection.
func (l *Local) Forget(ctx context.Context, k Key) (n int, err error) {
	if err := errors.Join(ctx.Err(), l.canWrite()); err != nil {
		return 0, err
	}
	err = l.deleting(func() error {
		err := l.withIndex(func(x *index) error {
			if err := l.refresh(); err != nil {
				return err
			}
			if n = len(l.idx.of(k)); n == 0 {
				return nil
			}
			r := record{kind: kindForget, taken: l.opt.Now().UnixNano(), id: k}
			return l.appendRecord(r, marshalKillPayload(l.idx.entryCopies(k), "forgotten"))
		})
		if err == nil && n > 0 {
			err = l.syncOwn()
		}
		if err != nil {
			return fmt.Errorf("forgetting key %s: %w", k.Short(), err)
		}
		l.at("forgotten")
		return nil
	})
	return n, err
}

// noted reports whether a note on d counts: a copy that is there, stored after
// the note, heals it. The caller holds l.mu.
func (l *Local) noted(x *index, d Digest) (killRef, bool) {
	k, ok := x.bad[d]
	if !ok {
		return k, false
	}
	if _, have := x.blobs[d]; have || l.hasFile(d) {
		return k, false
	}
	return k, true
}
