package benchmarktable

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/tablefile"
)

// Stage is a block `preprocess "benchmark_table"`.
type Stage struct {
	File      stages.File        `attr:"file,key" doc:"File to read: CSV, Parquet, NATS-Bench pickle (.pickle.pbz2), pickled pandas frame or numpy array, or another table."`
	Format    string             `attr:"format,key" default:"\"auto\"" doc:"csv, parquet, pickle, nats, pandas, or auto: told by the file's first bytes."`
	Columns   map[string]string  `attr:"columns,key,optional" doc:"New name to the file's column. All columns, under their own names, where it is left out."`
	Filter    cty.Value          `attr:"filter,key,optional" doc:"The file's column to the value, or list of values, that a row must have: { device = \"pi5\" }."`
	Index     string             `attr:"index,key,optional" doc:"The file's column with the architectures' numbers. Found by the usual names (arch_idx, arch_index, arch, architecture) where it is left out."`
	Cell      string             `attr:"cell,key,optional" doc:"The file's column with the cells as text, |op~0|+.... Found by its values where it is left out."`
	InOrder   bool               `attr:"in_order,key" default:"false" doc:"The file's 15,625 rows are in the benchmark's order, and no column says so."`
	Transform map[string]string  `attr:"transform,key,optional" doc:"Column to error (1 - x/100, of an accuracy in %), one_minus (1 - x), fraction (x/100), percent (100 x), negative (-x)."`
	Round     map[string]float64 `attr:"round,key,optional" doc:"Column to denominator d: values become the nearest multiples of 1/d, after transform."`
	Units     map[string]string  `attr:"units,key,optional" doc:"Column to its unit, such as ms."`
	Join      []Join             `attr:"join,key,optional" doc:"Tables whose columns are added where the architecture is the same."`
	Epochs    []int              `attr:"epochs,key,optional" doc:"NATS-Bench records: epochs, counted from 0, whose metrics are added to those of the last."`
}

// Join is a table to join.
type Join struct {
	Table   stages.Table      `attr:"table" doc:"The table to join."`
	On      string            `attr:"on" default:"\"architecture\"" doc:"The column that both tables have: architectures' numbers, or cells as text."`
	Columns map[string]string `attr:"columns,optional" doc:"New name to the joined table's column; all where it is left out."`
}

// Kind is the kind `preprocess "benchmark_table"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block:   "preprocess",
	Type:    "benchmark_table",
	Version: 1,
	Doc: "A published file of measurements as a table: columns selected and renamed, rows filtered, accuracies turned into errors, " +
		"other tables joined on the architecture.",
	Reproducible: true,
	Outputs: map[string]string{
		"table":    "A row an architecture, sorted by its number.",
		"rows":     "How many rows there are.",
		"left_out": "How many rows were filtered out.",
		"columns":  "Names of the columns.",
	},
})

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{
		"table": stages.TableType, "rows": cty.Number, "left_out": cty.Number, "columns": cty.List(cty.String),
	}
}

var formats = []string{"auto", "csv", "nats", "pandas", "parquet", "pickle"}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	var out []stages.Problem
	if attrs.Known("format") {
		if f := stages.Text(attrs["format"]); !slices.Contains(formats, f) {
			out = append(out, stages.Problem{
				Attribute: "format", Summary: "Unknown format",
				Detail: fmt.Sprintf("%q is no format of tables. The formats are %s.", f, strings.Join(formats, ", ")),
			})
		}
	}
	if v, ok := attrs["filter"]; ok && !v.IsNull() && v.IsWhollyKnown() {
		if _, err := conditions(v); err != nil {
			out = append(out, stages.Problem{Attribute: "filter", Summary: "Not a filter", Detail: err.Error()})
		}
	}
	out = append(out, checkTransforms(attrs)...)
	out = append(out, checkNames(attrs)...)
	if attrs.Known("in_order") && isTrue(attrs["in_order"]) && (attrs.Known("index") || attrs.Known("cell")) {
		out = append(out, stages.Problem{
			Attribute: "in_order", Summary: "Two ways to tell architectures",
			Detail: "A column says which architecture a row is, so that the rows' order says nothing. Leave out in_order, or index and cell.",
		})
	}
	return out
}

