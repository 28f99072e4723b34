package gorgonia

import (
	"slices"

	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/kernel"
)

// addGradients adds the gradient of every value, from the output back.
func (p *program[T]) addGradients() error {
	for i := range slices.Backward(p.layers) {
		l := &p.layers[i]
		if p.lazy(l.name) != nil || i == len(p.layers)-1 {
			continue // part of its source's gradient; the loss gives the last one
		}
		if err := p.addGradient(l.name, l, true); err != nil {
			return err
		}
	}
	return p.addGradient(nn.InputName, nil, p.mode == inputsWanted)
}

// lazy returns the reader of a convolution's result if that is one batch
// normalisation: its gradient is computed as the convolution reads it.
func (p *program[T]) lazy(name string) *reader {
	if r := p.readers[name]; p.convs[name] != nil && len(r) == 1 && r[0].term != nil && r[0].term.norm() {
		return &r[0]
	}
	return nil
}

// contribution adds what one reader gives to the gradient out, which is nil
// where only the parameters' are wanted.
type contribution[T kernel.Float] func(out []T)

// addGradient adds the operation that computes the gradient of a value from
// those of its readers, and the nodes of the parameters between.
func (p *program[T]) addGradient(name string, l *layer, wanted bool) error {
	x := p.values[name]
	var inputs []*value[T]
	var contributions []contribution[T]
	var params []string
	for _, r := range p.readers[name] {
		add, reads, names := p.contribute(x, r)
		inputs, contributions, params = appendNew(inputs, reads...), append(contributions, add), append(params, names...)
	}
	if len(contributions) == 0 {
		return nil // the network's input, if only a zero node takes its shape
	}
	masked := l != nil && l.relu
	if masked {
		inputs = appendNew(inputs, x)
	}
	shape, size := []int(x.shape), x.shape.TotalSize()/p.batch
	var kept []T
	if !wanted {
		shape, kept = []int{1}, make([]T, 1)
	} else if name == nn.InputName {
		kept = make([]T, x.shape.TotalSize())
	}
	g, err := p.apply("gradient "+name, shape, kept, func(out []T) {
		if !wanted {
			out = nil
		}
		clear(out)
		for _, add := range contributions {
			add(out)
		}
		if masked {
			p.crew.batch(p.batch, func(_, lo, hi int, _ *kernel.Buffers[T]) {
				p.set.ZeroUnless(out[lo*size:hi*size], x.data[lo*size:hi*size])
			})
		}
	}, inputs...)
	if err != nil {
		return err
	}
	p.gradients[name] = g
	for _, param := range params {
		if err := p.addParamGradient(param, g); err != nil {
			return err
		}
	}
	return nil
}

// addParamGradient adds the node that reads a parameter's gradient, which the
// gradient of a value left behind.
func (p *program[T]) addParamGradient(name string, after *value[T]) error {
	shape, _ := p.network.Parameter(name)
	g, err := p.apply("parameter gradient "+name, shape.Shape, p.grad(name), func([]T) {}, after)
	p.gradients[name] = g
	return err
}

// grad is the memory of a parameter's gradient.
func (p *program[T]) grad(name string) []T {
	g, ok := p.grads[name]
	if !ok {
		g = make([]T, len(p.weights[name]))
		p.grads[name] = g
	}
	return g
}

// contribute returns what a reader of x adds to its gradient, the values that
// this needs, and the parameters whose gradients it leaves behind.
func (p *program[T]) contribute(x *value[T], r reader) (contribution[T], []*value[T], []string) {
	switch {
	case r.term != nil && r.term.norm():
		return p.normGradient(x, r)
	case r.term != nil:
		return p.termGradient(x, r)
	case r.layer.node.Op == nn.OpGlobalAvgPool:
		return p.globalPoolGradient(x, r.layer)
	}
	return p.convGradient(x, r.layer)
}

// convBack is the way back through a convolution or linear layer of x.
type convBack[T kernel.Float] struct {
	*program[T]
	layer *layer
	x, dy *value[T] // dy: gradient of the result, or of the normalised result
	z     *value[T] // the result, where norm is set
	norm  *norm[T]  // that reads it, if nobody else does
}

