package meandifference

import (
	"cmp"
	"context"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/figure"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages"
)

// Stage is a block `hypothesis "mean_difference"`.
type Stage struct {
	First  []float64         `attr:"first,key" doc:"Values of one group, such as retrain.NAME.errors. At least two."`
	Second []float64         `attr:"second,key" doc:"Values of the other group. At least two."`
	Splits int               `attr:"splits,key" default:"100000" doc:"Splits behind the p-value: all of them if they are not more."`
	Seed   uint64            `attr:"seed,key" default:"777" doc:"Seed of the drawn splits."`
	Unit   string            `attr:"unit,key" default:"\"error\"" doc:"What the values are, in the figure."`
	Labels map[string]string `attr:"labels,key,optional" doc:"Names in the figure: { first = \"winner\", second = \"drawn\" }."`
}

// Kind is the kind `hypothesis "mean_difference"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "hypothesis", Type: "mean_difference", Version: 1, Reproducible: true,
	Doc: "Do two independent groups of values differ in their means? Welch's interval, the permutation test, and a figure of all values.",
	Outputs: map[string]string{
		"difference":  "First mean less second mean, with p of the permutation test.",
		"first_mean":  "Mean of the first group.",
		"second_mean": "Mean of the second group.",
		"splits":      "How many splits into two groups were looked at.",
		"exact":       "Whether all splits into two groups were looked at.",
		"figure":      "All values, by group.",
	},
})

// differenceType is mean(first) - mean(second): with interval, two-sided p, and
// number of values.
var differenceType = cty.Object(map[string]cty.Type{
	"value": cty.Number, "ci_low": cty.Number, "ci_high": cty.Number, "p": cty.Number, "n": cty.Number,
})

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{
		"difference": differenceType, "first_mean": estimate.IntervalType, "second_mean": estimate.IntervalType,
		"splits": cty.Number, "exact": cty.Bool, "figure": stages.FileType,
	}
}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	var out []stages.Problem
	for _, name := range []string{"first", "second"} {
		out = append(out, estimate.CheckSample(attrs, name, 2)...)
	}
	return append(out, estimate.CheckCount(attrs, "splits", 10_000_000)...)
}

// Run implements stages.Stage.
func (s *Stage) Run(_ context.Context, in *stages.Input, out *stages.Output) error {
	d := stats.WelchDifference(s.First, s.Second)
	p, err := stats.PermutationTest(s.First, s.Second, s.Splits, s.Seed)
	if err != nil {
		return err
	}
	out.Set("difference", cty.ObjectVal(map[string]cty.Value{
		"value": stages.NumberValue(d.Value), "ci_low": stages.NumberValue(d.Low), "ci_high": stages.NumberValue(d.High),
		"p": stages.NumberValue(p.P), "n": estimate.Count(len(s.First) + len(s.Second)),
	}))
	first, second := stats.StudentMean(s.First), stats.StudentMean(s.Second)
	out.Set("first_mean", estimate.Interval(first, len(s.First)))
	out.Set("second_mean", estimate.Interval(second, len(s.Second)))
	out.Set("splits", estimate.Count(p.Splits))
	out.Set("exact", cty.BoolVal(p.Exact))
	return in.Save(out, "figure", "figure.svg", s.draw(first, second))
}

func (s *Stage) label(group string) string {
	return cmp.Or(s.Labels[group], group)
}

// draw shows every value as a dot, and each group's mean with its interval.
func (s *Stage) draw(first, second stats.Interval) []byte {
	words := fmt.Sprintf("%s of two groups. %s: mean %.4g of %d; %s: mean %.4g of %d.",
		s.Unit, s.label("first"), first.Value, len(s.First), s.label("second"), second.Value, len(s.Second))
	c := figure.New(460, 360, "Difference of means", words)
	low, high := figure.Range(append(append([]float64{first.Low, first.High, second.Low, second.High}, s.First...), s.Second...))
	margin := max((high-low)/12, 1e-12)
	p := figure.Panel{X: 96, Y: 24, W: 340, H: 280, MinX: 0, MaxX: 2, MinY: low - margin, MaxY: high + margin}
	p.Plate(c)
	p.AxisY(c, figure.Ticks(p.MinY, p.MaxY, 5))
	c.SmallUpright(26, p.Y+p.H/2, s.Unit)
	for i, g := range []struct {
		name   string
		values []float64
		mean   stats.Interval
	}{{"first", s.First, first}, {"second", s.Second, second}} {
		x, colour := p.AtX(float64(i)+0.5), figure.Categories[i+1]
		for j, v := range g.values {
			c.Disc(x+34*(float64(j+1)/float64(len(g.values)+1)-0.5), p.AtY(v), 4, colour)
		}
		c.Line(x+44, p.AtY(g.mean.Low), x+44, p.AtY(g.mean.High), figure.Ink, 2)
		c.Line(x+36, p.AtY(g.mean.Value), x+52, p.AtY(g.mean.Value), figure.Ink, 3)
		c.Small(x, p.Y+p.H+24, figure.Middle, s.label(g.name))
	}
	return c.Bytes()
}