func checkTransforms(attrs stages.Attrs) []stages.Problem {
	var out []stages.Problem
	if attrs.Known("transform") {
		for _, column := range attrs.Strings("transform") {
			if t := stages.Text(stages.Member(attrs["transform"], column)); transforms[t] == nil {
				out = append(out, stages.Problem{
					Attribute: "transform", Summary: "Unknown transform",
					Detail: fmt.Sprintf("%q, of column %q, is no transform. The transforms are %s.", t, column,
						strings.Join(slices.Sorted(maps.Keys(transforms)), ", ")),
				})
			}
		}
	}
	if attrs.Known("round") {
		for _, column := range attrs.Strings("round") {
			v, _ := stages.Member(attrs["round"], column).Unmark()
			if d, _ := v.AsBigFloat().Float64(); !(d > 0) || v.AsBigFloat().IsInf() {
				out = append(out, stages.Problem{
					Attribute: "round", Summary: "Not a denominator",
					Detail: fmt.Sprintf("For %q this is %v. Give the number d of which values are multiples of 1/d.", column, d),
				})
			}
		}
	}
	return out
}

// checkNames reports names that are no column of the result, where columns says
// which there are. Joined columns are not known before the run.
func checkNames(attrs stages.Attrs) []stages.Problem {
	if !attrs.Known("columns") {
		return nil
	}
	columns := attrs.Strings("columns")
	var out []stages.Problem
	for _, attribute := range []string{"round", "transform", "units"} {
		if !attrs.Known(attribute) {
			continue
		}
		for _, name := range attrs.Strings(attribute) {
			if !slices.Contains(columns, name) && name != table.Architecture {
				out = append(out, stages.Problem{
					Attribute: attribute, Summary: "Unknown column",
					Detail: fmt.Sprintf("%q is no column of the table. Its columns, by their new names, are %s.", name, strings.Join(columns, ", ")),
				})
			}
		}
	}
	return out
}

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	t, leftOut, err := s.read(ctx, in)
	if err != nil {
		return err
	}
	if t, err = s.reshape(t); err != nil {
		return err
	}
	for i, j := range s.Join {
		if t, err = j.apply(ctx, in, out, t); err != nil {
			return fmt.Errorf("join[%d]: %w", i, err)
		}
	}
	warn(out, t)
	names := make([]cty.Value, len(t.Columns))
	for i, n := range t.Names() {
		names[i] = cty.StringVal(n)
	}
	if len(names) == 0 {
		return fmt.Errorf("%s has no columns", s.name())
	}
	out.Set("columns", cty.ListVal(names))
	out.Set("rows", cty.NumberIntVal(int64(t.Rows)))
	out.Set("left_out", cty.NumberIntVal(int64(leftOut)))
	return tablefile.Set(in, out, "table", t)
}

// read gives the file's rows that pass the filter, tied to architectures.
func (s *Stage) read(ctx context.Context, in *stages.Input) (*table.Table, int, error) {
	data, err := in.Store.ReadAll(ctx, s.File)
	if err != nil {
		return nil, 0, fmt.Errorf("reading %s: %w", s.name(), err)
	}
	where, err := conditions(s.Filter)
	if err != nil {
		return nil, 0, fmt.Errorf("filter: %w", err)
	}
	options := table.Options{Index: s.Index, Cell: s.Cell, Epochs: s.Epochs}
	if s.Columns != nil {
		options.Columns = []string{}
		for _, c := range s.Columns {
			options.Columns = append(options.Columns, c)
		}
		options.Columns = slices.Compact(slices.Sorted(slices.Values(slices.AppendSeq(options.Columns, maps.Keys(where)))))
	}
	t, err := s.parse(data, options)
	if err != nil {
		return nil, 0, err
	}
	leftOut := 0
	if len(where) > 0 {
		if t, leftOut, err = t.Filter(renamed(t, where)); err != nil {
			return nil, 0, err
		}
	}
	if s.InOrder {
		t, err = numbered(t)
	}
	return t, leftOut, err
}

