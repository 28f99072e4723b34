package lang

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
	"github.com/nbpipe/nbpipe/stages"
)

func isBlock(root string) bool { return slices.Contains(stages.Blocks, root) }

// maxChain bounds chains of local values: evaluating one calls for the next.
const maxChain = 2000

// maxEdges bounds the edges that are not shared between nodes.
const maxEdges = 50_000_000

// resolve orders names and for_each expressions, makes the nodes, and finds
// their edges.
func (l *loader) resolve() {
	order := l.orderNames()
	l.propagate(order)
	l.checkEarly()
	for _, v := range order {
		if v.tmpl != nil {
			l.expand(v.tmpl)
		} else if !v.named.nodal {
			l.x.static.named(v.named)
		}
	}
	l.diags = append(l.diags, l.x.static.takeProblems()...)
	for _, t := range l.x.templates {
		l.expand(t)
	}
	l.connect()
}

// vertex is a named value or a block with for_each: what must be evaluated in
// an order before there are nodes.
type vertex struct {
	named *named
	tmpl  *template
}

func (v vertex) text() string {
	if v.tmpl != nil {
		return v.tmpl.address() + " (for_each)"
	}
	n := v.named
	switch n.kind {
	case "local":
		return n.mod.prefix + "local." + n.name
	case "variable":
		return n.mod.prefix + "var." + n.name
	}
	return n.mod.prefix + "output." + n.name
}

func (v vertex) place() hcl.Range {
	if v.tmpl != nil {
		return v.tmpl.header
	}
	return v.named.rng
}

func (l *loader) orderNames() []vertex {
	var all []vertex
	ofTemplate := map[*template]int{}
	for _, n := range l.x.named {
		all = append(all, vertex{named: n})
	}
	for _, t := range l.x.templates {
		if t.forEach != nil {
			ofTemplate[t] = len(all)
			all = append(all, vertex{tmpl: t})
		}
	}
	edges := func(i int) []int {
		var out []int
		nodes, names := l.refsOf(all[i])
		for _, r := range names {
			out = append(out, r.to.id)
		}
		for _, r := range nodes {
			if j, ok := ofTemplate[r.tmpl]; ok {
				out = append(out, j)
			}
		}
		return out
	}
	ids, cycles := sortGraph(len(all), edges)
	for _, c := range cycles {
		vs := make([]vertex, len(c))
		for k, i := range c {
			vs[k] = all[i]
			l.breakVertex(all[i])
		}
		l.cycle(vs[0].place(), texts(vs), func(i int) hcl.Range { return vs[i].place() })
	}
	order := make([]vertex, len(ids))
	for k, i := range ids {
		order[k] = all[i]
	}
	return order
}

func texts(vs []vertex) []string {
	out := make([]string, len(vs))
	for i, v := range vs {
		out[i] = v.text()
	}
	return out
}

func (l *loader) refsOf(v vertex) ([]*nodeRef, []*namedRef) {
	if v.tmpl != nil {
		return v.tmpl.forEach.nodes, v.tmpl.forEach.named
	}
	return v.named.nodeRefs, v.named.namedRefs
}

func (l *loader) breakVertex(v vertex) {
	if v.tmpl != nil {
		v.tmpl.state = failed
		v.tmpl.forEach.broken = true
		return
	}
	v.named.broken = true
}

// cycle reports a cycle, naming all of it.
func (l *loader) cycle(at hcl.Range, names []string, place func(int) hcl.Range) {
	if len(names) == 1 {
		l.error(at, "Refers to itself", "%s refers to itself, so its value could never be known. Remove the reference.", names[0])
		return
	}
	const most = 40
	shown := names
	more := ""
	if len(names) > most {
		shown, more = names[:most], fmt.Sprintf(" -> (%d more)", len(names)-most)
	}
	var places []string
	for i := range shown {
		places = append(places, fmt.Sprintf("%s at %s", shown[i], placeText(place(i))))
	}
	l.error(at, "Cycle", "%s refer to each other in a circle, so none could be first: %s%s -> %s. They stand at: %s. Remove one of the references.",
		countText(len(names)), strings.Join(shown, " -> "), more, names[0], strings.Join(places, "; "))
}

func countText(n int) string {
	if n == 2 {
		return "Two values"
	}
	return fmt.Sprintf("%d values", n)
}

// propagate finds which values depend on nodes, who reads whom, and what is too
// long a chain. order has what is read before its readers.
func (l *loader) propagate(order []vertex) {
	for _, v := range order {
		if v.tmpl != nil {
			l.propagateEach(v.tmpl)
			continue
		}
		n := v.named
		for _, r := range n.namedRefs {
			r.to.readers = append(r.to.readers, n)
			n.nodal = n.nodal || r.to.nodal
			n.level = max(n.level, r.to.level+1)
		}
		for _, r := range n.nodeRefs {
			r.tmpl.readers = append(r.tmpl.readers, n)
			n.nodal = true
		}
		if n.level > maxChain && !n.broken {
			n.broken = true
			l.error(n.rng, "Chain of values too long", "More than %d values refer to each other in a row.", maxChain)
		}
	}
	for _, t := range l.x.templates {
		for _, ex := range t.expressions() {
			ex.constant = len(ex.nodes) == 0 && !ex.self && !ex.eachKey && !ex.eachValue && !slices.ContainsFunc(ex.named, func(r *namedRef) bool { return r.to.nodal })
		}
	}
}

