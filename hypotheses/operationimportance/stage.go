package operationimportance

import (
	"context"
	"fmt"
	"math"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
)

// Stage is a block `hypothesis "operation_importance"`.
type Stage struct {
	Tables    []stages.Table     `attr:"tables,key" doc:"Tables that hold the tasks' errors as columns, a row an architecture. Lower is better."`
	Tasks     []string           `attr:"tasks,key" doc:"Tasks to compare: columns' names."`
	Fraction  float64            `attr:"fraction,key" default:"0.05" doc:"Share of the architectures, the best ones of each task, whose operations are examined."`
	NoiseBand map[string]float64 `attr:"noise_band,key,optional" doc:"Task to the importance below which an operation is taken for noise; 0 where it is left out."`
	Resamples int                `attr:"resamples,key" default:"1000" doc:"Resamples of isomorphism classes behind the interval of each distance."`
	Seed      uint64             `attr:"seed,key" default:"777" doc:"Seed of the resampling."`
	Labels    map[string]string  `attr:"labels,key,optional" doc:"Task to its name in the figure, such as CIFAR-10."`
}

// Kind is the kind `hypothesis "operation_importance"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block:   "hypothesis",
	Type:    "operation_importance",
	Version: 1,
	Doc: "Which operations matter on which task? Importance of each operation on the edges of the best architectures, distances between tasks, " +
		"readings as useful or redundant, and the box plots (NAS-Bench-360, section 5.2 and Figure 4).",
	Reproducible: true,
	Outputs: map[string]string{
		"importance":            "By task and operation: quartiles, whiskers and mean of its importances.",
		"distance":              "By task and other task: mean Wasserstein-1 distance of scaled importances.",
		"reading":               "By task, operation and rule: useful or redundant.",
		"useful_on":             "By rule and operation: on how many tasks it is useful.",
		"universally_useful":    "By rule: how many operations are useful on all tasks.",
		"universally_redundant": "By rule: how many operations are redundant on all tasks.",
		"best":                  "By task: the best architecture.",
		"architectures":         "How many have all values.",
		"top":                   "How many architectures of each task are the best ones, by `fraction`.",
		"left_out":              "How many lack a value, or an alternative.",
		"figure":                "Box plots, as in Figure 4.",
	},
})

// rules are the two ways to read a box against the noise band.
var rules = []string{"median", "lower_quartile"}

var boxType = cty.Object(map[string]cty.Type{
	"n": cty.Number, "q1": cty.Number, "median": cty.Number, "q3": cty.Number,
	"whisker_low": cty.Number, "whisker_high": cty.Number,
})

var bestType = cty.Object(map[string]cty.Type{"index": cty.Number, "architecture": cty.String, "value": cty.Number})

func operationNames() []string {
	out := make([]string, len(operations))
	for i, op := range operations {
		out[i] = op.String()
	}
	return out
}

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(attrs stages.Attrs) map[string]cty.Type {
	names := attrs.Strings("tasks")
	if len(names) == 0 || tasks.Twice(names) != "" {
		names = nil
	}
	ops := operationNames()
	types := map[string]cty.Type{
		"figure": stages.FileType, "architectures": cty.Number, "top": cty.Number, "left_out": cty.Number,
		"importance":            estimate.ByName(names, estimate.ByName(ops, boxType)),
		"distance":              cty.DynamicPseudoType,
		"reading":               estimate.ByName(names, estimate.ByName(ops, estimate.ByName(rules, cty.String))),
		"useful_on":             estimate.ByName(rules, estimate.ByName(ops, cty.Number)),
		"universally_useful":    estimate.ByName(rules, cty.Number),
		"universally_redundant": estimate.ByName(rules, cty.Number),
		"best":                  estimate.ByName(names, bestType),
	}
	if names != nil {
		types["distance"] = estimate.Each(names, func(task string) cty.Type {
			return estimate.ByName(estimate.Without(names, task), estimate.IntervalType)
		})
	}
	return types
}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	out := append(tasks.CheckTables(attrs), tasks.CheckNames(attrs, "tasks", "to compare")...)
	problem := func(attribute, summary, detail string, args ...any) {
		out = append(out, stages.Problem{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(detail, args...)})
	}
	names := attrs.Strings("tasks")
	for _, attribute := range []string{"labels", "noise_band"} {
		out = append(out, tasks.CheckKeys(attrs, attribute, names)...)
	}
	if attrs.Known("fraction") {
		if f := stages.Number(attrs["fraction"]); !(f > 0 && f <= 1) {
			problem("fraction", "Not a fraction", "%v is outside 0 to 1. The best five per cent are 0.05.", f)
		}
	}
	if attrs.Known("resamples") {
		if n := stages.Number(attrs["resamples"]); n < 1 || n > maxResamples {
			problem("resamples", "Resamples out of range", "%v resamples; from 1 to %d can be drawn.", n, maxResamples)
		}
	}
	return out
}

const maxResamples = 100_000

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	set, err := tasks.Load(ctx, in.Store, s.Tables, s.Tasks)
	if err != nil {
		return err
	}
	if set.Dropped > 0 {
		out.Warn("%d architectures were left out: some task has no value for them", set.Dropped)
	}
	a := &analysis{Stage: s, set: set, k: int(math.Round(s.Fraction * float64(len(set.Architectures))))}
	if a.k == 0 {
		return fmt.Errorf("the best %v of %d architectures are none; raise fraction", s.Fraction, len(set.Architectures))
	}
	a.measure()
	if a.leftOut > 0 {
		out.Warn("%d edges were left out: an alternative operation leads to an architecture that the tables lack", a.leftOut)
	}
	distances, err := a.distances(ctx, in.Progress)
	if err != nil {
		return err
	}
	out.Set("architectures", estimate.Count(len(set.Architectures)))
	out.Set("top", estimate.Count(a.k))
	out.Set("left_out", estimate.Count(a.leftOut))
	out.Set("importance", estimate.Object(s.Tasks, a.boxes))
	out.Set("distance", distances)
	out.Set("best", estimate.Object(s.Tasks, a.best))
	a.read(out)
	return in.Save(out, "figure", "operation_importance.svg", a.draw())
}

