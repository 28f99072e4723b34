package zerocostproxies

import (
	"slices"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
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

// memory is what one core holds: in the engine every activation of the batch
// and its gradient, in the second derivative a cell's activations in float64
// with three derivatives each.
func (s *Stage) memory() int64 {
	b := &batch{input: defaultInput, classes: defaultClasses}
	if len(s.Input) == 3 {
		b.input = nn.Shape{Channels: s.Input[0], Height: s.Input[1], Width: s.Input[2]}
	}
	largest := nas.Index(nas.Cell{nas.NorConv3x3, nas.NorConv3x3, nas.NorConv3x3, nas.NorConv3x3, nas.NorConv3x3, nas.NorConv3x3})
	n, err := s.network(largest, b)
	if err != nil {
		return 0
	}
	shapes, err := n.Shapes()
	if err != nil {
		return 0
	}
	var all int64
	for _, node := range n.Nodes {
		all += int64(shapes[node.Name].Size())
	}
	if !s.needsEngine() {
		return 4*8*all + 1<<24
	}
	const live = 8 // activations at a time in the second derivative
	bytes := int64(2 * 4)
	if nn.Precision(s.Precision) == nn.Float64 {
		bytes = 2 * 8
	}
	total := int64(s.BatchSize) * all * bytes
	if !slices.Contains(s.asked(), proxies.Grasp) {
		return total
	}
	return max(total, int64(s.BatchSize)*int64(s.Channels*b.input.Height*b.input.Width)*4*8*live)
}
