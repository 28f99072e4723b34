package nn

import (
	"fmt"

	"github.com/nbpipe/nbpipe/stages/nas"
)

// Form is what a network gives for a sample.
type Form string

// The forms.
const (
	Point Form = "point" // one vector: classes
	Dense Form = "dense" // one vector a pixel: the sides are kept throughout
)

// MaxStages is the largest number of stages of a CellNetwork, each with twice the
// channels of the one before.
const MaxStages = 8

// CellNetwork says which network is put around a NAS-Bench-201 cell.
type CellNetwork struct {
	Cell     nas.Cell
	Form     Form
	Input    Shape
	Channels int // C: of the first stage
	Cells    int // N: in each stage
	Stages   int // 0 for the benchmark's 3
	Outputs  int // classes, or values a pixel
	Init     Initialisation
}

// Build describes the network: a 3x3 stem with batch normalisation, three
// stages of N cells at C, 2C and 4C channels (or fewer stages, or more),
// batch normalisation, ReLU.
//
// The point form (NAS-Bench-201, section 2) has a residual block with stride 2
// between stages, and ends in global average pooling and a linear layer. The
// dense form (the network behind the Darcy table of NAS-Bench-360) keeps the
// sides: between stages stands one more cell, whose edges from its input widen
// the channels, and the end is a linear layer at each pixel.
//
// Edges that no signal passes and edges that lead nowhere are there, since
// they count as parameters; Network.Live leaves out the latter.
func (c CellNetwork) Build() (*Network, error) {
	if err := c.Cell.Validate(); err != nil {
		return nil, err
	}
	b, err := c.skeleton(fmt.Sprintf("cell %s %s C=%d N=%d", c.Form, c.Cell, c.Channels, c.Cells),
		func(b *builder, name, in string, ch int) string { return b.cell(name, in, ch, b.chosen(c.Cell)) })
	if err != nil {
		return nil, err
	}
	return b.finish()
}

// skeleton builds the network around cells that cell adds.
func (c CellNetwork) skeleton(name string, cell func(b *builder, name, in string, ch int) string) (*builder, error) {
	if c.Channels < 1 || c.Channels > 1<<16 || c.Cells < 1 || c.Cells > 1<<10 || c.Outputs < 1 || c.Outputs > 1<<16 {
		return nil, fmt.Errorf("cell network with %d channels, %d cells a stage and %d outputs; they must be from 1 to %d, %d and %d", c.Channels, c.Cells, c.Outputs, 1<<16, 1<<10, 1<<16)
	}
	if c.Form != Point && c.Form != Dense {
		return nil, fmt.Errorf("cell network of form %q; the forms are %s and %s", c.Form, Point, Dense)
	}
	if c.Stages == 0 {
		c.Stages = 3
	}
	if c.Stages < 1 || c.Stages > MaxStages {
		return nil, fmt.Errorf("cell network of %d stages; they are from 1 to %d", c.Stages, MaxStages)
	}
	if c.Stages != 3 {
		name += fmt.Sprintf(" stages=%d", c.Stages)
	}
	b := newBuilder(name, c.Input, c.Init)
	h := b.square("stem.conv", InputName, c.Channels, 3, 1)
	h = b.batchNorm("stem.bn", h)
	for stage := range c.Stages {
		ch := c.Channels << stage
		if stage > 0 && c.Form == Point {
			h = b.residual(fmt.Sprintf("stage%d.reduction", stage+1), h, ch)
		} else if stage > 0 {
			h = cell(b, fmt.Sprintf("stage%d.reduction", stage+1), h, ch)
		}
		for i := range c.Cells {
			h = cell(b, fmt.Sprintf("stage%d.cell%d", stage+1, i+1), h, ch)
		}
	}
	h = b.batchNorm("last.bn", h)
	h = b.relu("last.relu", h)
	if c.Form == Point {
		h = b.globalAvgPool("pool", h)
	}
	b.linear("classifier", h, c.Outputs)
	return b, nil
}

// placer adds edge i of a cell and returns its name; "" stands for zero.
type placer func(i int, name, in string, ch int) string

// chosen places a cell's operations.
func (b *builder) chosen(cell nas.Cell) placer {
	return func(i int, name, in string, ch int) string { return b.edge(name, in, cell[i], ch) }
}

// cell adds a cell. A node is the sum of its edges in the benchmark's order.
func (b *builder) cell(name, in string, ch int, place placer) string {
	nodes := [nas.NumNodes]string{in}
	for to := 1; to < nas.NumNodes; to++ {
		var terms []string
		for i, e := range nas.Edges() {
			if e.To != to {
				continue
			}
			edge := fmt.Sprintf("%s.edge%s", name, e)
			if term := place(i, edge, nodes[e.From], ch); term != "" {
				terms = append(terms, term)
			}
		}
		node := fmt.Sprintf("%s.node%d", name, to)
		if len(terms) == 0 {
			shape := b.shapes[in]
			shape.Channels = ch
			nodes[to] = b.add(Node{Name: node, Op: OpZero, Inputs: []string{in}, Channels: ch}, shape)
			continue
		}
		nodes[to] = b.sum(node, terms)
	}
	return nodes[nas.NumNodes-1]
}

// edge adds one operation; "" stands for zero. Where the channels widen, a
// skip is a 1x1 convolution with batch normalisation, and a pool comes after
// ReLU, 1x1 convolution and batch normalisation, as in the authors' code.
func (b *builder) edge(name, in string, op nas.Op, ch int) string {
	widens := b.shapes[in].Channels != ch
	switch op {
	case nas.SkipConnect:
		if !widens {
			return in
		}
		return b.batchNorm(name+".bn", b.square(name+".conv", in, ch, 1, 1))
	case nas.NorConv1x1:
		return b.reluConvNorm(name, in, ch, 1, 1)
	case nas.NorConv3x3:
		return b.reluConvNorm(name, in, ch, 3, 1)
	case nas.AvgPool3x3:
		if widens {
			in = b.reluConvNorm(name+".widen", in, ch, 1, 1)
		}
		return b.avgPool(name+".pool", in, 3, 1, 1)
	}
	return ""
}

// residual adds the block between stages: two ReLU, 3x3 convolution, batch
// normalisation, the first with stride 2, and a short cut of 2x2 average
// pooling and a 1x1 convolution.
func (b *builder) residual(name, in string, ch int) string {
	h := b.reluConvNorm(name+".a", in, ch, 3, 2)
	h = b.reluConvNorm(name+".b", h, ch, 3, 1)
	short := b.avgPool(name+".short.pool", in, 2, 2, 0)
	short = b.square(name+".short.conv", short, ch, 1, 1)
	return b.sum(name, []string{short, h})
}
