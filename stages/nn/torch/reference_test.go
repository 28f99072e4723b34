package torch

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/racetest"
)

// reference computes a network by plain loops, in training mode.
type reference struct {
	network *nn.Network
	shapes  map[string]nn.Shape
	weights nn.Weights
	batch   int
}

func newReference(t *testing.T, n *nn.Network, w nn.Weights, batch int) *reference {
	t.Helper()
	shapes, err := n.Shapes()
	if err != nil {
		t.Fatal(err)
	}
	return &reference{n, shapes, w, batch}
}

// forward returns the output and the activations.
func (r *reference) forward(x []float64) map[string][]float64 {
	values := map[string][]float64{nn.InputName: x}
	for _, n := range r.network.Nodes {
		in := r.shapes[n.Inputs[0]]
		values[n.Name] = r.node(n, values, values[n.Inputs[0]], in, r.shapes[n.Name])
	}
	return values
}

func (r *reference) node(n nn.Node, values map[string][]float64, x []float64, in, out nn.Shape) []float64 {
	y := make([]float64, r.batch*out.Size())
	switch n.Op {
	case nn.OpConv2d, nn.OpAvgPool, nn.OpMaxPool:
		r.window(n, y, x, in, out)
	case nn.OpBatchNorm:
		r.normalise(n, y, x, in)
	case nn.OpReLU:
		for i, v := range x {
			y[i] = max(v, 0)
		}
	case nn.OpAdd:
		for _, name := range n.Inputs {
			for i, v := range values[name] {
				y[i] += v
			}
		}
	case nn.OpConcat:
		for b := range r.batch {
			at := b * out.Size()
			for _, name := range n.Inputs {
				size := r.shapes[name].Size()
				at += copy(y[at:], values[name][b*size:(b+1)*size])
			}
		}
	case nn.OpGlobalAvgPool:
		for i, v := range x {
			y[i/in.Area()] += v / float64(in.Area())
		}
	case nn.OpLinear:
		w, bias := r.weights[n.Weight].Data, r.weights[n.Bias].Data
		for b := range r.batch {
			for o := range out.Channels {
				for p := range in.Area() {
					sum := 0.0
					if bias != nil {
						sum = bias[o]
					}
					for c := range in.Channels {
						sum += w[o*in.Channels+c] * x[(b*in.Channels+c)*in.Area()+p]
					}
					y[(b*out.Channels+o)*in.Area()+p] = sum
				}
			}
		}
	case nn.OpDropout:
		key := nn.NewDropoutKey(0, n.Name, 0)
		for i, v := range x {
			if key.Keeps(uint32(i), n.Rate) {
				y[i] = v / (1 - n.Rate)
			}
		}
	}
	return y
}

func (r *reference) window(n nn.Node, y, x []float64, in, out nn.Shape) {
	dilation := n.Dilation
	if n.Op != nn.OpConv2d {
		dilation = [2]int{1, 1}
	}
	w := r.weights[n.Weight].Data
	at := 0
	for b := range r.batch {
		for o := range out.Channels {
			for i := range out.Height {
				for j := range out.Width {
					sum, count, best := 0.0, 0.0, math.Inf(-1)
					for k := range n.Kernel[0] * n.Kernel[1] {
						sy, sx := i*n.Stride[0]-n.Padding.Top+k/n.Kernel[1]*dilation[0], j*n.Stride[1]-n.Padding.Left+k%n.Kernel[1]*dilation[1]
						if sy < 0 || sy >= in.Height || sx < 0 || sx >= in.Width {
							continue
						}
						cell := func(c int) float64 { return x[((b*in.Channels+c)*in.Height+sy)*in.Width+sx] }
						if n.Op == nn.OpConv2d {
							for c := range in.Channels {
								sum += w[(o*in.Channels+c)*n.Kernel[0]*n.Kernel[1]+k] * cell(c)
							}
							continue
						}
						sum, count, best = sum+cell(o), count+1, max(best, cell(o))
					}
					y[at] = map[nn.Op]float64{nn.OpConv2d: sum, nn.OpAvgPool: sum / count, nn.OpMaxPool: best}[n.Op]
					at++
				}
			}
		}
	}
}

func (r *reference) normalise(n nn.Node, y, x []float64, s nn.Shape) {
	for c := range s.Channels {
		var cells []int
		for b := range r.batch {
			for p := range s.Area() {
				cells = append(cells, (b*s.Channels+c)*s.Area()+p)
			}
		}
		mean, variance := 0.0, 0.0
		for _, i := range cells {
			mean += x[i] / float64(len(cells))
		}
		for _, i := range cells {
			variance += (x[i] - mean) * (x[i] - mean) / float64(len(cells))
		}
		for _, i := range cells {
			y[i] = (x[i]-mean)/math.Sqrt(variance+n.Epsilon)*r.weights[n.Weight].Data[c] + r.weights[n.Bias].Data[c]
		}
	}
}

