package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3test"
	"github.com/nbpipe/nbpipe/cache/storetest"
)

// Here are the invariants that have no test beside the code that they are about.
// In this package I1, I2, I4, I5, I10 to I18, I20; in package team I20 and I21.

// I1: of 512 who put one object one wins, and the others are told that it is there.
func TestI1_Racers(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			c := config(t, start(t))
			initTest(t, c)
			want := storetest.Bytes(2, 1500_000)
			d := cache.DigestOf(want)
			var won, there atomic.Int64
			var wg sync.WaitGroup
			for range 8 {
				s := openLater(t, c, 0)
				for range 64 {
					wg.Go(func() {
						switch _, err := s.put(t.Context(), "blobs/race", want[:5000], condition{absent: true}); {
						case err == nil:
							won.Add(1)
						case errors.Is(err, errExists):
							there.Add(1)
						default:
							t.Error(err)
						}
					})
				}
				wg.Go(func() {
					if err := s.PutBlob(t.Context(), d, int64(len(want)), bytes.NewReader(want)); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 || there.Load() != 511 {
				t.Errorf("%d won, %d found it there", won.Load(), there.Load())
			}
			if got, err := storetest.Get(t.Context(), openLater(t, c, 0), d); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

// chanceOf is the same for a request in each run.
func chanceOf(r s3test.Request) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, r.String())
	return h.Sum64() >> 7
}

// I2: when an entry is sent, all that it needs is in the bucket, also where requests
// fail, are lost, or are done without an answer.
func TestI2_ContentBeforeEntries(t *testing.T) {
	t.Parallel()
	for name, start := range someServers() {
		t.Run(name, func(t *testing.T) {
			proxy := s3test.NewProxy(t, start(t))
			direct := config(t, proxy.Direct())
			initTest(t, direct)
			c := direct
			c.Endpoint, c.Attempts = proxy.Endpoint, 12
			from := openLocal(t)
			items := append(artifacts(t, from, 30, 4096, 1), artifacts(t, from, 3, 1200_000, 201)...)
			items = append(items, artifacts(t, from, 1, partSize+1_000_000, 300)...)
			needs := map[string][]cache.Digest{}
			for _, it := range items {
				needs["/"+c.Bucket+"/team/cache/"+entryName(it.Entry)] = it.Needs
			}
			s := openLater(t, c, 0)
			var sent, faults atomic.Int64
			proxy.Set(s3test.Faults{Script: func(r s3test.Request) s3test.Kind {
				if d, ok := needs[r.Path]; ok && r.Method == http.MethodPut {
					sent.Add(1)
					wantStored(t, direct, d)
				}
				if r.Nth > 2 {
					return s3test.None
				}
				if k := []s3test.Kind{s3test.LostAck, s3test.CutUpload, s3test.SlowDown, s3test.Duplicate}[chanceOf(r)%4]; chanceOf(r)/4%5 == 0 {
					faults.Add(1)
					return k
				}
				return s3test.None
			}})
			got, err := s.Push(t.Context(), from, items, nil)
			wantPushed(t, got, err, len(items), 0, 0)
			t.Logf("%d entries were sent, %d requests failed", sent.Load(), faults.Load())
			if sent.Load() < int64(len(items)) || faults.Load() == 0 {
				t.Error("too little happened")
			}
		})
	}
}

// wantStored: blobs are in the bucket just now. It is called beside the test's goroutine.
func wantStored(t *testing.T, c Config, want []cache.Digest) {
	c.Dir = "" // knows nothing
	s, err := Open(context.Background(), c)
	if err != nil {
		t.Error(err)
		return
	}
	for _, d := range want {
		if have, err := s.HasBlob(context.Background(), d); !have || err != nil {
			t.Errorf("an entry was sent before blob %s was there: %v", d.Short(), err)
		}
	}
}

// unfinished lists the uploads of an object that were begun and not ended.
func unfinished(t *testing.T, s *Store, name string) int {
	t.Helper()
	r, err := s.core.ListMultipartUploads(context.Background(), s.Bucket, s.Prefix+name, "", "", "", 100)
	if err = answer(err); err != nil && !errors.Is(err, errNotFound) {
		t.Fatal(err)
	}
	return len(r.Uploads)
}

// I16: an upload that fails is ended, whatever it was that failed.
func TestI16_FailedUploadsAreEnded(t *testing.T) {
	t.Parallel()
	for name, start := range someServers() {
		t.Run(name, func(t *testing.T) {
			proxy := s3test.NewProxy(t, start(t))
			c := config(t, proxy.Direct())
			initTest(t, c)
			c.Endpoint, c.Attempts, c.BreakAfter = proxy.Endpoint, 6, 100 // ending one fails while a part is being written
			dir := t.TempDir()
			from, err := cache.Open(t.Context(), dir, cache.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer from.Close()
			items := artifacts(t, from, 1, 3*partSize, 300)
			object := blobName(items[0].Needs[0])
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for _, how := range []string{"server", "cancelled", "damaged"} {
				s := openLater(t, c, 0)
				var parts atomic.Int64
				proxy.Set(s3test.Faults{Script: func(r s3test.Request) s3test.Kind {
					if !strings.Contains(r.Query, "partNumber=3") {
						return s3test.None
					}
					parts.Add(1)
					switch how {
					case "server":
						return s3test.InternalError
					case "cancelled":
						cancel()
					}
					return s3test.None
				}})
				with := t.Context()
				if how == "cancelled" {
					with = ctx
				}
				if how == "damaged" {
					damageBlob(t, dir, items[0].Needs[0])
				}
				got, err := s.Push(with, from, items, nil)
				if err == nil && len(got.Failed) == 0 {
					t.Errorf("%s: it went through", how)
				}
				proxy.Set(s3test.Faults{})
				if n := unfinished(t, s, object); n != 0 {
					t.Errorf("%s: %d uploads are left; %v", how, n, err)
				}
				if _, err := s.head(t.Context(), object); !errors.Is(err, errNotFound) {
					t.Errorf("%s: the object is there: %v", how, err)
				}
			}
		})
	}
}

// damageBlob flips a byte of a large blob on a machine.
func damageBlob(t *testing.T, dir string, d cache.Digest) {
	t.Helper()
	path := dir + "/blobs/" + d.String()[:2] + "/" + d.String()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o444); err != nil {
		t.Fatal(err)
	}
}

// I16: doctor finds uploads that nobody will finish, and ends them; young ones may
// still go on.
func TestI16_LeftOverUploads(t *testing.T) {
	for _, name := range []string{"fake", "versitygw"} { // MinIO lists none without their names
		t.Run(name, func(t *testing.T) {
			c := config(t, servers[name](t))
			s := initTest(t, c)
			object := blobName(cache.DigestOf([]byte("x")))
			if _, err := s.core.NewMultipartUpload(t.Context(), s.Bucket, s.Prefix+object, putOptions(always)); err != nil {
				t.Fatal(err)
			}
			for _, step := range []struct {
				by     time.Duration
				repair bool
				want   string
				left   int
			}{{0, true, "", 1}, {25 * time.Hour, false, FindingUpload, 1}, {25 * time.Hour, true, FindingUpload + " repaired", 0}, {25 * time.Hour, true, "", 0}} {
				r, err := openLater(t, c, step.by).Doctor(t.Context(), DoctorOptions{Repair: step.repair})
				if err != nil || kinds(r) != step.want {
					t.Errorf("%+v: %q, %v", step, kinds(r), err)
				}
				if n := unfinished(t, s, object); n != step.left {
					t.Errorf("%+v: %d are left", step, n)
				}
			}
		})
	}
}

// I17: while members publish and read, a rule of the bucket deletes whatever it
// likes. There are misses, and nothing else; then all can be had again.
func TestI17_LifecycleRule(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	long := 2 * time.Second
	if heavy() {
		long = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	var deleted, hits, misses, pushes atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			all, err := b.s.list(t.Context(), []string{packsPrefix, blobsPrefix, entriesPrefix, refsPrefix}[rand.IntN(4)])
			if err != nil || len(all) == 0 {
				continue
			}
			if err := b.s.remove(t.Context(), all[rand.IntN(len(all))].name); err != nil {
				t.Error(err)
			}
			deleted.Add(1)
			time.Sleep(20 * time.Millisecond)
		}
	})
	for range 2 {
		wg.Go(func() {
			s := b.open(t)
			for ctx.Err() == nil {
				if got, err := s.Push(t.Context(), b.from, b.items, nil); err != nil || len(got.Failed) > 0 {
					t.Errorf("push: %+v, %v", got, err)
				}
				pushes.Add(1)
			}
		})
		wg.Go(func() {
			s := b.open(t)
			for ctx.Err() == nil {
				h, m := readAll(t, s, b)
				hits.Add(int64(h))
				misses.Add(int64(m))
			}
		})
	}
	wg.Wait()
	t.Logf("%d objects deleted, %d pushes, %d hits, %d misses", deleted.Load(), pushes.Load(), hits.Load(), misses.Load())
	if hits.Load() == 0 || misses.Load() == 0 {
		t.Error("too little happened")
	}
	b.heal(t)
}

