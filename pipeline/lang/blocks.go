package lang

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
)

// compileAll resolves the references of all expressions, once all names are known.
func (l *loader) compileAll() {
	l.checkExecutor(l.x.Executor, l.x.executorRange)
	for _, n := range l.x.named {
		if n.attr == nil {
			continue
		}
		m := n.mod
		if n.ex != nil {
			m = n.ex.mod // the value of an import's variable belongs to the importing folder
		}
		n.ex = l.compile(n.attr.Expr, m, &n.owner, scope{})
		n.broken = n.broken || n.ex.broken
	}
	for _, t := range l.x.templates {
		l.compileTemplate(t)
	}
}

func (l *loader) compileTemplate(t *template) {
	as := t.body.Attributes
	each := t.forEachAttr != nil
	if each {
		t.forEach = l.compile(t.forEachAttr.Expr, t.mod, nil, scope{})
	}
	own := &t.owner
	if a := as["depends_on"]; a != nil {
		l.references(t, a, scope{each: each})
	}
	early := func(name string) *expression {
		a := as[name]
		if a == nil {
			return nil
		}
		return l.compile(a.Expr, t.mod, own, scope{each: each, noNodes: true, what: "the attribute " + name})
	}
	t.description = early("description")
	if a := as["executor"]; a != nil {
		if name, ok := executorName(a.Expr); ok {
			t.executorName = name
			l.checkExecutor(name, a.Expr.Range())
		} else {
			t.executor = early("executor")
		}
	}
	if t.kind == nil {
		l.compileUnknown(t, each)
		return
	}
	l.compileAttributes(t, each)
	l.compileBlocks(t, each)
}

// compileUnknown finds what is wrong in a block of unknown type all the same:
// references, and the blocks that every type has.
func (l *loader) compileUnknown(t *template, each bool) {
	for _, a := range attributesByPlace(t.body.Attributes) {
		if !slices.Contains(metaAttributes, a.Name) {
			l.compile(a.Expr, t.mod, &t.owner, scope{each: each})
		}
	}
	l.compileBlocks(t, each)
}

func (l *loader) compileAttributes(t *template, each bool) {
	as := t.body.Attributes
	for i := range t.kind.Attributes {
		decl := &t.kind.Attributes[i]
		a := &attribute{decl: decl, rng: t.header}
		t.attributes = append(t.attributes, a)
		src := as[decl.Name]
		if src == nil {
			if !decl.Optional {
				l.missingAttribute(t, a)
			}
			continue
		}
		a.src, a.rng = src, src.Expr.Range()
		if decl.Nodes {
			a.nodes = l.references(t, src, scope{each: each})
			continue
		}
		a.ex = l.compile(src.Expr, t.mod, &t.owner, scope{each: each})
	}
	l.unknownAttributes(t)
}

func (l *loader) missingAttribute(t *template, a *attribute) {
	detail := fmt.Sprintf("A %s needs %s = ..., %s.", t.kind.Name(), a.decl.Name, diagnostic.Article(diagnostic.TypeText(a.decl.Type)))
	if a.decl.Doc != "" {
		detail += " " + a.decl.Doc
	}
	summary := fmt.Sprintf("Missing attribute %q", a.decl.Name)
	for _, b := range t.body.Blocks {
		if b.Type == a.decl.Name {
			return // written as a block: reported there
		}
	}
	l.error(t.header, summary, "%s", detail)
}

func (l *loader) unknownAttributes(t *template) {
	known := slices.Clone(metaAttributes)
	for i := range t.kind.Attributes {
		known = append(known, t.kind.Attributes[i].Name)
	}
	for _, name := range slices.Sorted(maps.Keys(t.body.Attributes)) {
		if slices.Contains(known, name) {
			continue
		}
		a := t.body.Attributes[name]
		if name == "resources" || name == "expect" {
			l.error(a.NameRange, "Block written as an attribute", "%s is a block: write it without an equals sign, %s { ... }.", name, name)
			continue
		}
		hint := diagnostic.Hint(name, known, "attributes")
		if len(known) > diagnostic.MaxListed {
			hint += fmt.Sprintf(" See all: nbpipe docs %s.", t.kind.Name())
		}
		l.error(a.NameRange, "Unknown attribute", "A %s has no attribute %q.%s", t.kind.Name(), name, hint)
		l.compile(a.Expr, t.mod, &t.owner, scope{each: t.forEachAttr != nil})
	}
}