// referenceLoss computes the loss of an output.
func referenceLoss(loss nn.Loss, d *nn.Dataset, decoding *nn.Decoding, out []float64) float64 {
	n := d.Len()
	size := len(out) / n
	total := 0.0
	for b := range n {
		y := slices.Clone(out[b*size : (b+1)*size])
		if decoding != nil {
			for i := range y {
				y[i] = y[i]*decoding.Scale[i] + decoding.Shift[i]
			}
		}
		var target []float32
		if loss != nn.CrossEntropy && loss != nn.SumOutputs {
			target = d.Targets.Sample(b)
		}
		over, under := 0.0, 0.0
		for i, v := range y {
			switch loss {
			case nn.CrossEntropy:
				over += math.Exp(v)
			case nn.BCE:
				total += (math.Log1p(math.Exp(-math.Abs(v))) + max(v, 0) - v*float64(target[i])) / float64(len(out))
			case nn.MSE:
				total += (v - float64(target[i])) * (v - float64(target[i])) / float64(len(out))
			case nn.RelativeL2:
				over += (v - float64(target[i])) * (v - float64(target[i]))
				under += float64(target[i]) * float64(target[i])
			case nn.SumOutputs:
				total += v
			}
		}
		switch loss {
		case nn.CrossEntropy:
			total += (math.Log(over) - y[d.Labels[b]]) / float64(n)
		case nn.RelativeL2:
			total += math.Sqrt(over / under)
		}
	}
	return total
}

// everything is a network with all operations, sides that differ, and a dead
// node.
func everything(point bool) *nn.Network {
	pad := nn.Padding{Top: 0, Bottom: 1, Left: 1, Right: 0}
	n := &nn.Network{
		Name: "everything", Input: nn.Shape{Channels: 2, Height: 5, Width: 6}, Output: "linear",
		Nodes: []nn.Node{
			{Name: "conv", Op: nn.OpConv2d, Inputs: []string{"input"}, Kernel: [2]int{3, 2}, Stride: [2]int{1, 1}, Dilation: [2]int{2, 1}, Padding: nn.Padding{Top: 2, Bottom: 2, Left: 1, Right: 0}, Weight: "conv.w"},
			{Name: "bn", Op: nn.OpBatchNorm, Inputs: []string{"conv"}, Epsilon: 1e-5, Momentum: 0.1, Weight: "bn.w", Bias: "bn.b", Mean: "bn.m", Variance: "bn.v"},
			{Name: "relu", Op: nn.OpReLU, Inputs: []string{"bn"}},
			{Name: "avg", Op: nn.OpAvgPool, Inputs: []string{"relu"}, Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Padding: nn.Pad(1)},
			{Name: "avg2", Op: nn.OpAvgPool, Inputs: []string{"relu"}, Kernel: [2]int{2, 2}, Stride: [2]int{1, 1}, Padding: pad},
			{Name: "max", Op: nn.OpMaxPool, Inputs: []string{"bn"}, Kernel: [2]int{2, 2}, Stride: [2]int{1, 1}, Padding: pad},
			{Name: "dead", Op: nn.OpConv2d, Inputs: []string{"relu"}, Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Weight: "dead.w"},
			{Name: "zero", Op: nn.OpZero, Inputs: []string{"dead"}, Channels: 3},
			{Name: "add", Op: nn.OpAdd, Inputs: []string{"avg", "avg2", "max", "zero"}},
			{Name: "conv2", Op: nn.OpConv2d, Inputs: []string{"add"}, Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Padding: nn.Pad(1), Weight: "conv2.w"},
			{Name: "drop", Op: nn.OpDropout, Inputs: []string{"conv2"}, Rate: 0.3},
			{Name: "cat", Op: nn.OpConcat, Inputs: []string{"drop", "bn"}},
		},
	}
	last := "cat"
	if point {
		n.Nodes = append(n.Nodes, nn.Node{Name: "pool", Op: nn.OpGlobalAvgPool, Inputs: []string{"cat"}})
		last = "pool"
	}
	n.Nodes = append(n.Nodes, nn.Node{Name: "linear", Op: nn.OpLinear, Inputs: []string{last}, Weight: "lin.w", Bias: "lin.b"})
	uniform := func(name string, shape ...int) {
		n.Parameters = append(n.Parameters, nn.Parameter{Name: name, Shape: shape, Init: nn.Init{Name: nn.FanUniform, Fan: 2}})
	}
	uniform("conv.w", 3, 2, 3, 2)
	uniform("bn.w", 3)
	uniform("bn.b", 3)
	uniform("dead.w", 2, 3, 1, 1)
	uniform("conv2.w", 2, 3, 3, 3)
	uniform("lin.w", 3, 5)
	uniform("lin.b", 3)
	n.Buffers = []nn.Parameter{{Name: "bn.m", Shape: []int{3}, Init: nn.Init{Name: nn.Zeros}}, {Name: "bn.v", Shape: []int{3}, Init: nn.Init{Name: nn.Ones}}}
	return n
}

