package gorgonia

import (
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/kernel"
)

// forward adds the operation of a layer.
func (p *program[T]) forward(l *layer, kept []T) (*value[T], error) {
	switch {
	case l.sum():
		return p.addSum(l, kept)
	case l.node.Op == nn.OpGlobalAvgPool:
		return p.addGlobalPool(l, kept)
	}
	return p.addConv(l, kept)
}

// addConv adds a convolution or a linear layer. The normalisations that read
// its result observe it image by image, while it is in the cache.
func (p *program[T]) addConv(l *layer, kept []T) (*value[T], error) {
	conv, x, size := p.convs[l.name], p.values[l.source], l.shape.Size()
	inputs := []*value[T]{x, p.param(l.node.Weight)}
	var bias []T
	if l.node.Bias != "" {
		inputs = append(inputs, p.param(l.node.Bias))
		bias = p.weights[l.node.Bias]
	}
	var norms []*norm[T]
	for _, r := range p.readers[l.name] {
		if r.term != nil && r.term.norm() && p.mode != evaluating {
			norms = append(norms, p.norms[r.term.node.Name])
		}
	}
	in := x.shape.TotalSize() / p.batch
	return p.apply("value "+l.name, p.batchShape(l.shape), kept, func(out []T) {
		p.packed = conv.PackForward(p.packed, p.weights[l.node.Weight])
		p.crew.batch(p.batch, func(_, lo, hi int, b *kernel.Buffers[T]) {
			conv.Forward(b, p.packed, x.data[lo*in:hi*in], hi-lo, l.rectify, out[lo*size:hi*size], func(i int) {
				y := out[(lo+i)*size:][:size]
				addBias(y, bias)
				for _, n := range norms {
					n.observe(p.set, lo+i, y)
				}
			})
		})
	}, inputs...)
}

func addBias[T kernel.Float](y, bias []T) {
	for ch, v := range bias {
		area := len(y) / len(bias)
		plane := y[ch*area:][:area]
		for i := range plane {
			plane[i] += v
		}
	}
}

func (p *program[T]) addGlobalPool(l *layer, kept []T) (*value[T], error) {
	x := p.values[l.source]
	area := x.shape.TotalSize() / (p.batch * l.shape.Channels)
	return p.apply("value "+l.name, p.batchShape(l.shape), kept, func(out []T) {
		for i := range out {
			out[i] = T(p.set.Sum(x.data[i*area:][:area]) / float64(area))
		}
	}, x)
}

// addSum adds a sum of terms, image by image in one pass.
func (p *program[T]) addSum(l *layer, kept []T) (*value[T], error) {
	if len(l.terms) == 0 {
		// A constant: gorgonia wants every operation to have an input.
		return p.apply("value "+l.name, p.batchShape(l.shape), kept, func(out []T) { clear(out) }, p.input)
	}
	var inputs []*value[T]
	prepare := []func(){}
	passes := make([]func(image int, out []T, b *kernel.Buffers[T]), len(l.terms))
	for i := range l.terms {
		t := &l.terms[i]
		x := p.values[t.source]
		inputs = appendNew(inputs, x)
		if t.norm() {
			inputs = appendNew(inputs, p.param(t.node.Weight), p.param(t.node.Bias))
			prepare = append(prepare, func() { p.prepareNorm(t, x) })
		}
		if t.node.Op == nn.OpDropout && p.mode != evaluating {
			prepare = append(prepare, func() { p.drawDropout(t) })
		}
		passes[i] = p.pass(t, x, i == 0)
	}
	size := l.shape.Size()
	return p.apply("value "+l.name, p.batchShape(l.shape), kept, func(out []T) {
		for _, f := range prepare {
			f()
		}
		p.crew.batch(p.batch, func(_, lo, hi int, b *kernel.Buffers[T]) {
			for image := lo; image < hi; image++ {
				y := out[image*size:][:size]
				if l.node.Op == nn.OpConcat {
					clear(y)
				}
				for _, pass := range passes {
					pass(image, y, b)
				}
				if l.relu {
					p.set.Rectify(y, y)
				}
			}
		})
	}, inputs...)
}

// appendNew appends the values that are not there.
func appendNew[T comparable](list []T, more ...T) []T {
next:
	for _, m := range more {
		for _, v := range list {
			if v == m {
				continue next
			}
		}
		list = append(list, m)
	}
	return list
}

// prepareNorm gives a normalisation its statistics.
func (p *program[T]) prepareNorm(t *term, x *value[T]) {
	n := p.norms[t.node.Name]
	if p.mode == evaluating {
		n.useRunning()
		return
	}
	if p.convs[t.source] == nil { // convolutions let their results be observed
		size := n.channels * n.area
		p.crew.batch(p.batch, func(_, lo, hi int, _ *kernel.Buffers[T]) {
			for image := lo; image < hi; image++ {
				n.observe(p.set, image, x.data[image*size:][:size])
			}
		})
	}
	n.settle()
}

// pass returns what adds a term to one image's sum; the first one sets it.
func (p *program[T]) pass(t *term, x *value[T], first bool) func(image int, out []T, b *kernel.Buffers[T]) {
	size := x.shape.TotalSize() / p.batch
	source := func(image int) []T { return x.data[image*size:][:size] }
	switch t.node.Op {
	case nn.OpBatchNorm:
		n := p.norms[t.node.Name]
		return func(image int, out []T, _ *kernel.Buffers[T]) {
			in := source(image)
			for ch := range n.channels {
				from, to := in[ch*n.area:][:n.area], out[ch*n.area:][:n.area]
				if first {
					p.set.Affine(to, from, n.scale[ch], n.shift[ch])
				} else {
					p.set.AddAffine(to, from, n.scale[ch], n.shift[ch])
				}
			}
		}
	case nn.OpAvgPool, nn.OpMaxPool:
		w := p.newPool(t)
		return func(image int, out []T, b *kernel.Buffers[T]) {
			if first {
				clear(out)
			}
			w.forward(out, source(image), b)
		}
	case nn.OpDropout:
		if p.mode != evaluating {
			mask := p.masks[t.node.Name]
			return func(image int, out []T, _ *kernel.Buffers[T]) {
				if first {
					clear(out)
				}
				p.set.AddProduct(out, source(image), mask[image*size:][:size])
			}
		}
	}
	at := 0
	if t.node.Op == nn.OpConcat {
		at = t.channel * size / (x.shape[1])
	}
	return func(image int, out []T, _ *kernel.Buffers[T]) {
		if to := out[at:][:size]; first {
			copy(to, source(image))
		} else {
			p.set.Add(to, source(image))
		}
	}
}

// drawDropout draws the mask of a dropout: 0 or 1/(1 - rate).
func (p *program[T]) drawDropout(t *term) {
	mask := p.masks[t.node.Name]
	keep := T(1 / (1 - t.node.Rate))
	for i := range mask {
		mask[i] = 0
		if p.session.dropout.Float64() >= t.node.Rate {
			mask[i] = keep
		}
	}
}
