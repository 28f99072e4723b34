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
	var out AllPushed
	if t.Key == nil {
		return out, errNoKey
	}
	keys, err := t.Local.OwnKeys(ctx)
	if err != nil {
		return out, err
	}
	out.Total = len(keys)
	var items []s3.Item
	var failed []s3.Failure
	blobs, size := 0, 0
	send := func(upTo int) error {
		if len(items)+len(failed) > 0 {
			got, err := t.send(ctx, items, failed)
			out.add(got)
			if err != nil {
				return err
			}
		}
		out.Done = upTo
		items, failed, blobs, size = nil, nil, 0, 0
		step(out)
		return nil
	}
	for i, k := range keys {
		item, ok, err := t.item(ctx, k, false)
		switch {
		case cache.IsMissing(err):
			failed = append(failed, s3.Failure{Key: k, Err: err})
		case err != nil:
			return out, err
		case !ok:
			out.Unusable.add(unusable(t.Local.MissReasons(k)))
		default:
			items = append(items, item)
			blobs, size = blobs+len(item.Needs), size+len(item.Entry.Data)
		}
		if (i+1)%batchKeys == 0 || blobs >= batchBlobs || size >= batchEntries {
			if err := send(i + 1); err != nil {
				return out, err
			}
		}
	}
	return out, send(len(keys))
}

func (a *AllPushed) add(p s3.Pushed) {
	a.Published += p.Published
	a.Present += p.Present
	a.Blobs += p.Blobs
	a.Bytes += p.Bytes
	a.Failed += len(p.Failed)
	a.Failures = append(a.Failures, p.Failed[:min(len(p.Failed), mostFailures-len(a.Failures))]...)
}

func unusable(reasons []string) string {
	if len(reasons) == 0 {
		return "it is gone" // meanwhile
	}
	return reasons[0]
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
