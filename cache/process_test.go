package cache

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Tests that need other processes run this test binary again; TestMain then runs
// one of these instead of the tests.
var children = map[string]func(dir string, args []string) error{
	"crash":    crashChild,
	"diskfull": diskFullChild,
	"writer":   writerChild,
	"gc":       gcChild,
}

const childVariable = "NBPIPE_CACHE_TEST_CHILD"

func TestMain(m *testing.M) {
	name := os.Getenv(childVariable)
	if name == "" {
		os.Exit(m.Run())
	}
	if err := children[name](os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

func child(t testing.TB, name, dir string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, append([]string{dir}, args...)...)
	c.Env = append(os.Environ(), childVariable+"="+name)
	return c
}

// childPublish stores contents and an entry that names them.
func childPublish(ctx context.Context, l *Local, k Key, contents ...[]byte) error {
	var objects []Object
	for _, c := range contents {
		o, err := l.IngestBytes(ctx, c)
		if err != nil {
			return err
		}
		objects = append(objects, o)
	}
	_, err := l.Publish(ctx, testEntry(k, objects...))
	return err
}

// diskFullChild stands a limit on the size of files in for a full disk.
func diskFullChild(dir string, _ []string) error {
	ctx := context.Background()
	l, err := Open(ctx, dir, Options{})
	if err != nil {
		return err
	}
	if err := childPublish(ctx, l, testKey(1), []byte("fine")); err != nil {
		return err
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	small := old
	small.Cur = 20 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		return err
	}
	for _, size := range []int{40 << 10, 300 << 10, 2 << 20} {
		b := data(uint64(size), size)
		if _, err := l.IngestBytes(ctx, b); !errors.Is(err, syscall.EFBIG) {
			return fmt.Errorf("%d bytes were stored on a full disk: %v", size, err)
		}
		if have, err := l.HasBlob(ctx, DigestOf(b)); have || err != nil {
			return fmt.Errorf("%d bytes appeared on a full disk: %v", size, err)
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	if err := childPublish(ctx, l, testKey(2), data(5, 40<<10)); err != nil {
		return err
	}
	return l.Close()
}

// crashChild goes through everything that changes a store, and dies at the
// given occurrence of a sync point; without one it prints the points it passes.
// What it prints as "have" was published and acknowledged, what as "gone" may be deleted.
func crashChild(dir string, args []string) error {
	count := map[string]int{}
	var mu sync.Mutex
	at := func(name string) {
		mu.Lock()
		defer mu.Unlock()
		count[name]++
		if len(args) == 0 {
			fmt.Println("point", name, count[name])
		} else if args[0] == name && args[1] == strconv.Itoa(count[name]) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	ctx := context.Background()
	// Background fsyncs would make the order of points a matter of chance.
	o := Options{SyncPoint: at, FlushEvery: time.Hour}
	if err := crashWork(ctx, dir, o); err != nil {
		return err
	}
	fmt.Println("gone", testKey(1)) // not used for long
	later := time.Now().Add(48 * time.Hour)
	_, err := GC(ctx, dir, GCOptions{Now: later, OlderThan: 24 * time.Hour, Roots: roots(testKey(2), testKey(4)), SyncPoint: at})
	return err
}

func crashWork(ctx context.Context, dir string, o Options) error {
	l, err := Open(ctx, dir, o)
	if err != nil {
		return err
	}
	do := func(k int, contents ...[]byte) {
		if err = errors.Join(err, childPublish(ctx, l, testKey(k), contents...)); err == nil {
			fmt.Println("have", testKey(k))
		}
	}
	do(1, []byte("one"), data(1, 200<<10))
	do(2, text(2, 3000), text(3, 2<<20))
	err = errors.Join(err, l.Sync(ctx), l.Seal(ctx), l.SetRef("runs/first", []byte("x")), l.SaveState("plan", []byte("y")))
	do(3, []byte("three"), data(4, 3<<20))
	fmt.Println("gone", testKey(3))
	err = errors.Join(err, l.MarkBad(ctx, DigestOf(data(4, 3<<20)), "test"), l.MarkBad(ctx, DigestOf([]byte("three")), "test"))
	do(4, []byte("three"))
	do(5, []byte("five"))
	fmt.Println("gone", testKey(5))
	_, ferr := l.Forget(ctx, testKey(5))
	l.Touch([]Key{testKey(2)})
	return errors.Join(err, ferr, l.Close())
}

func TestCrashAtEverySyncPoint(t *testing.T) {
	out, err := child(t, "crash", t.TempDir()).Output()
	if err != nil {
		t.Fatal(err)
	}
	last := map[string]int{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); f[0] == "point" {
			last[f[1]], _ = strconv.Atoi(f[2])
		}
	}
	if len(last) < 20 {
		t.Fatalf("only the sync points %v were passed", last)
	}
	for _, name := range slices.Sorted(maps.Keys(last)) {
		for _, n := range slices.Compact([]int{1, (1 + last[name]) / 2, last[name]}) {
			t.Run(fmt.Sprintf("%s-%d", name, n), func(t *testing.T) { crashAt(t, name, n) })
		}
	}
}

func crashAt(t *testing.T, point string, n int) {
	t.Parallel()
	dir := t.TempDir()
	out, err := child(t, "crash", dir, point, strconv.Itoa(n)).Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child was to be killed: %v", err)
	}
	have := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); f[0] == "have" {
			have[f[1]] = true
		} else {
			delete(have, f[1])
		}
	}
	l := openTest(t, dir, Options{})
	doctorClean(t, l)
	for k := range have {
		key, err := ParseKey(k)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range wantHit(t, l, key).Objects {
			if b, err := l.ReadAll(t.Context(), o.Digest, -1); err != nil || int64(len(b)) != o.Size {
				t.Errorf("an object of key %s: %v", key.Short(), err)
			}
		}
	}
	if _, err := l.Doctor(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	closeTest(t, l)
	if _, err := GC(t.Context(), dir, GCOptions{Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	l = openTest(t, dir, Options{})
	if r, err := l.Doctor(t.Context(), false); err != nil || len(r.Findings) > 0 {
		t.Errorf("after a collection doctor finds %+v, %v", r.Findings, err)
	}
	if v, err := l.Verify(t.Context(), VerifyOptions{}, nil); err != nil || len(v.Bad)+len(v.BadEntries) > 0 {
		t.Errorf("verify: %+v, %v", v, err)
	}
}

// writerChild publishes and reads for a while, opening the store anew often, as runs do.
func writerChild(dir string, args []string) error {
	ctx := context.Background()
	seed, _ := strconv.Atoi(args[0])
	rounds, _ := strconv.Atoi(args[1])
	for round := range rounds {
		l, err := Open(ctx, dir, Options{})
		if err != nil {
			return err
		}
		for i := range 12 {
			k := testKey((seed*7 + round*5 + i) % 40)
			size := 500 + i
			if i == 0 {
				size = 1500 << 10
			}
			if err := useOrMake(ctx, l, k, text(uint64(size), size)); err != nil {
				return fmt.Errorf("round %d: %w", round, err)
			}
		}
		f, err := l.CloseWithFingerprint()
		if err != nil {
			return err
		}
		if f == "" {
			return errors.New("no fingerprint")
		}
	}
	return nil
}

// useOrMake is what a run does: a hit must be whole, since no collection can run.
func useOrMake(ctx context.Context, l *Local, k Key, content []byte) error {
	e, err := l.Lookup(ctx, k)
	if err != nil {
		return err
	}
	if e == nil {
		if r := l.MissReasons(k); len(r) > 0 {
			return fmt.Errorf("key %s is a miss because of %q", k.Short(), r)
		}
		return childPublish(ctx, l, k, content, fmt.Appendf(nil, "small %s", k))
	}
	for _, o := range e.Objects {
		if _, err := l.ReadAll(ctx, o.Digest, -1); err != nil {
			return fmt.Errorf("key %s is a hit, and %w", k.Short(), err)
		}
	}
	return nil
}

// gcChild collects again and again, each time nearly everything.
func gcChild(dir string, args []string) error {
	rounds, _ := strconv.Atoi(args[0])
	for i := range rounds {
		o := GCOptions{Now: time.Now(), MaxSize: int64(1 + i*200_000)}
		if _, err := GC(context.Background(), dir, o); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

func TestSeveralProcesses(t *testing.T) {
	dir := t.TempDir()
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	commands := []*exec.Cmd{
		child(t, "writer", dir, "1", strconv.Itoa(rounds)), child(t, "writer", dir, "2", strconv.Itoa(rounds)),
		child(t, "writer", dir, "3", strconv.Itoa(rounds)), child(t, "gc", dir, strconv.Itoa(rounds)),
	}
	var wg sync.WaitGroup
	for _, c := range commands {
		wg.Go(func() {
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	wg.Wait()
	l := openTest(t, dir, Options{})
	doctorClean(t, l)
	if v, err := l.Verify(t.Context(), VerifyOptions{}, nil); err != nil || len(v.Bad)+len(v.BadEntries) > 0 {
		t.Errorf("verify: %+v, %v", v, err)
	}
}

// Two runs at a time see each other's finished work, before either ends.
func TestLiveProcessesSeeEachOther(t *testing.T) {
	dir := t.TempDir()
	a, b := openTest(t, dir, Options{}), openTest(t, dir, Options{})
	wantMiss(t, b, testKey(1))
	publish(t, a, testKey(1), []byte("one"), data(1, 2<<20))
	wantHit(t, b, testKey(1))
	publish(t, a, testKey(2), []byte("two"))
	wantHit(t, b, testKey(2))
	wantBytes(t, b, DigestOf([]byte("two")), []byte("two"))
	publish(t, b, testKey(3), []byte("three"))
	wantHit(t, a, testKey(3))
	closeTest(t, a)
	wantHit(t, b, testKey(1))
	if err := b.MarkBad(t.Context(), DigestOf([]byte("one")), "test"); err != nil {
		t.Fatal(err)
	}
	wantMiss(t, b, testKey(1))
	c := openTest(t, dir, Options{})
	wantMiss(t, c, testKey(1))
	wantHit(t, c, testKey(3))
}

// Open waits for a collection, says so once, and gives up with its context.
func TestOpenWaitsForCollection(t *testing.T) {
	dir := t.TempDir()
	closeTest(t, openTest(t, dir, Options{}))
	gc, err := open(t.Context(), dir, Options{}, true)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, dir, Options{OnWait: func(m string) { said = append(said, m) }}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Open: %v", err)
	}
	if len(said) != 1 || !strings.Contains(said[0], "waiting for a collection") {
		t.Errorf("said %q", said)
	}
	time.AfterFunc(30*time.Millisecond, func() { _ = gc.lock.Close() })
	closeTest(t, openTest(t, dir, Options{}))
}

// A writer that is killed leaves an open pack; the next process takes it over.
func TestDeadWritersPackIsAdopted(t *testing.T) {
	dir := t.TempDir()
	c := child(t, "crash", dir, "file-written", "1")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	c.Stderr = &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for s := bufio.NewScanner(out); s.Scan(); {
		continue
	}
	_ = c.Wait()
	l := openTest(t, dir, Options{})
	wantHit(t, l, testKey(1))
	for _, p := range packFiles(t, dir) {
		if strings.HasSuffix(p, openSuffix) {
			t.Errorf("%s was not sealed (%s)", p, log.String())
		}
	}
}
