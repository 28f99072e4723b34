package nn

import (
	"fmt"
	"slices"
)

// Limits of what a description may ask for: far above every network of the
// literature, and small enough that sizes never overflow.
const (
	maxNodes   = 1 << 16
	maxSide    = 1 << 20
	maxElement = 1 << 40
)

// Validate reports the first thing that is wrong with the description: an
// unknown operation, an input that no earlier node makes, attributes an
// operation does not take, parameters of the wrong shape or used twice.
func (n *Network) Validate() error {
	_, err := n.Shapes()
	return err
}

// Shapes returns the shape of one sample's activation at every node and at the
// input. It validates the whole description.
func (n *Network) Shapes() (map[string]Shape, error) {
	c := checker{network: n, shapes: map[string]Shape{InputName: n.Input}, used: map[string]string{}}
	if err := c.header(); err != nil {
		return nil, fmt.Errorf("network %q: %w", n.Name, err)
	}
	for i := range n.Nodes {
		if err := c.node(&n.Nodes[i]); err != nil {
			return nil, fmt.Errorf("network %q: node %q: %w", n.Name, n.Nodes[i].Name, err)
		}
	}
	if err := c.footer(); err != nil {
		return nil, fmt.Errorf("network %q: %w", n.Name, err)
	}
	return c.shapes, nil
}

// checker walks a description once.
type checker struct {
	network    *Network
	shapes     map[string]Shape
	parameters map[string]Parameter
	buffers    map[string]Parameter
	used       map[string]string // parameter or buffer to the node that has it
}

func (c *checker) header() error {
	n := c.network
	if len(n.Nodes) == 0 || len(n.Nodes) > maxNodes {
		return fmt.Errorf("%d nodes; a network has 1 to %d", len(n.Nodes), maxNodes)
	}
	if in := n.Input; in.Channels < 1 || in.Channels > maxSide || in.Height < 1 || in.Height > maxSide || in.Width < 1 || in.Width > maxSide {
		return fmt.Errorf("input of %d channels, %d x %d; each must be from 1 to %d (a series has height 1)", in.Channels, in.Height, in.Width, maxSide)
	}
	var err error
	if c.parameters, err = byName(n.Parameters); err != nil {
		return fmt.Errorf("parameters: %w", err)
	}
	if c.buffers, err = byName(n.Buffers); err != nil {
		return fmt.Errorf("buffers: %w", err)
	}
	for name := range c.buffers {
		if _, both := c.parameters[name]; both {
			return fmt.Errorf("%q is both a parameter and a buffer", name)
		}
	}
	return nil
}

func byName(list []Parameter) (map[string]Parameter, error) {
	m := make(map[string]Parameter, len(list))
	for _, p := range list {
		if p.Name == "" {
			return nil, fmt.Errorf("one has no name")
		}
		if _, twice := m[p.Name]; twice {
			return nil, fmt.Errorf("%q stands there twice", p.Name)
		}
		size := int64(1)
		for _, d := range p.Shape {
			if d < 1 || d > maxSide {
				return nil, fmt.Errorf("%q has a side of %d; sides are from 1 to %d", p.Name, d, maxSide)
			}
			if size *= int64(d); size > maxElement {
				return nil, fmt.Errorf("%q has over %d elements", p.Name, int64(maxElement))
			}
		}
		if err := p.Init.validate(); err != nil {
			return nil, fmt.Errorf("%q: %w", p.Name, err)
		}
		m[p.Name] = p
	}
	return m, nil
}

func (c *checker) footer() error {
	if c.network.Output == InputName {
		return fmt.Errorf("the output is the input: there is nothing to train")
	}
	if _, ok := c.shapes[c.network.Output]; !ok {
		return fmt.Errorf("output %q is no node", c.network.Output)
	}
	for _, list := range [][]Parameter{c.network.Parameters, c.network.Buffers} {
		for _, p := range list {
			if c.used[p.Name] == "" {
				return fmt.Errorf("no node has the parameter or buffer %q", p.Name)
			}
		}
	}
	return nil
}

