package lang

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
	"github.com/nbpipe/nbpipe/stages"
)

// expect is an `expect` block: a claim about a node's outputs; under for_each,
// one for each element.
type expect struct {
	name   string
	header hcl.Range
	kind   string

	forEach *expression // nil: a single one

	claim                                              *expression
	value, parent, min, max, equals, tolerance, bounds *expression
	printed                                            float64 // default tolerance; NaN if equals is no literal number
}

// slack forgives the difference between a decimal number and its nearest float64.
const slack = 1e-12

var expectAttributes = []string{"for_each", "value", "min", "max", "equals", "tolerance", "interval", "claim", "kind"}

func (l *loader) expectBlock(t *template, b *hclsyntax.Block, each bool, seen map[string]hcl.Range) {
	if !l.labels(b, `expect "correlated" { ... }`, 1) {
		return
	}
	name := b.Labels[0]
	if first, ok := seen[name]; ok {
		l.duplicate(b.DefRange(), first, fmt.Sprintf("The expectation %q", name))
		return
	}
	seen[name] = b.DefRange()
	l.onlyAttributes(b, expectAttributes)
	e := &expect{name: name, header: b.DefRange(), kind: "own", printed: math.NaN()}
	as := b.Body.Attributes
	if a := as["for_each"]; a != nil {
		e.forEach = l.compile(a.Expr, t.mod, nil, scope{each: each, noNodes: true, what: forEachOfExpect})
		each = true // and from here on it is the expectation's
	}
	get := func(name string, self bool) *expression {
		a := as[name]
		if a == nil {
			return nil
		}
		return l.compile(a.Expr, t.mod, nil, scope{each: each, self: true, noNodes: true, what: "the attribute " + name})
	}
	e.claim, e.value = get("claim", false), get("value", true)
	e.min, e.max, e.equals = get("min", false), get("max", false), get("equals", false)
	e.tolerance, e.bounds = get("tolerance", false), get("interval", true)
	if e.value != nil {
		e.parent = parentOf(e.value)
	}
	if a := as["kind"]; a != nil {
		l.expectKind(t, e, a)
	}
	if a := as["equals"]; a != nil {
		e.printed = l.printedTolerance(a.Expr)
	}
	if l.expectShape(e) {
		t.expects = append(t.expects, e)
	}
}

func (l *loader) expectKind(t *template, e *expect, a *hclsyntax.Attribute) {
	text, ok := l.constantText(t.mod, a)
	switch {
	case !ok:
	case text != "print" && text != "claim" && text != "own":
		l.error(a.Expr.Range(), "Unknown kind of expectation", "An expectation is \"print\" (a number that the paper prints), \"claim\" (the paper's words, with limits of ours) or \"own\".%s", diagnostic.Hint(text, []string{"print", "claim", "own"}, ""))
	default:
		e.kind = text
	}
}

// expectShape checks which attributes stand together.
func (l *loader) expectShape(e *expect) bool {
	missing := func(what, why string) bool {
		l.error(e.header, "Missing attribute", "The expectation %q needs %s: %s", e.name, what, why)
		return false
	}
	ok := true
	if e.value == nil {
		ok = missing("a value", "value = self. and the name of an output.")
	}
	if e.claim == nil {
		ok = missing("a claim", "claim = \"...\" says in words what is expected, and where the paper says it.")
	}
	switch {
	case e.equals == nil && e.min == nil && e.max == nil:
		ok = missing("a limit", "equals, min or max.")
	case e.kind == "print" && e.equals == nil:
		ok = missing("equals", "kind = \"print\" compares with a number that the paper prints.")
	case e.equals != nil && (e.min != nil || e.max != nil):
		l.error(e.header, "Contradictory limits", "The expectation %q has equals beside min or max. Make two expectations of it.", e.name)
		ok = false
	}
	if e.tolerance != nil && e.equals == nil {
		l.error(e.tolerance.expr.Range(), "Tolerance without equals", "A tolerance belongs to equals; min and max are exact limits. Remove it, or move the limits.")
		ok = false
	}
	return ok
}

