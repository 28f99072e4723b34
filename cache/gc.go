package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// GCOptions say what a collection may delete. With neither limit set, only
// content that no entry needs goes.
type GCOptions struct {
	Now       time.Time     // ages count from here
	OlderThan time.Duration // entries not used for so long go; 0 for no such limit
	MaxSize   int64         // then the longest unused go until the store is this small; 0 for no limit
	// Roots lists keys whose entries stay. It is asked once the collection has the
	// store to itself: what a run that it waited for has made is a root, too.
	Roots       func(*Local) ([]Key, error)
	RootObjects []Object // this content stays
	DryRun      bool
	OnWait      func(message string) // why GC does not start
	NoWait      bool                 // ErrInUse instead of waiting for others
	SyncPoint   func(name string)
}

// GCReport tells what a collection did, or would do.
type GCReport struct {
	DryRun         bool
	Entries        int // before
	EntriesDeleted int
	Blobs          int
	BlobsDeleted   int
	Bytes          int64 // stored, before
	BytesFreed     int64 // of deleted blobs and entries
	Packs          int
	PacksAfter     int
	TempsDeleted   int
	Doomed         []GCItem // what entries go, the longest unused first
}

// GCItem is an entry that goes.
type GCItem struct {
	Key      Key
	Kind     string
	LastUsed time.Time
	Reason   string
}

const (
	// Blobs set aside, and saved plans, are kept for a month where no shorter age is asked for.
	leftoverAge = 30 * 24 * time.Hour
	// rewriteShare: packs that are over a twentieth dead are rewritten; rewriting a
	// 256 MiB pack to win less is not worth a second of disk.
	rewriteShare = 20
)

// GC collects garbage in the store in dir. It waits until it has the store to
// itself, or does nothing if it may not wait, so nothing that a live run could use is deleted. Entries go before
// blobs; what stays in packs is rewritten and published before anything is deleted.
func GC(ctx context.Context, dir string, o GCOptions) (GCReport, error) {
	now := func() time.Time { return o.Now }
	if o.Now.IsZero() {
		return GCReport{}, errors.New("collecting garbage: no time is given")
	}
	l, err := open(ctx, dir, Options{Now: now, OnWait: o.OnWait, SyncPoint: o.SyncPoint, noWait: o.NoWait}, true)
	if err != nil {
		return GCReport{}, err
	}
	c := &collection{l: l, o: o, sizes: map[Digest]blobSize{}, needed: map[Digest]int{}, trees: map[Digest][]Digest{}}
	c.report.DryRun = o.DryRun
	err = c.run(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	err = errors.Join(err, l.sealOwn())
	l.closed = true
	if err = errors.Join(err, l.release()); err != nil {
		err = fmt.Errorf("collecting garbage in %s: %w", dir, err)
	}
	return c.report, err
}

// collection is one run of GC.
type collection struct {
	l       *Local
	o       GCOptions
	report  GCReport
	entries []*gcEntry
	sizes   map[Digest]blobSize // of every blob
	needed  map[Digest]int      // how many surviving entries and roots need it
	trees   map[Digest][]Digest
	total   int64 // of the blobs that survive
}

type blobSize struct {
	bytes int64
	taken time.Time
	file  bool
}

type gcEntry struct {
	key    Key
	at     foundEntry
	kind   string
	used   time.Time
	rooted bool
	tagged time.Time // when, of a tag
	needs  []Digest
	reason string // why it goes; "" if it stays
}

func (c *collection) run(ctx context.Context) error {
	if err := c.l.withIndex(func(x *index) error { return nil }); err != nil {
		return err
	}
	if err := c.measure(); err != nil {
		return err
	}
	if err := c.readEntries(ctx); err != nil {
		return err
	}
	if err := c.choose(ctx); err != nil {
		return err
	}
	c.summarise()
	if c.o.DryRun {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// From here on it runs to the end: each step leaves a whole store, but stopping
	// half-way would win nothing.
	if c.report.EntriesDeleted+c.report.BlobsDeleted > 0 {
		if err := c.l.deleting(c.sweep); err != nil {
			return err
		}
	} else if err := c.sweepPacks(); err != nil {
		return err
	}
	return c.sweepLeftovers()
}

// measure finds all blobs.
func (c *collection) measure() error {
	x := c.l.idx
	for d, loc := range x.blobs {
		r := loc.ref()
		c.sizes[d] = blobSize{bytes: recordHeader + int64(r.stored), taken: timeOf(r.taken)}
	}
	c.report.Packs = len(x.packs)
	return c.l.eachBlobFile(func(d Digest, path string, info fs.FileInfo) error {
		c.sizes[d] = blobSize{bytes: info.Size(), taken: info.ModTime(), file: true}
		return nil
	})
}

// eachBlobFile visits the blob files; what is named otherwise is passed over.
func (l *Local) eachBlobFile(visit func(d Digest, path string, info fs.FileInfo) error) error {
	root := filepath.Join(l.dir, "blobs")
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		d, err := ParseDigest(e.Name())
		if err != nil || l.blobPath(d) != path {
			return nil
		}
		info, err := e.Info()
		if notExist(err) {
			return nil
		} else if err != nil {
			return err
		}
		return visit(d, path, info)
	})
}

