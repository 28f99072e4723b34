package table

import (
	"fmt"
	"maps"
	"slices"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/internal/suggest"
)

// Select returns the table of the named columns under new names: columns maps
// each new name to a column of t. The result's columns are sorted by name,
// except that t's architecture column, if any, is kept and comes first.
func (t *Table) Select(columns map[string]string) (*Table, error) {
	out := &Table{Rows: t.Rows, Notes: t.Notes}
	if c := t.find(Architecture); c != nil {
		if from, ok := columns[Architecture]; ok && from != Architecture {
			return nil, fmt.Errorf("selecting columns: %q is the cells' number and cannot be replaced by %q", Architecture, clip(from))
		}
		out.Columns = append(out.Columns, *c)
	}
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		if name == Architecture && len(out.Columns) > 0 && out.Columns[0].Name == Architecture {
			continue
		}
		c, err := t.Column(columns[name])
		if err != nil {
			return nil, fmt.Errorf("selecting column %q: %w", clip(name), err)
		}
		renamed := *c
		if renamed.Name = name; renamed.Source == "" && name != c.Name {
			renamed.Source = c.Name
		}
		out.Columns = append(out.Columns, renamed)
	}
	if len(out.Columns) == 0 {
		out.Rows = 0
	}
	return out, out.Validate()
}

// WithUnits returns the table with the units of the named columns set.
func (t *Table) WithUnits(units map[string]string) (*Table, error) {
	out := &Table{Rows: t.Rows, Notes: t.Notes, Columns: slices.Clone(t.Columns)}
	for _, name := range slices.Sorted(maps.Keys(units)) {
		c, err := out.Column(name)
		if err != nil {
			return nil, fmt.Errorf("setting a unit: %w", err)
		}
		c.Unit = units[name]
	}
	return out, out.Validate()
}

// Take returns the rows of the table, counted from 0, in the given order.
func (t *Table) Take(rows []int) *Table {
	out := &Table{Rows: len(rows), Notes: t.Notes, Columns: make([]Column, len(t.Columns))}
	for i := range t.Columns {
		out.Columns[i] = t.Columns[i].take(rows)
	}
	return out
}

// Filter returns the rows whose columns have the given values, and how many
// rows it left out. A value is a string, bool, int, int64 or float64, or a
// []any of them of which one must match; a missing value matches none. A value
// that the column has in no row is an error, since it is most likely misspelt.
func (t *Table) Filter(where map[string]any) (*Table, int, error) {
	keep := make([]bool, t.Rows)
	for i := range keep {
		keep[i] = true
	}
	for _, name := range slices.Sorted(maps.Keys(where)) {
		c, err := t.Column(name)
		if err != nil {
			return nil, 0, fmt.Errorf("filtering rows: %w", err)
		}
		if err := c.match(where[name], keep); err != nil {
			return nil, 0, fmt.Errorf("filtering rows: %w", err)
		}
	}
	rows := make([]int, 0, t.Rows)
	for i, k := range keep {
		if k {
			rows = append(rows, i)
		}
	}
	return t.Take(rows), t.Rows - len(rows), nil
}

// match clears keep where the column has none of the wanted values.
func (c *Column) match(want any, keep []bool) error {
	wanted, isList := want.([]any)
	if !isList {
		wanted = []any{want}
	}
	seen := make(map[any]bool, len(wanted)) // value -> found in some row
	for _, w := range wanted {
		v, err := c.convert(w)
		if err != nil {
			return err
		}
		seen[v] = false
	}
	for i := range keep {
		v := c.Value(i)
		if _, ok := seen[v]; ok && v != nil {
			seen[v] = true
		} else {
			keep[i] = false
		}
	}
	for _, w := range wanted {
		if v, _ := c.convert(w); !seen[v] {
			return c.absent(v)
		}
	}
	return nil
}

// convert returns the value as the column's own type.
func (c *Column) convert(v any) (any, error) {
	if n, ok := v.(int); ok {
		v = int64(n)
	}
	switch x := v.(type) {
	case string:
		if c.Kind == String {
			return v, nil
		}
	case bool:
		if c.Kind == Bool {
			return v, nil
		}
	case int64:
		if c.Kind == Int64 {
			return v, nil
		}
		if c.Kind == Float64 {
			return float64(x), nil
		}
	case float64:
		if c.Kind == Float64 {
			return v, nil
		}
		if n := int64(x); c.Kind == Int64 && float64(n) == x {
			return n, nil
		}
	}
	return nil, fmt.Errorf("column %q holds %s values and cannot equal %#v (%T)", c.Name, c.Kind, v, v)
}

func (c *Column) absent(v any) error {
	var some []string
	hint := ""
	if c.Kind == String {
		some = slices.Sorted(maps.Keys(distinct(c.Strings)))
		hint = suggest.DidYouMean(v.(string), some)
	} else {
		values := map[string]bool{}
		for i := 0; i < c.Len() && len(values) < 10; i++ {
			values[c.Text(i)] = true
		}
		some = slices.Sorted(maps.Keys(values))
	}
	return fmt.Errorf("no row has %s = %#v%s; some of its values are %s", c.Name, v, hint, list(some[:min(len(some), 10)]))
}

func distinct(values []string) map[string]bool {
	out := make(map[string]bool)
	for _, s := range values {
		out[s] = true
	}
	return out
}

// JoinReport says which rows of a Join found no partner.
type JoinReport struct {
	Rows      int // of the result
	LeftOnly  int
	RightOnly int
	// Examples are up to 5 keys of each side without a partner.
	LeftExamples, RightExamples []string
}

