package proxies

import (
	"context"
	"fmt"

	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/kernel"
)

// twice is a value for every image with its derivatives along two directions s
// and t in the space of weights, and with the mixed second derivative: hyper-dual
// numbers (Fike and Alonso, AIAA 2011). They are exact, where a difference of
// gradients is not: it meets the kinks of ReLU whatever its step.
type twice[T kernel.Float] struct {
	value, s, t, st []T
}

func (x *twice[T]) parts() [4][]T { return [4][]T{x.value, x.s, x.t, x.st} }

func newTwice[T kernel.Float](size int) *twice[T] {
	all := make([]T, 4*size)
	return &twice[T]{all[:size:size], all[size : 2*size : 2*size], all[2*size : 3*size : 3*size], all[3*size:]}
}

// secondOrder runs a batch through a network whose convolution and linear
// weights are w + s g + t w.
type secondOrder[T kernel.Float] struct {
	set                *kernel.Set[T]
	weights, gradients nn.Weights
	shapes             map[string]nn.Shape
	samples            int
	values             map[string]*twice[T]
	free               map[int][]*twice[T] // by size: values that nobody reads any more
	buffers            kernel.Buffers[T]
	sum, extra         []T // scratch
}

// take returns a value whose content is anything.
func (r *secondOrder[T]) take(size int) *twice[T] {
	list := r.free[size]
	if len(list) == 0 {
		return newTwice[T](size)
	}
	r.free[size] = list[:len(list)-1]
	return list[len(list)-1]
}

// drop gives a value's memory, a whole batch times four, to others.
func (r *secondOrder[T]) drop(name string) {
	if x := r.values[name]; x != nil {
		r.free[len(x.value)] = append(r.free[len(x.value)], x)
		delete(r.values, name)
	}
}

// GraspKernel is the name of the kernel that grasp's second derivative runs on
// in a precision: part of what its bits depend on, beside the engine.
func GraspKernel(p nn.Precision) string {
	if p == nn.Float64 {
		return kernel.Plain[float64]().Name
	}
	return kernel.Sets32()[0].Name
}

// grasp is minus the mixed derivative of the loss at s = t = 0, which is
// -w (H g).
func grasp(ctx context.Context, job *Job, gradients nn.Weights) (float64, error) {
	switch job.Precision {
	case nn.Float32:
		return mixed(ctx, job, gradients, kernel.Sets32()[0])
	case nn.Float64:
		return mixed(ctx, job, gradients, kernel.Plain[float64]())
	}
	return 0, fmt.Errorf("grasp in precision %q; it is computed in %s or %s", job.Precision, nn.Float32, nn.Float64)
}

func mixed[T kernel.Float](ctx context.Context, job *Job, gradients nn.Weights, set *kernel.Set[T]) (float64, error) {
	shapes, err := job.Network.Shapes()
	if err != nil {
		return 0, err
	}
	if err := known(job.Network); err != nil {
		return 0, err
	}
	r := &secondOrder[T]{
		set: set, weights: job.Weights, gradients: gradients, shapes: shapes, samples: job.Batch.Len(),
		values: map[string]*twice[T]{}, free: map[int][]*twice[T]{},
	}
	input := newTwice[T](len(job.Batch.Inputs.Data))
	for i, v := range job.Batch.Inputs.Data {
		input.value[i] = T(v)
	}
	r.values[nn.InputName] = input
	live := job.Network.Live()
	last := lastUses(live)
	for i := range live {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n := &live[i]
		r.values[n.Name] = r.run(n)
		for _, name := range n.Inputs {
			if last[name] == i {
				r.drop(name)
			}
		}
	}
	return -mixedLoss(r.values[job.Network.Output], job.Batch.Labels), nil
}

// lastUses gives for each value the last node that reads it.
func lastUses(nodes []nn.Node) map[string]int {
	last := map[string]int{}
	for i := range nodes {
		for _, name := range nodes[i].Inputs {
			last[name] = i
		}
	}
	return last
}

