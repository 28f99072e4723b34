package table

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/nbpipe/nbpipe/stages/nas/internal/suggest"
)

// Architecture is the name of the first column of tables about cells.
const Architecture = "architecture"

// Table is a list of columns of equal length. Row numbers in messages count
// from 1, without a header line.
type Table struct {
	Columns []Column
	Rows    int
	Notes   []string // where the table came from, in words
}

// New returns the table of the columns, or the first violation of Validate.
func New(columns ...Column) (*Table, error) {
	t := &Table{Columns: columns}
	if len(columns) > 0 {
		t.Rows = columns[0].Len()
	}
	if err := t.Validate(); err != nil {
		return nil, err
	}
	return t, nil
}

// Validate reports the first column that breaks the rules of Table and Column:
// unique, non-empty UTF-8 names, one slice of the right length each.
func (t *Table) Validate() error {
	seen := make(map[string]bool, len(t.Columns))
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Name == "" {
			return fmt.Errorf("column %d has no name", i+1)
		}
		if seen[c.Name] {
			return fmt.Errorf("two columns are named %q", clip(c.Name))
		}
		seen[c.Name] = true
		if err := c.validate(t.Rows); err != nil {
			return fmt.Errorf("column %q: %w", clip(c.Name), err)
		}
	}
	if len(t.Columns) == 0 && t.Rows != 0 {
		return fmt.Errorf("%d rows without columns", t.Rows)
	}
	for _, n := range t.Notes {
		if !utf8.ValidString(n) {
			return fmt.Errorf("a note is not UTF-8: %q", clip(n))
		}
	}
	return nil
}

func (c *Column) validate(rows int) error {
	for _, s := range []string{c.Name, c.Unit, c.Source} {
		if !utf8.ValidString(s) {
			return fmt.Errorf("%q is not UTF-8", clip(s))
		}
	}
	lengths := map[Kind]int{Float64: len(c.Float64s), Int64: len(c.Int64s), String: len(c.Strings), Bool: len(c.Bools)}
	if _, ok := lengths[c.Kind]; !ok {
		return fmt.Errorf("unknown kind %q; the kinds are float64, int64, string, bool", clip(string(c.Kind)))
	}
	for kind, n := range lengths {
		if kind != c.Kind && n != 0 {
			return fmt.Errorf("it is of kind %s, but has %s values", c.Kind, kind)
		}
	}
	if n := lengths[c.Kind]; n != rows {
		return fmt.Errorf("it has %d values, the table %d rows", n, rows)
	}
	if c.Valid != nil && (c.Kind == Float64 || len(c.Valid) != rows) {
		return fmt.Errorf("its record of missing values does not fit: %d entries", len(c.Valid))
	}
	return nil
}

// Names returns the columns' names in order.
func (t *Table) Names() []string {
	names := make([]string, len(t.Columns))
	for i := range t.Columns {
		names[i] = t.Columns[i].Name
	}
	return names
}

// Has reports whether there is a column of that name.
func (t *Table) Has(name string) bool { return t.find(name) != nil }

func (t *Table) find(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// Column returns the column of that name. The error lists the names.
func (t *Table) Column(name string) (*Column, error) {
	if c := t.find(name); c != nil {
		return c, nil
	}
	names := t.Names()
	return nil, fmt.Errorf("no column %q%s; the columns are %s", clip(name), suggest.DidYouMean(name, names), list(names))
}

// Float64s returns a numeric column; integers are converted, missing values
// are NaN.
func (t *Table) Float64s(name string) ([]float64, error) {
	c, err := t.Column(name)
	if err != nil {
		return nil, err
	}
	return c.AsFloat64s()
}

// Int64s returns an integer column. Missing values are an error.
func (t *Table) Int64s(name string) ([]int64, error) {
	c, err := t.complete(name, Int64)
	if err != nil {
		return nil, err
	}
	return c.Int64s, nil
}

// Strings returns a text column. Missing values are an error.
func (t *Table) Strings(name string) ([]string, error) {
	c, err := t.complete(name, String)
	if err != nil {
		return nil, err
	}
	return c.Strings, nil
}

// Bools returns a column of truth values. Missing values are an error.
func (t *Table) Bools(name string) ([]bool, error) {
	c, err := t.complete(name, Bool)
	if err != nil {
		return nil, err
	}
	return c.Bools, nil
}

func (t *Table) complete(name string, kind Kind) (*Column, error) {
	c, err := t.Column(name)
	if err != nil {
		return nil, err
	}
	if c.Kind != kind {
		return nil, fmt.Errorf("column %q holds %s values, not %s", name, c.Kind, kind)
	}
	for i, valid := range c.Valid {
		if !valid {
			return nil, fmt.Errorf("column %q has %d missing values, the first in row %d", name, c.MissingCount(), i+1)
		}
	}
	return c, nil
}

// list joins names for a message, the first 30 of them.
func list(names []string) string {
	const limit = 30
	quoted := make([]string, 0, limit+1)
	for i, n := range names {
		if i == limit {
			quoted = append(quoted, fmt.Sprintf("and %d more", len(names)-limit))
			break
		}
		quoted = append(quoted, clip(n))
	}
	return strings.Join(quoted, ", ")
}
