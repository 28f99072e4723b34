package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/lang"
	"github.com/nbpipe/nbpipe/pipeline/plan"
	"github.com/nbpipe/nbpipe/stages"
)

// join is a kind for tests: it writes its inputs' texts and its own, one after
// the other. What it is told to do besides goes through the bench.
type join struct {
	Text   string        `attr:"text,key" default:"\"\""`
	Inputs []stages.File `attr:"inputs,key,optional"`
	Do     string        `attr:"do,optional"` // no part of the key
}

func (*join) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{"file": stages.FileType, "size": cty.Number}
}

func (j *join) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	b := ctx.Value(benchKey{}).(*bench)
	b.begin(in)
	defer b.end(in)
	var text strings.Builder
	for _, f := range j.Inputs {
		raw, err := in.Store.ReadAll(ctx, f)
		if err != nil {
			return err
		}
		text.Write(raw)
	}
	text.WriteString(j.Text)
	if do := b.do[j.Do]; do != nil {
		if err := do(ctx); err != nil {
			return err
		}
	}
	path := filepath.Join(in.Scratch, "out")
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		return err
	}
	out.SetFile("file", path, "out.txt")
	out.Set("size", cty.NumberIntVal(int64(text.Len())))
	return nil
}

type benchKey struct{}

// bench is an experiment on a store, for tests.
type bench struct {
	t     *testing.T
	dir   string
	store *cache.Local
	do    map[string]func(context.Context) error

	mu      sync.Mutex
	ran     []string
	running int
	most    int
	cpus    int
	mostCPU int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), do: map[string]func(context.Context) error{}}
	store, err := cache.Open(t.Context(), filepath.Join(t.TempDir(), "cache"), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b.store = store
	t.Cleanup(func() { store.Close() })
	return b
}

func (b *bench) begin(in *stages.Input) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ran = append(b.ran, in.Address)
	b.running++
	b.cpus += in.CPUs
	b.most, b.mostCPU = max(b.most, b.running), max(b.mostCPU, b.cpus)
}

func (b *bench) end(in *stages.Input) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running--
	b.cpus -= in.CPUs
}