func (r *secondOrder[T]) run(n *nn.Node) *twice[T] {
	in, out := r.shapes[n.Inputs[0]], r.shapes[n.Name]
	y := r.take(r.samples * out.Size())
	if n.Op == nn.OpZero || n.Op == nn.OpAdd {
		for _, part := range y.parts() {
			clear(part)
		}
	}
	if n.Op == nn.OpZero {
		return y
	}
	x := r.values[n.Inputs[0]]
	switch n.Op {
	case nn.OpConv2d, nn.OpLinear:
		r.weighted(n, x, y)
		r.shift(n, y, out)
	case nn.OpBatchNorm:
		normalise(x, y, in, n.Epsilon, r.weights[n.Weight].Data, r.weights[n.Bias].Data)
	case nn.OpReLU:
		rectify(x, y)
	default:
		r.linear(n, y, in, out)
	}
	return y
}

// linear runs what acts on values and derivatives alike.
func (r *secondOrder[T]) linear(n *nn.Node, y *twice[T], in, out nn.Shape) {
	for i, to := range y.parts() {
		switch n.Op {
		case nn.OpAvgPool:
			averagePool(n, in, out, r.values[n.Inputs[0]].parts()[i], to)
		case nn.OpGlobalAvgPool:
			planeMeans(in.Area(), r.values[n.Inputs[0]].parts()[i], to)
		case nn.OpAdd:
			for _, name := range n.Inputs {
				r.set.Add(to, r.values[name].parts()[i])
			}
		}
	}
}

// weighted applies a convolution, or a linear layer, with the weights
// (1 + t) w + s g.
func (r *secondOrder[T]) weighted(n *nn.Node, x, y *twice[T]) {
	c := kernel.NewConv(r.set, geometry(n, r.shapes))
	w := c.PackForward(nil, converted[T](r.weights[n.Weight].Data))
	g := c.PackForward(nil, converted[T](r.gradients[n.Weight].Data))
	apply := func(packed, from, to []T) {
		c.Forward(&r.buffers, packed, from, r.samples, false, to, func(int) {})
	}
	add := func(packed, from, to []T) {
		r.extra = resized(r.extra, len(to))
		apply(packed, from, r.extra)
		r.set.Add(to, r.extra)
	}
	sum := func(a, b []T) []T {
		r.sum = resized(r.sum, len(a))
		copy(r.sum, a)
		r.set.Add(r.sum, b)
		return r.sum
	}
	apply(w, x.value, y.value)
	apply(w, sum(x.value, x.t), y.t)
	apply(w, x.s, y.s)
	add(g, x.value, y.s)
	apply(w, sum(x.s, x.st), y.st)
	add(g, x.t, y.st)
}

// geometry is that of a convolution, or of a linear layer as a 1x1 convolution.
func geometry(n *nn.Node, shapes map[string]nn.Shape) kernel.Geometry {
	in := shapes[n.Inputs[0]]
	g := kernel.Geometry{
		Channels: in.Channels, Height: max(in.Height, 1), Width: max(in.Width, 1), Outputs: shapes[n.Name].Channels,
		Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1},
	}
	if n.Op == nn.OpConv2d {
		g.Kernel, g.Stride, g.Dilation = n.Kernel, n.Stride, n.Dilation
		g.Top, g.Bottom, g.Left, g.Right = n.Padding.Top, n.Padding.Bottom, n.Padding.Left, n.Padding.Right
	}
	return g
}

func converted[T kernel.Float](from []float64) []T {
	to := make([]T, len(from))
	for i, v := range from {
		to[i] = T(v)
	}
	return to
}

func resized[T kernel.Float](buf []T, n int) []T {
	if cap(buf) < n {
		return make([]T, n)
	}
	return buf[:n]
}

func (r *secondOrder[T]) shift(n *nn.Node, y *twice[T], out nn.Shape) {
	if n.Bias == "" {
		return
	}
	bias := r.weights[n.Bias].Data
	for i := range y.value {
		y.value[i] += T(bias[i/out.Area()%out.Channels])
	}
}

func rectify[T kernel.Float](x, y *twice[T]) {
	for i, v := range x.value {
		if v > 0 {
			y.value[i], y.s[i], y.t[i], y.st[i] = v, x.s[i], x.t[i], x.st[i]
		} else {
			y.value[i], y.s[i], y.t[i], y.st[i] = 0, 0, 0, 0
		}
	}
}
