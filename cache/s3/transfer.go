package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nbpipe/nbpipe/cache"
)

// Item is an entry to publish with all content that it needs.
type Item struct {
	Entry cache.StoredEntry // signed
	Needs []cache.Digest
}

// Progress is told how far a transfer is.
type Progress func(doneBytes, totalBytes int64)

// Pushed is what became of a push.
type Pushed struct {
	Published int // entries that were not there before
	Present   int // entries that were there already
	Blobs     int // that were not there before
	Bytes     int64
	Failed    []Failure // entries that were not published, and why
}

// Failure is an entry that could not be published or content that could not be had.
type Failure struct {
	Key cache.Key
	Err error
}

// Push publishes entries with their content: what is there already is found by
// few listings, small content goes in packs, and entries come last (invariant
// I2). An entry whose content the local store has lost is left out; so err is nil
// where the server did its part.
//
// It is safe beside a collection of garbage (invariant I13). Content younger than
// a quarter of the grace cannot be deleted before the rest has passed, and by then
// the entries are there. Older content is refreshed before it is relied upon, and
// if a collection was deleting before or meanwhile, everything is looked at again.
func (s *Store) Push(ctx context.Context, from *cache.Local, items []Item, progress Progress) (Pushed, error) {
	return s.PushMissing(ctx, from, items, nil, progress)
}

// PushMissing is Push, with what was found to be there a moment ago; nil looks.
func (s *Store) PushMissing(ctx context.Context, from *cache.Local, items []Item, there *Published, progress Progress) (Pushed, error) {
	var out Pushed
	if err := s.begin(ctx); err != nil {
		return out, err
	}
	p := &push{Store: s, from: from, progress: progress, items: items, there: there, lost: map[cache.Digest]error{}}
	err := p.settle(ctx)
	out.Blobs, out.Bytes = p.blobs, p.done.Load()
	if err != nil {
		return out, err
	}
	out.Present = len(items) - len(p.missing)
	var published atomic.Int64
	err = p.entries(ctx, &published, &out)
	out.Published = int(published.Load())
	return out, err
}

// Published is which entries of some keys are there, or were a moment ago, and
// what trash/ held while that was looked at.
type Published struct {
	at     time.Time
	byName map[string]info
	trash  trashState
}

// has reports whether an entry is there.
func (p *Published) has(e cache.StoredEntry) (info, bool) {
	i, ok := p.byName[entryName(e)]
	return i, ok
}

// Published finds the entries of keys.
func (s *Store) Published(ctx context.Context, keys []cache.Key) (*Published, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	p := &Published{at: time.Now(), byName: map[string]info{}}
	prefixes := make([]string, len(keys))
	for i, k := range keys {
		prefixes[i] = keyPrefix(k)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		p.trash, err = s.trashNow(ctx)
		return err
	})
	g.Go(func() error {
		found, err := s.scan(ctx, prefixes)
		for _, i := range found {
			p.byName[i.name] = i
		}
		return err
	})
	return p, g.Wait()
}

func keysOf(items []Item) []cache.Key {
	out := make([]cache.Key, len(items))
	for i, it := range items {
		out[i] = it.Entry.Key
	}
	return out
}

// push is one Push.
type push struct {
	*Store
	from     *cache.Local
	progress Progress
	items    []Item
	there    *Published // of the items, as far as it is known; each look takes it
	missing  []Item     // items whose entries are not there yet
	total    int64
	done     atomic.Int64
	blobs    int

	began time.Time        // when what is there was last looked at
	old   map[string]int64 // sizes of objects that are relied upon, and might be deleted soon

	mu   sync.Mutex
	lost map[cache.Digest]error // content that the local store does not have, or has wrong
}