func (c *checker) node(n *Node) error {
	if n.Name == "" {
		return fmt.Errorf("it has no name")
	}
	if _, twice := c.shapes[n.Name]; twice {
		return fmt.Errorf("the name stands there twice, or is %q", InputName)
	}
	if !slices.Contains(ops, n.Op) {
		return fmt.Errorf("unknown operation %q; the operations are %s", n.Op, opList())
	}
	in := make([]Shape, len(n.Inputs))
	for i, name := range n.Inputs {
		s, ok := c.shapes[name]
		if !ok {
			return fmt.Errorf("input %q is no earlier node", name)
		}
		in[i] = s
	}
	if many := n.Op == OpAdd || n.Op == OpConcat; many && len(in) < 2 || !many && len(in) != 1 {
		return fmt.Errorf("%s with %d inputs; add and concat take two or more, the others one", n.Op, len(in))
	}
	if err := n.unused(); err != nil {
		return err
	}
	out, err := c.shape(n, in)
	if err != nil {
		return err
	}
	if int64(out.Channels)*int64(out.Area()) > maxElement {
		return fmt.Errorf("its result of %s is too large", out)
	}
	c.shapes[n.Name] = out
	return nil
}

// unused reports an attribute that the operation does not take.
func (n *Node) unused() error {
	window := n.Op == OpConv2d || n.Op == OpAvgPool || n.Op == OpMaxPool
	norm := n.Op == OpBatchNorm
	for _, a := range []struct {
		name  string
		set   bool
		taken bool
	}{
		{"kernel", n.Kernel != [2]int{}, window},
		{"stride", n.Stride != [2]int{}, window},
		{"padding", n.Padding != Padding{}, window},
		{"dilation", n.Dilation != [2]int{}, n.Op == OpConv2d},
		{"channels", n.Channels != 0, n.Op == OpZero},
		{"epsilon", n.Epsilon != 0, norm},
		{"momentum", n.Momentum != 0, norm},
		{"rate", n.Rate != 0, n.Op == OpDropout},
		{"weight", n.Weight != "", norm || n.Op == OpConv2d || n.Op == OpLinear},
		{"bias", n.Bias != "", norm || n.Op == OpLinear},
		{"mean", n.Mean != "", norm},
		{"variance", n.Variance != "", norm},
	} {
		if a.set && !a.taken {
			return fmt.Errorf("%s takes no %s", n.Op, a.name)
		}
	}
	return nil
}

func (c *checker) shape(n *Node, in []Shape) (Shape, error) {
	x := in[0]
	if x.Flat() && (n.Op == OpConv2d || n.Op == OpAvgPool || n.Op == OpMaxPool || n.Op == OpBatchNorm || n.Op == OpGlobalAvgPool || n.Op == OpConcat) {
		return Shape{}, fmt.Errorf("%s needs channels, height and width, and its input is a vector of %s features", n.Op, x)
	}
	switch n.Op {
	case OpConv2d:
		return c.conv(n, x)
	case OpBatchNorm:
		return x, c.batchNorm(n, x)
	case OpAvgPool, OpMaxPool:
		return window(n, x, [2]int{1, 1})
	case OpAdd:
		return x, sameShapes(in)
	case OpConcat:
		return concat(in)
	case OpGlobalAvgPool:
		return Shape{Channels: x.Channels}, nil
	case OpLinear:
		return c.linear(n, x)
	case OpDropout:
		if !(n.Rate >= 0 && n.Rate < 1) {
			return Shape{}, fmt.Errorf("rate is %v; it must be at least 0 and below 1", n.Rate)
		}
	case OpZero:
		if n.Channels < 0 || n.Channels > maxSide {
			return Shape{}, fmt.Errorf("channels is %d; it must be from 1 to %d", n.Channels, maxSide)
		}
		if n.Channels > 0 {
			x.Channels = n.Channels
		}
	}
	return x, nil
}

func sameShapes(in []Shape) error {
	for _, s := range in[1:] {
		if s != in[0] {
			return fmt.Errorf("its inputs differ in shape: %s and %s (where blocks halve the sides, the input's sides must be even at each)", in[0], s)
		}
	}
	return nil
}

func concat(in []Shape) (Shape, error) {
	out := in[0]
	for _, s := range in[1:] {
		if s.Height != out.Height || s.Width != out.Width {
			return Shape{}, fmt.Errorf("its inputs differ in height or width: %s and %s", in[0], s)
		}
		out.Channels += s.Channels
	}
	return out, nil
}

