package lang

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
	"github.com/nbpipe/nbpipe/pipeline/lang/source"
	"github.com/nbpipe/nbpipe/stages"
)

func (l *loader) variableBlock(m *module, b *hclsyntax.Block) {
	if !l.labels(b, `variable "alpha" { ... }`, 1) {
		m.refused(b)
		return
	}
	name := b.Labels[0]
	if old := m.variables[name]; old != nil {
		l.duplicate(b.DefRange(), old.rng, fmt.Sprintf("The variable %q", name))
		return
	}
	l.onlyAttributes(b, []string{"type", "default", "description", "sensitive"}, "validation")
	n := l.name(&named{kind: "variable", name: name, mod: m, rng: b.DefRange(), block: b, typ: cty.DynamicPseudoType})
	m.variables[name] = n
	n.value = cty.DynamicVal
	as := b.Body.Attributes
	if a := as["description"]; a != nil {
		n.description, _ = l.constantText(m, a)
	}
	var ok bool
	n.sensitive, ok = l.constantBool(m, as["sensitive"])
	n.sensitive = n.sensitive || !ok // until it is corrected
	l.x.secrets = l.x.secrets || n.sensitive
	if a := as["type"]; a != nil {
		l.variableType(n, a)
	}
	if a := as["default"]; a != nil {
		n.optional = true
		l.variableDefault(n, a)
	}
	for _, v := range b.Body.Blocks {
		if v.Type == "validation" {
			l.validationBlock(n, v)
		}
	}
}

func (l *loader) variableType(n *named, a *hclsyntax.Attribute) {
	t, defaults, diags := typeexpr.TypeConstraintWithDefaults(a.Expr)
	for _, d := range diags {
		near := ""
		types := []string{"string", "number", "bool", "any", "list", "set", "map", "tuple", "object"}
		if word := hcl.ExprAsKeyword(a.Expr); word != "" && !slices.Contains(types, word) {
			near = diagnostic.Hint(word, types, "")
		}
		l.error(*d.Subject, "Unknown type", "%s%s Types are string, number, bool, any, list(T), set(T), map(T), tuple([T, ...]) and object({ name = T, other = optional(T, default) }).", d.Detail, near)
	}
	if diags.HasErrors() {
		n.broken = true
		return
	}
	n.typ, n.defaults = t, defaults
}

func (l *loader) variableDefault(n *named, a *hclsyntax.Attribute) {
	ex := l.compile(a.Expr, n.mod, nil, scope{nothing: true, what: "a default"})
	v, ok := l.constant(ex)
	if !ok {
		n.broken = true
		return
	}
	v, d := n.convert(v, a.Expr.Range())
	if d != nil {
		n.broken = true
		l.diags = append(l.diags, d)
		return
	}
	n.value = v
}

// convert brings a value to a variable's type, with the defaults of optional
// members, and marks it where the variable is sensitive.
func (n *named) convert(v cty.Value, at hcl.Range) (cty.Value, *hcl.Diagnostic) {
	if n.broken {
		return cty.DynamicVal, nil
	}
	if v.HasMark(stages.Sensitive) || v.ContainsMarked() {
		if !n.sensitive {
			return cty.DynamicVal, diagnostic.Error(at, "Sensitive value", "The variable %q is not declared sensitive, so it takes no sensitive value. Add `sensitive = true` to its block.", n.name)
		}
		v, _ = v.UnmarkDeep()
	}
	if n.defaults != nil && !v.IsNull() {
		v = n.defaults.Apply(v)
	}
	out, problem := convertTo(v, n.typ)
	if problem != "" {
		if n.sensitive {
			problem = "the value does not fit (it is sensitive and not shown)"
		}
		d := diagnostic.Error(at, "Wrong type", "The variable %q takes %s: %s", n.name, diagnostic.Article(diagnostic.TypeText(n.typ)), period(problem))
		if n.sensitive {
			d.Extra = diagnostic.Secret{}
		}
		return cty.DynamicVal, d
	}
	if d := noInfinity(out, at, n.what()); d != nil {
		if n.sensitive {
			d.Extra = diagnostic.Secret{}
		}
		return cty.DynamicVal, d
	}
	if n.sensitive {
		out = out.Mark(stages.Sensitive)
	}
	return out, nil
}