// settle uploads content until all that is needed is there, and safe from a
// collection for as long as the entries take. What is young is: no tombstone that
// is due can mean it. But a collection may be deleting just now what was condemned
// before, with a request that it repeats, or that is on its way. So trash/ must be
// the same before and after.
//
// The first look may be at what was listed while trash/ was. That is early enough
// for what is young, since whatever could delete it has its marker there already,
// but not for old entries: they are looked at again.
func (p *push) settle(ctx context.Context) (err error) {
	const rounds = 8
	if p.there == nil {
		if p.there, err = p.Published(ctx, keysOf(p.items)); err != nil {
			return err
		}
	}
	before, early := p.there.trash, true
	for range rounds {
		if err := p.look(ctx); err != nil {
			return err
		}
		p.at("push-looked")
		if len(p.missing)+len(p.old) == 0 && !before.deleting {
			return nil
		}
		if !before.deleting && !(early && p.oldEntries()) {
			kept, err := p.keep(ctx, before)
			if err != nil {
				return err
			}
			p.at("push-kept")
			if kept && since(p.began) < p.grace/2 {
				return nil
			}
		}
		early = false
		if before, err = p.awaitCollection(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("after %d attempts, what is to be published was not all there at one time: either a collection of garbage keeps deleting, or the server is too slow for the team cache's grace of %s", rounds, p.grace)
}

// oldEntries reports whether an old entry is relied upon.
func (p *push) oldEntries() bool {
	for name := range p.old {
		if strings.HasPrefix(name, entriesPrefix) {
			return true
		}
	}
	return false
}

// look finds what is not there yet and uploads its content.
func (p *push) look(ctx context.Context) error {
	p.old = map[string]int64{}
	if err := p.missingEntries(ctx); err != nil || len(p.missing) == 0 {
		return err
	}
	can, err := p.Probe(ctx, false)
	if err == nil {
		err = can.Unusable()
	}
	if err != nil {
		return err
	}
	return p.content(ctx)
}

// relies notes that an object that is there is relied upon. Old ones may be in a
// tombstone that is due before the entries are there; others are safe for three
// quarters of the grace.
func (p *push) relies(i info) {
	if p.serverNow().Sub(i.modified) > p.grace/4 {
		p.old[i.name] = i.size
	}
}

// keep refreshes the old objects that are relied upon. It is false if one of them
// is gone, or a collection was at work since before: then all must be looked at again.
func (p *push) keep(ctx context.Context, before trashState) (bool, error) {
	gone := false
	var mu sync.Mutex
	err := each(ctx, sortedNames(p.old), func(ctx context.Context, _ int, name string) error {
		if strings.HasPrefix(name, entriesPrefix) {
			return nil // its time must not change: what it is worth depends on it
		}
		err := p.refresh(ctx, name, p.old[name])
		if !errors.Is(err, errNotFound) {
			if err == nil {
				p.at("refreshed")
			}
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		gone = true
		if d, ok := parsePackName(name); ok {
			p.catalogue.forgetPack(d)
		}
		return nil
	})
	if err != nil || gone {
		return false, err
	}
	after, err := p.trashNow(ctx)
	return err == nil && after.names == before.names, err
}

// missingEntries finds which entries are not published yet.
func (p *push) missingEntries(ctx context.Context) (err error) {
	there := p.there
	if p.there = nil; there == nil {
		if there, err = p.Published(ctx, keysOf(p.items)); err != nil {
			return err
		}
	}
	p.began = there.at
	p.missing = p.missing[:0]
	for _, it := range p.items {
		if i, ok := there.has(it.Entry); ok {
			p.relies(i)
		} else {
			p.missing = append(p.missing, it)
		}
	}
	return nil
}

// content uploads all blobs that items need and the store lacks.
func (p *push) content(ctx context.Context) error {
	if !slices.ContainsFunc(p.missing, func(it Item) bool { return len(it.Needs) > 0 }) {
		return nil
	}
	if err := p.catalogue.refresh(ctx); err != nil {
		return err
	}
	small, large, err := p.absent(ctx)
	if err != nil {
		return err
	}
	defer func() {
		for _, b := range large {
			_ = b.Close()
		}
	}()
	p.total = p.done.Load()
	for _, b := range small {
		p.total += int64(b.Len())
	}
	for _, b := range large {
		p.total += b.Length
	}
	p.blobs += len(small) + len(large)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for len(small) > 0 {
		builder := newPackBuilder()
		for len(small) > 0 && !builder.full() {
			builder.add(small[0])
			small = small[1:]
		}
		g.Go(func() error {
			if err := p.putPack(gctx, builder); err != nil {
				return err
			}
			p.report(int64(len(builder.body)))
			return nil
		})
	}
	for _, b := range large {
		g.Go(func() error {
			err := p.putFile(gctx, b)
			if cache.IsMissing(err) { // damaged here
				p.lose(b.Digest, err)
				return nil
			}
			p.report(b.Length)
			return err
		})
	}
	return g.Wait()
}

func (p *push) report(n int64) {
	done := p.done.Add(n)
	if p.progress != nil {
		p.progress(done, p.total)
	}
}

func (p *push) lose(d cache.Digest, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost[d] = err
}

// absent finds what the store lacks, in the form in which it is sent.
func (p *push) absent(ctx context.Context) (small []cache.Packed, large []*cache.BlobFile, err error) {
	seen := map[cache.Digest]bool{}
	var names []string
	for _, it := range p.missing {
		for _, d := range it.Needs {
			if seen[d] {
				continue
			}
			seen[d] = true
			if pack, ok := p.catalogue.where(d); ok {
				p.relies(pack)
				continue
			}
			packed, file, err := p.from.Stored(ctx, d)
			switch {
			case cache.IsMissing(err):
				p.lose(d, err)
			case err != nil:
				return nil, large, err
			case packed != nil:
				small = append(small, *packed)
			default:
				large = append(large, file)
				names = append(names, blobName(d))
			}
		}
	}
	there, err := p.scan(ctx, names)
	if err != nil {
		return nil, large, err
	}
	have := map[string]info{}
	for _, i := range there {
		have[i.name] = i
	}
	large = slices.DeleteFunc(large, func(b *cache.BlobFile) bool {
		i, present := have[blobName(b.Digest)]
		if !present || p.isBad(b.Digest) {
			return false
		}
		p.relies(i)
		_ = b.Close()
		return true
	})
	return small, large, nil
}

func (p *push) entries(ctx context.Context, published *atomic.Int64, out *Pushed) error {
	// What they need is safe until three quarters of the grace are over, and a
	// request that is given up may still be answered.
	limit := p.grace * 5 / 8
	timed, cancel := context.WithDeadline(ctx, p.began.Add(limit))
	defer cancel()
	g, gctx := errgroup.WithContext(timed)
	g.SetLimit(concurrency)
	for _, it := range p.missing {
		if err := p.lossOf(it); err != nil {
			out.Failed = append(out.Failed, Failure{it.Entry.Key, err})
			continue
		}
		g.Go(func() error {
			if since(p.began) > limit {
				return context.DeadlineExceeded
			}
			if err := p.putEntry(gctx, it.Entry); err != nil {
				return err
			}
			published.Add(1)
			return nil
		})
	}
	err := g.Wait()
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("publishing takes longer than the team cache's grace of %s allows; what is published stays, the rest is published by the next run", p.grace)
	}
	return err
}

func (p *push) lossOf(it Item) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range it.Needs {
		if err := p.lost[d]; err != nil {
			return err
		}
	}
	return nil
}

// where returns the pack that holds a blob.
func (c *catalogue) where(d cache.Digest) (info, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.blobs[d]
	if !ok {
		return info{}, false
	}
	p := c.packs[at.pack]
	return info{name: packName(at.pack), size: p.size, modified: p.modified}, true
}

func (c *catalogue) has(d cache.Digest) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.blobs[d]
	return ok
}

