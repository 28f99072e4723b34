package s3

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3test"
	"github.com/nbpipe/nbpipe/cache/storetest"
)

func openLocal(t testing.TB) *cache.Local {
	t.Helper()
	l, err := cache.Open(t.Context(), t.TempDir(), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// artifacts stores n results of one blob of the given size each, and returns
// them as they are published.
func artifacts(t testing.TB, l *cache.Local, n, size int, seed uint64) []Item {
	t.Helper()
	var out []Item
	for i := range n {
		b := storetest.Bytes(seed+2*uint64(i), size)
		o, err := l.IngestBytes(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		key := cache.Key(cache.DigestOf(fmt.Appendf(nil, "key %d %d", seed, i)))
		e := cache.Entry{Key: key, Kind: "test", Outputs: fmt.Appendf(nil, `{"n":%d}`, i), Objects: []cache.Object{o}, Preimage: []byte("x")}
		data, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, Item{Entry: sealed(t, "alice-1", key, data), Needs: []cache.Digest{o.Digest}})
	}
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out
}

// sealed signs the bytes of an entry with a key that depends on its name alone.
func sealed(t testing.TB, signer string, key cache.Key, data []byte) cache.StoredEntry {
	t.Helper()
	e, err := signingKey(signer).Seal(cache.StoredEntry{Key: key, Digest: cache.DigestOf(data), Data: data}, "test")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func signingKey(name string) cache.SigningKey {
	seed := cache.DigestOf([]byte(name))
	return cache.SigningKey{Name: name, Private: ed25519.NewKeyFromSeed(seed[:])}
}

func needsOf(items []Item) (out []cache.Digest) {
	for _, it := range items {
		out = append(out, it.Needs...)
	}
	return out
}

func wantPushed(t *testing.T, got Pushed, err error, published, present, failed int) {
	t.Helper()
	if err != nil || got.Published != published || got.Present != present || len(got.Failed) != failed {
		t.Fatalf("Push: %+v, %v; want %d published, %d present, %d failed", got, err, published, present, failed)
	}
}

func wantHere(t *testing.T, from, to *cache.Local, items []Item) {
	t.Helper()
	for _, it := range items {
		got, err := to.Entries(t.Context(), it.Entry.Key)
		if err != nil || len(got) != 1 || got[0].Digest != it.Entry.Digest || got[0].Signer != it.Entry.Signer || got[0].Time.IsZero() {
			t.Fatalf("entries of %s: %+v, %v", it.Entry.Key.Short(), got, err)
		}
		for _, d := range it.Needs {
			want, err1 := from.ReadAll(t.Context(), d, -1)
			have, err2 := to.ReadAll(t.Context(), d, -1)
			if err1 != nil || err2 != nil || !bytes.Equal(want, have) {
				t.Fatalf("blob %s: %v, %v", d.Short(), err1, err2)
			}
		}
	}
}

// TestTransfer: what one machine publishes another one gets, small and large.
func TestTransfer(t *testing.T) {
	t.Parallel()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			c := config(t, start(t))
			a, b := initTest(t, c), openLocal(t)
			from := openLocal(t)
			large := 1
			if heavy() {
				large = 3
			}
			items := append(artifacts(t, from, 300, 4096, 1), artifacts(t, from, large, 40<<20, 5000)...)
			got, err := a.Push(t.Context(), from, items, nil)
			wantPushed(t, got, err, 300+large, 0, 0)
			got, err = a.Push(t.Context(), from, items, nil)
			wantPushed(t, got, err, 0, 300+large, 0)

			c.Dir = t.TempDir()
			other := initTest(t, c)
			if a.ID() != other.ID() {
				t.Errorf("two IDs of one store: %s, %s", a.ID(), other.ID())
			}
			pulled, err := other.PullEntries(t.Context(), b, keysOf(items))
			if err != nil || pulled.Entries != 300+large {
				t.Fatalf("PullEntries: %+v, %v", pulled, err)
			}
			if err := other.FetchAll(t.Context(), b, needsOf(items), nil); err != nil {
				t.Fatal(err)
			}
			wantHere(t, from, b, items)
		})
	}
}

// TestI10_UnsignedIsNotPulled: in a local store it would pass for its own.
func TestI10_UnsignedIsNotPulled(t *testing.T) {
	s, from, to := initTest(t, config(t, s3test.Fake(t))), openLocal(t), openLocal(t)
	items := artifacts(t, from, 2, 100, 1)
	items[0].Entry.Signer = ""
	got, err := s.Push(t.Context(), from, items, nil)
	wantPushed(t, got, err, 2, 0, 0)
	pulled, err := s.PullEntries(t.Context(), to, keysOf(items))
	if err != nil || pulled.Entries != 1 || pulled.Unsigned != 1 {
		t.Errorf("PullEntries: %+v, %v", pulled, err)
	}
	if e, err := to.Entries(t.Context(), items[0].Entry.Key); err != nil || len(e) != 0 {
		t.Errorf("an unsigned entry was taken: %v, %v", e, err)
	}
}

