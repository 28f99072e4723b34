package run

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nbpipe/nbpipe/pipeline/gpu"
	"github.com/nbpipe/nbpipe/pipeline/gpu/lease"
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
	// Leases keeps other processes off the GPUs that are in use here; nil where nobody
	// else uses them.
	Leases lease.Taker
}

// pool counts what running stages use.
type pool struct {
	machine Machine
	cpus    float64 // in use
	memory  int64
	running int
	alone   bool // what runs has the machine to itself

	asked   bool // for the GPUs
	devices []gpu.Device
	used    []float64 // of each
	leased  []func()  // gives each back to other processes; nil where there is no lease
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
		p.used, p.leased = make([]float64, len(p.devices)), make([]func(), len(p.devices))
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

// free are the GPUs with room for a request, nil where they are too few. Of those
// with room for a share the fullest come first, so that whole ones stay free for who
// needs them.
func (p *pool) free(r stages.Resources) []int {
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
	return free
}

func (p *pool) fits(r stages.Resources) bool {
	return !p.alone && (!r.Exclusive || p.running == 0) && p.cpus+r.CPUs <= p.machine.CPUs+slack &&
		p.memory+r.Memory <= p.machine.Memory &&
		(r.GPUs <= 0 || p.free(r) != nil)
}

// errFull says that what runs here has to end first.
var errFull = errors.New("the machine is busy")

// take gives out what a request asks for. The error is errFull, or a *lease.Busy where
// it could run but for other processes, which have the GPUs; nothing is taken then.
func (p *pool) take(r stages.Resources) (grant, error) {
	if !p.fits(r) {
		return grant{}, errFull
	}
	g := grant{Resources: r}
	if r.GPUs > 0 {
		var err error
		if g.numbers, err = p.lease(r.GPUs, p.free(r)); err != nil {
			return grant{}, err
		}
	}
	p.cpus += r.CPUs
	p.memory += r.Memory
	for _, i := range g.numbers {
		p.used[i] += share(r)
	}
	p.running++
	p.alone = r.Exclusive
	return g, nil
}

// lease picks n GPUs, the first that no other process has.
func (p *pool) lease(n int, from []int) ([]int, error) {
	if p.machine.Leases == nil {
		return from[:n], nil
	}
	var out []int
	var others []gpu.Device
	for _, i := range from {
		switch {
		case p.leased[i] == nil:
			others = append(others, p.devices[i])
		case len(out) < n:
			out = append(out, i)
		}
	}
	if len(out) == n {
		return out, nil
	}
	got, err := p.machine.Leases.Take(n-len(out), others)
	for _, l := range got {
		i := slices.Index(p.devices, l.Device)
		p.leased[i] = l.Release
		out = append(out, i)
	}
	return out, err
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
	return want.Exclusive || r.CPUs > 0 && p.cpus+want.CPUs > p.machine.CPUs ||
		r.Memory > 0 && p.memory+want.Memory > p.machine.Memory ||
		r.GPUs > 0 && want.GPUs > 0 && p.free(want) == nil
}

func (p *pool) release(g grant) {
	p.cpus -= g.CPUs
	p.memory -= g.Memory
	for _, i := range g.numbers {
		if p.used[i] -= share(g.Resources); p.used[i] <= slack && p.leased[i] != nil {
			p.leased[i]()
			p.leased[i] = nil
		}
	}
	p.running--
	p.alone = p.alone && !g.Exclusive
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