// propagateEach makes the for_each of a block a value of its own where it
// depends on nodes, so that each.value follows what becomes known.
func (l *loader) propagateEach(t *template) {
	ex := t.forEach
	nodal := len(ex.nodes) > 0 || slices.ContainsFunc(ex.named, func(r *namedRef) bool { return r.to.nodal })
	if !nodal {
		return
	}
	n := l.name(&named{kind: "for_each", name: t.name, mod: t.mod, rng: ex.expr.Range(), ex: ex, nodal: true, broken: ex.broken})
	n.nodeRefs, n.namedRefs = ex.nodes, ex.named
	for i, r := range ex.nodes {
		r.slot = i
		n.varies = n.varies || len(r.guards) > 0 || r.key != nil
		r.tmpl.readers = append(r.tmpl.readers, n)
	}
	for i, r := range ex.named {
		r.slot = i
		n.varies = n.varies || len(r.guards) > 0
		r.to.readers = append(r.to.readers, n)
	}
	t.each = n
	if st := ex.nodes; len(st) == 1 && len(ex.named) == 0 && nodeSyntax(ex.expr) && st[0].literal == nil && st[0].key == nil {
		t.direct = st[0]
	}
}

func (t *template) expressions() []*expression {
	var out []*expression
	add := func(exs ...*expression) {
		for _, ex := range exs {
			if ex != nil {
				out = append(out, ex)
			}
		}
	}
	add(t.description, t.executor)
	for _, a := range t.attributes {
		add(a.ex)
	}
	if t.resources != nil {
		for _, v := range t.resources.values {
			add(v)
		}
	}
	for _, e := range t.expects {
		add(e.forEach, e.value, e.parent, e.min, e.max, e.equals, e.tolerance, e.bounds, e.claim)
	}
	return out
}

// checkEarly reports values that depend on nodes where nodes are not allowed.
func (l *loader) checkEarly() {
	for _, u := range l.early {
		if u.n.nodal {
			u.c.noNodes(u.at)
		}
	}
}

// expand makes the instances of a block.
func (l *loader) expand(t *template) {
	if t.state != notExpanded {
		return
	}
	if t.forEach == nil {
		t.state = expanded
		t.instances = []*instance{l.instance(t)}
		return
	}
	t.state = failed
	if t.forEach.broken {
		return
	}
	elems, ok := l.texts(t)
	if ok && elems == nil {
		return
	}
	if !ok {
		v, diags := l.x.static.eval(t.forEach, nil)
		l.diags = append(l.diags, l.x.static.takeProblems()...)
		l.diags = append(l.diags, diags...)
		if diags.HasErrors() || l.x.static.failedIn(t.forEach) {
			return
		}
		if elems, ok = l.forEachValue(t, v); !ok {
			return
		}
	}
	t.state = expanded
	t.byKey = make(map[string]*instance, len(elems))
	for _, e := range elems {
		key := e.key.AsString()
		i := l.instance(t)
		i.key, i.eachKey = &key, e.key
		if t.each == nil {
			i.eachValue = e.value
		}
		t.instances = append(t.instances, i)
		t.byKey[key] = i
	}
}

func (l *loader) instance(t *template) *instance {
	l.nodes++
	if l.nodes == maxNodes+1 {
		l.error(t.header, "Too many nodes", "An experiment may have %d nodes.", maxNodes)
	}
	return &instance{tmpl: t}
}

func printable(key string) bool {
	return len(key) <= 1000 && !strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsPrint(r) })
}

func (l *loader) tooMany(at hcl.Range, n int) {
	l.error(at, "Too many nodes", "This for_each makes %d nodes. An experiment may have %d.", n, maxNodes)
}

