package cache

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// index answers from memory what the packs hold. It is loaded at the first
// lookup, follows the packs of other live processes, and is guarded by Local.mu.
type index struct {
	packs  map[string]*pack // by name within packs/
	broken map[string]error // packs that cannot be read at all

	blobs   map[Digest]blobLoc
	heads   map[Key]int32 // first of a chain of entries, -1 ends
	chain   []entryLoc
	killed  map[target]struct{}
	bad     map[Digest]killRef // digests with a note; it counts while no copy is there
	listed  time.Time          // modification time of packs/ when it was listed
	settled bool               // that time was old enough to tell later changes apart
}

type blobLoc struct {
	p *pack
	i int32
}

func (b blobLoc) ref() *blobRef { return &b.p.blobs[b.i] }

type entryLoc struct {
	p    *pack
	i    int32
	next int32
}

func (e entryLoc) ref() *entryRef { return &e.p.entries[e.i] }

func newIndex() *index {
	return &index{packs: map[string]*pack{}, broken: map[string]error{}}
}

// rebuild computes the maps anew from the packs' references.
func (x *index) rebuild() {
	var blobs, entries int
	for _, p := range x.packs {
		blobs += len(p.blobs)
		entries += len(p.entries)
	}
	x.blobs = make(map[Digest]blobLoc, blobs)
	x.heads = make(map[Key]int32, entries)
	x.chain = make([]entryLoc, 0, entries)
	x.killed = map[target]struct{}{}
	x.bad = map[Digest]killRef{}
	for _, p := range x.packs {
		x.kill(p, 0)
	}
	for _, p := range x.packs {
		x.include(p, 0, 0)
	}
}

// kill takes the notes of p from the given one on; it reports whether there were any.
func (x *index) kill(p *pack, from int) bool {
	for _, k := range p.kills[from:] {
		for _, t := range k.targets {
			x.killed[t] = struct{}{}
		}
		if k.kind == kindBad {
			x.bad[k.id] = k
		}
	}
	return len(p.kills) > from
}

// include takes the references of p from the given ones on.
func (x *index) include(p *pack, blobs, entries int) {
	check := len(x.killed) > 0
	for i := blobs; i < len(p.blobs); i++ {
		if check && x.isKilled(p, p.blobs[i].off) {
			continue
		}
		if _, have := x.blobs[p.blobs[i].digest]; !have {
			x.blobs[p.blobs[i].digest] = blobLoc{p, int32(i)}
		}
	}
	for i := entries; i < len(p.entries); i++ {
		if check && x.isKilled(p, p.entries[i].off) {
			continue
		}
		if e := &p.entries[i]; !x.hasEntry(e.key, e.signer, e.digest) {
			next, ok := x.heads[e.key]
			if !ok {
				next = -1
			}
			x.heads[e.key] = int32(len(x.chain))
			x.chain = append(x.chain, entryLoc{p, int32(i), next})
		}
	}
}

func (x *index) isKilled(p *pack, off int64) bool {
	_, dead := x.killed[target{p.id, off}]
	return dead
}

// of lists the entries of a key, oldest first.
func (x *index) of(k Key) []entryLoc {
	i, ok := x.heads[k]
	if !ok {
		return nil
	}
	var out []entryLoc
	for ; i >= 0; i = x.chain[i].next {
		out = append(out, x.chain[i])
	}
	slices.SortFunc(out, func(a, b entryLoc) int {
		ra, rb := a.ref(), b.ref()
		if ra.taken != rb.taken {
			if ra.taken < rb.taken {
				return -1
			}
			return 1
		}
		return slices.Compare(ra.digest[:], rb.digest[:])
	})
	return out
}

func (x *index) hasEntry(k Key, signer string, d Digest) bool {
	i, ok := x.heads[k]
	for ; ok && i >= 0; i = x.chain[i].next {
		if r := x.chain[i].ref(); r.digest == d && r.signer == signer {
			return true
		}
	}
	return false
}

// copies lists every live record of a blob: two processes may each have one.
func (x *index) copies(d Digest) []target {
	var out []target
	for _, p := range x.packs {
		for i := range p.blobs {
			if p.blobs[i].digest == d && !x.isKilled(p, p.blobs[i].off) {
				out = append(out, target{p.id, p.blobs[i].off})
			}
		}
	}
	return out
}

// entryCopies does the same for the entries of a key.
func (x *index) entryCopies(k Key) []target {
	var out []target
	for _, p := range x.packs {
		for i := range p.entries {
			if p.entries[i].key == k && !x.isKilled(p, p.entries[i].off) {
				out = append(out, target{p.id, p.entries[i].off})
			}
		}
	}
	return out
}

// ensureIndex loads the index if need be. The caller holds l.mu.
func (l *Local) ensureIndex() (*index, error) {
	if l.idx != nil {
		return l.idx, nil
	}
	x := newIndex()
	if l.own != nil {
		x.packs[l.own.p.name] = l.own.p
	}
	if err := l.list(x); err != nil {
		return nil, err
	}
	x.rebuild()
	l.idx = x
	return x, nil
}