// readEntries decodes all entries. One that cannot be decoded goes.
func (c *collection) readEntries(ctx context.Context) error {
	days, _, err := c.l.lastUsed()
	if err != nil {
		return err
	}
	rooted := map[Key]bool{}
	if c.o.Roots != nil {
		roots, err := c.o.Roots(c.l)
		if err != nil {
			return err
		}
		for _, k := range roots {
			rooted[k] = true
		}
	}
	for _, loc := range c.l.idx.chain {
		ref := *loc.ref()
		e := &gcEntry{key: ref.key, at: foundEntry{loc.p, ref}, used: timeOf(ref.taken), rooted: rooted[ref.key]}
		if day, ok := days[short(ref.key)]; ok && endOfDay(day).After(e.used) {
			e.used = endOfDay(day)
		}
		c.entries = append(c.entries, e)
		stored, err := c.l.readEntry(ref.key, e.at)
		if err != nil {
			e.reason = "it cannot be read: " + err.Error()
			continue
		}
		entry, err := stored.Decode()
		if err != nil {
			e.reason = err.Error()
			continue
		}
		if e.kind = entry.Kind; e.kind == TagKind {
			e.tagged = entry.Record.Started
		}
		for _, o := range entry.Content() {
			needs, err := c.expand(ctx, o)
			if err != nil {
				return err
			}
			e.needs = append(e.needs, needs...)
		}
		if d, lost := c.lost(e.needs); lost && ref.signer == "" {
			e.reason = "its content is lost: blob " + d.Short()
		}
	}
	c.unrootOldTaggings()
	slices.SortStableFunc(c.entries, func(a, b *gcEntry) int { return a.used.Compare(b.used) })
	return nil
}

// unrootOldTaggings leaves of each tag a root what each signer tagged last. Which
// of the signers are trusted is not known here, and may change.
func (c *collection) unrootOldTaggings() {
	type claim struct {
		key    Key
		signer string
	}
	newest := map[claim]*gcEntry{}
	for _, e := range c.entries {
		if !e.rooted || e.kind != TagKind || e.reason != "" {
			continue
		}
		who := claim{e.key, e.at.ref.signer}
		older := newest[who]
		if older == nil || e.tagged.After(older.tagged) {
			newest[who] = e
		} else {
			older = e
		}
		if older != nil {
			older.rooted = false
		}
	}
}

// lost finds a blob that is not here. Only a pulled entry can do without.
func (c *collection) lost(needs []Digest) (Digest, bool) {
	for _, d := range needs {
		if _, have := c.sizes[d]; !have {
			return d, true
		}
	}
	return Digest{}, false
}

