package sizecorrelation

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages"
)

// Stage is a block `hypothesis "size_correlation"`.
type Stage struct {
	Samples   map[string]Sample `attr:"samples,key" doc:"Name to a sample of architectures: { ecg = { sizes = [0.24, ...], scores = [0.597, ...] } }."`
	Unit      string            `attr:"unit,key" default:"\"million parameters\"" doc:"Unit of the sizes, in the figure."`
	Resamples int               `attr:"resamples,key" default:"10000" doc:"Resamples of architectures behind each BCa interval."`
	Seed      uint64            `attr:"seed,key" default:"777" doc:"Seed of the resampling."`
}

// Sample holds the architectures of one task: of each its size and its score.
type Sample struct {
	Sizes  []float64 `attr:"sizes" doc:"A size of each architecture, such as parameters in millions."`
	Scores []float64 `attr:"scores" doc:"A score of each architecture, in the order of sizes; higher is better."`
	Label  string    `attr:"label,optional" doc:"The sample's name in the figure, such as FSD50K."`
	Score  string    `attr:"score,optional" doc:"What the score is, in the figure, such as test mAP."`
}

// Kind is the kind `hypothesis "size_correlation"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "hypothesis", Type: "size_correlation", Version: 1, Reproducible: true,
	Doc: "Are larger models better? Pearson's r of size and score with Fisher's and a bootstrap interval, Spearman's rho, " +
		"differences between tasks, and the scatter (NAS-Bench-360, appendix D.7 and Figure 5).",
	Outputs: map[string]string{
		"r":              "By sample: Pearson's r of size and score, the bare number.",
		"pearson":        "By sample: the same r with Fisher's interval and p.",
		"pearson_bca":    "By sample: the same r with a BCa bootstrap interval.",
		"spearman":       "By sample: Spearman's rho with a BCa bootstrap interval.",
		"difference":     "By sample and other sample: Pearson's r of the first less that of the other, by Fisher's z.",
		"distinct_sizes": "By sample: how many different sizes there are.",
		"figure":         "A scatter of size and score for each sample, as in Figure 5.",
	},
})

// least is the number of architectures from which on Fisher's interval exists.
const least = 4

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(attrs stages.Attrs) map[string]cty.Type {
	names := stages.Keys(attrs["samples"])
	types := map[string]cty.Type{
		"r": estimate.ByName(names, cty.Number), "distinct_sizes": estimate.ByName(names, cty.Number),
		"pearson": estimate.ByName(names, estimate.CorrelationType), "pearson_bca": estimate.ByName(names, estimate.IntervalType),
		"spearman": estimate.ByName(names, estimate.CorrelationType), "difference": cty.DynamicPseudoType, "figure": stages.FileType,
	}
	if names != nil {
		types["difference"] = estimate.Each(names, func(name string) cty.Type {
			return estimate.ByName(estimate.Without(names, name), estimate.CorrelationType)
		})
	}
	return types
}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	var out []stages.Problem
	if names := stages.Keys(attrs["samples"]); names != nil && len(names) == 0 {
		out = append(out, stages.Problem{Attribute: "samples", Summary: "No samples", Detail: "Name at least one: { ecg = { sizes = [...], scores = [...] } }."})
	}
	if attrs.Known("samples") {
		samples, _ := attrs["samples"].UnmarkDeep()
		for _, name := range stages.Keys(samples) {
			out = append(out, checkSample(name, stages.Member(samples, name))...)
		}
	}
	return append(out, estimate.CheckCount(attrs, "resamples", 1_000_000)...)
}

