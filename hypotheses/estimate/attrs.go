package estimate

import (
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// Keys are the sorted keys of a map or object whose values need not be known; nil
// where it is not known itself, null, or no map.
func Keys(v cty.Value) []string {
	if v == cty.NilVal {
		return nil
	}
	v, _ = v.Unmark()
	if t := v.Type(); !v.IsKnown() || v.IsNull() || !t.IsMapType() && !t.IsObjectType() {
		return nil
	}
	out := []string{}
	for it := v.ElementIterator(); it.Next(); {
		k, _ := it.Element()
		out = append(out, Text(k))
	}
	slices.Sort(out)
	return out
}

// Member is an element of a map or object that has the key.
func Member(v cty.Value, key string) cty.Value {
	v, _ = v.Unmark()
	if v.Type().IsObjectType() {
		return v.GetAttr(key)
	}
	return v.Index(cty.StringVal(key))
}

// Text is a string that is known and not null.
func Text(v cty.Value) string {
	v, _ = v.Unmark()
	return v.AsString()
}

// Number is a number that is known and not null.
func Number(v cty.Value) float64 {
	v, _ = v.Unmark()
	f, _ := v.AsBigFloat().Float64()
	return f
}

// Without leaves one name out.
func Without(names []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == one })
}
