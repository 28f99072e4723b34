package algorithmcomparison

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/stages"
)

// Stage is a block `hypothesis "algorithm_comparison"`.
type Stage struct {
	Searches  map[string]map[string]Search `attr:"searches,key" doc:"Task to algorithm to its search: { cifar100 = { random = search.draws[\"cifar100\"], ... } }. Every task has the same algorithms."`
	Reference string                       `attr:"reference,key" default:"\"random\"" doc:"Algorithm that the others are compared with."`
	Resamples int                          `attr:"resamples,key" default:"2000" doc:"Resamples of runs behind each interval."`
	Splits    int                          `attr:"splits,key" default:"2000" doc:"Splits of the runs behind each p-value: all of them if they are fewer."`
	Seed      uint64                       `attr:"seed,key" default:"777" doc:"Seed of the resampling."`
	Labels    map[string]string            `attr:"labels,key,optional" doc:"Task or algorithm to its name in the figure, such as CIFAR-100."`
}

// Search is what is used of a search's outputs: any `search` block has them.
type Search struct {
	Results   stages.Table `attr:"results" doc:"A row a run."`
	Incumbent stages.Table `attr:"incumbent" doc:"A row a point of the curve."`
	Optimum   Optimum      `attr:"optimum" doc:"The best of the table, which all searches of a task must agree on."`
}

// Optimum is the best architecture of a table by the reported column.
type Optimum struct {
	Architecture string  `attr:"architecture" doc:"The optimum's cell, as text."`
	Index        int     `attr:"index" doc:"The optimum's number in NAS-Bench-201."`
	Report       float64 `attr:"report" doc:"Its value."`
}

// Kind is the kind `hypothesis "algorithm_comparison"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block:   "hypothesis",
	Type:    "algorithm_comparison",
	Version: 1,
	Doc: "Does a search find better architectures than random sampling? Mean ranks, differences of regret with intervals over runs, " +
		"permutation tests, and the curves of incumbents (after NATS-Bench, section 5).",
	Reproducible: true,
	Outputs: map[string]string{
		"mean_rank": "By algorithm: its rank, averaged over tasks.",
		"rank":      "By task and algorithm: mean rank over runs, 1 the best.",
		"regret":    "By task and algorithm: mean regret over runs.",
		"cost":      "By task and algorithm: mean cost of a run.",
		"gain":      "By task and algorithm: what it has over the reference, with wins and p.",
		"optimum":   "By task: the best of the table.",
		"runs":      "Runs of each search.",
		"figure":    "Curves of incumbents and mean ranks.",
	},
})

// gainType is a difference from the reference: with interval, two-sided p of the
// permutation test, share of pairs won, number of runs.
var gainType = cty.Object(map[string]cty.Type{
	"value": cty.Number, "ci_low": cty.Number, "ci_high": cty.Number, "p": cty.Number, "wins": cty.Number, "n": cty.Number,
})

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(attrs stages.Attrs) map[string]cty.Type {
	tasks, algorithms := namesOf(attrs)
	var others []string
	if algorithms != nil && attrs.Known("reference") {
		others = estimate.Without(algorithms, stages.Text(attrs["reference"]))
	}
	each := func(names []string, t cty.Type) cty.Type { return estimate.ByName(tasks, estimate.ByName(names, t)) }
	return map[string]cty.Type{
		"mean_rank": estimate.ByName(algorithms, estimate.IntervalType),
		"rank":      each(algorithms, estimate.IntervalType),
		"regret":    each(algorithms, estimate.IntervalType),
		"cost":      each(algorithms, cty.Number),
		"gain":      each(others, gainType),
		"optimum":   estimate.ByName(tasks, cty.Object(map[string]cty.Type{"architecture": cty.String, "index": cty.Number, "report": cty.Number})),
		"runs":      cty.Number,
		"figure":    stages.FileType,
	}
}

// namesOf returns the tasks and the algorithms, sorted; nil where they are not
// known, or wrong.
func namesOf(attrs stages.Attrs) (tasks, algorithms []string) {
	v, ok := attrs["searches"]
	if !ok {
		return nil, nil
	}
	if tasks = stages.Keys(v); len(tasks) == 0 {
		return nil, nil
	}
	for _, t := range tasks {
		a := stages.Keys(stages.Member(v, t))
		if len(a) == 0 || algorithms != nil && !slices.Equal(a, algorithms) {
			return tasks, nil
		}
		algorithms = a
	}
	return tasks, algorithms
}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	var out []stages.Problem
	problem := func(attribute, summary, detail string, args ...any) {
		out = append(out, stages.Problem{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(detail, args...)})
	}
	for name, limit := range map[string]float64{"resamples": maxResamples, "splits": maxResamples} {
		if attrs.Known(name) {
			if n := stages.Number(attrs[name]); !(n >= 1 && n <= limit) || n != math.Trunc(n) {
				problem(name, "Out of range", "%s is %v; it must be a whole number from 1 to %v.", name, n, limit)
			}
		}
	}
	v := attrs["searches"]
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return out
	}
	tasks, algorithms := namesOf(attrs)
	if len(tasks) == 0 {
		problem("searches", "No searches", "Name the searches by task and algorithm: { cifar100 = { random = search.draws[\"cifar100\"] } }.")
		return out
	}
	if algorithms == nil {
		for _, t := range tasks {
			if first, these := stages.Keys(stages.Member(v, tasks[0])), stages.Keys(stages.Member(v, t)); known(stages.Member(v, t)) && known(stages.Member(v, tasks[0])) && !slices.Equal(first, these) {
				problem("searches", "Tasks with different algorithms", "%q has %s, %q has %s. Ranks average over tasks, so every task needs the same algorithms; put the others into a hypothesis of their own.",
					tasks[0], list(first), t, list(these))
				return out
			}
		}
		return out
	}
	if len(algorithms) < 2 {
		problem("searches", "Nothing to compare", "There is only %s. Name at least one more search.", list(algorithms))
	}
	if attrs.Known("reference") && !slices.Contains(algorithms, stages.Text(attrs["reference"])) {
		problem("reference", "Unknown algorithm", "%q is no algorithm of searches. They are %s.", stages.Text(attrs["reference"]), list(algorithms))
	}
	if attrs.Known("labels") {
		for _, name := range attrs.Strings("labels") {
			if !slices.Contains(tasks, name) && !slices.Contains(algorithms, name) {
				problem("labels", "Unknown name", "%q is no task and no algorithm of searches. Tasks: %s. Algorithms: %s.", name, list(tasks), list(algorithms))
			}
		}
	}
	return out
}

const maxResamples = 1_000_000

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func known(v cty.Value) bool { return v.IsKnown() && !v.IsNull() }
