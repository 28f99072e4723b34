package executortest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/plan"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/command"
)

// Bench is an executor under test, with what a test may do to it. What an executor
// does not have, it leaves nil: those tests are not for it.
type Bench struct {
	Executor executor.Executor
	Store    *cache.Local // that of this machine, with an upstream where there is one
	// KillWorkers ends all workers at once, as kill -9 does, and returns how many there were.
	KillWorkers func(t *testing.T) int
	// FreezeWorkers stops all workers as they are; thaw lets them go on.
	FreezeWorkers func(t *testing.T) (thaw func())
	// Away takes the store away; back brings it back.
	Away func(t *testing.T) (back func())
	// Shared is where the executor and its workers meet.
	Shared *s3.Work
	// Machines are the names of those that workers can be on, of which each is fit for
	// what asks for it as a GPU's model: see Main.
	Machines []string
}

// Run checks an executor. open returns a fresh one each time.
func Run(t *testing.T, open func(t *testing.T) *Bench) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(t *testing.T, b *Bench)
	}{
		{"Success", success}, {"Failure", failure}, {"TimeOut", timeOut}, {"Cancel", cancelled}, {"Double", double},
		{"LostWorker", lostWorker}, {"LateWorker", lateWorker}, {"StoreAway", storeAway}, {"Spoilt", spoilt}, {"Many", many}, {"Logs", logs}, {"LastWords", lastWords}, {"HandedOn", handedOn},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// Script makes an action that runs a shell script. It leaves the file out. Files of
// the test's folder are named by absolute paths: they are how a test sees what ran.
func Script(t testing.TB, script string, inputs map[string]stages.File) *executor.Action {
	t.Helper()
	in := map[string]cty.Value{}
	for name, f := range inputs {
		in[name] = stages.FileValue(f)
	}
	files := cty.MapValEmpty(stages.FileType)
	if len(in) > 0 {
		files = cty.MapVal(in)
	}
	attrs := stages.Attrs{
		"argv":    cty.ListVal([]cty.Value{cty.StringVal("sh"), cty.StringVal("-c"), cty.StringVal(script)}),
		"inputs":  files,
		"outputs": cty.MapVal(map[string]cty.Value{"out": cty.StringVal("out")}),
	}
	for i := range command.Kind.Attributes {
		a := &command.Kind.Attributes[i]
		if _, ok := attrs[a.Name]; !ok && a.Default != cty.NilVal {
			attrs[a.Name] = a.Default
		}
	}
	a := &executor.Action{
		Address: "command.test", Build: "test", Outputs: map[string]cty.Type{"out": stages.FileType},
		Ingredients: plan.Ingredients{Kind: command.Kind, Attrs: attrs},
	}
	p, err := a.Ingredients.Preimage()
	if err != nil {
		t.Fatal(err)
	}
	a.Key = p.Key()
	return a
}

// out reads the file that an action made, through this machine's store.
func (b *Bench) out(t *testing.T, r *executor.Result) string {
	t.Helper()
	got, err := b.Store.Lookup(t.Context(), r.Entry.Key)
	if err != nil || got == nil {
		t.Fatalf("its entry is not in this machine's store, or not believed: %v, %v", b.Store.MissReasons(r.Entry.Key), err)
	}
	if err := b.Store.Complete(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	o := got.Objects[0]
	text, err := b.Store.ReadAll(t.Context(), o.Digest, o.Size)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// patience is what a busy machine gets. How fast something goes is checked nowhere: what
// is late shows by its order.
const patience = 3 * time.Minute

func (b *Bench) execute(t *testing.T, a *executor.Action) (*executor.Result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return b.Executor.Execute(ctx, a, &watcher{})
}

func (b *Bench) must(t *testing.T, a *executor.Action, want string) {
	t.Helper()
	r, err := b.execute(t, a)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.out(t, r); got != want {
		t.Errorf("%q came out, want %q", got, want)
	}
}

// Await waits until a file has a number of lines.
func Await(t *testing.T, path string, lines int) {
	t.Helper()
	for deadline := time.Now().Add(patience); count(path) < lines; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("%s has %d lines after %s, want %d", path, count(path), patience, lines)
			return
		}
	}
}

func count(path string) int {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	return strings.Count(string(b), "\n")
}

// watcher takes what an executor tells.
type watcher struct {
	mu    sync.Mutex
	begun int
	log   strings.Builder
}

func (*watcher) Report(int64, int64, string) {}
func (*watcher) Note(string)                 {}
func (w *watcher) Begun(string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun++
}
func (w *watcher) Logged(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log.Write(b)
}

func success(t *testing.T, b *Bench) {
	dir := t.TempDir()
	own := filepath.Join(dir, "own.txt")
	if err := os.WriteFile(own, []byte("own\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	o, err := b.Store.HashPath(t.Context(), own)
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.execute(t, Script(t, "cat in/x > out", map[string]stages.File{"x": {Object: o, Name: "own.txt", Source: own}}))
	if err != nil {
		t.Fatal(err)
	}
	// What one action made is the input of another one.
	made := stages.File{Object: r.Entry.Objects[0], Name: "out"}
	b.must(t, Script(t, "cat in/x in/x > out", map[string]stages.File{"x": made}), "own\nown\n")
}

func failure(t *testing.T, b *Bench) {
	a := Script(t, "echo the end; exit 7", nil)
	_, err := b.execute(t, a)
	var f *executor.Failure
	if !errors.As(err, &f) {
		t.Fatalf("%v", err)
	}
	if f.Exit == nil || *f.Exit != 7 || !strings.Contains(f.LogTail, "the end") {
		t.Errorf("%+v", f)
	}
	if text, err := os.ReadFile(f.LogPath); err != nil || !strings.Contains(string(text), "the end") {
		t.Errorf("the log: %q, %v", text, err)
	}
	if e, err := b.Store.Lookup(t.Context(), a.Key); e != nil || err != nil { // I9
		t.Errorf("a failure has an entry: %v, %v", e, err)
	}
}

func timeOut(t *testing.T, b *Bench) {
	a := Script(t, "sleep 1000; echo > out", nil)
	a.Resources.Time = 1
	_, err := b.execute(t, a)
	var late *executor.TimeoutError
	if !errors.As(err, &late) {
		t.Errorf("%v", err)
	}
}

func cancelled(t *testing.T, b *Bench) {
	mark := filepath.Join(t.TempDir(), "mark")
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopped by the test")
	go func() {
		for count(mark) == 0 && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		cancel(stop)
	}()
	_, err := b.Executor.Execute(ctx, Script(t, fmt.Sprintf("while echo >> %s; do sleep 0.1; done", mark), nil), &watcher{})
	if !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
	// A stage that goes on writes ten lines in the time in which one that has ended
	// writes none.
	deadline := time.Now().Add(patience)
	for before := -1; before != count(mark); time.Sleep(time.Second) {
		if before = count(mark); time.Now().After(deadline) {
			t.Fatal("the stage goes on after it was cancelled")
		}
	}
}

// double: two copies of an action at once, and one after them, are harmless.
func double(t *testing.T, b *Bench) {
	a := Script(t, "echo same > out", nil)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { b.must(t, a, "same\n") })
	}
	wg.Wait()
	b.must(t, a, "same\n")
}

func lostWorker(t *testing.T, b *Bench) {
	if b.KillWorkers == nil {
		t.Skip("this executor has no workers")
	}
	mark := filepath.Join(t.TempDir(), "mark")
	go func() {
		Await(t, mark, 1)
		if b.KillWorkers(t) == 0 {
			t.Error("there was no worker to kill")
		}
	}()
	b.must(t, Script(t, fmt.Sprintf("echo >> %s; sleep 1; echo done > out", mark), nil), "done\n")
	if n := count(mark); n != 2 {
		t.Errorf("it ran %d times", n)
	}
}

// lateWorker: a worker that was given up comes back, and its result is no worse.
func lateWorker(t *testing.T, b *Bench) {
	if b.FreezeWorkers == nil {
		t.Skip("this executor has no workers")
	}
	dir := t.TempDir()
	mark, go2 := filepath.Join(dir, "mark"), filepath.Join(dir, "go")
	go func() {
		Await(t, mark, 1)
		thaw := b.FreezeWorkers(t)
		Await(t, mark, 2)
		thaw()
		_ = os.WriteFile(go2, []byte("\n"), 0o644)
	}()
	b.must(t, Script(t, fmt.Sprintf("echo >> %s; while [ ! -s %s ]; do sleep 0.1; done; echo done > out", mark, go2), nil), "done\n")
}

// storeAway: what is made while the store is away is published when it is back, and is
// not made again.
func storeAway(t *testing.T, b *Bench) {
	if b.Away == nil {
		t.Skip("this executor has no store but this machine's")
	}
	dir := t.TempDir()
	mark, end := filepath.Join(dir, "mark"), filepath.Join(dir, "end")
	go func() {
		Await(t, mark, 1)
		back := b.Away(t)
		_ = os.WriteFile(end, []byte("\n"), 0o644)
		time.Sleep(awayFor)
		back()
	}()
	b.must(t, Script(t, fmt.Sprintf("echo >> %s; while [ ! -s %s ]; do sleep 0.1; done; echo done > out", mark, end), nil), "done\n")
	if n := count(mark); n != 1 {
		t.Errorf("it ran %d times", n)
	}
}

// spoilt: what anybody puts into the store in place of what the executor and its workers
// say to each other costs nobody a result, nor a second run.
func spoilt(t *testing.T, b *Bench) {
	if b.Shared == nil {
		t.Skip("this executor shares nothing")
	}
	dir := t.TempDir()
	mark, end := filepath.Join(dir, "mark"), filepath.Join(dir, "end")
	go func() {
		Await(t, mark, 1)
		b.spoil(t)
		time.Sleep(time.Second)
		b.must(t, Script(t, "echo other > out", nil), "other\n")
		_ = os.WriteFile(end, []byte("\n"), 0o644)
	}()
	b.must(t, Script(t, fmt.Sprintf("echo >> %s; while [ ! -s %s ]; do sleep 0.1; done; echo done > out", mark, end), nil), "done\n")
	if n := count(mark); n != 1 {
		t.Errorf("it ran %d times", n)
	}
}

// spoil damages what there is of every attempt, and forges its result.
func (b *Bench) spoil(t *testing.T) {
	found, err := b.Shared.List(t.Context(), "attempts/", "")
	for _, o := range found {
		if strings.Contains(o.Name, "/tickets/") {
			result := strings.Replace(o.Name, "/tickets/", "/results/", 1)
			err = errors.Join(err, b.Shared.Put(t.Context(), o.Name, []byte("{")), b.Shared.Put(t.Context(), result, []byte(`{"state":"failed"}`)))
		}
		if strings.Contains(o.Name, "/claims/") {
			err = errors.Join(err, b.Shared.Put(t.Context(), o.Name, []byte("{")))
		}
	}
	actions, lerr := b.Shared.List(t.Context(), "actions/", "")
	err = errors.Join(err, lerr)
	for _, o := range actions {
		err = errors.Join(err, b.Shared.Put(t.Context(), o.Name, nil))
	}
	if err != nil || len(found) == 0 || len(actions) == 0 {
		t.Errorf("there was nothing to spoil: %d, %d, %v", len(found), len(actions), err)
	}
}

// awayFor is longer than a request is tried, and than a worker may give no sign of life.
const awayFor = 15 * time.Second

func many(t *testing.T, b *Bench) {
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { b.must(t, Script(t, fmt.Sprintf("echo %d > out", i), nil), fmt.Sprintf("%d\n", i)) })
	}
	wg.Wait()
}

