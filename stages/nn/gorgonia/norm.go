package gorgonia

import (
	"math"

	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/kernel"
)

// norm is a batch normalisation in a program: its statistics of this batch.
type norm[T kernel.Float] struct {
	node                   nn.Node
	channels, batch, area  int
	weight, bias           []T
	runningMean, runningVa []T

	moments       []float64 // of each image and channel: mean, sum of squared deviations
	mean, inverse []float64 // of each channel: mean, 1/sqrt(variance + epsilon)
	scale, shift  []T       // y = scale x + shift

	sums                []float64 // of each image and channel: of dy, of dy (x - mean)
	dScale, slope, rest []T       // dx = dScale dy + slope x + rest
}

func (p *program[T]) newNorm(n nn.Node) *norm[T] {
	ch, area := p.shapes[n.Name].Channels, p.shapes[n.Name].Area()
	vector := func() []T { return make([]T, ch) }
	return &norm[T]{
		node: n, channels: ch, batch: p.batch, area: area,
		weight: p.weights[n.Weight], bias: p.weights[n.Bias],
		runningMean: p.weights[n.Mean], runningVa: p.weights[n.Variance],
		moments: make([]float64, 2*p.batch*ch), mean: make([]float64, ch), inverse: make([]float64, ch),
		scale: vector(), shift: vector(),
		sums: make([]float64, 2*p.batch*ch), dScale: vector(), slope: vector(), rest: vector(),
	}
}

// observe takes the moments of one image; x is that image's activation.
func (n *norm[T]) observe(set *kernel.Set[T], image int, x []T) {
	for ch := range n.channels {
		plane := x[ch*n.area:][:n.area]
		mean := set.Sum(plane) / float64(n.area)
		m := n.moments[2*(image*n.channels+ch):]
		// Deviations from the rounded mean, corrected for the rounding.
		rounded := T(mean)
		off := mean - float64(rounded)
		m[0], m[1] = mean, max(set.SquaredDeviations(plane, rounded)-float64(float64(off*off)*float64(n.area)), 0)
	}
}

// settle turns the moments of all images into the statistics of the batch
// (Chan, Golub and LeVeque, 1979), and moves the running statistics: the
// variance there is the unbiased one, as PyTorch's.
func (n *norm[T]) settle() {
	area := float64(n.area)
	count := float64(n.batch) * area
	for ch := range n.channels {
		mean, squares := n.moments[2*ch], n.moments[2*ch+1]
		for image := 1; image < n.batch; image++ {
			m := n.moments[2*(image*n.channels+ch):]
			d, before := m[0]-mean, float64(image)
			mean += d / (before + 1)
			squares += m[1] + float64(d*d)*float64(area*before/(before+1))
		}
		n.set(ch, mean, squares/count)
		m := n.node.Momentum
		n.runningMean[ch] = T(float64((1-m)*float64(n.runningMean[ch])) + float64(m*mean))
		n.runningVa[ch] = T(float64((1-m)*float64(n.runningVa[ch])) + float64(m*(squares/max(count-1, 1))))
	}
}

// useRunning takes the running statistics instead.
func (n *norm[T]) useRunning() {
	for ch := range n.channels {
		n.set(ch, float64(n.runningMean[ch]), float64(n.runningVa[ch]))
	}
}

func (n *norm[T]) set(ch int, mean, variance float64) {
	inverse := 1 / math.Sqrt(variance+n.node.Epsilon)
	scale := float64(n.weight[ch]) * inverse
	n.mean[ch], n.inverse[ch] = mean, inverse
	n.scale[ch], n.shift[ch] = T(scale), T(float64(n.bias[ch])-float64(mean*scale))
}

// observeGradient takes the sums of one image's gradient.
func (n *norm[T]) observeGradient(set *kernel.Set[T], image int, dy, x []T) {
	for ch := range n.channels {
		rounded := T(n.mean[ch])
		sum, product := set.GradientSums(dy[ch*n.area:][:n.area], x[ch*n.area:][:n.area], rounded)
		s := n.sums[2*(image*n.channels+ch):]
		s[0], s[1] = sum, product-float64(sum*(n.mean[ch]-float64(rounded)))
	}
}

// settleGradient gives the gradients of scale and shift, and the factors of
// the gradient of x: with m the number of elements of a channel and h the
// normalised x, dx = weight inverse (dy - mean(dy) - h mean(dy h)).
func (n *norm[T]) settleGradient(dWeight, dBias []T) {
	count := float64(n.batch) * float64(n.area)
	for ch := range n.channels {
		var sum, product float64
		for image := range n.batch {
			s := n.sums[2*(image*n.channels+ch):]
			sum += s[0]
			product += s[1]
		}
		inverse := n.inverse[ch]
		dWeight[ch], dBias[ch] = T(product*inverse), T(sum)
		scale := float64(n.weight[ch]) * inverse
		slope := -scale * inverse * inverse * product / count
		n.dScale[ch], n.slope[ch] = T(scale), T(slope)
		n.rest[ch] = T(-float64(scale*sum/count) - float64(slope*n.mean[ch]))
	}
}
