package team

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
)

// Options say what a Team works with.
type Options struct {
	Local  *cache.Local
	Remote *s3.Store
	// Key signs what is published; nil publishes nothing.
	Key *cache.SigningKey
	// Dir is a folder for the record of what was published; "" keeps none.
	Dir string
	// Progress is told about transfers of content; may be nil.
	Progress func(what string, done, total int64)
	// Root, where set, names the ref that keeps what is published from collections.
	Root *Root
}

// Team is a local store with a shared one behind it. It is safe for concurrent use.
type Team struct {
	Options

	mu        sync.Mutex
	queue     []cache.Key
	working   bool
	idle      *sync.Cond
	published map[cache.Digest]bool // names of signed entries that were seen in the bucket: hints
	changed   bool
	began     time.Time // when the record was begun
	root      rootState
	report    Report
	ctx       context.Context
	cancel    context.CancelFunc
}

// Report is what a Team has done so far.
type Report struct {
	Pulled     int   // entries
	Fetched    int64 // bytes of content
	Published  int   // entries that were not in the bucket before
	Sent       int64 // bytes of content
	Unsigned   int   // entries in the bucket that nobody signed
	Damaged    int
	Misses     []string // why the bucket could not be asked, once each
	NotSent    []string // why results were not published, once each
	NotSentNum int      // how many
}

// New puts a shared store behind a local one; the local one must have been given
// the Team as its upstream (cache.Local.SetUpstream).
func New(o Options) *Team {
	t := &Team{Options: o, published: map[cache.Digest]bool{}, began: time.Now()}
	t.idle = sync.NewCond(&t.mu)
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.load()
	return t
}

// Pull brings the entries of keys into the local store. That it could not is the
// reason of a miss, and no error (invariant I20).
func (t *Team) Pull(ctx context.Context, keys []cache.Key) {
	if len(keys) == 0 {
		return
	}
	got, err := t.Remote.PullEntries(ctx, t.Local, keys)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Pulled += got.Entries
	t.report.Unsigned += got.Unsigned
	t.report.Damaged += got.Damaged
	if err != nil && ctx.Err() == nil {
		t.miss(err)
	}
}

// miss notes why the bucket could not be asked. The caller holds t.mu.
func (t *Team) miss(err error) {
	if errors.Is(err, s3.ErrOff) {
		return // it was told when it was switched off
	}
	if text := err.Error(); !slices.Contains(t.report.Misses, text) {
		t.report.Misses = append(t.report.Misses, text)
	}
}

