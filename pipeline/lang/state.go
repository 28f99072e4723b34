package lang

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
	"github.com/nbpipe/nbpipe/pipeline/lang/functions"
	"github.com/nbpipe/nbpipe/stages"
)

// State holds the outputs of nodes as they become known. Visit nodes in the
// order of Experiment.Nodes at first, so that each finds its producers' types.
type State struct {
	x       *Experiment
	nothing bool // knows no outputs: for what must be known before the run

	values   []cty.Value // by node
	blocks   map[*template]cty.Value
	memo     []memo // by named.id
	problems hcl.Diagnostics
}

// memo is the value of a named value.
type memo struct {
	ok     bool
	failed bool
	value  cty.Value
}

// NewState makes a state in which no node has run.
func (x *Experiment) NewState() *State {
	x.meter.total, x.meter.nodes = 0, len(x.Nodes)
	return &State{x: x, values: make([]cty.Value, len(x.Nodes))}
}

// Set records what is known of a node's outputs: an object value whose members
// may be unknown.
func (s *State) Set(n *Node, outputs cty.Value) {
	s.values[n.Index] = outputs
	t := n.inst.tmpl
	delete(s.blocks, t)
	for _, r := range t.readers {
		s.forget(r)
	}
}

// forget drops the value of a named value and of those that read it.
func (s *State) forget(n *named) {
	if n.id >= len(s.memo) || !s.memo[n.id].ok {
		return
	}
	s.memo[n.id] = memo{}
	for _, r := range n.readers {
		s.forget(r)
	}
}

// Get is what is known of a node's outputs: what Set said, else unknown values of
// the declared types once Attributes was called for the node.
func (s *State) Get(n *Node) cty.Value { return s.instance(n.inst) }

func (s *State) instance(i *instance) cty.Value {
	if s.nothing || i.node == nil || s.values[i.node.Index] == cty.NilVal {
		return cty.DynamicVal
	}
	return s.values[i.node.Index]
}

// all is the object of all instances of a block.
func (s *State) all(t *template) cty.Value {
	if t.state != expanded {
		return cty.DynamicVal
	}
	if v, ok := s.blocks[t]; ok {
		return v
	}
	members := make(map[string]cty.Value, len(t.instances))
	for _, i := range t.instances {
		members[*i.key] = s.instance(i)
	}
	v := cty.ObjectVal(members)
	if s.blocks == nil {
		s.blocks = map[*template]cty.Value{}
	}
	s.blocks[t] = v
	return v
}

// named is the value of a variable, a local, an output or a for_each.
func (s *State) named(n *named) cty.Value {
	if n.broken {
		return cty.DynamicVal
	}
	if n.ex == nil {
		return n.value
	}
	if !n.nodal && !s.nothing {
		return s.x.static.named(n) // never changes
	}
	for n.id >= len(s.memo) {
		s.memo = append(s.memo, make([]memo, max(64, n.id+1-len(s.memo)))...)
	}
	if s.memo[n.id].ok {
		return s.memo[n.id].value
	}
	v, diags := s.evalWith(n.ex, nil, n.resolved)
	if !diags.HasErrors() {
		var d hcl.Diagnostics
		v, d = s.settle(n, v)
		diags = append(diags, d...)
	}
	if diags.HasErrors() {
		v = cty.DynamicVal
	}
	s.problems = append(s.problems, diags...)
	s.memo[n.id] = memo{ok: true, failed: diags.HasErrors(), value: v}
	return v
}

// settle applies what the kind of a named value demands.
func (s *State) settle(n *named, v cty.Value) (cty.Value, hcl.Diagnostics) {
	at := n.ex.expr.Range()
	if !n.nodal {
		if d := noInfinity(v, at, n.what()); d != nil {
			return cty.DynamicVal, hcl.Diagnostics{d}
		}
	}
	switch n.kind {
	case "variable":
		out, d := n.convert(v, at)
		if d != nil {
			return cty.DynamicVal, hcl.Diagnostics{d}
		}
		return out, s.validate(n, out)
	case "output":
		if n.sensitive {
			u, _ := v.UnmarkDeep()
			return u.Mark(stages.Sensitive), nil
		}
		if s.x.secrets && v.ContainsMarked() {
			return cty.DynamicVal, hcl.Diagnostics{diagnostic.Error(at, "Sensitive value", "The output %q would show a sensitive value. Declare the output with `sensitive = true`, or leave the value out.", n.name)}
		}
	}
	return v, nil
}

