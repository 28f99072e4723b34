package worker_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/trust"
	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/pipeline/executor/worker"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/command"
)

// options are those of a worker that has nothing but its file and a folder.
func (r *rig) options(keep int64) worker.Options {
	r.t.Helper()
	path := filepath.Join(r.dir, "worker.json")
	f := worker.File{Folder: filepath.Join(r.dir, "store"), Store: r.store.ID(), User: trust.PublicOf(r.user).String(), Key: r.key.Seed()}
	r.must(f.Write(path))
	return worker.Options{
		File: path, Queue: "q", ID: "w", Cache: filepath.Join(r.dir, "machine"), Keep: keep, Kinds: stages.NewRegistry(command.Kind),
		Environment: os.Environ(), Now: time.Now, Tell: r.tell, Beat: 100 * time.Millisecond,
	}
}

// size is what the store of a machine takes.
func (r *rig) size(dir string) int64 {
	r.t.Helper()
	n, err := cache.Size(dir)
	r.must(err)
	return n
}

// fill asks for actions that make a MiB each that cannot be compressed.
func (r *rig) fill(from, n int) (names []queue.Attempt) {
	for i := range n {
		script := fmt.Sprintf("head -c 1048576 /dev/urandom > out; echo %d; sleep 0.05", from+i)
		names = append(names, r.ask(executortest.Script(r.t, script, nil), nil))
	}
	return names
}

func (r *rig) succeeded(names []queue.Attempt) {
	r.t.Helper()
	for _, n := range names {
		if got := r.result(n); got.State != queue.Succeeded {
			r.t.Errorf("%+v", got)
		}
	}
}

// What workers keep on a machine stays below the limit, between workers and within a
// long life of one; what was collected is had again from the shared store.
func TestMachineStoreHasALimit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const keep = 3 << 20
	r.must(worker.Run(t.Context(), r.options(0)))
	names := r.fill(0, 6)
	r.must(worker.Run(t.Context(), r.options(0)))
	unlimited := r.size(filepath.Join(r.dir, "machine"))
	if unlimited < 6<<20 {
		t.Errorf("%d bytes without a limit", unlimited)
	}
	r.must(worker.Run(t.Context(), r.options(keep))) // one that finds nothing to do
	if n := r.size(filepath.Join(r.dir, "machine")); n > keep || n == 0 {
		t.Errorf("%d bytes are kept, %d may be", n, keep)
	}

	more := r.fill(6, 12)
	most := int64(0)
	ctx, stop := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for ; ctx.Err() == nil; time.Sleep(time.Millisecond) {
			if n, err := cache.Size(filepath.Join(r.dir, "machine")); err == nil {
				most = max(most, n)
			}
		}
	}()
	o := r.options(keep)
	frozen := time.Now()
	o.Now = func() time.Time { return frozen } // looking takes no time: it looks before each action
	r.must(worker.Run(t.Context(), o))
	stop()
	<-watched
	if most > 2*keep+1<<20 { // while packs are rewritten, they are there twice
		t.Errorf("a worker's store grew to %d bytes, %d may be kept", most, keep)
	}
	r.succeeded(append(names, more...))

	// The first ones' content is on this machine no longer.
	e, err := r.store.Entries(t.Context(), mustKey(t, names[0]))
	if err != nil || len(e) != 1 {
		t.Fatal(e, err)
	}
	entry, err := e[0].Decode()
	r.must(err)
	again := r.ask(executortest.Script(t, "wc -c < in/x > out", map[string]stages.File{"x": {Object: entry.Objects[0], Name: "x"}}), nil)
	r.must(worker.Run(t.Context(), r.options(keep)))
	r.succeeded([]queue.Attempt{again})
}

func mustKey(t *testing.T, a queue.Attempt) cache.Key {
	t.Helper()
	k, ok := a.Key()
	if !ok {
		t.Fatalf("%s is no attempt", a)
	}
	return k
}

// A store that others use is left alone, however large it is; a worker that comes
// works in one of its own and leaves nothing of it.
func TestMachineStoreInUse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const keep = 2 << 20
	machine := filepath.Join(r.dir, "machine")
	r.fill(0, 4)
	r.must(worker.Run(t.Context(), r.options(0)))
	before := r.size(machine)
	other, err := cache.Open(t.Context(), machine, cache.Options{})
	r.must(err)
	defer other.Close()
	names := r.fill(4, 5)
	r.must(worker.Run(t.Context(), r.options(keep)))
	r.succeeded(names)
	if n := r.size(machine); n != before {
		t.Errorf("the store in use has %d bytes, %d before", n, before)
	}
	if !r.wasTold("this worker has one of its own") {
		t.Errorf("told %q", r.told)
	}
	if left, err := os.ReadDir(filepath.Join(machine, "scratch")); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
	if report, err := other.Doctor(t.Context(), false); err != nil || len(report.Problems()) > 0 {
		t.Errorf("%+v, %v", report.Problems(), err)
	}
}

// A limit below what a single action needs stops nothing.
func TestTinyLimit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	names := r.fill(0, 3)
	r.must(worker.Run(t.Context(), r.options(1)))
	r.succeeded(names)
}

// The folders that a worker on this machine left that was killed, and what its stage
// left running, are removed by the next one.
func TestKilledWorkerIsCleanedUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o := r.options(0)
	mark := filepath.Join(r.dir, "pid")
	script := "(sleep 1000 & echo $! > " + mark + ".new; mv " + mark + ".new " + mark + "; wait) & head -c 1000000 /dev/zero > large; wait; echo > out"
	r.ask(executortest.Script(t, script, nil), nil)
	killed := r.startWorker(o)
	r.until("the stage runs", func() bool { _, err := os.Stat(mark); return err == nil })
	child := readPID(t, mark)
	began := startedAt(child)
	r.must(killed.Process.Kill())
	_ = killed.Wait()
	if left := r.scratch(o.Cache); len(left) != 1 {
		t.Fatalf("the killed worker left %q", left)
	}
	r.must(worker.Run(t.Context(), o))
	if left := r.scratch(o.Cache); len(left) != 0 {
		t.Errorf("%q are left", left)
	}
	r.until("what the stage started ends", func() bool { return startedAt(child) != began })
}

// scratch lists the scratch folders of a machine.
func (r *rig) scratch(machine string) []string {
	r.t.Helper()
	found, err := filepath.Glob(filepath.Join(machine, "scratch", "run-*"))
	r.must(err)
	return found
}

// startedAt is when a process was started; "" for none, and for one that is dead and
// not yet waited for.
func startedAt(pid string) string {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return ""
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if slices.Contains([]string{"Z", "X"}, f[0]) {
		return ""
	}
	return f[19]
}

func readPID(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}