// Join returns the rows of left and right whose key columns agree, in left's
// order: left's columns, then right's without the key. Keys are int64 or
// string. Where one side has cells' numbers and the other cells as text, the
// text is read by nas.Parse. A key that occurs twice on one side, a missing
// key, and a column name on both sides are errors.
func Join(left, right *Table, key string) (*Table, JoinReport, error) {
	var report JoinReport
	fail := func(err error) (*Table, JoinReport, error) {
		return nil, JoinReport{}, fmt.Errorf("joining tables on %q: %w", clip(key), err)
	}
	l, err := left.Column(key)
	if err != nil {
		return fail(fmt.Errorf("left table: %w", err))
	}
	r, err := right.Column(key)
	if err != nil {
		return fail(fmt.Errorf("right table: %w", err))
	}
	cells := l.Kind != r.Kind
	leftKeys, err := l.keys(cells)
	if err != nil {
		return fail(fmt.Errorf("left table: %w", err))
	}
	rightKeys, err := r.keys(cells)
	if err != nil {
		return fail(fmt.Errorf("right table: %w", err))
	}
	leftRows, rightRows := matchRows(l, r, leftKeys, rightKeys, &report)
	out := left.Take(leftRows)
	out.Notes = slices.Concat(left.Notes, right.Notes)
	for _, c := range right.Take(rightRows).Columns {
		if c.Name == key {
			continue
		}
		if out.Has(c.Name) {
			return fail(fmt.Errorf("both tables have a column %q; rename or drop one first", c.Name))
		}
		out.Columns = append(out.Columns, c)
	}
	return out, report, out.Validate()
}

type keys struct {
	inOrder []any
	rowOf   map[any]int
}

// keys returns the column as join keys. With cells, text is read as cells.
func (c *Column) keys(cells bool) (keys, error) {
	k := keys{make([]any, c.Len()), make(map[any]int, c.Len())}
	if c.Kind != Int64 && c.Kind != String {
		return k, fmt.Errorf("column %q holds %s values; keys are int64 or string", c.Name, c.Kind)
	}
	for i := range k.inOrder {
		v := c.Value(i)
		if v == nil {
			return k, fmt.Errorf("row %d of column %q is missing", i+1, c.Name)
		}
		if s, ok := v.(string); ok && cells {
			cell, err := nas.Parse(s)
			if err != nil {
				return k, fmt.Errorf("row %d of column %q: %w", i+1, c.Name, err)
			}
			v = int64(nas.Index(cell))
		}
		if first, ok := k.rowOf[v]; ok {
			return k, fmt.Errorf("rows %d and %d have the same key %s; filter the rows first", first+1, i+1, clip(c.Text(i)))
		}
		k.rowOf[v], k.inOrder[i] = i, v
	}
	return k, nil
}

func matchRows(l, r *Column, left, right keys, report *JoinReport) (leftRows, rightRows []int) {
	const examples = 5
	for i, v := range left.inOrder {
		if j, ok := right.rowOf[v]; ok {
			leftRows, rightRows = append(leftRows, i), append(rightRows, j)
			continue
		}
		if report.LeftOnly++; report.LeftOnly <= examples {
			report.LeftExamples = append(report.LeftExamples, clip(l.Text(i)))
		}
	}
	for j, v := range right.inOrder {
		if _, ok := left.rowOf[v]; ok {
			continue
		}
		if report.RightOnly++; report.RightOnly <= examples {
			report.RightExamples = append(report.RightExamples, clip(r.Text(j)))
		}
	}
	report.Rows = len(leftRows)
	return leftRows, rightRows
}

// Concat returns the rows of all tables, in order. The tables must have the
// same column names and kinds in the same order.
func Concat(tables ...*Table) (*Table, error) {
	out := &Table{}
	for n, t := range tables {
		if n == 0 {
			out.Columns = make([]Column, len(t.Columns))
			for i, c := range t.Columns {
				out.Columns[i] = Column{Name: c.Name, Unit: c.Unit, Source: c.Source, Kind: c.Kind}
			}
		}
		if len(t.Columns) != len(out.Columns) {
			return nil, fmt.Errorf("concatenating tables: table %d has %d columns, table 1 %d", n+1, len(t.Columns), len(out.Columns))
		}
		for i := range t.Columns {
			a, b := &out.Columns[i], &t.Columns[i]
			if a.Name != b.Name || a.Kind != b.Kind || a.Unit != b.Unit {
				return nil, fmt.Errorf("concatenating tables: column %d is %q (%s, unit %q) in table %d, %q (%s, unit %q) in table 1",
					i+1, b.Name, b.Kind, b.Unit, n+1, a.Name, a.Kind, a.Unit)
			}
			a.extend(b, out.Rows)
		}
		out.Rows += t.Rows
		out.Notes = append(out.Notes, t.Notes...)
	}
	return out, out.Validate()
}

// extend appends the rows of b to c, which has rows of them.
func (c *Column) extend(b *Column, rows int) {
	if c.Valid != nil || b.Valid != nil {
		c.Valid = append(c.validity(rows), b.validity(b.Len())...)
	}
	c.Float64s = append(c.Float64s, b.Float64s...)
	c.Int64s = append(c.Int64s, b.Int64s...)
	c.Strings = append(c.Strings, b.Strings...)
	c.Bools = append(c.Bools, b.Bools...)
}

func (c *Column) validity(rows int) []bool {
	if c.Valid != nil {
		return c.Valid
	}
	out := make([]bool, rows)
	for i := range out {
		out[i] = true
	}
	return out
}
