package s3

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/nbpipe/nbpipe/cache"
)

// GCOptions say what a collection may delete. With neither limit set, that is what
// nobody can use: content that no entry needs, entries that are damaged or that
// nobody signed, tags that were replaced.
type GCOptions struct {
	OlderThan time.Duration // results that nothing has named for so long go; 0 for no such limit
	MaxSize   int64         // then those go that were named the longest time ago, until the live ones take this many bytes; 0 for no limit
	DryRun    bool          // needs a reader's rights only
	// Progress tells what is being done; may be nil.
	Progress func(what string, done, total int)
	// Lease is how long the lease lasts without a sign of life; 5 minutes if zero.
	Lease time.Duration
}

// GCReport tells what a collection did, or would do. Deleted is what was condemned
// a grace ago; Condemned is what will be deleted when the grace is over.
type GCReport struct {
	DryRun    bool          `json:"dry_run"`
	Grace     time.Duration `json:"grace"`
	Entries   int           `json:"entries"` // before
	Objects   int           `json:"objects"` // packs and large blobs, before
	Bytes     int64         `json:"bytes"`   // of both
	Live      []GCEntry     `json:"live"`
	Garbage   []GCEntry     `json:"garbage"`
	Condemned GCCount       `json:"condemned"`
	Waiting   GCCount       `json:"waiting"` // condemned before, the grace is not over
	Deleted   GCCount       `json:"deleted"`
	Repacked  int           `json:"repacked"`  // packs written anew, since most of them is garbage or they are small
	Denied    int           `json:"denied"`    // deletions that the server refused
	NextDue   time.Time     `json:"next_due"`  // when the next tombstone's grace is over; zero without any
	LiveBytes int64         `json:"live_size"` // of what live entries need
}

// GCCount counts objects.
type GCCount struct {
	Entries int   `json:"entries"`
	Objects int   `json:"objects"` // packs, large blobs, refs, left-overs
	Bytes   int64 `json:"bytes"`
}

// GCEntry is an entry that stays, or goes.
type GCEntry struct {
	Key    cache.Key `json:"key"`
	Kind   string    `json:"kind"`
	Signer string    `json:"signer"`
	Used   time.Time `json:"used"` // when it was stored, or a ref last named it
	Why    string    `json:"why"`
}

// GC collects garbage (invariants I13 to I15); it needs a collector's rights. It
// is safe beside running writers and readers: what it finds it condemns by a
// tombstone, and it deletes only what was condemned a grace ago, was not refreshed
// since, and is still garbage. Results go before their content.
func (s *Store) GC(ctx context.Context, o GCOptions) (GCReport, error) {
	c := &collection{Store: s, o: o, report: GCReport{DryRun: o.DryRun, Grace: s.grace}}
	if c.o.Progress == nil {
		c.o.Progress = func(string, int, int) {}
	}
	if err := s.begin(ctx); err != nil {
		return c.report, err
	}
	if o.DryRun {
		err := c.dryRun(ctx)
		return c.report, err
	}
	if err := s.collectable(ctx); err != nil {
		return c.report, err
	}
	length := o.Lease
	if length == 0 {
		length = leaseTime
	}
	l, err := s.takeLease(ctx, length)
	if err != nil {
		return c.report, err
	}
	c.lease = l
	err = c.run(ctx)
	if c.pending {
		l.abandon() // nobody goes on before a deletion on its way is surely over
	} else {
		l.release(ctx)
	}
	return c.report, err
}

// collectable refuses servers on which a collection would not be safe.
func (s *Store) collectable(ctx context.Context) error {
	can, err := s.Probe(ctx, false)
	if err != nil {
		return err
	}
	var lacks []string
	for what, ok := range map[string]bool{
		"If-None-Match":               can.ConditionalCreate,
		"If-Match":                    can.ConditionalReplace,
		"copying an object to itself": can.Refresh,
	} {
		if !ok {
			lacks = append(lacks, what)
		}
	}
	if len(lacks) > 0 {
		slices.Sort(lacks)
		return fmt.Errorf("the server does not honour %s: garbage cannot be collected safely, and nothing was deleted", strings.Join(lacks, ", "))
	}
	skew, ok := s.serverSkew()
	if !ok { // a folder's time is seen by writing to it
		if _, err := s.Probe(ctx, true); err != nil {
			return err
		}
		skew, ok = s.serverSkew()
	}
	if !ok {
		return errors.New("the server does not tell its time: ages cannot be known, and nothing was deleted")
	}
	if skew.Abs() > maxSkew {
		return fmt.Errorf("the server's clock and this machine's are %s apart: set the wrong one; nothing was deleted", skew.Abs().Round(time.Second))
	}
	return nil
}

