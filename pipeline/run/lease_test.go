package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/gpu"
	"github.com/nbpipe/nbpipe/pipeline/gpu/lease"
	"github.com/nbpipe/nbpipe/stages"
)

// others stands for the other processes of a machine.
type others struct {
	mu    sync.Mutex
	have  map[string]bool // GPUs of theirs
	ours  []string        // that are leased
	asked int
	err   error
}

func (o *others) Take(n int, among []gpu.Device) ([]lease.Lease, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.asked++; o.err != nil {
		return nil, o.err
	}
	var out []lease.Lease
	for _, d := range among {
		if !o.have[d.ID] && !slices.Contains(o.ours, d.ID) && len(out) < n {
			out = append(out, lease.Lease{Device: d, Release: func() {
				o.mu.Lock()
				defer o.mu.Unlock()
				o.ours = slices.DeleteFunc(o.ours, func(id string) bool { return id == d.ID })
			}})
		}
	}
	if len(out) < n {
		return nil, &lease.Busy{PIDs: []int{77}}
	}
	for _, l := range out {
		o.ours = append(o.ours, l.ID)
	}
	return out, nil
}

func (o *others) set(have ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.have = map[string]bool{}
	for _, id := range have {
		o.have[id] = true
	}
}

func TestPoolLeasesGPUs(t *testing.T) {
	o := &others{}
	p := poolOf(t, "NVIDIA A100", "Tesla T4", "NVIDIA A100")
	p.machine.Leases = o
	half := stages.Resources{GPUs: 1, GPUShare: 0.5}
	var held []grant
	for i, step := range []struct {
		have string // GPUs of others
		ask  stages.Resources
		want string // the grant's; "busy" or "full" where it has to wait
		ours string // what is leased then
	}{
		{"0", stages.Resources{GPUs: 1}, "1", "1"},
		{"0", stages.Resources{GPUs: 2}, "busy", "1"},
		{"0 2", stages.Resources{GPUs: 1, GPUModel: "A100"}, "busy", "1"},
		{"0 2", stages.Resources{}, "", "1"},
		{"0 2", half, "busy", "1"},
		{"2", half, "0", "1 0"},
		{"2", half, "0", "1 0"}, // shares the lease, too
		{"2", half, "busy", "1 0"},
		{"", stages.Resources{GPUs: 2}, "full", "1 0"},
		{"", half, "2", "1 0 2"},
	} {
		o.set(strings.Fields(step.have)...)
		g, err := p.take(step.ask)
		got := strings.Join(gpu.IDs(p.of(g)), ",")
		switch {
		case errors.Is(err, errFull):
			got = "full"
		case errors.As(err, new(*lease.Busy)):
			got = "busy"
		case err != nil:
			t.Fatal(err)
		default:
			held = append(held, g)
		}
		if ours := strings.Join(o.ours, " "); got != step.want || ours != step.ours {
			t.Errorf("step %d: gets %q, leased %q; want %q, %q", i, got, ours, step.want, step.ours)
		}
	}
	for i, want := range []string{"0 2", "0 2", "0 2", "2", ""} { // given back with the last stage on it
		p.release(held[i])
		if ours := strings.Join(o.ours, " "); ours != want {
			t.Errorf("release %d: leased %q, want %q", i, ours, want)
		}
	}
	o.err = errors.New("no such folder")
	if _, err := p.take(half); !errors.Is(err, o.err) || p.running != 0 {
		t.Errorf("%v, %d running", err, p.running)
	}
}

// run runs an experiment beside other processes.
func (b *bench) runBeside(ctx context.Context, o *others, events func(Event)) (*Engine, Summary) {
	b.t.Helper()
	e := b.engine(events)
	machine := small
	machine.GPUs, machine.Leases = gpus("x"), o
	return e, e.Run(context.WithValue(ctx, benchKey{}, b), Options{Executor: b.executor(), Machine: machine})
}

