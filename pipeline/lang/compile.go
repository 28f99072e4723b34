package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
	"github.com/nbpipe/nbpipe/pipeline/lang/functions"
	"github.com/nbpipe/nbpipe/stages"
)

// expression is an expression whose references are resolved. It is made once for
// a block, however many nodes the block makes.
type expression struct {
	expr  hclsyntax.Expression
	mod   *module
	nodes []*nodeRef
	named []*namedRef

	eachKey, eachValue, self bool
	broken                   bool // reported; evaluates to cty.DynamicVal
	literal                  bool // refers to nothing

	groups   []group // nodes by block
	ctx      *hcl.EvalContext
	constant bool // the same for all instances and at all times
	cached   bool
	value    cty.Value
	diags    hcl.Diagnostics
}

// group are the references of an expression to one block.
type group struct {
	tmpl *template
	refs []*nodeRef
}

// scope says which names an expression may use.
type scope struct {
	nothing bool // constants and functions only
	noNodes bool // no outputs of nodes
	each    bool
	self    bool
	only    string // the one variable that a validation may use
	what    string // for messages: "a default"
}

// compiler resolves the references of one expression.
type compiler struct {
	l     *loader
	ex    *expression
	own   *owner
	scope scope

	bound   map[string]int // names that `for` binds here
	inner   int            // inside a loop or splat: conditions and keys cannot be evaluated beforehand
	lenient int
	guards  []guard
}

// compile resolves an expression. It changes the syntax tree, and so must be
// called once for each.
func (l *loader) compile(e hclsyntax.Expression, m *module, own *owner, sc scope) *expression {
	ex := &expression{expr: e, mod: m}
	c := &compiler{l: l, ex: ex, own: own, scope: sc}
	ex.expr = c.visit(e)
	ex.literal = len(ex.nodes) == 0 && len(ex.named) == 0 && !ex.eachKey && !ex.eachValue && !ex.self
	ex.constant = ex.literal
	ex.group()
	return ex
}

func (ex *expression) group() {
	for _, r := range ex.nodes {
		i := slices.IndexFunc(ex.groups, func(g group) bool { return g.tmpl == r.tmpl })
		if i < 0 {
			i = len(ex.groups)
			ex.groups = append(ex.groups, group{tmpl: r.tmpl})
		}
		ex.groups[i].refs = append(ex.groups[i].refs, r)
	}
}

func (c *compiler) fail(at hcl.Range, summary, detail string, args ...any) {
	c.ex.broken = true
	c.l.error(at, summary, detail, args...)
}

// visit walks an expression and gives what is to stand in its place.
func (c *compiler) visit(e hclsyntax.Expression) hclsyntax.Expression {
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr:
		c.literal(e)
	case *hclsyntax.ScopeTraversalExpr:
		c.traversal(e.Traversal, nil)
	case *hclsyntax.TupleConsExpr:
		for i := range e.Exprs {
			e.Exprs[i] = c.visit(e.Exprs[i])
		}
	case *hclsyntax.ObjectConsExpr:
		c.object(e)
	case *hclsyntax.TemplateExpr:
		c.template(e)
	case *hclsyntax.ParenthesesExpr:
		e.Expression = c.visit(e.Expression)
	case *hclsyntax.ExprSyntaxError:
		c.ex.broken = true
	default:
		return c.compound(e)
	}
	return e
}

