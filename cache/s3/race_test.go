package s3

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3test"
)

// Each of these is one order of requests in which a writer and a collection could
// miss each other (invariant I13).

// wantPublished: the three results of condemned's second kind are there, whole.
func wantPublished(t *testing.T, c Config, again []Item) {
	t.Helper()
	v := wantWhole(t, openLater(t, c, 0))
	there := map[string]bool{}
	for _, e := range v.entries {
		there[e.name] = true
	}
	for _, it := range again {
		if !there[entryName(it.Entry)] {
			t.Errorf("%s is not there", entryName(it.Entry))
		}
	}
}

// pushAll publishes as somebody does who was away for a time.
func pushAll(t *testing.T, c Config, from *cache.Local, items []Item, by time.Duration, at func(string)) error {
	w := openLater(t, c, by)
	w.SyncPoint = at
	got, err := w.Push(context.Background(), from, items, nil)
	if err == nil && got.Published+got.Present != len(items) {
		err = errors.New("not all was published")
	}
	return err
}

// jumping is a later whose server is later still once it is asked for entries.
type jumping struct{ by *atomic.Int64 }

func (j jumping) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.RawQuery, "entries") {
		j.by.Store(int64(50 * time.Hour))
	}
	return later{time.Duration(j.by.Load())}.RoundTrip(r)
}

// A tombstone becomes due after the collection has decided that it needs no
// marker: it is left to the next one.
func TestI13_DueDuringTheSurvey(t *testing.T) {
	c := config(t, s3test.Fake(t))
	from, again := condemned(t, c, 4096)
	var by atomic.Int64
	by.Store(int64(47 * time.Hour))
	cc := c
	cc.Transport, cc.Dir = jumping{&by}, t.TempDir()
	cc.Now = func() time.Time { return time.Now().Add(time.Duration(by.Load())) }
	var once sync.Once
	push := func() {
		if err := pushAll(t, c, from, again, 50*time.Hour, nil); err != nil {
			t.Error(err)
		}
	}
	cc.SyncPoint = func(name string) {
		if name == "gc-before-delete" {
			once.Do(push)
		}
	}
	collector, err := Open(t.Context(), cc)
	if err != nil {
		t.Fatal(err)
	}
	if r := collect(t, collector, GCOptions{OlderThan: day}); r.Deleted.Entries != 0 {
		t.Errorf("deleted without a marker: %s", counts(r))
	}
	once.Do(push)
	wantPublished(t, c, again)
}

// A collection is interrupted between a deletion and its tombstone's, while a
// writer is between its refresh and its second look at trash/.
func TestI13_InterruptedCollection(t *testing.T) {
	c := config(t, s3test.Fake(t))
	from, again := condemned(t, c, 4096)
	ctx, cancel := context.WithCancel(t.Context())
	looked, surveyed, refreshed, ended := make(chan bool), make(chan bool), make(chan bool), make(chan bool)
	pushed := make(chan error, 1)
	var first, second sync.Once
	go func() {
		pushed <- pushAll(t, c, from, again, 6*day, func(name string) {
			switch name {
			case "refresh-before":
				first.Do(func() { close(looked); <-surveyed })
			case "refreshed":
				second.Do(func() { close(refreshed); <-ended })
			}
		})
	}()
	<-looked
	collector := openLater(t, c, 6*day)
	var survey sync.Once
	var content atomic.Bool
	collector.SyncPoint = func(name string) {
		switch name {
		case "gc-before-delete":
			survey.Do(func() { close(surveyed); <-refreshed })
		case "gc-deleted":
			if content.Load() {
				cancel()
			}
		case "gc-entries-deleted":
			content.Store(true)
		}
	}
	if r, err := collector.GC(ctx, GCOptions{OlderThan: 5 * day}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %s", err, counts(r))
	}
	close(ended)
	if err := <-pushed; err != nil {
		t.Fatal(err)
	}
	wantPublished(t, c, again)
	if r := collect(t, openLater(t, c, 6*day), GCOptions{OlderThan: 9 * day}); r.Live == nil {
		t.Error(counts(r))
	}
	if v := wantWhole(t, openLater(t, c, 0)); len(v.trash) != 0 {
		t.Errorf("left in trash/: %v", v.trash)
	}
}

