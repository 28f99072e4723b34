package nn

import (
	"strings"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nas"
)

// The supernet holds the parameters of every cell's network: under the edge's
// operation, or outside cells under the same name.
func TestSupernetHoldsEveryCell(t *testing.T) {
	for _, form := range []Form{Point, Dense} {
		c := CellNetwork{Form: form, Input: Shape{1, 8, 8}, Channels: 4, Cells: 2, Outputs: 3, Init: InitDefault}
		s, err := c.BuildSupernet()
		if err != nil {
			t.Fatal(err)
		}
		cells := map[Form]int{Point: 6, Dense: 8}[form]
		if len(s.Mixtures) != cells*nas.NumEdges {
			t.Errorf("%s: %d mixtures in %d cells", form, len(s.Mixtures), cells)
		}
		for _, n := range s.Network.Nodes {
			if edge, ok := s.Mixtures[n.Name]; ok && (len(n.Inputs) != nas.NumOps || !strings.HasSuffix(n.Name, ".edge"+nas.Edges()[edge].String())) {
				t.Errorf("%s: mixture %q of edge %d has the inputs %v", form, n.Name, edge, n.Inputs)
			}
		}
		for _, op := range nas.Ops() {
			c.Cell = nas.Cell{op, op, op, op, op, op}
			for _, p := range mustBuild(t, c).Parameters {
				name := p.Name
				if at := strings.Index(name, ".edge"); at >= 0 {
					name = name[:at+len(".edge0-1")] + "." + op.String() + name[at+len(".edge0-1"):]
				}
				shared, ok := s.Network.Parameter(name)
				if !ok || shared.Size() != p.Size() || shared.Init != p.Init {
					t.Errorf("%s: %s is %v in the supernet, want %v", form, name, shared, p)
				}
			}
		}
	}
}
