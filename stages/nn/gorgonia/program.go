package gorgonia

import (
	"fmt"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"

	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/kernel"
)

// mode is what a program is for.
type mode int

const (
	evaluating   mode = iota // running statistics, no gradients
	training                 // batch statistics, gradients of parameters
	inputsWanted             // training, and the gradient of the input
)

// session is what the programs of one call share: weights and memory.
type session[T kernel.Float] struct {
	network  *nn.Network
	shapes   map[string]nn.Shape // of one sample's values, by name
	layers   []layer
	set      *kernel.Set[T]
	crew     *crew[T]
	arena    *arena[T]
	weights  map[string][]T // parameters and buffers
	grads    map[string][]T // of parameters that the output depends on
	convs    map[string]*kernel.Conv[T]
	loss     loss[T]
	products []string   // names of convolutions whose products are wanted
	dropout  *rand.Rand // of the masks of this step
	packed   []T        // room for the weights of the convolution that runs
	sums     []T        // and for the sums of its parts
}

func newSession[T kernel.Float](n *nn.Network, set *kernel.Set[T], threads int, w nn.Weights, l nn.Loss, d *nn.Decoding) (*session[T], error) {
	shapes, err := n.Shapes()
	if err != nil {
		return nil, err
	}
	layers := fuse(n, shapes)
	s := &session[T]{
		network: n, shapes: shapes, layers: layers, set: set, crew: newCrew[T](threads),
		arena: &arena[T]{free: map[int][][]T{}}, weights: map[string][]T{}, grads: map[string][]T{},
		convs: map[string]*kernel.Conv[T]{}, loss: newLoss[T](l, d),
	}
	for _, list := range [][]nn.Parameter{n.Parameters, n.Buffers} {
		for _, p := range list {
			s.weights[p.Name] = convert[T](w[p.Name].Data)
		}
	}
	for i := range layers {
		if l := &layers[i]; l.node.Weight != "" && !l.sum() {
			s.convs[l.name] = kernel.NewConv(set, geometry(l, shapes[l.source]))
		}
	}
	return s, nil
}

func convert[To, From kernel.Float](from []From) []To {
	to := make([]To, len(from))
	for i, v := range from {
		to[i] = To(v)
	}
	return to
}

// geometry of a convolution, or of a linear layer as a 1x1 convolution.
func geometry(l *layer, in nn.Shape) kernel.Geometry {
	n := l.node
	g := kernel.Geometry{
		Channels: in.Channels, Height: max(in.Height, 1), Width: max(in.Width, 1), Outputs: l.shape.Channels,
		Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1},
	}
	if n.Op == nn.OpConv2d {
		g.Kernel, g.Stride, g.Dilation = n.Kernel, n.Stride, n.Dilation
		g.Top, g.Bottom, g.Left, g.Right = n.Padding.Top, n.Padding.Bottom, n.Padding.Left, n.Padding.Right
	}
	return g
}

// program is the graph of one batch size and one mode, and its machine.
type program[T kernel.Float] struct {
	*session[T]
	builder[T]
	mode    mode
	batch   int
	machine G.VM

	input   *value[T]
	values  map[string]*value[T] // of the forward graph, by name
	params  map[string]*value[T]
	norms   map[string]*norm[T]        // by name of the batch_norm
	readers map[string][]reader        // of a value
	wanted  map[string]*productSums[T] // by name of the convolution
	masks   map[string][]T             // by name of the dropout
	target  targets                    // of the batch: set before each run
	losses  []float64                  // of each sample
	metrics []float64

	gradients map[string]*value[T]
}

// reader is a layer that reads a value, through a term if it is a sum.
type reader struct {
	layer *layer
	term  *term
}

func (s *session[T]) program(batch int, m mode, metric nn.Metric, keepOutput bool) (*program[T], error) {
	p := &program[T]{
		session: s, builder: builder[T]{graph: G.NewGraph(), arena: s.arena}, mode: m, batch: batch,
		values: map[string]*value[T]{}, params: map[string]*value[T]{}, norms: map[string]*norm[T]{},
		readers: map[string][]reader{}, wanted: map[string]*productSums[T]{}, masks: map[string][]T{}, gradients: map[string]*value[T]{},
		losses: make([]float64, batch), metrics: make([]float64, batch),
	}
	in := s.network.Input
	p.input = p.leaf(nn.InputName, append([]int{batch}, in.Dims()...), make([]T, batch*in.Size()))
	p.values[nn.InputName] = p.input
	for i := range s.layers {
		l := &s.layers[i]
		if !l.sum() {
			p.readers[l.source] = append(p.readers[l.source], reader{layer: l})
		}
		for j := range l.terms {
			t := &l.terms[j]
			p.readers[t.source] = append(p.readers[t.source], reader{l, t})
			if t.norm() {
				p.norms[t.node.Name] = p.newNorm(t.node)
			}
			if t.node.Op == nn.OpDropout && m != evaluating {
				p.masks[t.node.Name] = make([]T, batch*l.shape.Size())
			}
		}
	}
	if err := p.build(metric, keepOutput); err != nil {
		return nil, err
	}
	p.machine = G.NewTapeMachine(p.graph)
	return p, nil
}

func (p *program[T]) build(metric nn.Metric, keepOutput bool) error {
	for _, name := range p.products {
		l := p.layer(name)
		if l == nil || l.sum() {
			return fmt.Errorf("products of %q: it is no convolution or linear layer that the output depends on", name)
		}
		p.wanted[name] = &productSums[T]{sums: make([]float64, p.batch*l.shape.Channels)}
	}
	for i := range p.layers {
		l := &p.layers[i]
		var kept []T
		if keepOutput && i == len(p.layers)-1 {
			kept = make([]T, p.batch*l.shape.Size())
		}
		v, err := p.forward(l, kept)
		if err != nil {
			return err
		}
		p.values[l.name] = v
	}
	output := p.values[p.layers[len(p.layers)-1].name]
	if err := p.addLoss(output, metric); err != nil {
		return err
	}
	if p.mode == evaluating {
		return nil
	}
	return p.addGradients()
}

func (p *program[T]) layer(name string) *layer {
	for i := range p.layers {
		if p.layers[i].name == name {
			return &p.layers[i]
		}
	}
	return nil
}

// param is the leaf of a parameter.
func (p *program[T]) param(name string) *value[T] {
	v, ok := p.params[name]
	if !ok {
		shape, _ := p.network.Parameter(name)
		v = p.leaf(name, shape.Shape, p.weights[name])
		p.params[name] = v
	}
	return v
}

// run executes the program on the inputs that are there.
func (p *program[T]) run() error {
	p.machine.Reset()
	return p.machine.RunAll()
}

// batchShape is the shape of a value of the whole batch.
func (p *program[T]) batchShape(s nn.Shape) []int { return append([]int{p.batch}, s.Dims()...) }
