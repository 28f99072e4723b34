package paired

import (
	"cmp"
	"context"
	"fmt"
	"math"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/figure"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages"
)

// Stage is a block `hypothesis "paired"`.
type Stage struct {
	First       []float64         `attr:"first,key" doc:"One value of each pair, in the pairs' order."`
	Second      []float64         `attr:"second,key" doc:"The other value of each pair."`
	Assignments int               `attr:"assignments,key" default:"1000000" doc:"Assignments of signs behind the p-values: all 2^n if they are not more."`
	Seed        uint64            `attr:"seed,key" default:"777" doc:"Seed of drawn assignments."`
	Unit        string            `attr:"unit,key" default:"\"error\"" doc:"What the values are, in the figure."`
	Labels      map[string]string `attr:"labels,key,optional" doc:"Names in the figure: { first = \"3x3\", second = \"1x1\" }."`
}

// Kind is the kind `hypothesis "paired"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "hypothesis", Type: "paired", Version: 1, Reproducible: true,
	Doc: "Is the first value of each pair lower than the second, on average? Exact one-sided sign-flip test, Student's interval of the mean difference, and a figure of all pairs.",
	Outputs: map[string]string{
		"difference":  "Mean of first less second, with p.",
		"lower":       "In how many pairs the first is lower.",
		"equal":       "In how many pairs the two are equal.",
		"assignments": "How many assignments of signs were looked at.",
		"exact":       "Whether all assignments of signs were looked at.",
		"figure":      "All pairs.",
	},
})

// differenceType is the mean of first - second: with interval, one-sided p that it
// is below 0, two-sided p, number of pairs.
var differenceType = cty.Object(map[string]cty.Type{
	"value": cty.Number, "ci_low": cty.Number, "ci_high": cty.Number, "p": cty.Number, "p_two_sided": cty.Number, "n": cty.Number,
})

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{
		"difference": differenceType, "lower": cty.Number, "equal": cty.Number, "assignments": cty.Number, "exact": cty.Bool, "figure": stages.FileType,
	}
}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	var out []stages.Problem
	for _, name := range []string{"first", "second"} {
		out = append(out, estimate.CheckSample(attrs, name, 1)...)
	}
	if attrs.Known("first", "second") {
		if n, m := attrs["first"].LengthInt(), attrs["second"].LengthInt(); n != m {
			out = append(out, stages.Problem{Attribute: "second", Summary: "Not pairs", Detail: fmt.Sprintf("There are %d first values and %d second ones.", n, m)})
		}
	}
	return append(out, estimate.CheckCount(attrs, "assignments", 1<<24)...)
}

// Run implements stages.Stage.
func (s *Stage) Run(_ context.Context, in *stages.Input, out *stages.Output) error {
	gains := make([]float64, len(s.First)) // second - first: positive where the first is lower
	lower, equal := 0, 0
	for i, v := range s.First {
		gains[i] = s.Second[i] - v
		switch {
		case gains[i] > 0:
			lower++
		case gains[i] == 0:
			equal++
		}
	}
	t, err := stats.SignFlipTest(gains, s.Assignments, s.Seed)
	if err != nil {
		return err
	}
	i := stats.StudentMean(gains)
	out.Set("difference", cty.ObjectVal(map[string]cty.Value{
		"value": stages.NumberValue(negative(i.Value)), "ci_low": stages.NumberValue(negative(i.High)), "ci_high": stages.NumberValue(negative(i.Low)),
		"p": stages.NumberValue(t.Greater), "p_two_sided": stages.NumberValue(t.P), "n": estimate.Count(len(gains)),
	}))
	out.Set("lower", estimate.Count(lower))
	out.Set("equal", estimate.Count(equal))
	out.Set("assignments", estimate.Count(t.Flips))
	out.Set("exact", cty.BoolVal(t.Exact))
	return in.Save(out, "figure", "figure.svg", s.draw(lower))
}

// negative is -v without a negative zero.
func negative(v float64) float64 { return 0 - v }

func (s *Stage) label(side string) string {
	return cmp.Or(s.Labels[side], side)
}

// draw joins the two values of each pair by a line.
func (s *Stage) draw(lower int) []byte {
	words := fmt.Sprintf("%s of %d pairs, joined by lines. With %s it is lower than with %s in %d of them.",
		s.Unit, len(s.First), s.label("first"), s.label("second"), lower)
	c := figure.New(460, 360, "Pairs", words)
	low, high := figure.Range(append(append([]float64(nil), s.First...), s.Second...))
	margin := math.Max((high-low)/12, 1e-12)
	p := figure.Panel{X: 96, Y: 24, W: 340, H: 280, MinX: 0, MaxX: 2, MinY: low - margin, MaxY: high + margin}
	p.Plate(c)
	p.AxisY(c, figure.Ticks(p.MinY, p.MaxY, 5))
	c.SmallUpright(26, p.Y+p.H/2, s.Unit)
	left, right := p.AtX(0.5), p.AtX(1.5)
	for i := range s.First {
		colour := figure.Categories[1]
		if s.First[i] > s.Second[i] {
			colour = figure.Categories[2]
		}
		c.Line(left, p.AtY(s.First[i]), right, p.AtY(s.Second[i]), colour, 1.6)
		c.Disc(left, p.AtY(s.First[i]), 4, colour)
		c.Disc(right, p.AtY(s.Second[i]), 4, colour)
	}
	c.Small(left, p.Y+p.H+24, figure.Middle, s.label("first"))
	c.Small(right, p.Y+p.H+24, figure.Middle, s.label("second"))
	return c.Bytes()
}
