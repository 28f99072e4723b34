package latencytable

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/tablefile"
)

// Stage is a block `preprocess "latency_table"`.
type Stage struct {
	Latencies     map[string]stages.File `attr:"latencies,key" doc:"Device to the file of its latencies, a number a cell in the order of encoding. The names become columns."`
	Encoding      stages.File            `attr:"encoding,key" doc:"File of the cells: a row a cell, five zeros and ones an edge, and a constant 1 that may be missing."`
	Edges         []string               `attr:"edges,key" default:"[\"0-1\",\"0-2\",\"1-2\",\"0-3\",\"1-3\",\"2-3\"]" doc:"The edges that the blocks of encoding stand for, in their order."`
	Operations    []string               `attr:"operations,key" default:"[\"none\",\"skip_connect\",\"nor_conv_1x1\",\"nor_conv_3x3\",\"avg_pool_3x3\"]" doc:"The operations that the places of a block stand for, in their order."`
	NotMeasurable []float64              `attr:"not_measurable,key" default:"[]" doc:"Values that say that a cell could not be measured, such as [-1]: they become missing values."`
	Unit          string                 `attr:"unit,key" default:"\"ms\"" doc:"Unit of the latencies."`
}

// Kind is the kind `preprocess "latency_table"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "preprocess", Type: "latency_table", Version: 1, Reproducible: true,
	Doc: "Latencies published as lists, one file a device, with a one-hot encoding of their cells, as a table: a row a cell, a column a device.",
	Outputs: map[string]string{
		"table":        "A row a cell, a column a device.",
		"rows":         "How many cells there are.",
		"not_measured": "By device: how many values mean \"not measurable\".",
	},
})

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(attrs stages.Attrs) map[string]cty.Type {
	missing := cty.DynamicPseudoType
	if devices := devicesOf(attrs); devices != nil {
		members := map[string]cty.Type{}
		for _, d := range devices {
			members[d] = cty.Number
		}
		missing = cty.Object(members)
	}
	return map[string]cty.Type{"table": stages.TableType, "rows": cty.Number, "not_measured": missing}
}

// devicesOf are the keys of latencies, whose files need not be known; nil where
// they are not known, or there are none.
func devicesOf(attrs stages.Attrs) []string {
	v, ok := attrs["latencies"]
	if !ok || v.IsNull() || !v.IsKnown() {
		return nil
	}
	v, _ = v.Unmark()
	var out []string
	for it := v.ElementIterator(); it.Next(); {
		k, _ := it.Element()
		out = append(out, k.AsString())
	}
	return out
}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	var out []stages.Problem
	problem := func(attribute, summary, detail string, args ...any) {
		out = append(out, stages.Problem{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(detail, args...)})
	}
	if v, ok := attrs["latencies"]; ok && v.IsKnown() && !v.IsNull() && v.LengthInt() == 0 {
		problem("latencies", "No devices", "Name at least one file: { pixel3 = dataset.pixel3.file }.")
	}
	if slices.Contains(devicesOf(attrs), table.Architecture) {
		problem("latencies", "No name for a device", "%q is the column of the cells' numbers. Give the device another name.", table.Architecture)
	}
	if attrs.Known("edges") {
		if _, err := edgesOf(attrs.Strings("edges")); err != nil {
			problem("edges", "Not the edges of a cell", "%v.", err)
		}
	}
	if attrs.Known("operations") {
		if _, err := operationsOf(attrs.Strings("operations")); err != nil {
			problem("operations", "Not the operations", "%v.", err)
		}
	}
	return out
}

// edgesOf gives the position in a cell of each block.
func edgesOf(names []string) ([]int, error) {
	return permutation(names, nas.NumEdges, "edges", nas.ParseEdge)
}

// operationsOf gives the operation of each place of a block.
func operationsOf(names []string) ([]int, error) {
	return permutation(names, nas.NumOps, "operations", func(name string) (int, error) {
		op, err := nas.ParseOp(name)
		return int(op), err
	})
}

