package gorgonia

import (
	"slices"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// layer is one value of the forward graph: a convolution or linear layer of a
// source, a global average pool, or a sum of terms.
type layer struct {
	node    nn.Node // conv2d, linear and global_avg_pool: the node; else the sum's last node
	name    string  // of the value
	shape   nn.Shape
	source  string // conv2d, linear, global_avg_pool: the value it reads
	rectify bool   // conv2d: negative values of the source count as zero
	terms   []term // of a sum
	relu    bool   // of a sum: rectified
}

// sum reports whether the layer is a sum of terms.
func (l *layer) sum() bool { return l.source == "" }

// term is a part of a sum: a value passed through one node, or unchanged.
type term struct {
	node    nn.Node // batch_norm, avg_pool, max_pool, dropout; add or concat for an unchanged value
	source  string
	channel int // the sum's channel at which it starts: concat
}

func (t *term) norm() bool { return t.node.Op == nn.OpBatchNorm }

// fuser turns live nodes into layers.
type fuser struct {
	nodes     map[string]nn.Node
	consumers map[string][]nn.Node
	shapes    map[string]nn.Shape
	output    string
}

// fuse returns the layers of a network in topological order; the last is its
// output.
//
// A sum takes in the batch normalisations, pools and dropouts that nobody else
// reads. A ReLU is taken in by the sum before it if nobody else reads that, or
// else by the convolutions after it if nobody but convolutions reads it.
func fuse(n *nn.Network, shapes map[string]nn.Shape) []layer {
	f := fuser{nodes: map[string]nn.Node{}, consumers: map[string][]nn.Node{}, shapes: shapes, output: n.Output}
	live := n.Live()
	for _, node := range live {
		f.nodes[node.Name] = node
		if node.Op == nn.OpZero {
			continue
		}
		for _, in := range node.Inputs {
			f.consumers[in] = append(f.consumers[in], node)
		}
	}
	var layers []layer
	for _, node := range live {
		if !f.inlined(node) {
			layers = append(layers, f.layer(node))
		}
	}
	return layers
}

// alone returns the only consumer of a node.
func (f *fuser) alone(name string) (nn.Node, bool) {
	c := f.consumers[name]
	if len(c) != 1 || name == f.output {
		return nn.Node{}, false
	}
	return c[0], true
}

// inlined reports whether a node becomes part of its consumers' layers.
func (f *fuser) inlined(n nn.Node) bool {
	switch n.Op {
	case nn.OpBatchNorm, nn.OpAvgPool, nn.OpMaxPool, nn.OpDropout:
		c, ok := f.alone(n.Name)
		return ok && (c.Op == nn.OpAdd || c.Op == nn.OpReLU)
	case nn.OpAdd:
		c, ok := f.alone(n.Name)
		return ok && c.Op == nn.OpReLU
	case nn.OpReLU:
		return f.intoConvs(n)
	}
	return false
}

// intoConvs reports whether a ReLU is taken in by the convolutions after it.
func (f *fuser) intoConvs(n nn.Node) bool {
	if before, ok := f.nodes[n.Inputs[0]]; ok && f.inlined(before) {
		return false
	}
	return n.Name != f.output && !slices.ContainsFunc(f.consumers[n.Name], func(c nn.Node) bool { return c.Op != nn.OpConv2d })
}

func (f *fuser) layer(n nn.Node) layer {
	l := layer{node: n, name: n.Name, shape: f.shapes[n.Name]}
	switch n.Op {
	case nn.OpConv2d, nn.OpLinear, nn.OpGlobalAvgPool:
		l.source = n.Inputs[0]
		if relu, ok := f.nodes[l.source]; ok && relu.Op == nn.OpReLU && f.inlined(relu) {
			l.source, l.rectify = relu.Inputs[0], true
		}
	case nn.OpReLU:
		l.relu = true
		if before, ok := f.nodes[n.Inputs[0]]; ok && f.inlined(before) {
			l.node = before
			l.terms = f.terms(before)
		} else {
			l.terms = []term{{node: n, source: n.Inputs[0]}}
		}
	default:
		l.terms = f.terms(n)
	}
	return l
}

func (f *fuser) terms(n nn.Node) []term {
	switch n.Op {
	case nn.OpZero:
		return nil
	case nn.OpAdd, nn.OpConcat:
		var terms []term
		channel := 0
		for _, in := range n.Inputs {
			t := term{node: n, source: in, channel: channel}
			if before, ok := f.nodes[in]; ok && n.Op == nn.OpAdd && f.inlined(before) {
				t = term{node: before, source: before.Inputs[0]}
			}
			terms = append(terms, t)
			if n.Op == nn.OpConcat {
				channel += f.shapes[in].Channels
			}
		}
		return terms
	}
	return []term{{node: n, source: n.Inputs[0]}}
}
