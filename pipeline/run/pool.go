package run

import (
	"fmt"
	"slices"

	"github.com/nbpipe/nbpipe/pipeline/gpu"
	"github.com/nbpipe/nbpipe/stages"
)

// Machine is what a pool may use at a time.
type Machine struct {
	CPUs   float64
	Memory int64 // bytes
	// GPUs lists the GPUs; nil for none. It is asked when a node that has to run
	// asks for one, and not before: finding them takes longer than a run with nothing
	// to do.
	GPUs func() ([]gpu.Device, error)
}

// pool counts what running stages use.
type pool struct {
	machine Machine
	cpus    float64 // in use
	memory  int64
	running int

	asked   bool // for the GPUs
	devices []gpu.Device
	used    []float64 // of each
	problem error     // of finding them
}

// slack makes up for sums of fractions.
const slack = 1e-9

// clamp makes a request fit the machine: more cores or memory than there are
// means all of them. GPUs cannot be made up for.
func (p *pool) clamp(r stages.Resources) stages.Resources {
	if r.CPUs <= 0 {
		r.CPUs = 1
	}
	r.CPUs = min(r.CPUs, p.machine.CPUs)
	r.Memory = min(r.Memory, p.machine.Memory)
	return r
}

// gpus finds the machine's GPUs, once.
func (p *pool) gpus() ([]gpu.Device, error) {
	if !p.asked && p.machine.GPUs != nil {
		p.devices, p.problem = p.machine.GPUs()
		p.used = make([]float64, len(p.devices))
	}
	p.asked = true
	return p.devices, p.problem
}

// grant is what a running stage holds.
type grant struct {
	stages.Resources
	numbers []int // of devices
}

func share(r stages.Resources) float64 {
	if r.GPUShare > 0 {
		return r.GPUShare
	}
	return 1
}

// place picks GPUs for a request: nil where it asks for none, or where too few are
// free. Of those with room for a share it takes the fullest, so that whole ones stay
// free for who needs them.
func (p *pool) place(r stages.Resources) []int {
	if r.GPUs <= 0 {
		return nil
	}
	var free []int
	for i, d := range p.devices {
		if p.used[i]+share(r) <= 1+slack && (r.GPUModel == "" || d.Is(r.GPUModel)) {
			free = append(free, i)
		}
	}
	if len(free) < r.GPUs {
		return nil
	}
	slices.SortStableFunc(free, func(a, b int) int {
		switch {
		case p.used[a] > p.used[b]+slack:
			return -1
		case p.used[b] > p.used[a]+slack:
			return 1
		}
		return 0
	})
	return free[:r.GPUs]
}

func (p *pool) fits(r stages.Resources) bool {
	return p.cpus+r.CPUs <= p.machine.CPUs+slack &&
		p.memory+r.Memory <= p.machine.Memory &&
		(r.GPUs <= 0 || p.place(r) != nil)
}

func (p *pool) take(r stages.Resources) (grant, bool) {
	if !p.fits(r) {
		return grant{}, false
	}
	g := grant{r, p.place(r)}
	p.cpus += r.CPUs
	p.memory += r.Memory
	for _, i := range g.numbers {
		p.used[i] += share(r)
	}
	p.running++
	return g, true
}

// of are the GPUs that a grant holds.
func (p *pool) of(g grant) []gpu.Device {
	var out []gpu.Device
	for _, i := range g.numbers {
		out = append(out, p.devices[i])
	}
	return out
}

// competes reports whether r uses something of which want does not find enough now.
func (p *pool) competes(r, want stages.Resources) bool {
	return r.CPUs > 0 && p.cpus+want.CPUs > p.machine.CPUs ||
		r.Memory > 0 && p.memory+want.Memory > p.machine.Memory ||
		r.GPUs > 0 && want.GPUs > 0 && p.place(want) == nil
}

func (p *pool) release(g grant) {
	p.cpus -= g.CPUs
	p.memory -= g.Memory
	for _, i := range g.numbers {
		p.used[i] -= share(g.Resources)
	}
	p.running--
}

// check says why the machine never has the GPUs that a request asks for.
func (p *pool) check(r stages.Resources) error {
	if r.GPUs <= 0 {
		return nil
	}
	found, problem := p.gpus()
	return lacking(gpu.Check(found, r.GPUs, r.GPUModel), problem, r)
}

func lacking(err, problem error, r stages.Resources) error {
	switch {
	case err == nil:
		return nil
	case problem != nil:
		return fmt.Errorf("%w: they could not be listed (%w)", err, problem)
	case r.GPUModel != "":
		return fmt.Errorf("%w; run it on a machine that has them, or change what its resources ask for", err)
	default:
		return fmt.Errorf("%w; run it on a machine with GPUs, or say --gpus if there are some", err)
	}
}
