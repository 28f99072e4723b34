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
	"github.com/nbpipe/nbpipe/pipeline/lang/source"
	"github.com/nbpipe/nbpipe/stages"
)

// maxImportDepth bounds imports within imports.
const maxImportDepth = 16

// maxModules bounds imports altogether.
const maxModules = 500

var topLevel = append([]string{"settings", "executor", "variable", "locals", "output", "import"}, stages.Blocks...)

// module reads the blocks of a folder and of the folders that it imports.
func (l *loader) module(dir string, parent *module, prefix string) *module {
	m := &module{prefix: prefix, dir: dir, parent: parent,
		variables: map[string]*named{}, locals: map[string]*named{}, outputs: map[string]*named{},
		imports: map[string]*importBlock{}, templates: map[string]map[string]*template{}}
	if parent != nil {
		m.depth = parent.depth + 1
	}
	l.modules = append(l.modules, m)
	m.functions = functions.Table(&folder{l.tree, dir})
	m.bare = &hcl.EvalContext{Functions: m.functions, Variables: map[string]cty.Value{}}
	files, diags := l.tree.Folder(dir)
	l.diags = append(l.diags, diags...)
	if len(files) == 0 {
		return nil
	}
	for _, f := range files {
		if f == nil {
			m.incomplete = true
			continue
		}
		l.hideDefaults(f, diags)
		for name := range f.Lost {
			m.misname(name)
		}
		l.body(m, f)
	}
	l.loading = append(l.loading, dir)
	for _, im := range sortedByPlace(m.imports) {
		l.importFolder(m, im)
	}
	l.loading = l.loading[:len(l.loading)-1]
	return m
}

// hideDefaults keeps a syntax error in the block of a sensitive variable from
// showing its default.
func (l *loader) hideDefaults(f *source.File, diags hcl.Diagnostics) {
	for _, p := range f.Broken {
		text := l.tree.Snippet(hcl.Range{Filename: f.Name, Start: hcl.Pos{Byte: p.Start}, End: hcl.Pos{Byte: p.End}})
		if !strings.Contains(text, "variable") || !strings.Contains(text, "sensitive") {
			continue
		}
		for _, d := range diags {
			if at := subject(d); at.Filename == f.Name && p.Start <= at.Start.Byte && at.Start.Byte <= p.End {
				hideText(d, "The block cannot be read.")
			}
		}
	}
}

func sortedByPlace(ims map[string]*importBlock) []*importBlock {
	return slices.SortedFunc(maps.Values(ims), func(a, b *importBlock) int {
		return strings.Compare(a.name, b.name)
	})
}

func (l *loader) body(m *module, f *source.File) {
	for _, a := range attributesByPlace(f.Body.Attributes) {
		if len(f.Broken) > 0 {
			break // their block may have lost its begin
		}
		l.error(a.NameRange, "Attribute outside a block", "%q stands outside any block. Named values belong into a locals block: locals { %s = ... }; values that a caller may set into a variable block.", a.Name, a.Name)
	}
	for _, block := range f.Body.Blocks {
		l.topBlock(m, block)
	}
}

func (l *loader) topBlock(m *module, b *hclsyntax.Block) {
	switch b.Type {
	case "settings":
		l.settings(m, b)
	case "executor":
		l.executorBlock(m, b)
	case "variable":
		l.variableBlock(m, b)
	case "locals":
		l.localsBlock(m, b)
	case "output":
		l.outputBlock(m, b)
	case "import":
		l.importBlock(m, b)
	default:
		if !slices.Contains(stages.Blocks, b.Type) {
			l.error(b.TypeRange, "Unknown block", "There is no block %q.%s", b.Type, diagnostic.Hint(b.Type, topLevel, "blocks"))
			m.refused(b)
			return
		}
		l.templateBlock(m, b)
	}
}

// refused notes names that a block would have defined, had it been right.
func (m *module) refused(b *hclsyntax.Block) {
	for _, name := range b.Labels {
		m.misname(name)
	}
	for name := range b.Body.Attributes {
		if len(b.Labels) == 0 { // as of a misspelt `locals`
			m.misname(name)
		}
	}
}

// labels checks the number of a block's labels and that the last is a name.
func (l *loader) labels(b *hclsyntax.Block, example string, count int) bool {
	if len(b.Labels) != count {
		l.error(b.DefRange(), "Wrong labels", "This block takes %s, as in %s.",
			map[int]string{0: "no label", 1: "one label, its name", 2: "two labels, a type and a name"}[count], example)
		return false
	}
	if count > 0 && !validName(b.Labels[count-1]) {
		l.error(b.LabelRanges[count-1], "Invalid name", "%q cannot be a name: a name starts with a letter or an underscore and holds letters, digits, underscores and dashes, so that references can be written.", b.Labels[count-1])
		return false
	}
	return true
}