func (l *loader) compileBlocks(t *template, each bool) {
	expects := map[string]hcl.Range{}
	name, remedy := t.block, " If it is to be an attribute, write it with an equals sign."
	if t.kind != nil {
		name, remedy = t.kind.Name(), ""
	}
	for _, b := range t.body.Blocks {
		isAttribute := false
		if t.kind != nil {
			_, isAttribute = t.kind.Attribute(b.Type)
		}
		switch {
		case b.Type == "resources":
			l.resourcesBlock(t, b, each)
		case b.Type == "expect":
			l.expectBlock(t, b, each, expects)
		case isAttribute || slices.Contains(metaAttributes, b.Type):
			l.error(b.TypeRange, "Attribute written as a block", "%q is an attribute of a %s: write it with an equals sign, %s = { ... }.", b.Type, name, b.Type)
		default:
			l.error(b.TypeRange, "Unknown block", "A %s holds no block %q.%s%s", name, b.Type, diagnostic.Hint(b.Type, []string{"resources", "expect"}, "blocks"), remedy)
		}
	}
}

// references reads an attribute that lists nodes: [a.b, c.d["k"]], or one of them.
func (l *loader) references(t *template, a *hclsyntax.Attribute, sc scope) []*nodeRef {
	items := []hclsyntax.Expression{a.Expr}
	if list, ok := a.Expr.(*hclsyntax.TupleConsExpr); ok {
		items = list.Exprs
	}
	var out []*nodeRef
	for _, e := range items {
		ex := &expression{mod: t.mod}
		c := &compiler{l: l, ex: ex, own: &t.owner, scope: sc}
		if !nodeSyntax(e) {
			l.error(e.Range(), "Not a node", "The attribute %s lists nodes: references without quotes, such as [dataset.images, command.cell[\"a\"]]. %s", a.Name, notNode(e))
			continue
		}
		c.visit(e)
		out = append(out, ex.nodes...)
	}
	return out
}

// notNode says what stands in the place of a node.
func notNode(e hclsyntax.Expression) string {
	if t, ok := e.(*hclsyntax.ScopeTraversalExpr); ok {
		n := 2
		if len(t.Traversal) > 3 {
			if _, ok := t.Traversal[2].(hcl.TraverseIndex); ok {
				n = 3
			}
		}
		text := diagnostic.TraversalText(t.Traversal)
		if isBlock(t.Traversal.RootName()) && len(t.Traversal) > n {
			return fmt.Sprintf("%s is an output of a node; leave the output's name out: %s.", text, diagnostic.TraversalText(t.Traversal[:n]))
		}
		return fmt.Sprintf("%s is not the name of a node.", text)
	}
	if t, ok := e.(*hclsyntax.TemplateExpr); ok && t.IsStringLiteral() {
		return "This is text; leave the quotes out."
	}
	return "This is an expression; write the references out."
}

// nodeSyntax reports whether an expression is block.name or block.name[key] and
// nothing more.
func nodeSyntax(e hclsyntax.Expression) bool {
	switch e := e.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		t := e.Traversal
		if len(t) == 3 {
			_, ok := t[2].(hcl.TraverseIndex)
			return ok && isBlock(t.RootName())
		}
		return len(t) == 2 && isBlock(t.RootName())
	case *hclsyntax.IndexExpr:
		st, ok := e.Collection.(*hclsyntax.ScopeTraversalExpr)
		return ok && len(st.Traversal) == 2 && isBlock(st.Traversal.RootName())
	}
	return false
}