// shows waits until an executor has passed on a text.
func (w *watcher) shows(t *testing.T, text string) {
	t.Helper()
	for range 3000 {
		w.mu.Lock()
		there := strings.Contains(w.log.String(), text)
		w.mu.Unlock()
		if there {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%q was not passed on within 30 s", text)
}

// logs: what a stage prints is passed on while it runs, however much came before.
func logs(t *testing.T, b *Bench) {
	if b.KillWorkers == nil {
		t.Skip("this executor has no workers")
	}
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	w := &watcher{}
	var watching sync.WaitGroup
	watching.Go(func() {
		w.shows(t, "it begins\n")
		_ = os.WriteFile(first, nil, 0o644)
		w.shows(t, "it goes on\n")
		_ = os.WriteFile(second, nil, 0o644)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	_, err := b.Executor.Execute(ctx, Script(t, fmt.Sprintf(`echo it begins
while [ ! -e %s ]; do sleep 0.1; done
i=0; while [ $i -lt 30000 ]; do i=$((i+1)); echo "line $i 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"; done
echo it goes on
while [ ! -e %s ]; do sleep 0.1; done
echo the end; exit 3`, first, second), nil), w)
	watching.Wait()
	var f *executor.Failure
	if !errors.As(err, &f) {
		t.Fatalf("%v", err)
	}
	text, err := os.ReadFile(f.LogPath)
	if err != nil || !strings.HasPrefix(string(text), "it begins\nline 1 ") || !strings.HasSuffix(string(text), "it goes on\nthe end\n") {
		t.Errorf("the log: %d bytes, %v: %.40q", len(text), err, text)
	}
}

// lastWords: what a worker's stage printed before it was killed is passed on.
func lastWords(t *testing.T, b *Bench) {
	if b.KillWorkers == nil {
		t.Skip("this executor has no workers")
	}
	mark := filepath.Join(t.TempDir(), "mark")
	w := &watcher{}
	go func() {
		Await(t, mark, 1)
		w.shows(t, "last words\n")
		if b.KillWorkers(t) == 0 {
			t.Error("there was no worker to kill")
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := b.Executor.Execute(ctx, Script(t, fmt.Sprintf("echo >> %s; [ $(wc -l <%[1]s) = 2 ] || { echo last words; sleep 1000; }; echo done > out", mark), nil), w); err != nil {
		t.Fatal(err)
	}
}

// handedOn: what one machine is not fit for is run by another one; what none is fit for
// fails with what each of them said.
func handedOn(t *testing.T, b *Bench) {
	if len(b.Machines) == 0 {
		t.Skip("this executor's machines are not known")
	}
	for _, m := range b.Machines {
		b.must(t, On(t, m, "echo here > out"), "here\n")
	}
	_, err := b.execute(t, On(t, "nowhere", "echo > out"))
	var f *executor.Failure
	if !errors.As(err, &f) || !strings.Contains(err.Error(), "asks for 1 of model nowhere (gpu_model)") {
		t.Fatalf("%v", err)
	}
	for _, m := range b.Machines {
		if n := strings.Count(err.Error(), "On "+m+": it asks"); n != 1 {
			t.Errorf("what %s said is there %d times: %v", m, n, err)
		}
	}
	b.must(t, Script(t, "echo still > out", nil), "still\n")
}

// On makes an action for which one of the machines is fit.
func On(t testing.TB, machine, script string) *executor.Action {
	t.Helper()
	a := Script(t, script, nil)
	a.Resources.GPUModel, a.Ingredients.GPUModel = machine, machine
	p, err := a.Ingredients.Preimage()
	if err != nil {
		t.Fatal(err)
	}
	a.Key = p.Key()
	return a
}