func (b *bench) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// engine loads and plans the experiment.
func (b *bench) engine(events func(Event)) *Engine {
	b.t.Helper()
	kinds := stages.NewRegistry(
		stages.Define[join](stages.Kind{Block: "preprocess", Type: "join", Version: 1, Reproducible: true}),
		stages.Define[fetched](stages.Kind{Block: "dataset", Type: "fetched", Version: 1, Reproducible: true}),
	)
	hash := func(path string) (cache.Object, error) { return b.store.HashPath(b.t.Context(), path) }
	x, diags := lang.Load(b.t.Context(), b.dir, lang.Options{Kinds: kinds, Hash: hash})
	if diags.HasErrors() {
		b.t.Fatal(diags)
	}
	lock, err := plan.LoadLock(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	e := New(Config{
		Experiment: x, Store: b.store, Lock: lock, Manifest: plan.LoadManifest(b.store, b.dir),
		Prober: plan.NewProbes(b.store, nil, nil, false), Now: time.Now, Events: events,
	})
	if diags := e.Plan(b.t.Context(), nil); diags.HasErrors() {
		b.t.Fatal(diags)
	}
	return e
}

// run runs the experiment and returns the addresses that ran, sorted.
func (b *bench) run(machine Machine) (*Engine, Summary, []string) {
	b.t.Helper()
	e := b.engine(nil)
	b.ran = nil
	sum := e.Run(context.WithValue(b.t.Context(), benchKey{}, b), Options{Executor: b.executor(), Machine: machine})
	if sum.Saved != nil {
		b.t.Fatal(sum.Saved)
	}
	slices.Sort(b.ran)
	return e, sum, b.ran
}

func (b *bench) executor() *executor.Local {
	return &executor.Local{Store: b.store, Scratch: b.t.TempDir(), LogDir: b.t.TempDir(), Now: time.Now}
}

func (b *bench) outputs(e *Engine, address string) string {
	b.t.Helper()
	for _, n := range e.Nodes {
		if n.Address == address {
			raw, err := stages.EncodeJSON(n.Outputs)
			if err != nil {
				b.t.Fatal(err)
			}
			return string(raw)
		}
	}
	b.t.Fatalf("no node %s", address)
	return ""
}

var small = Machine{CPUs: 2, Memory: 1 << 30}

const diamond = `
preprocess "join" "a" { text = "a" }
preprocess "join" "b" {
  inputs = [preprocess.a.file]
  text   = "b"
}
preprocess "join" "c" {
  inputs = [preprocess.a.file]
  text   = "c${preprocess.a.size}"
}
preprocess "join" "d" { inputs = [preprocess.b.file, preprocess.c.file] }
`

func TestRunThenNothing(t *testing.T) {
	b := newBench(t)
	b.write("main.hcl", diamond)
	_, sum, ran := b.run(small)
	want := []string{"preprocess.a", "preprocess.b", "preprocess.c", "preprocess.d"}
	if !cmp.Equal(ran, want) || sum.Ran != 4 {
		t.Errorf("first run: %v, %+v", ran, sum)
	}
	e, sum, ran := b.run(small)
	if len(ran) > 0 || sum.Cached != 4 {
		t.Errorf("second run: %v, %+v", ran, sum)
	}
	if got := b.outputs(e, "preprocess.d"); !strings.Contains(got, `"size":5`) {
		t.Error(got)
	}
}

func TestEarlyCutOff(t *testing.T) {
	b := newBench(t)
	b.write("main.hcl", diamond)
	b.run(small)
	b.write("main.hcl", strings.ReplaceAll(diamond, `"c${preprocess.a.size}"`, `"c${preprocess.a.size + 0}"`))
	if _, _, ran := b.run(small); len(ran) > 0 {
		t.Errorf("an edit without effect ran %v", ran)
	}
	b.write("main.hcl", strings.Replace(diamond, `{ text = "a" }`, `{
  text   = ""
  inputs = [path("a.txt")]
}`, 1))
	b.write("a.txt", "a")
	if _, _, ran := b.run(small); !cmp.Equal(ran, []string{"preprocess.a"}) {
		t.Errorf("another way to the same bytes ran %v", ran)
	}
}

func TestEqualKeysRunOnce(t *testing.T) {
	b := newBench(t)
	b.write("main.hcl", `
preprocess "join" "a" {
  for_each = toset(["1", "2", "3"])
  text     = "same"
}
preprocess "join" "all" { inputs = [for n in preprocess.a : n.file] }
`)
	if _, sum, ran := b.run(small); len(ran) != 2 || sum.Failed > 0 {
		t.Errorf("ran %v, %+v", ran, sum)
	}
}

func TestI9_OnlySuccessIsCached(t *testing.T) {
	b := newBench(t)
	b.write("main.hcl", diamond+`
preprocess "join" "bad" {
  inputs = [preprocess.a.file]
  do     = "fail"
}
preprocess "join" "victim" {
  inputs = [preprocess.bad.file]
  text   = "victim"
}
`)
	b.do["fail"] = func(context.Context) error { return errors.New("out of luck") }
	e, sum, _ := b.run(small)
	if sum.Ran != 4 || sum.Failed != 1 || sum.Skipped != 1 {
		t.Errorf("%+v", sum)
	}
	for _, n := range e.Nodes {
		if n.Status == Skipped && n.Cause != "preprocess.bad" {
			t.Errorf("%s is a victim of %s", n.Address, n.Cause)
		}
	}
	delete(b.do, "fail")
	if _, _, ran := b.run(small); !cmp.Equal(ran, []string{"preprocess.bad", "preprocess.victim"}) {
		t.Errorf("after the cause is gone ran %v", ran)
	}
}

func TestI6_AnInputChangedDuringTheRunIsNoticed(t *testing.T) {
	b := newBench(t)
	b.write("input.txt", "before")
	b.write("main.hcl", `
preprocess "join" "a" {
  inputs = [path("input.txt")]
  do     = "edit"
}`)
	b.do["edit"] = func(context.Context) error {
		b.write("input.txt", "after")
		return nil
	}
	e, sum, _ := b.run(small)
	if sum.Failed != 1 || !strings.Contains(e.Nodes[0].Err.Error(), "input.txt was changed while this stage ran") {
		t.Fatalf("%+v %v", sum, e.Nodes[0].Err)
	}
	if entry, _ := b.store.Lookup(t.Context(), e.Nodes[0].Key); entry != nil {
		t.Error("an entry was written")
	}
	delete(b.do, "edit")
	if e, sum, _ := b.run(small); sum.Ran != 1 || !strings.Contains(b.outputs(e, "preprocess.a"), `"size":5`) {
		t.Errorf("%+v", sum)
	}
}

func TestI4_LostContentIsMadeAgainInTheSameRun(t *testing.T) {
	b := newBench(t)
	b.write("main.hcl", diamond)
	e, _, _ := b.run(small)
	for _, n := range e.Nodes[:1] {
		for _, o := range n.Entry.Objects {
			if err := b.store.MarkBad(t.Context(), o.Digest, "for the test"); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.write("main.hcl", diamond+`preprocess "join" "e" {
  inputs = [preprocess.a.file]
  text   = "new"
}`)
	if _, sum, ran := b.run(small); !cmp.Equal(ran, []string{"preprocess.a", "preprocess.e"}) || sum.Failed > 0 {
		t.Errorf("ran %v, %+v", ran, sum)
	}
}

func TestLostWhileRunning(t *testing.T) {
	b := newBench(t)
	b.write("main.hcl", diamond)
	e, _, _ := b.run(small)
	a := e.Nodes[0].Entry.Objects[0]
	b.write("main.hcl", diamond+`
preprocess "join" "first" {
  text = "lose it"
  do   = "lose"
}
preprocess "join" "then" {
  inputs = [preprocess.first.file, preprocess.a.file]
}`)
	b.do["lose"] = func(ctx context.Context) error { return b.store.MarkBad(ctx, a.Digest, "for the test") }
	var lost []string
	e = b.engine(func(ev Event) {
		if ev.Type == EventLost {
			lost = append(lost, ev.Node)
		}
	})
	b.ran = nil
	sum := e.Run(context.WithValue(t.Context(), benchKey{}, b), Options{Executor: b.executor(), Machine: small})
	if sum.Failed+sum.Skipped > 0 || !cmp.Equal(lost, []string{"preprocess.a"}) {
		t.Errorf("%+v, lost %v, ran %v", sum, lost, b.ran)
	}
}

func TestPoolKeepsToTheMachine(t *testing.T) {
	b := newBench(t)
	b.write("main.hcl", `
preprocess "join" "one" {
  for_each = toset([for i in range(12) : "n${i}"])
  text     = each.key
  do       = "wait"
}
preprocess "join" "two" {
  for_each = toset([for i in range(6) : "n${i}"])
  text     = "two ${each.key}"
  do       = "wait"
  resources {
    cpus = 2
  }
}`)
	b.do["wait"] = func(context.Context) error { time.Sleep(2 * time.Millisecond); return nil }
	if _, sum, _ := b.run(Machine{CPUs: 3, Memory: 1 << 30}); sum.Ran != 18 {
		t.Errorf("%+v", sum)
	}
	if b.mostCPU > 3 || b.most < 2 {
		t.Errorf("at most %d stages on %d cores at a time", b.most, b.mostCPU)
	}
}

// A node that needs the whole machine is not overtaken for ever.
func TestLargeRequestsDoNotStarve(t *testing.T) {
	b := newBench(t)
	b.write("main.hcl", `
preprocess "join" "a" {
  for_each = toset([for i in range(3) : "n${i}"])
  text     = each.key
  do       = "wait"
}
preprocess "join" "big" {
  text = "big"
  resources {
    cpus = 2
  }
}
preprocess "join" "z" {
  for_each = toset([for i in range(100) : "n${i}"])
  text     = "z ${each.key}"
  do       = "wait"
}`)
	n := 0
	b.do["wait"] = func(context.Context) error { // no two end at the same time
		b.mu.Lock()
		n++
		d := time.Duration(1+n%2) * time.Millisecond
		b.mu.Unlock()
		time.Sleep(d)
		return nil
	}
	e := b.engine(nil)
	b.ran = nil
	e.Run(context.WithValue(t.Context(), benchKey{}, b), Options{Executor: b.executor(), Machine: small})
	if at := slices.Index(b.ran, "preprocess.big"); at < 0 || at > 3+patience+4 {
		t.Errorf("the large one was number %d of %d", at, len(b.ran))
	}
}

func TestGPUsCannotBeMadeUp(t *testing.T) {
	b := newBench(t)
	b.write("main.hcl", `
preprocess "join" "gpu" {
  resources {
    gpus = 1
  }
}`)
	e, sum, _ := b.run(small)
	if sum.Failed != 1 || !strings.Contains(e.Nodes[0].Err.Error(), "asks for 1 GPUs") {
		t.Errorf("%+v %v", sum, e.Nodes[0].Err)
	}
}

func TestInterrupt(t *testing.T) {
	b := newBench(t)
	b.write("main.hcl", `
preprocess "join" "done" { text = "1" }
preprocess "join" "slow" {
  inputs = [preprocess.done.file]
  do     = "wait"
}
preprocess "join" "after" { inputs = [preprocess.slow.file] }
`)
	ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), benchKey{}, b))
	b.do["wait"] = func(ctx context.Context) error {
		cancel(ErrInterrupted)
		<-ctx.Done()
		return ctx.Err()
	}
	e := b.engine(nil)
	sum := e.Run(ctx, Options{Executor: b.executor(), Machine: small})
	if sum.Ran != 1 || sum.Failed != 0 || sum.Interrupted != 1 {
		t.Errorf("%+v", sum)
	}
}