// analysis is the work of one run.
type analysis struct {
	*Stage
	set      *tasks.Set
	k        int // size of a top
	profiles map[string]*profile
	box      map[string][4]stats.Box // by task, in the order of operations
	scaled   map[string]pools
	leftOut  int
}

func (a *analysis) measure() {
	a.profiles, a.box, a.scaled = map[string]*profile{}, map[string][4]stats.Box{}, map[string]pools{}
	for _, task := range a.Tasks {
		p := newProfile(a.set, task)
		top, leftOut := p.top(a.k, nil)
		a.leftOut += leftOut
		var boxes [4]stats.Box
		for i, pool := range top {
			boxes[i] = stats.NewBox(pool)
		}
		a.profiles[task], a.box[task], a.scaled[task] = p, boxes, top.scaled()
	}
}

// distances compares every two tasks, with intervals by resampling classes.
func (a *analysis) distances(ctx context.Context, progress stages.Progress) (cty.Value, error) {
	samplers := map[string]*sampler{}
	for _, task := range a.Tasks {
		samplers[task] = newSampler(a.profiles[task], a.k)
	}
	class := a.set.Classes()
	found := map[[2]string]cty.Value{}
	done, total := int64(0), int64(len(a.Tasks)*(len(a.Tasks)-1)/2)
	for i, x := range a.Tasks {
		for _, y := range a.Tasks[i+1:] {
			if err := ctx.Err(); err != nil {
				return cty.NilVal, err
			}
			interval, err := stats.ClusterBootstrap(class, a.Resamples, a.Seed, func(sample []int) float64 {
				return a.resampled(samplers[x], samplers[y], sample)
			})
			if err != nil {
				return cty.NilVal, fmt.Errorf("distance of %s and %s: %w", x, y, err)
			}
			interval.Value = distance(a.scaled[x], a.scaled[y])
			v := estimate.Interval(interval, len(a.set.Architectures))
			found[[2]string{x, y}], found[[2]string{y, x}] = v, v
			done++
			progress.Report(done, total, "distances")
		}
	}
	return estimate.Object(a.Tasks, func(x string) cty.Value {
		return estimate.Object(estimate.Without(a.Tasks, x), func(y string) cty.Value { return found[[2]string{x, y}] })
	}), nil
}

// resampled is the distance on a sample of positions, the tops being the same
// share of it.
func (a *analysis) resampled(x, y *sampler, sample []int) float64 {
	times := make([]int32, len(a.set.Architectures))
	for _, p := range sample {
		times[p]++
	}
	k := int(math.Round(a.Fraction * float64(len(sample))))
	return distance(x.scaledTop(k, times), y.scaledTop(k, times))
}

func (a *analysis) boxes(task string) cty.Value {
	members := map[string]cty.Value{}
	for i, op := range operations {
		b := a.box[task][i]
		members[op.String()] = cty.ObjectVal(map[string]cty.Value{
			"n":  estimate.Count(b.N),
			"q1": stages.NumberValue(b.Q1), "median": stages.NumberValue(b.Median), "q3": stages.NumberValue(b.Q3),
			"whisker_low": stages.NumberValue(b.WhiskerLow), "whisker_high": stages.NumberValue(b.WhiskerHigh),
		})
	}
	return cty.ObjectVal(members)
}

// best is the architecture with the smallest error, ties by number.
func (a *analysis) best(task string) cty.Value {
	at := a.profiles[task].order[0]
	index := a.set.Architectures[at]
	return cty.ObjectVal(map[string]cty.Value{
		"index":        estimate.Count(index),
		"architecture": cty.StringVal(nas.At(index).String()),
		"value":        stages.NumberValue(a.set.Values[task][at]),
	})
}

// useful reads a box by a rule.
func (a *analysis) useful(task string, op int, rule string) bool {
	b := a.box[task][op]
	if rule == "median" {
		return b.Median > a.NoiseBand[task]
	}
	return b.Q1 > a.NoiseBand[task]
}

// read sets the outputs that say useful or redundant.
func (a *analysis) read(out *stages.Output) {
	word := map[bool]string{true: "useful", false: "redundant"}
	at := map[string]int{}
	for i, op := range operations {
		at[op.String()] = i
	}
	ops := operationNames()
	out.Set("reading", estimate.Object(a.Tasks, func(task string) cty.Value {
		return estimate.Object(ops, func(op string) cty.Value {
			return estimate.Object(rules, func(rule string) cty.Value { return cty.StringVal(word[a.useful(task, at[op], rule)]) })
		})
	}))
	count := func(rule string, op int) int {
		n := 0
		for _, task := range a.Tasks {
			if a.useful(task, op, rule) {
				n++
			}
		}
		return n
	}
	out.Set("useful_on", estimate.Object(rules, func(rule string) cty.Value {
		return estimate.Object(ops, func(op string) cty.Value { return estimate.Count(count(rule, at[op])) })
	}))
	universally := func(want int) cty.Value {
		return estimate.Object(rules, func(rule string) cty.Value {
			n := 0
			for op := range operations {
				if count(rule, op) == want {
					n++
				}
			}
			return estimate.Count(n)
		})
	}
	out.Set("universally_useful", universally(len(a.Tasks)))
	out.Set("universally_redundant", universally(0))
}