func (c *compiler) compound(e hclsyntax.Expression) hclsyntax.Expression {
	switch e := e.(type) {
	case *hclsyntax.TemplateWrapExpr:
		e.Wrapped = c.visit(e.Wrapped)
	case *hclsyntax.TemplateJoinExpr:
		e.Tuple = c.visit(e.Tuple)
	case *hclsyntax.RelativeTraversalExpr:
		e.Source = c.visit(e.Source)
	case *hclsyntax.IndexExpr:
		c.indexed(e)
	case *hclsyntax.FunctionCallExpr:
		c.call(e)
		return &result{e, c.l.x.meter}
	case *hclsyntax.ConditionalExpr:
		c.conditional(e)
	case *hclsyntax.ForExpr:
		c.loop(e)
	case *hclsyntax.SplatExpr:
		c.splat(e)
	case *hclsyntax.UnaryOpExpr:
		e.Val = c.visit(e.Val)
	case *hclsyntax.BinaryOpExpr:
		e.LHS, e.RHS = c.visit(e.LHS), c.visit(e.RHS)
		switch {
		case e.Op.Type == cty.Number:
			return &number{e}
		case e.Op == hclsyntax.OpEqual || e.Op == hclsyntax.OpNotEqual:
			e.LHS, e.RHS = &operand{e.LHS, c.l.x.meter}, &operand{e.RHS, c.l.x.meter}
		}
	}
	return e
}

func (c *compiler) literal(e *hclsyntax.LiteralValueExpr) {
	if e.Val.Type() == cty.Number && e.Val.IsKnown() && !e.Val.IsNull() {
		err := functions.BoundNumber(e.Val.AsBigFloat())
		if e.Val.AsBigFloat().IsInf() {
			err = errInfinite
		}
		if err != nil {
			c.fail(e.SrcRange, "Number out of range", sentence(err))
			e.Val = cty.UnknownVal(cty.Number)
		}
	}
}

func (c *compiler) template(e *hclsyntax.TemplateExpr) {
	for i, p := range e.Parts {
		if lit, ok := p.(*hclsyntax.LiteralValueExpr); ok && lit.Val.Type() == cty.String {
			continue
		}
		e.Parts[i] = &part{c.visit(p), c.l.x.meter}
	}
}

func (c *compiler) object(e *hclsyntax.ObjectConsExpr) {
	seen := map[string]bool{}
	for i := range e.Items {
		item := &e.Items[i]
		key, ok := item.KeyExpr.(*hclsyntax.ObjectConsKeyExpr)
		if ok && (key.ForceNonLiteral || hcl.ExprAsKeyword(key.Wrapped) == "") {
			key.Wrapped = c.visit(key.Wrapped)
		}
		if name, ok := literalKey(item.KeyExpr); ok {
			if seen[name] {
				c.fail(item.KeyExpr.Range(), "Key given twice", "The key %q stands twice in this object. Only one of them could count; remove the other.", name)
			}
			seen[name] = true
		}
		item.ValueExpr = c.visit(item.ValueExpr)
	}
}

// literalKey is the name that an object's key spells out.
func literalKey(e hclsyntax.Expression) (string, bool) {
	k, ok := e.(*hclsyntax.ObjectConsKeyExpr)
	if !ok {
		return "", false
	}
	if t, ok := k.Wrapped.(*hclsyntax.TemplateExpr); ok && t.IsStringLiteral() {
		v, _ := t.Value(nil)
		return v.AsString(), true
	}
	if k.ForceNonLiteral {
		return "", false
	}
	name := hcl.ExprAsKeyword(k.Wrapped)
	return name, name != ""
}

// lightFunctions do not go through their arguments, or evaluate them themselves.
var lightFunctions = []string{"can", "element", "length", "lookup", "sensitive", "try"}

func (c *compiler) call(e *hclsyntax.FunctionCallExpr) {
	if _, ok := c.ex.mod.functions[e.Name]; !ok {
		known := slices.Collect(maps.Keys(c.ex.mod.functions))
		hint := diagnostic.Hint(e.Name, known, "")
		if hint == "" {
			hint = " Functions depend on their arguments and the experiment's files only: there are none for time, chance, the environment or the network; use a variable for such a value. Known functions: " +
				strings.Join(slices.Sorted(slices.Values(known)), ", ") + "."
		}
		c.fail(e.NameRange, "Unknown function", "There is no function %q.%s", e.Name, hint)
	}
	switch e.Name {
	case "try", "can":
		c.lenient++
		defer func() { c.lenient-- }()
	case "sensitive":
		c.l.x.secrets = true
	}
	f, ok := c.ex.mod.functions[e.Name]
	for i := range e.Args {
		e.Args[i] = c.visit(e.Args[i])
		if !ok || e.ExpandFinal && i == len(e.Args)-1 {
			continue
		}
		if !slices.Contains(lightFunctions, e.Name) {
			e.Args[i] = &argument{e.Args[i], c.l.x.meter}
		}
		if want, is := functions.Collection(f, i); is {
			e.Args[i] = &collection{e.Args[i], want}
		}
	}
}