// collection is one run of GC.
type collection struct {
	*Store
	o      GCOptions
	report GCReport
	lease  *lease
	view   *survey

	garbage map[string]string  // why an object goes, by name
	dead    map[*surveyed]bool // entries among it
	used    map[cache.Key]use  // by refs
	due     map[string]bool    // tombstones to work off
	graves  []grave
	buried  map[string]bool // what the graves name
	seen    map[string]info // every object that can be garbage
	marker  string

	mu      sync.Mutex
	pending bool // a deletion was sent, and it is not known what became of it
	unswept bool // a tombstone that is due is still there
}

// use is when, and for whom, a key was last named by a ref.
type use struct {
	at  time.Time
	who string
	tag bool
}

// grave is a tombstone that is there.
type grave struct {
	info
	names []string
	due   bool
}

func (c *collection) dryRun(ctx context.Context) error {
	if err := c.findDue(ctx); err != nil {
		return err
	}
	if err := c.look(ctx); err != nil {
		return err
	}
	c.account()
	due := c.deletable()
	for name := range c.garbage {
		switch {
		case due[name]:
			c.count(&c.report.Deleted, name)
		case c.buried[name]:
			c.count(&c.report.Waiting, name)
		default:
			c.count(&c.report.Condemned, name)
		}
	}
	return nil
}

func (c *collection) run(ctx context.Context) error {
	if err := c.findDue(ctx); err != nil {
		return err
	}
	if err := c.mark(ctx); err != nil {
		return err
	}
	if err := c.look(ctx); err != nil {
		return errors.Join(err, c.unmark(context.WithoutCancel(ctx)))
	}
	c.account()
	// If the tombstones stay, so does the marker, until the next collection: who
	// looked before and after a deletion must see a difference.
	if err := c.sweep(ctx); err != nil || c.unswept {
		return err
	}
	if err := c.unmark(ctx); err != nil {
		return err
	}
	if err := c.repack(ctx); err != nil {
		return err
	}
	return c.condemn(ctx)
}

// findDue finds the tombstones that are as old as the grace. What falls due later
// is for the next collection: nobody has been told of it.
func (c *collection) findDue(ctx context.Context) error {
	found, err := c.list(ctx, tombPrefix)
	c.due = map[string]bool{}
	for _, i := range found {
		if c.age(i) > c.grace+time.Second { // clocks tick in seconds
			c.due[i.name] = true
		}
	}
	return err
}

// mark takes away the markers of collections that died, and puts one where
// something will be deleted. Only after that is looked at what is needed.
func (c *collection) mark(ctx context.Context) error {
	left, err := c.list(ctx, markerPrefix)
	if err != nil {
		return err
	}
	if len(c.due) > 0 {
		c.marker = markerPrefix + c.lease.file.Holder
		c.at("gc-marker-before")
		if _, err := c.put(ctx, c.marker, []byte("{}\n"), always); err != nil {
			return err
		}
		c.at("gc-marker-written")
	}
	for _, i := range left {
		if _, err := c.delete(ctx, i.name); err != nil {
			return err
		}
	}
	return nil
}

func (c *collection) unmark(ctx context.Context) error {
	if c.marker == "" {
		return nil
	}
	_, err := c.delete(ctx, c.marker)
	c.at("gc-marker-removed")
	return err
}

// look surveys the bucket and decides what is garbage.
func (c *collection) look(ctx context.Context) (err error) {
	c.o.Progress("looking at what is there", 0, 0)
	c.view, err = c.survey(ctx, nil, func(done, total int) { c.o.Progress("reading results", done, total) })
	if err != nil {
		return err
	}
	c.index()
	if err := c.readGraves(ctx); err != nil {
		return err
	}
	if err := c.roots(); err != nil {
		return err
	}
	c.garbage, c.dead = map[string]string{}, map[*surveyed]bool{}
	c.judgeEntries()
	c.judgeSize()
	c.judgeContent()
	for _, i := range c.view.probes {
		if c.age(i) > c.grace {
			c.garbage[i.name] = "left over from probing the server"
		}
	}
	// What waits in a cluster's queue is not touched for days.
	const patience = 7
	for _, i := range c.view.work {
		if c.age(i) > patience*c.grace {
			c.garbage[i.name] = "left over from executors"
		}
	}
	return nil
}

