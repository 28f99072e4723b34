package lang

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
	"github.com/nbpipe/nbpipe/pipeline/lang/functions"
	"github.com/nbpipe/nbpipe/stages"
)

// The limits of evaluation. One step is one pass of a `for`, a splat or a part
// of a string.
const (
	maxSteps      = 800_000   // of one expression: one to two seconds
	maxTotalSteps = 4_000_000 // of all evaluations of one State, or of loading
	stepsPerNode  = 300       // on top of that for each node
	maxTextBytes  = 64 << 20  // of one expression's strings
	maxHeld       = 2_000_000 // elements of all local values and constants together
	maxHeldBytes  = 128 << 20 // of their strings
)

// meter bounds evaluation, which HCL itself cannot be told to stop. The wrappers
// below stand inside an expression and count; over the limit they panic with
// tooMuch, which evaluate catches.
type meter struct {
	steps, bytes, total int
	nodes               int
	ticks               int // calls of step
	held                functions.Size
	cancelled           func() error
}

func (m *meter) full() bool { return m.held.Elements > maxHeld || m.held.Bytes > maxHeldBytes }

// hold counts a value that is kept as long as the experiment is.
func (m *meter) hold(size functions.Size) error {
	m.held.Elements += size.Elements
	m.held.Bytes += size.Bytes
	if m.full() {
		return fmt.Errorf("the values of this experiment hold more than %d elements or %d MiB of text together; read large data in a stage, from a file given with path()", maxHeld, maxHeldBytes>>20)
	}
	return nil
}

type tooMuch struct{ detail string }

func (m *meter) reset() { m.steps, m.bytes = 0, 0 }

func (m *meter) step() {
	m.charge(1)
	m.ticks++
	switch {
	case m.steps > maxSteps:
		panic(tooMuch{fmt.Sprintf("It takes more than %d steps. Nested `for` expressions multiply: compute the inner ones once, in locals.", maxSteps)})
	case m.spent():
		panic(tooMuch{fmt.Sprintf("The expressions of this experiment take more than %d steps together. Compute what several of them need once, in locals.", maxTotalSteps+stepsPerNode*m.nodes)})
	case m.full():
		panic(tooMuch{"The values before it are too large already, all together."})
	case m.ticks&0xff == 0 && m.cancelled() != nil:
		panic(tooMuch{"Loading was cancelled."})
	}
}

// spent reports whether all evaluations together have taken too many steps.
func (m *meter) spent() bool { return m.total > maxTotalSteps+stepsPerNode*m.nodes }

func (m *meter) charge(n int) {
	m.steps += n
	m.total += n
}

// walk counts that something goes through the elements of a value, or the
// characters of a text.
func (m *meter) walk(v cty.Value) {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() {
		return
	}
	switch t := v.Type(); {
	case t == cty.String:
		m.charge(len(v.AsString()) / bytesPerStep)
	case t.IsObjectType():
		m.charge(len(t.AttributeTypes()) / elementsPerStep)
	case v.CanIterateElements():
		m.charge(v.LengthInt() / elementsPerStep)
	}
}

func (m *meter) text(n int) {
	if m.bytes += n; m.bytes > maxTextBytes {
		panic(tooMuch{fmt.Sprintf("It makes more than %d MiB of text.", maxTextBytes>>20)})
	}
}

// step counts the body of a loop.
type step struct {
	hclsyntax.Expression
	meter *meter
}

// Inner implements diagnostic.Wrapper.
func (w *step) Inner() hclsyntax.Expression { return w.Expression }

// Value implements hcl.Expression.
func (w *step) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	w.meter.step()
	return w.Expression.Value(ctx)
}

// element is what a splat does with each element. The element has no name by which
// it could be found later, so it is noted with a problem.
type element struct{ step }

// ofElement as a problem's Extra is the value whose member is missing.
type ofElement struct{ value cty.Value }