// Fetch implements cache.Upstream.
func (t *Team) Fetch(ctx context.Context, into *cache.Local, want []cache.Digest) error {
	var last int64
	err := t.Remote.FetchAll(ctx, into, want, func(done, total int64) {
		if t.Progress != nil {
			t.Progress("fetching from the team cache", done, total)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.report.Fetched += max(0, done-last)
		last = max(last, done)
	})
	if err != nil {
		return fmt.Errorf("the team cache: %w", err)
	}
	return nil
}

// Publish signs and sends this machine's own results of keys, in the background.
// What was published before is left out, as far as that is remembered.
func (t *Team) Publish(keys ...cache.Key) {
	if t.Key == nil || len(keys) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = append(t.queue, keys...)
	if !t.working {
		t.working = true
		go t.work()
	}
}

// work sends what is queued, a batch at a time: results that come meanwhile go
// together into the next one.
func (t *Team) work() {
	for {
		t.mu.Lock()
		keys := t.queue
		t.queue = nil
		if len(keys) == 0 || t.ctx.Err() != nil {
			t.working = false
			t.idle.Broadcast()
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
		if _, err := t.Push(t.ctx, keys, true); err != nil {
			t.mu.Lock()
			t.notSent(len(keys), err) // also where it was interrupted: the next run sends them
			t.mu.Unlock()
		}
	}
}

// notSent notes why results were not published. The caller holds t.mu.
func (t *Team) notSent(n int, err error) {
	t.report.NotSentNum += n
	if text := err.Error(); !slices.Contains(t.report.NotSent, text) {
		t.report.NotSent = append(t.report.NotSent, text)
	}
}

var errNoKey = errors.New("there is no key to sign with; `nbpipe key generate` makes one")

// Push signs and sends this machine's own results of keys, and returns when they
// are in the bucket. With hints, what this machine remembers to have published is
// not looked for again.
func (t *Team) Push(ctx context.Context, keys []cache.Key, hints bool) (s3.Pushed, error) {
	if t.Key == nil {
		return s3.Pushed{}, errNoKey
	}
	items, failed, err := t.items(ctx, keys, hints)
	if err != nil || len(items)+len(failed) == 0 {
		return s3.Pushed{}, err
	}
	if err := t.protect(ctx, items); err != nil {
		return s3.Pushed{}, err
	}
	return t.send(ctx, items, failed)
}

// send publishes items, and keeps account of them and of what failed before.
func (t *Team) send(ctx context.Context, items []s3.Item, failed []s3.Failure) (s3.Pushed, error) {
	got, err := t.Remote.Push(ctx, t.Local, items, func(done, total int64) {
		if t.Progress != nil {
			t.Progress("publishing to the team cache", done, total)
		}
	})
	got.Failed = append(got.Failed, failed...)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Published += got.Published
	t.report.Sent += got.Bytes
	for _, f := range got.Failed {
		t.notSent(1, f.Err)
	}
	if err != nil {
		return got, err
	}
	lost := map[cache.Key]bool{}
	for _, f := range got.Failed {
		lost[f.Key] = true
	}
	for _, it := range items {
		if !lost[it.Entry.Key] {
			t.published[it.Entry.Digest], t.changed = true, true
		}
	}
	return got, nil
}

// items signs the own results of keys and lists what they need.
func (t *Team) items(ctx context.Context, keys []cache.Key, hints bool) (out []s3.Item, failed []s3.Failure, err error) {
	seen := map[cache.Key]bool{}
	for _, k := range keys {
		if k.IsZero() || seen[k] {
			continue
		}
		seen[k] = true
		item, ok, err := t.item(ctx, k, hints)
		switch {
		case cache.IsMissing(err):
			failed = append(failed, s3.Failure{Key: k, Err: err})
		case err != nil:
			return nil, nil, err
		case ok:
			out = append(out, item)
		}
	}
	return out, failed, nil
}

// item signs the own result of a key and lists what it needs. It is not ok if
// there is none here, or only somebody else's, or it is remembered to be published.
func (t *Team) item(ctx context.Context, k cache.Key, hints bool) (i s3.Item, ok bool, err error) {
	sealed, entry, ok, err := t.sealOwn(ctx, k)
	if err != nil || !ok || hints && t.knows(sealed.Digest) {
		return i, false, err
	}
	needs, err := t.Local.Needs(ctx, entry)
	return s3.Item{Entry: sealed, Needs: needs}, err == nil, err
}

// sealOwn signs the own result of a key, if there is one.
func (t *Team) sealOwn(ctx context.Context, k cache.Key) (sealed cache.StoredEntry, e *cache.Entry, ok bool, err error) {
	own, e, ok, err := t.Local.Own(ctx, k)
	if err != nil || !ok {
		return own, nil, false, err
	}
	sealed, err = t.Key.Seal(own, t.Remote.ID())
	return sealed, e, err == nil, err
}

func (t *Team) knows(d cache.Digest) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.published[d]
}

// Flush waits until everything queued is in the bucket, or cannot be. When ctx
// ends, what is on its way is given up, and counts as not sent.
func (t *Team) Flush(ctx context.Context) {
	defer context.AfterFunc(ctx, t.cancel)()
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.working {
		t.idle.Wait()
	}
	if left := len(t.queue); left > 0 {
		t.notSent(left, context.Cause(ctx))
	}
}

// Report tells what was done so far.
func (t *Team) Report() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.report
	r.Misses, r.NotSent = slices.Clone(r.Misses), slices.Clone(r.NotSent)
	return r
}

// Close keeps the record of what was published, and closes the shared store.
func (t *Team) Close() error {
	t.cancel()
	t.mu.Lock()
	for t.working {
		t.idle.Wait()
	}
	t.mu.Unlock()
	t.save()
	return t.Remote.Close()
}

// keepFor is how long the record of what was published is believed; then a
// listing renews it, since a collection may have deleted some of it.
const keepFor = 7 * 24 * time.Hour

func (t *Team) file() string { return filepath.Join(t.Dir, t.Remote.ID(), "published") }

func (t *Team) load() {
	if t.Dir == "" {
		return
	}
	b, err := os.ReadFile(t.file())
	if err != nil || len(b) < 8 {
		return
	}
	began := time.Unix(int64(binary.LittleEndian.Uint64(b)), 0)
	if age := time.Since(began); age < 0 || age > keepFor {
		return
	}
	t.began = began
	for b = b[8:]; len(b) >= 32; b = b[32:] {
		t.published[cache.Digest(b[:32])] = true
	}
}

// save is for speed only: what cannot be written is asked for again.
func (t *Team) save() {
	if t.Dir == "" || !t.changed {
		return
	}
	all := make([]cache.Digest, 0, len(t.published))
	for d := range t.published {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b cache.Digest) int { return bytes.Compare(a[:], b[:]) })
	b := binary.LittleEndian.AppendUint64(nil, uint64(t.began.Unix()))
	for _, d := range all {
		b = append(b, d[:]...)
	}
	if os.MkdirAll(filepath.Dir(t.file()), 0o755) == nil {
		_ = cache.ReplaceFile(t.file(), b, 0o644, false)
	}
}