// what names a value in a message.
func (n *named) what() string {
	switch n.kind {
	case "variable":
		return fmt.Sprintf("The variable %q", n.name)
	case "output":
		return fmt.Sprintf("The output %q", n.name)
	case "local":
		return "local." + n.name
	}
	return "for_each"
}

// takeProblems gives the problems of named values that were found since.
func (s *State) takeProblems() hcl.Diagnostics {
	out := s.problems
	s.problems = nil
	return out
}

// failedIn reports whether something that an expression refers to has failed, so
// that a problem with its value would only be a consequence.
func (s *State) failedIn(ex *expression) bool {
	for _, r := range ex.named {
		if r.to.broken || r.to.id < len(s.memo) && s.memo[r.to.id].failed {
			return true
		}
		if r.to.ex != nil && s.failedIn(r.to.ex) {
			return true
		}
	}
	for _, r := range ex.nodes {
		if r.tmpl.state == failed {
			return true
		}
	}
	return false
}

// context holds what an expression refers to, and nothing else.
func (s *State) context(ex *expression, i *instance, res *resolution) *hcl.EvalContext {
	if ex.literal {
		return ex.mod.bare
	}
	if ex.ctx != nil {
		return ex.ctx
	}
	vars := map[string]cty.Value{}
	s.addNamed(ex, res, vars)
	if ex.eachKey || ex.eachValue {
		vars["each"] = s.each(ex, i)
	}
	if len(ex.groups) > 0 {
		s.addNodes(ex, res, vars)
	}
	ctx := &hcl.EvalContext{Functions: ex.mod.functions, Variables: vars}
	if ex.constant && !s.nothing {
		ex.ctx = ctx
	}
	return ctx
}

func (s *State) each(ex *expression, i *instance) cty.Value {
	if i == nil || i.key == nil {
		return cty.DynamicVal
	}
	if !ex.eachValue {
		return cty.ObjectVal(map[string]cty.Value{"key": i.eachKey})
	}
	v := i.eachValue
	if v == cty.NilVal {
		v = s.eachValue(i)
	}
	return cty.ObjectVal(map[string]cty.Value{"key": i.eachKey, "value": v})
}

// eachValue is each.value where for_each depends on nodes.
func (s *State) eachValue(i *instance) cty.Value {
	t := i.tmpl
	if t.direct != nil {
		if to := t.direct.tmpl.byKey[*i.key]; to != nil {
			return s.instance(to)
		}
		return cty.DynamicVal
	}
	whole := s.named(t.each)
	switch ty := whole.Type(); {
	case !whole.IsKnown() || whole.IsNull() || whole.IsMarked():
		return cty.DynamicVal
	case ty.IsSetType():
		return i.eachKey
	case ty.IsObjectType() && ty.HasAttribute(*i.key):
		return whole.GetAttr(*i.key)
	case ty.IsMapType() && whole.HasIndex(i.eachKey).True():
		return whole.Index(i.eachKey)
	}
	return cty.DynamicVal
}

func (s *State) addNamed(ex *expression, res *resolution, vars map[string]cty.Value) {
	var variables, locals map[string]cty.Value
	var imports map[string]map[string]cty.Value
	for _, r := range ex.named {
		v := cty.DynamicVal
		if !r.to.nodal || res == nil || res.pruned == nil || !res.pruned[len(res.targets)+r.slot] {
			v = s.named(r.to)
		}
		var into *map[string]cty.Value
		switch r.to.kind {
		case "variable":
			into = &variables
		case "local":
			into = &locals
		default:
			if imports == nil {
				imports = map[string]map[string]cty.Value{}
			}
			name := r.importName
			m := imports[name]
			if m == nil {
				m = map[string]cty.Value{}
				imports[name] = m
			}
			into = &m
		}
		put(into, r.to.name, v)
	}
	if variables != nil {
		vars["var"] = cty.ObjectVal(variables)
	}
	if locals != nil {
		vars["local"] = cty.ObjectVal(locals)
	}
	if imports != nil {
		byName := map[string]cty.Value{}
		for name, m := range imports {
			byName[name] = cty.ObjectVal(m)
		}
		vars["import"] = cty.ObjectVal(byName)
	}
}

// put keeps a value that is there over one that stands for a branch not taken.
func put(m *map[string]cty.Value, name string, v cty.Value) {
	if *m == nil {
		*m = map[string]cty.Value{}
	}
	if old, ok := (*m)[name]; ok && v == cty.DynamicVal && old != cty.DynamicVal {
		return
	}
	(*m)[name] = v
}

