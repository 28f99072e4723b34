package lang

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
	"github.com/nbpipe/nbpipe/stages"
)

// Executor is an `executor "TYPE" "NAME"` block: where nodes can run. No part of it
// is ever part of a key.
type Executor struct {
	Type, Name string
	Kind       *launch.Kind
	Settings   launch.Settings
	Terms      []string // what the block says, a line an attribute or element of a list, for who is to agree to it
	Range      hcl.Range
}

// terms are the lines of an attribute. Of quoted texts no character can move the
// cursor, or change what is seen of others.
func terms(name string, v cty.Value) []string {
	if v.IsNull() || !v.CanIterateElements() {
		return []string{name + " = " + termText(v)}
	}
	if v.LengthInt() == 0 {
		return []string{name + " = []"}
	}
	var out []string
	for i, e := range v.AsValueSlice() {
		out = append(out, fmt.Sprintf("%s[%d] = %s", name, i, termText(e)))
	}
	return out
}

func termText(v cty.Value) string {
	if !v.IsNull() && v.Type() == cty.String {
		return strconv.Quote(v.AsString())
	}
	raw, err := stages.EncodeJSON(v)
	if err != nil {
		return strconv.Quote(err.Error())
	}
	return string(raw)
}

// LocalExecutor is the name of the machine that nbpipe runs on.
const LocalExecutor = "local"

// executorBlock reads a block. Where nodes run is a matter of who runs the experiment,
// so the values are constants, and an import has none.
func (l *loader) executorBlock(m *module, b *hclsyntax.Block) {
	if !l.labels(b, `executor "TYPE" "NAME" { ... }`, 2) {
		return
	}
	if m.parent != nil {
		l.error(b.DefRange(), "An executor in an import", "Where nodes run is said by the experiment that is run, not by what it imports. Move the block there.")
		return
	}
	typ, name := b.Labels[0], b.Labels[1]
	if name == LocalExecutor {
		l.error(b.LabelRanges[1], "Reserved name", "executor.%s is the machine that nbpipe runs on. Choose another name.", LocalExecutor)
		return
	}
	if old := l.x.Executors[name]; old != nil {
		l.duplicate(b.DefRange(), old.Range, "executor."+name)
		return
	}
	e := &Executor{Type: typ, Name: name, Range: b.DefRange()}
	if l.x.Executors == nil {
		l.x.Executors = map[string]*Executor{}
	}
	l.x.Executors[name] = e
	kind, ok := l.o.Executors.Lookup(typ)
	if !ok {
		l.error(b.LabelRanges[0], "Unknown type of executor", "There is no executor %q.%s", typ, diagnostic.Hint(typ, l.o.Executors.Types(), "types"))
		return
	}
	e.Kind = kind
	l.executorAttributes(m, b, e)
}

func (l *loader) executorAttributes(m *module, b *hclsyntax.Block, e *Executor) {
	var known []string
	for i := range e.Kind.Attributes {
		known = append(known, e.Kind.Attributes[i].Name)
	}
	before := len(l.diags)
	l.onlyAttributes(b, known)
	attrs := stages.Attrs{}
	for i := range e.Kind.Attributes {
		decl := &e.Kind.Attributes[i]
		a := b.Body.Attributes[decl.Name]
		if a == nil {
			if decl.Default != cty.NilVal {
				attrs[decl.Name] = decl.Default
			}
			if !decl.Optional {
				l.error(b.DefRange(), "Missing attribute", "An executor %q needs %s = ..., %s. %s", e.Type, decl.Name, diagnostic.Article(diagnostic.TypeText(decl.Type)), decl.Doc)
			}
			continue
		}
		if v, ok := l.executorValue(m, a, decl); ok {
			attrs[decl.Name] = v
			e.Terms = append(e.Terms, terms(decl.Name, v)...)
		}
	}
	if len(l.diags) > before {
		return
	}
	settings, err := e.Kind.Fill(attrs)
	if err != nil {
		l.error(b.DefRange(), "Wrong value", "executor %q: %s", e.Name, sentence(err))
		return
	}
	e.Settings = settings
	for _, p := range settings.Check() {
		at := b.DefRange()
		if a := b.Body.Attributes[p.Attribute]; a != nil {
			at = a.Expr.Range()
		}
		d := l.error(at, p.Summary, "executor %q: %s", e.Name, p.Detail)
		if p.Warning {
			d.Severity = hcl.DiagWarning
		}
	}
}

func (l *loader) executorValue(m *module, a *hclsyntax.Attribute, decl *stages.Attribute) (cty.Value, bool) {
	v, ok := l.constant(l.compile(a.Expr, m, nil, scope{nothing: true, what: "the attribute " + a.Name}))
	if !ok {
		return v, false
	}
	if v.IsMarked() {
		l.diags = append(l.diags, sensitiveHere(a.Expr.Range(), "An executor"))
		return v, false
	}
	v, why := convertTo(v, decl.Type)
	if why != "" {
		l.error(a.Expr.Range(), "Wrong type", "%s must be %s, %s.", a.Name, diagnostic.Article(diagnostic.TypeText(decl.Type)), why)
		return v, false
	}
	return v, true
}

// executorName reads executor.NAME; ok is false for any other expression.
func executorName(e hclsyntax.Expression) (name string, ok bool) {
	t, isRef := e.(*hclsyntax.ScopeTraversalExpr)
	if !isRef || t.Traversal.RootName() != "executor" || len(t.Traversal) != 2 {
		return "", false
	}
	attr, ok := t.Traversal[1].(hcl.TraverseAttr)
	return attr.Name, ok
}

// checkExecutor reports a name that no block has.
func (l *loader) checkExecutor(name string, at hcl.Range) {
	if name == "" || name == LocalExecutor || l.x.Executors[name] != nil {
		return
	}
	known := append(slices.Sorted(maps.Keys(l.x.Executors)), LocalExecutor)
	l.error(at, "Unknown executor", "There is no executor %q.%s", name, diagnostic.Hint(name, known, "executors"))
}

// settingsExecutor reads the executor of all nodes that name none.
func (l *loader) settingsExecutor(m *module, a *hclsyntax.Attribute) {
	if a == nil {
		return
	}
	if m.parent != nil {
		l.error(a.Range(), "An executor in an import", "Where nodes run is said by the experiment that is run, not by what it imports. Move the attribute there.")
		return
	}
	name, ok := executorName(a.Expr)
	if !ok {
		if name, ok = l.constantText(m, a); !ok {
			return
		}
	}
	l.x.Executor, l.x.executorRange = name, a.Expr.Range()
}
