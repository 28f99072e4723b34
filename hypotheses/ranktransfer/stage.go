package ranktransfer

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages"
)

// Stage is a block `hypothesis "rank_transfer"`.
type Stage struct {
	Tables    []stages.Table     `attr:"tables,key" doc:"Tables that hold the tasks as columns, a row an architecture."`
	From      string             `attr:"from,key" doc:"Task whose ranking is transferred: a column's name."`
	To        []string           `attr:"to,key" doc:"Tasks that it is compared with: columns' names."`
	Better    map[string]string  `attr:"better,key,optional" doc:"Task to \"lower\" or \"higher\": which values are the better ones. Lower where nothing is said, as for errors."`
	Rounding  map[string]float64 `attr:"rounding,key,optional" doc:"Task to denominator d: its values are rounded to multiples of 1/d, so that averaging noise breaks no ties. NinaPro: 659."`
	Top       []float64          `attr:"top,key" default:"[0.01,0.05]" doc:"Fractions of the architectures whose overlap is computed; the overlaps are named 1%, 5%."`
	Resamples int                `attr:"resamples,key" default:"2000" doc:"Resamples of isomorphism classes behind each interval of Spearman's rho."`
	Seed      uint64             `attr:"seed,key" default:"777" doc:"Seed of the resampling."`
	Labels    map[string]string  `attr:"labels,key,optional" doc:"Task to its name in the figure, such as CIFAR-10."`
}

// Kind is the kind `hypothesis "rank_transfer"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block:   "hypothesis",
	Type:    "rank_transfer",
	Version: 1,
	Doc: "Do architectures keep their ranks from one task to others? Spearman's rho and Kendall's tau-b with class-clustered intervals, " +
		"overlap of the tops, noise ceilings, best cells, and the rank scatter (NAS-Bench-360, section 5.2 and Figure 3).",
	Reproducible: true,
	Outputs: map[string]string{
		"spearman":           "By task: Spearman's rho with the task `from`.",
		"spearman_raw":       "The same, of values as they are.",
		"spearman_unique":    "The same, of unique cells.",
		"spearman_best_half": "The same, of the best half by `from`.",
		"kendall":            "By task: Kendall's tau-b.",
		"kendall_raw":        "The same, of values as they are.",
		"kendall_unique":     "The same, of unique cells.",
		"pairwise":           "By task and other task: Spearman's rho.",
		"pairwise_kendall":   "By task and other task: Kendall's tau-b.",
		"overlap":            "By task and share: how many of the tops are the same, and p.",
		"noise_ceiling":      "By task: rho between isomorphic cells.",
		"best":               "By task: the best architecture, and its ranks elsewhere.",
		"architectures":      "How many have all values.",
		"classes":            "Their isomorphism classes.",
		"left_out":           "How many lack a value.",
		"ranks":              "A row an architecture: its rank on each task.",
		"figure":             "Rank scatter, as in Figure 3.",
	},
})

// correlations are the outputs with a correlation for each task of `to`.
var correlations = []string{
	"spearman", "kendall", "spearman_unique", "kendall_unique", "spearman_raw", "kendall_raw", "spearman_best_half",
}

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(attrs stages.Attrs) map[string]cty.Type {
	to, all := tasksOf(attrs)
	types := map[string]cty.Type{
		"architectures": cty.Number, "classes": cty.Number, "left_out": cty.Number,
		"figure": stages.FileType, "ranks": stages.TableType,
		"noise_ceiling": estimate.ByName(all, estimate.CorrelationType),
		"overlap":       cty.DynamicPseudoType, "pairwise": cty.DynamicPseudoType,
		"pairwise_kendall": cty.DynamicPseudoType, "best": cty.DynamicPseudoType,
	}
	for _, name := range correlations {
		types[name] = estimate.ByName(to, estimate.CorrelationType)
	}
	if attrs.Known("top") && to != nil {
		types["overlap"] = estimate.ByName(to, estimate.ByName(percentages(fractions(attrs)), estimate.OverlapType))
	}
	if all != nil {
		pairs := estimate.Each(all, func(task string) cty.Type {
			return estimate.ByName(estimate.Without(all, task), estimate.CorrelationType)
		})
		types["pairwise"], types["pairwise_kendall"] = pairs, pairs
		types["best"] = estimate.Each(all, func(task string) cty.Type {
			return bestType(estimate.Without(all, task))
		})
	}
	return types
}