func (c *compiler) conditional(e *hclsyntax.ConditionalExpr) {
	bare := c.uses(e.Condition)
	e.Condition = c.visit(e.Condition)
	before := c.guards
	guarded := func(want bool) []guard {
		if bare {
			return before
		}
		return append(slices.Clip(before), guard{e.Condition, want})
	}
	c.guards = guarded(true)
	e.TrueResult = &branch{c.visit(e.TrueResult), c.l.x.meter}
	c.guards = guarded(false)
	e.FalseResult = &branch{c.visit(e.FalseResult), c.l.x.meter}
	c.guards = before
}

// uses reports whether an expression cannot be evaluated before the run: it
// stands in a splat, or uses a name that a `for` binds, or self.
func (c *compiler) uses(e hclsyntax.Expression) bool {
	if c.inner > 0 {
		return true
	}
	for _, t := range e.Variables() {
		if c.bound[t.RootName()] > 0 || t.RootName() == "self" {
			return true
		}
	}
	return false
}

func (c *compiler) loop(e *hclsyntax.ForExpr) {
	e.CollExpr = c.visit(e.CollExpr)
	names := []string{e.KeyVar, e.ValVar}
	for _, n := range names {
		c.bind(n, 1)
	}
	m := c.l.x.meter
	if e.KeyExpr != nil {
		e.KeyExpr = c.visit(e.KeyExpr)
	}
	if e.CondExpr != nil {
		e.CondExpr = &step{c.visit(e.CondExpr), m}
	}
	e.ValExpr = &step{c.visit(e.ValExpr), m}
	for _, n := range names {
		c.bind(n, -1)
	}
}

func (c *compiler) bind(name string, by int) {
	if name == "" {
		return
	}
	if c.bound == nil {
		c.bound = map[string]int{}
	}
	c.bound[name] += by
}

func (c *compiler) splat(e *hclsyntax.SplatExpr) {
	block := c.blockOf(e.Source)
	e.Source = c.visit(e.Source)
	if block != nil && block.forEachAttr != nil {
		e.Source = &all{e.Source}
	}
	c.inner++
	e.Each = &element{step{c.visit(e.Each), c.l.x.meter}}
	c.inner--
}

// blockOf is the block that an expression names, without any further step.
func (c *compiler) blockOf(e hclsyntax.Expression) *template {
	st, ok := e.(*hclsyntax.ScopeTraversalExpr)
	if !ok || len(st.Traversal) != 2 || c.bound[st.Traversal.RootName()] > 0 {
		return nil
	}
	if a, ok := st.Traversal[1].(hcl.TraverseAttr); ok {
		return c.ex.mod.templates[st.Traversal.RootName()][a.Name]
	}
	return nil
}

// indexed handles kind.name[expression]: where the expression can be evaluated
// before the run, the reference is to that one instance.
func (c *compiler) indexed(e *hclsyntax.IndexExpr) {
	bare := c.uses(e.Key)
	block := c.blockOf(e.Collection)
	e.Key = c.visit(e.Key)
	if block == nil {
		e.Collection = c.visit(e.Collection)
		return
	}
	key := e.Key
	if bare {
		key = nil
	}
	c.traversal(e.Collection.(*hclsyntax.ScopeTraversalExpr).Traversal, &indexKey{key, e.SrcRange})
}

// indexKey is the computed index after a traversal; expr nil: known only while it runs.
type indexKey struct {
	expr hclsyntax.Expression
	rng  hcl.Range
}

