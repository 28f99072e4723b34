package gorgonia

import (
	"math"

	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/kernel"
)

// loss computes losses, metrics and the gradient of the output. All sums are
// in float64.
type loss[T kernel.Float] struct {
	name         nn.Loss
	scale, shift []T // decoding; nil for none
}

func newLoss[T kernel.Float](name nn.Loss, d *nn.Decoding) loss[T] {
	l := loss[T]{name: name}
	if d != nil {
		l.scale, l.shift = convert[T](d.Scale), convert[T](d.Shift)
	}
	return l
}

// targets are what the network should say of a batch.
type targets struct {
	labels []int32     // cross_entropy
	values [][]float32 // one a sample
	counts [][]float32 // likewise: 0 where an element does not count; nil where all do
}

// counted returns a sample's target and what of it counts: nil for all.
func (t *targets) counted(i int) (values, counts []float32) {
	if t.counts == nil {
		return t.values[i], nil
	}
	return t.values[i], t.counts[i]
}

// weight is 1 where element j counts, else 0.
func weight(counts []float32, j int) float64 {
	if counts == nil || counts[j] != 0 {
		return 1
	}
	return 0
}

// decode returns a sample's output in the unit of the targets, in to where
// that differs.
func (l *loss[T]) decode(to, out []T) []T {
	if l.scale == nil {
		return out
	}
	for i, v := range out {
		to[i] = T(v*l.scale[i]) + l.shift[i]
	}
	return to
}

// addLoss adds the operations of the loss and, unless evaluating, of the
// gradient of the output.
func (p *program[T]) addLoss(output *value[T], metric nn.Metric) error {
	l := p.layers[len(p.layers)-1]
	size := l.shape.Size()
	decoded := make([]T, size)
	if _, err := p.apply("loss", []int{p.batch}, make([]T, p.batch), func(out []T) {
		for i := range p.batch {
			y := p.loss.decode(decoded, output.data[i*size:][:size])
			p.losses[i], p.metrics[i] = p.sample(y, i, metric)
			out[i] = T(p.losses[i])
		}
	}, output); err != nil || p.mode == evaluating {
		return err
	}
	g, err := p.apply("gradient "+l.name, p.batchShape(l.shape), nil, func(out []T) {
		for i := range p.batch {
			y := p.loss.decode(decoded, output.data[i*size:][:size])
			to := out[i*size:][:size]
			p.sampleGradient(to, y, i)
			for j, s := range p.loss.scale {
				to[j] *= s
			}
			if l.relu {
				p.set.ZeroUnless(to, output.data[i*size:][:size])
			}
		}
	}, output)
	p.gradients[l.name] = g
	return err
}

// stepLoss is the loss of a batch: the sum over samples of relative_l2 and
// sum, the mean of the others.
func (p *program[T]) stepLoss() float64 {
	var total float64
	for _, v := range p.losses {
		total += v
	}
	if p.loss.name == nn.RelativeL2 || p.loss.name == nn.SumOutputs {
		return total
	}
	return total / float64(p.batch)
}

// sample returns loss and metric of one sample.
func (p *program[T]) sample(y []T, i int, metric nn.Metric) (value, m float64) {
	switch p.loss.name {
	case nn.CrossEntropy:
		value = crossEntropy(y, int(p.target.labels[i]))
	case nn.BCE:
		target, counts := p.target.counted(i)
		for j, v := range y {
			x := float64(v)
			value += float64(weight(counts, j) * (max(x, 0) - float64(x*float64(target[j])) + math.Log1p(math.Exp(-math.Abs(x)))))
		}
		value /= float64(len(y))
	case nn.SumOutputs:
		return p.set.Sum(y), 0
	default:
		squares, norm := distances(y, &p.target, i)
		if value = squares / float64(len(y)); p.loss.name == nn.RelativeL2 {
			value = math.Sqrt(squares) / math.Sqrt(norm)
		}
	}
	switch metric {
	case nn.ZeroOneError:
		if largest(y) != int(p.target.labels[i]) {
			m = 1
		}
	case nn.MetricRelativeL2:
		squares, norm := distances(y, &p.target, i)
		m = math.Sqrt(squares) / math.Sqrt(norm)
	case nn.MetricMSE:
		squares, _ := distances(y, &p.target, i)
		m = squares / float64(len(y))
	default:
		m = value
	}
	return value, m
}

// sampleGradient writes the gradient of the batch's loss with respect to one
// decoded output.
func (p *program[T]) sampleGradient(to, y []T, i int) {
	batch, n := float64(p.batch), float64(len(y))
	switch p.loss.name {
	case nn.CrossEntropy:
		top, sum := softmaxSum(y)
		for j, v := range y {
			to[j] = T(math.Exp(float64(v)-top) / sum / batch)
		}
		to[p.target.labels[i]] -= T(1 / batch)
	case nn.BCE:
		target, counts := p.target.counted(i)
		for j, v := range y {
			to[j] = T(weight(counts, j) * (1/(1+math.Exp(-float64(v))) - float64(target[j])) / (batch * n))
		}
	case nn.MSE:
		target, counts := p.target.counted(i)
		for j, v := range y {
			to[j] = T(2 * weight(counts, j) * (float64(v) - float64(target[j])) / (batch * n))
		}
	case nn.RelativeL2:
		squares, norm := distances(y, &p.target, i)
		length := math.Sqrt(squares) * math.Sqrt(norm)
		for j, v := range y {
			to[j] = 0
			if squares > 0 { // at the minimum the gradient is taken as 0
				to[j] = T((float64(v) - float64(p.target.values[i][j])) / length)
			}
		}
	default:
		for j := range to {
			to[j] = 1
		}
	}
}

// distances returns the sums of squares of y - target and of target, over what
// counts of sample i.
func distances[T kernel.Float](y []T, t *targets, i int) (squares, norm float64) {
	target, counts := t.counted(i)
	for j, v := range y {
		t, w := float64(target[j]), weight(counts, j)
		d := float64(v) - t
		squares += float64(w * float64(d*d))
		norm += float64(w * float64(t*t))
	}
	return squares, norm
}

func softmaxSum[T kernel.Float](y []T) (top, sum float64) {
	top = float64(y[0])
	for _, v := range y[1:] {
		top = max(top, float64(v))
	}
	for _, v := range y {
		sum += math.Exp(float64(v) - top)
	}
	return top, sum
}

func crossEntropy[T kernel.Float](y []T, label int) float64 {
	top, sum := softmaxSum(y)
	return math.Log(sum) + top - float64(y[label])
}

// largest is the index of the first largest element.
func largest[T kernel.Float](y []T) int {
	best := 0
	for i, v := range y {
		if v > y[best] {
			best = i
		}
	}
	return best
}