func TestWhy(t *testing.T) {
	b := newBench(t)
	b.write("main.hcl", diamond)
	e := b.engine(nil)
	if got := fmt.Sprint(e.Nodes[0].Status, e.Nodes[0].Why); got != "will run[it never ran before]" {
		t.Error(got)
	}
	if got := fmt.Sprint(e.Nodes[1].Status, e.Nodes[1].Why); got != "known after run[depends on preprocess.a]" {
		t.Error(got)
	}
	b.run(small)
	b.write("main.hcl", strings.Replace(diamond, `text   = "b"`, `text   = "B"`, 1))
	e = b.engine(nil)
	if got := fmt.Sprint(e.Nodes[1].Status, e.Nodes[1].Why); got != `will run[text: "b" -> "B"]` {
		t.Error(got)
	}
}

// machine is a kind whose results depend on the machine.
type machine struct {
	Slow bool `attr:"slow,key" default:"false"`
}

func (*machine) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{"done": cty.Bool}
}

func (*machine) Run(_ context.Context, in *stages.Input, out *stages.Output) error {
	out.Set("done", cty.BoolVal(in.Probes["kernel"] != ""))
	return nil
}

func (m *machine) Versions() map[string]string {
	if m.Slow {
		return map[string]string{"kernel": "plain"}
	}
	return map[string]string{"kernel": "fast"}
}

