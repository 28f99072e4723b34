package methodranking

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/scores"
	"github.com/nbpipe/nbpipe/stages"
)

// Stage is a block `hypothesis "method_ranking"`.
type Stage struct {
	Results   map[string]map[string]scores.Score `attr:"results,key" doc:"Method to task to its error: { gaea = { cifar100 = { value = 24.02, sd = 1.92, n = 3 } } }. What is null or missing is n/a."`
	Methods   []string                           `attr:"methods,key,optional" doc:"Methods that are ranked; all of results where nothing is said."`
	Tasks     []string                           `attr:"tasks,key,optional" doc:"Tasks that count; all of results where nothing is said."`
	Baseline  string                             `attr:"baseline,key" doc:"Method on which improvements are computed."`
	Seeds     *float64                           `attr:"seeds,key,optional" doc:"Number of seeds of scores that have no n of their own."`
	Alpha     float64                            `attr:"alpha,key" default:"0.05" doc:"Level of the critical difference."`
	Resamples int                                `attr:"resamples,key" default:"5000" doc:"Redraws of the means behind each interval."`
	Seed      uint64                             `attr:"seed,key" default:"777" doc:"Seed of the redraws."`
	Unit      string                             `attr:"unit,key" default:"\"error\"" doc:"What the values are, in the figure; lower is better."`
	Labels    map[string]string                  `attr:"labels,key,optional" doc:"Method or task to its name in the figures, such as CIFAR-100."`
}

// Kind is the kind `hypothesis "method_ranking"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block:   "hypothesis",
	Type:    "method_ranking",
	Version: 1,
	Doc: "Which method is the best over several tasks? Ranks, improvements on a baseline and comparisons of pairs with intervals over redrawn means; " +
		"Friedman's and Nemenyi's tests with a critical-difference diagram (NAS-Bench-360, section 5.1 and Table 3).",
	Reproducible: true,
	Outputs: map[string]string{
		"rank":                "By method and task: rank, 1 the lowest error, ties sharing the average; null where the method is n/a.",
		"median_rank":         "By method: median of its ranks; `n` says of how many tasks.",
		"improvement":         "By method and task: how much lower its error is than the baseline's, in per cent of the baseline's.",
		"median_improvement":  "By method: median of its improvements; `n` says of how many tasks.",
		"better":              "By method and other method: on how many tasks the first has the lower error; `n` counts the tasks that both have.",
		"pair":                "By method and other method: counts of tasks (better, worse, tied, n) and two-sided p of the sign test and of Wilcoxon's on the logarithms of ratios.",
		"gain":                "By method, other method and task: how much lower the first's error is, in per cent of the other's.",
		"friedman":            "Friedman's test of the methods that have all tasks, with the critical difference of mean ranks (Nemenyi).",
		"friedman_rank":       "By method: mean rank among the methods that have all tasks; null for others.",
		"nemenyi":             "By method and other method: mean rank of the first less the other's, with Nemenyi's p, adjusted for all pairs.",
		"figure":              "Ranks and improvements of the methods: each task, medians and their intervals.",
		"critical_difference": "Critical-difference diagram: mean ranks on an axis, methods joined that the test does not tell apart.",
	},
})

var (
	// pairType counts the tasks on which the first of two methods has the lower
	// error, the higher, the same, and all; two-sided p of the sign test and of
	// Wilcoxon's on the logarithms of ratios.
	pairType = numbers("better", "worse", "tied", "n", "sign_p", "wilcoxon_p")

	// friedmanType has the test's statistic on methods-1 degrees of freedom, the
	// number of tasks, and Nemenyi's critical difference of mean ranks.
	friedmanType = numbers("statistic", "p", "log10_p", "n", "methods", "critical_difference")

	// nemenyiType is a difference of mean ranks with its p, adjusted for all pairs.
	nemenyiType = numbers("value", "p", "log10_p", "n")
)

func numbers(names ...string) cty.Type { return estimate.ByName(names, cty.Number) }

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(attrs stages.Attrs) map[string]cty.Type {
	methods, tasks := scores.Names(attrs)
	byTask := estimate.ByName(tasks, estimate.IntervalType)
	pairs := func(t cty.Type) cty.Type {
		if methods == nil {
			return cty.DynamicPseudoType
		}
		return estimate.Each(methods, func(m string) cty.Type { return estimate.ByName(estimate.Without(methods, m), t) })
	}
	byMethod := estimate.ByName(methods, estimate.IntervalType)
	return map[string]cty.Type{
		"rank": estimate.ByName(methods, byTask), "median_rank": byMethod,
		"improvement": estimate.ByName(methods, byTask), "median_improvement": byMethod,
		"better": pairs(estimate.IntervalType), "pair": pairs(pairType), "gain": pairs(byTask),
		"friedman": friedmanType, "friedman_rank": byMethod, "nemenyi": pairs(nemenyiType),
		"figure": stages.FileType, "critical_difference": stages.FileType,
	}
}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	out := scores.Check(attrs)
	methods, _ := scores.Names(attrs)
	if len(methods) == 1 {
		out = append(out, stages.Problem{Attribute: "methods", Summary: "Nothing to rank", Detail: "A ranking needs two methods or more."})
	}
	if len(methods) > 0 && attrs.Known("baseline") {
		if v, _ := attrs["baseline"].Unmark(); !slices.Contains(methods, v.AsString()) {
			out = append(out, stages.Problem{Attribute: "baseline", Summary: "Unknown method",
				Detail: fmt.Sprintf("%q is none of the ranked methods. They are %s.", v.AsString(), strings.Join(methods, ", "))})
		}
	}
	if attrs.Known("alpha") {
		if a := stages.Number(attrs["alpha"]); !(a > 0 && a < 1) {
			out = append(out, stages.Problem{Attribute: "alpha", Summary: "Not a level", Detail: fmt.Sprintf("alpha is %v; a level lies between 0 and 1, such as 0.05.", a)})
		}
	}
	return out
}
