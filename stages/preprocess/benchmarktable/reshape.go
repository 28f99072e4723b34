package benchmarktable

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas/table"
)

// transforms are what a column's values may be turned into.
var transforms = map[string]func(x float64) float64{
	"error":     func(x float64) float64 { return 1 - x/100 },
	"one_minus": func(x float64) float64 { return 1 - x },
	"fraction":  func(x float64) float64 { return x / 100 },
	"percent":   func(x float64) float64 { return 100 * x },
	"negative":  func(x float64) float64 { return -x },
}

var formulas = map[string]string{
	"error": "1 - x/100", "one_minus": "1 - x", "fraction": "x/100", "percent": "100 x", "negative": "-x",
}

// reshape selects, transforms, rounds, and sets units.
func (s *Stage) reshape(t *table.Table) (*table.Table, error) {
	var err error
	if s.Columns != nil {
		if t, err = t.Select(s.Columns); err != nil {
			return nil, err
		}
	}
	out := &table.Table{Rows: t.Rows, Notes: t.Notes, Columns: slices.Clone(t.Columns)}
	for _, name := range slices.Sorted(maps.Keys(s.Transform)) {
		kind := s.Transform[name]
		if transforms[kind] == nil {
			return nil, fmt.Errorf("transform: %q is no transform", kind)
		}
		if err := change(out, name, formulas[kind], transforms[kind]); err != nil {
			return nil, fmt.Errorf("transform: %w", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Round)) {
		d := s.Round[name]
		nearest := func(x float64) float64 { return math.Round(x*d) / d }
		if err := change(out, name, fmt.Sprintf("to the nearest 1/%v", d), nearest); err != nil {
			return nil, fmt.Errorf("round: %w", err)
		}
	}
	if len(s.Units) == 0 {
		return out, nil
	}
	return out.WithUnits(s.Units)
}

// change replaces the values of a column. Missing ones stay missing.
func change(t *table.Table, name, how string, f func(float64) float64) error {
	if name == table.Architecture {
		return fmt.Errorf("%q holds the architectures' numbers and stays as it is", name)
	}
	c, err := t.Column(name)
	if err != nil {
		return err
	}
	old, err := c.AsFloat64s()
	if err != nil {
		return err
	}
	values := make([]float64, len(old))
	for i, x := range old {
		values[i] = f(x)
	}
	changed := table.FloatColumn(name, values)
	changed.Source = c.Source + ", " + how
	*c = changed
	return nil
}

// conditions turns a filter into values that table.Filter takes.
func conditions(v cty.Value) (map[string]any, error) {
	if v == cty.NilVal || v.IsNull() {
		return nil, nil
	}
	v, _ = v.UnmarkDeep()
	if t := v.Type(); !t.IsObjectType() && !t.IsMapType() {
		return nil, fmt.Errorf("a filter maps columns to values, as in { device = \"pi5\" }; this is a %s", t.FriendlyName())
	}
	out := map[string]any{}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		column := k.AsString()
		if t := e.Type(); !e.IsNull() && (t.IsListType() || t.IsSetType() || t.IsTupleType()) {
			list := []any{}
			for each := e.ElementIterator(); each.Next(); {
				_, item := each.Element()
				value, err := plain(item)
				if err != nil {
					return nil, fmt.Errorf("column %q: %w", column, err)
				}
				list = append(list, value)
			}
			if len(list) == 0 {
				return nil, fmt.Errorf("column %q: an empty list of values lets no row pass", column)
			}
			out[column] = list
			continue
		}
		value, err := plain(e)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", column, err)
		}
		out[column] = value
	}
	return out, nil
}

func plain(v cty.Value) (any, error) {
	switch t := v.Type(); {
	case v.IsNull():
		return nil, fmt.Errorf("a value is null")
	case t == cty.String:
		return v.AsString(), nil
	case t == cty.Bool:
		return v.True(), nil
	case t == cty.Number:
		if n, accuracy := v.AsBigFloat().Int64(); v.AsBigFloat().IsInt() && accuracy == 0 {
			return n, nil
		}
		f, _ := v.AsBigFloat().Float64()
		return f, nil
	default:
		return nil, fmt.Errorf("values are strings, numbers or true and false, this is a %s", t.FriendlyName())
	}
}

func isTrue(v cty.Value) bool {
	v, _ = v.Unmark()
	return v.True()
}

var _ stages.Checker = (*Stage)(nil)