func validName(s string) bool {
	ascii := s != "" && len(s) <= 200
	for i := 0; i < len(s) && ascii; i++ {
		c := s[i]
		switch {
		case c >= 0x80:
			return len(s) <= 200 && hclsyntax.ValidIdentifier(s)
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case ('0' <= c && c <= '9' || c == '-') && i > 0:
		default:
			ascii = false
		}
	}
	return ascii
}

// duplicate reports a second definition of a name.
func (l *loader) duplicate(at, first hcl.Range, what string) {
	remedy := "Give one of the two another name."
	if strings.HasSuffix(what, " block") {
		remedy = "Put all of it into one block."
	}
	l.error(at, "Defined twice", "%s is defined already, at %s. %s", what, placeText(first), remedy)
}

func placeText(r hcl.Range) string {
	return diagnostic.Place(r)
}

// onlyAttributes reports nested blocks and attributes that a block does not know.
func (l *loader) onlyAttributes(b *hclsyntax.Block, known []string, blocks ...string) {
	for _, name := range slices.Sorted(maps.Keys(b.Body.Attributes)) {
		if !slices.Contains(known, name) {
			l.error(b.Body.Attributes[name].NameRange, "Unknown attribute", "%s block has no attribute %q.%s", upperFirst(diagnostic.Article(b.Type)), name, diagnostic.Hint(name, known, "attributes"))
		}
	}
	for _, n := range b.Body.Blocks {
		if slices.Contains(blocks, n.Type) {
			continue
		}
		if slices.Contains(known, n.Type) {
			l.error(n.TypeRange, "Attribute written as a block", "%q is an attribute: write it with an equals sign, %s = ...", n.Type, n.Type)
			continue
		}
		l.error(n.TypeRange, "Unknown block", "%s block holds no block %q.%s", upperFirst(diagnostic.Article(b.Type)), n.Type, diagnostic.Hint(n.Type, slices.Concat(blocks, known), "blocks and attributes"))
	}
}

func (l *loader) settings(m *module, b *hclsyntax.Block) {
	if !l.labels(b, "settings { ... }", 0) {
		return
	}
	if m.settings != nil {
		l.duplicate(b.TypeRange, *m.settings, "The settings block")
		return
	}
	r := b.DefRange()
	m.settings = &r
	l.onlyAttributes(b, []string{"required_version", "executor"}, "cache")
	for _, n := range b.Body.Blocks {
		if n.Type == "cache" {
			l.cacheSettings(m, n)
		}
	}
	l.settingsExecutor(m, b.Body.Attributes["executor"])
	a := b.Body.Attributes["required_version"]
	if a == nil {
		return
	}
	text, ok := l.constantText(m, a)
	if !ok {
		return
	}
	fits, err := versionFits(l.o.Version, text)
	switch {
	case err != nil:
		l.error(a.Expr.Range(), "Invalid version constraint", "%s A constraint is a comma-separated list such as \">= 0.2, < 1.0\"; the operators are =, !=, >, >=, <, <= and ~>.", sentence(err))
	case !fits:
		l.error(a.Expr.Range(), "nbpipe has another version", "The experiment asks for nbpipe %s, this is %s. Install a version that fits, or change required_version.", text, l.o.Version)
	}
}

// constantText evaluates an attribute that must be a constant string.
func (l *loader) constantText(m *module, a *hclsyntax.Attribute) (string, bool) {
	ex := l.compile(a.Expr, m, nil, scope{nothing: true, what: "the attribute " + a.Name})
	v, ok := l.constant(ex)
	if !ok {
		return "", false
	}
	if v.IsMarked() || v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		l.error(a.Expr.Range(), "Wrong type", "%s must be a string, this is %s.", a.Name, diagnostic.Given(v))
		return "", false
	}
	return v.AsString(), true
}

// constant evaluates an expression without references.
func (l *loader) constant(ex *expression) (cty.Value, bool) {
	if ex.broken {
		return cty.DynamicVal, false
	}
	v, diags := l.x.static.eval(ex, nil)
	l.diags = append(l.diags, diags...)
	return v, !diags.HasErrors()
}

