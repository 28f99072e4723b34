package remote_test

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

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/executor/process"
	"github.com/nbpipe/nbpipe/pipeline/plan"
	"github.com/nbpipe/nbpipe/stages"
)

// farm is a launcher with several machines: processes of this one that are told
// another name. A worker goes to the first machine that it need not avoid.
type farm struct {
	slots    int
	names    []string
	machines []launch.Launcher

	mu      sync.Mutex
	started map[string][]string // what workers avoided, by machine
}

func newFarm(t *testing.T, site launch.Site, slots int, names ...string) *farm {
	t.Helper()
	f := &farm{slots: slots, names: names, started: map[string][]string{}}
	for _, name := range names {
		s := site
		s.Dir = filepath.Join(site.Dir, name)
		if err := os.MkdirAll(s.Dir, 0o700); err != nil {
			t.Fatal(err)
		}
		s.Program = filepath.Join(s.Dir, "program")
		script := fmt.Sprintf("#!/bin/sh\n%s=%s exec %s \"$@\"\n", launch.HostVariable, name, launch.Quote(site.Program))
		if err := os.WriteFile(s.Program, []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		l, err := (&process.Settings{Slots: slots}).Launcher(s)
		if err != nil {
			t.Fatal(err)
		}
		f.machines = append(f.machines, l)
	}
	return f
}

func (f *farm) Slots() int                                      { return f.slots }
func (f *farm) Check(context.Context, []stages.Resources) error { return nil }
func (f *farm) Close() error                                    { return nil }

func (f *farm) Start(ctx context.Context, workers []launch.Worker) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range workers {
		i := slices.IndexFunc(f.names, func(n string) bool { return !slices.Contains(w.Avoid, n) })
		if i < 0 {
			return &launch.NoMachine{Detail: "the farm is small"}
		}
		f.started[f.names[i]] = append(f.started[f.names[i]], strings.Join(w.Avoid, "+"))
		w.Avoid = nil
		if err := f.machines[i].Start(ctx, []launch.Worker{w}); err != nil {
			return err
		}
	}
	return nil
}

func (f *farm) Poll(ctx context.Context) (out []launch.Status, err error) {
	for i, m := range f.machines {
		found, err := m.Poll(ctx)
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			s.Host = f.names[i]
			out = append(out, s)
		}
	}
	return out, nil
}

func (f *farm) Cancel(ctx context.Context, ids []string) error {
	var errs []error
	for _, m := range f.machines {
		errs = append(errs, m.Cancel(ctx, ids))
	}
	return errors.Join(errs...)
}

func (f *farm) at(name string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.started[name])
}

func executeOne(t *testing.T, x executor.Executor, a *executor.Action) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := x.Execute(ctx, a, &notes{})
	return err
}

// Each machine says no once, and the third one runs it; no worker goes to a machine
// that has said no, and the one that did leaves.
func TestHandedOn(t *testing.T) {
	u := newUser(t, folderPlace(t))
	f := newFarm(t, u.site, 4, "ant", "bee", "cat")
	x := u.open(t, f)
	if err := executeOne(t, x, executortest.On(t, "cat", "echo > out")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"ant": "", "bee": "ant", "cat": "ant+bee"} {
		if got := f.at(name); len(got) != 1 || got[0] != want {
			t.Errorf("workers on %s avoided %q, want %q", name, got, want)
		}
	}
	// What asks for a machine that is there shares no queue with it.
	if err := executeOne(t, x, executortest.On(t, "ant", "echo > out")); err != nil {
		t.Fatal(err)
	}
	if got := f.at("ant"); len(got) != 2 || got[1] != "" {
		t.Errorf("workers on ant avoided %q", got)
	}
}

// Nobody is fit: after three machines it fails, though there are more, and says what
// each has; the machines go on with the rest.
func TestNobodyIsFit(t *testing.T) {
	for _, names := range [][]string{{"ant"}, {"ant", "bee"}, {"ant", "bee", "cat", "dog"}} {
		t.Run(fmt.Sprint(len(names)), func(t *testing.T) {
			u := newUser(t, folderPlace(t))
			f := newFarm(t, u.site, 2, names...)
			x := u.open(t, f)
			err := executeOne(t, x, executortest.On(t, "owl", "echo > out"))
			var failed *executor.Failure
			if !errors.As(err, &failed) || !strings.Contains(err.Error(), "it could not be run. On ant: it asks for 1 of model owl (gpu_model)") {
				t.Fatalf("%v", err)
			}
			if n := strings.Count(err.Error(), "asks for 1 of model owl"); n != min(len(names), 3) {
				t.Errorf("%d machines said so: %v", n, err)
			}
			if small := strings.Contains(err.Error(), "There is no other machine for it: the farm is small."); small != (len(names) < 3) {
				t.Errorf("%v", err)
			}
			if got := f.at("dog"); len(got) > 0 {
				t.Errorf("a fourth one was tried: %q", got)
			}
			if err := executeOne(t, x, executortest.Script(t, "echo rest > out", nil)); err != nil {
				t.Error(err)
			}
		})
	}
}

// strange is a stage that workers of tests do not know.
type strange struct {
	Text string `attr:"text,key"`
}

func (*strange) OutputTypes(stages.Attrs) map[string]cty.Type             { return nil }
func (*strange) Run(context.Context, *stages.Input, *stages.Output) error { return nil }

// What no machine may run is tried on one.
func TestRefusedIsNotHandedOn(t *testing.T) {
	u := newUser(t, folderPlace(t))
	f := newFarm(t, u.site, 2, "ant", "bee")
	kind := stages.Define[strange](stages.Kind{Block: "command", Type: "strange", Version: 1})
	a := &executor.Action{Address: "command.strange", Ingredients: plan.Ingredients{Kind: kind, Attrs: stages.Attrs{"text": cty.StringVal("")}}}
	p, err := a.Ingredients.Preimage()
	if err != nil {
		t.Fatal(err)
	}
	a.Key = p.Key()
	err = executeOne(t, u.open(t, f), a)
	if err == nil || !strings.Contains(err.Error(), "this nbpipe knows no command strange") || len(f.at("ant")) != 1 || len(f.at("bee")) != 0 {
		t.Errorf("%v; on ant %q, on bee %q", err, f.at("ant"), f.at("bee"))
	}
}
