package drawncells

import (
	"context"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
)

// Stage is a block `dataset "drawn_cells"`.
type Stage struct {
	Count int      `attr:"count,key" default:"0" doc:"Cells to draw, each at most once."`
	Pairs int      `attr:"pairs,key" default:"0" doc:"Pairs to draw, of cells that differ in one edge."`
	Swap  []string `attr:"swap,key" default:"[\"nor_conv_3x3\", \"nor_conv_1x1\"]" doc:"The operations of the first and of the second cell of a pair on that edge."`
	Seed  uint64   `attr:"seed,key" default:"777" doc:"Seed of the draws."`
}

// Kind is the kind `dataset "drawn_cells"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "dataset", Type: "drawn_cells", Version: 1, Reproducible: true,
	Doc: "Cells of NAS-Bench-201 drawn uniformly, and pairs of cells that differ in the operation on one edge. Computed, not fetched.",
	Outputs: map[string]string{
		"architectures": "The cells, |op~0|+|op~0|op~1|+|op~0|op~1|op~2|.",
		"indices":       "Their numbers in NAS-Bench-201.",
		"pairs":         "Pairs of cells that differ in one edge.",
	},
})

var pairType = cty.Object(map[string]cty.Type{"first": cty.String, "second": cty.String, "edge": cty.String})

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{"architectures": cty.List(cty.String), "indices": cty.List(cty.Number), "pairs": cty.List(pairType)}
}

const mostPairs = 10_000

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	var out []stages.Problem
	for name, most := range map[string]int64{"count": nas.Size, "pairs": mostPairs} {
		if !attrs.Known(name) {
			continue
		}
		v, _ := attrs[name].Unmark()
		if n, _ := v.AsBigFloat().Int64(); !v.AsBigFloat().IsInt() || n < 0 || n > most {
			out = append(out, stages.Problem{
				Attribute: name, Summary: "Out of range", Detail: fmt.Sprintf("%s is %s; it must be a whole number from 0 to %d.", name, stages.NumberText(v.AsBigFloat()), most),
			})
		}
	}
	if attrs.Known("swap") {
		if _, err := swap(attrs.Strings("swap")); err != nil {
			out = append(out, stages.Problem{Attribute: "swap", Summary: "Not two operations", Detail: err.Error() + "."})
		}
	}
	return out
}

// swap are the two operations of pairs.
func swap(names []string) ([2]nas.Op, error) {
	var ops [2]nas.Op
	if len(names) != 2 || names[0] == names[1] {
		return ops, fmt.Errorf("swap is %q; it names two different operations", names)
	}
	for i, name := range names {
		var err error
		if ops[i], err = nas.ParseOp(name); err != nil {
			return ops, err
		}
	}
	return ops, nil
}

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, _ *stages.Input, out *stages.Output) error {
	ops, err := swap(s.Swap)
	if err != nil {
		return err
	}
	names, indices, pairs := []cty.Value{}, []cty.Value{}, []cty.Value{}
	for _, i := range nn.Stream(s.Seed, "drawn cells", 0).Perm(nas.Size)[:s.Count] {
		names, indices = append(names, cty.StringVal(nas.At(i).String())), append(indices, cty.NumberIntVal(int64(i)))
	}
	for i := range s.Pairs {
		if err := ctx.Err(); err != nil {
			return err
		}
		cell, edge := draw(s.Seed, i)
		first, second := cell, cell
		first[edge], second[edge] = ops[0], ops[1]
		pairs = append(pairs, cty.ObjectVal(map[string]cty.Value{
			"first": cty.StringVal(first.String()), "second": cty.StringVal(second.String()), "edge": cty.StringVal(nas.Edges()[edge].String()),
		}))
	}
	out.Set("architectures", listOf(cty.String, names))
	out.Set("indices", listOf(cty.Number, indices))
	out.Set("pairs", listOf(pairType, pairs))
	return nil
}

func listOf(t cty.Type, values []cty.Value) cty.Value {
	if len(values) == 0 {
		return cty.ListValEmpty(t)
	}
	return cty.ListVal(values)
}

// draw finds a cell and an edge of it that matters.
func draw(seed uint64, pair int) (nas.Cell, int) {
	r := nn.Stream(seed, "drawn pairs", uint64(pair))
	for {
		cell, edge := nas.At(r.IntN(nas.Size)), r.IntN(nas.NumEdges)
		if matters(cell, edge) {
			return cell, edge
		}
	}
}

// matters reports whether the edge lies on a path from the cell's input to its
// output whose other edges are not none.
func matters(c nas.Cell, edge int) bool {
	e := nas.Edges()[edge]
	return reaches(c, 0, e.From) && reaches(c, e.To, nas.NumNodes-1)
}

// reaches reports whether there is a path whose edges are not none.
func reaches(c nas.Cell, from, to int) bool {
	if from == to {
		return true
	}
	for i, e := range nas.Edges() {
		if e.From == from && c[i] != nas.None && reaches(c, e.To, to) {
			return true
		}
	}
	return false
}
