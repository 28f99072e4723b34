package nn

import (
	"fmt"
	"slices"
	"strings"
)

// Op is the operation of a node.
type Op string

// The operations. All take activations (batch, channels, height, width) unless
// said otherwise.
const (
	OpConv2d        Op = "conv2d"          // cross-correlation without bias; weight (out, in, kernel height, kernel width)
	OpBatchNorm     Op = "batch_norm"      // per channel over batch, height and width
	OpReLU          Op = "relu"            // max(x, 0); its derivative at 0 is 0
	OpAvgPool       Op = "avg_pool"        // mean over the window's cells inside the input: padding is not counted
	OpMaxPool       Op = "max_pool"        // padding never wins; of equal cells the first in row-major order gets the gradient
	OpAdd           Op = "add"             // sum of two or more inputs, from left to right
	OpConcat        Op = "concat"          // along the channels
	OpGlobalAvgPool Op = "global_avg_pool" // mean over height and width; the result is (batch, channels)
	OpLinear        Op = "linear"          // on (batch, features), or at each pixel of (batch, channels, height, width); weight (out, in)
	OpDropout       Op = "dropout"         // zeroes with probability Rate and scales by 1/(1-Rate) in training, else nothing
	OpZero          Op = "zero"            // zeros of its input's shape, or with Channels channels where that is set
)

var ops = []Op{OpConv2d, OpBatchNorm, OpReLU, OpAvgPool, OpMaxPool, OpAdd, OpConcat, OpGlobalAvgPool, OpLinear, OpDropout, OpZero}

// InputName is the name under which nodes refer to the network's input.
const InputName = "input"

// Network is a network as data.
//
// Nodes that the output does not depend on are never run, and their parameters
// stay as they were initialised; they count as parameters all the same.
type Network struct {
	Name       string      `json:"name"`
	Input      Shape       `json:"input"` // channels, height, width of one sample
	Parameters []Parameter `json:"parameters"`
	Buffers    []Parameter `json:"buffers"` // running statistics: state that is not trained
	Nodes      []Node      `json:"nodes"`   // in topological order
	Output     string      `json:"output"`  // name of the last node
}

// Shape is the shape of one sample's activation: channels, height, width, or
// features alone (Height and Width are 0).
type Shape struct {
	Channels int `json:"channels"`
	Height   int `json:"height,omitempty"`
	Width    int `json:"width,omitempty"`
}

// Flat reports whether the activation is a vector of features.
func (s Shape) Flat() bool { return s.Height == 0 && s.Width == 0 }

// Area is the number of pixels, 1 for a vector of features.
func (s Shape) Area() int {
	if s.Flat() {
		return 1
	}
	return s.Height * s.Width
}

// Size is the number of elements of one sample.
func (s Shape) Size() int { return s.Channels * s.Area() }

// Dims returns the shape as a list: [C], or [C, H, W].
func (s Shape) Dims() []int {
	if s.Flat() {
		return []int{s.Channels}
	}
	return []int{s.Channels, s.Height, s.Width}
}

// String returns the shape as C, or C x H x W.
func (s Shape) String() string {
	if s.Flat() {
		return fmt.Sprint(s.Channels)
	}
	return fmt.Sprintf("%d x %d x %d", s.Channels, s.Height, s.Width)
}

// Parameter is a trained tensor, or a buffer.
type Parameter struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
	Init  Init   `json:"init"`
}

// Size is the number of elements.
func (p Parameter) Size() int {
	n := 1
	for _, d := range p.Shape {
		n *= d
	}
	return n
}

// Node is one operation. Which attributes an operation has is said at its
// field; the others are zero.
type Node struct {
	Name   string   `json:"name"`
	Op     Op       `json:"op"`
	Inputs []string `json:"inputs"`

	Kernel   [2]int  `json:"kernel,omitzero"`    // conv2d, avg_pool, max_pool: height, width
	Stride   [2]int  `json:"stride,omitzero"`    // conv2d, avg_pool, max_pool
	Padding  Padding `json:"padding,omitzero"`   // conv2d, avg_pool, max_pool
	Dilation [2]int  `json:"dilation,omitzero"`  // conv2d
	Channels int     `json:"channels,omitempty"` // zero: channels of the result, where they differ from the input's
	Epsilon  float64 `json:"epsilon,omitempty"`  // batch_norm: added to the variance
	Momentum float64 `json:"momentum,omitempty"` // batch_norm: weight of the new batch in the running statistics
	Rate     float64 `json:"rate,omitempty"`     // dropout

	Weight   string `json:"weight,omitempty"`   // conv2d, linear, batch_norm (scale): name of a parameter
	Bias     string `json:"bias,omitempty"`     // linear, batch_norm (shift)
	Mean     string `json:"mean,omitempty"`     // batch_norm: name of the buffer of running means
	Variance string `json:"variance,omitempty"` // batch_norm: name of the buffer of running variances (unbiased, as PyTorch's)
}

// Padding is the number of zero rows and columns around an input. Sides may
// differ, since "same" padding of an even kernel needs it.
type Padding struct {
	Top    int `json:"top,omitempty"`
	Bottom int `json:"bottom,omitempty"`
	Left   int `json:"left,omitempty"`
	Right  int `json:"right,omitempty"`
}

// Pad returns the same padding on all four sides.
func Pad(n int) Padding { return Padding{Top: n, Bottom: n, Left: n, Right: n} }

// Parameter finds a parameter by name.
func (n *Network) Parameter(name string) (Parameter, bool) { return find(n.Parameters, name) }

// Buffer finds a buffer by name.
func (n *Network) Buffer(name string) (Parameter, bool) { return find(n.Buffers, name) }

func find(list []Parameter, name string) (Parameter, bool) {
	i := slices.IndexFunc(list, func(p Parameter) bool { return p.Name == name })
	if i < 0 {
		return Parameter{}, false
	}
	return list[i], true
}

// ParameterCount is the number of trained numbers, of nodes that are never run
// included.
func (n *Network) ParameterCount() int64 {
	var total int64
	for _, p := range n.Parameters {
		total += int64(p.Size())
	}
	return total
}

// MultiplyAccumulates counts the multiply-accumulates of one sample as
// NAS-Bench-201 does: convolutions and linear layers with their bias; nodes
// that are never run count, too.
func (n *Network) MultiplyAccumulates() (int64, error) {
	shapes, err := n.Shapes()
	if err != nil {
		return 0, err
	}
	var total int64
	for _, node := range n.Nodes {
		if node.Op != OpConv2d && node.Op != OpLinear {
			continue
		}
		weight, _ := n.Parameter(node.Weight)
		area := int64(shapes[node.Name].Area())
		total += int64(weight.Size()) * area
		if node.Bias != "" {
			bias, _ := n.Parameter(node.Bias)
			total += int64(bias.Size()) * area
		}
	}
	return total, nil
}

// Live returns the nodes that the output depends on, in order.
func (n *Network) Live() []Node {
	needed := map[string]bool{n.Output: true}
	live := make([]Node, 0, len(n.Nodes))
	for _, node := range slices.Backward(n.Nodes) {
		if !needed[node.Name] {
			continue
		}
		live = append(live, node)
		if node.Op == OpZero {
			continue // a shape is all that it takes from its input
		}
		for _, in := range node.Inputs {
			needed[in] = true
		}
	}
	slices.Reverse(live)
	return live
}

func opList() string {
	names := make([]string, len(ops))
	for i, op := range ops {
		names[i] = string(op)
	}
	return strings.Join(names, ", ")
}
