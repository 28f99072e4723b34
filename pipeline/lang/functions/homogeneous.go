package functions

import (
	"errors"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

const (
	manyElements = 64 // from here on the library's own conversion is slow
	manyTypes    = 50
)

// ErrMixed says that a long list has too many different types of elements.
var ErrMixed = errors.New("the list is long and its elements are of many different types; give all of them one type")

// Homogeneous turns a long tuple into a list, and a large object into a map,
// where the elements have a common type. cty compares the types of all elements
// with each other when it converts a tuple to a collection of any type, which
// takes seconds for 10,000 elements. A value that is short, or no tuple, or has
// no common type, comes back as it is.
func Homogeneous(v cty.Value) (cty.Value, error) {
	t := v.Type()
	if v.IsMarked() || v.IsNull() || !v.IsKnown() {
		return v, nil
	}
	switch {
	case t.IsTupleType() && t.Length() > manyElements:
		elems := v.AsValueSlice()
		if out, ok, err := unified(elems, len(elems)); ok || err != nil {
			return listOf(out), err
		}
	case t.IsObjectType() && len(t.AttributeTypes()) > manyElements:
		members := v.AsValueMap()
		keys, elems := make([]string, 0, len(members)), make([]cty.Value, 0, len(members))
		for k, e := range members {
			keys, elems = append(keys, k), append(elems, e)
		}
		if out, ok, err := unified(elems, len(elems)); ok || err != nil {
			for i, k := range keys {
				if err == nil {
					members[k] = out[i]
				}
			}
			return cty.MapVal(members), err
		}
	}
	return v, nil
}

func listOf(vs []cty.Value) cty.Value {
	if len(vs) == 0 {
		return cty.DynamicVal
	}
	return cty.ListVal(vs)
}

// unified converts values to the type they have in common; false: there is none.
func unified(vs []cty.Value, n int) ([]cty.Value, bool, error) {
	var types []cty.Type
	kind := make([]int, n)
	for i, v := range vs {
		k := len(types) - 1
		for k >= 0 && !types[k].Equals(v.Type()) {
			k--
		}
		if k < 0 {
			if types = append(types, v.Type()); len(types) > manyTypes {
				if n > 20*manyTypes {
					return nil, false, ErrMixed
				}
				return nil, false, nil
			}
			k = len(types) - 1
		}
		kind[i] = k
	}
	common, convs := types[0], make([]convert.Conversion, 1)
	if len(types) > 1 {
		common, convs = convert.UnifyUnsafe(types)
	}
	if common == cty.NilType || common.HasDynamicTypes() {
		return nil, false, nil
	}
	out := make([]cty.Value, n)
	for i, v := range vs {
		if c := convs[kind[i]]; c != nil {
			var err error
			if v, err = c(v); err != nil {
				return nil, false, nil
			}
		}
		out[i] = v
	}
	return out, true, nil
}

// TakesCollections reports whether a function converts arguments to lists, sets
// or maps of any type, so that they should be made Homogeneous first.
func TakesCollections(f function.Function) bool {
	params := f.Params()
	if p := f.VarParam(); p != nil {
		params = append(params, *p)
	}
	for _, p := range params {
		if p.Type.IsCollectionType() && p.Type.HasDynamicTypes() {
			return true
		}
	}
	return false
}

// toFunc is tolist, toset and tomap: conversions whose parameter takes any type.
func toFunc(f function.Function) function.Function {
	p := f.Params()[0]
	p.AllowMarked, p.AllowUnknown = true, true
	return function.New(&function.Spec{
		Params: []function.Parameter{p},
		Type: func(args []cty.Value) (cty.Type, error) {
			v, err := Homogeneous(args[0])
			if err != nil {
				return cty.NilType, err
			}
			return f.ReturnTypeForValues([]cty.Value{v})
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := Homogeneous(args[0])
			if err != nil {
				return cty.NilVal, err
			}
			return f.Call([]cty.Value{v})
		},
	})
}
