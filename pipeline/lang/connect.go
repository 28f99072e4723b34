package lang

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
)

// connect finds the edges between nodes, orders the nodes, and fills
// Experiment.Nodes.
func (l *loader) connect() {
	c := &connector{l: l, reported: map[*nodeRef]bool{}}
	for _, t := range l.x.templates {
		for _, i := range t.instances {
			i.id = len(c.instances)
			c.instances = append(c.instances, i)
		}
	}
	for _, n := range l.x.named {
		if n.varies || len(n.nodeRefs) > 0 {
			n.resolved = c.resolve(&n.owner, nil)
		}
	}
	for _, t := range l.x.templates {
		c.template(t)
	}
	if l.edges > maxEdges {
		l.error(hcl.Range{Filename: l.x.Path, Start: hcl.InitialPos, End: hcl.InitialPos}, "Too many edges",
			"The nodes of this experiment refer to each other more than %d times. Let one node collect what many need.", maxEdges)
		return
	}
	c.order()
	l.diags = append(l.diags, l.x.static.takeProblems()...)
}

type connector struct {
	l         *loader
	instances []*instance
	reported  map[*nodeRef]bool
	// blocks are the vertices that stand for all nodes of a block with for_each,
	// so that n readers of n nodes do not make n*n edges to walk.
	blocks []*template
	vertex map[*template]int
}

// template finds what the instances of a block depend on.
func (c *connector) template(t *template) {
	perInstance := t.varies || t.each != nil && t.owner.each
	var shared *depSet
	var res *resolution
	for _, i := range t.instances {
		if shared != nil && !perInstance {
			i.deps, i.resolved = shared, res
			continue
		}
		i.resolved = c.resolve(&t.owner, i)
		targets := c.targets(&t.owner, i.resolved, nil)
		if t.each != nil && t.owner.each {
			targets = append(targets, c.eachTargets(t, i)...)
		}
		i.deps = &depSet{targets: compactTargets(targets)}
		for _, d := range i.deps.targets {
			c.l.edges++
			if d.inst == nil && perInstance {
				c.l.edges += len(d.tmpl.instances)
			}
		}
		if c.l.edges > maxEdges {
			return
		}
		shared, res = i.deps, i.resolved
	}
}

func (c *connector) eachTargets(t *template, i *instance) []target {
	if t.direct == nil {
		return c.reach(t.each)
	}
	if to := t.direct.tmpl; to.byKey[*i.key] != nil {
		return []target{{to, to.byKey[*i.key]}}
	}
	return nil
}

// targets lists the nodes that an owner's references name.
func (c *connector) targets(o *owner, res *resolution, out []target) []target {
	for k := range o.nodeRefs {
		if res.pruned == nil || !res.pruned[k] {
			if t := res.targets[k]; t.tmpl != nil {
				out = append(out, t)
			}
		}
	}
	for k, r := range o.namedRefs {
		if !r.to.nodal || res.pruned != nil && res.pruned[len(o.nodeRefs)+k] {
			continue
		}
		out = append(out, c.reach(r.to)...)
	}
	return out
}

// reach lists the nodes that a named value depends on.
func (c *connector) reach(n *named) []target {
	if n.reached || n.broken {
		return n.reach
	}
	n.reached = true
	if n.resolved == nil {
		n.resolved = c.resolve(&n.owner, nil)
	}
	n.reach = compactTargets(c.targets(&n.owner, n.resolved, nil))
	return n.reach
}

func compactTargets(ts []target) []target {
	if len(ts) < 2 {
		return ts
	}
	seen := make(map[target]bool, len(ts))
	out := ts[:0:0]
	for _, t := range ts {
		if !seen[t] {
			seen[t] = true
			out = append(out, t)
		}
	}
	return out
}

// resolve evaluates the conditions and keys around an owner's references.
func (c *connector) resolve(o *owner, i *instance) *resolution {
	res := &resolution{targets: make([]target, len(o.nodeRefs))}
	contexts := map[*expression]*hcl.EvalContext{}
	context := func(ex *expression) *hcl.EvalContext {
		if contexts[ex] == nil {
			contexts[ex] = c.l.x.static.context(ex, i, nil)
		}
		return contexts[ex]
	}
	prune := func(k int, ex *expression, gs []guard) bool {
		for _, g := range gs {
			v, diags := c.l.x.static.raw(g.condition, context(ex))
			v, _ = v.Unmark()
			if !diags.HasErrors() && v.IsKnown() && !v.IsNull() && v.Type() == cty.Bool && v.True() != g.want {
				if res.pruned == nil {
					res.pruned = make([]bool, len(o.nodeRefs)+len(o.namedRefs))
				}
				res.pruned[k] = true
				return true
			}
		}
		return false
	}
	for k, r := range o.nodeRefs {
		if len(r.guards) == 0 || !prune(k, r.ex, r.guards) {
			res.targets[k] = c.target(r, res, context)
		}
	}
	for k, r := range o.namedRefs {
		if len(r.guards) > 0 {
			prune(len(o.nodeRefs)+k, r.ex, r.guards)
		}
	}
	return res
}

