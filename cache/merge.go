package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Packs are merged when there are this many: loading an index costs about 30 µs
// a pack beside its records, and listing them is part of every fingerprint.
const maxPacks = 64

// smallPack is what merging rewrites; larger packs stay as they are.
const smallPack = 16 << 20

// mergeIfMany merges small packs if there are many and nobody else has the store
// open. The caller holds l.mu, has sealed its own pack and is about to close:
// it does not matter that a failed attempt gives up the shared lock.
func (l *Local) mergeIfMany() error {
	if l.readOnly {
		return nil
	}
	names, err := l.packFiles()
	if err != nil || len(names) <= maxPacks {
		return err
	}
	if err := flock(l.lock, true, false); err != nil {
		return nil
	}
	if err := l.reload(); err != nil {
		return err
	}
	var small []*pack
	for _, p := range l.idx.packs {
		if p.sealed && p.size < smallPack {
			small = append(small, p)
		}
	}
	if len(small) < maxPacks/2 {
		return nil
	}
	_, err = l.rewrite(small, func(*pack, int64) bool { return true }, nil)
	return errors.Join(err, l.compactUsed(nil))
}

// rewrite copies the live records of packs for which keep says so into new
// packs, publishes these, and then deletes the old ones (invariant I22). The
// records that are dropped are killed by a note in the last new pack, so that a
// crash while the old packs are being deleted brings no entry back whose blobs
// are gone already. The caller holds l.mu and the exclusive lock. It returns
// how many bytes were won.
func (l *Local) rewrite(old []*pack, keep func(p *pack, off int64) bool, kill []target) (won int64, err error) {
	w := &rewriter{l: l}
	defer w.abandon()
	for _, p := range old {
		won += p.size
		if err := w.copyBlobs(p, keep); err != nil {
			return 0, fmt.Errorf("rewriting packs: %w", err)
		}
	}
	for _, p := range old {
		if err := w.copyEntries(p, keep); err != nil {
			return 0, fmt.Errorf("rewriting packs: %w", err)
		}
	}
	if len(kill) > 0 {
		r := record{kind: kindForget, taken: l.opt.Now().UnixNano()}
		err = w.add(r, marshalKillPayload(kill, "collected"))
	}
	l.at("rewrite-written")
	if err = errors.Join(err, w.seal()); err != nil {
		return 0, fmt.Errorf("rewriting packs: %w", err)
	}
	l.at("rewrite-published")
	for _, p := range old {
		if err := os.Remove(filepath.Join(packsDir(l.dir), p.name)); err != nil && !notExist(err) {
			return 0, fmt.Errorf("deleting a rewritten pack: %w", err)
		}
		l.at("rewrite-deleted-one")
	}
	won -= w.bytes
	return won, errors.Join(syncDir(packsDir(l.dir)), l.reload())
}

// rewriter writes as many new packs as are needed.
type rewriter struct {
	l     *Local
	w     *packWriter
	bytes int64
}

// copyBlobs takes over the blobs that the index would read from p.
func (w *rewriter) copyBlobs(p *pack, keep func(*pack, int64) bool) error {
	for i := range p.blobs {
		r := &p.blobs[i]
		loc, ok := w.l.idx.blobs[r.digest]
		if !ok || loc.p != p || int(loc.i) != i || !keep(p, r.off) {
			continue
		}
		if err := w.copy(p, r.off, r.stored); err != nil {
			return err
		}
	}
	return nil
}

// copyEntries takes over live entries, and notes.
func (w *rewriter) copyEntries(p *pack, keep func(*pack, int64) bool) error {
	for i := range p.entries {
		r := &p.entries[i]
		if w.l.idx.isKilled(p, r.off) || !keep(p, r.off) {
			continue
		}
		if err := w.copy(p, r.off, r.stored); err != nil {
			return err
		}
	}
	for _, k := range p.kills {
		if err := w.copyKill(k); err != nil {
			return err
		}
	}
	return nil
}

func (w *rewriter) writer(need int64) (*packWriter, error) {
	if w.w != nil && w.w.p.end+need > maxPackSize {
		if err := w.seal(); err != nil {
			return nil, err
		}
	}
	if w.w == nil {
		var err error
		if w.w, err = newPackWriter(w.l.dir, w.l.at); err != nil {
			return nil, err
		}
	}
	return w.w, nil
}

// copy takes a record over as it is; one that cannot be read is left behind.
func (w *rewriter) copy(p *pack, off int64, stored uint32) error {
	r, payload, err := p.read(off, stored)
	if err != nil {
		return nil
	}
	out, err := w.writer(r.total())
	if err != nil {
		return err
	}
	return out.copyRaw(r, r.marshal(payload))
}

func (w *rewriter) add(r record, payload []byte) error {
	out, err := w.writer(int64(len(payload)))
	if err != nil {
		return err
	}
	return out.append(r, payload)
}

// copyKill keeps a note while it says something: the blob is still missing, or
// it kills records in packs that exist. The packs being replaced count: a crash
// may leave them.
func (w *rewriter) copyKill(k killRef) error {
	var targets []target
	for _, t := range k.targets {
		if w.l.packExists(t.pack) {
			targets = append(targets, t)
		}
	}
	_, noted := w.l.noted(w.l.idx, k.id)
	if len(targets) == 0 && !(k.kind == kindBad && noted) {
		return nil
	}
	return w.add(record{kind: k.kind, taken: k.taken, id: k.id}, marshalKillPayload(targets, k.reason))
}

func (l *Local) packExists(id packID) bool {
	for _, p := range l.idx.packs {
		if p.id == id {
			return true
		}
	}
	return false
}

func (w *rewriter) seal() error {
	if w.w == nil {
		return nil
	}
	err := w.w.seal()
	if err == nil && w.w.p.sealed {
		w.bytes += w.w.p.size
	}
	if err == nil {
		w.w.p.close()
		w.w = nil
	}
	return err
}

// abandon removes a pack that was not finished.
func (w *rewriter) abandon() {
	if w.w != nil {
		_ = os.Remove(w.w.p.path)
		_ = w.w.f.Close()
		w.w = nil
	}
}