// convGradient is that of a convolution or linear layer.
func (p *program[T]) convGradient(x *value[T], l *layer) (contribution[T], []*value[T], []string) {
	c := &convBack[T]{program: p, layer: l, x: x, dy: p.gradients[l.name]}
	inputs, params := []*value[T]{x, p.param(l.node.Weight)}, []string{l.node.Weight}
	if lazy := p.lazy(l.name); lazy != nil {
		c.norm, c.z, c.dy = p.norms[lazy.term.node.Name], p.values[l.name], p.gradients[lazy.layer.name]
		inputs = append(inputs, c.z, p.param(c.norm.node.Weight))
		params = append(params, c.norm.node.Weight, c.norm.node.Bias)
	}
	if l.node.Bias != "" {
		params = append(params, l.node.Bias)
	}
	if p.wanted[l.name] != nil {
		inputs = appendNew(inputs, p.values[l.name])
	}
	for _, name := range params {
		p.grad(name)
	}
	return c.add, append(inputs, c.dy), params
}

// add leaves the gradients of the parameters behind, and adds that of x to out
// where it is not nil.
func (c *convBack[T]) add(out []T) {
	if c.norm != nil {
		c.observeGradient(c.norm, c.dy.data, c.z.data)
	}
	if w := c.wanted[c.layer.name]; w != nil {
		w.take(c.values[c.layer.name].data, c.dy.data, c.norm, c.layer.shape)
	}
	if bias := c.layer.node.Bias; bias != "" {
		biasGradient(c.grads[bias], c.dy.data, c.batch)
	}
	conv := c.convs[c.layer.name]
	c.packed = conv.PackBackward(c.packed, c.weights[c.layer.node.Weight])
	room := conv.WeightsSize()
	c.sums = zeros(c.sums, parts*room)
	in := c.x.shape.TotalSize() / c.batch
	c.crew.batch(c.batch, func(part, lo, hi int, b *kernel.Buffers[T]) {
		var dx []T
		if out != nil {
			dx = out[lo*in : hi*in]
		}
		conv.Backward(b, c.packed, c.x.data[lo*in:hi*in], hi-lo, c.layer.rectify, c.gradient(lo, hi), c.sums[part*room:][:room], dx)
	})
	dw := c.grads[c.layer.node.Weight]
	clear(dw)
	for part := range parts {
		conv.AddWeights(dw, c.sums[part*room:])
	}
}

// gradient is that of the result of some images.
func (c *convBack[T]) gradient(lo, hi int) kernel.Gradient[T] {
	size := c.layer.shape.Size()
	g := kernel.Gradient[T]{DY: c.dy.data[lo*size : hi*size]}
	if n := c.norm; n != nil {
		g.Z = c.z.data[lo*size : hi*size]
		g.Scale, g.Slope, g.Shift = n.dScale, n.slope, n.rest
	}
	return g
}

// zeros returns n zeros, reusing memory.
func zeros[T kernel.Float](buf []T, n int) []T {
	if cap(buf) < n {
		return make([]T, n)
	}
	buf = buf[:n]
	clear(buf)
	return buf
}

// observeGradient takes the sums of a normalisation's gradient and settles it.
func (p *program[T]) observeGradient(n *norm[T], dy, x []T) {
	size := n.channels * n.area
	p.crew.batch(p.batch, func(_, lo, hi int, _ *kernel.Buffers[T]) {
		for image := lo; image < hi; image++ {
			n.observeGradient(p.set, image, dy[image*size:][:size], x[image*size:][:size])
		}
	})
	n.settleGradient(p.grads[n.node.Weight], p.grads[n.node.Bias])
}

// biasGradient sums dy (batch, channels, pixels) over batch and pixels.
func biasGradient[T kernel.Float](db, dy []T, batch int) {
	area := len(dy) / (batch * len(db))
	for ch := range db {
		var sum float64
		for image := range batch {
			for _, v := range dy[(image*len(db)+ch)*area:][:area] {
				sum += float64(v)
			}
		}
		db[ch] = T(sum)
	}
}

