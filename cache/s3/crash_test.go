package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3test"
	"github.com/nbpipe/nbpipe/cache/storetest"
)

// crashWork is what a seed makes a process do: publish, name roots, collect,
// publish again what was condemned, heal. Each step is said before or after it is
// done, so that whoever reads that knows what must be there.
type crashWork struct {
	ctx   context.Context
	r     *rand.Rand
	local *cache.Local
	s     *Store
	time  *timeMachine
	say   func(what string, items []Item)
}

// crashItems makes the results of a seed. All of them are the same in each process.
func crashItems(ctx context.Context, l *cache.Local, seed uint64, large bool) (first, second []Item, err error) {
	r := rand.New(rand.NewPCG(seed, 1))
	item := func(n int, contents ...[]byte) {
		if err != nil {
			return
		}
		e := cache.Entry{Key: cache.Key(cache.DigestOf(fmt.Appendf(nil, "crash %d %d", seed, n))), Kind: "test", Outputs: fmt.Appendf(nil, `{"n":%d}`, n), Preimage: []byte("x")}
		var needs []cache.Digest
		for _, b := range contents {
			var o cache.Object
			if o, err = l.IngestBytes(ctx, b); err != nil {
				return
			}
			e.Objects = append(e.Objects, o)
			needs = append(needs, o.Digest)
		}
		slices.SortFunc(e.Objects, func(a, b cache.Object) int { return bytes.Compare(a.Digest[:], b.Digest[:]) })
		e.Objects = slices.CompactFunc(e.Objects, func(a, b cache.Object) bool { return a.Digest == b.Digest })
		var data []byte
		if data, err = e.Encode(); err != nil {
			return
		}
		sealed, serr := signingKey("alice-1").Seal(cache.StoredEntry{Key: e.Key, Digest: cache.DigestOf(data), Data: data}, "test")
		err = serr
		if n < 100 {
			first = append(first, Item{sealed, needs})
		} else {
			second = append(second, Item{sealed, needs})
		}
	}
	made := map[int][]byte{}
	content := func(n, size int) []byte {
		if made[n] == nil {
			made[n] = storetest.Bytes(seed<<8+uint64(n), size)
		}
		return made[n]
	}
	for n := range 6 + r.IntN(6) {
		item(n, content(2*n, 20_000+r.IntN(40_000)))
	}
	item(50, content(50, 1200_000+r.IntN(1_000_000)), content(51, 100))
	if large {
		item(51, content(52, partSize+1_000_000))
	}
	for n := range 3 + r.IntN(3) { // what was there, and something new
		item(100+n, content(2*n, 0), content(60+n, 1+r.IntN(3000)))
	}
	item(150, content(50, 0))
	return first, second, errors.Join(err, l.Sync(ctx))
}