// traversal resolves a reference by its root.
func (c *compiler) traversal(t hcl.Traversal, key *indexKey) {
	root := t.RootName()
	if c.bound[root] > 0 {
		return
	}
	if c.scope.nothing {
		c.fail(t.SourceRange(), "Reference not allowed here", "%s must be a constant: it is needed before anything else is known, so it may use literal values and functions, but no references.", upperFirst(c.scope.what))
		return
	}
	if slices.Contains(stages.Blocks, root) {
		c.node(t, key)
		return
	}
	switch root {
	case "var":
		c.variable(t)
	case "local":
		c.local(t)
	case "import":
		c.imported(t)
	case "each":
		c.eachRef(t)
	case "self":
		c.selfRef(t)
	default:
		c.unknownRoot(t)
	}
}

func (c *compiler) unknownRoot(t hcl.Traversal) {
	root := t.RootName()
	known := append([]string{"var", "local", "import"}, stages.Blocks...)
	if c.scope.each {
		known = append(known, "each")
	}
	for name, n := range c.bound {
		if n > 0 {
			known = append(known, name)
		}
	}
	detail := fmt.Sprintf("Nothing here is called %q.", root)
	if len(t) == 1 || diagnostic.Nearest(root, known) == "" {
		detail += fmt.Sprintf(" If it is meant as text, put it in quotes: %q.", diagnostic.TraversalText(t))
	}
	c.fail(t.SourceRange(), "Unknown reference", "%s%s", detail, diagnostic.Hint(root, known, "names that a reference can start with"))
}

// member is the name in the second step of a traversal.
func (c *compiler) member(t hcl.Traversal, example string) (string, bool) {
	if len(t) > 1 {
		if a, ok := t[1].(hcl.TraverseAttr); ok {
			return a.Name, true
		}
	}
	c.fail(t.SourceRange(), "Incomplete reference", "A name must follow, as in %s.", example)
	return "", false
}

func (c *compiler) use(n *named, at hcl.Range) *namedRef {
	if c.scope.noNodes {
		c.l.early = append(c.l.early, earlyUse{c, n, at})
	}
	if n.kind == "variable" && n.sensitive || n.kind == "output" && n.sensitive {
		c.l.x.secrets = true
	}
	r := &namedRef{to: n, ex: c.ex, guards: c.guards}
	c.ex.named = append(c.ex.named, r)
	if c.own != nil {
		r.slot = len(c.own.namedRefs)
		c.own.namedRefs = append(c.own.namedRefs, r)
		c.own.varies = c.own.varies || len(r.guards) > 0
	}
	return r
}

func (c *compiler) variable(t hcl.Traversal) {
	name, ok := c.member(t, "var.alpha")
	if !ok {
		return
	}
	if c.scope.only != "" && name != c.scope.only {
		c.fail(t.SourceRange(), "Reference not allowed here", "A validation may refer to its own variable only, var.%s.", c.scope.only)
		return
	}
	v := c.ex.mod.variables[name]
	if v == nil {
		c.missing(name, t.SourceRange(), "Undefined variable", fmt.Sprintf("There is no variable %q.%s Define it with a block: variable %q { type = ... }.",
			name, diagnostic.Hint(name, slices.Collect(maps.Keys(c.ex.mod.variables)), "variables"), name))
		return
	}
	c.use(v, t.SourceRange())
}

func (c *compiler) local(t hcl.Traversal) {
	name, ok := c.member(t, "local.tasks")
	if !ok || c.only(t, "local values") {
		return
	}
	v := c.ex.mod.locals[name]
	if v == nil {
		c.missing(name, t.SourceRange(), "Undefined local value", fmt.Sprintf("There is no local value %q.%s Define it in a locals block: locals { %s = ... }.",
			name, diagnostic.Hint(name, slices.Collect(maps.Keys(c.ex.mod.locals)), "local values"), name))
		return
	}
	c.use(v, t.SourceRange())
}