// target is the node, or the block, that a reference names.
func (c *connector) target(r *nodeRef, res *resolution, context func(*expression) *hcl.EvalContext) target {
	t := r.tmpl
	if t.state != expanded {
		return target{}
	}
	if t.forEachAttr == nil {
		return target{t, t.instances[0]}
	}
	key := ""
	switch {
	case r.literal != nil:
		key = *r.literal
	case r.key != nil:
		v, diags := c.l.x.static.raw(r.key, context(r.ex))
		if v.ContainsMarked() {
			res.failed = append(res.failed, r.ex)
			r.ex.broken = true
			c.once(r, "Sensitive value", "A key of %s cannot be sensitive: which nodes depend on each other is shown.", t.address())
			return target{}
		}
		s, ok := keyText(v)
		if diags.HasErrors() || !ok {
			return target{t, nil}
		}
		key = s
	default:
		return target{t, nil}
	}
	if to := t.byKey[key]; to != nil {
		return target{t, to}
	}
	if r.lenient {
		return target{}
	}
	res.failed = append(res.failed, r.ex)
	c.once(r, "No node with this key", "%s has no node with the key %s.%s", t.block+"."+t.name, diagnostic.ValueText(cty.StringVal(key)),
		diagnostic.Hint(key, slices.Collect(maps.Keys(t.byKey)), "keys"))
	r.ex.broken = true // told once; evaluating it would tell it again
	return target{}
}

// once reports a problem of a reference for the first of a block's nodes.
func (c *connector) once(r *nodeRef, summary, detail string, args ...any) {
	if !c.reported[r] {
		c.reported[r] = true
		c.l.error(r.rng, summary, detail, args...)
	}
}

// order sorts the nodes and makes them.
func (c *connector) order() {
	n := len(c.instances)
	c.vertex = map[*template]int{}
	edgesOf := func(ts []target) []int {
		out := make([]int, 0, len(ts))
		for _, t := range ts {
			switch {
			case t.inst != nil:
				out = append(out, t.inst.id)
			default:
				v, ok := c.vertex[t.tmpl]
				if !ok {
					v = n + len(c.blocks)
					c.vertex[t.tmpl] = v
					c.blocks = append(c.blocks, t.tmpl)
				}
				out = append(out, v)
			}
		}
		slices.Sort(out)
		return out
	}
	for _, i := range c.instances {
		for _, t := range i.deps.targets {
			if t.inst == nil {
				edgesOf([]target{t}) // number all blocks before sorting
			}
		}
	}
	order, cycles := sortGraph(n+len(c.blocks), func(v int) []int {
		if v < n {
			return edgesOf(c.instances[v].deps.targets)
		}
		t := c.blocks[v-n]
		out := make([]int, len(t.instances))
		for k, i := range t.instances {
			out[k] = i.id
		}
		return out
	})
	for _, cyc := range cycles {
		c.cycle(cyc, n)
	}
	c.nodes(order, n)
}

func (c *connector) cycle(ids []int, n int) {
	var members []*instance
	for _, id := range ids {
		if id < n {
			members = append(members, c.instances[id])
		}
	}
	if len(members) == 0 {
		return
	}
	names := make([]string, len(members))
	for k, i := range members {
		names[k] = i.address()
	}
	c.l.cycle(members[0].tmpl.header, names, func(k int) hcl.Range { return members[k].tmpl.header })
}

func (i *instance) address() string {
	if i.key == nil {
		return i.tmpl.address()
	}
	return i.tmpl.address() + quoteKey(*i.key)
}

// nodes makes the nodes in their order, and their edges.
func (c *connector) nodes(order []int, n int) {
	x := c.l.x
	x.Nodes = make([]*Node, 0, n)
	all := make([]Node, n)
	for _, id := range order {
		if id >= n {
			continue
		}
		i := c.instances[id]
		t := i.tmpl
		node := &all[len(x.Nodes)]
		*node = Node{Index: len(x.Nodes), Address: i.address(), Block: t.block, Type: t.typ, Name: t.name, EachKey: i.key,
			Kind: t.kind, Range: t.header, Expects: len(t.expects), inst: i}
		node.Description = c.text(t.description, i)
		if node.Executor = t.executorName; t.executor != nil {
			node.Executor = c.text(t.executor, i)
			c.l.checkExecutor(node.Executor, t.executor.expr.Range())
		}
		i.node = node
		x.Nodes = append(x.Nodes, node)
		x.index[node.Address] = node
	}
	blocks := map[*template][]int{}
	for _, node := range x.Nodes {
		d := node.inst.deps
		if d.index == nil {
			d.index = indexes(d.targets, blocks)
		}
		node.Deps = d.index
	}
}

func indexes(ts []target, blocks map[*template][]int) []int {
	if len(ts) == 1 && ts[0].inst == nil {
		return blockIndexes(ts[0].tmpl, blocks)
	}
	out := make([]int, 0, len(ts))
	for _, t := range ts {
		if t.inst != nil {
			out = append(out, t.inst.node.Index)
		} else {
			out = append(out, blockIndexes(t.tmpl, blocks)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func blockIndexes(t *template, blocks map[*template][]int) []int {
	if blocks[t] == nil {
		out := make([]int, len(t.instances))
		for k, i := range t.instances {
			out[k] = i.node.Index
		}
		slices.Sort(out)
		blocks[t] = out
	}
	return blocks[t]
}

// text evaluates description and executor.
func (c *connector) text(ex *expression, i *instance) string {
	if ex == nil || ex.broken {
		return ""
	}
	v, diags := c.l.x.static.eval(ex, i)
	c.l.diags = append(c.l.diags, diags...)
	if diags.HasErrors() {
		return ""
	}
	if v.IsMarked() {
		c.l.diags = append(c.l.diags, sensitiveHere(ex.expr.Range(), "A description or an executor"))
		return ""
	}
	if v.IsNull() || !v.IsKnown() {
		return ""
	}
	if v.Type() != cty.String {
		c.l.error(ex.expr.Range(), "Wrong type", "A description or an executor is text, this is %s.", diagnostic.Given(v))
		return ""
	}
	return v.AsString()
}

func sensitiveHere(at hcl.Range, what string) *hcl.Diagnostic {
	return diagnostic.Error(at, "Sensitive value", "%s takes no sensitive value: what is given here is shown, stored and part of keys. Give secrets only to attributes that say they take them.", what)
}