func permutation(names []string, n int, what string, parse func(string) (int, error)) ([]int, error) {
	var out []int
	for _, name := range names {
		at, err := parse(name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(out, at) {
			return nil, fmt.Errorf("%q stands there twice; name each of the %d %s once", name, n, what)
		}
		out = append(out, at)
	}
	if len(out) != n {
		return nil, fmt.Errorf("there are %d; name each of the %d %s once", len(out), n, what)
	}
	return out, nil
}

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	cells, err := s.cells(ctx, in)
	if err != nil {
		return fmt.Errorf("encoding: %w", err)
	}
	numbers := table.IntColumn(table.Architecture, cells)
	numbers.Source = s.Encoding.Name + ", decoded with the edges " + strings.Join(s.Edges, ", ")
	columns := []table.Column{numbers}
	missing := map[string]cty.Value{}
	for _, device := range slices.Sorted(maps.Keys(s.Latencies)) {
		c, err := s.latencies(ctx, in, device, len(cells))
		if err != nil {
			return fmt.Errorf("latencies: %s: %w", device, err)
		}
		missing[device] = cty.NumberIntVal(int64(c.MissingCount()))
		columns = append(columns, c)
	}
	t, err := table.New(columns...)
	if err != nil {
		return err
	}
	out.Set("rows", cty.NumberIntVal(int64(t.Rows)))
	out.Set("not_measured", cty.ObjectVal(missing))
	return tablefile.Set(in, out, "table", t)
}

// cells decodes the file of cells to their numbers, each of which occurs once.
func (s *Stage) cells(ctx context.Context, in *stages.Input) ([]int64, error) {
	edges, err := edgesOf(s.Edges)
	if err != nil {
		return nil, err
	}
	operations, err := operationsOf(s.Operations)
	if err != nil {
		return nil, err
	}
	t, err := read(ctx, in, s.Encoding)
	if err != nil {
		return nil, err
	}
	const hot = nas.NumEdges * nas.NumOps
	if n := len(t.Columns); n != hot && n != hot+1 {
		return nil, fmt.Errorf("its rows have %d numbers; the encoding of a cell has %d, or %d with a constant", n, hot, hot+1)
	}
	places := make([][]float64, hot)
	for i := range places {
		if places[i], err = t.Columns[i].AsFloat64s(); err != nil {
			return nil, err
		}
	}
	out := make([]int64, t.Rows)
	first := map[int64]int{}
	for row := range out {
		var cell nas.Cell
		for block, edge := range edges {
			place, err := hotPlace(places[block*nas.NumOps:(block+1)*nas.NumOps], row)
			if err != nil {
				return nil, fmt.Errorf("row %d, block %d: %w", row+1, block+1, err)
			}
			cell[edge] = nas.Op(operations[place])
		}
		out[row] = int64(nas.Index(cell))
		if at, twice := first[out[row]]; twice {
			return nil, fmt.Errorf("rows %d and %d are the same cell, %v", at+1, row+1, cell)
		}
		first[out[row]] = row
	}
	return out, nil
}

// hotPlace is the place of the only 1 among zeros.
func hotPlace(block [][]float64, row int) (int, error) {
	at := -1
	for place := range block {
		switch v := block[place][row]; {
		case v == 1 && at < 0:
			at = place
		case v == 0:
		default:
			return 0, fmt.Errorf("place %d holds %v; a block has a single 1 among zeros", place+1, v)
		}
	}
	if at < 0 {
		return 0, fmt.Errorf("it has no 1; a block has a single 1 among zeros")
	}
	return at, nil
}

func (s *Stage) latencies(ctx context.Context, in *stages.Input, device string, rows int) (table.Column, error) {
	t, err := read(ctx, in, s.Latencies[device])
	if err != nil {
		return table.Column{}, err
	}
	if len(t.Columns) != 1 {
		return table.Column{}, fmt.Errorf("it has %d columns; a file of latencies is one list of numbers", len(t.Columns))
	}
	if t.Rows != rows {
		return table.Column{}, fmt.Errorf("it has %d latencies, and encoding has %d cells", t.Rows, rows)
	}
	values, err := t.Columns[0].AsFloat64s()
	if err != nil {
		return table.Column{}, err
	}
	values = slices.Clone(values)
	for i, v := range values {
		if slices.Contains(s.NotMeasurable, v) {
			values[i] = math.NaN()
		}
		if math.IsInf(v, 0) {
			return table.Column{}, fmt.Errorf("row %d is %v, which is no latency; name it in not_measurable if it stands for a cell without one", i+1, v)
		}
	}
	c := table.FloatColumn(device, values)
	c.Unit, c.Source = s.Unit, s.Latencies[device].Name
	return c, nil
}

func read(ctx context.Context, in *stages.Input, f stages.File) (*table.Table, error) {
	data, err := in.Store.ReadAll(ctx, f)
	if err != nil {
		return nil, err
	}
	return table.Read(f.Name, data, table.Options{})
}
