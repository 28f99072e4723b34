package gorgonia

import (
	"fmt"
	"math"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/kernel"
	"github.com/nbpipe/nbpipe/stages/racetest"
)

func sets() []*kernel.Set[float32] { return kernel.Sets32() }

// sketch builds small networks by hand.
type sketch struct {
	n nn.Network
}

func newSketch(in nn.Shape) *sketch {
	return &sketch{n: nn.Network{Name: "sketch", Input: in}}
}

func (s *sketch) add(n nn.Node) string {
	n.Name = fmt.Sprintf("n%d", len(s.n.Nodes))
	s.n.Nodes = append(s.n.Nodes, n)
	s.n.Output = n.Name
	return n.Name
}

func (s *sketch) param(shape ...int) string {
	name := fmt.Sprintf("p%d", len(s.n.Parameters))
	s.n.Parameters = append(s.n.Parameters, nn.Parameter{Name: name, Shape: shape, Init: nn.Init{Name: nn.FanUniform, Fan: 2}})
	return name
}

func (s *sketch) conv(in string, from, to int, kernel, stride, dilation [2]int, pad nn.Padding) string {
	return s.add(nn.Node{Op: nn.OpConv2d, Inputs: []string{in}, Kernel: kernel, Stride: stride, Dilation: dilation, Padding: pad, Weight: s.param(to, from, kernel[0], kernel[1])})
}

func (s *sketch) norm(in string, channels int) string {
	w, b := s.param(channels), s.param(channels)
	m, v := w+".mean", w+".variance"
	s.n.Buffers = append(s.n.Buffers, nn.Parameter{Name: m, Shape: []int{channels}, Init: nn.Init{Name: nn.Zeros}}, nn.Parameter{Name: v, Shape: []int{channels}, Init: nn.Init{Name: nn.Ones}})
	return s.add(nn.Node{Op: nn.OpBatchNorm, Inputs: []string{in}, Epsilon: 1e-5, Momentum: 0.1, Weight: w, Bias: b, Mean: m, Variance: v})
}

func (s *sketch) unary(op nn.Op, in string) string {
	return s.add(nn.Node{Op: op, Inputs: []string{in}})
}

func (s *sketch) pool(op nn.Op, in string, kernel, stride, pad int) string {
	return s.add(nn.Node{Op: op, Inputs: []string{in}, Kernel: [2]int{kernel, kernel}, Stride: [2]int{stride, stride}, Padding: nn.Pad(pad)})
}

func (s *sketch) join(op nn.Op, in ...string) string { return s.add(nn.Node{Op: op, Inputs: in}) }

func (s *sketch) linear(in string, from, to int) string {
	return s.add(nn.Node{Op: nn.OpLinear, Inputs: []string{in}, Weight: s.param(to, from), Bias: s.param(to)})
}

var one = [2]int{1, 1}

