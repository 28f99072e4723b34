package html

import (
	"context"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/stages"
)

// Stage is a block `report "html"`.
type Stage struct {
	Title      string                 `attr:"title,key" doc:"Heading of the page."`
	Summary    string                 `attr:"summary,key,optional" doc:"What the experiment asks and finds, in a paragraph or two; blank lines part paragraphs."`
	Hypotheses []stages.NodeInfo      `attr:"hypotheses,nodes" doc:"The hypotheses to report, in the page's order, such as [hypothesis.figure3]."`
	Figures    map[string]stages.File `attr:"figures,key,optional" doc:"Caption to picture (SVG, PNG, JPEG). A picture that is a hypothesis' own output gets its caption there."`
}

// Kind is the kind `report "html"`. Raise Version whenever the page's bytes change.
var Kind = stages.Define[Stage](stages.Kind{
	Block:   "report",
	Type:    "html",
	Version: 5,
	Doc: "One self-contained HTML page: a summary, a page per hypothesis with its figures, the verdicts beside the printed claims and the numbers, " +
		"data sources, keys and how to run it again. Needs no network and no script.",
	Reproducible: true,
	Outputs: map[string]string{
		"page":           "The page: one file that needs no other.",
		"reproduced":     "How many expectations hold.",
		"not_reproduced": "How many expectations do not hold.",
		"inconclusive":   "How many expectations are inconclusive.",
	},
})

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{
		"page": stages.FileType, "reproduced": cty.Number, "not_reproduced": cty.Number, "inconclusive": cty.Number,
	}
}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	var out []stages.Problem
	if attrs.Known("title") {
		if v, _ := attrs["title"].Unmark(); strings.TrimSpace(v.AsString()) == "" {
			out = append(out, stages.Problem{Attribute: "title", Summary: "Empty title", Detail: "A report needs a title that a reader can tell it by."})
		}
	}
	for _, c := range attrs.Strings("figures") {
		if strings.TrimSpace(c) == "" {
			out = append(out, stages.Problem{
				Attribute: "figures", Summary: "Empty caption",
				Detail: "The keys of figures are captions; they are read aloud where the picture cannot be seen. Give each figure one.",
			})
		}
	}
	return out
}

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	e := &embedder{store: in.Store, warn: out.Warn, captions: map[cache.Digest]string{}}
	for _, c := range captionsOf(s.Figures) {
		e.captions[s.Figures[c].Digest] = c
	}
	p, err := buildPage(ctx, s, e)
	if err != nil {
		return err
	}
	doc, err := p.render()
	if err != nil {
		return err
	}
	if err := in.Save(out, "page", "report.html", doc); err != nil {
		return err
	}
	out.Set("reproduced", cty.NumberIntVal(int64(p.Tally.Reproduced)))
	out.Set("not_reproduced", cty.NumberIntVal(int64(p.Tally.Not)))
	out.Set("inconclusive", cty.NumberIntVal(int64(p.Tally.Inconclusive)))
	in.Progress.Report(int64(len(doc)), int64(len(doc)), "bytes")
	return nil
}
