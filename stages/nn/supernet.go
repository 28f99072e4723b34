package nn

import (
	"fmt"

	"github.com/nbpipe/nbpipe/stages/nas"
)

// Supernet is a network that holds all operations on every edge of its cells,
// with weights that all cells of the space share.
type Supernet struct {
	Network *Network

	// Mixtures are the nodes that stand for an edge: the node's name and the
	// edge's position in a cell. Such a node's inputs are the results of the
	// operations, in the benchmark's order. As the network stands they are added
	// up; a search weights them, or chooses one of them.
	Mixtures map[string]int
}

// BuildSupernet describes the supernet around the same skeleton as a cell's
// network; the cell of c is not looked at.
func (c CellNetwork) BuildSupernet() (*Supernet, error) {
	s := &Supernet{Mixtures: map[string]int{}}
	b, err := c.skeleton(fmt.Sprintf("supernet %s C=%d N=%d", c.Form, c.Channels, c.Cells),
		func(b *builder, name, in string, ch int) string { return b.cell(name, in, ch, s.mixture(b)) })
	if err != nil {
		return nil, err
	}
	s.Network, err = b.finish()
	return s, err
}

// mixture places all operations, and a node over them.
func (s *Supernet) mixture(b *builder) placer {
	return func(i int, name, in string, ch int) string {
		var terms []string
		for _, op := range nas.Ops() {
			term := b.edge(name+"."+op.String(), in, op, ch)
			if term == "" {
				shape := b.shapes[in]
				shape.Channels = ch
				term = b.add(Node{Name: name + "." + op.String(), Op: OpZero, Inputs: []string{in}, Channels: ch}, shape)
			}
			terms = append(terms, term)
		}
		s.Mixtures[name] = i
		return b.sum(name, terms)
	}
}
