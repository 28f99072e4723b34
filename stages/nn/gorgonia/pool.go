package gorgonia

import (
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/kernel"
)

// pool is an average or maximum pool of one image.
type pool[T kernel.Float] struct {
	set                            *kernel.Set[T]
	node                           nn.Node
	channels, height, width        int
	outHeight, outWidth            int
	rowFrom, rowTo, colFrom, colTo []int // window of each output row and column, inside the input
	reciprocal                     []T   // of the window's number of cells, for each output
}

func (p *program[T]) newPool(t *term) *pool[T] {
	shapes, _ := p.network.Shapes()
	in, out, n := shapes[t.source], shapes[t.node.Name], t.node
	w := &pool[T]{set: p.set, node: n, channels: in.Channels, height: in.Height, width: in.Width, outHeight: out.Height, outWidth: out.Width}
	w.rowFrom, w.rowTo = windows(out.Height, in.Height, n.Kernel[0], n.Stride[0], n.Padding.Top)
	w.colFrom, w.colTo = windows(out.Width, in.Width, n.Kernel[1], n.Stride[1], n.Padding.Left)
	for y := range out.Height {
		for x := range out.Width {
			w.reciprocal = append(w.reciprocal, 1/T((w.rowTo[y]-w.rowFrom[y])*(w.colTo[x]-w.colFrom[x])))
		}
	}
	return w
}

func windows(out, in, size, stride, pad int) (from, to []int) {
	for i := range out {
		from = append(from, max(0, i*stride-pad))
		to = append(to, min(in, i*stride-pad+size))
	}
	return from, to
}

// forward adds the pooled image to out.
func (w *pool[T]) forward(out, x []T) {
	area, outArea := w.height*w.width, w.outHeight*w.outWidth
	for ch := range w.channels {
		from, to := x[ch*area:][:area], out[ch*outArea:][:outArea]
		if w.node.Op == nn.OpMaxPool {
			w.maximum(from, func(at, best int) { to[at] += from[best] })
			continue
		}
		at := 0
		for y := range w.outHeight {
			for c := range w.outWidth {
				var sum T
				for r := w.rowFrom[y]; r < w.rowTo[y]; r++ {
					for _, v := range from[r*w.width+w.colFrom[c] : r*w.width+w.colTo[c]] {
						sum += v
					}
				}
				to[at] += T(sum * w.reciprocal[at])
				at++
			}
		}
	}
}

// maximum calls found with each output and the input that it takes.
func (w *pool[T]) maximum(x []T, found func(at, best int)) {
	at := 0
	for y := range w.outHeight {
		for c := range w.outWidth {
			best := w.rowFrom[y]*w.width + w.colFrom[c]
			for r := w.rowFrom[y]; r < w.rowTo[y]; r++ {
				for i := r*w.width + w.colFrom[c]; i < r*w.width+w.colTo[c]; i++ {
					if x[i] > x[best] || x[i] != x[i] {
						best = i
					}
				}
			}
			found(at, best)
			at++
		}
	}
}

// backward adds the gradient of the input to dx.
func (w *pool[T]) backward(dx, dy, x []T) {
	area, outArea := w.height*w.width, w.outHeight*w.outWidth
	for ch := range w.channels {
		to, from := dx[ch*area:][:area], dy[ch*outArea:][:outArea]
		if w.node.Op == nn.OpMaxPool {
			w.maximum(x[ch*area:][:area], func(at, best int) { to[best] += from[at] })
			continue
		}
		at := 0
		for y := range w.outHeight {
			for c := range w.outWidth {
				v := T(from[at] * w.reciprocal[at])
				for r := w.rowFrom[y]; r < w.rowTo[y]; r++ {
					row := to[r*w.width+w.colFrom[c] : r*w.width+w.colTo[c]]
					for i := range row {
						row[i] += v
					}
				}
				at++
			}
		}
	}
}