func (l *loader) validationBlock(n *named, b *hclsyntax.Block) {
	if !l.labels(b, "validation { ... }", 0) {
		return
	}
	l.onlyAttributes(b, []string{"condition", "error_message"})
	v := &validation{rng: b.DefRange()}
	for _, name := range []string{"condition", "error_message"} {
		if b.Body.Attributes[name] == nil {
			l.error(b.DefRange(), "Missing attribute", "A validation needs a condition and an error_message: there is no %s.", name)
			return
		}
	}
	sc := scope{only: n.name, what: "a validation"}
	v.condition = l.compile(b.Body.Attributes["condition"].Expr, n.mod, nil, sc)
	v.message = l.compile(b.Body.Attributes["error_message"].Expr, n.mod, nil, sc)
	if !v.condition.broken && !v.message.broken {
		n.checks = append(n.checks, v)
	}
}

// assign gives the variables of the experiment their values, in rising precedence.
func (l *loader) assign(m *module) {
	given := map[string]bool{}
	for _, a := range l.o.Environment {
		if n := m.variables[a.Name]; n != nil {
			l.setText(n, a)
			given[a.Name] = true
		}
	}
	l.tree.AutoVariables(func(f *source.File, diags hcl.Diagnostics) { l.setFile(m, f, diags, given) })
	for _, a := range l.o.Variables {
		l.setOption(m, a, given)
	}
	for _, n := range l.x.named {
		if n.kind != "variable" || n.mod != m || n.broken {
			continue
		}
		if !given[n.name] && !n.optional {
			n.broken = true
			l.error(n.rng, "Variable without a value", "The variable %q has no default and was given no value. Give it one with --var %s=VALUE, with the environment variable NBPIPE_VAR_%s, or in a file NAME.auto.nbvars beside the experiment: %s = VALUE.",
				n.name, n.name, n.name, n.name)
		}
	}
	for _, n := range l.x.named {
		if n.kind == "variable" && n.mod == m && !n.broken {
			l.diags = append(l.diags, l.x.static.validate(n, n.value)...)
		}
	}
}

func (l *loader) setOption(m *module, a Assignment, given map[string]bool) {
	if a.File != "" {
		f, diags := l.tree.Variables(a.File)
		l.setFile(m, f, diags, given)
		return
	}
	n := m.variables[a.Name]
	if n == nil {
		if !m.mayDefine(a.Name) {
			l.error(outside(a), "Undefined variable", "%s gives a value to the variable %q, which the experiment does not define.%s", upperFirst(a.From), a.Name,
				diagnostic.Hint(a.Name, slices.Collect(maps.Keys(m.variables)), "variables"))
		}
		return
	}
	l.setText(n, a)
	given[a.Name] = true
}

// outside is the place of a value that stands in no file.
func outside(a Assignment) hcl.Range {
	return hcl.Range{Filename: fmt.Sprintf("<%s %s>", a.From, a.Name), Start: hcl.InitialPos, End: hcl.InitialPos}
}

