package sandbox

import (
	"math"
	"os"

	"github.com/nbpipe/nbpipe/stages/sandbox/helper"
)

// limits is how the machine's memory and cores are shared out.
type limits struct {
	able  Support
	cores *cores
}

func newLimits(able Support) limits {
	if able.Group != "" {
		clearGroups(able.Group)
	}
	return limits{able, newCores(coresPath)}
}

// limit is what one program was given.
type limit struct {
	group   *group // nil where there is none
	release func() // gives cores back
}

// set limits a program's memory and cores by a cgroup of its own, as far as the
// machine has them; else the helper does it.
func (l *limits) set(p *Policy, o *helper.Order) (*limit, error) {
	out := &limit{release: func() {}}
	memory, cpus := int64(0), float64(0) // of the group
	if l.able.Group != "" {
		memory = p.Memory
	} else if l.able.Limits {
		o.Memory = p.Memory
	}
	if l.able.GroupCPU {
		cpus = p.CPUs
	} else if l.able.Cores {
		o.Cores, out.release = l.cores.take(int(math.Ceil(p.CPUs)))
	}
	if memory <= 0 && cpus <= 0 {
		return out, nil
	}
	var err error
	if out.group, err = newGroup(l.able.Group); err == nil {
		err = out.group.limit(memory, cpus)
	}
	if err != nil {
		out.end()
		return nil, err
	}
	return out, nil
}

func (l *limit) file() *os.File {
	if l.group == nil {
		return nil
	}
	return l.group.f
}

// end takes everything back, and reports whether the program ran out of memory.
func (l *limit) end() bool {
	l.release()
	if l.group == nil {
		return false
	}
	out := l.group.outOfMemory()
	l.group.remove()
	return out
}