// sketches has each operation in each of the places in which it is fused, or
// is not.
func sketches() map[string]*sketch {
	in := nn.InputName
	all := map[string]*sketch{}
	make := func(name string, shape nn.Shape, build func(s *sketch)) {
		s := newSketch(shape)
		build(s)
		all[name] = s
	}
	image := nn.Shape{Channels: 2, Height: 6, Width: 5}
	make("conv", image, func(s *sketch) { s.conv(in, 2, 3, [2]int{3, 3}, one, one, nn.Pad(1)) })
	make("conv stride", image, func(s *sketch) { s.conv(in, 2, 3, [2]int{3, 3}, [2]int{2, 2}, one, nn.Pad(1)) })
	make("conv dilation", image, func(s *sketch) { s.conv(in, 2, 3, [2]int{3, 3}, one, [2]int{2, 2}, nn.Pad(2)) })
	make("conv 1x1", image, func(s *sketch) { s.conv(in, 2, 5, one, one, one, nn.Padding{}) })
	make("conv even kernel", image, func(s *sketch) { s.conv(in, 2, 2, [2]int{1, 4}, one, one, nn.Padding{Left: 1, Right: 2}) })
	make("conv unpadded", image, func(s *sketch) { s.conv(in, 2, 2, [2]int{2, 3}, one, one, nn.Padding{}) })
	make("relu conv norm", image, func(s *sketch) {
		x := s.conv(in, 2, 3, [2]int{3, 3}, one, one, nn.Pad(1))
		s.norm(s.conv(s.unary(nn.OpReLU, x), 3, 4, [2]int{3, 3}, one, one, nn.Pad(1)), 4)
	})
	make("relu strided conv norm", image, func(s *sketch) {
		x := s.conv(in, 2, 3, [2]int{3, 3}, one, one, nn.Pad(1))
		s.norm(s.conv(s.unary(nn.OpReLU, x), 3, 4, [2]int{3, 3}, [2]int{2, 2}, one, nn.Pad(1)), 4)
	})
	make("norm relu conv", image, func(s *sketch) {
		x := s.unary(nn.OpReLU, s.norm(s.conv(in, 2, 3, [2]int{3, 3}, one, one, nn.Pad(1)), 3))
		s.conv(x, 3, 2, [2]int{3, 3}, one, one, nn.Pad(1))
	})
	make("norm of the input", image, func(s *sketch) { s.conv(s.norm(in, 2), 2, 2, one, one, one, nn.Padding{}) })
	make("two norms of one value", image, func(s *sketch) {
		x := s.conv(in, 2, 3, [2]int{3, 3}, one, one, nn.Pad(1))
		s.join(nn.OpAdd, s.norm(x, 3), s.norm(x, 3), x)
	})
	make("cell node", image, func(s *sketch) {
		x := s.conv(in, 2, 3, [2]int{3, 3}, one, one, nn.Pad(1))
		r := s.unary(nn.OpReLU, x)
		a := s.norm(s.conv(r, 3, 3, [2]int{3, 3}, one, one, nn.Pad(1)), 3)
		b := s.norm(s.conv(r, 3, 3, one, one, one, nn.Padding{}), 3)
		y := s.join(nn.OpAdd, a, s.pool(nn.OpAvgPool, x, 3, 1, 1), x, b)
		s.linear(s.unary(nn.OpGlobalAvgPool, s.unary(nn.OpReLU, s.norm(y, 3))), 3, 2)
	})
	make("relu of a sum, read twice", image, func(s *sketch) {
		x := s.conv(in, 2, 3, one, one, one, nn.Padding{})
		y := s.unary(nn.OpReLU, s.join(nn.OpAdd, x, s.norm(x, 3)))
		s.join(nn.OpAdd, y, s.conv(y, 3, 3, [2]int{3, 3}, one, one, nn.Pad(1)))
	})
	make("relu at the end", image, func(s *sketch) { s.unary(nn.OpReLU, s.conv(in, 2, 3, one, one, one, nn.Padding{})) })
	make("average pools", image, func(s *sketch) {
		x := s.conv(in, 2, 3, one, one, one, nn.Padding{})
		s.pool(nn.OpAvgPool, s.pool(nn.OpAvgPool, x, 3, 1, 1), 2, 2, 0)
	})
	make("maximum pools", image, func(s *sketch) {
		x := s.conv(in, 2, 3, one, one, one, nn.Padding{})
		y := s.pool(nn.OpMaxPool, x, 3, 1, 1)
		s.pool(nn.OpMaxPool, s.join(nn.OpAdd, x, y), 3, 2, 1)
	})
	make("concat", image, func(s *sketch) {
		x := s.conv(in, 2, 3, one, one, one, nn.Padding{})
		y := s.conv(in, 2, 2, one, one, one, nn.Padding{})
		s.conv(s.join(nn.OpConcat, x, y, s.norm(y, 2)), 7, 2, [2]int{3, 3}, one, one, nn.Pad(1))
	})
	make("dropout", image, func(s *sketch) {
		x := s.conv(in, 2, 3, one, one, one, nn.Padding{})
		s.conv(s.add(nn.Node{Op: nn.OpDropout, Inputs: []string{x}, Rate: 0.3}), 3, 2, one, one, one, nn.Padding{})
	})
	make("zero", image, func(s *sketch) {
		z := s.add(nn.Node{Op: nn.OpZero, Inputs: []string{in}, Channels: 3})
		n := s.norm(s.conv(z, 3, 2, one, one, one, nn.Padding{}), 2)
		s.join(nn.OpAdd, n, in)
	})
	make("linear at each pixel", image, func(s *sketch) { s.linear(s.conv(in, 2, 3, one, one, one, nn.Padding{}), 3, 2) })
	make("features", nn.Shape{Channels: 3, Height: 2, Width: 2}, func(s *sketch) {
		x := s.linear(s.unary(nn.OpGlobalAvgPool, in), 3, 6)
		s.linear(s.unary(nn.OpReLU, s.join(nn.OpAdd, x, x)), 6, 4)
	})
	return all
}