// renamed lets a filter use the file's own name of the column that became
// architecture.
func renamed(t *table.Table, where map[string]any) map[string]any {
	index, err := t.Column(table.Architecture)
	if err != nil || t.Has(index.Source) || where[index.Source] == nil {
		return where
	}
	out := maps.Clone(where)
	out[table.Architecture] = out[index.Source]
	delete(out, index.Source)
	return out
}

func (s *Stage) parse(data []byte, options table.Options) (*table.Table, error) {
	switch s.Format {
	case "csv":
		return table.ReadCSV(s.name(), data, options)
	case "parquet":
		return table.ReadParquet(s.name(), bytes.NewReader(data), int64(len(data)), options)
	case "auto", "":
		return table.Read(s.name(), data, options)
	}
	return table.ReadPickle(s.name(), data, options)
}

func (s *Stage) name() string {
	if s.File.Name != "" {
		return s.File.Name
	}
	return "the file"
}

// numbered numbers rows by their order.
func numbered(t *table.Table) (*table.Table, error) {
	if t.Has(table.Architecture) {
		return nil, fmt.Errorf("in_order: the file has a column that says which architecture a row is; leave out in_order")
	}
	if t.Rows != nas.Size {
		return nil, fmt.Errorf("in_order: there are %d rows, the benchmark has %d architectures", t.Rows, nas.Size)
	}
	numbers := make([]int64, nas.Size)
	for i := range numbers {
		numbers[i] = int64(i)
	}
	first := table.IntColumn(table.Architecture, numbers)
	first.Source = "order of the rows"
	out := &table.Table{Columns: append([]table.Column{first}, t.Columns...), Rows: t.Rows, Notes: t.Notes}
	return out, out.Validate()
}

// warn tells what a hypothesis would stumble over.
func warn(out *stages.Output, t *table.Table) {
	if !t.Has(table.Architecture) {
		out.Warn("no column says which architecture a row is; name it by index or cell, or say in_order = true")
		return
	}
	numbers, err := t.Int64s(table.Architecture)
	if err != nil {
		return
	}
	count := map[int64]int{}
	for _, a := range numbers {
		count[a]++
	}
	for _, a := range numbers {
		if count[a] > 1 {
			out.Warn("architecture %d has %d rows; a hypothesis needs one row an architecture: add a filter", a, count[a])
			return
		}
	}
}

// apply joins the table on the left of t's rows.
func (j Join) apply(ctx context.Context, in *stages.Input, out *stages.Output, t *table.Table) (*table.Table, error) {
	data, err := in.Store.ReadAll(ctx, j.Table.File)
	if err != nil {
		return nil, err
	}
	other, err := table.Decode(data)
	if err != nil {
		return nil, err
	}
	if j.Columns != nil {
		columns := maps.Clone(j.Columns)
		columns[j.On] = j.On
		if other, err = other.Select(columns); err != nil {
			return nil, err
		}
		if j.On != table.Architecture && other.Has(table.Architecture) {
			other.Columns = other.Columns[1:]
		}
	}
	joined, report, err := table.Join(t, other, j.On)
	if err != nil {
		return nil, err
	}
	if report.LeftOnly+report.RightOnly > 0 {
		out.Warn("join on %s: %d rows of this table and %d of the joined one have no partner and were left out", j.On, report.LeftOnly, report.RightOnly)
	}
	if joined.Rows == 0 {
		return nil, fmt.Errorf("no row has a partner: column %q of the two tables has no value in common", j.On)
	}
	return joined, nil
}