// parentOf is the object whose member .value an expression takes.
func parentOf(ex *expression) *expression {
	var of hclsyntax.Expression
	switch e := ex.expr.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		if n := len(e.Traversal) - 1; n > 0 && isValueStep(e.Traversal[n]) {
			of = &hclsyntax.ScopeTraversalExpr{Traversal: e.Traversal[:n], SrcRange: e.SrcRange}
		}
	case *hclsyntax.RelativeTraversalExpr:
		if n := len(e.Traversal) - 1; isValueStep(e.Traversal[n]) {
			of = e.Source
			if n > 0 {
				of = &hclsyntax.RelativeTraversalExpr{Source: e.Source, Traversal: e.Traversal[:n], SrcRange: e.SrcRange}
			}
		}
	}
	if of == nil {
		return nil
	}
	parent := *ex
	parent.expr = of
	return &parent
}

func isValueStep(t hcl.Traverser) bool {
	switch t := t.(type) {
	case hcl.TraverseAttr:
		return t.Name == "value"
	case hcl.TraverseIndex:
		return t.Key.Type() == cty.String && t.Key.IsKnown() && !t.Key.IsNull() && t.Key.AsString() == "value"
	}
	return false
}

// printedTolerance is half a unit of the last digit that a literal number spells
// out: 0.00005 for .9802, 0.005 for 1.50. NaN for anything else.
func (l *loader) printedTolerance(e hclsyntax.Expression) float64 {
	if neg, ok := e.(*hclsyntax.UnaryOpExpr); ok && neg.Op == hclsyntax.OpNegate {
		e = neg.Val
	}
	lit, ok := e.(*hclsyntax.LiteralValueExpr)
	if !ok || lit.Val.Type() != cty.Number {
		return math.NaN()
	}
	return halfUnit(l.tree.Snippet(lit.SrcRange))
}

func halfUnit(text string) float64 {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	_, decimals, _ := strings.Cut(mantissa, ".")
	exp := 0
	if exponent != "" {
		n, err := strconv.Atoi(exponent)
		if err != nil {
			return math.NaN()
		}
		exp = n
	}
	f, err := strconv.ParseFloat("0.5e"+strconv.Itoa(exp-len(decimals)), 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

// Verdicts evaluates a node's expect blocks; self is the object of its outputs,
// which may be unknown. A verdict about an unknown value is inconclusive.
func (s *State) Verdicts(n *Node, self cty.Value) ([]stages.Verdict, hcl.Diagnostics) {
	var out []stages.Verdict
	var diags hcl.Diagnostics
	for _, e := range n.inst.tmpl.expects {
		cases, d := s.cases(n.inst, e)
		diags = append(diags, d...)
		same := newRepeats("expectation")
		for _, c := range cases {
			v := &verdict{s: s, n: n, e: e, inst: c.inst, name: c.name, self: self}
			result, ok := v.evaluate()
			if !ok && self.IsKnown() && v.diags.HasErrors() {
				// The file is right (it was checked before the values were known); these
				// values just give no answer, and that is no reason to stop anything.
				result.Outcome, result.Reason, ok = stages.Inconclusive, reasonOf(v.diags), true
				v.diags = nil
			}
			diags = same.add(diags, c.of(e), v.diags)
			if ok {
				out = append(out, result)
			}
		}
		same.finish()
	}
	return out, append(diags, s.takeProblems()...)
}

func reasonOf(diags hcl.Diagnostics) string {
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			return "it could not be computed: " + strings.TrimSuffix(d.Detail, ".")
		}
	}
	return ""
}

// verdict is one evaluation of an expect block.
type verdict struct {
	s     *State
	n     *Node
	e     *expect
	inst  *instance // what each is taken from
	name  string
	self  cty.Value
	diags hcl.Diagnostics
}

