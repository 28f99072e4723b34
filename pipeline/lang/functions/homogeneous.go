package functions

import (
	"errors"
	"slices"
	"strings"

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
// with each other when it converts a tuple to a collection, which takes half a
// second for 10,000 elements and minutes for 100,000. A value that is short, or no
// tuple, or has no common type, comes back as it is.
func Homogeneous(v cty.Value) (cty.Value, error) {
	t := v.Type()
	if v.IsMarked() || v.IsNull() || !v.IsKnown() {
		return v, nil
	}
	switch {
	case t.IsTupleType() && t.Length() > manyElements:
		elems := v.AsValueSlice()
		if open := unknownType(elems); open != cty.NilVal {
			return open, nil
		}
		if out, ok, err := unified(elems, len(elems)); ok || err != nil {
			return listOf(out), err
		}
	case t.IsObjectType() && len(t.AttributeTypes()) > manyElements:
		members := v.AsValueMap()
		keys, elems := make([]string, 0, len(members)), make([]cty.Value, 0, len(members))
		for k, e := range members {
			keys, elems = append(keys, k), append(elems, e)
		}
		if open := unknownType(elems); open != cty.NilVal {
			return open, nil
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

// Toward makes the parts of a value Homogeneous that a conversion to type t
// would turn into collections.
func Toward(v cty.Value, t cty.Type) (cty.Value, error) {
	if err := setSize(v, t); err != nil {
		return v, err
	}
	if !long(v.Type()) || v.IsMarked() || v.IsNull() || !v.IsKnown() {
		return v, nil
	}
	var err error
	switch vt := v.Type(); {
	case t.IsCollectionType() && vt.IsTupleType():
		elems := v.AsValueSlice()
		for i := range elems {
			if elems[i], err = Toward(elems[i], t.ElementType()); err != nil {
				return v, err
			}
		}
		return Homogeneous(cty.TupleVal(elems))
	case (t.IsCollectionType() || t.IsObjectType()) && vt.IsObjectType():
		members := v.AsValueMap()
		for k, e := range members {
			want := cty.DynamicPseudoType
			switch {
			case t.IsCollectionType():
				want = t.ElementType()
			case t.HasAttribute(k):
				want = t.AttributeType(k)
			}
			if members[k], err = Toward(e, want); err != nil {
				return v, err
			}
		}
		if t.IsObjectType() {
			return cty.ObjectVal(members), nil
		}
		return Homogeneous(cty.ObjectVal(members))
	}
	return v, nil
}

// long reports whether a type holds a long tuple or a large object.
func long(t cty.Type) bool {
	switch {
	case t.IsTupleType():
		if t.Length() > manyElements {
			return true
		}
		return slices.ContainsFunc(t.TupleElementTypes(), long)
	case t.IsObjectType():
		if len(t.AttributeTypes()) > manyElements {
			return true
		}
		for _, e := range t.AttributeTypes() {
			if long(e) {
				return true
			}
		}
	}
	return false
}

// unknownType is an unknown value for elements of which one has a type that is
// not known yet: then neither is that of the collection.
func unknownType(vs []cty.Value) cty.Value {
	if !slices.ContainsFunc(vs, func(v cty.Value) bool { return v.Type() == cty.DynamicPseudoType && !v.IsNull() }) {
		return cty.NilVal
	}
	_, marks := cty.TupleVal(vs).UnmarkDeep()
	return cty.DynamicVal.WithMarks(marks)
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
		if v.Type() == cty.DynamicPseudoType { // a null fits any type
			kind[i] = -1
			continue
		}
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
	if len(types) == 0 {
		return nil, false, nil
	}
	common, convs := types[0], make([]convert.Conversion, 1)
	if len(types) > 1 {
		common, convs = convert.UnifyUnsafe(types)
	}
	if common == cty.NilType || common.HasDynamicTypes() {
		if n > 20*manyTypes {
			return nil, false, ErrMixed
		}
		return nil, false, nil
	}
	out := make([]cty.Value, n)
	for i, v := range vs {
		if kind[i] < 0 {
			out[i] = cty.NullVal(common).WithSameMarks(v)
			continue
		}
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

// Collection is the type of a function's parameter where that is a list, set or
// map, so that the argument should be brought Toward it.
func Collection(f function.Function, i int) (cty.Type, bool) {
	params := f.Params()
	t := cty.DynamicPseudoType
	switch p := f.VarParam(); {
	case i < len(params):
		t = params[i].Type
	case p != nil:
		t = p.Type
	}
	return t, t.IsCollectionType()
}

// setSize refuses a large set of values that are not plain before it is made.
func setSize(v cty.Value, want cty.Type) error {
	t := v.Type()
	if !want.IsSetType() || v.IsMarked() || v.IsNull() || !v.IsKnown() || !t.IsTupleType() && !t.IsListType() || v.LengthInt() <= maxSetOfObjects {
		return nil
	}
	for it := v.ElementIterator(); it.Next(); {
		if _, e := it.Element(); !e.Type().IsPrimitiveType() && e.Type() != cty.DynamicPseudoType {
			return errLargeSet
		}
	}
	return nil
}

// toFunc is tolist, toset and tomap: conversions whose parameter takes any type.
func toFunc(f function.Function, want cty.Type) function.Function {
	p := f.Params()[0]
	p.AllowMarked, p.AllowUnknown = true, true
	return function.New(&function.Spec{
		Description: "Converts the given value to a " + strings.TrimSuffix(want.FriendlyName(), " of any single type") + ", or raises an error if that conversion is impossible.",
		Params:      []function.Parameter{p},
		Type: func(args []cty.Value) (cty.Type, error) {
			v, err := Toward(args[0], want)
			if err != nil {
				return cty.NilType, err
			}
			return f.ReturnTypeForValues([]cty.Value{v})
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := Toward(args[0], want)
			if err != nil {
				return cty.NilVal, err
			}
			return f.Call([]cty.Value{v})
		},
	})
}
