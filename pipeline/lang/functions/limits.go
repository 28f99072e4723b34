package functions

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/nbpipe/nbpipe/stages"
)

// Limits of values. They are far above what an experiment needs and far below
// what would hurt.
const (
	MaxElements = 1_000_000 // of a value, all levels together
	MaxBytes    = 16 << 20  // of the strings of a value, all together
	MaxExponent = 1 << 14   // binary exponent of a number: its text has at most 4,933 digits
	maxWidth    = 10_000    // of a verb in format()
	maxIndent   = 1_000
	maxJSON     = 200  // levels of jsondecode()
	maxDigits   = 4096 // of parseint()

	// Such sets are sorted by the text of their elements, which takes 10 µs each,
	// and functions of sets do so several times.
	maxSetOfObjects = 5_000
)

// Size measures a value; it stops when a limit is passed.
type Size struct {
	Elements, Bytes int
}

// Bound checks that a value is within the limits. Parts that stand in several
// places count each time, since that is what walking them costs.
func Bound(v cty.Value) (Size, error) {
	var s Size
	err := s.add(v)
	return s, err
}

// Measure is the size of a value that is within the limits.
func Measure(v cty.Value) Size {
	var s Size
	_ = s.add(v)
	return s
}

func (s *Size) add(v cty.Value) error {
	if v.IsMarked() {
		v, _ = v.Unmark()
	}
	if s.Elements++; s.Elements > MaxElements {
		return fmt.Errorf("the value has more than %d elements", MaxElements)
	}
	if v.IsNull() || !v.IsKnown() {
		return nil
	}
	switch t := v.Type(); {
	case t == cty.String:
		if s.Bytes += len(v.AsString()); s.Bytes > MaxBytes {
			return fmt.Errorf("the value's text is longer than %d MiB", MaxBytes>>20)
		}
	case t == cty.Number:
		return BoundNumber(v.AsBigFloat())
	case t.IsSetType() && t.ElementType().IsPrimitiveType():
		// Iterating over a set sorts it, and its elements were bounded as those of
		// the list that it was made of.
		s.Elements += v.LengthInt()
	case t.IsSetType() && v.LengthInt() > maxSetOfObjects:
		return errLargeSet
	case v.CanIterateElements():
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			if err := s.add(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// BoundNumber checks that a number's text is of reasonable length.
func BoundNumber(n *big.Float) error {
	if n.IsInf() {
		return nil
	}
	if e := n.MantExp(nil); e > MaxExponent || e < -MaxExponent {
		return fmt.Errorf("the number is too large or too small: at most about 4,900 digits are supported; compute with logarithms, or in another unit")
	}
	return nil
}

var errLargeSet = fmt.Errorf("a set of values that are not plain texts or numbers has at most %d elements; use a map", maxSetOfObjects)

// Infinite finds an infinite number in a value that is within the limits. cty has
// no NaN.
func Infinite(v cty.Value) (cty.Value, bool) {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() {
		return v, false
	}
	switch t := v.Type(); {
	case t == cty.Number:
		return v, v.AsBigFloat().IsInf()
	case !holdsNumber(t):
	case t.IsSetType() && t.ElementType() == cty.Number:
		for _, e := range []cty.Value{cty.PositiveInfinity, cty.NegativeInfinity} {
			if has := v.HasElement(e); has.IsKnown() && has.True() {
				return e, true
			}
		}
	case v.CanIterateElements():
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			if found, ok := Infinite(e); ok {
				return found, true
			}
		}
	}
	return v, false
}

func holdsNumber(t cty.Type) bool {
	switch {
	case t.IsCollectionType():
		return holdsNumber(t.ElementType())
	case t.IsTupleType():
		return slices.ContainsFunc(t.TupleElementTypes(), holdsNumber)
	case t.IsObjectType():
		for _, e := range t.AttributeTypes() {
			if holdsNumber(e) {
				return true
			}
		}
	}
	return t == cty.Number
}

// guard wraps a function so that its arguments and result are within limits,
// and pre, if any, agrees to the arguments. pre sees known, unmarked arguments.
func guard(f function.Function, noFiles bool, pre func(args []cty.Value) error) function.Function {
	spec := &function.Spec{Params: allowAll(f.Params()), Description: f.Description()}
	if p := f.VarParam(); p != nil {
		spec.VarParam = &allowAll([]function.Parameter{*p})[0]
	}
	spec.Type = func(args []cty.Value) (cty.Type, error) {
		for i, a := range args {
			if noFiles && holdsFile(a.Type()) {
				return cty.NilType, function.NewArgError(i, ErrFile)
			}
		}
		if err := before(args, pre); err != nil {
			return cty.NilType, err
		}
		return f.ReturnTypeForValues(args)
	}
	spec.Impl = func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if err := before(args, pre); err != nil {
			return cty.NilVal, err
		}
		v, err := f.Call(args)
		if err == nil {
			_, err = Bound(v)
		}
		return v, err
	}
	return function.New(spec)
}

// ErrFile says what to do with a file instead of putting it into a string.
var ErrFile = fmt.Errorf("a file cannot be put into a string: where it lies is not known before the run, and a path would make results depend on the machine. Name it under `inputs` of a command, which shows it at in/<name>")

func allowAll(ps []function.Parameter) []function.Parameter {
	out := make([]function.Parameter, len(ps))
	for i, p := range ps {
		p.AllowMarked, p.AllowUnknown = true, true // the wrapped function decides
		out[i] = p
	}
	return out
}

func before(args []cty.Value, pre func([]cty.Value) error) error {
	if pre == nil {
		return nil
	}
	plain := make([]cty.Value, len(args))
	for i, a := range args {
		plain[i], _ = a.UnmarkDeep()
		if plain[i].IsNull() || !plain[i].IsWhollyKnown() {
			return nil // the function itself deals with it
		}
	}
	return pre(plain)
}

func holdsFile(t cty.Type) bool {
	switch {
	case t.Equals(stages.FileType), t.Equals(stages.TableType):
		return true
	case t.IsCollectionType():
		return holdsFile(t.ElementType())
	case t.IsTupleType():
		for _, e := range t.TupleElementTypes() {
			if holdsFile(e) {
				return true
			}
		}
	case t.IsObjectType():
		for _, e := range t.AttributeTypes() {
			if holdsFile(e) {
				return true
			}
		}
	}
	return false
}
