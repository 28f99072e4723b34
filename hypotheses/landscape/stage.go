package landscape

import (
	"fmt"
	"strconv"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
)

// Stage is a block `hypothesis "landscape"`.
type Stage struct {
	Tables   []stages.Table     `attr:"tables,key" doc:"Tables that hold the tasks as columns, a row an architecture, for all 15,625."`
	Tasks    []string           `attr:"tasks,key" doc:"Tasks to describe: columns' names."`
	Better   map[string]string  `attr:"better,key,optional" doc:"Task to \"lower\" or \"higher\": which values are the better ones. Lower where nothing is said, as for errors."`
	Rounding map[string]float64 `attr:"rounding,key,optional" doc:"Task to denominator d: its local optima and basins are also those of values rounded to multiples of 1/d. NinaPro: 659."`
	Lags     int                `attr:"lags,key" default:"6" doc:"Steps of the random walk up to which autocorrelations are given."`
	Ties     string             `attr:"ties,key" default:"\"lowest\"" doc:"Which of equally good best neighbours an ascent goes to: the one with the lowest number, or the highest."`
	Labels   map[string]string  `attr:"labels,key,optional" doc:"Task to its name in the figures, such as CIFAR-10."`
}

// Kind is the kind `hypothesis "landscape"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block:   "hypothesis",
	Type:    "landscape",
	Version: 1,
	Doc: "Are architectures that look alike equally good? Exact random-walk autocorrelation, mean difference by edit distance, training noise, " +
		"local optima, basins of best-improvement ascent, fitness-distance correlation (the locality behind LISSNAS, IJCAI 2023).",
	Reproducible: true,
	Outputs: map[string]string{
		"autocorrelation":       "By task and lag, `autocorrelation[\"cifar10\"][\"1\"]`: correlation of a value with that so many steps of a random walk later.",
		"autocorrelation_ranks": "The same, of the values' ranks.",
		"correlation_length":    "By task: -1/ln of the autocorrelation at lag 1, in steps.",
		"difference":            "By task and number of edits, `difference[\"cifar10\"][\"1\"]`: mean absolute difference of two cells so far apart, in the task's unit.",
		"difference_distinct":   "The same, of cells of different isomorphism classes.",
		"difference_any":        "By task: mean absolute difference of any two cells.",
		"locality":              "By task and number of edits: `difference` over `difference_any`; below 1 near cells are alike.",
		"rise":                  "By task and number of edits, 2 to 6: `difference` less that at one edit fewer.",
		"noise_difference":      "By task: mean absolute difference of two cells that are one function, trained twice.",
		"signal":                "By task: share of the values' variance that is not that of such repeats.",
		"fitness_distance":      "By task: Pearson's r of value and edits to the best cell; below 0 the best attracts.",
		"optimum":               "By task: the best cell, its value, and how many others equal it (after rounding, where there is any).",
		"local_optima":          "By task: cells that no neighbour beats (weak), that beat each (strict), that beat each by more than noise (above_noise); what a shuffled table has (chance).",
		"local_optima_rounded":  "The same, of rounded values, by task of `rounding`.",
		"basins":                "By task: how many basins (count) and mean steps of an ascent; as shares of all starts, the largest basin, those that end at the best value (optimum) and in the best 1 % (top; top_other by the other rule of ties).",
		"basins_rounded":        "The same, of rounded values, by task of `rounding`.",
		"basin_sizes":           "A row a local optimum of a task: architecture, value, and size, the starts that end there; `values` says raw or rounded.",
		"architectures":         "How many there are: 15,625.",
		"classes":               "Their isomorphism classes.",
		"figure":                "Autocorrelation by lag.",
		"figure_difference":     "Mean difference by number of edits.",
		"figure_basins":         "Each local optimum of a task: its rank among all cells, and how many starts end there.",
	},
})

const maxLags = 100

var (
	optimumType = cty.Object(map[string]cty.Type{"index": cty.Number, "architecture": cty.String, "value": cty.Number, "tied": cty.Number})
	optimaType  = estimate.ByName([]string{"weak", "strict", "above_noise", "chance"}, cty.Number)
	basinsType  = estimate.ByName([]string{"count", "largest", "optimum", "top", "top_other", "steps"}, cty.Number)
)

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(attrs stages.Attrs) map[string]cty.Type {
	names := attrs.Strings("tasks")
	if len(names) == 0 || tasks.Twice(names) != "" {
		names = nil
	}
	var lags, rounded []string
	if attrs.Known("lags") {
		lags = numbered(1, int(min(max(stages.Number(attrs["lags"]), 1), maxLags)))
	}
	if v, ok := attrs["rounding"]; ok && v.IsKnown() {
		rounded = append([]string{}, attrs.Strings("rounding")...)
	}
	interval := estimate.ByName(names, estimate.IntervalType)
	byLag := estimate.ByName(names, estimate.ByName(lags, estimate.IntervalType))
	byDistance := estimate.ByName(names, estimate.ByName(numbered(1, nas.NumEdges), estimate.IntervalType))
	return map[string]cty.Type{
		"autocorrelation": byLag, "autocorrelation_ranks": byLag, "correlation_length": interval,
		"difference": byDistance, "difference_distinct": byDistance, "locality": byDistance, "difference_any": interval,
		"rise":             estimate.ByName(names, estimate.ByName(numbered(2, nas.NumEdges), estimate.IntervalType)),
		"noise_difference": interval, "signal": interval, "fitness_distance": interval,
		"optimum":      estimate.ByName(names, optimumType),
		"local_optima": estimate.ByName(names, optimaType), "local_optima_rounded": estimate.ByName(rounded, optimaType),
		"basins": estimate.ByName(names, basinsType), "basins_rounded": estimate.ByName(rounded, basinsType),
		"basin_sizes": stages.TableType, "architectures": cty.Number, "classes": cty.Number,
		"figure": stages.FileType, "figure_difference": stages.FileType, "figure_basins": stages.FileType,
	}
}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	out := append(tasks.CheckTables(attrs), tasks.CheckNames(attrs, "tasks", "to describe")...)
	for _, name := range []string{"better", "rounding", "labels"} {
		out = append(out, tasks.CheckKeys(attrs, name, attrs.Strings("tasks"))...)
	}
	out = append(out, tasks.CheckOrientation(attrs)...)
	out = append(out, estimate.CheckCount(attrs, "lags", maxLags)...)
	if attrs.Known("ties") {
		if v, _ := attrs["ties"].Unmark(); v.AsString() != "lowest" && v.AsString() != "highest" {
			out = append(out, stages.Problem{
				Attribute: "ties", Summary: "Unknown rule",
				Detail: fmt.Sprintf("ties is %q. Of equally good neighbours an ascent takes the one with the \"lowest\" number, or the \"highest\".", v.AsString()),
			})
		}
	}
	return out
}

// numbered are the names "first" to "last" of lags and distances.
func numbered(first, last int) []string {
	out := []string{}
	for i := first; i <= last; i++ {
		out = append(out, strconv.Itoa(i))
	}
	return out
}