func (s *State) addNodes(ex *expression, res *resolution, vars map[string]cty.Value) {
	byBlock := map[string]map[string]cty.Value{}
	for k := range ex.groups {
		g := &ex.groups[k]
		m := byBlock[g.tmpl.block]
		if m == nil {
			m = map[string]cty.Value{}
			byBlock[g.tmpl.block] = m
		}
		m[g.tmpl.name] = s.group(g, res)
	}
	for block, m := range byBlock {
		vars[block] = cty.ObjectVal(m)
	}
}

// group is the value of a block for one expression: where all its references
// name instances, an object of these alone.
func (s *State) group(g *group, res *resolution) cty.Value {
	t := g.tmpl
	if t.state != expanded {
		return cty.DynamicVal
	}
	if res == nil {
		if t.forEachAttr == nil {
			return s.instance(t.instances[0])
		}
		return s.all(t)
	}
	var some map[string]cty.Value
	used := false
	for _, r := range g.refs {
		if res.pruned != nil && res.pruned[r.slot] {
			continue
		}
		used = true
		switch to := res.targets[r.slot]; {
		case t.forEachAttr == nil:
			return s.instance(t.instances[0])
		case to.tmpl == nil: // a key that does not exist, in try() or can()
		case to.inst == nil:
			return s.all(t)
		default:
			if some == nil {
				some = make(map[string]cty.Value, len(g.refs))
			}
			some[*to.inst.key] = s.instance(to.inst)
		}
	}
	if !used {
		return cty.DynamicVal
	}
	return cty.ObjectVal(some)
}

// eval evaluates an expression of a block's instance (nil: of no block).
func (s *State) eval(ex *expression, i *instance) (cty.Value, hcl.Diagnostics) {
	if i == nil {
		return s.evalWith(ex, nil, nil)
	}
	return s.evalWith(ex, i, i.resolved)
}

func (s *State) evalWith(ex *expression, i *instance, res *resolution) (cty.Value, hcl.Diagnostics) {
	if ex.broken || res != nil && slices.Contains(res.failed, ex) {
		return cty.DynamicVal, nil
	}
	if ex.cached {
		return ex.value, ex.diags
	}
	v, diags := s.evaluate(ex, s.context(ex, i, res))
	if ex.constant && small(v) {
		ex.cached, ex.value, ex.diags = true, v, diags
	}
	return v, diags
}

// small says whether a value is worth keeping.
func small(v cty.Value) bool {
	return v.Type() != cty.String || v.IsMarked() || !v.IsKnown() || v.IsNull() || len(v.AsString()) < 1<<16
}

// evaluate evaluates within the limits, and says what HCL says in our words.
func (s *State) evaluate(ex *expression, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := s.raw(ex.expr, ctx)
	if len(diags) > 0 {
		diags = explain(diags, ctx)
	}
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if _, lit := ex.expr.(*hclsyntax.LiteralValueExpr); !lit {
		size, err := functions.Bound(v)
		if err == nil && (s.nothing || ex.constant && small(v)) { // it is kept
			err = s.x.meter.hold(size)
		}
		if err != nil {
			return cty.DynamicVal, append(diags, diagnostic.Error(ex.expr.Range(), "Value too large", "%s", sentence(err)))
		}
	}
	return v, diags
}

func (s *State) raw(e hclsyntax.Expression, ctx *hcl.EvalContext) (v cty.Value, diags hcl.Diagnostics) {
	s.x.meter.reset()
	defer func() {
		if r := recover(); r != nil {
			d := internal(r)
			at := e.Range()
			d.Subject = &at
			v, diags = cty.DynamicVal, hcl.Diagnostics{d}
		}
	}()
	v, diags = e.Value(ctx)
	if m := s.x.meter; m.steps > maxSteps || m.bytes > maxTextBytes { // try() swallowed the panic
		panic(tooMuch{"It takes too many steps, or makes too much text."})
	}
	return v, diags
}

// Outputs evaluates the experiment's output blocks, in the order of their names.
func (s *State) Outputs() ([]OutputValue, hcl.Diagnostics) {
	if s.x.root == nil {
		return nil, nil
	}
	var out []OutputValue
	for _, name := range sorted(keysOf(s.x.root.outputs)) {
		n := s.x.root.outputs[name]
		v, _ := s.named(n).UnmarkDeep()
		out = append(out, OutputValue{Name: name, Description: n.description, Value: v, Sensitive: n.sensitive, Range: n.rng})
	}
	return out, tidy(s.takeProblems())
}

func keysOf[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range maps.Keys(m) {
		out = append(out, k)
	}
	return out
}
