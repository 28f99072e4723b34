package reference

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
	"github.com/nbpipe/nbpipe/pipeline/lang/functions"
	"github.com/nbpipe/nbpipe/stages"
)

// Kind is what the reference says of a kind of node.
type Kind struct {
	Block        string      `json:"block"`
	Type         string      `json:"type"`
	Version      int         `json:"version"`
	Doc          string      `json:"doc"`
	Reproducible bool        `json:"reproducible"` // equal keys give equal bytes
	Resumes      bool        `json:"resumes"`      // goes on where a killed attempt was
	Attributes   []Attribute `json:"attributes"`
	Outputs      []Output    `json:"outputs"`
}

// Attribute is what may stand in a kind's block, or in an object there.
type Attribute struct {
	Name     string      `json:"name"`
	Type     string      `json:"type"`
	Required bool        `json:"required"`
	Default  string      `json:"default,omitempty"` // as HCL; "" where there is none
	Key      bool        `json:"key"`               // a change makes the node run again
	Doc      string      `json:"doc"`
	Fields   []Attribute `json:"fields,omitempty"`
}

// Output is what other nodes may refer to.
type Output struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Doc  string `json:"doc"`
}

// Function is one that expressions may call.
type Function struct {
	Name      string `json:"name"`
	Signature string `json:"signature"`
	Doc       string `json:"doc"`
}

// Of describes a kind.
func Of(k *stages.Kind) Kind {
	return Kind{
		Block: k.Block, Type: k.Type, Version: k.Version, Doc: k.Doc, Reproducible: k.Reproducible, Resumes: k.Resumes,
		Attributes: attributes(k.Attributes, true), Outputs: outputs(k),
	}
}

// OfExecutor describes a kind of executor block.
func OfExecutor(k *launch.Kind) Kind {
	return Kind{Block: executors, Type: k.Type, Doc: k.Doc, Reproducible: true, Attributes: attributes(k.Attributes, false)}
}

const executors = "executor"

func attributes(all []stages.Attribute, top bool) []Attribute {
	out := []Attribute{}
	for _, a := range all {
		d := Attribute{
			Name: a.Name, Type: typeText(a), Required: !a.Optional, Key: a.Key || !top, Doc: a.Doc,
			Fields: attributes(a.Fields, false),
		}
		if a.Default != cty.NilVal && !a.Default.IsNull() {
			d.Default = string(hclwrite.TokensForValue(a.Default).Bytes())
		}
		out = append(out, d)
	}
	slices.SortStableFunc(out, func(a, b Attribute) int { // what is needed first
		switch {
		case a.Required == b.Required:
			return strings.Compare(a.Name, b.Name)
		case a.Required:
			return -1
		}
		return 1
	})
	return out
}

func typeText(a stages.Attribute) string {
	if a.Nodes {
		return "list of nodes"
	}
	if len(a.Fields) > 0 { // they are listed
		t := a.Type
		switch {
		case t.IsListType():
			return "list of objects"
		case t.IsMapType():
			return "map of objects"
		}
		return "object"
	}
	return diagnostic.TypeText(a.Type)
}

// outputs are those that a kind has whatever its attributes say.
func outputs(k *stages.Kind) []Output {
	attrs := stages.Attrs{}
	for _, a := range k.Attributes {
		attrs[a.Name] = cty.UnknownVal(a.Type)
	}
	types := k.Zero().OutputTypes(attrs)
	out := []Output{}
	for _, name := range slices.Sorted(maps.Keys(types)) {
		out = append(out, Output{Name: name, Type: diagnostic.TypeText(types[name]), Doc: k.Outputs[name]})
	}
	return out
}

// Functions describes all functions, sorted by name.
func Functions() []Function {
	table := functions.Table(nil)
	var out []Function
	for _, name := range slices.Sorted(maps.Keys(table)) {
		f := table[name]
		out = append(out, Function{Name: name, Signature: functions.Signature(name, f), Doc: f.Description()})
	}
	return out
}

// Blocks are the keywords, in the order in which an experiment uses them.
var Blocks = []string{"dataset", "preprocess", "search", "retrain", "command", "hypothesis", "report", executors}

// sorted are the kinds in that order.
func sorted(kinds []Kind) []Kind {
	return slices.SortedStableFunc(slices.Values(kinds), func(a, b Kind) int {
		return slices.Index(Blocks, a.Block) - slices.Index(Blocks, b.Block)
	})
}

// List writes a line for each kind.
func List(w io.Writer, kinds []Kind) error {
	p := &printer{w: w}
	block := ""
	for _, k := range sorted(kinds) {
		if k.Block != block {
			if block != "" {
				p.line("")
			}
			block = k.Block
			p.line("%s", block)
		}
		p.line("  %s", k.Type)
		p.wrapped("      ", firstSentence(k.Doc))
	}
	return p.err
}

// firstSentence ends at a full stop that a capital follows, "et al." apart.
func firstSentence(s string) string {
	for i := range len(s) - 2 {
		if s[i] == '.' && s[i+1] == ' ' && s[i+2] >= 'A' && s[i+2] <= 'Z' && !strings.HasSuffix(s[:i], "et al") {
			return s[:i+1]
		}
	}
	return s
}

// printer keeps the first error of writing.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