// eval evaluates one attribute of the block; false: it has a problem.
func (v *verdict) eval(ex *expression) (cty.Value, bool) {
	if ex.broken {
		return cty.DynamicVal, false
	}
	ctx := v.s.context(ex, v.inst, nil)
	if ex.self {
		ctx = &hcl.EvalContext{Functions: ctx.Functions, Variables: withSelf(ctx.Variables, v.self)}
	}
	val, diags := v.s.evaluate(ex, ctx)
	v.diags = append(v.diags, diags...)
	if diags.HasErrors() {
		return val, false
	}
	if val.ContainsMarked() {
		v.diags = append(v.diags, sensitiveHere(ex.expr.Range(), "An expectation"))
		return val, false
	}
	return val, true
}

func withSelf(vars map[string]cty.Value, self cty.Value) map[string]cty.Value {
	out := make(map[string]cty.Value, len(vars)+1)
	for k, v := range vars {
		out[k] = v
	}
	out["self"] = self
	return out
}

func (v *verdict) fail(ex *expression, summary, detail string, args ...any) bool {
	v.diags = append(v.diags, diagnostic.Error(ex.expr.Range(), summary, detail, args...))
	return false
}

// number evaluates a limit; nil without error: it is unknown or null.
func (v *verdict) number(ex *expression, what string) (*float64, bool) {
	if ex == nil {
		return nil, true
	}
	val, ok := v.eval(ex)
	if !ok {
		return nil, false
	}
	if val.IsNull() {
		return nil, v.fail(ex, "Wrong type", "%s must be a number, this is null.", what)
	}
	if !val.IsKnown() && (val.Type() == cty.DynamicPseudoType || val.Type() == cty.Number) {
		return nil, true
	}
	f, ok := floatOf(val)
	if !ok {
		return nil, v.fail(ex, "Wrong type", "%s must be a number, this is %s.", what, diagnostic.Given(val))
	}
	return &f, true
}

func floatOf(v cty.Value) (float64, bool) {
	if v.Type() != cty.Number || v.IsNull() || !v.IsKnown() {
		return 0, false
	}
	f, _ := v.AsBigFloat().Float64()
	return f, true
}

func (v *verdict) evaluate() (stages.Verdict, bool) {
	e := v.e
	out := stages.Verdict{Node: v.n.Address, Name: v.name, Kind: e.kind, Outcome: stages.Inconclusive}
	ok := v.claim(&out)
	value, valueOK := v.eval(e.value)
	limits := v.limits(&out)
	low, high, intervalOK := v.interval(value)
	if !ok || !valueOK || !limits || !intervalOK {
		return out, false
	}
	if value.Type().IsObjectType() && value.Type().HasAttribute("value") {
		if value.IsKnown() && !value.IsNull() {
			value = value.GetAttr("value")
		} else {
			value = cty.UnknownVal(value.Type().AttributeType("value"))
		}
	}
	if e.equals != nil && out.Equals == nil {
		return v.compareText(out, value)
	}
	if t := value.Type(); t != cty.Number && t != cty.DynamicPseudoType {
		return out, v.fail(e.value, "Wrong type", "The value of an expectation must be a number, or an object with the members value, ci_low and ci_high; this is %s.", diagnostic.Given(value))
	}
	out.Low, out.High = low, high
	switch f, isNumber := floatOf(value); {
	case !value.IsKnown():
		out.Reason = "the value is not known yet"
	case !isNumber || math.IsNaN(f):
		out.Reason = "the value is not a number (NaN)"
	default:
		out.Value = &f
		judge(&out)
	}
	return out, true
}

func (v *verdict) claim(out *stages.Verdict) bool {
	val, ok := v.eval(v.e.claim)
	if !ok {
		return false
	}
	if val.IsNull() || val.Type() != cty.String && val.Type() != cty.DynamicPseudoType {
		return v.fail(v.e.claim, "Wrong type", "A claim is text, this is %s.", diagnostic.Given(val))
	}
	if val.IsKnown() {
		out.Claim = val.AsString()
	}
	return true
}