// texts is the short way for the usual toset([...]): it takes the elements from
// the list, since making and sorting a set takes cty half as long as all the rest.
// Whatever is not plain goes the long way. Neither elements nor false: reported.
func (l *loader) texts(t *template) ([]eachElement, bool) {
	call, ok := unwrap(t.forEach.expr).(*hclsyntax.FunctionCallExpr)
	if !ok || call.Name != "toset" || len(call.Args) != 1 || call.ExpandFinal {
		return nil, false
	}
	list := *t.forEach
	list.expr = call.Args[0]
	v, diags := l.x.static.eval(&list, nil)
	if diags.HasErrors() || v.IsMarked() || v.IsNull() || !v.IsKnown() {
		return nil, false
	}
	if ty := v.Type(); !ty.IsTupleType() && !ty.IsListType() {
		return nil, false
	}
	elems := v.AsValueSlice()
	for _, e := range elems {
		if e.Type() != cty.String || e.IsMarked() || e.IsNull() || !e.IsKnown() || !printable(e.AsString()) {
			return nil, false
		}
	}
	slices.SortFunc(elems, func(a, b cty.Value) int { return strings.Compare(a.AsString(), b.AsString()) })
	elems = slices.CompactFunc(elems, func(a, b cty.Value) bool { return a.AsString() == b.AsString() })
	if l.nodes+len(elems) > maxNodes {
		l.tooMany(t.forEach.expr.Range(), len(elems))
		return nil, true
	}
	out := make([]eachElement, len(elems))
	for i, e := range elems {
		out[i] = eachElement{e, e}
	}
	return out, true
}

// eachElement is a key and a value of a for_each.
type eachElement struct{ key, value cty.Value }

// eachWords are what a for_each makes, for messages.
type eachWords struct {
	one, many string
	full      func(count int) string // "" if so many may be made
}

// forEachValue lists the elements of a block's for_each.
func (l *loader) forEachValue(t *template, v cty.Value) ([]eachElement, bool) {
	elems, d := forEachElements(t.forEach, v, eachWords{"node", "nodes", func(count int) string {
		if l.nodes+count <= maxNodes { // before they are sorted
			return ""
		}
		return fmt.Sprintf("This for_each makes %d nodes. An experiment may have %d.", count, maxNodes)
	}})
	if d != nil {
		d.Expression, d.EvalContext = t.forEach.expr, l.x.static.context(t.forEach, nil, nil)
		l.diags = append(l.diags, d)
	}
	return elems, d == nil
}

// forEachElements checks what a for_each may be, and lists its elements.
func forEachElements(ex *expression, v cty.Value, words eachWords) ([]eachElement, *hcl.Diagnostic) {
	bad := func(summary, detail string, args ...any) ([]eachElement, *hcl.Diagnostic) {
		return nil, diagnostic.Error(ex.expr.Range(), summary, detail, args...)
	}
	ty := v.Type()
	switch {
	case v.IsMarked():
		return bad("Sensitive for_each", "The keys of for_each become part of %s' names, which are shown, so for_each cannot be sensitive. Keep the secret in values, and make a set of names for for_each.", words.many)
	case v.IsNull():
		return bad("for_each is null", "for_each takes a map, an object or a set of strings, this is null. For no %s at all give an empty set: toset([]).", words.many)
	case ty.IsTupleType() || ty.IsListType():
		return bad("for_each is a list", "for_each takes a map, an object or a set of strings: a list has no keys to tell its %s apart. For a list of texts write for_each = toset([...]); else a map from a key to each element.", words.many)
	case !v.IsKnown():
		return bad("for_each is not known before the run", "Which %s there are must be known before anything runs; this depends on outputs of nodes. The keys must be known, the values need not: write a map whose keys are in the file.", words.many)
	case !ty.IsMapType() && !ty.IsObjectType() && !ty.IsSetType():
		return bad("Wrong for_each", "for_each takes a map, an object or a set of strings, this is %s.", diagnostic.Given(v))
	case words.full(v.LengthInt()) != "":
		return bad("Too many "+words.many, "%s", words.full(v.LengthInt()))
	case ty.IsSetType() && ty.ElementType() == cty.DynamicPseudoType && v.LengthInt() > 0:
		return bad("for_each is not known before the run", "An element of the set depends on outputs of nodes. Which %s there are must be known before anything runs: write a map whose keys are in the file, and use the output as a value.", words.many)
	case ty.IsSetType() && v.LengthInt() > 0 && ty.ElementType() != cty.String:
		return bad("Wrong for_each", "for_each takes a set of strings, this is %s. Make texts of the elements: toset([for x in ... : tostring(x)]).", diagnostic.Article(diagnostic.TypeText(ty)))
	}
	elems := make([]eachElement, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if ty.IsSetType() {
			k = e
		}
		switch {
		case !k.IsKnown():
			return bad("for_each is not known before the run", "An element of the set depends on outputs of nodes. The keys must be known before anything runs.")
		case k.IsNull():
			return bad("for_each is null", "An element of the set is null; every element must be a text.")
		case k.IsMarked():
			return bad("Sensitive for_each", "The keys of for_each become part of %s' names, which are shown, so they cannot be sensitive.", words.many)
		}
		if !printable(k.AsString()) {
			return bad("Wrong key", "The key %s cannot be part of %s's name: keys are printable text of at most 1,000 bytes.", diagnostic.ValueText(k), diagnostic.Article(words.one))
		}
		elems = append(elems, eachElement{k, e})
	}
	return elems, nil
}