// Losses, outputs and gradients in float64 are those of plain loops with
// central differences.
func TestGradientsAgainstDifferences(t *testing.T) {
	racetest.Skip(t, "what computes is a Python process; others of these tests start one")
	e := newEngine(t, Options{})
	for _, c := range []struct {
		loss     nn.Loss
		point    bool
		decoding bool
	}{{nn.CrossEntropy, true, false}, {nn.BCE, false, false}, {nn.MSE, false, true}, {nn.RelativeL2, false, true}, {nn.SumOutputs, true, false}} {
		t.Run(string(c.loss), func(t *testing.T) {
			n := everything(c.point)
			d := samples(t, n, 3, 8)
			job := &nn.GradientJob{Network: n, Weights: nn.InitialWeights(n, 5), Data: d, Loss: c.loss, Precision: nn.Float64, Inputs: true, Products: []string{"conv", "linear", "dead"}}
			if c.decoding {
				var err error
				if job.Decoding, err = nn.PointwiseGaussian(samples(t, n, 4, 9).Targets, 0.1); err != nil {
					t.Fatal(err)
				}
			}
			got, err := e.Gradients(context.Background(), job)
			if err != nil {
				t.Fatal(err)
			}
			checkGradients(t, job, got)
		})
	}
}

func checkGradients(t *testing.T, job *nn.GradientJob, got *nn.Gradients) {
	t.Helper()
	r := newReference(t, job.Network, job.Weights, job.Data.Len())
	x := make([]float64, len(job.Data.Inputs.Data))
	for i, v := range job.Data.Inputs.Data {
		x[i] = float64(v)
	}
	loss := func() float64 {
		return referenceLoss(job.Loss, job.Data, job.Decoding, r.forward(x)[job.Network.Output])
	}
	if want := loss(); relative(got.Loss, want) > 1e-10 {
		t.Errorf("loss %v, want %v", got.Loss, want)
	}
	check := func(what string, at *float64, have float64) {
		t.Helper()
		const h = 1e-5
		keep := *at
		*at = keep + h
		up := loss()
		*at = keep - h
		down := loss()
		*at = keep
		if want := (up - down) / (2 * h); math.Abs(have-want) > 1e-6*max(1, math.Abs(want)) {
			t.Errorf("gradient of %s is %v, want %v", what, have, want)
		}
	}
	for _, p := range job.Network.Parameters {
		for i := range job.Weights[p.Name].Data {
			check(fmt.Sprint(p.Name, " ", i), &job.Weights[p.Name].Data[i], got.Parameters[p.Name].Data[i])
		}
	}
	for i := range x {
		check(fmt.Sprint("input ", i), &x[i], got.Inputs.Data[i])
	}
	checkStatistics(t, r, got, r.forward(x))
	checkProducts(t, job, got)
}

// checkStatistics holds the running statistics against one batch's.
func checkStatistics(t *testing.T, r *reference, got *nn.Gradients, values map[string][]float64) {
	t.Helper()
	s := r.shapes["conv"]
	for c := range s.Channels {
		var cells []float64
		for b := range r.batch {
			from := (b*s.Channels + c) * s.Area()
			cells = append(cells, values["conv"][from:from+s.Area()]...)
		}
		mean, variance := 0.0, 0.0
		for _, v := range cells {
			mean += v / float64(len(cells))
		}
		for _, v := range cells {
			variance += (v - mean) * (v - mean) / float64(len(cells)-1)
		}
		if have, want := got.Buffers["bn.m"].Data[c], 0.1*mean; math.Abs(have-want) > 1e-12 {
			t.Errorf("running mean %v, want %v", have, want)
		}
		if have, want := got.Buffers["bn.v"].Data[c], 0.9+0.1*variance; math.Abs(have-want) > 1e-12 {
			t.Errorf("running variance %v, want %v", have, want)
		}
	}
}

// checkProducts uses that for a node whose result is linear in one weight
// tensor, the sum of activation x gradient over all is that of weight x
// gradient (and bias x gradient).
func checkProducts(t *testing.T, job *nn.GradientJob, got *nn.Gradients) {
	t.Helper()
	sum := func(a, b []float64) float64 {
		total := 0.0
		for i := range a {
			total += a[i] * b[i]
		}
		return total
	}
	ones := func(n int) []float64 { return slices.Repeat([]float64{1}, n) }
	of := func(name string) float64 { return sum(job.Weights[name].Data, got.Parameters[name].Data) }
	for node, want := range map[string]float64{"conv": of("conv.w"), "linear": of("lin.w") + of("lin.b"), "dead": 0} {
		p := got.Products[node]
		if len(p.Shape) != 2 || p.Shape[0] != job.Data.Len() || math.Abs(sum(p.Data, ones(len(p.Data)))-want) > 1e-9*max(1, math.Abs(want)) {
			t.Errorf("products of %s are %v, want the sum %v", node, p, want)
		}
	}
}
