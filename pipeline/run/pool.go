package run

import "github.com/nbpipe/nbpipe/stages"

// Machine is what a pool may use at a time.
type Machine struct {
	CPUs   float64
	Memory int64 // bytes
	GPUs   int
}

// pool counts what running stages use.
type pool struct {
	machine Machine
	used    Machine
	running int
}

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

func (p *pool) take(r stages.Resources) bool {
	const slack = 1e-9 // sums of fractions of a core
	fits := p.used.CPUs+r.CPUs <= p.machine.CPUs+slack &&
		p.used.Memory+r.Memory <= p.machine.Memory &&
		p.used.GPUs+r.GPUs <= p.machine.GPUs
	if !fits {
		return false
	}
	p.used.CPUs += r.CPUs
	p.used.Memory += r.Memory
	p.used.GPUs += r.GPUs
	p.running++
	return true
}

// competes reports whether r uses something of which want does not find enough now.
func (p *pool) competes(r, want stages.Resources) bool {
	return r.CPUs > 0 && p.used.CPUs+want.CPUs > p.machine.CPUs ||
		r.Memory > 0 && p.used.Memory+want.Memory > p.machine.Memory ||
		r.GPUs > 0 && p.used.GPUs+want.GPUs > p.machine.GPUs
}

func (p *pool) release(r stages.Resources) {
	p.used.CPUs -= r.CPUs
	p.used.Memory -= r.Memory
	p.used.GPUs -= r.GPUs
	p.running--
}