// Pulled is what became of a pull of entries.
type Pulled struct {
	Entries  int // that were not here before
	Unsigned int // that were passed over: nobody answers for them
	Damaged  int // whose bytes are not what their name says
}

// maxPerKey bounds how many results of one key are taken.
const maxPerKey = 64

// PullEntries brings the entries of keys into a local store, without their
// content. Unsigned ones stay where they are: in a local store they would pass
// for its own.
func (s *Store) PullEntries(ctx context.Context, into *cache.Local, keys []cache.Key) (Pulled, error) {
	var out Pulled
	if err := s.begin(ctx); err != nil {
		return out, err
	}
	prefixes := make([]string, len(keys))
	for i, k := range keys {
		prefixes[i] = keyPrefix(k)
	}
	found, err := s.scan(ctx, prefixes)
	if err != nil {
		return out, err
	}
	// Of too many the newest are taken: the value of a tag is among them.
	slices.SortStableFunc(found, func(a, b info) int { return b.modified.Compare(a.modified) })
	var mu sync.Mutex
	perKey := map[cache.Key]int{}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for _, i := range found {
		e, ok := parseEntryName(i.name)
		if !ok {
			continue
		}
		if e.Signer == "" {
			out.Unsigned++
			continue
		}
		if perKey[e.Key]++; perKey[e.Key] > maxPerKey {
			continue
		}
		if have, err := into.HasEntry(ctx, e.Key, e.Signer, e.Digest); err != nil {
			return out, errors.Join(err, g.Wait())
		} else if have {
			continue
		}
		g.Go(func() error {
			e, err := s.readEntry(gctx, e, i)
			if errors.Is(err, errNotFound) {
				return nil
			}
			if errors.As(err, new(*cache.CorruptError)) {
				mu.Lock()
				defer mu.Unlock()
				out.Damaged++
				return nil
			}
			if err == nil {
				err = into.PutEntry(gctx, e)
			}
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			out.Entries++
			return nil
		})
	}
	err = g.Wait()
	return out, err
}