func (l *loader) localsBlock(m *module, b *hclsyntax.Block) {
	if !l.labels(b, "locals { ... }", 0) {
		m.incomplete = true // its names may be what others refer to
		return
	}
	for _, n := range b.Body.Blocks {
		l.error(n.TypeRange, "Unknown block", "A locals block holds attributes only: write %s = ... with an equals sign.", n.Type)
	}
	for _, a := range attributesByPlace(b.Body.Attributes) {
		if old := m.locals[a.Name]; old != nil {
			l.duplicate(a.NameRange, old.rng, "local."+a.Name)
			continue
		}
		m.locals[a.Name] = l.name(&named{kind: "local", name: a.Name, mod: m, rng: a.NameRange, attr: a})
	}
}

func attributesByPlace(as hclsyntax.Attributes) []*hclsyntax.Attribute {
	return slices.SortedFunc(maps.Values(as), func(a, b *hclsyntax.Attribute) int {
		return a.NameRange.Start.Byte - b.NameRange.Start.Byte
	})
}

func (l *loader) name(n *named) *named {
	n.id = len(l.x.named)
	l.x.named = append(l.x.named, n)
	return n
}

func (l *loader) outputBlock(m *module, b *hclsyntax.Block) {
	if !l.labels(b, `output "winner" { ... }`, 1) {
		m.refused(b)
		return
	}
	name := b.Labels[0]
	if old := m.outputs[name]; old != nil {
		l.duplicate(b.DefRange(), old.rng, fmt.Sprintf("The output %q", name))
		return
	}
	l.onlyAttributes(b, []string{"value", "description", "sensitive"})
	n := l.name(&named{kind: "output", name: name, mod: m, rng: b.DefRange(), attr: b.Body.Attributes["value"], block: b})
	m.outputs[name] = n
	if n.attr == nil {
		n.broken = true
		l.error(b.DefRange(), "Missing attribute", "An output needs a value: value = ...")
	}
	if a := b.Body.Attributes["description"]; a != nil {
		n.description, _ = l.constantText(m, a)
	}
	var ok bool
	n.sensitive, ok = l.constantBool(m, b.Body.Attributes["sensitive"])
	n.sensitive = n.sensitive || !ok // until it is corrected
	l.x.secrets = l.x.secrets || n.sensitive
}

// constantBool evaluates an attribute that must be a constant bool; no attribute
// means false.
func (l *loader) constantBool(m *module, a *hclsyntax.Attribute) (value, ok bool) {
	if a == nil {
		return false, true
	}
	v, ok := l.constant(l.compile(a.Expr, m, nil, scope{nothing: true, what: "the attribute " + a.Name}))
	if ok && (v.IsMarked() || v.IsNull() || !v.IsKnown() || v.Type() != cty.Bool) {
		l.error(a.Expr.Range(), "Wrong type", "%s must be true or false, this is %s.", a.Name, diagnostic.Given(v))
		return false, false
	}
	return ok && v.True(), ok
}

// metaAttributes may stand in every node's block.
var metaAttributes = []string{"for_each", "depends_on", "description", "executor"}

func (l *loader) templateBlock(m *module, b *hclsyntax.Block) {
	if !l.labels(b, b.Type+` "TYPE" "NAME" { ... }`, 2) {
		m.incomplete = true // its name may be what others refer to
		return
	}
	typ, name := b.Labels[0], b.Labels[1]
	t := &template{mod: m, block: b.Type, typ: typ, name: name, body: b.Body, header: b.DefRange()}
	if m.templates[b.Type] == nil {
		m.templates[b.Type] = map[string]*template{}
	}
	if old := m.templates[b.Type][name]; old != nil {
		l.duplicate(t.header, old.header, b.Type+"."+name)
	} else {
		m.templates[b.Type][name] = t
	}
	m.order = append(m.order, t)
	l.x.templates = append(l.x.templates, t)
	t.forEachAttr = b.Body.Attributes["for_each"]
	kind, ok := l.o.Kinds.Lookup(b.Type, typ)
	if !ok {
		l.unknownType(b, typ)
		return
	}
	t.kind = kind
}

func (l *loader) unknownType(b *hclsyntax.Block, typ string) {
	known := l.o.Kinds.Types(b.Type)
	detail := diagnostic.Hint(typ, known, "types of "+b.Type)
	for _, other := range stages.Blocks {
		if _, ok := l.o.Kinds.Lookup(other, typ); ok {
			detail += " There is a " + other + " of this type."
		}
	}
	l.error(b.LabelRanges[0], "Unknown type", "There is no %s of type %q.%s", b.Type, typ, detail)
}