func (l *loader) setText(n *named, a Assignment) {
	at := outside(a)
	n.optional = true
	if n.typ == cty.String || n.typ == cty.DynamicPseudoType && !looksLikeExpression(a.Value) {
		l.set(n, cty.StringVal(strings.ToValidUTF8(a.Value, "\uFFFD")), at)
		return
	}
	e, diags := l.tree.Parse(a.Value, at.Filename)
	if _, word := e.(*hclsyntax.ScopeTraversalExpr); word && !diags.HasErrors() && hcl.ExprAsKeyword(e) != "" {
		n.broken = true
		d := l.error(at, "Wrong type", "The variable %q takes %s, but %s gives it the text %s. Text within a value needs quotes, such as '[\"a\", \"b\"]'.",
			n.name, diagnostic.Article(diagnostic.TypeText(n.typ)), a.From, secret(n, a.Value))
		l.hide(n, d)
		return
	}
	if diags.HasErrors() || e == nil {
		n.broken = true
		d := l.error(at, "Invalid value", "The value that %s gives to the variable %q is no expression: %s. The variable takes %s; text within it needs quotes, such as '[\"a\", \"b\"]'.",
			a.From, n.name, secret(n, a.Value), diagnostic.Article(diagnostic.TypeText(n.typ)))
		l.hide(n, d)
		return
	}
	if v, ok := l.variableValue(n, e, n.mod, at); ok {
		l.set(n, v, at)
	}
}

// variableValue evaluates what a file or the command line gives to a variable.
// Problems with a sensitive one do not quote it.
func (l *loader) variableValue(n *named, e hclsyntax.Expression, m *module, at hcl.Range) (cty.Value, bool) {
	before := len(l.diags)
	v, ok := l.constant(l.compile(e, m, nil, scope{nothing: true, what: "the value of a variable"}))
	if ok {
		return v, true
	}
	n.broken = true
	if n.sensitive {
		l.diags = l.diags[:before]
		l.hide(n, l.error(at, "Invalid value", "The value of the variable %q cannot be evaluated. It is sensitive, so the details are not shown.", n.name))
	}
	return v, false
}

// hide keeps the line of a problem from being shown where the variable is sensitive.
func (l *loader) hide(n *named, d *hcl.Diagnostic) {
	if n.sensitive {
		d.Extra = diagnostic.Secret{}
	}
}

func secret(n *named, text string) string {
	if n.sensitive {
		return "(not shown, it is sensitive)"
	}
	return diagnostic.ValueText(cty.StringVal(strings.ToValidUTF8(text, "\uFFFD")))
}

// looksLikeExpression decides what --var x=... means where the variable takes
// any type: a number, a bool, or something in brackets; else it is text.
func looksLikeExpression(s string) bool {
	s = strings.TrimSpace(s)
	if s == "true" || s == "false" || s == "null" {
		return true
	}
	if s == "" {
		return false
	}
	if strings.ContainsRune(`[{"`, rune(s[0])) {
		return true
	}
	_, err := cty.ParseNumberVal(s)
	return err == nil
}

func (l *loader) set(n *named, v cty.Value, at hcl.Range) {
	out, d := n.convert(v, at)
	if d != nil {
		n.broken = true
		l.diags = append(l.diags, d)
		return
	}
	n.value = out
}

// setFile takes the values of a file of variables; f is nil where it cannot be read.
func (l *loader) setFile(m *module, f *source.File, diags hcl.Diagnostics, given map[string]bool) {
	for _, d := range diags {
		l.hideLine(m, f, d)
	}
	l.diags = append(l.diags, diags...)
	if f == nil {
		for name := range m.variables {
			given[name] = true // it may be there
		}
		return
	}
	for name := range f.Lost {
		given[name] = true
	}
	for _, block := range f.Body.Blocks {
		d := l.error(block.TypeRange, "Block in a file of variables", "A file of variables holds lines of the form name = value only.")
		d.Extra = diagnostic.Secret{Shown: block.TypeRange.End.Byte}
	}
	for _, a := range attributesByPlace(f.Body.Attributes) {
		n := m.variables[a.Name]
		if n == nil {
			if !m.mayDefine(a.Name) && len(f.Broken) == 0 {
				d := l.error(a.NameRange, "Undefined variable", "The experiment defines no variable %q.%s", a.Name,
					diagnostic.Hint(a.Name, slices.Collect(maps.Keys(m.variables)), "variables"))
				d.Extra = diagnostic.Secret{Shown: a.NameRange.End.Byte} // which may be meant for a sensitive one
			}
			continue
		}
		given[a.Name] = true
		n.optional = true
		if v, ok := l.variableValue(n, a.Expr, m, a.Expr.Range()); ok {
			l.set(n, v, a.Expr.Range())
		}
	}
}