// Fetch implements cache.Upstream.
func (s *Store) Fetch(ctx context.Context, into *cache.Local, want []cache.Digest) error {
	return s.FetchAll(ctx, into, want, nil)
}

// FetchAll brings blobs into a local store: small ones by few ranges of their
// packs, large ones by several ranges at a time. One that cannot be had does not
// keep back the others.
func (s *Store) FetchAll(ctx context.Context, into *cache.Local, want []cache.Digest, progress Progress) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	f := &fetch{Store: s, into: into, progress: progress}
	const rounds = 3 // a collection may have moved blobs to other packs meanwhile, or a copy is damaged
	for round := range rounds {
		if len(want) == 0 {
			break
		}
		if err := f.locate(ctx, want, round > 0); err != nil {
			return err
		}
		left, err := f.round(ctx)
		if err != nil {
			return err
		}
		want = left
	}
	for _, d := range want {
		f.fail(&cache.MissingError{Digest: d})
	}
	return errors.Join(f.failed...)
}

type fetch struct {
	*Store
	into     *cache.Local
	progress Progress
	total    int64
	done     atomic.Int64

	packed map[cache.Digest][]wanted // by pack
	large  []wanted

	mu     sync.Mutex
	failed []error
	again  []cache.Digest // whose pack has vanished
}

type wanted struct {
	digest cache.Digest
	at     location // in a pack
	size   int64    // of a large one's object
}

func (f *fetch) fail(err error) {
	const most = 3 // errors that are told; the rest are of the same kind
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.failed) < most {
		f.failed = append(f.failed, err)
	}
}