// expand lists an object's blobs. A tree that is not here cannot be expanded,
// and need not be.
func (c *collection) expand(ctx context.Context, o Object) ([]Digest, error) {
	if !o.Tree {
		return []Digest{o.Digest}, nil
	}
	if known, ok := c.trees[o.Digest]; ok {
		return known, nil
	}
	out := []Digest{o.Digest}
	members, err := c.l.Tree(ctx, o.Digest)
	if err != nil && !IsMissing(err) {
		return nil, err
	}
	for _, m := range members {
		if !m.Dir {
			out = append(out, m.Digest)
		}
	}
	c.trees[o.Digest] = out
	return out, nil
}

// choose decides what goes.
func (c *collection) choose(ctx context.Context) error {
	for _, o := range c.o.RootObjects {
		needs, err := c.expand(ctx, o)
		if err != nil {
			return err
		}
		c.need(needs)
	}
	for _, e := range c.entries {
		if e.reason == "" && !e.rooted && c.o.OlderThan > 0 && c.o.Now.Sub(e.used) > c.o.OlderThan {
			e.reason = "unused since " + e.used.Format(time.DateOnly)
		}
		if e.reason == "" {
			c.need(e.needs)
		}
	}
	young := c.youngLoose()
	if c.o.MaxSize <= 0 {
		return nil
	}
	for _, d := range young {
		if c.total <= c.o.MaxSize {
			return nil
		}
		c.drop([]Digest{d})
	}
	for _, e := range c.entries {
		if c.total <= c.o.MaxSize {
			return nil
		}
		if e.reason == "" && !e.rooted {
			e.reason = "the store is over its size"
			c.drop(e.needs)
		}
	}
	return nil
}

// youngLoose keeps content that no entry needs, but that is younger than the
// age limit (snapshots of inputs, say); it returns it, oldest first.
func (c *collection) youngLoose() []Digest {
	var out []Digest
	for d, s := range c.sizes {
		if c.needed[d] == 0 && c.o.OlderThan > 0 && c.o.Now.Sub(s.taken) <= c.o.OlderThan {
			out = append(out, d)
		}
	}
	c.need(out)
	slices.SortFunc(out, func(a, b Digest) int { return c.sizes[a].taken.Compare(c.sizes[b].taken) })
	return out
}

func (c *collection) need(all []Digest) {
	for _, d := range all {
		if c.needed[d]++; c.needed[d] == 1 {
			c.total += c.sizes[d].bytes
		}
	}
}

func (c *collection) drop(all []Digest) {
	for _, d := range all {
		if c.needed[d]--; c.needed[d] == 0 {
			c.total -= c.sizes[d].bytes
		}
	}
}

func (c *collection) summarise() {
	r := &c.report
	r.Entries, r.Blobs, r.PacksAfter = len(c.entries), len(c.sizes), r.Packs
	for _, e := range c.entries {
		r.Bytes += recordHeader + int64(e.at.ref.stored)
		if e.reason != "" {
			r.EntriesDeleted++
			r.BytesFreed += recordHeader + int64(e.at.ref.stored)
			r.Doomed = append(r.Doomed, GCItem{e.key, e.kind, e.used, e.reason})
		}
	}
	for d, s := range c.sizes {
		r.Bytes += s.bytes
		if c.needed[d] <= 0 {
			r.BlobsDeleted++
			r.BytesFreed += s.bytes
		}
	}
}

