package team

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/cache/trust"
)

// What is in memory, or open, at a time when everything is moved. A small blob
// takes up to 64 KiB, a large one a file descriptor.
const (
	askKeys      = 10_000 // whose names are looked for at once: the more, the fewer listings
	batchKeys    = 1000
	batchBlobs   = 1000
	batchEntries = 64 << 20 // bytes of entries
	// batchContent ends a batch of what is fetched: its results count once all of
	// their content is here.
	batchContent = 256 << 20
	mostFailures = 10 // that are kept to be told
)

// Reasons counts results by why they were passed over.
type Reasons map[string]int

// otherReasons stands for those that are too many to be told apart: who writes to
// the bucket can make up any number of them.
const (
	otherReasons = "other reasons"
	mostReasons  = 20
)

func (r *Reasons) add(reason string) {
	if *r == nil {
		*r = Reasons{}
	}
	if _, known := (*r)[reason]; !known && len(*r) >= mostReasons {
		reason = otherReasons
	}
	(*r)[reason]++
}

// AllPushed is what PushAll has done so far, in results.
type AllPushed struct {
	Total     int   // of this machine
	Done      int   // of them, whatever came of them
	Published int   // that were not in the bucket before
	Present   int   // that were
	Blobs     int   // that were not in the bucket before
	Bytes     int64 // of content
	Unusable  Reasons
	Failed    int
	Failures  []s3.Failure // the first of them
}

// PushAll signs and sends all of this machine's own results that are usable, a
// batch at a time; step is told how far it is. What was sent before an error, or
// the end of ctx, stays, and is found there the next time.
func (t *Team) PushAll(ctx context.Context, step func(AllPushed)) (AllPushed, error) {
	if t.Key == nil {
		return AllPushed{}, errNoKey
	}
	keys, err := t.Local.OwnKeys(ctx)
	p := &pushAll{Team: t, step: step, out: AllPushed{Total: len(keys)}}
	for some := range slices.Chunk(keys, askKeys) {
		if err == nil {
			err = p.some(ctx, some)
		}
	}
	return p.out, err
}

type pushAll struct {
	*Team
	step func(AllPushed)
	out  AllPushed

	// The batch to send next.
	items  []s3.Item
	failed []s3.Failure
	blobs  int
	size   int // bytes of entries
}

// some sends those of the own results of keys that the bucket lacks.
func (p *pushAll) some(ctx context.Context, keys []cache.Key) error {
	var names []s3.Item
	for _, k := range keys {
		sealed, _, ok, err := p.sealOwn(ctx, k)
		switch {
		case err != nil:
			return err
		case !ok:
			p.passOver(k)
		default:
			sealed.Data = nil // its name is enough to ask for it
			names = append(names, s3.Item{Entry: sealed})
		}
	}
	absent, err := p.Remote.Absent(ctx, names)
	if err != nil {
		return err
	}
	present := len(names) - len(absent)
	p.out.Present, p.out.Done = p.out.Present+present, p.out.Done+present
	p.step(p.out)
	for _, i := range absent {
		if err := p.one(ctx, i.Entry.Key); err != nil {
			return err
		}
	}
	return p.sendBatch(ctx)
}

func (p *pushAll) one(ctx context.Context, k cache.Key) error {
	item, ok, err := p.item(ctx, k, false)
	switch {
	case cache.IsMissing(err):
		p.failed = append(p.failed, s3.Failure{Key: k, Err: err})
	case err != nil:
		return err
	case !ok:
		p.passOver(k)
	default:
		p.items = append(p.items, item)
		p.blobs, p.size = p.blobs+len(item.Needs), p.size+len(item.Entry.Data)
	}
	if len(p.items)+len(p.failed) >= batchKeys || p.blobs >= batchBlobs || p.size >= batchEntries {
		return p.sendBatch(ctx)
	}
	return nil
}

// passOver counts an own result that cannot be used.
func (p *pushAll) passOver(k cache.Key) {
	reason := "it is gone" // meanwhile
	if all := p.Local.MissReasons(k); len(all) > 0 {
		reason = all[0]
	}
	p.out.Unusable.add(reason)
	p.out.Done++
}

func (p *pushAll) sendBatch(ctx context.Context) error {
	n := len(p.items) + len(p.failed)
	if n == 0 {
		return nil
	}
	got, err := p.send(ctx, p.items, p.failed)
	p.out.add(got)
	if err != nil {
		return err
	}
	p.items, p.failed, p.blobs, p.size = nil, nil, 0, 0
	p.out.Done += n
	p.step(p.out)
	return nil
}

func (a *AllPushed) add(p s3.Pushed) {
	a.Published += p.Published
	a.Present += p.Present
	a.Blobs += p.Blobs
	a.Bytes += p.Bytes
	a.Failed += len(p.Failed)
	a.Failures = append(a.Failures, p.Failed[:min(len(p.Failed), mostFailures-len(a.Failures))]...)
}

// AllPulled is what PullAll has done so far, in results.
type AllPulled struct {
	Seen       int // in the bucket
	Taken      int // that were not here before, or not with all their content
	Here       int // that were
	Unsigned   int
	Damaged    int // whose bytes are not what their name says
	Incomplete int // whose content the bucket does not have, or has wrong
	Refused    Reasons
}

// PullAll brings all results of the bucket that are signed by somebody whom the
// user trusts into the local store, with their content; step is told how far it
// is. Of the others it fetches nothing, and reads only what a listing does not
// tell. What came before an error, or the end of ctx, stays, and is not fetched
// again.
func (t *Team) PullAll(ctx context.Context, set *trust.Set, step func(AllPulled)) (AllPulled, error) {
	p := &pullAll{Team: t, set: set, step: step}
	err := t.Remote.ListEntries(ctx, func(page []s3.Listed) error { return p.page(ctx, page) })
	return p.out, err
}

