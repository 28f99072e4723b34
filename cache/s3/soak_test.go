package s3

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3test"
	"github.com/nbpipe/nbpipe/cache/storetest"
)

// The soak's results are made of so many contents that each is needed again about
// when a collection that has condemned it may delete it.
const (
	soakGrace    = 5 * time.Second
	soakKeys     = 200
	soakContents = 120
)

// dawdle is how long a process waits, at most, at some sync points: between looking
// and acting, where others may come in between.
var dawdle = map[string]time.Duration{
	"push-looked": 300 * time.Millisecond, "push-kept": 300 * time.Millisecond, "entry-before": 100 * time.Millisecond,
	"gc-marker-written": 200 * time.Millisecond, "gc-before-delete": 50 * time.Millisecond, "gc-entries-deleted": 400 * time.Millisecond,
}

// soaker is one process of the soak. It prints what it does, a word and a number
// a line.
type soaker struct {
	ctx   context.Context
	c     childConfig
	r     *rand.Rand
	s     *Store
	local *cache.Local // has all contents

	refreshed atomic.Int64 // objects of this push
}

// open opens the store as a new process does.
func (w *soaker) open() error {
	c := w.c.store()
	c.Timeout = 3 * time.Second
	c.SyncPoint = func(name string) {
		if name == "refreshed" {
			w.refreshed.Add(1)
		}
		if most := dawdle[name]; most > 0 {
			time.Sleep(rand.N(most))
		}
	}
	var err error
	for range 10 { // a server that does not answer at once is a part of it
		if w.s, err = Open(w.ctx, c); err == nil {
			return nil
		}
	}
	return err
}

func say(what string, n int) { fmt.Println(what, n) }

func soakChild(work func(*soaker) error) func(childConfig) error {
	return func(c childConfig) error {
		ctx := context.Background()
		local, err := cache.Open(ctx, filepath.Join(c.Dir, "cache"), cache.Options{})
		if err != nil {
			return err
		}
		w := &soaker{ctx: ctx, c: c, r: rand.New(rand.NewPCG(c.Seed, 4)), local: local}
		if err := w.open(); err != nil {
			return err
		}
		for time.Now().Before(c.Until) {
			if err := work(w); err != nil {
				say("error", 1)
				fmt.Fprintf(os.Stderr, "%s: %v\n", c.Name, err)
				if err := w.open(); err != nil {
					return err
				}
			}
		}
		return local.Close()
	}
}

func soakContent(n int) []byte {
	size := 300 + 200*n
	if n%20 == 19 {
		size = 1200_000
	}
	return storetest.Bytes(uint64(5000+n), size)
}

// item makes a result of a key; which contents it needs depends on a variant.
func (w *soaker) item(key, variant int) (Item, error) {
	r := rand.New(rand.NewPCG(uint64(key), uint64(variant)))
	e := cache.Entry{
		Key: cache.Key(cache.DigestOf(fmt.Appendf(nil, "soak %d", key))), Kind: "test",
		Outputs: fmt.Appendf(nil, `{"n":%d}`, variant), Preimage: []byte("x"),
	}
	var needs []cache.Digest
	for range 1 + r.IntN(3) {
		o, err := w.local.IngestBytes(w.ctx, soakContent(r.IntN(soakContents)))
		if err != nil {
			return Item{}, err
		}
		if !slices.Contains(needs, o.Digest) {
			e.Objects, needs = append(e.Objects, o), append(needs, o.Digest)
		}
	}
	slices.SortFunc(e.Objects, func(a, b cache.Object) int { return bytes.Compare(a.Digest[:], b.Digest[:]) })
	data, err := e.Encode()
	if err != nil {
		return Item{}, err
	}
	sealed, err := signingKey(w.signer()).Seal(cache.StoredEntry{Key: e.Key, Digest: cache.DigestOf(data), Data: data}, "test")
	return Item{sealed, needs}, err
}

func (w *soaker) signer() string { return fmt.Sprintf("writer-%d", w.c.Number+1) }