// bestType describes a task's best architecture: its number, notation, value
// as in the table, how many tie with it, and its rank on each other task.
func bestType(others []string) cty.Type {
	return cty.Object(map[string]cty.Type{
		"index": cty.Number, "architecture": cty.String, "value": cty.Number, "tied": cty.Number,
		"rank": estimate.ByName(others, cty.Number),
	})
}

// tasksOf returns the tasks of `to`, and all tasks, `from` first; nil where
// they are not known, or wrong.
func tasksOf(attrs stages.Attrs) (to, all []string) {
	if to = attrs.Strings("to"); len(to) == 0 || tasks.Twice(to) != "" {
		return nil, nil
	}
	if !attrs.Known("from") {
		return to, nil
	}
	from := stages.Text(attrs["from"])
	if slices.Contains(to, from) {
		return to, nil
	}
	return to, append([]string{from}, to...)
}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	out := tasks.CheckTables(attrs)
	out = append(out, tasks.CheckNames(attrs, "to", "that the ranking is compared with")...)
	if attrs.Known("from", "to") && slices.Contains(attrs.Strings("to"), stages.Text(attrs["from"])) {
		out = append(out, stages.Problem{
			Attribute: "to", Summary: "Task compared with itself",
			Detail: fmt.Sprintf("%q is from, and stands in to as well. A ranking agrees with itself: leave it out of to.", stages.Text(attrs["from"])),
		})
	}
	_, all := tasksOf(attrs)
	for _, name := range []string{"better", "rounding", "labels"} {
		out = append(out, tasks.CheckKeys(attrs, name, all)...)
	}
	out = append(out, tasks.CheckOrientation(attrs)...)
	return append(out, checkNumbers(attrs)...)
}

func checkNumbers(attrs stages.Attrs) []stages.Problem {
	var out []stages.Problem
	if attrs.Known("top") {
		fs := fractions(attrs)
		for _, f := range fs {
			if !(f > 0 && f <= 1) {
				out = append(out, stages.Problem{
					Attribute: "top", Summary: "Not a fraction",
					Detail: fmt.Sprintf("%v is outside 0 to 1. The best one per cent is 0.01.", f),
				})
			}
		}
		if p := tasks.Twice(percentages(fs)); p != "" {
			out = append(out, stages.Problem{Attribute: "top", Summary: "Fraction named twice", Detail: fmt.Sprintf("Two fractions are %s. Name each once.", p)})
		}
	}
	if attrs.Known("resamples") {
		if n := stages.Number(attrs["resamples"]); n < 1 || n > maxResamples {
			out = append(out, stages.Problem{
				Attribute: "resamples", Summary: "Resamples out of range",
				Detail: fmt.Sprintf("%v resamples; from 1 to %d can be drawn, and fewer than 1000 make intervals coarse.", n, maxResamples),
			})
		}
	}
	return out
}

const maxResamples = 1_000_000

// percentages names fractions as in the outputs: 0.01 is "1%".
func percentages(fractions []float64) []string {
	out := make([]string, len(fractions))
	for i, f := range fractions {
		out[i] = strconv.FormatFloat(f*100, 'g', 10, 64) + "%"
	}
	return out
}

func fractions(attrs stages.Attrs) []float64 {
	v, _ := attrs["top"].Unmark()
	var out []float64
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		out = append(out, stages.Number(e))
	}
	return out
}