// A node whose GPU another process has holds nothing that others could use, and begins
// when the GPU is free; nobody looks more often than about once a second.
func TestHeldUpByAnotherProcess(t *testing.T) {
	b, o := newBench(t), &others{have: map[string]bool{"0": true}}
	const plain = 30
	b.write("main.hcl", fmt.Sprintf(`
preprocess "join" "gpu" {
  for_each = toset(["1", "2", "3"])
  text     = "gpu${each.key}"
  resources {
    cpus = 2
    gpus = 1
  }
}
preprocess "join" "plain" {
  for_each = toset([for i in range(%d) : tostring(i)])
  text     = each.key
  do       = "wait"
  resources { cpus = each.key == "7" ? 2 : 1 }
}`, plain))
	pairs := 0
	b.do["wait"] = func(context.Context) error {
		time.Sleep(20 * time.Millisecond)
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.running == 2 {
			pairs++
		}
		return nil
	}
	var seen []string
	done := 0
	_, sum := b.runBeside(t.Context(), o, func(ev Event) {
		switch ev.Type {
		case EventQueued:
			seen = append(seen, "queued "+ev.Node)
		case EventPending:
			seen = append(seen, ev.Message+" "+ev.Node)
		case EventFinished:
			if done++; done == plain {
				o.mu.Lock()
				if len(o.ours) > 0 {
					t.Errorf("%q are leased beside others", o.ours)
				}
				o.mu.Unlock()
				// Looks without an event come from here on.
				time.AfterFunc(2500*time.Millisecond, func() { o.set() })
			}
		}
	})
	if sum.Ran != plain+3 || b.mostCPU > 2 {
		t.Errorf("%+v, %d cores at a time", sum, b.mostCPU)
	}
	if pairs < plain/2 {
		t.Errorf("both cores were in use at %d of %d ends: the node that waits holds some", pairs, plain)
	}
	for i, ran := range b.ran {
		if late := i >= plain; strings.HasPrefix(ran, "preprocess.gpu") != late {
			t.Errorf("%d: %s", i, ran)
		}
	}
	want := []string{`queued preprocess.gpu["1"]`, `it waits for a GPU that another nbpipe of yours uses (process 77) preprocess.gpu["1"]`}
	if !slices.Equal(seen, want) {
		t.Errorf("%q", seen)
	}
	if o.asked > plain+3+10 {
		t.Errorf("asked %d times", o.asked)
	}
	if len(o.ours) > 0 {
		t.Errorf("%q are leased at the end", o.ours)
	}
}

func TestHeldUpAndInterrupted(t *testing.T) {
	b, o := newBench(t), &others{have: map[string]bool{"0": true}}
	b.write("main.hcl", `preprocess "join" "gpu" {
  resources { gpus = 1 }
}`)
	ctx, cancel := context.WithCancel(t.Context())
	began := time.Now()
	_, sum := b.runBeside(ctx, o, func(ev Event) {
		if ev.Type == EventPending {
			cancel()
		}
	})
	if sum.Interrupted != 1 || time.Since(began) > 5*time.Second {
		t.Errorf("%+v after %s", sum, time.Since(began))
	}
}

// Without a folder for leases nothing runs on a GPU, and all else does.
func TestLeasesFail(t *testing.T) {
	b, o := newBench(t), &others{err: errors.New("it belongs to another user")}
	b.write("main.hcl", `
preprocess "join" "gpu" {
  for_each = toset(["1", "2"])
  text     = "same"
  resources { gpus = 1 }
}
preprocess "join" "after" { inputs = [preprocess.gpu["1"].file] }
preprocess "join" "plain" { text = "plain" }
`)
	e, sum := b.runBeside(t.Context(), o, nil)
	if sum.Ran != 1 || sum.Failed != 2 || sum.Skipped != 1 {
		t.Errorf("%+v", sum)
	}
	for _, n := range e.Nodes {
		if n.Status == Failed && !errors.Is(n.Err, o.err) {
			t.Error(n.Err)
		}
	}
}

func TestRerunWaitsForGPU(t *testing.T) {
	b, o := newBench(t), &others{}
	b.write("main.hcl", `preprocess "join" "gpu" {
  resources { gpus = 1 }
}`)
	e, sum := b.runBeside(t.Context(), o, nil)
	if sum.Ran != 1 {
		t.Fatalf("%+v", sum)
	}
	o.set("0")
	e.Events = func(ev Event) {
		if ev.Type == EventPending {
			o.set()
		}
	}
	machine := small
	machine.GPUs, machine.Leases = gpus("x"), o
	ctx := context.WithValue(t.Context(), benchKey{}, b)
	entry, err := e.Rerun(ctx, b.executor(), machine, e.Nodes[0])
	if err != nil || entry == nil || len(o.ours) > 0 {
		t.Errorf("%v, %v, leased %q", entry, err, o.ours)
	}
	a, release, err := e.Action(ctx, machine, e.Nodes[0], func(string) {})
	if err != nil || len(a.GPUs) != 1 || len(o.ours) != 1 {
		t.Fatalf("%v, leased %q", err, o.ours)
	}
	if release(); len(o.ours) > 0 {
		t.Errorf("leased %q", o.ours)
	}
}
