package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
	"github.com/nbpipe/nbpipe/pipeline/lang/functions"
	"github.com/nbpipe/nbpipe/stages"
)

// Attributes evaluates a node's attributes with what is known now: converted to
// their declared types, defaults filled in, unknown where a producer has not run.
// Problems that the kind's own Check finds are among the diagnostics. Until Set
// is called for the node, its outputs count as unknown values of the types that
// its kind declares for these attributes.
func (s *State) Attributes(n *Node) (stages.Attrs, hcl.Diagnostics) {
	t := n.inst.tmpl
	if t.kind == nil {
		return stages.Attrs{}, nil
	}
	if t.checked {
		s.declare(n, t.constant)
		return t.constant, t.problems
	}
	attrs, diags, constant := s.attributes(n.inst)
	diags = append(diags, s.takeProblems()...)
	diags = append(diags, check(t, attrs)...)
	if constant && len(diags) == 0 {
		t.checked, t.constant, t.problems = true, attrs, diags
	}
	s.declare(n, attrs)
	return attrs, diags
}

func (s *State) attributes(i *instance) (attrs stages.Attrs, diags hcl.Diagnostics, constant bool) {
	t := i.tmpl
	constant = len(t.instances) == 1
	attrs = maps.Clone(t.constant) // what is the same for all instances
	if attrs == nil {
		attrs = make(stages.Attrs, len(t.attributes))
	}
	var same stages.Attrs
	for _, a := range t.attributes {
		if _, ok := attrs[a.decl.Name]; ok {
			continue
		}
		fixed := a.src == nil || a.ex != nil && a.ex.constant
		v, d := s.attribute(a, i)
		diags = append(diags, d...)
		attrs[a.decl.Name] = v
		constant = constant && fixed
		if fixed && len(d) == 0 && len(t.instances) > 1 {
			if same == nil {
				same = stages.Attrs{}
			}
			same[a.decl.Name] = v
		}
	}
	if same != nil {
		maps.Copy(same, t.constant)
		t.constant = same
	}
	return attrs, diags, constant
}

// attribute evaluates one attribute and converts it.
func (s *State) attribute(a *attribute, i *instance) (cty.Value, hcl.Diagnostics) {
	unknown := cty.UnknownVal(a.decl.Type.WithoutOptionalAttributesDeep())
	switch {
	case a.decl.Nodes && a.src != nil:
		return s.nodeList(a, i), nil
	case a.src == nil && a.decl.Optional:
		return defaultOf(a.decl), nil
	case a.src == nil || a.ex.broken:
		return unknown, nil // reported
	}
	v, diags := s.eval(a.ex, i)
	if diags.HasErrors() {
		return unknown, diags
	}
	v, d := s.fit(a, v, i)
	if d != nil {
		if d.EvalContext == nil {
			d.Expression, d.EvalContext = a.ex.expr, s.context(a.ex, i, i.resolved)
		}
		return unknown, append(diags, d)
	}
	return v, diags
}

func defaultOf(decl *stages.Attribute) cty.Value {
	if decl.Default == cty.NilVal {
		return cty.NullVal(decl.Type.WithoutOptionalAttributesDeep())
	}
	return decl.Default
}

// fit checks an attribute's value and converts it to the declared type.
func (s *State) fit(a *attribute, v cty.Value, i *instance) (cty.Value, *hcl.Diagnostic) {
	decl, at := a.decl, a.rng
	if s.x.secrets && !decl.Sensitive && v.ContainsMarked() {
		return v, sensitiveHere(at, fmt.Sprintf("The attribute %q of a %s", decl.Name, i.tmpl.kind.Name()))
	}
	if plain, _ := v.Unmark(); plain.IsNull() {
		if !decl.Optional {
			return v, diagnostic.Error(at, "Required attribute is null", "%q of a %s needs a value, %s; this is null.", decl.Name, i.tmpl.kind.Name(), diagnostic.Article(diagnostic.TypeText(decl.Type)))
		}
		return defaultOf(decl), nil
	}
	out, why := convertTo(v, decl.Type)
	if why != "" {
		return v, diagnostic.Error(at, summaryOf(why), "%q of a %s takes %s: %s", decl.Name, i.tmpl.kind.Name(), diagnostic.Article(diagnostic.TypeText(decl.Type)), period(why))
	}
	if at := nullInside(out, decl.Type); at != "" {
		return v, diagnostic.Error(a.rng, "Null inside a value", "%q of a %s holds null at %s, where a value is needed. Leave the element out, for instance with [for x in ... : x if x != null].", decl.Name, i.tmpl.kind.Name(), at)
	}
	if out.Type() == cty.Number && !v.Type().Equals(out.Type()) {
		if _, err := functions.Bound(out); err != nil {
			return v, diagnostic.Error(at, "Number out of range", "%s", sentence(err))
		}
	}
	if out.Type() == cty.Number || !a.ex.nodal(i.tmpl) { // within the outputs of nodes an infinity is a result
		for _, checked := range []cty.Value{v, out} { // the conversion may make text of it, or a number of a text
			if d := noInfinity(checked, at, fmt.Sprintf("%q of a %s", decl.Name, i.tmpl.kind.Name())); d != nil {
				return v, d
			}
		}
	}
	if holdsNumbers(decl.Type) && out.IsWhollyKnown() {
		if _, err := i.tmpl.kind.Fill(stages.Attrs{decl.Name: out}); err != nil {
			return v, diagnostic.Error(at, "Wrong number", "%q of a %s: %s", decl.Name, i.tmpl.kind.Name(), period(strings.TrimPrefix(err.Error(), decl.Name+": ")))
		}
	}
	return out, nil
}

