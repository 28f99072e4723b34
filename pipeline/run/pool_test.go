package run

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nbpipe/nbpipe/pipeline/gpu"
	"github.com/nbpipe/nbpipe/stages"
)

func gpus(models ...string) func() ([]gpu.Device, error) {
	var all []gpu.Device
	for i, m := range models {
		all = append(all, gpu.Device{ID: string(rune('0' + i)), Model: m})
	}
	return func() ([]gpu.Device, error) { return all, nil }
}

func poolOf(t *testing.T, models ...string) *pool {
	t.Helper()
	p := &pool{machine: Machine{CPUs: 64, Memory: 1 << 40, GPUs: gpus(models...)}}
	if err := p.check(stages.Resources{GPUs: 1}); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPoolGivesOutGPUs(t *testing.T) {
	p := poolOf(t, "NVIDIA A100", "Tesla T4", "NVIDIA A100")
	var held []grant
	for _, step := range []struct {
		ask  stages.Resources
		want string // "no" where it has to wait
	}{
		{stages.Resources{GPUs: 1}, "0"},
		{stages.Resources{GPUs: 1, GPUModel: "A100"}, "2"},
		{stages.Resources{GPUs: 1, GPUModel: "A100"}, "no"},
		{stages.Resources{GPUs: 2}, "no"},
		{stages.Resources{}, ""},
		{stages.Resources{GPUs: 1}, "1"},
		{stages.Resources{GPUs: 1, GPUShare: 0.1}, "no"},
	} {
		g, err := p.take(step.ask)
		got := "no"
		if err == nil {
			got = strings.Join(gpu.IDs(p.of(g)), ",")
			held = append(held, g)
		}
		if got != step.want {
			t.Errorf("%+v gets %q, want %q", step.ask, got, step.want)
		}
	}
	for _, g := range held {
		p.release(g)
	}
	if slices.Max(p.used) != 0 || p.running != 0 {
		t.Errorf("after all: %+v", p)
	}
	if g, err := p.take(stages.Resources{GPUs: 3}); err != nil || len(g.numbers) != 3 {
		t.Error("what was released is not given out again")
	}
}

// Stages share a GPU, and whole ones stay free for others.
func TestPoolSharesGPUs(t *testing.T) {
	p := poolOf(t, "x", "x")
	third := stages.Resources{GPUs: 1, GPUShare: 1. / 3}
	var held []grant
	for range 3 {
		g, err := p.take(third)
		if err != nil || g.numbers[0] != 0 {
			t.Fatalf("%v %v", g, err)
		}
		held = append(held, g)
	}
	whole, err := p.take(stages.Resources{GPUs: 1})
	if err != nil || whole.numbers[0] != 1 {
		t.Fatalf("%v %v", whole, err)
	}
	if _, err := p.take(third); !errors.Is(err, errFull) {
		t.Error("four thirds")
	}
	if !p.competes(third, stages.Resources{GPUs: 1}) || p.competes(stages.Resources{CPUs: 1}, stages.Resources{GPUs: 1}) {
		t.Error("who competes for GPUs")
	}
	p.release(held[1])
	if g, err := p.take(third); err != nil || g.numbers[0] != 0 {
		t.Errorf("%v %v", g, err)
	}
}

// An exclusive stage begins when nothing runs, and nothing begins beside it; who waits for
// it to begin lets nobody overtake for ever.
func TestPoolAlone(t *testing.T) {
	p := poolOf(t, "x")
	small, alone := stages.Resources{CPUs: 1}, stages.Resources{CPUs: 1, Exclusive: true}
	first, err := p.take(small)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.take(alone); !errors.Is(err, errFull) || !p.competes(small, alone) {
		t.Errorf("beside another one: %v", err)
	}
	p.release(first)
	held, err := p.take(alone)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []stages.Resources{small, alone} {
		if _, err := p.take(r); !errors.Is(err, errFull) {
			t.Errorf("beside an exclusive one: %v", err)
		}
	}
	p.release(held)
	for range 2 {
		if _, err := p.take(small); err != nil {
			t.Error(err)
		}
	}
}

func TestPoolAsksForGPUsLate(t *testing.T) {
	asked := 0
	p := &pool{machine: Machine{CPUs: 1, GPUs: func() ([]gpu.Device, error) { asked++; return nil, errors.New("broken driver") }}}
	if err := p.check(stages.Resources{CPUs: 1}); err != nil || asked != 0 {
		t.Errorf("%v, asked %d times", err, asked)
	}
	for range 2 {
		if err := p.check(stages.Resources{GPUs: 1}); err == nil || !strings.Contains(err.Error(), "broken driver") {
			t.Error(err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	if err := new(pool).check(stages.Resources{GPUs: 1}); err == nil || !strings.Contains(err.Error(), "this machine has 0; run it on a machine with GPUs, or say --gpus") {
		t.Error(err)
	}
}
