package functions

import (
	"errors"
	"math"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// powFunc and logFunc are those of cty, except that a result that is no number
// is an error, not a panic, and a power too large for a float64 is one, too.
var (
	powFunc = numeric("A number to the given power.", "num", "power", func(num, power float64) (float64, error) {
		v := math.Pow(num, power)
		switch {
		case math.IsNaN(v):
			return v, errors.New("the result is not a number: a negative number has no such power")
		case math.IsInf(v, 0) && !math.IsInf(num, 0) && !math.IsInf(power, 0):
			return v, errors.New("the result is too large for a number, or a division by zero")
		}
		return v, nil
	})
	logFunc = numeric("The logarithm of a number to the given base.", "num", "base", func(num, base float64) (float64, error) {
		v := math.Log(num) / math.Log(base)
		if math.IsNaN(v) {
			return v, errors.New("the result is not a number: a logarithm needs a number that is not negative, and a positive base other than 1")
		}
		return v, nil
	})
)

func numeric(description, first, second string, f func(a, b float64) (float64, error)) function.Function {
	return function.New(&function.Spec{
		Description:  description,
		Params:       []function.Parameter{{Name: first, Type: cty.Number}, {Name: second, Type: cty.Number}},
		Type:         function.StaticReturnType(cty.Number),
		RefineResult: func(b *cty.RefinementBuilder) *cty.RefinementBuilder { return b.NotNull() },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			a, _ := args[0].AsBigFloat().Float64()
			b, _ := args[1].AsBigFloat().Float64()
			v, err := f(a, b)
			if err != nil {
				return cty.NilVal, err
			}
			return cty.NumberFloatVal(v), nil
		},
	})
}