// Value implements hcl.Expression.
func (w *element) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := w.step.Value(ctx)
	for i, d := range diags {
		if d.Extra != nil {
			continue
		}
		var of hclsyntax.Expression
		switch e := unwrap(d.Expression).(type) {
		case *hclsyntax.RelativeTraversalExpr:
			of = e.Source
		case *hclsyntax.IndexExpr:
			of = e.Collection
		default:
			continue
		}
		if _, direct := unwrap(of).(*hclsyntax.AnonSymbolExpr); direct {
			c := *d
			at, _ := of.Value(ctx)
			c.Extra = &ofElement{at}
			diags[i] = &c
		}
	}
	return v, diags
}

// part is an interpolation in a string. HCL looks at the type of a part only
// once its value is known; a file must be refused before that.
type part struct {
	hclsyntax.Expression
	meter *meter
}

// Inner implements diagnostic.Wrapper.
func (w *part) Inner() hclsyntax.Expression { return w.Expression }

// Value implements hcl.Expression.
func (w *part) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	w.meter.step()
	v, diags := w.Expression.Value(ctx)
	plain, _ := v.Unmark()
	if isFile(plain.Type()) {
		d := fileInString(w.Range())
		d.Expression, d.EvalContext = w.Expression, ctx
		return cty.UnknownVal(cty.String).WithSameMarks(v), append(diags, d)
	}
	if plain.IsKnown() && !plain.IsNull() {
		switch plain.Type() {
		case cty.String:
			w.meter.text(len(plain.AsString()))
		case cty.Number:
			n := plain.AsBigFloat()
			if i, acc := n.Int64(); acc == big.Exact && n.IsInt() { // cty's way takes 80 times as long
				return cty.StringVal(strconv.FormatInt(i, 10)).WithSameMarks(v), diags
			}
			if err := functions.BoundNumber(n); err != nil {
				return cty.UnknownVal(cty.String).WithSameMarks(v), append(diags, diagnostic.Error(w.Range(), "Number out of range", sentence(err)))
			}
		}
	}
	return v, diags
}

func isFile(t cty.Type) bool { return t.Equals(stages.FileType) || t.Equals(stages.TableType) }

func fileInString(at hcl.Range) *hcl.Diagnostic {
	return diagnostic.Error(at, "A file cannot be put into a string",
		"Where a file lies is not known before the run, and a path would make results depend on the machine. Name the file under `inputs` of a command, `inputs = { data = ... }`, and use the path in/data.")
}

// number bounds the result of arithmetic, so that turning it into text stays
// cheap. An infinity may come from a node's outputs (log10 of a p-value of 0),
// but not from finite operands. What the file itself computes must be finite in
// the end: see noInfinity.
type number struct{ *hclsyntax.BinaryOpExpr }

// Inner implements diagnostic.Wrapper.
func (w *number) Inner() hclsyntax.Expression { return w.BinaryOpExpr }

// Value implements hcl.Expression.
func (w *number) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := w.BinaryOpExpr.Value(ctx)
	plain, _ := v.Unmark()
	if plain.Type() != cty.Number || !plain.IsKnown() || plain.IsNull() {
		return v, diags
	}
	n := plain.AsBigFloat()
	err := functions.BoundNumber(n)
	if w.Op == hclsyntax.OpModulo && zero(w.RHS, ctx) {
		err = errDivision // cty gives the left operand
	}
	if n.IsInf() && !infinite(w.LHS, ctx) && !infinite(w.RHS, ctx) {
		err = errInfinite
		if w.Op == hclsyntax.OpDivide {
			err = errDivision
		}
	}
	if err != nil {
		return cty.UnknownVal(cty.Number).WithSameMarks(v), append(diags, diagnostic.Error(w.Range(), "Number out of range", "%s", sentence(err)))
	}
	return v, diags
}

var (
	errInfinite = errors.New("the result is too large for a number; compute with logarithms, or in another unit")
	errDivision = errors.New("a division by zero has no result; where the divisor can be zero, write x != 0 ? y / x : OTHER")
)

// noInfinity refuses an infinite number in a value of what.
func noInfinity(v cty.Value, at hcl.Range, what string) *hcl.Diagnostic {
	n, ok := functions.Infinite(v)
	if !ok {
		return nil
	}
	return diagnostic.Error(at, "Number out of range", "%s is or holds an infinite number, %s, such as log(0, 10) or a number beyond all limits give, and no finite result comes of it. Give a finite number; where an argument of log() can be 0, write x > 0 ? log(x, 10) : OTHER.",
		what, stages.NumberText(n.AsBigFloat()))
}