// checkSample reports a sample whose architectures cannot be told.
func checkSample(name string, v cty.Value) []stages.Problem {
	if v.IsNull() || !v.IsWhollyKnown() {
		return nil
	}
	problem := func(summary, detail string, args ...any) []stages.Problem {
		return []stages.Problem{{Attribute: "samples", Summary: summary, Detail: fmt.Sprintf("%q "+detail, append([]any{name}, args...)...)}}
	}
	lengths := map[string]int{}
	for _, list := range []string{"sizes", "scores"} {
		e := v.GetAttr(list)
		if e.IsNull() {
			return problem("A list is missing", "has no %s.", list)
		}
		lengths[list] = e.LengthInt()
		at := 0
		for it := e.ElementIterator(); it.Next(); at++ {
			if _, x := it.Element(); x.IsNull() {
				return problem("A value is missing", "has null as %s[%d]; leave out architectures without a value.", list, at)
			}
		}
	}
	if n, m := lengths["sizes"], lengths["scores"]; n != m {
		return problem("Not pairs", "has %d sizes and %d scores; an architecture has one of each.", n, m)
	}
	if n := lengths["sizes"]; n < least {
		return problem("Too few architectures", "has %d; an interval needs at least %d.", n, least)
	}
	return nil
}

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	names := slices.Sorted(maps.Keys(s.Samples))
	found := map[string]relation{}
	for i, name := range names {
		r, err := s.relate(s.Samples[name])
		if err != nil {
			return fmt.Errorf("samples[%q]: %w", name, err)
		}
		found[name] = r
		in.Progress.Report(int64(i+1), int64(len(names)), "samples")
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	out.Set("r", estimate.Object(names, func(name string) cty.Value { return stages.NumberValue(found[name].r.Value) }))
	out.Set("distinct_sizes", estimate.Object(names, func(name string) cty.Value { return estimate.Count(found[name].distinct) }))
	out.Set("pearson", estimate.Object(names, func(name string) cty.Value { return estimate.Correlation(found[name].r, found[name].fisher) }))
	out.Set("pearson_bca", estimate.Object(names, func(name string) cty.Value { return estimate.Interval(found[name].bca, found[name].r.N) }))
	out.Set("spearman", estimate.Object(names, func(name string) cty.Value { return estimate.Correlation(found[name].rho, found[name].rhoBCa) }))
	out.Set("difference", estimate.Object(names, func(a string) cty.Value {
		return estimate.Object(estimate.Without(names, a), func(b string) cty.Value {
			i, c := stats.PearsonDifference(found[a].r, found[b].r)
			return estimate.Correlation(c, i)
		})
	}))
	return in.Save(out, "figure", "size_correlation.svg", s.draw(names, found))
}

// relation is what is found in one sample.
type relation struct {
	r, rho              stats.Correlation
	fisher, bca, rhoBCa stats.Interval
	distinct            int
}

func (s *Stage) relate(sample Sample) (relation, error) {
	x, y := sample.Sizes, sample.Scores
	var out relation
	for i := range x {
		if v := x[i] + y[i]; math.IsNaN(v) || math.IsInf(v, 0) {
			return out, fmt.Errorf("architecture %d: %v and %v; both must be finite", i, x[i], y[i])
		}
	}
	out.distinct = len(slices.Compact(slices.Sorted(slices.Values(x))))
	var err error
	if out.r, err = stats.Pearson(x, y); err != nil {
		return out, err
	}
	out.fisher = stats.PearsonInterval(out.r.Value, out.r.N)
	if out.rho, err = stats.Spearman(x, y); err != nil {
		return out, err
	}
	if out.bca, err = s.bootstrap(x, y, stats.Pearson); err != nil {
		return out, err
	}
	out.rhoBCa, err = s.bootstrap(x, y, stats.Spearman)
	return out, err
}

// bootstrap draws architectures. A resample of equal sizes or scores has no
// coefficient and is left out.
func (s *Stage) bootstrap(x, y []float64, correlate func(x, y []float64) (stats.Correlation, error)) (stats.Interval, error) {
	return stats.BootstrapBCa(len(x), s.Resamples, s.Seed, func(at []int) float64 {
		c, err := correlate(tasks.Pick(x, at), tasks.Pick(y, at))
		if err != nil {
			return math.NaN()
		}
		return c.Value
	})
}
