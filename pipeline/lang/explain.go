package lang

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
)

// summaryOf tells the one wrong type that has a name of its own.
func summaryOf(why string) string {
	if strings.Contains(why, "A file cannot be put into a string") {
		return "A file cannot be put into a string"
	}
	return "Wrong type"
}

// explain says HCL's problems in our words: with what is known instead of a
// misspelt member, and without a sensitive value that a function's error quotes.
func explain(diags hcl.Diagnostics, ctx *hcl.EvalContext) hcl.Diagnostics {
	const most = 20 // one expression can fail for every element of a loop
	if len(diags) > most {
		diags = diags[:most]
	}
	out := make(hcl.Diagnostics, 0, len(diags))
	for _, d := range diags {
		c := *d
		if c.EvalContext == nil {
			c.EvalContext = ctx
		}
		call, ofFunction := c.Extra.(*failedCall)
		switch {
		case ofFunction:
			explainCall(&c, call)
		case strings.HasPrefix(c.Summary, "Unsupported attribute"), strings.HasPrefix(c.Summary, "Attempt to"), c.Summary == "Invalid index", c.Summary == "Missing map element":
			explainMember(&c)
			if strings.HasPrefix(c.Summary, "Unsupported attribute") {
				c.Summary = "No such member"
			}
		case c.Summary == "Operation failed" && strings.Contains(c.Detail, "divide zero by zero"):
			c.Summary, c.Detail = "Number out of range", sentence(errDivision)
		case c.Summary == "Invalid template interpolation value":
			c.Summary = "Value cannot be put into a string"
			explainPart(&c)
		}
		if secretInvolved(&c) {
			c.Detail = "A sensitive value does not fit here. The details would show it, so they are left out."
			c.Expression, c.EvalContext = nil, nil
		}
		out = append(out, &c)
	}
	return out
}

// unwrap goes through what this package and HCL put around an expression.
func unwrap(e hcl.Expression) hcl.Expression {
	for {
		switch w := e.(type) {
		case diagnostic.Wrapper:
			e = w.Inner()
		case *hclsyntax.ParenthesesExpr:
			e = w.Expression
		default:
			return e
		}
	}
}

// explainMember finds the step of a traversal that failed.
func explainMember(d *hcl.Diagnostic) {
	var at cty.Value
	var steps hcl.Traversal
	var diags hcl.Diagnostics
	of, inSplat := d.Extra.(*ofElement)
	switch e := unwrap(d.Expression).(type) {
	case *hclsyntax.ScopeTraversalExpr:
		at, diags = e.Traversal[:1].TraverseAbs(d.EvalContext)
		steps = e.Traversal[1:]
	case *hclsyntax.RelativeTraversalExpr:
		at, diags = e.Source.Value(d.EvalContext)
		if steps = e.Traversal; inSplat {
			at, diags = of.value, nil
		}
	case *hclsyntax.IndexExpr:
		if at, diags = e.Collection.Value(d.EvalContext); inSplat {
			at, diags = of.value, nil
		}
		key, _ := e.Key.Value(d.EvalContext)
		if !diags.HasErrors() {
			memberMissing(d, at, key)
		}
		return
	default:
		return
	}
	for _, s := range steps {
		if diags.HasErrors() {
			return
		}
		next, stepDiags := s.TraversalStep(at)
		if stepDiags.HasErrors() {
			memberMissing(d, at, stepKey(s))
			return
		}
		at = next
	}
}

func stepKey(s hcl.Traverser) cty.Value {
	switch s := s.(type) {
	case hcl.TraverseAttr:
		return cty.StringVal(s.Name)
	case hcl.TraverseIndex:
		return s.Key
	}
	return cty.DynamicVal
}

func memberMissing(d *hcl.Diagnostic, at, key cty.Value) {
	at, _ = at.Unmark()
	if key.IsMarked() {
		d.Detail = "A sensitive key does not name an element here."
		return
	}
	name, ok := keyText(key)
	if !ok {
		return
	}
	var known []string
	switch t := at.Type(); {
	case at.IsNull():
		d.Summary, d.Detail = "Member of null", fmt.Sprintf("There is no %q here, since the value before it is null.", name)
		return
	case t.IsObjectType():
		known = names(t)
	case t.IsMapType() && at.IsKnown():
		for it := at.ElementIterator(); it.Next(); {
			k, _ := it.Element()
			k, _ = k.Unmark()
			known = append(known, k.AsString())
		}
	case t.IsTupleType(), t.IsListType() && at.IsKnown():
		if key.Type() == cty.Number {
			d.Detail = fmt.Sprintf("The list has %d elements, numbered from 0; there is none with the number %s.", at.LengthInt(), name)
			if at.LengthInt() == 1 {
				d.Detail = fmt.Sprintf("The list has 1 element, number 0; there is none with the number %s.", name)
			}
			return
		}
		listMember(d, name)
		return
	case t.IsListType():
		listMember(d, name)
		return
	case t.IsSetType():
		d.Detail = "The elements of a set have no order and no names. Make a list of it, tolist(...), or use a for expression."
		return
	default:
		d.Summary = "No such member"
		d.Detail = fmt.Sprintf("There is no %q in %s, which has no members.", name, diagnostic.Article(diagnostic.TypeText(t)))
		if isFile(t) {
			d.Detail += " A file is used as a whole: give it to an attribute that takes a file, or to `inputs` of a command."
		}
		return
	}
	d.Summary = "No such member"
	d.Detail = fmt.Sprintf("There is no %q here.%s", name, diagnostic.Hint(name, known, "members"))
}

func listMember(d *hcl.Diagnostic, name string) {
	d.Summary = "No such member"
	d.Detail = fmt.Sprintf("There is no %q in a list. Name an element by its number, as in [0], or take the member of each: [*].%s.", name, name)
}

func explainPart(d *hcl.Diagnostic) {
	v, ok := valueOf(d.Expression, d.EvalContext)
	if !ok {
		return
	}
	switch t := v.Type(); {
	case v.IsNull():
		d.Detail = "This is null; a string can hold only a value. Give a default: coalesce(..., \"\")."
	case t.IsCollectionType() || t.IsTupleType() || t.IsObjectType():
		d.Detail = fmt.Sprintf("This is %s. Turn it into text first: join(\", \", ...) for a list, jsonencode(...) for anything.", diagnostic.ValueText(v))
	}
}

func valueOf(e hcl.Expression, ctx *hcl.EvalContext) (v cty.Value, ok bool) {
	defer func() {
		if recover() != nil {
			v, ok = cty.DynamicVal, false
		}
	}()
	if e == nil {
		return cty.DynamicVal, false
	}
	v, diags := e.Value(ctx)
	v, _ = v.Unmark()
	return v, !diags.HasErrors()
}

// secretInvolved reports whether a problem's text may quote a sensitive value.
func secretInvolved(d *hcl.Diagnostic) bool {
	switch d.Summary {
	case "No such member", "Member of null", "Invalid operand", "Incorrect condition type", "Iteration over non-iterable value":
		return false
	}
	e, ok := d.Expression.(hclsyntax.Expression)
	if !ok {
		return false
	}
	secret := false
	diagnostic.References(e, func(t hcl.Traversal) {
		v, diags := t.TraverseAbs(d.EvalContext)
		secret = secret || !diags.HasErrors() && v.ContainsMarked()
	})
	return secret
}
