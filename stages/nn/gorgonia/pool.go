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
	in, out, n := p.shapes[t.source], p.shapes[t.node.Name], t.node
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

// box reports whether the pool is a sum over 3 x 3 cells around each: then rows
// are added three at a time, first upright, then sideways.
func (w *pool[T]) box() bool {
	n := w.node
	return n.Op == nn.OpAvgPool && n.Kernel == [2]int{3, 3} && n.Stride == [2]int{1, 1} && n.Padding == nn.Pad(1)
}

// boxSums replaces a padded plane by the sums of 3 x 3 cells and returns them:
// that of row y and column x is at y (width + 2) + x.
func (w *pool[T]) boxSums(padded, sums []T) []T {
	stride := w.width + 2
	n := w.height * stride
	w.set.AddThree(sums[:n], padded[:n], padded[stride:][:n], padded[2*stride:][:n])
	w.set.AddThree(padded[:n-2], sums[:n-2], sums[1:][:n-2], sums[2:][:n-2])
	return padded
}

// boxForward adds the averages of one plane to out.
func (w *pool[T]) boxForward(out, x []T, b *kernel.Buffers[T]) {
	stride := w.width + 2
	size := (w.height + 2) * stride
	buf := b.Zeros(2 * size)
	w.set.PadRows(buf[stride+1:], stride, x, w.height, w.width, false)
	sums := w.boxSums(buf[:size], buf[size:])
	for y := range w.height {
		at := y * w.width
		w.set.AddProduct(out[at:][:w.width], sums[y*stride:][:w.width], w.reciprocal[at:][:w.width])
	}
}

// boxBackward adds the gradient of one plane to dx.
func (w *pool[T]) boxBackward(dx, dy []T, b *kernel.Buffers[T]) {
	stride := w.width + 2
	size := (w.height + 2) * stride
	buf := b.Zeros(2 * size)
	for y := range w.height {
		at := y * w.width
		w.set.AddProduct(buf[(y+1)*stride+1:][:w.width], dy[at:][:w.width], w.reciprocal[at:][:w.width])
	}
	sums := w.boxSums(buf[:size], buf[size:])
	for y := range w.height {
		w.set.Add(dx[y*w.width:][:w.width], sums[y*stride:][:w.width])
	}
}

// forward adds the pooled image to out.
func (w *pool[T]) forward(out, x []T, b *kernel.Buffers[T]) {
	area, outArea := w.height*w.width, w.outHeight*w.outWidth
	for ch := range w.channels {
		from, to := x[ch*area:][:area], out[ch*outArea:][:outArea]
		if w.node.Op == nn.OpMaxPool {
			w.maximum(from, func(at, best int) { to[at] += from[best] })
			continue
		}
		if w.box() {
			w.boxForward(to, from, b)
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
func (w *pool[T]) backward(dx, dy, x []T, b *kernel.Buffers[T]) {
	area, outArea := w.height*w.width, w.outHeight*w.outWidth
	for ch := range w.channels {
		to, from := dx[ch*area:][:area], dy[ch*outArea:][:outArea]
		if w.node.Op == nn.OpMaxPool {
			w.maximum(x[ch*area:][:area], func(at, best int) { to[best] += from[at] })
			continue
		}
		if w.box() {
			w.boxBackward(to, from, b)
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