// hideLine keeps a syntax error in a file of variables from showing a value that
// may be sensitive: unless the part that has the error gives one value, to a
// variable that is not sensitive. The words of HCL may quote the value, too.
func (l *loader) hideLine(m *module, f *source.File, d *hcl.Diagnostic) {
	if f == nil {
		d.Extra = diagnostic.Secret{}
		return
	}
	if d.Summary == "Attribute redefined" {
		d.Extra = diagnostic.Secret{Shown: subject(d).End.Byte}
		return
	}
	at := subject(d).Start.Byte
	name := ""
	for _, p := range f.Broken {
		if p.Start > at || at > p.End { // at the end begins the next line
			continue
		}
		n := m.variables[p.First]
		if at < p.End && n != nil && !n.sensitive && !n.broken && p.Assigns == 1 {
			return
		}
		name = p.First
	}
	if m.variables[name] != nil {
		hideText(d, fmt.Sprintf("The value of the variable %q cannot be read.", name))
		return
	}
	hideText(d, "The line cannot be read.")
}

// hideText removes from a syntax error what may quote a sensitive value.
func hideText(d *hcl.Diagnostic, what string) {
	d.Extra, d.Expression, d.EvalContext = diagnostic.Secret{}, nil, nil
	d.Detail = what + " It is not shown, since a value in it may be sensitive. Write NAME = VALUE; text needs quotes, which must be closed, and brackets come in pairs."
}

// validate evaluates the validations of a variable that has value v.
func (s *State) validate(n *named, v cty.Value) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, c := range n.checks {
		ctx := &hcl.EvalContext{Functions: n.mod.functions, Variables: map[string]cty.Value{
			"var": cty.ObjectVal(map[string]cty.Value{n.name: v})}}
		ok, d := s.evaluate(c.condition, ctx)
		diags = append(diags, d...)
		ok, _ = ok.UnmarkDeep()
		if d.HasErrors() || !ok.IsKnown() {
			continue
		}
		if ok.IsNull() || ok.Type() != cty.Bool {
			diags = append(diags, diagnostic.Error(c.condition.expr.Range(), "Wrong type", "A condition must be true or false, this is %s.", diagnostic.Given(ok)))
			continue
		}
		if ok.True() {
			continue
		}
		message, d := s.evaluate(c.message, ctx)
		diags = append(diags, d...)
		text := "The value does not fit."
		if message.IsMarked() {
			text = "The message would show a sensitive value, so it is not shown."
		} else if message.IsKnown() && !message.IsNull() && message.Type() == cty.String {
			text = message.AsString()
		}
		e := diagnostic.Error(n.rng, "Invalid value of a variable", "%s", fmt.Sprintf("%s (variable %q, %s; the condition stands at %s)", text, n.name, diagnostic.Given(v), placeText(c.rng)))
		diags = append(diags, e)
	}
	return diags
}

func (l *loader) importBlock(m *module, b *hclsyntax.Block) {
	if !l.labels(b, `import "tables" { source = "./tables" }`, 1) {
		m.refused(b)
		return
	}
	name := b.Labels[0]
	if old := m.imports[name]; old != nil {
		l.duplicate(b.DefRange(), old.header, fmt.Sprintf("The import %q", name))
		return
	}
	l.onlyAttributes(b, []string{"source", "variables"})
	m.imports[name] = &importBlock{name: name, block: b, header: b.DefRange()}
}

