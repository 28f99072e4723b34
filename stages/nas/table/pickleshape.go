package table

import (
	"errors"
	"fmt"
	"math"

	"github.com/nbpipe/nbpipe/stages/pickle"
)

// maxColumns bounds what becomes c0, c1, ...
const maxColumns = 10_000

// quota bounds the values that are taken from a pickle: a few bytes can refer
// to one long list many times.
type quota struct{ left int64 }

func newQuota(limits Limits) *quota { return &quota{limits.MaxBytes / 32} }

func (q *quota) take(n int) error {
	if q.left -= int64(n); q.left < 0 {
		return errors.New("it unfolds to more values than are allowed")
	}
	return nil
}

// columnOf infers a column from Python values: all integers int64, numbers
// float64, truth values bool, text string; None is a missing value (and makes
// integers float64).
func columnOf(name string, items []any, q *quota) (Column, error) {
	if err := q.take(len(items)); err != nil {
		return Column{}, err
	}
	kind, err := kindOfItems(items)
	if err != nil {
		return Column{}, fmt.Errorf("column %q: %w", clip(name), err)
	}
	n := len(items)
	c := Column{Name: name, Kind: kind, Valid: make([]bool, n)}
	switch kind {
	case Float64:
		c.Float64s = make([]float64, n)
	case Int64:
		c.Int64s = make([]int64, n)
	case Bool:
		c.Bools = make([]bool, n)
	case String:
		c.Strings = make([]string, n)
	}
	for i, v := range items {
		c.Valid[i] = v != nil
		switch kind {
		case Float64:
			f, ok := number(v)
			if c.Float64s[i] = f; !ok {
				c.Float64s[i] = math.NaN()
			}
		case Int64:
			c.Int64s[i], _ = integer(v)
		case Bool:
			c.Bools[i], _ = v.(bool)
		case String:
			c.Strings[i], _ = v.(string)
		}
	}
	return normalised(c), nil
}

func kindOfItems(items []any) (Kind, error) {
	var kind Kind
	missing := false
	for i, v := range items {
		var k Kind
		switch v.(type) {
		case nil:
			missing = true
			continue
		case bool:
			k = Bool
		case int64:
			k = Int64
		case float64:
			k = Float64
		case string:
			k = String
		default:
			return "", fmt.Errorf("row %d is %s", i+1, pickle.Describe(v))
		}
		switch {
		case kind == "", kind == k, kind == Int64 && k == Float64:
			kind = k
		case kind == Float64 && k == Int64:
		default:
			return "", fmt.Errorf("row %d is %s, the rows before are %s", i+1, pickle.Describe(v), kind)
		}
	}
	if kind == "" || (kind == Int64 && missing) {
		kind = Float64
	}
	return kind, nil
}

// listTable is a list of scalars, or of rows of equal length.
func listTable(items []any, q *quota) (*Table, error) {
	if len(items) == 0 {
		return nil, errors.New("it is an empty list")
	}
	first, ok := rowOf(items[0])
	if !ok {
		c, err := columnOf("value", items, q)
		if err != nil {
			return nil, err
		}
		return New(c)
	}
	if len(first) > maxColumns {
		return nil, fmt.Errorf("its rows have %d columns; %d are allowed", len(first), maxColumns)
	}
	columns := make([][]any, len(first))
	for i, item := range items {
		row, ok := rowOf(item)
		if !ok || len(row) != len(first) {
			return nil, fmt.Errorf("row %d is %s of %d values, row 1 has %d", i+1, pickle.Describe(item), len(row), len(first))
		}
		if err := q.take(len(row)); err != nil {
			return nil, err
		}
		for j, v := range row {
			columns[j] = append(columns[j], v)
		}
	}
	return columnsOf(columns, q)
}

// rowOf is a list, a tuple or a one-dimensional array within a list.
func rowOf(v any) ([]any, bool) {
	if a, ok := v.(*pickle.Array); ok && len(a.Shape) == 1 {
		line, err := line(a, 0, true)
		return line, err == nil
	}
	return pickle.Sequence(v)
}

func columnsOf(columns [][]any, q *quota) (*Table, error) {
	t := &Table{}
	for j, items := range columns {
		c, err := columnOf(fmt.Sprintf("c%d", j), items, q)
		if err != nil {
			return nil, err
		}
		t.Columns, t.Rows = append(t.Columns, c), len(items)
	}
	return t, t.Validate()
}

func arrayTable(a *pickle.Array, q *quota) (*Table, error) {
	if len(a.Shape) == 1 {
		line, err := line(a, 0, true)
		if err != nil {
			return nil, err
		}
		c, err := columnOf("value", line, q)
		if err != nil {
			return nil, err
		}
		return New(c)
	}
	if len(a.Shape) != 2 || a.Shape[1] > maxColumns {
		return nil, fmt.Errorf("an array of shape %v is no table", a.Shape)
	}
	columns := make([][]any, a.Shape[1])
	for j := range columns {
		var err error
		if columns[j], err = line(a, j, false); err != nil {
			return nil, err
		}
	}
	return columnsOf(columns, q)
}

// dictTable is a dict of columns.
func dictTable(d dict, q *quota) (*Table, error) {
	t := &Table{}
	for _, e := range d {
		name, ok := e.Key.(string)
		if !ok {
			return nil, fmt.Errorf("a dict with the key %s is no table", pickle.Describe(e.Key))
		}
		items, ok := rowOf(e.Value)
		if !ok {
			return nil, fmt.Errorf("a dict whose entry %q is %s is no table; a record of NATS-Bench has the keys 12 and 200", clip(name), pickle.Describe(e.Value))
		}
		c, err := columnOf(name, items, q)
		if err != nil {
			return nil, err
		}
		t.Columns, t.Rows = append(t.Columns, c), len(items)
	}
	return t, t.Validate()
}