// crashChild works, and is killed at a point; without one it prints all that it passes.
func crashChild(c childConfig) error {
	ctx := context.Background()
	count := map[string]int{}
	var mu sync.Mutex
	at := func(name string) {
		mu.Lock()
		defer mu.Unlock()
		count[name]++
		if c.Point == "" {
			fmt.Println("point", name)
		} else if c.Point == name && c.Nth == count[name] {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	local, err := cache.Open(ctx, filepath.Join(c.Dir, "cache"), cache.Options{})
	if err != nil {
		return err
	}
	m := new(timeMachine)
	config := c.store()
	config.SyncPoint = func(name string) {
		at(name)
		if name == "gc-marker-written" && (c.Point == "" || strings.Contains(c.Point, "renew")) {
			time.Sleep(700 * time.Millisecond) // for a renewal
		}
	}
	s, err := m.enter(ctx, config)
	if err != nil {
		return err
	}
	w := &crashWork{ctx: ctx, r: rand.New(rand.NewPCG(c.Seed, 2)), local: local, s: s, time: m}
	w.say = func(what string, items []Item) {
		for _, it := range items {
			fmt.Println(what, it.Entry.Key)
		}
		if items == nil {
			fmt.Println(what)
		}
	}
	first, second, err := crashItems(ctx, local, c.Seed, c.Point == "" || strings.HasPrefix(c.Point, "multipart"))
	if err != nil {
		return err
	}
	return errors.Join(w.run(first, second), local.Close())
}

// grace passes.
func (w *crashWork) wait() { w.time.by.Add(int64(6 * time.Second)) }

func (w *crashWork) run(first, second []Item) error {
	kept := first[:1+w.r.IntN(2)]
	if err := errors.Join(w.root(kept), w.push(first)); err != nil {
		return err
	}
	w.wait()
	w.say("gone", first[len(kept):])
	if err := w.collect(); err != nil {
		return err
	}
	w.wait()
	kept = append(slices.Clone(kept), second[:2]...)
	if err := errors.Join(w.root(kept), w.push(second)); err != nil {
		return err
	}
	w.say("gone", second[2:])
	if err := errors.Join(w.collect(), w.harmAndHeal(kept), w.collect()); err != nil {
		return err
	}
	w.wait()
	return errors.Join(w.push(first), w.root(append(kept, first...)), w.collect())
}

func (w *crashWork) root(items []Item) error {
	b, err := Root{Experiment: "crash", Keys: keysOf(items)}.Encode()
	if err != nil {
		return err
	}
	return w.s.SetRef(w.ctx, RunsPrefix+"alice-1/crash", b)
}

func (w *crashWork) push(items []Item) error {
	got, err := w.s.Push(w.ctx, w.local, items, nil)
	if err == nil && len(got.Failed) > 0 {
		err = got.Failed[0].Err
	}
	if err == nil {
		w.say("have", items)
	}
	return err
}

func (w *crashWork) collect() error {
	_, err := w.s.GC(w.ctx, GCOptions{MaxSize: 1, Lease: minLease})
	return err
}

// harmAndHeal damages a pack and takes a blob away, and has both put back.
func (w *crashWork) harmAndHeal(kept []Item) error {
	if err := w.s.catalogue.refresh(w.ctx); err != nil {
		return err
	}
	at, ok := locationOf(w.s, kept[0].Needs[0])
	if !ok {
		return fmt.Errorf("what is kept is in no pack")
	}
	name := packName(at.pack)
	b, _, err := w.s.get(w.ctx, name, 0, -1)
	if err != nil {
		return err
	}
	w.say("harmed", nil)
	b[at.off+at.n/2] ^= 1
	_, err = w.s.put(w.ctx, name, b, always)
	for _, it := range kept {
		for _, d := range it.Needs {
			err = errors.Join(err, w.s.remove(w.ctx, blobName(d)))
		}
	}
	if err != nil {
		return err
	}
	if _, err := w.s.Doctor(w.ctx, DoctorOptions{Repair: true, Local: w.local}); err != nil {
		return err
	}
	if _, err := w.s.Verify(w.ctx, w.local, nil); err != nil {
		return err
	}
	w.say("healed", nil)
	return nil
}

// locationOf is where a small blob lies, as far as the process knows.
func locationOf(s *Store, d cache.Digest) (location, bool) {
	s.catalogue.mu.Lock()
	defer s.catalogue.mu.Unlock()
	at, ok := s.catalogue.blobs[d]
	return at, ok
}

// syncPoints lists all sync points, by the code itself.
func syncPoints(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\.at\("([a-z-]+)"\)`).FindAllSubmatch(b, -1) {
			out = append(out, string(m[1]))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestCrashAtEverySyncPoint: a process is killed while it publishes, collects or
// heals. What it had published is there, nothing that is there lacks anything, and
// the next one goes on.
func TestCrashAtEverySyncPoint(t *testing.T) {
	t.Parallel()
	points := syncPoints(t)
	seeds := 6
	if heavy() {
		seeds = 200
	}
	seeds = number(t, "NBPIPE_TEST_SEEDS", seeds)
	from := number(t, "NBPIPE_TEST_SEED", 0)
	server := s3test.Fake(t)
	real := server // every seventh seed's
	if heavy() {
		real = s3test.MinIO(t)
	}
	passed := passedPoints(t, server)
	for _, p := range points {
		if passed[p] == 0 {
			t.Errorf("nothing passes the sync point %s", p)
		}
	}
	var mu sync.Mutex
	hit := map[string]int{}
	t.Run("seeds", func(t *testing.T) {
		for seed := from; seed < from+seeds; seed++ {
			point := points[seed%len(points)]
			nth := 1 + rand.New(rand.NewPCG(uint64(seed), 3)).IntN(max(1, passed[point]))
			t.Run(fmt.Sprintf("%d-%s-%d", seed, point, nth), func(t *testing.T) {
				t.Parallel()
				on := server
				if seed%7 == 6 {
					on = real
				}
				if crashAt(t, on, uint64(seed), point, nth) {
					mu.Lock()
					defer mu.Unlock()
					hit[point]++
				}
			})
		}
	})
	total := 0
	for _, p := range points {
		total += hit[p]
		if hit[p] == 0 && seeds >= 4*len(points) {
			t.Errorf("no seed was killed at %s", p)
		}
	}
	t.Logf("%d seeds, %d killed at %d of %d sync points", seeds, total, len(hit), len(points))
}

// passedPoints counts the points that a process passes that is not killed.
func passedPoints(t *testing.T, server *s3test.Server) map[string]int {
	t.Helper()
	c := crashConfig(t, server, 0)
	out, err := child(t, server, c).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderrOf(err))
	}
	passed := map[string]int{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); f[0] == "point" {
			passed[f[1]]++
		}
	}
	return passed
}

func stderrOf(err error) string {
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return string(exit.Stderr)
	}
	return ""
}

// crashConfig makes a store in a bucket of its own.
func crashConfig(t *testing.T, server *s3test.Server, seed uint64) childConfig {
	t.Helper()
	c := childConfig{Name: "crash", Bucket: server.Bucket(t), Dir: t.TempDir(), Seed: seed}
	full := c
	full.Endpoint, full.Region, full.Access, full.Secret = server.Endpoint, server.Region, server.AccessKey, server.SecretKey
	if _, err := Init(t.Context(), full.store(), MinGrace); err != nil {
		t.Fatal(err)
	}
	return c
}

// crashAt reports whether the child came to the point.
func crashAt(t *testing.T, server *s3test.Server, seed uint64, point string, nth int) bool {
	c := crashConfig(t, server, seed)
	c.Point, c.Nth = point, nth
	out, err := child(t, server, c).Output()
	exit := new(exec.ExitError)
	killed := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
	if err != nil && !killed {
		t.Fatalf("%v: %s", err, stderrOf(err))
	}
	have, harmed := map[string]bool{}, false
	for line := range strings.Lines(string(out)) {
		switch f := strings.Fields(line); f[0] {
		case "have":
			have[f[1]] = true
		case "gone":
			delete(have, f[1])
		case "harmed", "healed":
			harmed = f[0] == "harmed"
		}
	}
	c.Endpoint, c.Region, c.Access, c.Secret = server.Endpoint, server.Region, server.AccessKey, server.SecretKey
	afterCrash(t, c, have, harmed)
	return killed
}

func afterCrash(t *testing.T, c childConfig, have map[string]bool, harmed bool) {
	ctx := t.Context()
	local, err := cache.Open(ctx, filepath.Join(c.Dir, "cache"), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	if r, err := local.Doctor(ctx, false); err != nil || len(r.Problems()) > 0 {
		t.Errorf("the local store: %v, %+v", err, r.Problems())
	}
	m := new(timeMachine)
	m.by.Store(int64(30 * time.Second)) // so the lease of the dead has run out
	open := func() *Store {
		t.Helper()
		s, err := m.enter(ctx, c.store())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if harmed {
		if _, err := open().Verify(ctx, local, nil); err != nil {
			t.Fatal(err)
		}
	}
	s := open()
	wantSound(t, s)
	first, second, err := crashItems(ctx, local, c.Seed, strings.HasPrefix(c.Point, "multipart"))
	if err != nil {
		t.Fatal(err)
	}
	all := append(first, second...)
	wantTaken(t, s, slices.DeleteFunc(slices.Clone(all), func(it Item) bool { return !have[it.Entry.Key.String()] }))

	w := &crashWork{ctx: ctx, local: local, s: open(), say: func(string, []Item) {}}
	if err := errors.Join(w.root(all), w.push(all), w.collect(), w.collect(), w.collect()); err != nil {
		t.Fatalf("the next run: %v", err)
	}
	s = open()
	wantSound(t, s)
	wantTaken(t, s, all)
	if v, err := s.Verify(ctx, nil, nil); err != nil || len(v.Bad)+len(v.BadEntries)+v.Lost > 0 {
		t.Errorf("%+v, %v", v, err)
	}
	if left, err := s.list(ctx, markerPrefix); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func wantSound(t *testing.T, s *Store) {
	t.Helper()
	if r, err := s.Doctor(t.Context(), DoctorOptions{}); err != nil || len(r.Problems()) > 0 {
		t.Errorf("the bucket: %v, %+v", err, r.Problems())
	}
}

// wantTaken: another machine gets all of the items.
func wantTaken(t *testing.T, s *Store, items []Item) {
	t.Helper()
	to := openLocal(t)
	if p, err := s.PullEntries(t.Context(), to, keysOf(items)); err != nil || p.Entries != len(items) {
		t.Fatalf("of %d results, %+v are there: %v", len(items), p, err)
	}
	if err := s.FetchAll(t.Context(), to, needsOf(items), nil); err != nil {
		t.Error(err)
	}
	for _, d := range needsOf(items) {
		if _, err := to.ReadAll(t.Context(), d, -1); err != nil {
			t.Errorf("blob %s: %v", d.Short(), err)
		}
	}
}