// index makes everything that was seen findable by its name.
func (c *collection) index() {
	v := c.view
	c.seen = make(map[string]info, len(v.entries)+len(v.packs)+len(v.blobs))
	for _, e := range v.entries {
		c.seen[e.name] = e.info
	}
	for _, objects := range []map[cache.Digest]info{v.packs, v.blobs} {
		for _, i := range objects {
			c.seen[i.name] = i
		}
	}
	for _, i := range slices.Concat(v.probes, v.work) {
		c.seen[i.name] = i
	}
	for _, r := range v.refs {
		c.seen[refsPrefix+r.Name] = info{name: refsPrefix + r.Name, size: int64(len(r.Data)), modified: r.Time}
	}
}

func (c *collection) age(i info) time.Duration { return c.serverNow().Sub(i.modified) }

func (c *collection) readGraves(ctx context.Context) error {
	c.buried, c.graves = map[string]bool{}, nil
	var mu sync.Mutex
	return each(ctx, c.view.trash, func(ctx context.Context, _ int, i info) error {
		if !strings.HasPrefix(i.name, tombPrefix) {
			return nil
		}
		t, err := c.readTombstone(ctx, i)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		g := grave{i, t.Condemned, c.due[i.name]}
		c.graves = append(c.graves, g)
		for _, name := range g.names {
			c.buried[name] = true
		}
		return nil
	})
}

// roots finds which keys are named by refs. A ref that cannot be read might name
// anything, so it stops the collection.
func (c *collection) roots() error {
	c.used = map[cache.Key]use{}
	for _, r := range c.view.refs {
		keys, who, err := r.keys()
		if err != nil {
			return fmt.Errorf("ref %s cannot be read: %w; if a newer nbpipe made it, use that, else delete the object %s%s%s; nothing was deleted", r.Name, err, c.Prefix, refsPrefix, r.Name)
		}
		for _, k := range keys {
			if u, ok := c.used[k]; !ok || r.Time.After(u.at) {
				c.used[k] = use{r.Time, who, strings.HasPrefix(r.Name, cache.TagRefs)}
			}
		}
	}
	return nil
}

// rooted reports whether a key is named by a ref that is young enough to count.
func (c *collection) rooted(k cache.Key) (use, bool) {
	u, ok := c.used[k]
	if u.tag || c.o.OlderThan == 0 {
		return u, ok
	}
	return u, ok && c.serverNow().Sub(u.at) <= c.o.OlderThan
}

// lastUsed is when an entry was stored, or a ref last named its key.
func (c *collection) lastUsed(e *surveyed) time.Time {
	if u, ok := c.used[e.stored.Key]; ok && u.at.After(e.modified) {
		return u.at
	}
	return e.modified
}

// judgeEntries decides which entries go whatever the size.
func (c *collection) judgeEntries() {
	latest := map[string]*surveyed{} // of tags, by key and signer
	for _, e := range c.view.entries {
		if e.kind != cache.TagKind {
			continue
		}
		id := e.stored.Key.String() + e.stored.Signer
		if old := latest[id]; old == nil || e.started.After(old.started) {
			latest[id] = e
		}
	}
	for _, e := range c.view.entries {
		_, rooted := c.rooted(e.stored.Key)
		switch {
		case e.trouble != "":
			c.drop(e, e.trouble)
		case e.stored.Signer == "":
			c.drop(e, "nobody signed it")
		case e.kind == cache.TagKind && !rooted:
			c.drop(e, "the tag was deleted")
		case e.kind == cache.TagKind && latest[e.stored.Key.String()+e.stored.Signer] != e:
			c.drop(e, "the tag was set anew")
		case !rooted && c.o.OlderThan > 0 && c.serverNow().Sub(c.lastUsed(e)) > c.o.OlderThan:
			c.drop(e, "not used since "+c.lastUsed(e).UTC().Format(time.DateOnly))
		}
	}
	for _, r := range c.view.refs {
		if c.o.OlderThan > 0 && strings.HasPrefix(r.Name, RunsPrefix) && c.serverNow().Sub(r.Time) > c.o.OlderThan {
			c.garbage[refsPrefix+r.Name] = "no run since " + r.Time.UTC().Format(time.DateOnly)
		}
	}
}

