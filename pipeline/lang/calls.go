package lang

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
	"github.com/nbpipe/nbpipe/pipeline/lang/functions"
)

// failedCall as a problem's Extra says which call of a function it is about.
type failedCall struct {
	call *hclsyntax.FunctionCallExpr
	err  error // of the function itself; nil: it was not called
	dear bool  // evaluating its arguments again would take long
}

// fewSteps is up to how many steps an expression is evaluated again for a message.
const fewSteps = 20_000

// ofCall notes with the problems of a call, and not with those of its arguments,
// which call it was. The text is made later, for those that are shown.
func ofCall(diags hcl.Diagnostics, call *hclsyntax.FunctionCallExpr, steps int) hcl.Diagnostics {
	for i, d := range diags {
		if x, ok := d.Extra.(hclsyntax.FunctionCallDiagExtra); ok && x.CalledFunctionName() == call.Name {
			c := *d
			c.Extra = &failedCall{call, x.FunctionCallError(), steps > fewSteps}
			diags[i] = &c
		}
	}
	return diags
}

// explainCall names the function, the argument, its value, what it takes and
// what to do.
func explainCall(d *hcl.Diagnostic, f *failedCall) {
	name := f.call.Name + "()"
	fn := d.EvalContext.Functions[f.call.Name]
	for ctx := d.EvalContext; ctx != nil; ctx = ctx.Parent() {
		if known, ok := ctx.Functions[f.call.Name]; ok {
			fn = known
		}
	}
	usage := fmt.Sprintf("It is written %s.", functions.Signature(f.call.Name, fn))
	switch d.Summary {
	case "Not enough function arguments":
		d.Summary = "Missing argument of a function"
		i := len(f.call.Args)
		d.Detail = fmt.Sprintf("The %s argument of %s, %s, is missing. %s", ordinal(i), name, fn.Params()[i].Name, usage)
	case "Too many function arguments":
		d.Summary = "Too many arguments of a function"
		d.Detail = fmt.Sprintf("%s takes %s. %s Remove the others.", name, countArguments(len(fn.Params())), usage)
	case "Invalid expanding argument value":
		d.Summary = "Wrong argument of a function"
		v, _ := valueOf(d.Expression, d.EvalContext)
		d.Detail = fmt.Sprintf("The three dots make arguments of %s of the elements of a list, set or tuple; this is %s. Give a list, or remove the dots.", name, diagnostic.Given(v))
	case "Invalid function argument":
		explainArgument(d, f, fn, usage)
	case "Error in function call":
		explainFailure(d, f, usage)
	}
	d.Detail = strings.ReplaceAll(d.Detail, "?.", "?")
}

func explainArgument(d *hcl.Diagnostic, f *failedCall, fn function.Function, usage string) {
	d.Summary = "Wrong argument of a function"
	v, _ := valueOf(d.Expression, d.EvalContext)
	if d.Expression != nil {
		at := d.Expression.Range()
		d.Subject = &at
	}
	if isFile(v.Type()) || strings.Contains(d.Detail, functions.ErrFile.Error()) {
		d.Summary, d.Detail = "A file cannot be put into a string", sentence(functions.ErrFile)
		return
	}
	i := indexOf(f.call, d.Expression)
	var wrong function.ArgError
	if errors.As(f.err, &wrong) {
		i = wrong.Index
	}
	what, takes := "An argument of "+f.call.Name+"()", ""
	if i >= 0 {
		what = fmt.Sprintf("The %s argument of %s()", ordinal(i), f.call.Name)
	}
	if p := parameter(fn, i); p != nil {
		what += ", " + p.Name + ","
		if p.Type != cty.DynamicPseudoType {
			takes = " takes " + diagnostic.Article(diagnostic.TypeText(p.Type))
		}
		if f.err == nil {
			if why := mismatch(v, p.Type, ""); why != "" {
				d.Detail = fmt.Sprintf("%s%s: %s %s", what, takes, period(why), usage)
				return
			}
		}
	}
	why := d.Detail // HCL's own, where the function was not called
	if f.err != nil {
		why = f.err.Error()
	}
	if _, rest, ok := strings.Cut(why, " parameter: "); ok {
		why = rest
	}
	switch {
	case v.IsNull():
		d.Detail = fmt.Sprintf("%s is null, but a value is required. Give a default: coalesce(..., OTHER). %s", what, usage)
	default:
		d.Detail = fmt.Sprintf("%s is %s: %s %s", what, diagnostic.Given(v), period(why), usage)
	}
}

// maxArguments is how many arguments of a call are shown.
const maxArguments = 4

func explainFailure(d *hcl.Diagnostic, f *failedCall, usage string) {
	at := f.call.Range()
	d.Subject = &at
	d.Summary = "Function failed"
	why := d.Detail
	if f.err != nil {
		why = f.err.Error()
	}
	if strings.Contains(why, functions.ErrFile.Error()) || strings.Contains(why, "not file") {
		d.Summary, d.Detail = "A file cannot be put into a string", sentence(functions.ErrFile)
		return
	}
	if why == "EOF" {
		why = "the text ends too early"
	}
	switch f.call.Name {
	case "try": // its arguments are expressions
		d.Detail = fmt.Sprintf("try() failed: %s Give a last argument that always has a value.", period(why))
		return
	case "path", "file", "fileset":
		d.Summary = "Wrong path"
		d.Detail = fmt.Sprintf("%s() failed: %s", f.call.Name, period(why))
		return
	}
	var args []string
	for i, e := range f.call.Args {
		if f.dear {
			break
		}
		if i == maxArguments {
			args = append(args, "...")
			break
		}
		v, _ := valueOf(e, d.EvalContext)
		args = append(args, diagnostic.ValueText(v))
	}
	d.Detail = fmt.Sprintf("%s() failed: %s The arguments: %s. %s", f.call.Name, period(why), strings.Join(args, ", "), usage)
	if len(args) == 0 {
		d.Detail = fmt.Sprintf("%s() failed: %s %s", f.call.Name, period(why), usage)
	}
}

func indexOf(call *hclsyntax.FunctionCallExpr, e hcl.Expression) int {
	for i, a := range call.Args {
		if e == hcl.Expression(a) {
			return i
		}
	}
	return -1
}

// parameter is the i-th parameter of a function.
func parameter(f function.Function, i int) *function.Parameter {
	params := f.Params()
	switch {
	case i < 0:
		return nil
	case i < len(params):
		return &params[i]
	}
	return f.VarParam()
}

func ordinal(i int) string {
	suffix := "th"
	if n := (i + 1) % 100; n < 11 || n > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprintf("%d%s", i+1, suffix)
}

func countArguments(n int) string {
	switch n {
	case 0:
		return "no arguments"
	case 1:
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}
