package table

import (
	"fmt"
	"math"
	"strconv"
)

// Kind is the type of a column's values.
type Kind string

// The kinds of columns.
const (
	Float64 Kind = "float64"
	Int64   Kind = "int64"
	String  Kind = "string"
	Bool    Kind = "bool"
)

// Column is one named column. Exactly the slice of its Kind is used. A missing
// value is NaN in a Float64 column; in the others Valid is false there and the
// value is the zero value. Valid is nil when nothing is missing.
//
// Columns share their slices freely: do not write into a column that came from
// a Table.
type Column struct {
	Name   string
	Unit   string // "%", "ms", "mJ"; empty when unknown
	Source string // the name in the file it came from, with remarks
	Kind   Kind

	Float64s []float64
	Int64s   []int64
	Strings  []string
	Bools    []bool
	Valid    []bool
}

// FloatColumn returns a Float64 column of the values.
func FloatColumn(name string, values []float64) Column {
	return Column{Name: name, Kind: Float64, Float64s: values}
}

// IntColumn returns an Int64 column of the values.
func IntColumn(name string, values []int64) Column {
	return Column{Name: name, Kind: Int64, Int64s: values}
}

// StringColumn returns a String column of the values.
func StringColumn(name string, values []string) Column {
	return Column{Name: name, Kind: String, Strings: values}
}

// BoolColumn returns a Bool column of the values.
func BoolColumn(name string, values []bool) Column {
	return Column{Name: name, Kind: Bool, Bools: values}
}

// Len is the number of rows.
func (c *Column) Len() int {
	switch c.Kind {
	case Float64:
		return len(c.Float64s)
	case Int64:
		return len(c.Int64s)
	case String:
		return len(c.Strings)
	default:
		return len(c.Bools)
	}
}

// Missing reports whether row i has no value.
func (c *Column) Missing(i int) bool {
	if c.Kind == Float64 {
		return math.IsNaN(c.Float64s[i])
	}
	return c.Valid != nil && !c.Valid[i]
}

// MissingCount is the number of rows without a value.
func (c *Column) MissingCount() int {
	n := 0
	for i := range c.Len() {
		if c.Missing(i) {
			n++
		}
	}
	return n
}

// Value returns row i as float64, int64, string or bool, or nil when missing.
func (c *Column) Value(i int) any {
	if c.Missing(i) {
		return nil
	}
	switch c.Kind {
	case Float64:
		return c.Float64s[i]
	case Int64:
		return c.Int64s[i]
	case String:
		return c.Strings[i]
	default:
		return c.Bools[i]
	}
}

// Text returns row i for a message or a report: the shortest text that reads
// back as the same number, or "missing".
func (c *Column) Text(i int) string {
	switch v := c.Value(i).(type) {
	case nil:
		return "missing"
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// AsFloat64s returns the column as numbers: integers are converted, missing
// ones become NaN. Text and truth values are errors that name the first
// offending row, counted from 1 without the header.
func (c *Column) AsFloat64s() ([]float64, error) {
	switch c.Kind {
	case Float64:
		return c.Float64s, nil
	case Int64:
		out := make([]float64, len(c.Int64s))
		for i, v := range c.Int64s {
			if out[i] = float64(v); c.Missing(i) {
				out[i] = math.NaN()
			}
		}
		return out, nil
	case String:
		for i, s := range c.Strings {
			if _, ok := parseNumber(s); !ok && s != "" {
				return nil, fmt.Errorf("column %q holds text, not numbers: row %d is %q", c.Name, i+1, clip(s))
			}
		}
	}
	return nil, fmt.Errorf("column %q holds %s values, not numbers", c.Name, c.Kind)
}

// take returns the rows of the column, in that order.
func (c *Column) take(rows []int) Column {
	out := *c
	switch c.Kind {
	case Float64:
		out.Float64s = pick(c.Float64s, rows)
	case Int64:
		out.Int64s = pick(c.Int64s, rows)
	case String:
		out.Strings = pick(c.Strings, rows)
	case Bool:
		out.Bools = pick(c.Bools, rows)
	}
	if c.Valid != nil {
		out.Valid = pick(c.Valid, rows)
	}
	return normalised(out)
}

func pick[T any](values []T, rows []int) []T {
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = values[r]
	}
	return out
}

// normalised drops a Valid that says nothing.
func normalised(c Column) Column {
	if c.Kind == Float64 {
		c.Valid = nil
	}
	for _, v := range c.Valid {
		if !v {
			return c
		}
	}
	c.Valid = nil
	return c
}

// clip keeps error messages short when a value is not what it should be.
func clip(s string) string {
	const limit = 120
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "..."
}
