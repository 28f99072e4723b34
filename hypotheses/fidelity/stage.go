package fidelity

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
)

// Stage is a block `hypothesis "fidelity"`.
type Stage struct {
	Tables    []stages.Table  `attr:"tables,key" doc:"Tables that hold the fidelities as columns, a row an architecture."`
	Pairs     map[string]Pair `attr:"pairs,key" doc:"Name to a pair of fidelities: { cifar10 = { low = \"cifar10_12\", high = \"cifar10_200\" } }."`
	Better    string          `attr:"better,key" default:"\"lower\"" doc:"Which values are the better ones: lower, as for errors, or higher."`
	Top       []int           `attr:"top,key" default:"[1,3,10,30,100,300]" doc:"Numbers k of architectures that are looked at again at high fidelity."`
	Resamples int             `attr:"resamples,key" default:"2000" doc:"Resamples of isomorphism classes behind each interval of rho and of regret."`
	Seed      uint64          `attr:"seed,key" default:"777" doc:"Seed of the resampling."`
	Unit      string          `attr:"unit,key" default:"\"error\"" doc:"What the values are, in the figure."`
}

// Pair is a low and a high fidelity of one task.
type Pair struct {
	Low   string `attr:"low" doc:"Column of the cheap evaluation."`
	High  string `attr:"high" doc:"Column of the expensive evaluation."`
	Label string `attr:"label,optional" doc:"The pair's name in the figure, such as CIFAR-10."`
}

// Kind is the kind `hypothesis "fidelity"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "hypothesis", Type: "fidelity", Version: 1, Reproducible: true,
	Doc: "Does a cheap evaluation rank architectures as an expensive one does? Spearman's rho, Kendall's tau-b and the regret of the k best " +
		"with class-clustered intervals, and a figure of both.",
	Outputs: map[string]string{
		"spearman":          "By pair: Spearman's rho of the two fidelities, over all architectures.",
		"spearman_unique":   "The same, of unique cells.",
		"kendall":           "By pair: Kendall's tau-b of the two fidelities, over all architectures.",
		"kendall_unique":    "The same, of unique cells.",
		"kendall_best_half": "The same, of the better half by low fidelity.",
		"regret":            "By pair and number k, `regret[\"cifar10\"][\"10\"]`: by how much the best value at high fidelity among the k best by low fidelity is worse than the best of all, in the unit of the columns; `chance` is that of k drawn at random.",
		"best":              "By pair: the best architecture by low fidelity, its values at both, and its rank at high fidelity, 1 the best.",
		"architectures":     "How many have all values.",
		"classes":           "Their isomorphism classes.",
		"left_out":          "How many lack a value.",
		"figure":            "Ranks at low and at high fidelity, and regret by k, of each pair.",
	},
})

// correlations are the outputs with a correlation for each pair.
var correlations = []string{"spearman", "kendall", "spearman_unique", "kendall_unique", "kendall_best_half"}

// regretType is a regret: with interval, number of architectures, and that of as many
// drawn at random.
var regretType = cty.Object(map[string]cty.Type{
	"value": cty.Number, "ci_low": cty.Number, "ci_high": cty.Number, "n": cty.Number, "chance": cty.Number,
})

// bestType is the best by low fidelity: number, notation, values at both, and its rank
// at high fidelity, 1 the best.
var bestType = cty.Object(map[string]cty.Type{
	"index": cty.Number, "architecture": cty.String, "low": cty.Number, "high": cty.Number, "rank": cty.Number,
})

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(attrs stages.Attrs) map[string]cty.Type {
	names := stages.Keys(attrs["pairs"])
	types := map[string]cty.Type{
		"architectures": cty.Number, "classes": cty.Number, "left_out": cty.Number, "figure": stages.FileType,
		"best": estimate.ByName(names, bestType), "regret": cty.DynamicPseudoType,
	}
	for _, name := range correlations {
		types[name] = estimate.ByName(names, estimate.CorrelationType)
	}
	if attrs.Known("top") {
		types["regret"] = estimate.ByName(names, estimate.ByName(topNames(tops(attrs)), regretType))
	}
	return types
}

func tops(attrs stages.Attrs) []float64 {
	v, _ := attrs["top"].UnmarkDeep()
	var out []float64
	for it := v.ElementIterator(); it.Next(); {
		if _, e := it.Element(); !e.IsNull() {
			f, _ := e.AsBigFloat().Float64()
			out = append(out, f)
		}
	}
	return out
}

// topNames are the members of a regret: "1", "10".
func topNames(top []float64) []string {
	out := make([]string, len(top))
	for i, k := range top {
		out[i] = strconv.FormatFloat(k, 'f', -1, 64)
	}
	return out
}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	out := tasks.CheckTables(attrs)
	problem := func(attribute, summary, detail string, args ...any) {
		out = append(out, stages.Problem{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(detail, args...)})
	}
	if names := stages.Keys(attrs["pairs"]); names != nil && len(names) == 0 {
		problem("pairs", "No pairs", "Name at least one: { cifar10 = { low = \"cifar10_12\", high = \"cifar10_200\" } }.")
	}
	if attrs.Known("better") {
		v, _ := attrs["better"].Unmark()
		if b := v.AsString(); b != "lower" && b != "higher" {
			problem("better", "Neither lower nor higher", "It is %q. Say \"lower\" for errors and losses, \"higher\" for accuracies.", b)
		}
	}
	if attrs.Known("top") {
		top := tops(attrs)
		if len(top) == 0 {
			problem("top", "No numbers", "Say how many architectures are looked at again, such as [1, 10, 100].")
		}
		for _, k := range top {
			if k != float64(int(k)) || k < 1 || k > nas.Size {
				problem("top", "Out of range", "%v is no number of architectures; whole numbers from 1 to %d are.", k, nas.Size)
			}
		}
		if twice := tasks.Twice(topNames(top)); twice != "" {
			problem("top", "Number named twice", "%s stands in top more than once. Name each once.", twice)
		}
	}
	out = append(out, checkPairs(attrs)...)
	return append(out, estimate.CheckCount(attrs, "resamples", 1_000_000)...)
}

// checkPairs reports a fidelity that is compared with itself.
func checkPairs(attrs stages.Attrs) []stages.Problem {
	if !attrs.Known("pairs") {
		return nil
	}
	var out []stages.Problem
	v, _ := attrs["pairs"].UnmarkDeep()
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if e.IsNull() || !e.IsWhollyKnown() {
			continue
		}
		low, high := e.GetAttr("low"), e.GetAttr("high")
		if !low.IsNull() && !high.IsNull() && low.AsString() == high.AsString() {
			out = append(out, stages.Problem{
				Attribute: "pairs", Summary: "Fidelity compared with itself",
				Detail: fmt.Sprintf("%q has %q as low and as high. Name two columns.", k.AsString(), low.AsString()),
			})
		}
	}
	return out
}

func (s *Stage) label(name string) string {
	return cmp.Or(s.Pairs[name].Label, strings.ReplaceAll(name, "_", " "))
}