func (c *compiler) only(t hcl.Traversal, what string) bool {
	if c.scope.only == "" {
		return false
	}
	c.fail(t.SourceRange(), "Reference not allowed here", "A validation may refer to its own variable only, var.%s, and not to %s.", c.scope.only, what)
	return true
}

// missing reports a name that does not exist, unless it may stand in a file
// that could not be understood.
func (c *compiler) missing(name string, at hcl.Range, summary, detail string) {
	c.ex.broken = true
	if !c.ex.mod.mayDefine(name) {
		c.l.error(at, summary, "%s", detail)
	}
}

func (c *compiler) imported(t hcl.Traversal) {
	name, ok := c.member(t, "import.tables.vision")
	if !ok || c.only(t, "imports") {
		return
	}
	m := c.ex.mod
	im := m.imports[name]
	if im == nil {
		c.missing(name, t.SourceRange(), "Undefined import", fmt.Sprintf("There is no import %q.%s", name, diagnostic.Hint(name, slices.Collect(maps.Keys(m.imports)), "imports")))
		return
	}
	if im.child == nil {
		c.ex.broken = true
		return
	}
	if len(t) < 3 {
		c.fail(t.SourceRange(), "Incomplete reference", "The name of an output must follow, as in import.%s.NAME.%s", name, diagnostic.Hint("", slices.Collect(maps.Keys(im.child.outputs)), "outputs"))
		return
	}
	a, ok := t[2].(hcl.TraverseAttr)
	if !ok {
		c.fail(t.SourceRange(), "Incomplete reference", "The name of an output must follow, as in import.%s.NAME.", name)
		return
	}
	out := im.child.outputs[a.Name]
	if out == nil {
		c.ex.broken = true
		if !im.child.mayDefine(a.Name) {
			c.l.error(a.SrcRange, "Undefined output", "The import %q has no output %q.%s Only what the imported folder declares with output blocks can be used.",
				name, a.Name, diagnostic.Hint(a.Name, slices.Collect(maps.Keys(im.child.outputs)), "outputs"))
		}
		return
	}
	c.use(out, t.SourceRange()).importName = name
}

func (c *compiler) eachRef(t hcl.Traversal) {
	if c.only(t, "each") {
		return
	}
	if !c.scope.each {
		c.fail(t.SourceRange(), "each without for_each", "each.key and each.value exist only in a block that has for_each. Add `for_each = ...` to the block, or remove the reference.")
		return
	}
	name, ok := c.member(t, "each.key")
	switch {
	case !ok:
	case name == "key":
		c.ex.eachKey = true
	case name == "value":
		c.ex.eachValue = true
		if c.own != nil {
			c.own.each = true
		}
	default:
		c.fail(t.SourceRange(), "Unknown reference", "each has the members key and value only.%s", diagnostic.Hint(name, []string{"key", "value"}, ""))
	}
}

func (c *compiler) selfRef(t hcl.Traversal) {
	if !c.scope.self && c.scope.what == forEachOfExpect {
		c.fail(t.SourceRange(), "self in for_each", "Which expectations there are must be known before anything runs, so for_each cannot use self. Make a map whose keys are in the file, and use self in value, min or max: self.spearman[each.key].")
		return
	}
	if !c.scope.self {
		c.fail(t.SourceRange(), "self outside expect", "self is the node's own outputs. They exist only after it ran, so self can be used in expect blocks alone. Another node refers to them as kind.name.output.")
		return
	}
	c.ex.self = true
}

func (c *compiler) noNodes(at hcl.Range) {
	if c.scope.self {
		c.fail(at, "Another node in an expect block", "A verdict is about its own node: an expect block may use self, var, local and each, but no other node's outputs. Put the comparison into a node that has both as inputs.")
		return
	}
	c.fail(at, "Reference to a node not allowed here", "%s must be known before the run, so it cannot use the outputs of nodes.", upperFirst(c.scope.what))
}

