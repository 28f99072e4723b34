package slurm

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/nbpipe/nbpipe/pipeline/gpu"
	"github.com/nbpipe/nbpipe/stages"
)

// wanted is what a stage asks for of GPUs.
type wanted struct {
	model string
	count int
}

// gres is what Slurm is asked for, for a need that was checked: what the block says, or the
// type that was found for the model.
func (l *launcher) gres(need stages.Resources) string {
	l.typesLock.Lock()
	defer l.typesLock.Unlock()
	return cmp.Or(l.types[wanted{need.GPUModel, l.request(need).gpus}], l.GRES)
}

// chooseType finds what a partition calls the model that a stage asks for, unless the
// block says what to ask for. Where GPUs have no types, that is left to the worker,
// which looks at its machine, and to luck.
func (l *launcher) chooseType(there []machines, need stages.Resources) error {
	count := l.request(need).gpus
	if need.GPUModel == "" || count == 0 || strings.Contains(l.GRES, ":") {
		return nil
	}
	var all, fit []gpuType
	for _, t := range typesOf(there, count) {
		if t.name == "" {
			return nil
		}
		all = append(all, t)
		if gpu.Called(t.name, need.GPUModel) {
			fit = append(fit, t)
		}
	}
	switch {
	case len(all) == 0:
		return nil // there is no GPU at all, which fits tells
	case len(fit) == 0:
		var names []string
		for _, t := range all {
			names = append(names, l.GRES+":"+t.name)
		}
		return fmt.Errorf("a stage asks for a GPU of model %s (gpu_model), and those of partition %s are %s: choose another partition, or, if one of these is that model by another name, say so: gres = %q in the executor's block", need.GPUModel, there[0].partition, strings.Join(names, ", "), names[0])
	}
	best := slices.MaxFunc(fit, func(a, b gpuType) int {
		return cmp.Or(before(a.enough > 0, b.enough > 0), before(gpu.Same(a.name, need.GPUModel), gpu.Same(b.name, need.GPUModel)), cmp.Compare(a.enough, b.enough), strings.Compare(b.name, a.name))
	})
	l.typesLock.Lock()
	defer l.typesLock.Unlock()
	l.types[wanted{need.GPUModel, count}] = l.GRES + ":" + best.name
	return nil
}

func before(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// gpuType is what some of a partition's GPUs are called; enough is the number of
// machines that have as many as a job asks for.
type gpuType struct {
	name   string // "" where they have no type
	enough int
}

func typesOf(there []machines, count int) []gpuType {
	enough := map[string]int{}
	for _, m := range there {
		for name, n := range m.gpus {
			if n == 0 {
				continue
			}
			enough[name] += 0
			if n >= count {
				enough[name] += m.number
			}
		}
	}
	var out []gpuType
	for name, n := range enough {
		out = append(out, gpuType{name, n})
	}
	slices.SortFunc(out, func(a, b gpuType) int { return strings.Compare(a.name, b.name) })
	return out
}