// window gives the shape after a kernel has been moved over the input.
func window(n *Node, x Shape, dilation [2]int) (Shape, error) {
	p := n.Padding
	for _, v := range []int{p.Top, p.Bottom, p.Left, p.Right} {
		if v < 0 || v > maxSide {
			return Shape{}, fmt.Errorf("a padding of %d; it must be from 0 to %d", v, maxSide)
		}
	}
	out := x
	for i, side := range []*int{&out.Height, &out.Width} {
		k, s, d := n.Kernel[i], n.Stride[i], dilation[i]
		if k < 1 || k > maxSide || s < 1 || s > maxSide || d < 1 || d > maxSide {
			return Shape{}, fmt.Errorf("kernel %v, stride %v, dilation %v; each must be from 1 to %d", n.Kernel, n.Stride, dilation, maxSide)
		}
		padded, reach := *side+p.Top+p.Bottom, d*(k-1)+1
		if i == 1 {
			padded = *side + p.Left + p.Right
		}
		if reach > padded {
			return Shape{}, fmt.Errorf("its kernel reaches over %d cells, and the padded input has %d: the input of %s is too small for this network", reach, padded, x)
		}
		*side = (padded-reach)/s + 1
	}
	if n.Op == OpAvgPool || n.Op == OpMaxPool {
		if p.Top >= n.Kernel[0] || p.Bottom >= n.Kernel[0] || p.Left >= n.Kernel[1] || p.Right >= n.Kernel[1] {
			return Shape{}, fmt.Errorf("its padding is as large as its kernel: some windows would be empty")
		}
	}
	return out, nil
}

func (c *checker) conv(n *Node, x Shape) (Shape, error) {
	out, err := window(n, x, n.Dilation)
	if err != nil {
		return Shape{}, err
	}
	w, err := c.take(n, "weight", n.Weight, c.parameters)
	if err != nil {
		return Shape{}, err
	}
	if len(w.Shape) != 4 || w.Shape[1] != x.Channels || w.Shape[2] != n.Kernel[0] || w.Shape[3] != n.Kernel[1] {
		return Shape{}, fmt.Errorf("weight %q is %v; on an input of %s it must be (out, %d, %d, %d)", n.Weight, w.Shape, x, x.Channels, n.Kernel[0], n.Kernel[1])
	}
	out.Channels = w.Shape[0]
	return out, nil
}

func (c *checker) linear(n *Node, x Shape) (Shape, error) {
	w, err := c.take(n, "weight", n.Weight, c.parameters)
	if err != nil {
		return Shape{}, err
	}
	if len(w.Shape) != 2 || w.Shape[1] != x.Channels {
		return Shape{}, fmt.Errorf("weight %q is %v; on an input of %s it must be (out, %d)", n.Weight, w.Shape, x, x.Channels)
	}
	if n.Bias != "" {
		b, err := c.take(n, "bias", n.Bias, c.parameters)
		if err != nil {
			return Shape{}, err
		}
		if !slices.Equal(b.Shape, w.Shape[:1]) {
			return Shape{}, fmt.Errorf("bias %q is %v; it must be %v", n.Bias, b.Shape, w.Shape[:1])
		}
	}
	x.Channels = w.Shape[0]
	return x, nil
}

func (c *checker) batchNorm(n *Node, x Shape) error {
	if !(n.Epsilon > 0) || !(n.Momentum > 0 && n.Momentum <= 1) {
		return fmt.Errorf("epsilon is %v, momentum %v; epsilon must be over 0, momentum over 0 and at most 1", n.Epsilon, n.Momentum)
	}
	for _, p := range []struct {
		what, name string
		list       map[string]Parameter
	}{
		{"weight", n.Weight, c.parameters},
		{"bias", n.Bias, c.parameters},
		{"mean", n.Mean, c.buffers},
		{"variance", n.Variance, c.buffers},
	} {
		v, err := c.take(n, p.what, p.name, p.list)
		if err != nil {
			return err
		}
		if !slices.Equal(v.Shape, []int{x.Channels}) {
			return fmt.Errorf("%s %q is %v; on an input of %s it must be [%d]", p.what, p.name, v.Shape, x, x.Channels)
		}
	}
	return nil
}

// take finds a parameter of a node and notes its owner: no two nodes share one.
func (c *checker) take(n *Node, what, name string, list map[string]Parameter) (Parameter, error) {
	p, ok := list[name]
	if !ok {
		return p, fmt.Errorf("%s %q is not among the network's parameters or buffers", what, name)
	}
	if owner := c.used[name]; owner != "" {
		return p, fmt.Errorf("%s %q belongs to node %q already", what, name, owner)
	}
	c.used[name] = n.Name
	return p, nil
}