// What a stage says of the machine is part of its key, and the stage sees it.
func TestVersionsAreInKeys(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(`retrain "machine" "a" {}
retrain "machine" "b" { slow = true }`), 0o644); err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	kinds := stages.NewRegistry(stages.Define[machine](stages.Kind{Block: "retrain", Type: "machine", Version: 1, Reproducible: true}))
	x, diags := lang.Load(t.Context(), dir, lang.Options{Kinds: kinds, Hash: func(string) (cache.Object, error) { return cache.Object{}, nil }})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	lock, err := plan.LoadLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	e := New(Config{Experiment: x, Store: b.store, Lock: lock, Manifest: plan.LoadManifest(b.store, dir), Prober: plan.NewProbes(b.store, nil, nil, false), Now: time.Now})
	if diags := e.Plan(t.Context(), nil); diags.HasErrors() {
		t.Fatal(diags)
	}
	for i, want := range []string{"fast", "plain"} {
		if trace := string(e.Nodes[i].preimage); !strings.Contains(trace, want) {
			t.Errorf("the key of %s is not made of %q: %q", e.Nodes[i].Address, want, trace)
		}
	}
	if sum := e.Run(t.Context(), Options{Executor: b.executor(), Machine: small}); sum.Ran != 2 {
		t.Errorf("%+v", sum)
	}
	if !e.Nodes[0].Outputs.GetAttr("done").True() {
		t.Error("the stage was not told")
	}
}