// locate finds where blobs lie.
func (f *fetch) locate(ctx context.Context, want []cache.Digest, again bool) error {
	f.packed, f.large, f.again = map[cache.Digest][]wanted{}, nil, nil
	unknown := slices.ContainsFunc(want, func(d cache.Digest) bool { return !f.catalogue.has(d) })
	if unknown || again {
		if err := f.catalogue.refresh(ctx); err != nil {
			return err
		}
	}
	var names []string
	byName := map[string]cache.Digest{}
	for _, d := range want {
		if f.isBad(d) {
			f.fail(&cache.CorruptError{Digest: d, Detail: "the team cache holds wrong bytes"})
			continue
		}
		f.catalogue.mu.Lock()
		at, ok := f.catalogue.blobs[d]
		f.catalogue.mu.Unlock()
		if ok {
			f.packed[at.pack] = append(f.packed[at.pack], wanted{digest: d, at: at})
			f.total += at.n
			continue
		}
		names = append(names, blobName(d))
		byName[blobName(d)] = d
	}
	found, err := f.scan(ctx, names)
	if err != nil {
		return err
	}
	for _, i := range found {
		if d, ok := byName[i.name]; ok {
			f.large = append(f.large, wanted{digest: d, size: i.size})
			f.total += i.size
			delete(byName, i.name)
		}
	}
	for _, d := range byName {
		f.again = append(f.again, d)
	}
	return nil
}

// round fetches what was located; it returns what was not there.
func (f *fetch) round(ctx context.Context) ([]cache.Digest, error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for pack, blobs := range f.packed {
		for _, run := range runs(blobs) {
			g.Go(func() error { return f.packedRun(gctx, pack, run) })
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	// Each is read by several ranges at a time: a few of them keep the line busy
	// while others are verified.
	g, gctx = errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, w := range f.large {
		g.Go(func() error { return f.largeBlob(gctx, w) })
	}
	err := g.Wait()
	return f.again, err
}

// runs puts blobs that lie close together into one request.
func runs(blobs []wanted) [][]wanted {
	const gap, most = 64 << 10, 8 << 20
	slices.SortFunc(blobs, func(a, b wanted) int { return int(a.at.off - b.at.off) })
	var out [][]wanted
	for _, w := range blobs {
		if n := len(out); n > 0 {
			run := out[n-1]
			last, first := run[len(run)-1].at, run[0].at
			if w.at.off-(last.off+last.n) <= gap && w.at.off+w.at.n-first.off <= most {
				out[n-1] = append(run, w)
				continue
			}
		}
		out = append(out, []wanted{w})
	}
	return out
}

func (f *fetch) packedRun(ctx context.Context, pack cache.Digest, run []wanted) error {
	start := run[0].at.off
	last := run[len(run)-1].at
	b, _, err := f.get(ctx, packName(pack), start, last.off+last.n-start)
	if errors.Is(err, errNotFound) {
		f.catalogue.forgetPack(pack)
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, w := range run {
			f.again = append(f.again, w.digest)
		}
		return nil
	}
	if err != nil {
		return err
	}
	for _, w := range run {
		off := w.at.off - start
		if off+w.at.n > int64(len(b)) {
			f.fail(f.noteBadCopy(pack, w.digest, &cache.CorruptError{Digest: w.digest, Detail: "the team cache's pack is cut off"}))
			continue
		}
		p, err := parsePacked(b[off:off+w.at.n], w.digest)
		if err == nil {
			err = f.into.PutPacked(ctx, p)
		}
		if err := f.verdict(w.digest, f.noteBadCopy(pack, w.digest, err)); err != nil {
			return err
		}
	}
	f.report(int64(len(b)))
	return nil
}

func (f *fetch) report(n int64) {
	done := f.done.Add(n)
	if f.progress != nil {
		f.progress(done, f.total)
	}
}

// verdict keeps the errors of one blob from ending the others. Of a blob with a
// wrong copy, another one is tried.
func (f *fetch) verdict(d cache.Digest, err error) error {
	if !errors.As(err, new(*cache.CorruptError)) {
		return err
	}
	if f.catalogue.has(d) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.again = append(f.again, d)
		return nil
	}
	f.fail(fmt.Errorf("from the team cache: %w", err))
	return nil
}

func (f *fetch) largeBlob(ctx context.Context, w wanted) error {
	err := f.into.PutStored(ctx, w.digest, w.size, func(ctx context.Context, to io.WriterAt) error {
		return f.copyRanges(ctx, blobName(w.digest), w.size, to, f.report)
	})
	if errors.Is(err, errNotFound) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.again = append(f.again, w.digest)
		return nil
	}
	return f.verdict(w.digest, f.noteBad(w.digest, err))
}

