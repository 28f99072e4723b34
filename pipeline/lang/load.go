package lang

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
	"github.com/nbpipe/nbpipe/pipeline/lang/source"
	"github.com/nbpipe/nbpipe/stages"
)

// maxNodes bounds an experiment.
const maxNodes = 200_000

// maxProblems is how many problems are reported at once.
const maxProblems = 100

// loader builds an Experiment.
type loader struct {
	ctx     context.Context
	o       Options
	x       *Experiment
	tree    *source.Tree
	diags   hcl.Diagnostics
	modules []*module
	loading []string // folders of the chain of imports
	early   []earlyUse
	nodes   int
	edges   int
}

// earlyUse is a named value in an expression that may not use nodes.
type earlyUse struct {
	c  *compiler
	n  *named
	at hcl.Range
}

func (l *loader) error(at hcl.Range, summary, detail string, args ...any) *hcl.Diagnostic {
	d := diagnostic.Error(at, summary, detail, args...)
	l.diags = append(l.diags, d)
	return d
}

func load(ctx context.Context, path string, o Options) (x *Experiment, diags hcl.Diagnostics) {
	x = &Experiment{Path: path, meter: &meter{cancelled: ctx.Err}, index: map[string]*Node{}, tree: &source.Tree{}}
	x.static = &State{x: x, nothing: true}
	if o.Kinds == nil {
		o.Kinds = stages.NewRegistry()
	}
	l := &loader{ctx: ctx, o: o, x: x}
	defer func() {
		if r := recover(); r != nil {
			l.diags = append(l.diags, internal(r))
		}
		diags = tidy(l.diags)
	}()
	tree, err := source.Open(path, o.Hash)
	if err != nil {
		l.error(hcl.Range{Filename: path, Start: hcl.InitialPos, End: hcl.InitialPos}, "The experiment cannot be read", "%s", openError(path, err))
		return x, nil
	}
	tree.Keywords = topLevel
	l.tree, x.tree, x.Root, x.Single = tree, tree, tree.Root, tree.Single != ""
	x.root = l.module(tree.Root, nil, "")
	if x.root == nil {
		return x, nil
	}
	l.assign(x.root)
	l.compileAll()
	l.resolve()
	if l.diags.HasErrors() {
		l.diags = append(l.diags, x.Check(x.NewState())...)
	}
	return x, nil
}

func openError(path string, err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("There is no file or folder %q. Give the folder of an experiment, or one .hcl file.", path)
	}
	return sentence(err)
}

// internal is a panic of a library or of this package as a problem: one input
// must not take the program down.
func internal(r any) *hcl.Diagnostic {
	if t, ok := r.(tooMuch); ok {
		return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Too much work", Detail: t.detail}
	}
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Internal error",
		Detail: fmt.Sprintf("nbpipe failed on this experiment (%v). That is a mistake of nbpipe; please report it together with the files.", r)}
}

// tidy sorts problems by place, drops repeated ones and cuts a long list.
func tidy(diags hcl.Diagnostics) hcl.Diagnostics {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		ra, rb := subject(a), subject(b)
		return cmp.Or(cmp.Compare(ra.Filename, rb.Filename), cmp.Compare(ra.Start.Byte, rb.Start.Byte), cmp.Compare(a.Severity, b.Severity))
	})
	type id struct {
		file         string
		start, end   int
		summary, det string
	}
	seen := map[id]bool{}
	var out hcl.Diagnostics
	for _, d := range diags {
		r := subject(d)
		k := id{r.Filename, r.Start.Byte, r.End.Byte, d.Summary, d.Detail}
		if !seen[k] {
			seen[k] = true
			out = append(out, d)
		}
	}
	if n := len(out) - maxProblems; n > 0 {
		out = append(out[:maxProblems:maxProblems], &hcl.Diagnostic{Severity: hcl.DiagError,
			Summary: fmt.Sprintf("And %d more problems", n), Detail: "Only the first are shown. Correct them and try again."})
	}
	return out
}

func subject(d *hcl.Diagnostic) hcl.Range {
	if d.Subject == nil {
		return hcl.Range{Filename: "\xff"}
	}
	return *d.Subject
}