// readAll reads what another machine gets of a bucket.
func readAll(t *testing.T, s *Store, b *bucket) (hits, misses int) {
	dir, err := os.MkdirTemp("", "nbpipe-test-")
	if err != nil {
		t.Error(err)
		return
	}
	defer os.RemoveAll(dir)
	to, err := cache.Open(t.Context(), dir, cache.Options{Upstream: s})
	if err != nil {
		t.Error(err)
		return
	}
	defer to.Close()
	if _, err := s.PullEntries(t.Context(), to, keysOf(b.items)); err != nil {
		t.Errorf("pull: %v", err)
	}
	for _, it := range b.items {
		e, err := to.Entries(t.Context(), it.Entry.Key)
		if err != nil {
			t.Error(err)
		}
		if len(e) == 0 {
			misses++
			continue
		}
		got, err := to.ReadAll(t.Context(), it.Needs[0], -1)
		switch {
		case err == nil && cache.DigestOf(got) == it.Needs[0]:
			hits++
		case cache.IsMissing(err):
			misses++
		default:
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	return hits, misses
}

// A push and a collection are cut off after each number of requests: nothing in
// the bucket lacks anything, and the next ones do what is left.
func TestStopAfterEachRequest(t *testing.T) {
	t.Parallel()
	direct := s3test.Fake(t)
	proxy := s3test.NewProxy(t, direct)
	from := openLocal(t)
	items := append(artifacts(t, from, 4, 4096, 1), artifacts(t, from, 1, 1200_000, 100)...)
	if heavy() {
		items = append(items, artifacts(t, from, 1, partSize+1_000_000, 300)...)
	}
	work := func(c Config, m *timeMachine) error {
		s, err := m.enter(t.Context(), c)
		if err != nil {
			return err
		}
		w := &crashWork{ctx: t.Context(), local: from, s: s, time: m, say: func(string, []Item) {}}
		if err := errors.Join(w.root(items[:1]), w.push(items), w.collect()); err != nil {
			return err
		}
		w.wait()
		return errors.Join(w.push(items[:3]), w.collect())
	}
	n, step := 1, 16
	if heavy() {
		step = 3
	}
	for done := false; !done; n += step {
		c := config(t, direct)
		if _, err := Init(t.Context(), c, MinGrace); err != nil {
			t.Fatal(err)
		}
		through := c
		through.Endpoint, through.Attempts, through.BreakAfter, through.Event = proxy.Endpoint, 1, 1, nil
		through.Dir = t.TempDir()
		proxy.Set(s3test.Faults{StopAfter: n})
		done = work(through, new(timeMachine)) == nil
		proxy.Set(s3test.Faults{})
		m := new(timeMachine)
		m.by.Store(int64(30 * time.Second))
		s, err := m.enter(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		wantSound(t, s)
		w := &crashWork{ctx: t.Context(), local: from, s: s, say: func(string, []Item) {}}
		if err := errors.Join(w.root(items), w.push(items), w.collect(), w.collect()); err != nil {
			t.Errorf("after %d requests: %v", n, err)
		}
		wantSound(t, s)
		wantTaken(t, s, items)
		if t.Failed() {
			t.Fatalf("after %d requests", n)
		}
	}
	t.Logf("all of it took up to %d requests", n-step)
	if n < 40 {
		t.Error("it ended early")
	}
}

// The store's contract holds through a connection that fails, for each seed.
func TestStoreThroughFaults(t *testing.T) {
	t.Parallel()
	seeds := 1
	if heavy() {
		seeds = 8
	}
	seeds = number(t, "NBPIPE_TEST_SEEDS", seeds)
	from := number(t, "NBPIPE_TEST_SEED", 1)
	for seed := from; seed < from+seeds; seed++ {
		t.Run(fmt.Sprintf("seed-%d", seed), func(t *testing.T) {
			t.Parallel()
			// Faults depend on the names of buckets: a server of its own gives the same ones again.
			proxy := s3test.NewProxy(t, s3test.Fake(t))
			proxy.Set(s3test.Faults{
				Seed: uint64(seed), SlowDown: 0.04, InternalError: 0.02, CutUpload: 0.02, CutDownload: 0.02, LostAck: 0.02, Truncate: 0.02, Duplicate: 0.02,
			})
			storetest.Run(t, func(t *testing.T) cache.Store {
				c := config(t, proxy.Direct())
				c.Endpoint, c.Attempts, c.Timeout = proxy.Endpoint, 12, 2*time.Second
				return initTest(t, c)
			})
			if len(proxy.Met()) < 20 {
				t.Errorf("%d faults", len(proxy.Met()))
			}
		})
	}
}

func FuzzIndex(f *testing.F) {
	p := newPackBuilder()
	for i := range 3 {
		b, _ := cache.Pack(storetest.Bytes(uint64(i), 100*i))
		p.add(b)
	}
	object, tail := p.finish()
	f.Add(tail, int64(len(object)))
	f.Add(tail[indexRecord:], int64(len(object)))
	f.Add([]byte(tailMagic), int64(8))
	f.Fuzz(func(t *testing.T, tail []byte, size int64) {
		blobs, err := parseIndex(tail, size)
		if err != nil {
			return
		}
		if len(blobs)*indexRecord+trailerSize != len(tail) {
			t.Errorf("%d blobs of %d bytes", len(blobs), len(tail))
		}
		for _, b := range blobs {
			if b.off < 0 || b.n <= 0 || b.off+b.n > size-int64(len(tail)) || b.n > cache.MaxPacked {
				t.Errorf("%+v in a pack of %d bytes", b, size)
			}
		}
	})
}

func FuzzEntryName(f *testing.F) {
	k, d := cache.Key{1}, cache.Digest{2}
	f.Add(entryName(cache.StoredEntry{Key: k, Digest: d, Signer: "alice-1"}))
	f.Add(entryName(cache.StoredEntry{Key: k, Digest: d}))
	f.Add(packName(d))
	f.Add(blobName(d))
	f.Fuzz(func(t *testing.T, name string) {
		if e, ok := parseEntryName(name); ok && entryName(e) != name {
			t.Errorf("%q is the name of %q", name, entryName(e))
		}
		if d, ok := parsePackName(name); ok && packName(d) != name {
			t.Errorf("%q is the name of %q", name, packName(d))
		}
		if d, ok := parseBlobName(name); ok && blobName(d) != name {
			t.Errorf("%q is the name of %q", name, blobName(d))
		}
	})
}

func FuzzRoot(f *testing.F) {
	b, err := Root{Experiment: "x", Keys: []cache.Key{{2}, {1}, {2}}}.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRoot(b)
		if err != nil {
			return
		}
		once, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseRoot(once)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := again.Encode()
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s and %s, %v", once, twice, err)
		}
		for _, k := range r.Keys {
			if !slices.Contains(again.Keys, k) {
				t.Errorf("key %s was lost", k)
			}
		}
	})
}

func FuzzTombstoneLeaseStoreFile(f *testing.F) {
	for _, v := range []any{
		tombstone{tombVersion, []string{"blobs/x"}}, leaseFile{Holder: "x", Beat: 1, Seconds: seconds(time.Minute)}, storeFile{FormatVersion, "0a", time.Unix(1, 0).UTC(), seconds(DefaultGrace)},
	} {
		b, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if d := parseTombstone(b); len(d.Condemned) > 0 && d.Version != tombVersion {
			t.Errorf("%+v", d)
		}
		if l := parseLease(b); l.Seconds <= 0 || time.Duration(l.Seconds) > maxLease {
			t.Errorf("a lease of %s", time.Duration(l.Seconds))
		}
		if m, ok := parseStoreFile(b); ok && (m.ID == "" || strings.ContainsAny(m.ID, "/ \n") || m.Grace < 0) {
			t.Errorf("%+v", m)
		}
	})
}