// soakWriter publishes some results, looks at them as a reader does, and is away for a while.
func soakWriter(w *soaker) error {
	var items []Item
	for range 1 + w.r.IntN(4) {
		it, err := w.item(w.r.IntN(soakKeys), w.r.IntN(3))
		if err != nil {
			return err
		}
		items = append(items, it)
	}
	root, err := Root{Experiment: "soak", Keys: keysOf(items)}.Encode()
	if err != nil {
		return err
	}
	if err := w.s.SetRef(w.ctx, RunsPrefix+w.signer()+"/soak", root); err != nil {
		return err
	}
	doomed, err := w.doomed()
	if err != nil {
		return err
	}
	w.refreshed.Store(0)
	if _, err := w.s.Push(w.ctx, w.local, items, nil); err != nil {
		return err
	}
	say("push", len(items))
	say("refreshed", int(w.refreshed.Load()))
	reused := 0
	for _, d := range needsOf(items) {
		at, packed := locationOf(w.s, d)
		if packed && doomed[packName(at.pack)] || !packed && doomed[blobName(d)] {
			reused++
		}
	}
	say("reuse", min(reused, int(w.refreshed.Load())))
	if err := w.look(keysOf(items)); err != nil {
		return err
	}
	away := 300 * time.Millisecond
	if w.r.IntN(10) == 0 {
		away = soakGrace * 6 / 5
	}
	time.Sleep(rand.N(away))
	return nil
}

// doomed lists what is condemned now.
func (w *soaker) doomed() (map[string]bool, error) {
	found, err := w.s.list(w.ctx, tombPrefix)
	out := map[string]bool{}
	for _, i := range found {
		t, terr := w.s.readTombstone(w.ctx, i)
		err = errors.Join(err, terr)
		for _, name := range t.Condemned {
			out[name] = true
		}
	}
	return out, err
}

func soakReader(w *soaker) error {
	keys := make([]cache.Key, 5)
	for i := range keys {
		keys[i] = cache.Key(cache.DigestOf(fmt.Appendf(nil, "soak %d", w.r.IntN(soakKeys))))
	}
	if w.r.IntN(20) == 0 { // a new process
		if err := w.open(); err != nil {
			return err
		}
	}
	return w.look(keys)
}

// look reads the entries of keys and then all that they name. That something is
// missing is a violation if the entry was there before and after.
func (w *soaker) look(keys []cache.Key) error {
	prefixes := make([]string, len(keys))
	for i, k := range keys {
		prefixes[i] = keyPrefix(k)
	}
	found, err := w.s.scan(w.ctx, prefixes)
	if err != nil {
		return err
	}
	for _, i := range found {
		name, ok := parseEntryName(i.name)
		if !ok {
			return fmt.Errorf("a violation: the name %s", i.name)
		}
		e, err := w.s.readEntry(w.ctx, name, i)
		if errors.Is(err, errNotFound) {
			continue
		}
		if cache.IsMissing(err) {
			fmt.Println("violation", 1, i.name, err)
			continue
		} else if err != nil {
			return err
		}
		if err := w.lookAt(e, i); err != nil {
			return err
		}
	}
	say("pull", len(found))
	return nil
}