// nodal reports whether the value depends on outputs of nodes.
func (ex *expression) nodal(t *template) bool {
	return len(ex.nodes) > 0 || ex.eachValue && t.each != nil || slices.ContainsFunc(ex.named, func(r *namedRef) bool { return r.to.nodal })
}

// holdsNumbers reports whether a type has numbers in it, which a kind may
// require to be whole or not negative.
func holdsNumbers(t cty.Type) bool {
	switch {
	case t.IsCollectionType():
		return holdsNumbers(t.ElementType())
	case t.IsObjectType():
		for _, m := range t.AttributeTypes() {
			if holdsNumbers(m) {
				return true
			}
		}
	}
	return t == cty.Number
}

// nullInside finds a null element of a list, set or map of plain values; null
// members of objects are how optional ones are left out.
func nullInside(v cty.Value, t cty.Type) string {
	if !t.IsCollectionType() || !t.ElementType().IsPrimitiveType() && !isFile(t.ElementType()) {
		return ""
	}
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() {
		return ""
	}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if e.IsNull() {
			if t.IsSetType() {
				return "one element"
			}
			text, _ := keyText(k)
			return "element " + text
		}
	}
	return ""
}

// nodeList is the value of a `nodes` attribute: addresses.
func (s *State) nodeList(a *attribute, i *instance) cty.Value {
	var out []cty.Value
	seen := map[string]bool{}
	add := func(to *instance) {
		if addr := to.address(); !seen[addr] {
			seen[addr] = true
			out = append(out, cty.StringVal(addr))
		}
	}
	for _, r := range a.nodes {
		switch to := i.resolved.targets[r.slot]; {
		case to.inst != nil:
			add(to.inst)
		case to.tmpl != nil:
			for _, e := range to.tmpl.instances {
				add(e)
			}
		}
	}
	if len(out) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	return cty.ListVal(out)
}

// check calls the kind's own checks.
func check(t *template, attrs stages.Attrs) (diags hcl.Diagnostics) {
	defer func() {
		if r := recover(); r != nil {
			d := internal(r)
			d.Subject = &t.header
			diags = append(diags, d)
		}
	}()
	c, ok := t.kind.Zero().(stages.Checker)
	if !ok {
		return nil
	}
	for _, p := range c.Check(attrs) {
		at := t.header
		for _, a := range t.attributes {
			if a.decl.Name == p.Attribute {
				at = a.rng
			}
		}
		d := diagnostic.Error(at, p.Summary, "%s", p.Detail)
		if p.Warning {
			d.Severity = hcl.DiagWarning
		}
		diags = append(diags, d)
	}
	return diags
}

// OutputTypes is the object type of a node's outputs, given its attributes.
func (s *State) OutputTypes(n *Node, attrs stages.Attrs) cty.Type {
	t := n.inst.tmpl
	if t.kind == nil {
		return cty.DynamicPseudoType
	}
	types := outputTypes(t.kind, attrs)
	if types == nil {
		return cty.EmptyObject
	}
	return cty.Object(types)
}

func outputTypes(k *stages.Kind, attrs stages.Attrs) (types map[string]cty.Type) {
	defer func() {
		if recover() != nil {
			types = nil
		}
	}()
	return k.Zero().OutputTypes(attrs)
}

// declare notes the types of a node's outputs, unless they are known better.
func (s *State) declare(n *Node, attrs stages.Attrs) {
	if s.values[n.Index] == cty.NilVal {
		s.Set(n, cty.UnknownVal(s.OutputTypes(n, attrs)).RefineNotNull())
	}
}