// scan finds all objects whose names begin with one of the prefixes. Where the
// store holds little else, it lists forward from one wanted name to the next, so
// that one request finds many; where it holds much more, it asks for each prefix.
func (s *Store) scan(ctx context.Context, prefixes []string) ([]info, error) {
	if len(prefixes) == 0 {
		return nil, nil
	}
	prefixes = slices.Clone(prefixes)
	slices.Sort(prefixes)
	prefixes = slices.Compact(prefixes)
	// A listing keeps a server's core busy for 0.1 ms an object: more at a time than
	// it has cores cost more than they save.
	const lanes, share = 4, 8
	n := min(lanes, (len(prefixes)+share-1)/share)
	c := &collector{s: s}
	c.g, ctx = errgroup.WithContext(ctx)
	for lane := range n {
		part := prefixes[len(prefixes)*lane/n : len(prefixes)*(lane+1)/n]
		c.g.Go(func() error { return c.lane(ctx, part) })
	}
	err := c.g.Wait()
	return c.found, err
}

// collector is one scan.
type collector struct {
	s *Store
	g *errgroup.Group

	mu    sync.Mutex
	found []info
}

func (c *collector) add(found ...info) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found = append(c.found, found...)
}

// each asks for every prefix alone.
func (c *collector) each(ctx context.Context, prefixes []string) {
	for _, p := range prefixes {
		c.g.Go(func() error {
			found, err := c.s.list(ctx, p)
			c.add(found...)
			return err
		})
	}
}

// lane lists forward over sorted prefixes.
func (c *collector) lane(ctx context.Context, prefixes []string) error {
	const most, few = 1000, 50
	root := prefixes[0][:strings.IndexByte(prefixes[0], '/')+1]
	for len(prefixes) > 1 {
		// Names come strictly after the marker, and a prefix may itself be a name.
		after := prefixes[0][:len(prefixes[0])-1]
		page, more, err := c.s.page(ctx, root, after, min(most, max(few, len(prefixes)*5/4)))
		if err != nil {
			return err
		}
		before := len(prefixes)
		for _, o := range page {
			for len(prefixes) > 0 && prefixes[0] < o.name && !strings.HasPrefix(o.name, prefixes[0]) {
				prefixes = prefixes[1:]
			}
			if len(prefixes) > 0 && strings.HasPrefix(o.name, prefixes[0]) {
				c.add(o)
			}
		}
		if !more || len(prefixes) == 0 {
			return nil
		}
		if last := page[len(page)-1].name; strings.HasPrefix(last, prefixes[0]) { // the page may end inside of it
			rest, err := c.s.rest(ctx, prefixes[0], last)
			if err != nil {
				return err
			}
			c.add(rest...)
			prefixes = prefixes[1:]
		}
		const worthwhile = 2 // prefixes by a request
		if before-len(prefixes) < worthwhile {
			break
		}
	}
	c.each(ctx, prefixes)
	return nil
}

// rest lists what comes after a name under a prefix.
func (s *Store) rest(ctx context.Context, prefix, after string) ([]info, error) {
	var out []info
	for {
		found, more, err := s.page(ctx, prefix, after, 1000)
		if err != nil || !more {
			return append(out, found...), err
		}
		out = append(out, found...)
		after = found[len(found)-1].name
	}
}