// normGradient is that of a batch normalisation of something else than a
// convolution that nobody else reads.
func (p *program[T]) normGradient(x *value[T], r reader) (contribution[T], []*value[T], []string) {
	n, dy := p.norms[r.term.node.Name], p.gradients[r.layer.name]
	p.grad(n.node.Weight)
	p.grad(n.node.Bias)
	return func(out []T) {
		p.observeGradient(n, dy.data, x.data)
		if out == nil {
			return
		}
		size := n.channels * n.area
		p.crew.batch(p.batch, func(_, lo, hi int, _ *kernel.Buffers[T]) {
			for image := lo; image < hi; image++ {
				for ch := range n.channels {
					at := image*size + ch*n.area
					to := out[at:][:n.area]
					p.set.AddAffine(to, dy.data[at:][:n.area], n.dScale[ch], n.rest[ch])
					p.set.AddAffine(to, x.data[at:][:n.area], n.slope[ch], 0)
				}
			}
		})
	}, []*value[T]{x, dy, p.param(n.node.Weight)}, []string{n.node.Weight, n.node.Bias}
}

// termGradient is that of a pool, a dropout, or an unchanged value.
func (p *program[T]) termGradient(x *value[T], r reader) (contribution[T], []*value[T], []string) {
	t, dy := r.term, p.gradients[r.layer.name]
	in, size := x.shape.TotalSize()/p.batch, r.layer.shape.Size()
	inputs := []*value[T]{dy}
	var image func(i int, out, dy []T, b *kernel.Buffers[T])
	switch t.node.Op {
	case nn.OpAvgPool, nn.OpMaxPool:
		w := p.newPool(t)
		if t.node.Op == nn.OpMaxPool {
			inputs = append(inputs, x)
		}
		image = func(i int, out, dy []T, b *kernel.Buffers[T]) {
			var from []T
			if t.node.Op == nn.OpMaxPool {
				from = x.data[i*in:][:in]
			}
			w.backward(out, dy, from, b)
		}
	case nn.OpDropout:
		image = func(i int, out, dy []T, _ *kernel.Buffers[T]) {
			p.set.AddProduct(out, dy, p.masks[t.node.Name][i*in:][:in])
		}
	default:
		at := 0
		if t.node.Op == nn.OpConcat {
			at = t.channel * in / x.shape[1]
		}
		image = func(_ int, out, dy []T, _ *kernel.Buffers[T]) { p.set.Add(out, dy[at:][:in]) }
	}
	return func(out []T) {
		if out == nil {
			return
		}
		p.crew.batch(p.batch, func(_, lo, hi int, b *kernel.Buffers[T]) {
			for i := lo; i < hi; i++ {
				image(i, out[i*in:][:in], dy.data[i*size:][:size], b)
			}
		})
	}, inputs, nil
}

func (p *program[T]) globalPoolGradient(x *value[T], l *layer) (contribution[T], []*value[T], []string) {
	dy := p.gradients[l.name]
	area := x.shape.TotalSize() / (p.batch * l.shape.Channels)
	return func(out []T) {
		for i, v := range dy.data {
			if out == nil {
				return
			}
			v /= T(area)
			plane := out[i*area:][:area]
			for j := range plane {
				plane[j] += v
			}
		}
	}, []*value[T]{dy}, nil
}

// productSums are the products of a convolution that Gradients was asked for.
type productSums[T kernel.Float] struct {
	sums []float64 // (batch, channels)
}

// take sums z dz over pixels. Where a normalisation follows, dz is computed
// from its factors.
func (s *productSums[T]) take(z, dy []T, n *norm[T], shape nn.Shape) {
	area := shape.Area()
	for i := range s.sums {
		var sum float64
		for j := i * area; j < (i+1)*area; j++ {
			d := float64(dy[j])
			if n != nil {
				ch := i % shape.Channels
				d = float64(float64(n.dScale[ch])*d) + float64(float64(n.slope[ch])*float64(z[j])) + float64(n.rest[ch])
			}
			sum += float64(d * float64(z[j]))
		}
		s.sums[i] = sum
	}
}
