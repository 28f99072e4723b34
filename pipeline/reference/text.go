package reference

import (
	"cmp"
	"io"
	"strings"
)

// Text writes what is known of some kinds, for a terminal.
func Text(w io.Writer, kinds []Kind) error {
	p := &printer{w: w}
	for i, k := range sorted(kinds) {
		if i > 0 {
			p.line("")
		}
		p.kind(k)
	}
	return p.err
}

// Lines are as wide as people read with ease.
const width = 96

func (p *printer) kind(k Kind) {
	p.line("%s %q \"NAME\"", k.Block, k.Type)
	p.wrapped("  ", k.Doc)
	p.line("\nAttributes (* required):")
	p.attributes("  ", k.Attributes)
	switch {
	case k.Block == executors:
		return
	case len(k.Outputs) == 0:
		p.line("\nOutputs are named by the attributes.")
		return
	}
	p.line("\nOutputs:")
	for _, o := range k.Outputs {
		p.line("  %s  %s", o.Name, o.Type)
		p.wrapped("      ", o.Doc)
	}
}

func (p *printer) attributes(indent string, all []Attribute) {
	for _, a := range all {
		p.line("%s%s%s  %s%s", indent, a.Name, map[bool]string{true: " *"}[a.Required], a.Type, defaultText(a, "%s"))
		p.wrapped(indent+"    ", a.Doc)
		p.attributes(indent+"    ", a.Fields)
	}
}

// defaultText says what holds where an attribute is left out.
func defaultText(a Attribute, format string) string {
	if a.Default == "" {
		return ""
	}
	return ", else " + strings.Replace(format, "%s", a.Default, 1)
}

// wrapped writes a text in lines.
func (p *printer) wrapped(indent, text string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(indent)+len(line)+1+len(word) > width {
			p.line("%s%s", indent, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	if line != "" {
		p.line("%s%s", indent, line)
	}
}

// Markdown writes the whole reference.
func Markdown(w io.Writer, kinds []Kind) error {
	p := &printer{w: w}
	p.line("# Reference")
	p.line("\nEvery kind of node and every function, as `nbpipe docs --markdown` writes them. How they\nwork together: [writing experiments](writing-experiments.md).\n")
	p.line("An output that is said to be \"by task\" or \"by method and task\" is an object with these names as\nkeys: `self.spearman[\"cifar100\"].value` in an `expect` block, `hypothesis.NAME.spearman[\"cifar100\"].value`\nin other nodes. Its type is \"any value\" here because the names are yours. An estimate is an object with\n`value`, its 95 %% interval `ci_low` and `ci_high`, and `n`, the number of units behind it; a test adds\n`p` and mostly `log10_p`. Cells are named by their text, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`, or by their\nnumber, 0 to 15,624.\n")
	p.contents(kinds)
	block := ""
	for _, k := range sorted(kinds) {
		if k.Block != block {
			block = k.Block
			p.line("\n## %s", block)
		}
		p.markdown(k)
	}
	p.line("\n## Functions\n\n| function | gives |\n| --- | --- |")
	for _, f := range Functions() {
		p.line("| `%s` | %s |", f.Signature, cell(f.Doc))
	}
	return p.err
}

func (p *printer) contents(kinds []Kind) {
	p.line("| kind | |\n| --- | --- |")
	for _, k := range sorted(kinds) {
		p.line("| [`%s %q`](#%s-%s) | %s |", k.Block, k.Type, k.Block, k.Type, cell(firstSentence(k.Doc)))
	}
}

func (p *printer) markdown(k Kind) {
	p.line("\n### %s %s\n\n%s", k.Block, k.Type, k.Doc)
	switch {
	case !k.Reproducible:
		p.line("\nEqual inputs need not give equal bytes: `verify` compares its metrics.")
	case k.Resumes:
		p.line("\nGoes on where an attempt that was killed has stopped.")
	}
	if len(k.Attributes) > 0 {
		p.line("\n| attribute | type | |\n| --- | --- | --- |")
		p.rows("", k.Attributes)
	}
	switch {
	case k.Block == executors:
		return
	case len(k.Outputs) == 0:
		p.line("\nOutputs are named by the attributes.")
		return
	}
	p.line("\n| output | type | |\n| --- | --- | --- |")
	for _, o := range k.Outputs {
		p.line("| `%s` | %s | %s |", o.Name, cell(o.Type), cell(o.Doc))
	}
}

func (p *printer) rows(prefix string, all []Attribute) {
	for _, a := range all {
		notes := cmp.Or(a.Doc, " ")
		if a.Required {
			notes = "**Required.** " + notes
		}
		p.line("| `%s%s` | %s%s | %s |", prefix, a.Name, cell(a.Type), cell(defaultText(a, "`%s`")), cell(notes))
		p.rows(prefix+a.Name+".", a.Fields)
	}
}

// cell is text for a cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s)
}
