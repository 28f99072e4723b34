package functions

import (
	"fmt"
	"math"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/nbpipe/nbpipe/stages"
)

// rangeFunc is range(end), range(start, end) and range(start, end, step). The
// standard library's stops at 1,024 elements.
var rangeFunc = function.New(&function.Spec{
	Description: "A list of numbers.",
	VarParam:    &function.Parameter{Name: "limits", Type: cty.Number},
	Type:        function.StaticReturnType(cty.List(cty.Number)),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		n := make([]float64, len(args))
		for i, a := range args {
			n[i], _ = a.AsBigFloat().Float64()
		}
		start, end, step := 0.0, 0.0, 1.0
		switch len(n) {
		case 1:
			end = n[0]
		case 2:
			start, end = n[0], n[1]
		case 3:
			start, end, step = n[0], n[1], n[2]
		default:
			return cty.NilVal, fmt.Errorf("range takes one to three numbers: an end, or start and end, or start, end and step")
		}
		if len(n) < 3 && end < start {
			step = -1
		}
		return sequence(start, end, step)
	},
})

func sequence(start, end, step float64) (cty.Value, error) {
	if step == 0 || (end-start)*step < 0 {
		return cty.NilVal, fmt.Errorf("a step of %v never leads from %v to %v", step, start, end)
	}
	count := math.Ceil((end - start) / step)
	if math.IsNaN(count) || count > MaxElements-1 {
		return cty.NilVal, fmt.Errorf("at most %d numbers can be made", MaxElements-1)
	}
	if count <= 0 {
		return cty.ListValEmpty(cty.Number), nil
	}
	out := make([]cty.Value, int(count))
	for i := range out {
		out[i] = cty.NumberFloatVal(start + float64(i)*step)
	}
	return cty.ListVal(out), nil
}

func productSize(args []cty.Value) error {
	total := 1.0
	for _, a := range args {
		if !a.CanIterateElements() {
			return nil
		}
		total *= float64(a.LengthInt())
	}
	if total*float64(len(args)+1) > MaxElements {
		return fmt.Errorf("the product would have %.0f combinations; a value has at most %d elements", total, MaxElements)
	}
	return nil
}

// distinctFunc keeps the first of equal elements, in linear time.
var distinctFunc = function.New(&function.Spec{
	Description: "A list without repeated elements.",
	Params:      []function.Parameter{{Name: "list", Type: cty.List(cty.DynamicPseudoType)}},
	Type:        func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(t), nil
		}
		seen := cty.NewValueSet(t.ElementType())
		var out []cty.Value
		for it := args[0].ElementIterator(); it.Next(); {
			_, e := it.Element()
			if !seen.Has(e) {
				seen.Add(e)
				out = append(out, e)
			}
		}
		if len(out) == 0 {
			return cty.ListValEmpty(t.ElementType()), nil
		}
		return cty.ListVal(out), nil
	},
})

// lengthFunc counts elements, and the characters of a string.
var lengthFunc = function.New(&function.Spec{
	Description: "The number of elements of a collection, or of characters of a string.",
	Params:      []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true}},
	Type: func(args []cty.Value) (cty.Type, error) {
		t := args[0].Type()
		if t == cty.DynamicPseudoType || t == cty.String || t.IsCollectionType() || t.IsTupleType() || t.IsObjectType() {
			return cty.Number, nil
		}
		return cty.NilType, function.NewArgErrorf(0, "a collection or a string is required, not %s", t.FriendlyName())
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, marks := args[0].Unmark()
		switch t := v.Type(); {
		case t == cty.DynamicPseudoType:
			return cty.UnknownVal(cty.Number).WithMarks(marks), nil
		case t == cty.String:
			n, err := stdlib.Strlen(v)
			return n.WithMarks(marks), err
		case t.IsTupleType():
			return cty.NumberIntVal(int64(t.Length())).WithMarks(marks), nil
		case t.IsObjectType():
			return cty.NumberIntVal(int64(len(t.AttributeTypes()))).WithMarks(marks), nil
		}
		return v.Length().WithMarks(marks), nil
	},
})

// transposeFunc turns a map of lists inside out.
var transposeFunc = function.New(&function.Spec{
	Description: "From every element of the lists to the keys that list it.",
	Params:      []function.Parameter{{Name: "values", Type: cty.Map(cty.List(cty.String))}},
	Type:        function.StaticReturnType(cty.Map(cty.List(cty.String))),
	Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(t), nil
		}
		keys := map[string][]cty.Value{}
		for it := args[0].ElementIterator(); it.Next(); {
			k, list := it.Element()
			if list.IsNull() {
				continue
			}
			for jt := list.ElementIterator(); jt.Next(); {
				_, e := jt.Element()
				if e.IsNull() {
					return cty.NilVal, function.NewArgErrorf(0, "the lists may not hold null")
				}
				keys[e.AsString()] = append(keys[e.AsString()], k)
			}
		}
		if len(keys) == 0 {
			return cty.MapValEmpty(cty.List(cty.String)), nil
		}
		out := map[string]cty.Value{}
		for k, v := range keys {
			out[k] = cty.ListVal(v)
		}
		return cty.MapVal(out), nil
	},
})

var sensitiveFunc = function.New(&function.Spec{
	Description: "Marks a value as sensitive.",
	Params:      []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowNull: true, AllowMarked: true, AllowDynamicType: true}},
	Type:        func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl:        func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0].Mark(stages.Sensitive), nil },
})

func pathFunc(files Files) function.Function {
	return function.New(&function.Spec{
		Description: "A file or folder of the experiment, relative to the folder of the .hcl file.",
		Params:      []function.Parameter{{Name: "path", Type: cty.String}},
		Type:        function.StaticReturnType(stages.FileType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if files == nil {
				return cty.NilVal, errNoFiles
			}
			f, err := files.Path(args[0].AsString())
			if err != nil {
				return cty.NilVal, err
			}
			return stages.FileValue(f), nil
		},
	})
}

func fileFunc(files Files) function.Function {
	return textFunc("The text of a UTF-8 file of the experiment.", cty.String, []string{"path"}, func(a []string) (cty.Value, error) {
		if files == nil {
			return cty.NilVal, errNoFiles
		}
		text, err := files.Text(a[0])
		return cty.StringVal(text), err
	})
}

func filesetFunc(files Files) function.Function {
	return textFunc("The files below a folder whose names match a pattern, sorted.", cty.Set(cty.String), []string{"dir", "pattern"},
		func(a []string) (cty.Value, error) {
			if files == nil {
				return cty.NilVal, errNoFiles
			}
			names, err := files.Set(a[0], a[1])
			if err != nil || len(names) == 0 {
				return cty.SetValEmpty(cty.String), err
			}
			slices.Sort(names)
			out := make([]cty.Value, len(names))
			for i, n := range names {
				out[i] = cty.StringVal(n)
			}
			return cty.SetVal(out), nil
		})
}