// node resolves kind.name, with an index where the block has for_each.
func (c *compiler) node(t hcl.Traversal, key *indexKey) {
	if c.only(t, "nodes") {
		return
	}
	tmpl, ok := c.l.findBlock(c, t)
	if !ok {
		return
	}
	if c.scope.noNodes {
		c.noNodes(t.SourceRange())
		return
	}
	r := &nodeRef{tmpl: tmpl, ex: c.ex, lenient: c.lenient > 0, guards: c.guards, rng: t.SourceRange()}
	if !c.index(r, t, key) {
		return
	}
	c.ex.nodes = append(c.ex.nodes, r)
	c.own.add(r)
}

func (o *owner) add(r *nodeRef) {
	if o == nil {
		return
	}
	r.slot = len(o.nodeRefs)
	o.nodeRefs = append(o.nodeRefs, r)
	o.varies = o.varies || len(r.guards) > 0 || r.key != nil
}

// index reads the part of a reference after kind.name.
func (c *compiler) index(r *nodeRef, t hcl.Traversal, key *indexKey) bool {
	addr := r.tmpl.block + "." + r.tmpl.name
	multiple := r.tmpl.forEachAttr != nil
	if key != nil {
		r.key, r.rng = key.expr, key.rng
	}
	var third hcl.Traverser
	if len(t) > 2 {
		third = t[2]
	}
	literal, isIndex := third.(hcl.TraverseIndex)
	switch {
	case !multiple && (key != nil || isIndex):
		if r.tmpl.state == failed {
			return false
		}
		c.fail(r.rng, "Index on a block without for_each", "%s is a single node, so it takes no index. Refer to its outputs directly, as in %s.NAME.", addr, addr)
		return false
	case multiple && isIndex:
		s, ok := keyText(literal.Key)
		if !ok {
			c.fail(r.rng, "Wrong key", "The nodes of %s are found by text keys, as in %s[\"key\"].", addr, addr)
			return false
		}
		r.literal = &s
		r.rng = hcl.RangeBetween(t[0].SourceRange(), literal.SrcRange)
	case multiple && third != nil:
		c.fail(t.SourceRange(), "A block with for_each needs a key",
			"%s has for_each, so it is one node for each key. Name one, as in %s[\"key\"]%s, or use all of them: [for k, v in %s : v%s].", addr, addr, stepText(third), addr, stepText(third))
		return false
	}
	return true
}

func stepText(t hcl.Traverser) string {
	if a, ok := t.(hcl.TraverseAttr); ok {
		return "." + a.Name
	}
	return ""
}

func keyText(v cty.Value) (string, bool) {
	switch {
	case v.IsNull() || !v.IsKnown():
		return "", false
	case v.Type() == cty.String:
		return v.AsString(), true
	case v.Type() == cty.Number:
		return stages.NumberText(v.AsBigFloat()), true
	}
	return "", false
}

// findBlock finds the block that a traversal starts with.
func (l *loader) findBlock(c *compiler, t hcl.Traversal) (*template, bool) {
	m, block := c.ex.mod, t.RootName()
	name, ok := c.member(t, block+".name.output")
	if !ok {
		return nil, false
	}
	if tmpl := m.templates[block][name]; tmpl != nil {
		return tmpl, true
	}
	detail := fmt.Sprintf("There is no %s block called %q.", block, name)
	for _, other := range stages.Blocks {
		if m.templates[other][name] != nil {
			detail += fmt.Sprintf(" There is %s.%s; did you mean that?", other, name)
			c.missing(name, t.SourceRange(), "Undefined node", detail)
			return nil, false
		}
	}
	noun := block + " blocks"
	if len(m.templates[block]) == 0 && len(m.misnamed) > 0 {
		noun = "" // there may be some in what could not be understood
	}
	detail += diagnostic.Hint(name, slices.Collect(maps.Keys(m.templates[block])), noun)
	c.missing(name, t.SourceRange(), "Undefined node", detail)
	return nil, false
}