func (c *collection) drop(e *surveyed, why string) {
	c.garbage[e.name], c.dead[e] = why, true
}

// judgeSize drops entries, the longest unused first, until what is needed takes
// no more than asked for. What a ref names stays.
func (c *collection) judgeSize() {
	needed := map[cache.Digest]int{}
	for _, e := range c.view.entries {
		if !c.dead[e] {
			for _, d := range e.needs {
				if needed[d]++; needed[d] == 1 {
					c.report.LiveBytes += c.size(d)
				}
			}
		}
	}
	if c.o.MaxSize <= 0 {
		return
	}
	byUse := slices.Clone(c.view.entries)
	slices.SortStableFunc(byUse, func(a, b *surveyed) int { return c.lastUsed(a).Compare(c.lastUsed(b)) })
	for _, e := range byUse {
		if c.report.LiveBytes <= c.o.MaxSize {
			return
		}
		if _, rooted := c.rooted(e.stored.Key); rooted || c.dead[e] {
			continue
		}
		c.drop(e, "the team cache is over its size")
		for _, d := range e.needs {
			if needed[d]--; needed[d] == 0 {
				c.report.LiveBytes -= c.size(d)
			}
		}
	}
}

// size is how many bytes a blob takes in the bucket; 0 for one that is not there.
func (c *collection) size(d cache.Digest) int64 {
	if i, ok := c.view.blobs[d]; ok {
		return i.size
	}
	c.catalogue.mu.Lock()
	defer c.catalogue.mu.Unlock()
	return c.catalogue.blobs[d].n
}

// judgeContent decides which packs and large blobs go: those that no entry needs.
func (c *collection) judgeContent() {
	packs, blobs := c.needed(func(e *surveyed) bool { return !c.dead[e] })
	for d, i := range c.view.packs {
		if packs[d] == nil {
			c.garbage[i.name] = "no result needs it"
		}
	}
	for d, i := range c.view.blobs {
		if !blobs[d] {
			c.garbage[i.name] = "no result needs it"
		}
	}
}

// needed finds the large blobs that entries need, and of which packs they need
// what. Of several packs that hold a blob, one is needed: rather one that is not
// condemned, then the youngest.
func (c *collection) needed(by func(*surveyed) bool) (packs map[cache.Digest][]packed, blobs map[cache.Digest]bool) {
	packs, blobs = map[cache.Digest][]packed{}, map[cache.Digest]bool{}
	small := map[cache.Digest]bool{}
	for _, e := range c.view.entries {
		if !by(e) {
			continue
		}
		for _, d := range e.needs {
			if _, large := c.view.blobs[d]; large {
				blobs[d] = true
			} else {
				small[d] = true
			}
		}
	}
	for _, p := range c.packsByWorth() {
		for _, b := range c.catalogue.contents(p) {
			if small[b.digest] {
				packs[p] = append(packs[p], b)
				delete(small, b.digest)
			}
		}
	}
	return packs, blobs
}

func (c *collection) packsByWorth() []cache.Digest {
	all := slices.Collect(maps.Keys(c.view.packs))
	slices.SortFunc(all, func(a, b cache.Digest) int {
		pa, pb := c.view.packs[a], c.view.packs[b]
		if dead := c.buried[pa.name]; dead != c.buried[pb.name] {
			if dead {
				return 1
			}
			return -1
		}
		if n := pb.modified.Compare(pa.modified); n != 0 {
			return n
		}
		return strings.Compare(pa.name, pb.name)
	})
	return all
}

// account fills in the report, apart from what is done.
func (c *collection) account() {
	r := &c.report
	for _, e := range c.view.entries {
		r.Entries++
		r.Bytes += e.size
		item := GCEntry{Key: e.stored.Key, Kind: e.kind, Signer: e.stored.Signer, Used: c.lastUsed(e), Why: c.garbage[e.name]}
		if c.dead[e] {
			r.Garbage = append(r.Garbage, item)
			continue
		}
		if u, ok := c.rooted(e.stored.Key); ok {
			item.Why = u.who
		}
		r.Live = append(r.Live, item)
	}
	for _, objects := range []map[cache.Digest]info{c.view.packs, c.view.blobs} {
		for _, i := range objects {
			r.Objects++
			r.Bytes += i.size
		}
	}
	byUse := func(a, b GCEntry) int { return a.Used.Compare(b.Used) }
	slices.SortStableFunc(r.Live, byUse)
	slices.SortStableFunc(r.Garbage, byUse)
	for _, g := range c.graves {
		if at := g.modified.Add(c.grace); !g.due && (r.NextDue.IsZero() || at.Before(r.NextDue)) {
			r.NextDue = at
		}
	}
}