// The answer to a deletion is lost, so it is repeated; between, a writer misses the
// content, and uploads it.
func TestI13_RepeatedDeletion(t *testing.T) {
	proxy := s3test.NewProxy(t, s3test.Fake(t))
	c := config(t, proxy.Direct())
	from, again := condemned(t, c, 4096)
	pushed := make(chan error, 1)
	proxy.Set(s3test.Faults{Script: func(r s3test.Request) s3test.Kind {
		if r.Method != http.MethodDelete || !strings.Contains(r.Path, "/packs/") {
			return s3test.None
		}
		if r.Nth == 0 {
			return s3test.LostAck
		}
		done := make(chan bool)
		go func() {
			pushed <- pushAll(t, c, from, again, 6*day, nil)
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(500 * time.Millisecond): // it waits for the collection
		}
		return s3test.None
	}})
	through := c
	through.Endpoint = proxy.Endpoint
	if r := collect(t, openLater(t, through, 6*day), GCOptions{OlderThan: 5 * day}); r.Deleted.Objects != 1 {
		t.Error(counts(r))
	}
	if err := <-pushed; err != nil {
		t.Fatal(err)
	}
	wantPublished(t, c, again)
}

// I15: a deletion is not tried again once the lease is lost.
func TestI15_NoRepetitionWithoutLease(t *testing.T) {
	proxy := s3test.NewProxy(t, s3test.Fake(t))
	c := config(t, proxy.Direct())
	condemned(t, c, 4096)
	var repeated atomic.Int64
	s := openLater(t, c, 0)
	proxy.Set(s3test.Faults{Script: func(r s3test.Request) s3test.Kind {
		if r.Method != http.MethodDelete || !strings.Contains(r.Path, "/packs/") {
			return s3test.None
		}
		if r.Nth > 0 {
			repeated.Add(1)
			return s3test.None
		}
		if err := s.remove(context.Background(), leaseName); err != nil {
			t.Error(err)
		}
		time.Sleep(1500 * time.Millisecond)
		return s3test.SlowDown
	}})
	through := c
	through.Endpoint = proxy.Endpoint
	_, err := openLater(t, through, 6*day).GC(t.Context(), GCOptions{OlderThan: 5 * day, Lease: minLease})
	if err == nil || repeated.Load() != 0 {
		t.Errorf("%v, %d repetitions", err, repeated.Load())
	}
}

// A ref is set while a collection deletes what it was before.
func TestI13_RefSetDuringCollection(t *testing.T) {
	c := config(t, s3test.Fake(t))
	s := initTest(t, c)
	keys := []cache.Key{{1}, {2}}
	setRoot(t, s, "experiment", keys[0])
	if r := collect(t, openLater(t, c, 3*day), GCOptions{OlderThan: day}); r.Condemned.Objects != 1 {
		t.Fatal(counts(r))
	}
	collector := openLater(t, c, 6*day)
	var wg sync.WaitGroup
	var once sync.Once
	collector.SyncPoint = func(name string) {
		if name == "gc-before-delete" {
			once.Do(func() {
				wg.Go(func() { setRoot(t, openLater(t, c, 6*day), "experiment", keys[1]) })
				time.Sleep(200 * time.Millisecond)
			})
		}
	}
	if r := collect(t, collector, GCOptions{OlderThan: day}); r.Deleted.Objects != 1 {
		t.Error(counts(r))
	}
	wg.Wait()
	refs, err := s.Refs(t.Context(), "")
	if err != nil || len(refs) != 1 {
		t.Fatalf("%d refs, %v", len(refs), err)
	}
	if got, _, err := refs[0].keys(); err != nil || len(got) != 1 || got[0] != keys[1] {
		t.Errorf("%v, %v", got, err)
	}
}

// What a push relies on is safe for three quarters of the grace: content that is
// older is refreshed, and an entry is not sent later.
func TestI13_SlowPublishing(t *testing.T) {
	s, from := initTest(t, config(t, s3test.Fake(t))), openLocal(t)
	items := artifacts(t, from, 1, 100, 1)
	p := &push{Store: s, from: from, items: items, missing: items, old: map[string]int64{}}
	for share, old := range map[float64]bool{0.2: false, 0.3: true} {
		name := packName(cache.DigestOf([]byte{byte(10 * share)}))
		p.relies(info{name: name, size: 1, modified: time.Now().Add(-time.Duration(share * float64(s.grace)))})
		if _, is := p.old[name]; is != old {
			t.Errorf("content of %g of the grace is old: %v", share, is)
		}
	}
	p.began = time.Now().Add(-s.grace * 7 / 10)
	var out Pushed
	var n atomic.Int64
	if err := p.entries(t.Context(), &n, &out); err == nil || !strings.Contains(err.Error(), "takes longer") {
		t.Errorf("%d published, %v", n.Load(), err)
	}
	if e, err := s.Entries(t.Context(), items[0].Entry.Key); err != nil || len(e) != 0 {
		t.Errorf("%d entries, %v", len(e), err)
	}
}