// importFolder loads the folder of an import.
func (l *loader) importFolder(m *module, im *importBlock) {
	a := im.block.Body.Attributes["source"]
	if a == nil {
		l.error(im.header, "Missing attribute", "An import needs the folder to import: source = \"./folder\".")
		return
	}
	text, ok := l.constantText(m, a)
	if !ok {
		return
	}
	dir, err := l.tree.Resolve(m.dir, text)
	switch {
	case err != nil:
		l.error(a.Expr.Range(), "Import not found", "%s", sentence(err))
		return
	case !isFolder(dir):
		l.error(a.Expr.Range(), "Import not found", "%q is not a folder. An import takes a folder of .hcl files: source = \"./folder\".", text)
		return
	case l.importLoop(m, im, dir, a.Expr.Range()):
		return
	case m.depth+1 > maxImportDepth:
		l.error(im.header, "Imports nested too deeply", "Imports may be nested %d deep.", maxImportDepth)
		return
	case len(l.modules) >= maxModules:
		l.error(im.header, "Too many imports", "An experiment may have %d imports altogether.", maxModules)
		return
	}
	if im.child = l.module(dir, m, m.prefix+"import."+im.name+"."); im.child != nil {
		l.importValues(m, im)
	}
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (l *loader) importLoop(m *module, im *importBlock, dir string, at hcl.Range) bool {
	i := slices.Index(l.loading, dir)
	if i < 0 {
		return false
	}
	var names []string
	for _, d := range append(slices.Clone(l.loading[i:]), dir) {
		rel, _ := filepath.Rel(l.tree.Root, d)
		names = append(names, "./"+strings.TrimPrefix(rel, "."))
	}
	l.error(at, "Import loop", "The folder imports itself: %s. Move what both need into a third folder.", strings.Join(names, " -> "))
	return true
}

// importValues connects the `variables` of an import with the variables of its folder.
func (l *loader) importValues(m *module, im *importBlock) {
	child := im.child
	given := map[string]hclsyntax.ObjectConsItem{}
	if a := im.block.Body.Attributes["variables"]; a != nil {
		obj, ok := a.Expr.(*hclsyntax.ObjectConsExpr)
		if !ok {
			l.error(a.Expr.Range(), "Wrong type", "The variables of an import are written out: variables = { name = value, ... }.")
			return
		}
		for _, item := range obj.Items {
			l.importItem(im, item, given)
		}
	}
	for _, n := range sortedNamed(child.variables) {
		item, ok := given[n.name]
		switch {
		case ok:
			n.ex = l.compileLater(item.ValueExpr, m, n)
		case !n.optional && !n.broken:
			n.broken = true
			l.error(im.header, "Variable without a value", "The imported folder needs a value for its variable %q (%s). Add it: variables = { %s = ... }.", n.name, diagnostic.TypeText(n.typ), n.name)
		case !n.broken:
			l.diags = append(l.diags, l.x.static.validate(n, n.value)...)
		}
	}
}

func (l *loader) importItem(im *importBlock, item hclsyntax.ObjectConsItem, given map[string]hclsyntax.ObjectConsItem) {
	name, ok := literalKey(item.KeyExpr)
	if !ok {
		l.error(item.KeyExpr.Range(), "Wrong key", "The names of an import's variables are written out: variables = { name = value, ... }.")
		return
	}
	if _, twice := given[name]; twice {
		l.error(item.KeyExpr.Range(), "Key given twice", "The variable %q is given two values.", name)
		return
	}
	if im.child.variables[name] == nil {
		if !im.child.mayDefine(name) {
			l.error(item.KeyExpr.Range(), "Undefined variable", "The imported folder defines no variable %q.%s", name,
				diagnostic.Hint(name, slices.Collect(maps.Keys(im.child.variables)), "variables"))
		}
		return
	}
	given[name] = item
}

func sortedNamed(ns map[string]*named) []*named {
	return slices.SortedFunc(maps.Values(ns), func(a, b *named) int { return a.id - b.id })
}

// compileLater remembers an expression whose references are resolved once all
// folders are read.
func (l *loader) compileLater(e hclsyntax.Expression, m *module, n *named) *expression {
	n.attr = &hclsyntax.Attribute{Name: n.name, Expr: e, SrcRange: e.Range(), NameRange: e.Range()}
	return &expression{mod: m}
}