// sweep deletes entries first, then blobs.
func (c *collection) sweep() error {
	if err := c.sweepPacks(); err != nil {
		return err
	}
	c.l.at("gc-entries-deleted")
	folders := map[string]bool{}
	for d, s := range c.sizes {
		if c.needed[d] > 0 || !s.file {
			continue
		}
		path := c.l.blobPath(d)
		if err := os.Remove(path); err != nil && !notExist(err) {
			return err
		}
		c.l.at("gc-blob-deleted")
		folders[filepath.Dir(path)] = true
	}
	for dir := range folders {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// sweepPacks rewrites packs that are small or have much dead in them, and kills
// the entries that go, wherever they lie.
func (c *collection) sweepPacks() error {
	l := c.l
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.idx
	doomed := map[target]bool{}
	var kill []target
	for _, e := range c.entries {
		if e.reason != "" {
			for _, t := range x.sameEntry(e.at.ref) {
				doomed[t] = true
				kill = append(kill, t)
			}
		}
	}
	dead := func(p *pack, off int64) bool { return doomed[target{p.id, off}] || x.isKilled(p, off) }
	var old []*pack
	for _, p := range x.packs {
		if p.sealed && c.worthRewriting(p, dead) {
			old = append(old, p)
		}
	}
	if len(old) == 0 && len(kill) == 0 {
		return nil
	}
	if len(old) == 1 && len(kill) == 0 && c.deadBytes(old[0], dead) == 0 {
		return nil // one small pack, all alive
	}
	keep := func(p *pack, off int64) bool {
		if dead(p, off) {
			return false
		}
		i, isBlob := slices.BinarySearchFunc(p.blobs, off, func(r blobRef, off int64) int { return int(r.off - off) })
		return !isBlob || c.needed[p.blobs[i].digest] > 0
	}
	_, err := l.rewrite(old, keep, kill)
	if err == nil {
		c.report.PacksAfter = len(l.idx.packs)
	}
	return err
}

// sameEntry lists every record of one entry.
func (x *index) sameEntry(ref entryRef) []target {
	var out []target
	for _, p := range x.packs {
		for i := range p.entries {
			if r := &p.entries[i]; r.key == ref.key && r.digest == ref.digest && r.signer == ref.signer {
				out = append(out, target{p.id, r.off})
			}
		}
	}
	return out
}

func (c *collection) worthRewriting(p *pack, dead func(*pack, int64) bool) bool {
	return p.size < smallPack || p.footerBad || c.deadBytes(p, dead)*rewriteShare > p.size
}

func (c *collection) deadBytes(p *pack, dead func(*pack, int64) bool) (n int64) {
	for i := range p.blobs {
		r := &p.blobs[i]
		if loc, ok := c.l.idx.blobs[r.digest]; !ok || loc.p != p || c.needed[r.digest] <= 0 || dead(p, r.off) {
			n += recordHeader + int64(r.stored)
		}
	}
	for i := range p.entries {
		if dead(p, p.entries[i].off) {
			n += recordHeader + int64(p.entries[i].stored)
		}
	}
	return n
}

// sweepLeftovers deletes temporary files (nobody else is here), old plans, old
// quarantine, old checkpoints of unfinished stages, and compacts the notes of use.
func (c *collection) sweepLeftovers() error {
	age := leftoverAge
	if c.o.OlderThan > 0 {
		age = min(age, c.o.OlderThan)
	}
	n, err := c.removeOld("tmp", -1)
	c.report.TempsDeleted = n
	_, err2 := c.removeOld("plans", age)
	_, err3 := c.removeOld("quarantine", age)
	_, err4 := c.removeOld(ResumeFolder, age)
	live := map[shortKey]bool{}
	for _, e := range c.entries {
		if e.reason == "" {
			live[short(e.key)] = true
		}
	}
	return errors.Join(err, err2, err3, err4, c.l.compactUsed(live))
}

func (c *collection) removeOld(folder string, age time.Duration) (n int, err error) {
	dir := filepath.Join(c.l.dir, folder)
	list, err := os.ReadDir(dir)
	if notExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, e := range list {
		info, ierr := e.Info()
		if ierr != nil || (age >= 0 && c.o.Now.Sub(info.ModTime()) <= age) {
			continue
		}
		n++
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return n, err
}