// gradientJob makes data for a sketch: three samples.
func gradientJob(t *testing.T, s *sketch, loss nn.Loss, decoded bool) *nn.GradientJob {
	t.Helper()
	shapes, err := s.n.Shapes()
	if err != nil {
		t.Fatal(err)
	}
	const batch = 3
	out := shapes[s.n.Output]
	r := nn.Stream(5, "numeric", 0)
	d := &nn.Dataset{Inputs: nn.Array{Shape: append([]int{batch}, s.n.Input.Dims()...)}, Targets: nn.Array{Shape: append([]int{batch}, out.Dims()...)}}
	for range batch * s.n.Input.Size() {
		d.Inputs.Data = append(d.Inputs.Data, float32(r.NormFloat64()))
	}
	for range batch * out.Size() {
		d.Targets.Data = append(d.Targets.Data, float32(r.Float64()))
	}
	for range batch {
		d.Labels = append(d.Labels, int32(r.IntN(out.Channels)))
	}
	j := &nn.GradientJob{Network: &s.n, Weights: nn.InitialWeights(&s.n, 9), Data: d, Loss: loss, Precision: nn.Float64, Inputs: true}
	if decoded {
		j.Decoding = &nn.Decoding{}
		for range out.Size() {
			j.Decoding.Scale = append(j.Decoding.Scale, 1+r.Float64())
			j.Decoding.Shift = append(j.Decoding.Shift, r.NormFloat64())
		}
	}
	return j
}

// checkGradients compares with central differences: of every element of every
// parameter, and of some of the inputs.
func checkGradients(t *testing.T, j *nn.GradientJob) {
	t.Helper()
	e := New()
	run := func() *nn.Gradients {
		g, err := e.Gradients(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	g := run()
	largest := 0.0
	for _, p := range g.Parameters {
		for _, v := range p.Data {
			largest = max(largest, math.Abs(v))
		}
	}
	const step = 1e-6
	check := func(what string, got, plus, minus, width float64) {
		want := (plus - minus) / width
		if d := math.Abs(got - want); !(d <= 2e-6*max(largest, math.Abs(want), 1e-2)) {
			t.Errorf("gradient of %s is %v, by differences %v", what, got, want)
		}
	}
	for _, p := range j.Network.Parameters {
		w := j.Weights[p.Name].Data
		for i := 0; i < len(w); i += 1 + len(w)/12 {
			at := w[i]
			w[i] = at + step
			plus := run().Loss
			w[i] = at - step
			minus := run().Loss
			w[i] = at
			check(fmt.Sprintf("%s[%d]", p.Name, i), g.Parameters[p.Name].Data[i], plus, minus, 2*step)
		}
	}
	x := j.Data.Inputs.Data
	for i := 0; i < len(x) && len(g.Inputs.Data) > 0; i += 1 + len(x)/9 {
		at := x[i]
		x[i] = at + 1e-4 // inputs are float32: the real difference counts
		high, plus := float64(x[i]), run().Loss
		x[i] = at - 1e-4
		low, minus := float64(x[i]), run().Loss
		x[i] = at
		want, got := (plus-minus)/(high-low), g.Inputs.Data[i]
		if d := math.Abs(got - want); !(d <= 1e-4*max(math.Abs(want), largest, 1e-2)) {
			t.Errorf("gradient of input %d is %v, by differences %v", i, got, want)
		}
	}
}

func TestOperationsByDifferences(t *testing.T) {
	racetest.Skip(t, "the same loops run in others of these tests, on less data")
	for name, s := range sketches() {
		t.Run(name, func(t *testing.T) { checkGradients(t, gradientJob(t, s, nn.MSE, false)) })
	}
}

func TestLossesByDifferences(t *testing.T) {
	racetest.Skip(t, "the same loops run in others of these tests, on less data")
	for _, test := range []struct {
		loss    nn.Loss
		decoded bool
	}{{nn.CrossEntropy, false}, {nn.BCE, false}, {nn.MSE, true}, {nn.RelativeL2, false}, {nn.RelativeL2, true}, {nn.SumOutputs, false}} {
		t.Run(fmt.Sprintf("%s decoded %v", test.loss, test.decoded), func(t *testing.T) {
			checkGradients(t, gradientJob(t, sketches()["features"], test.loss, test.decoded))
		})
	}
}
