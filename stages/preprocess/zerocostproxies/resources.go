package zerocostproxies

import (
	"slices"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/gorgonia"
	"github.com/nbpipe/nbpipe/stages/nn/proxies"
	"github.com/nbpipe/nbpipe/stages/training"
)

// mostCores is what a node asks for at most: each core holds the activations of
// a network of its own. A resources block may say more.
const mostCores = 16

// Resources implements stages.Estimator: a core for each architecture, and the
// memory of the largest cell on each. Data of another shape than input says are
// not known here.
func (s *Stage) Resources() stages.Resources {
	rows := nas.Size
	if all, err := numbers(s.Architectures); err == nil {
		rows = len(all)
	}
	if s.Sample != nil {
		rows = min(rows, *s.Sample)
	}
	if s.needsEngine() && s.Engine == training.Torch && s.Device == "cuda" {
		return stages.Resources{CPUs: 1, Memory: s.memory(), GPUs: 1}
	}
	cores := max(1, min(rows, mostCores))
	return stages.Resources{CPUs: float64(cores), Memory: int64(cores) * s.memory()}
}

// memory is what one core holds: the engine's values and gradients of the batch;
// in grasp's second derivative some values of the batch with three derivatives
// each; in synflow all values of one image and their gradients.
func (s *Stage) memory() int64 {
	b := &batch{input: defaultInput, classes: defaultClasses}
	if len(s.Input) == 3 {
		b.input = nn.Shape{Channels: s.Input[0], Height: s.Input[1], Width: s.Input[2]}
	}
	c := nas.NorConv3x3
	n, err := s.network(nas.Index(nas.Cell{c, c, c, c, c, c}), b)
	if err != nil {
		return 0
	}
	precision := nn.Precision(s.Precision)
	if !s.needsEngine() {
		return orNone(gorgonia.Memory(n, 2, nn.Float64))
	}
	bytes, err := gorgonia.Memory(n, s.BatchSize, precision)
	if slices.Contains(s.asked(), proxies.Grasp) {
		const held = 12 // values at a time
		element := int64(4)
		if precision == nn.Float64 {
			element = 8
		}
		bytes += int64(s.BatchSize*s.Channels*b.input.Height*b.input.Width) * 4 * held * element
	}
	return orNone(2*bytes, err) // what a job leaves is not collected at once
}

// orNone is an estimate, 0 where there is none: the run tells why.
func orNone(bytes int64, err error) int64 {
	if err != nil {
		return 0
	}
	return bytes
}
