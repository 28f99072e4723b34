package functions

import (
	"errors"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/customdecode"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// tryFunc and canFunc are those of hcl/ext/tryfunc, except that try says its
// type is not known beforehand. The original evaluates its arguments twice, once
// for the type, so that nested calls take exponential time.
var tryFunc = function.New(&function.Spec{
	Description: "The first of its arguments that can be evaluated without error.",
	VarParam:    &function.Parameter{Name: "expressions", Type: customdecode.ExpressionClosureType},
	Type: func(args []cty.Value) (cty.Type, error) {
		if len(args) == 0 {
			return cty.NilType, errors.New("at least one argument is required")
		}
		return cty.DynamicPseudoType, nil
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var all hcl.Diagnostics
		for _, arg := range args {
			v, diags := customdecode.ExpressionClosureFromVal(arg).Value()
			if diags.HasErrors() {
				all = append(all, diags...)
				continue
			}
			if !v.IsWhollyKnown() {
				// What becomes of it when it is known could be an error.
				return cty.DynamicVal.WithSameMarks(v), nil
			}
			return v, nil
		}
		return cty.NilVal, errors.New(reasons(all))
	},
})

var canFunc = function.New(&function.Spec{
	Description: "Whether its argument can be evaluated without error.",
	Params:      []function.Parameter{{Name: "expression", Type: customdecode.ExpressionClosureType}},
	Type:        function.StaticReturnType(cty.Bool),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, diags := customdecode.ExpressionClosureFromVal(args[0]).Value()
		switch {
		case diags.HasErrors():
			return cty.False, nil
		case !v.IsWhollyKnown():
			return cty.UnknownVal(cty.Bool), nil
		}
		return cty.True, nil
	},
})

func reasons(diags hcl.Diagnostics) string {
	var b strings.Builder
	const none = "none of the expressions can be evaluated"
	b.WriteString(none)
	for i, d := range diags {
		if i == 4 {
			b.WriteString("; and more")
			break
		}
		text := d.Summary + ": " + d.Detail
		switch d.Summary {
		case "Invalid function argument":
			text = "Wrong argument of a function: " + strings.TrimPrefix(d.Detail, "Invalid value for ")
		case "Error in function call":
			text = strings.TrimPrefix(d.Detail, "Call to ")
		}
		if i := strings.LastIndex(text, none+"; "); i >= 0 {
			text = text[i+len(none)+2:] // of the innermost try
		}
		b.WriteString("; " + strings.TrimRight(text, "."))
	}
	return b.String()
}