func (w *soaker) lookAt(e cache.StoredEntry, i info) error {
	entry, err := e.Decode()
	if err != nil {
		fmt.Println("violation", 1, i.name, err)
		return nil
	}
	dir, err := os.MkdirTemp(w.c.Dir, "reader-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	to, err := cache.Open(w.ctx, dir, cache.Options{})
	if err != nil {
		return err
	}
	defer to.Close()
	var want []cache.Digest
	for _, o := range entry.Objects {
		want = append(want, o.Digest)
	}
	err = w.s.FetchAll(w.ctx, to, want, nil)
	if !cache.IsMissing(err) {
		return err
	}
	after, lerr := w.s.list(w.ctx, i.name)
	if lerr != nil {
		return lerr
	}
	if len(after) == 1 && after[0].modified.Equal(i.modified) {
		fmt.Println("violation", 1, i.name, "of", i.modified, err)
	}
	return nil
}

// soakCollector keeps little.
func soakCollector(w *soaker) error {
	r, err := w.s.GC(w.ctx, GCOptions{OlderThan: soakGrace, MaxSize: 1, Lease: minLease})
	say("deleted", r.Deleted.Entries+r.Deleted.Objects)
	say("repacked", r.Repacked)
	if errors.As(err, new(*BusyError)) || errors.Is(err, errLeaseLost) {
		say("busy", 1)
		time.Sleep(200 * time.Millisecond)
		return nil
	}
	if err == nil {
		say("cycle", 1)
	}
	time.Sleep(rand.N(100 * time.Millisecond))
	return err
}

// tally counts what the processes say.
type tally struct {
	mu     sync.Mutex
	n      map[string]int
	wrongs []string
}

func (y *tally) read(line string) {
	f := strings.Fields(line)
	if len(f) < 2 {
		return
	}
	n, err := strconv.Atoi(f[1])
	if err != nil {
		return
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	y.n[f[0]] += n
	if f[0] == "violation" {
		y.wrongs = append(y.wrongs, line)
	}
}

// TestSoak: four writers, two readers and a collector share a bucket; some reach it
// through connections that fail, and now and then one of them is killed. No entry
// is ever there whose content is not.
func TestSoak(t *testing.T) {
	t.Parallel()
	long := 20 * time.Second
	if s := os.Getenv("NBPIPE_TEST_SOAK"); s != "" {
		var err error
		if long, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	} else if !heavy() || testing.Short() {
		t.Skip("not asked for: NBPIPE_TEST_SOAK=20s, or NBPIPE_CI")
	}
	server := s3test.MinIO(t)
	bucket := server.Bucket(t)
	base := childConfig{Bucket: bucket, Endpoint: server.Endpoint, Region: server.Region, Access: server.AccessKey, Secret: server.SecretKey, Dir: t.TempDir()}
	s, err := Init(t.Context(), base.store(), soakGrace)
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(number(t, "NBPIPE_TEST_SEED", 1))
	faulty := s3test.NewProxy(t, server)
	faulty.Set(s3test.Faults{Seed: seed, SlowDown: 0.04, InternalError: 0.01, CutUpload: 0.01, CutDownload: 0.01, LostAck: 0.02, Duplicate: 0.01})
	y := &tally{n: map[string]int{}}
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	until := time.Now().Add(long)
	var wg sync.WaitGroup
	for i, name := range []string{"soak-writer", "soak-writer", "soak-writer", "soak-writer", "soak-reader", "soak-reader", "soak-collector"} {
		to := server
		if i == 1 || i == 3 || name == "soak-collector" {
			to = &faulty.Server
		}
		p := &soakProcess{t: t, y: y, server: to, r: rand.New(rand.NewPCG(seed, uint64(i)))}
		p.c = childConfig{Name: name, Number: i, Bucket: bucket, Dir: t.TempDir(), Until: until}
		wg.Go(func() { p.keepRunning(ctx) })
	}
	wg.Wait()
	wantSound(t, s)
	v, err := s.Verify(t.Context(), nil, nil)
	if err != nil || len(v.Bad)+len(v.BadEntries)+v.Lost > 0 {
		t.Errorf("at the end: %+v, %v", v, err)
	}
	t.Logf("%s: %d collections, %d results pushed, %d pulled, %d objects deleted, %d refreshed, %d reuses of condemned content, %d packs written anew, %d kills, %d faults, %d errors told, %d times the lease was another's, %d violations",
		long, y.n["cycle"], y.n["push"], y.n["pull"], y.n["deleted"], y.n["refreshed"], y.n["reuse"], y.n["repacked"], y.n["kill"], len(faulty.Met()), y.n["error"], y.n["busy"], y.n["violation"])
	for _, w := range y.wrongs {
		t.Error(w)
	}
	if y.n["deleted"] == 0 || y.n["reuse"] == 0 || y.n["cycle"] == 0 {
		t.Error("too little happened for this to say anything")
	}
}

// soakProcess is a process that is killed and started again.
type soakProcess struct {
	t      *testing.T
	y      *tally
	server *s3test.Server
	c      childConfig
	r      *rand.Rand
}

// keepRunning has a process run, killing it every half a minute or so.
func (p *soakProcess) keepRunning(ctx context.Context) {
	for ctx.Err() == nil && time.Now().Before(p.c.Until) {
		p.c.Seed = p.r.Uint64()
		life := 4*time.Second + time.Duration(p.r.Int64N(int64(50*time.Second)))
		if err := p.run(life); err != nil {
			p.t.Errorf("%s: %v", p.c.Name, err)
			return
		}
	}
}

func (p *soakProcess) run(life time.Duration) error {
	c := child(p.t, p.server, p.c)
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	log := new(bytes.Buffer)
	c.Stderr = log
	if err := c.Start(); err != nil {
		return err
	}
	kill := time.AfterFunc(life, func() {
		p.y.read("kill 1")
		_ = c.Process.Kill()
	})
	defer kill.Stop()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		p.y.read(lines.Text())
	}
	err = c.Wait()
	if log.Len() > 0 {
		p.t.Logf("%s %d said:\n%s", p.c.Name, p.c.Number, log.String())
	}
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.ExitCode() == -1 {
		return nil // killed
	}
	return err
}