func zero(e hclsyntax.Expression, ctx *hcl.EvalContext) bool {
	v, ok := valueOf(e, ctx)
	return ok && v.Type() == cty.Number && v.IsKnown() && !v.IsNull() && v.AsBigFloat().Sign() == 0
}

func infinite(e hclsyntax.Expression, ctx *hcl.EvalContext) bool {
	v, ok := valueOf(e, ctx)
	return ok && v.Type() == cty.Number && v.IsKnown() && !v.IsNull() && v.AsBigFloat().IsInf()
}

// all is the source of a splat over a block with for_each: its instances as a
// list, where HCL would take the object as one element.
type all struct{ hclsyntax.Expression }

// Inner implements diagnostic.Wrapper.
func (w *all) Inner() hclsyntax.Expression { return w.Expression }

// Value implements hcl.Expression.
func (w *all) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := w.Expression.Value(ctx)
	if !v.IsKnown() || v.IsNull() || v.IsMarked() || !v.Type().IsObjectType() {
		return v, diags
	}
	out := make([]cty.Value, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		out = append(out, e)
	}
	return cty.TupleVal(out), diags
}

// collection is an argument of a function that takes a list, set or map.
type collection struct {
	hclsyntax.Expression
	want cty.Type
}

// Inner implements diagnostic.Wrapper.
func (w *collection) Inner() hclsyntax.Expression { return w.Expression }

// Value implements hcl.Expression.
func (w *collection) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := w.Expression.Value(ctx)
	if diags.HasErrors() {
		return cty.DynamicVal, diags // the call fails in any case
	}
	out, err := functions.Toward(v, w.want)
	if err != nil {
		return cty.DynamicVal, append(diags, diagnostic.Error(w.Range(), "Too many types", "%s", sentence(err)))
	}
	return out, diags
}

// branch is a branch of a conditional, whose types cty brings together.
type branch struct {
	hclsyntax.Expression
	meter *meter
}

// Inner implements diagnostic.Wrapper.
func (w *branch) Inner() hclsyntax.Expression { return w.Expression }

// Value implements hcl.Expression.
func (w *branch) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := w.Expression.Value(ctx)
	w.meter.walk(v)
	w.meter.step()
	if out, err := functions.Homogeneous(v); err == nil {
		return out, diags
	}
	return v, diags
}

// result is a call of a function: what it gives counts, since a loop can call it
// many times and keep all results.
type result struct {
	*hclsyntax.FunctionCallExpr
	meter *meter
}

// Inner implements diagnostic.Wrapper.
func (w *result) Inner() hclsyntax.Expression { return w.FunctionCallExpr }

// These weigh elements and characters against passes of loops.
const (
	elementsPerStep = 2
	bytesPerStep    = 16 // for a regular expression
)

// argument is an argument of a function: the function goes through it, and a loop
// may call it often.
type argument struct {
	hclsyntax.Expression
	meter *meter
}

// Inner implements diagnostic.Wrapper.
func (w *argument) Inner() hclsyntax.Expression { return w.Expression }

// Value implements hcl.Expression.
func (w *argument) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := w.Expression.Value(ctx)
	w.meter.walk(v)
	return v, diags
}

// operand is one side of == or !=, which compare all of two values.
type operand struct {
	hclsyntax.Expression
	meter *meter
}

// Inner implements diagnostic.Wrapper.
func (w *operand) Inner() hclsyntax.Expression { return w.Expression }

// Value implements hcl.Expression.
func (w *operand) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := w.Expression.Value(ctx)
	if !v.Type().IsPrimitiveType() {
		w.meter.charge(functions.Measure(v).Elements / elementsPerStep)
		w.meter.step()
	}
	return v, diags
}

// Value implements hcl.Expression.
func (w *result) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	w.meter.step()
	v, diags := w.FunctionCallExpr.Value(ctx)
	if len(diags) > 0 {
		diags = ofCall(diags, w.FunctionCallExpr, w.meter.steps)
	}
	size := functions.Measure(v)
	w.meter.charge(size.Elements / elementsPerStep)
	w.meter.text(size.Bytes)
	return v, diags
}
