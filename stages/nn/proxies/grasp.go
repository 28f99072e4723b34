package proxies

import (
	"context"
	"math"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// twice is a value for every image with its derivatives along two directions s
// and t in the space of weights, and with the mixed second derivative: hyper-dual
// numbers (Fike and Alonso, AIAA 2011). They are exact, where a difference of
// gradients is not: it meets the kinks of ReLU whatever its step.
type twice struct {
	value, s, t, st []float64
}

func (x *twice) parts() [4][]float64 { return [4][]float64{x.value, x.s, x.t, x.st} }

func newTwice(size int) *twice {
	all := make([]float64, 4*size)
	return &twice{all[:size:size], all[size : 2*size : 2*size], all[2*size : 3*size : 3*size], all[3*size:]}
}

// secondOrder runs a batch through a network whose convolution and linear
// weights are w + s g + t w.
type secondOrder struct {
	weights, gradients nn.Weights
	shapes             map[string]nn.Shape
	samples            int
	values             map[string]*twice
}

// grasp is minus the mixed derivative of the loss at s = t = 0, which is
// -w (H g).
func grasp(ctx context.Context, job *Job, gradients nn.Weights) (float64, error) {
	shapes, err := job.Network.Shapes()
	if err != nil {
		return 0, err
	}
	if err := known(job.Network); err != nil {
		return 0, err
	}
	r := &secondOrder{weights: job.Weights, gradients: gradients, shapes: shapes, samples: job.Batch.Len(), values: map[string]*twice{}}
	input := newTwice(len(job.Batch.Inputs.Data))
	for i, v := range job.Batch.Inputs.Data {
		input.value[i] = float64(v)
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
				delete(r.values, name) // a whole batch of float64 times four
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

func (r *secondOrder) run(n *nn.Node) *twice {
	in, out := r.shapes[n.Inputs[0]], r.shapes[n.Name]
	y := newTwice(r.samples * out.Size())
	if n.Op == nn.OpZero {
		return y
	}
	x := r.values[n.Inputs[0]]
	switch n.Op {
	case nn.OpConv2d:
		c := newConvolution(n, in, out)
		r.weighted(n, x, y, in, out, c.see, c.add)
	case nn.OpLinear:
		var seen []float64
		r.weighted(n, x, y, in, out, func(image []float64) { seen = image }, func(result, weight []float64) {
			addLinear(weight, in.Area(), seen, result)
		})
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
func (r *secondOrder) linear(n *nn.Node, y *twice, in, out nn.Shape) {
	for i, to := range y.parts() {
		switch n.Op {
		case nn.OpAvgPool:
			averagePool(n, in, out, r.values[n.Inputs[0]].parts()[i], to)
		case nn.OpGlobalAvgPool:
			planeMeans(in.Area(), r.values[n.Inputs[0]].parts()[i], to)
		case nn.OpAdd:
			for _, name := range n.Inputs {
				axpy(1, r.values[name].parts()[i], to)
			}
		}
	}
}

// weighted applies a layer with the weights (1 + t) w + s g to each image.
func (r *secondOrder) weighted(n *nn.Node, x, y *twice, in, out nn.Shape, see func(image []float64), add func(result, weight []float64)) {
	w, g := r.weights[n.Weight].Data, r.gradients[n.Weight].Data
	both := make([]float64, in.Size())
	sum := func(a, b []float64) []float64 {
		for i, v := range a {
			both[i] = v + b[i]
		}
		return both
	}
	for i := range r.samples {
		from := func(v []float64) []float64 { return v[i*in.Size() : (i+1)*in.Size()] }
		to := func(v []float64) []float64 { return v[i*out.Size() : (i+1)*out.Size()] }
		see(from(x.value))
		add(to(y.value), w)
		add(to(y.s), g)
		see(from(x.s))
		add(to(y.s), w)
		see(from(x.t))
		add(to(y.st), g)
		see(sum(from(x.value), from(x.t)))
		add(to(y.t), w)
		see(sum(from(x.s), from(x.st)))
		add(to(y.st), w)
	}
}

func (r *secondOrder) shift(n *nn.Node, y *twice, out nn.Shape) {
	if n.Bias == "" {
		return
	}
	bias := r.weights[n.Bias].Data
	for i := range y.value {
		y.value[i] += bias[i/out.Area()%out.Channels]
	}
}

func rectify(x, y *twice) {
	for i, v := range x.value {
		if v > 0 {
			y.value[i], y.s[i], y.t[i], y.st[i] = v, x.s[i], x.t[i], x.st[i]
		}
	}
}

// normalise is batch normalisation in training mode.
func normalise(x, y *twice, shape nn.Shape, epsilon float64, scale, shift []float64) {
	area, samples := shape.Area(), len(x.value)/shape.Size()
	for ch := range shape.Channels {
		each := func(visit func(lo, hi int)) {
			for i := range samples {
				lo := (i*shape.Channels + ch) * area
				visit(lo, lo+area)
			}
		}
		m := channelMeans(x, each, float64(samples*area))
		r := inverseDeviation(channelVariance(x, m, each, float64(samples*area)), epsilon)
		a, b := scale[ch], shift[ch]
		each(func(lo, hi int) {
			for i := lo; i < hi; i++ {
				v, s, t, st := x.value[i]-m[0], x.s[i]-m[1], x.t[i]-m[2], x.st[i]-m[3]
				y.value[i] = float64(a*float64(v*r[0])) + b
				y.s[i] = a * (float64(s*r[0]) + float64(v*r[1]))
				y.t[i] = a * (float64(t*r[0]) + float64(v*r[2]))
				y.st[i] = a * (float64(st*r[0]) + float64(s*r[2]) + float64(t*r[1]) + float64(v*r[3]))
			}
		})
	}
}

func channelMeans(x *twice, each func(func(lo, hi int)), count float64) [4]float64 {
	var m [4]float64
	for i, part := range x.parts() {
		each(func(lo, hi int) {
			for _, v := range part[lo:hi] {
				m[i] += v
			}
		})
		m[i] /= count
	}
	return m
}

// channelVariance gives the variance and its derivatives along s, t, and both.
func channelVariance(x *twice, m [4]float64, each func(func(lo, hi int)), count float64) [4]float64 {
	var sum [4]float64
	each(func(lo, hi int) {
		for i := lo; i < hi; i++ {
			v, s, t, st := x.value[i]-m[0], x.s[i]-m[1], x.t[i]-m[2], x.st[i]-m[3]
			sum[0] += float64(v * v)
			sum[1] += float64(v * s)
			sum[2] += float64(v * t)
			sum[3] += float64(s*t) + float64(v*st)
		}
	})
	return [4]float64{sum[0] / count, 2 * sum[1] / count, 2 * sum[2] / count, 2 * sum[3] / count}
}

// inverseDeviation gives (v + epsilon)^(-1/2) and its derivatives.
func inverseDeviation(v [4]float64, epsilon float64) [4]float64 {
	r := 1 / math.Sqrt(v[0]+epsilon)
	first := -r * r * r / 2
	second := 3 * r * r * r * r * r / 4
	return [4]float64{r, first * v[1], first * v[2], float64(second*float64(v[1]*v[2])) + float64(first*v[3])}
}

// mixedLoss is the mixed derivative of the mean cross-entropy of logits.
func mixedLoss(z *twice, labels []int32) float64 {
	classes := len(z.value) / len(labels)
	var total float64
	for i, label := range labels {
		lo := i * classes
		p := softmax(z.value[lo : lo+classes])
		var s, t, st float64
		for j, v := range p {
			a, b := z.s[lo+j], z.t[lo+j]
			s += float64(v * a)
			t += float64(v * b)
			st += float64(v * (z.st[lo+j] + float64(a*b)))
		}
		total += st - float64(s*t) - z.st[lo+int(label)]
	}
	return total / float64(len(labels))
}

func softmax(z []float64) []float64 {
	top := math.Inf(-1)
	for _, v := range z {
		top = max(top, v)
	}
	p := make([]float64, len(z))
	var sum float64
	for i, v := range z {
		p[i] = math.Exp(v - top)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}