func (c *collection) count(n *GCCount, name string) {
	if strings.HasPrefix(name, entriesPrefix) {
		n.Entries++
	} else {
		n.Objects++
	}
	n.Bytes += c.seen[name].size
}

// deletable lists garbage that was condemned a grace ago and not touched since.
// Content that an entry needs which is not among it waits for that entry.
func (c *collection) deletable() map[string]bool {
	out := map[string]bool{}
	for _, g := range c.graves {
		if !g.due {
			continue
		}
		for _, name := range g.names {
			// Equal times may be a refresh within the same second.
			if i, ok := c.seen[name]; ok && c.garbage[name] != "" && i.modified.Before(g.modified) {
				out[name] = true
			}
		}
	}
	packs, blobs := c.needed(func(e *surveyed) bool { return !out[e.name] })
	for d := range packs {
		delete(out, packName(d))
	}
	for d := range blobs {
		delete(out, blobName(d))
	}
	return out
}

// sweep deletes what is due: entries, then content, then the tombstones.
func (c *collection) sweep(ctx context.Context) error {
	names := slices.Sorted(maps.Keys(c.deletable()))
	entries := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, entriesPrefix) })
	content := slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(n, entriesPrefix) })
	if err := c.deleteAll(ctx, "deleting results", entries); err != nil {
		return err
	}
	c.at("gc-entries-deleted")
	if c.report.Denied == 0 { // else an entry may have stayed that needs it
		if err := c.deleteAll(ctx, "deleting content", content); err != nil {
			return err
		}
	}
	for _, g := range c.graves {
		if !g.due {
			continue
		}
		denied, err := c.delete(ctx, g.name)
		if err != nil {
			return err
		}
		c.unswept = c.unswept || denied
		c.at("gc-tombstone-removed")
		for _, name := range g.names { // what stayed is judged anew
			delete(c.buried, name)
		}
	}
	return nil
}

func (c *collection) deleteAll(ctx context.Context, what string, names []string) error {
	done := 0
	return each(ctx, names, func(ctx context.Context, _ int, name string) error {
		denied, err := c.tryDelete(ctx, name)
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case err != nil:
			return err
		case denied:
			c.report.Denied++
		default:
			c.count(&c.report.Deleted, name)
			delete(c.garbage, name)
		}
		done++
		c.o.Progress(what, done, len(names))
		return nil
	})
}

// delete deletes an object of the collection's own. That it may not is no error.
func (c *collection) delete(ctx context.Context, name string) (denied bool, err error) {
	if denied, err = c.tryDelete(ctx, name); denied {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.report.Denied++
	}
	return denied, err
}

// tryDelete deletes one object, unless the lease is lost. Once begun it is not
// interrupted: a request that nobody waits for may still be carried out.
func (c *collection) tryDelete(ctx context.Context, name string) (denied bool, err error) {
	if err := errors.Join(ctx.Err(), c.lease.check()); err != nil {
		return false, err
	}
	c.at("gc-before-delete")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.lease.time/2)
	defer cancel()
	err = c.removeIf(ctx, name, c.lease.check)
	var r minio.ErrorResponse
	if errors.As(err, &r) && r.StatusCode == http.StatusForbidden {
		return true, nil
	}
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.pending = true
		return false, fmt.Errorf("it is not known whether %s was deleted: %w", name, err)
	}
	c.at("gc-deleted")
	return false, nil
}

// condemn writes tombstones for garbage that has none.
func (c *collection) condemn(ctx context.Context) error {
	if err := c.lease.check(); err != nil {
		return err
	}
	var names []string
	for name := range c.garbage {
		if c.buried[name] {
			c.count(&c.report.Waiting, name)
			continue
		}
		names = append(names, name)
		c.count(&c.report.Condemned, name)
	}
	slices.Sort(names)
	return c.bury(ctx, names)
}