// refresh looks for what other processes have written since. It costs one stat,
// and one for each open pack of another live process, when nothing happened. The
// index may be another one afterwards. The caller holds l.mu.
func (l *Local) refresh() error {
	if l.idx == nil {
		_, err := l.ensureIndex()
		return err
	}
	x := l.idx
	for range maxListings {
		info, err := os.Stat(packsDir(l.dir))
		if err != nil {
			return fmt.Errorf("looking for new packs: %w", err)
		}
		if !x.settled || !info.ModTime().Equal(x.listed) {
			names := packNames(x)
			if err := l.list(x); err != nil {
				return err
			}
			if !slices.Equal(names, packNames(x)) {
				x.rebuild()
				clear(l.trees) // there may be notes on bad blobs among what is new
			}
		}
		renamed, err := l.growOpen(x)
		if err != nil || !renamed {
			return err
		}
		x.settled = false
	}
	return nil
}

func packNames(x *index) []string {
	names := make([]string, 0, len(x.packs))
	for n := range x.packs {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// growOpen follows the packs that other processes append to. It reports whether
// one was sealed, and so renamed, since the listing.
func (l *Local) growOpen(x *index) (renamed bool, err error) {
	for _, p := range x.packs {
		if p.sealed || (l.own != nil && p == l.own.p) {
			continue
		}
		f, err := p.open()
		if isGone(err) {
			renamed = true
			continue
		} else if err != nil {
			return renamed, fmt.Errorf("reading another process's pack: %w", err)
		}
		if info, err := f.Stat(); err != nil || info.Size() <= p.size {
			continue
		}
		blobs, entries, kills := len(p.blobs), len(p.entries), len(p.kills)
		if err := p.grow(); err != nil {
			return renamed, err
		}
		if x.kill(p, kills) {
			x.rebuild()
			clear(l.trees)
		} else {
			x.include(p, blobs, entries)
		}
	}
	return renamed, nil
}

// reload forgets what was read and lists again: a pack vanished (invariant I22).
func (l *Local) reload() error {
	if l.idx != nil {
		for _, p := range l.idx.packs {
			if l.own == nil || p != l.own.p {
				l.retired = append(l.retired, p)
			}
		}
	}
	l.idx = nil
	_, err := l.ensureIndex()
	return err
}

// settleTime is how much older than now a folder's modification time must be
// before an equal time means an unchanged folder: file systems stamp in ticks of up to 10 ms.
const settleTime = 100 * time.Millisecond

// maxListings bounds how often the folder is read again because others seal packs
// meanwhile; what they do after that, the next refresh sees.
const maxListings = 100

// list brings x.packs in line with the folder. Packs whose writers died are
// taken over on the way. A pack that is renamed while the folder is being read may
// be seen under neither name, or be gone when it is opened, so the folder is read
// until it reads the same twice.
func (l *Local) list(x *index) error {
	for range maxListings {
		info, err := os.Stat(packsDir(l.dir))
		if err != nil {
			return fmt.Errorf("listing the packs: %w", err)
		}
		names, err := l.packFiles()
		if err != nil {
			return err
		}
		x.listed, x.settled = info.ModTime(), l.opt.Now().Sub(info.ModTime()) > settleTime
		l.adoptDead(names)
		if l.follow(x, names) {
			again, err := l.packFiles()
			if err != nil || slices.Equal(names, again) {
				return err
			}
		}
		x.settled = false
	}
	return nil
}

// follow loads the packs of a listing that are new, and drops what is not in it.
// It returns false if one of them was gone.
func (l *Local) follow(x *index, names []string) bool {
	all := true
	present := make(map[string]bool, len(names))
	for _, name := range names {
		present[name] = true
		if x.packs[name] == nil && !l.loadInto(x, name) {
			all = false
		}
	}
	for name, p := range x.packs {
		if !present[name] && (l.own == nil || p != l.own.p) {
			delete(x.packs, name)
			l.retired = append(l.retired, p)
		}
	}
	return all
}

// loadInto returns false if there is no such pack anymore.
func (l *Local) loadInto(x *index, name string) bool {
	p, err := loadPack(filepath.Join(packsDir(l.dir), name), name, strings.HasSuffix(name, sealedSuffix))
	switch {
	case isGone(err):
		return false
	case err != nil:
		x.broken[name] = err
	default:
		delete(x.broken, name)
		x.packs[name] = p
	}
	return true
}

// packFiles lists the names of packs, sorted. Links are none.
func (l *Local) packFiles() ([]string, error) {
	all, err := os.ReadDir(packsDir(l.dir))
	if err != nil {
		return nil, fmt.Errorf("listing the packs: %w", err)
	}
	names := make([]string, 0, len(all))
	for _, e := range all {
		if e.Type().IsRegular() && isPackName(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func isPackName(name string) bool {
	if s, ok := strings.CutSuffix(name, sealedSuffix); ok {
		_, err := ParseDigest(s)
		return err == nil
	}
	s, ok := strings.CutSuffix(name, openSuffix)
	b, err := hex.DecodeString(s)
	return ok && err == nil && len(b) == len(packID{})
}

// adoptDead seals the open packs whose writers are dead; failing to is no
// error, since they can be read as they are.
func (l *Local) adoptDead(names []string) {
	if l.readOnly {
		return
	}
	for _, name := range names {
		if !strings.HasSuffix(name, openSuffix) || (l.own != nil && l.own.p.name == name) {
			continue
		}
		_ = adopt(l.dir, name, l.at)
	}
}

// withIndex runs f under the lock, with the index loaded.
func (l *Local) withIndex(f func(x *index) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	x, err := l.ensureIndex()
	if err != nil {
		return err
	}
	return f(x)
}

func notExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