// limits evaluates equals, tolerance, min and max.
func (v *verdict) limits(out *stages.Verdict) bool {
	e := v.e
	var okMin, okMax bool
	out.Min, okMin = v.number(e.min, "min")
	out.Max, okMax = v.number(e.max, "max")
	if e.equals == nil {
		if out.Min != nil && out.Max != nil && *out.Min > *out.Max {
			return v.fail(e.min, "Contradictory limits", "No value can be inside the limits: min, %v, is greater than max, %v.", *out.Min, *out.Max)
		}
		return okMin && okMax
	}
	val, ok := v.eval(e.equals)
	if !ok {
		return false
	}
	switch t := val.Type(); {
	case val.IsNull():
		return v.fail(e.equals, "Wrong type", "equals must be a number, a string or a bool, this is null.")
	case t == cty.String || t == cty.Bool:
		if e.tolerance != nil {
			return v.fail(e.tolerance, "Tolerance without a number", "A tolerance belongs to a number; equals is %s.", diagnostic.Given(val))
		}
		out.Want = "unknown"
		if val.IsKnown() {
			out.Want = plainText(val)
		}
		return true
	case !val.IsKnown():
		return true
	case t != cty.Number:
		return v.fail(e.equals, "Wrong type", "equals must be a number, a string or a bool, this is %s.", diagnostic.Given(val))
	}
	f, _ := floatOf(val)
	out.Equals = &f
	return v.tolerance(out)
}

func (v *verdict) tolerance(out *stages.Verdict) bool {
	e := v.e
	if e.tolerance == nil {
		if math.IsNaN(e.printed) {
			return v.fail(e.equals, "Missing tolerance", "The tolerance is half a unit of the last digit where equals is a number written out; this is computed, so give a tolerance = ...")
		}
		out.Tolerance = &e.printed
		return true
	}
	f, ok := v.number(e.tolerance, "tolerance")
	if ok && f != nil && (*f < 0 || math.IsInf(*f, 0)) {
		return v.fail(e.tolerance, "Wrong tolerance", "A tolerance is a number that is not negative, this is %v.", *f)
	}
	out.Tolerance = f
	return ok
}

// interval finds the confidence interval of the value, if it has one.
func (v *verdict) interval(value cty.Value) (low, high *float64, ok bool) {
	if v.e.bounds != nil {
		return v.explicitInterval()
	}
	object := value
	if !object.Type().IsObjectType() && v.e.parent != nil {
		// The value itself was evaluated already; a problem of its parent is the same one.
		before := v.diags
		p, fine := v.eval(v.e.parent)
		v.diags = before
		if fine {
			object = p
		}
	}
	if object.IsNull() || !object.IsKnown() || !object.Type().IsObjectType() {
		return nil, nil, true
	}
	return member(object, "ci_low"), member(object, "ci_high"), true
}

func member(v cty.Value, name string) *float64 {
	if !v.Type().HasAttribute(name) {
		return nil
	}
	f, ok := floatOf(v.GetAttr(name))
	if !ok || math.IsNaN(f) {
		return nil
	}
	return &f
}

