package nn

import (
	"fmt"
	"slices"
)

// Initialisation is how a builder starts convolutions and linear layers. Batch
// normalisation starts at scale 1 and shift 0 in both.
type Initialisation string

// The initialisations of whole networks.
const (
	// InitDefault is PyTorch's default of every layer.
	InitDefault Initialisation = "default"
	// InitKaiming is Kaiming normal with fan_out for convolutions, as wide
	// residual networks start; linear layers keep PyTorch's default weights, and
	// their bias is zero.
	InitKaiming Initialisation = "kaiming_fan_out"
)

// PyTorch's defaults of batch normalisation.
const (
	batchNormEpsilon  = 1e-5
	batchNormMomentum = 0.1
)

// builder adds nodes one after the other, and keeps the shapes.
type builder struct {
	network Network
	init    Initialisation
	shapes  map[string]Shape
}

func newBuilder(name string, input Shape, init Initialisation) *builder {
	return &builder{
		network: Network{Name: name, Input: input, Parameters: []Parameter{}, Buffers: []Parameter{}},
		init:    init,
		shapes:  map[string]Shape{InputName: input},
	}
}

// finish validates the network: the builder's last node is its output.
func (b *builder) finish() (*Network, error) {
	if b.init != InitDefault && b.init != InitKaiming {
		return nil, fmt.Errorf("network %q: unknown initialisation %q; they are %s, %s", b.network.Name, b.init, InitDefault, InitKaiming)
	}
	b.network.Output = b.network.Nodes[len(b.network.Nodes)-1].Name
	n := b.network
	if err := n.Validate(); err != nil {
		return nil, err
	}
	return &n, nil
}

// add appends a node and returns its name. A node that does not fit leaves no
// shape behind, and finish reports it.
func (b *builder) add(n Node, out Shape) string {
	b.network.Nodes = append(b.network.Nodes, n)
	b.shapes[n.Name] = out
	return n.Name
}

func (b *builder) parameter(name string, init Init, shape ...int) string {
	b.network.Parameters = append(b.network.Parameters, Parameter{Name: name, Shape: shape, Init: init})
	return name
}

func (b *builder) conv(name, in string, out int, kernel, stride [2]int, pad Padding) string {
	x := b.shapes[in]
	init := Init{Name: FanUniform, Fan: x.Channels * kernel[0] * kernel[1]}
	if b.init == InitKaiming {
		init = Init{Name: KaimingNormal, Fan: out * kernel[0] * kernel[1]}
	}
	n := Node{Name: name, Op: OpConv2d, Inputs: []string{in}, Kernel: kernel, Stride: stride, Padding: pad, Dilation: [2]int{1, 1}}
	n.Weight = b.parameter(name+".weight", init, out, x.Channels, kernel[0], kernel[1])
	shape, _ := window(&n, x, n.Dilation)
	shape.Channels = out
	return b.add(n, shape)
}

// square adds a convolution with a square kernel that keeps the sides at
// stride 1.
func (b *builder) square(name, in string, out, kernel, stride int) string {
	return b.conv(name, in, out, [2]int{kernel, kernel}, [2]int{stride, stride}, Pad(kernel/2))
}

func (b *builder) batchNorm(name, in string) string {
	ch := b.shapes[in].Channels
	n := Node{Name: name, Op: OpBatchNorm, Inputs: []string{in}, Epsilon: batchNormEpsilon, Momentum: batchNormMomentum}
	n.Weight = b.parameter(name+".weight", Init{Name: Ones}, ch)
	n.Bias = b.parameter(name+".bias", Init{Name: Zeros}, ch)
	n.Mean, n.Variance = name+".running_mean", name+".running_var"
	b.network.Buffers = append(b.network.Buffers,
		Parameter{Name: n.Mean, Shape: []int{ch}, Init: Init{Name: Zeros}},
		Parameter{Name: n.Variance, Shape: []int{ch}, Init: Init{Name: Ones}})
	return b.add(n, b.shapes[in])
}

func (b *builder) relu(name, in string) string {
	return b.add(Node{Name: name, Op: OpReLU, Inputs: []string{in}}, b.shapes[in])
}

func (b *builder) avgPool(name, in string, kernel, stride, pad int) string {
	n := Node{Name: name, Op: OpAvgPool, Inputs: []string{in}, Kernel: [2]int{kernel, kernel}, Stride: [2]int{stride, stride}, Padding: Pad(pad)}
	shape, _ := window(&n, b.shapes[in], [2]int{1, 1})
	return b.add(n, shape)
}

// sum adds up its inputs; one alone is passed through without a node.
func (b *builder) sum(name string, in []string) string {
	if len(in) == 1 {
		return in[0]
	}
	return b.add(Node{Name: name, Op: OpAdd, Inputs: slices.Clone(in)}, b.shapes[in[0]])
}

func (b *builder) dropout(name, in string, rate float64) string {
	if rate == 0 {
		return in
	}
	return b.add(Node{Name: name, Op: OpDropout, Inputs: []string{in}, Rate: rate}, b.shapes[in])
}

func (b *builder) globalAvgPool(name, in string) string {
	return b.add(Node{Name: name, Op: OpGlobalAvgPool, Inputs: []string{in}}, Shape{Channels: b.shapes[in].Channels})
}

func (b *builder) linear(name, in string, out int) string {
	x := b.shapes[in]
	fan := Init{Name: FanUniform, Fan: x.Channels}
	bias := fan
	if b.init == InitKaiming {
		bias = Init{Name: Zeros}
	}
	n := Node{Name: name, Op: OpLinear, Inputs: []string{in}}
	n.Weight = b.parameter(name+".weight", fan, out, x.Channels)
	n.Bias = b.parameter(name+".bias", bias, out)
	x.Channels = out
	return b.add(n, x)
}

// reluConvNorm is ReLU, convolution, batch normalisation: NAS-Bench-201's
// convolution.
func (b *builder) reluConvNorm(name, in string, out, kernel, stride int) string {
	h := b.relu(name+".relu", in)
	h = b.square(name+".conv", h, out, kernel, stride)
	return b.batchNorm(name+".bn", h)
}