// TestI2_LostContentIsNotPublished: of two results, one has lost its content on
// this machine.
func TestI2_LostContentIsNotPublished(t *testing.T) {
	s, from := initTest(t, config(t, s3test.Fake(t))), openLocal(t)
	items := artifacts(t, from, 2, 100, 1)
	items[1].Needs = append(items[1].Needs, cache.DigestOf([]byte("nowhere")))
	got, err := s.Push(t.Context(), from, items, nil)
	wantPushed(t, got, err, 1, 0, 1)
	if e, _ := s.Entries(t.Context(), items[1].Entry.Key); len(e) != 0 {
		t.Error("an entry without its content was published")
	}
}

// faults are what a push of 2,000 results and their pull must get through.
var faults = map[string]s3test.Faults{
	"slow":      {},
	"busy":      {Seed: 2, SlowDown: 0.2},
	"cut":       {Seed: 3, CutUpload: 0.03, CutDownload: 0.03},
	"truncated": {Seed: 4, Truncate: 0.05},
	"deaf":      {Seed: 5, LostAck: 0.05},
	"hanging":   {Seed: 6, Hang: 0.01},
	"twice":     {Seed: 7, Duplicate: 0.05},
	"all":       {Seed: 8, SlowDown: 0.2, InternalError: 0.02, CutUpload: 0.02, CutDownload: 0.02, LostAck: 0.02, Truncate: 0.02},
}

// TestFaults: 2,000 results go up and come down through a connection that fails.
func TestFaults(t *testing.T) {
	t.Parallel()
	server := s3test.MinIO(t)
	for name, f := range faults {
		if name != "all" && !heavy() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			proxy := s3test.NewProxy(t, server)
			c := config(t, proxy.Direct())
			c.Endpoint = proxy.Endpoint
			// A busy machine adds time-outs of its own to the faults.
			c.Timeout, c.Attempts = 500*time.Millisecond, 20
			proxy.Set(f)
			proxy.Latency(20 * time.Millisecond)
			s, from, to := initTest(t, c), openLocal(t), openLocal(t)
			n := 300
			if name == "all" && heavy() {
				n = 2000
			}
			items := append(artifacts(t, from, n, 4096, 1), artifacts(t, from, 1, 40<<20, 9000)...)
			started := time.Now()
			got, err := s.Push(t.Context(), from, items, nil)
			t.Logf("push: %s, %+v", time.Since(started).Round(time.Millisecond), s.Traffic())
			wantPushed(t, got, err, n+1, 0, 0)
			started = time.Now()
			got, err = s.Push(t.Context(), from, items, nil)
			t.Logf("no-op push: %s, %+v", time.Since(started).Round(time.Millisecond), s.Traffic())
			wantPushed(t, got, err, 0, n+1, 0)
			started = time.Now()
			if pulled, err := s.PullEntries(t.Context(), to, keysOf(items)); err != nil || pulled.Entries != n+1 {
				t.Fatalf("PullEntries: %+v, %v", pulled, err)
			}
			t.Logf("entries: %s, %+v", time.Since(started).Round(time.Millisecond), s.Traffic())
			if err := s.FetchAll(t.Context(), to, needsOf(items), nil); err != nil {
				t.Fatal(err)
			}
			t.Logf("pull: %s, %+v", time.Since(started).Round(time.Millisecond), s.Traffic())
			wantHere(t, from, to, items)
		})
	}
}

// TestI20_Breaker: a server that is away is asked a few times, then no more.
func TestI20_Breaker(t *testing.T) {
	proxy := s3test.NewProxy(t, s3test.Fake(t))
	c := config(t, proxy.Direct())
	c.Endpoint = proxy.Endpoint
	c.Attempts, c.BreakAfter, c.Timeout = 2, 3, 200*time.Millisecond
	var told []string
	c.Event = func(m string) { told = append(told, m) }
	s, l := initTest(t, c), openLocal(t)
	items := artifacts(t, l, 1, 100, 1)
	proxy.Blackout(true)
	for i := range 10 {
		_, err := s.PullEntries(t.Context(), l, keysOf(items))
		if err == nil {
			t.Fatal("no error from a server that is away")
		}
		if off := errors.Is(err, ErrOff); off != (i >= 3) {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if len(told) != 1 {
		t.Errorf("told %d times: %q", len(told), told)
	}
}
