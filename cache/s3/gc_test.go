package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3test"
)

// later is a transport through which a server's clock, and what is written now,
// seem to be later by a duration; what a listing shows does not. So for a client
// that uses it everything that is there is older.
type later struct{ by time.Duration }

func (l later) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"Date", "Last-Modified"} {
		if t, err := http.ParseTime(resp.Header.Get(name)); err == nil {
			resp.Header.Set(name, t.Add(l.by).UTC().Format(http.TimeFormat))
		}
	}
	return resp, nil
}

// openLater opens a store as somebody sees it after a time.
func openLater(t *testing.T, c Config, by time.Duration) *Store {
	t.Helper()
	c.Transport = later{by}
	c.Now = func() time.Time { return time.Now().Add(by) }
	c.Dir = t.TempDir()
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// counts is a report without its lists.
func counts(r GCReport) string {
	return fmt.Sprintf("live %d, garbage %d, condemned %+v, waiting %+v, deleted %+v, repacked %d, denied %d", len(r.Live), len(r.Garbage), r.Condemned, r.Waiting, r.Deleted, r.Repacked, r.Denied)
}

func collect(t *testing.T, s *Store, o GCOptions) GCReport {
	t.Helper()
	r, err := s.GC(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantWhole: every entry in the bucket has its content.
func wantWhole(t *testing.T, s *Store) *survey {
	t.Helper()
	v, err := s.survey(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range v.entries {
		if lacking := v.lacking(e.needs); len(lacking) > 0 || e.trouble != "" {
			t.Errorf("%s lacks %d blobs; %s", e.name, len(lacking), e.trouble)
		}
	}
	return v
}

func setRoot(t *testing.T, s *Store, name string, keys ...cache.Key) {
	t.Helper()
	b, err := Root{Experiment: name, Keys: keys}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetRef(t.Context(), RunsPrefix+"alice-1/"+name, b); err != nil {
		t.Fatal(err)
	}
}

const day = 24 * time.Hour

// I13: garbage is condemned first and deleted after the grace; what a ref names
// stays; a result goes before its content; what is still needed stays.
func TestI13_Collection(t *testing.T) {
	t.Parallel()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			c := config(t, start(t))
			s, from := initTest(t, c), openLocal(t)
			items := append(artifacts(t, from, 6, 4096, 1), artifacts(t, from, 2, 2<<20, 100)...)
			got, err := s.Push(t.Context(), from, items, nil)
			wantPushed(t, got, err, 8, 0, 0)
			setRoot(t, s, "kept", items[0].Entry.Key, items[6].Entry.Key)

			if r := collect(t, s, GCOptions{OlderThan: 10 * day}); r.Condemned.Entries+r.Condemned.Objects+r.Deleted.Entries != 0 || len(r.Live) != 8 {
				t.Fatalf("young results are garbage: %s", counts(r))
			}
			time.Sleep(1100 * time.Millisecond) // ages may be in whole seconds
			// All are as old as each other, so what no ref names goes.
			o := GCOptions{MaxSize: 1}
			dry := o
			dry.DryRun = true
			r := collect(t, openLater(t, c, 30*day), dry)
			if r.Condemned.Entries != 6 || r.Condemned.Objects != 1 || len(r.Live) != 2 || len(r.Garbage) != 6 || r.Live[0].Why != "kept of alice-1" {
				t.Fatalf("dry run: %s, %+v", counts(r), r.Live)
			}
			if r = collect(t, openLater(t, c, 30*day), o); r.Condemned.Entries != 6 || r.Condemned.Objects != 1 || r.Deleted.Entries != 0 {
				t.Fatalf("first collection: %s", counts(r))
			}
			if r = collect(t, openLater(t, c, day), o); r.Waiting.Entries != 6 || r.Waiting.Objects != 1 || r.Condemned.Entries != 0 || r.Deleted.Entries != 0 {
				t.Fatalf("within the grace: %s", counts(r))
			}
			if r = collect(t, openLater(t, c, 33*day), dry); r.Deleted.Entries != 6 || r.Deleted.Objects != 1 {
				t.Fatalf("dry run after the grace: %s", counts(r))
			}
			if r = collect(t, openLater(t, c, 33*day), o); r.Deleted.Entries != 6 || r.Deleted.Objects != 1 || r.Denied != 0 {
				t.Fatalf("after the grace: %s", counts(r))
			}
			v := wantWhole(t, openLater(t, c, 0))
			if len(v.entries) != 2 || len(v.blobs) != 1 || len(v.trash) != 0 {
				t.Errorf("left: %d entries, %d blobs, trash %v", len(v.entries), len(v.blobs), v.trash)
			}
			to := openLocal(t)
			fresh := openLater(t, c, 0)
			kept := []Item{items[0], items[6]}
			if p, err := fresh.PullEntries(t.Context(), to, keysOf(items)); err != nil || p.Entries != 2 {
				t.Fatalf("%+v, %v", p, err)
			}
			if err := fresh.FetchAll(t.Context(), to, needsOf(kept), nil); err != nil {
				t.Fatal(err)
			}
			wantHere(t, from, to, kept)
			// The publisher's machine remembers nothing wrong.
			got, err = s.Push(t.Context(), from, items, nil)
			wantPushed(t, got, err, 6, 2, 0)
			wantWhole(t, s)
		})
	}
}

// I13: between marking and deletion somebody relies on condemned content: it is
// refreshed, and stays, whenever that happens.
func TestI13_ReuseOfCondemnedContent(t *testing.T) {
	points := []string{"", "gc-lease-taken", "gc-marker-written", "gc-before-delete", "gc-deleted", "gc-entries-deleted", "gc-tombstone-removed", "gc-marker-removed"}
	for _, size := range []int{4096, 2 << 20} {
		for _, point := range points {
			t.Run(fmt.Sprintf("%d/%s", size, point), func(t *testing.T) {
				t.Parallel()
				reuse(t, size, point)
			})
		}
	}
}

// condemned makes a bucket with three results that a collection has condemned and,
// six days later, deletes; and three results that need the same content.
func condemned(t *testing.T, c Config, size int) (from *cache.Local, again []Item) {
	t.Helper()
	s, from := initTest(t, c), openLocal(t)
	old := artifacts(t, from, 3, size, 1)
	got, err := s.Push(t.Context(), from, old, nil)
	wantPushed(t, got, err, 3, 0, 0)
	if r := collect(t, openLater(t, c, 3*day), GCOptions{OlderThan: day}); r.Condemned.Entries != 3 {
		t.Fatal(counts(r))
	}
	for i, it := range old {
		e := cache.Entry{Key: cache.Key(cache.DigestOf(fmt.Appendf(nil, "again %d", i))), Kind: "test", Outputs: []byte(`{"n":1}`), Preimage: []byte("x")}
		for _, d := range it.Needs {
			e.Objects = append(e.Objects, cache.Object{Digest: d, Size: int64(size)})
		}
		data, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again = append(again, Item{Entry: sealed(t, "bob-1", e.Key, data), Needs: it.Needs})
	}
	return from, again
}

func reuse(t *testing.T, size int, point string) {
	c := config(t, s3test.Fake(t))
	from, again := condemned(t, c, size)
	pushed := make(chan error, 1)
	push := func() {
		writer := openLater(t, c, 6*day)
		setRoot(t, writer, "again", keysOf(again)...)
		got, err := writer.Push(context.Background(), from, again, nil)
		if err == nil && (got.Published != 3 || len(got.Failed) > 0) {
			err = fmt.Errorf("%+v", got)
		}
		pushed <- err
	}
	collector := openLater(t, c, 6*day)
	var once atomic.Bool
	collector.SyncPoint = func(name string) {
		if name == point && !once.Swap(true) {
			go push()
			time.Sleep(150 * time.Millisecond) // for as far as it gets: it may wait for the collection
		}
	}
	if point == "" {
		push()
	}
	r := collect(t, collector, GCOptions{OlderThan: 5 * day})
	if r.Deleted.Entries != 3 {
		t.Error(counts(r))
	}
	if point != "" && !once.Load() {
		go push() // nothing was deleted at that point
	}
	if err := <-pushed; err != nil {
		t.Fatal(err)
	}
	v := wantWhole(t, openLater(t, c, 0))
	if len(v.entries) != 3 {
		t.Errorf("%d entries", len(v.entries))
	}
	// Nor does the next collection take it.
	collect(t, openLater(t, c, 7*day), GCOptions{OlderThan: 11 * day})
	collect(t, openLater(t, c, 10*day), GCOptions{OlderThan: 11 * day})
	if v := wantWhole(t, openLater(t, c, 0)); len(v.entries) != 3 {
		t.Errorf("%d entries later", len(v.entries))
	}
}

// I14: a server whose clock is far from this machine's, or whose answers bear no
// date, gets nothing deleted; a denied deletion is counted and ends nothing.
func TestI14_Clocks(t *testing.T) {
	c := config(t, s3test.Fake(t))
	initTest(t, c)
	for name, transport := range map[string]http.RoundTripper{"ahead": later{6 * time.Minute}, "behind": later{-6 * time.Minute}} {
		c.Transport = transport
		s, err := Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.GC(t.Context(), GCOptions{}); err == nil || !strings.Contains(err.Error(), "clock") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// I15: of two collections one runs; one that died is followed by another when its
// lease has run out; one that lost its lease deletes nothing more.
func TestI15_Lease(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			c := config(t, start(t))
			s := initTest(t, c)
			first, err := s.takeLease(t.Context(), time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			var busy *BusyError
			if _, err := s.GC(t.Context(), GCOptions{}); !errors.As(err, &busy) {
				t.Errorf("a second collection: %v", err)
			}
			if _, err := s.GC(t.Context(), GCOptions{DryRun: true}); err != nil {
				t.Errorf("a dry run beside a collection: %v", err)
			}
			if on, err := s.collecting(t.Context()); !on || err != nil {
				t.Errorf("collecting: %v, %v", on, err)
			}
			// As if the first had died: it beats no more, and its minute is over.
			first.stop()
			<-first.done
			if _, err := s.takeLease(t.Context(), time.Minute); !errors.As(err, &busy) {
				t.Errorf("within its minute: %v", err)
			}
			second, err := takeOverAt(t.Context(), s, time.Now().Add(2*time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			defer second.release(t.Context())
			first.file.Beat++
			if err := first.write(t.Context(), condition{etag: first.etag}); !errors.Is(err, errExists) {
				t.Errorf("the first lease was renewed: %v", err)
			}
			if err := second.check(); err != nil {
				t.Error(err)
			}
		})
	}
}

// takeOverAt takes a lease over as at a later time.
func takeOverAt(ctx context.Context, s *Store, at time.Time) (*lease, error) {
	l := &lease{s: s, time: time.Minute, done: make(chan struct{}), stop: func() {}}
	close(l.done)
	l.file = leaseFile{Holder: "second", Seconds: seconds(time.Minute)}
	old, i, err := s.readLease(ctx)
	if err != nil || !old.ranOut(i, at) {
		return nil, errors.Join(err, errors.New("not run out"))
	}
	return l, l.write(ctx, condition{etag: i.etag})
}

// A lost lease stops a collection before its next deletion.
func TestI15_LostLease(t *testing.T) {
	c := config(t, s3test.Fake(t))
	s, from := initTest(t, c), openLocal(t)
	items := artifacts(t, from, 20, 4096, 1)
	got, err := s.Push(t.Context(), from, items, nil)
	wantPushed(t, got, err, 20, 0, 0)
	collect(t, openLater(t, c, 3*day), GCOptions{OlderThan: day})
	collector := openLater(t, c, 6*day)
	collector.SyncPoint = func(name string) {
		if name == "gc-marker-written" { // somebody takes the lease away
			if err := s.remove(context.Background(), leaseName); err != nil {
				t.Error(err)
			}
			time.Sleep(1500 * time.Millisecond)
		}
	}
	r, err := collector.GC(t.Context(), GCOptions{OlderThan: 5 * day, Lease: minLease})
	if !errors.Is(err, errLeaseLost) || r.Deleted.Entries != 0 {
		t.Errorf("%v, %s", err, counts(r))
	}
	if v := wantWhole(t, openLater(t, c, 0)); len(v.entries) != 20 {
		t.Errorf("%d entries", len(v.entries))
	}
}

// What is mostly garbage is written anew, and small packs become few.
func TestRepack(t *testing.T) {
	c := config(t, s3test.Fake(t))
	s, from := initTest(t, c), openLocal(t)
	items := artifacts(t, from, 200, 8<<10, 2) // one pack
	got, err := s.Push(t.Context(), from, items, nil)
	wantPushed(t, got, err, 200, 0, 0)
	var tiny []Item
	for i := range manySmallPacks + 1 {
		one := artifacts(t, from, 1, 3000, 5000+2*uint64(i))
		if got, err = s.Push(t.Context(), from, one, nil); err != nil || got.Published != 1 {
			t.Fatal(got, err)
		}
		tiny = append(tiny, one...)
	}
	live := append(slices.Clone(tiny), items[:5]...)
	setRoot(t, s, "live", keysOf(live)...)
	// What a ref names stays, whatever the size.
	r := collect(t, openLater(t, c, 3*day), GCOptions{MaxSize: 1})
	if r.Condemned.Entries != 195 || r.Repacked != 2+manySmallPacks {
		t.Fatal(counts(r))
	}
	r = collect(t, openLater(t, c, 6*day), GCOptions{MaxSize: 1})
	if r.Deleted.Entries != 195 || r.Deleted.Objects != 2+manySmallPacks {
		t.Fatal(counts(r))
	}
	fresh := openLater(t, c, 0)
	if v := wantWhole(t, fresh); len(v.packs) != 1 || len(v.entries) != len(live) {
		t.Errorf("%d packs, %d entries", len(v.packs), len(v.entries))
	}
	to := openLocal(t)
	if err := s.FetchAll(t.Context(), to, needsOf(live), nil); err != nil { // with the catalogue of before
		t.Fatal(err)
	}
	for _, d := range needsOf(live) {
		if _, err := to.ReadAll(t.Context(), d, -1); err != nil {
			t.Error(err)
		}
	}
}

// An object that is too large for one copy is refreshed in parts, and stays what it was.
func TestRefreshParts(t *testing.T) {
	for name, start := range servers {
		if name == "fake" {
			continue // it does not copy parts
		}
		t.Run(name, func(t *testing.T) {
			s, from := initTest(t, config(t, start(t))), openLocal(t)
			items := artifacts(t, from, 1, 12<<20, 2)
			got, err := s.Push(t.Context(), from, items, nil)
			wantPushed(t, got, err, 1, 0, 0)
			blob := blobName(items[0].Needs[0])
			before, err := s.head(t.Context(), blob)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(1100 * time.Millisecond)
			if err := s.refreshParts(t.Context(), blob, before.size, 5<<20); err != nil {
				t.Fatal(err)
			}
			after, err := s.head(t.Context(), blob)
			if err != nil || after.size != before.size || !after.modified.After(before.modified) {
				t.Errorf("%+v, %+v, %v", before, after, err)
			}
			if err := s.FetchAll(t.Context(), openLocal(t), items[0].Needs, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// What executors left goes when nobody has touched it for long.
func TestCollectionOfTheWorkArea(t *testing.T) {
	c := config(t, servers["fake"](t))
	s := initTest(t, c)
	for _, name := range []string{"actions/a", "attempts/q/tickets/t"} {
		if err := s.Work().Create(t.Context(), name, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(1100 * time.Millisecond)
	later := func(by time.Duration) GCReport { return collect(t, openLater(t, c, by), GCOptions{}) }
	if r := later(10 * day); r.Condemned.Objects != 0 {
		t.Fatalf("what a cluster's queue may still hold is garbage: %s", counts(r))
	}
	if r := later(15 * day); r.Condemned.Objects != 2 || r.Deleted.Objects != 0 {
		t.Fatalf("after seven graces: %s", counts(r))
	}
	if r := later(18 * day); r.Deleted.Objects != 2 {
		t.Fatalf("after one more: %s", counts(r))
	}
}