type pullAll struct {
	*Team
	set  *trust.Set
	step func(AllPulled)
	out  AllPulled

	lacking []*arriving // results whose content is fetched together
	want    []cache.Digest
	content int64 // bytes of it, at most
}

// arriving is a result that is believed.
type arriving struct {
	stored cache.StoredEntry
	entry  *cache.Entry
	here   bool // the entry, with or without its content
}

func (p *pullAll) page(ctx context.Context, page []s3.Listed) error {
	var batch []s3.Listed
	var size int64
	for _, l := range page {
		p.out.Seen++
		if !p.credible(l) {
			continue
		}
		if size += l.Size; size > batchEntries && len(batch) > 0 {
			if err := p.batch(ctx, batch); err != nil {
				return err
			}
			batch, size = nil, l.Size
		}
		batch = append(batch, l)
	}
	return p.batch(ctx, batch)
}

// credible tells by the listing alone what need not be read.
func (p *pullAll) credible(l s3.Listed) bool {
	if l.Signer == "" {
		p.out.Unsigned++
		return false
	}
	if err := p.set.CheckSigner(l.Signer, l.Time); err != nil {
		p.refuse(err)
		return false
	}
	return true
}

// refuse counts a result that is not believed. The times of revoked ones would
// make each a reason of its own.
func (p *pullAll) refuse(err error) {
	reason := err.Error()
	if r := new(trust.RevokedError); errors.As(err, &r) {
		reason = fmt.Sprintf("signed by %s, and that key is revoked since %s", r.Signer, r.Since.UTC().Format(time.RFC3339))
	}
	p.out.Refused.add(reason)
}

func (p *pullAll) batch(ctx context.Context, listed []s3.Listed) error {
	var absent []s3.Listed
	for _, l := range listed {
		have, err := p.Local.HasEntry(ctx, l.Key, l.Signer, l.Digest)
		if err == nil && have {
			err = p.again(ctx, l)
		}
		if err != nil {
			return err
		}
		if !have {
			absent = append(absent, l)
		}
	}
	read, damaged, err := p.Remote.ReadEntries(ctx, absent)
	if err != nil {
		return err
	}
	p.out.Damaged += damaged
	for _, e := range read {
		if err := p.arrived(ctx, e, false); err != nil {
			return err
		}
	}
	if err := p.fetch(ctx); err != nil {
		return err
	}
	p.step(p.out)
	return nil
}

// again looks at a result that is here: its content may not be.
func (p *pullAll) again(ctx context.Context, l s3.Listed) error {
	all, err := p.Local.Entries(ctx, l.Key)
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.Signer == l.Signer && e.Digest == l.Digest {
			return p.arrived(ctx, e, true)
		}
	}
	p.out.Damaged++ // its record here; the next pull stores it anew
	return nil
}

// arrived takes a result whose bytes are here, or puts it to those whose content
// has to be fetched first.
func (p *pullAll) arrived(ctx context.Context, e cache.StoredEntry, here bool) error {
	if err := p.set.Check(e); err != nil {
		p.refuse(err)
		return nil
	}
	entry, err := e.Decode()
	if err != nil {
		p.out.Damaged++
		return nil
	}
	a := &arriving{e, entry, here}
	missing, err := p.Local.Missing(ctx, entry)
	if err != nil {
		return err
	}
	if len(missing) == 0 {
		return p.take(ctx, a, !here)
	}
	p.lacking, p.want = append(p.lacking, a), append(p.want, missing...)
	for _, o := range entry.Objects {
		p.content += o.Size
	}
	if p.content >= batchContent || len(p.want) >= batchBlobs {
		return p.fetch(ctx)
	}
	return nil
}

// fetch brings the content of what is lacking it, and takes what is then complete.
func (p *pullAll) fetch(ctx context.Context) error {
	group, want := p.lacking, p.want
	p.lacking, p.want, p.content = nil, nil, 0
	for range 2 { // manifests of folders first, then what they list
		if err := p.fetchBlobs(ctx, want); err != nil {
			return err
		}
		want = nil
		for _, a := range group {
			missing, err := p.Local.Missing(ctx, a.entry)
			if err != nil {
				return err
			}
			want = append(want, missing...)
		}
		if len(want) == 0 {
			break
		}
	}
	for _, a := range group {
		missing, err := p.Local.Missing(ctx, a.entry)
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			p.out.Incomplete++
			continue
		}
		if err := p.take(ctx, a, true); err != nil {
			return err
		}
	}
	p.step(p.out)
	return nil
}

// fetchBlobs fetches what it can; that the bucket has not all of it is no error.
func (p *pullAll) fetchBlobs(ctx context.Context, want []cache.Digest) error {
	slices.SortFunc(want, func(a, b cache.Digest) int { return slices.Compare(a[:], b[:]) })
	want = slices.Compact(want)
	if len(want) == 0 {
		return nil
	}
	if err := p.Fetch(ctx, p.Local, want); err != nil && (ctx.Err() != nil || !cache.IsMissing(err)) {
		return err
	}
	return nil
}

// take counts a complete result, as news or as one that was here, and stores it
// if it was not.
func (p *pullAll) take(ctx context.Context, a *arriving, news bool) error {
	if !news {
		p.out.Here++
		return nil
	}
	if !a.here {
		if err := p.Local.PutEntry(ctx, a.stored); err != nil {
			return err
		}
	}
	p.out.Taken++
	return nil
}