func (v *verdict) explicitInterval() (low, high *float64, ok bool) {
	ex := v.e.bounds
	val, ok := v.eval(ex)
	if !ok || val.IsNull() || !val.IsKnown() && val.Type() == cty.DynamicPseudoType {
		return nil, nil, ok // null: by the value alone
	}
	t := val.Type()
	if !(t.IsTupleType() || t.IsListType()) || val.IsKnown() && val.LengthInt() != 2 {
		return nil, nil, v.fail(ex, "Wrong interval", "An interval is a list of two numbers, [low, high]; this is %s.", diagnostic.Given(val))
	}
	if !val.IsKnown() {
		return nil, nil, true
	}
	var ends [2]*float64
	for k := range ends {
		e := val.Index(cty.NumberIntVal(int64(k)))
		if e.Type() != cty.Number && e.Type() != cty.DynamicPseudoType {
			return nil, nil, v.fail(ex, "Wrong interval", "The ends of an interval are numbers; one is %s.", diagnostic.Given(e))
		}
		if f, ok := floatOf(e); ok {
			ends[k] = &f
		}
	}
	if ends[0] != nil && ends[1] != nil && *ends[0] > *ends[1] {
		return nil, nil, v.fail(ex, "Wrong interval", "An interval is [low, high], but %v is greater than %v.", *ends[0], *ends[1])
	}
	return ends[0], ends[1], true
}

// compareText judges a value that is compared with a string or a bool.
func (v *verdict) compareText(out stages.Verdict, value cty.Value) (stages.Verdict, bool) {
	want, _ := v.eval(v.e.equals)
	if !want.IsKnown() && want.Type() == cty.DynamicPseudoType {
		out.Reason = "the value to compare with is not known yet"
		return out, true
	}
	if value.Type() != cty.DynamicPseudoType && !value.Type().Equals(want.Type()) {
		if want.Type() == cty.Number && !want.IsKnown() {
			out.Reason = "the value to compare with is not known yet"
			return out, true
		}
		return out, v.fail(v.e.value, "Wrong type", "The value is %s, but equals is %s: they can never be equal.", diagnostic.Given(value), diagnostic.Given(want))
	}
	switch {
	case !value.IsKnown() || !want.IsKnown():
		out.Reason = "the value is not known yet"
	case value.IsNull():
		out.Reason = "the value is null"
	default:
		out.Text = plainText(value)
		out.Outcome = stages.NotReproduced
		if value.RawEquals(want) {
			out.Outcome = stages.Reproduced
		} else {
			out.Reason = fmt.Sprintf("it is %s, not %s", out.Text, out.Want)
		}
	}
	return out, true
}

func plainText(v cty.Value) string {
	if v.Type() == cty.Bool {
		return strconv.FormatBool(v.True())
	}
	if v.Type() == cty.String {
		return v.AsString()
	}
	return diagnostic.ValueText(v)
}

// judge compares the value of a verdict with its limits.
func judge(v *stages.Verdict) {
	low, high := math.Inf(-1), math.Inf(1)
	if v.Min != nil {
		low = *v.Min
	}
	if v.Max != nil {
		high = *v.Max
	}
	if v.Equals != nil {
		t := 0.0
		if v.Tolerance != nil {
			t = *v.Tolerance
		}
		low, high = *v.Equals-t, *v.Equals+t
	}
	value := *v.Value
	room := slack * max(math.Abs(value), finite(low), finite(high))
	missing := ""
	switch {
	case value < low-room:
		missing = fmt.Sprintf("%s below the limit %s", short(low-value), short(low))
	case value > high+room:
		missing = fmt.Sprintf("%s above the limit %s", short(value-high), short(high))
	default:
		v.Outcome = stages.Reproduced
		return
	}
	if v.Equals != nil {
		missing = fmt.Sprintf("differs from %s by %s, more than the tolerance %s", short(*v.Equals), short(math.Abs(value-*v.Equals)), short((high-low)/2))
	}
	if v.Low != nil && v.High != nil && *v.Low <= high+room && *v.High >= low-room {
		v.Outcome = stages.Inconclusive
		v.Reason = fmt.Sprintf("%s, but its interval [%s, %s] reaches the limits", missing, short(*v.Low), short(*v.High))
		return
	}
	v.Outcome, v.Reason = stages.NotReproduced, missing
}

func finite(f float64) float64 {
	if math.IsInf(f, 0) {
		return 0
	}
	return math.Abs(f)
}

func short(f float64) string { return strconv.FormatFloat(f, 'g', 4, 64) }
