package performanceprofile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/scores"
	"github.com/nbpipe/nbpipe/stages"
)

// Stage is a block `hypothesis "performance_profile"`.
type Stage struct {
	Results   map[string]map[string]scores.Score `attr:"results,key" doc:"Method to task to its error: { gaea = { cifar100 = { value = 24.02, sd = 1.92, n = 3 } } }. What is null or missing is n/a."`
	BestOf    map[string][]string                `attr:"best_of,key,optional" doc:"Name to methods: the best of them on each task, as a method of its own."`
	Profiles  map[string]Profile                 `attr:"profiles,key" doc:"Name to a profile: { nas = { methods = [\"gaea\", \"wrn\"], tasks = [\"darcy\"] } }."`
	Missing   string                             `attr:"missing,key" default:"\"left_out\"" doc:"What becomes of a method that is n/a on a task of a profile: \"left_out\" of the profile, or \"infeasible\" there."`
	Seeds     *float64                           `attr:"seeds,key,optional" doc:"Number of seeds of scores that have no n of their own."`
	Resamples int                                `attr:"resamples,key" default:"2000" doc:"Redraws of the means behind each interval."`
	Seed      uint64                             `attr:"seed,key" default:"777" doc:"Seed of the redraws."`
	Labels    map[string]string                  `attr:"labels,key,optional" doc:"Method, task or profile to its name in the figure, such as CIFAR-100."`
}

// Profile is which methods are compared, on which tasks.
type Profile struct {
	Methods []string `attr:"methods" doc:"Methods of results and names of best_of, two or more."`
	Tasks   []string `attr:"tasks,optional" doc:"Tasks; all of results where nothing is said."`
}

// Kind is the kind `hypothesis "performance_profile"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block:   "hypothesis",
	Type:    "performance_profile",
	Version: 1,
	Doc: "On which share of tasks is a method within a factor of the best? Performance profiles after Dolan and Moré (2002), shares of the axis on which one lies " +
		"below another, where they cross, and bands over redrawn means (NAS-Bench-360, section 5.1, Figures 1, 2 and 6).",
	Reproducible: true,
	Outputs: map[string]string{
		"ratio":     "By profile, method and task: the method's error over the lowest in the profile.",
		"wins":      "By profile and method: share of tasks on which it has the lowest error, rho(1).",
		"area":      "By profile and method: mean of rho over the axis, from ratio 1 to the largest.",
		"below":     "By profile, method and other method: share of the axis on which the first's curve lies strictly below the other's.",
		"below_log": "The same, of a logarithmic axis.",
		"crossings": "By profile, method and other method: ratios tau at which the first overtakes the other.",
		"largest":   "By profile: the largest ratio, where the axis ends.",
		"curves":    "A row a profile, method and step: tau, rho and its pointwise band, rho_low to rho_high.",
		"figure":    "The profiles' curves with bands, as in Figures 1, 2 and 6.",
	},
})

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(attrs stages.Attrs) map[string]cty.Type {
	each := func(of func(methods, tasks []string) cty.Type) cty.Type {
		names := stages.Keys(attrs["profiles"])
		if names == nil {
			return cty.DynamicPseudoType
		}
		return estimate.Each(names, func(name string) cty.Type {
			methods, tasks := members(attrs, name)
			if methods == nil {
				return cty.DynamicPseudoType
			}
			return of(methods, tasks)
		})
	}
	byMethod := func(t cty.Type) cty.Type {
		return each(func(methods, _ []string) cty.Type { return estimate.ByName(methods, t) })
	}
	pairs := func(t cty.Type) cty.Type {
		return each(func(methods, _ []string) cty.Type {
			return estimate.Each(methods, func(m string) cty.Type { return estimate.ByName(estimate.Without(methods, m), t) })
		})
	}
	return map[string]cty.Type{
		"ratio": each(func(methods, tasks []string) cty.Type {
			return estimate.ByName(methods, estimate.ByName(tasks, estimate.IntervalType))
		}),
		"wins": byMethod(estimate.IntervalType), "area": byMethod(estimate.IntervalType),
		"below": pairs(estimate.IntervalType), "below_log": pairs(estimate.IntervalType), "crossings": pairs(cty.List(cty.Number)),
		"largest": each(func([]string, []string) cty.Type { return estimate.IntervalType }),
		"curves":  stages.TableType, "figure": stages.FileType,
	}
}

// members are the methods and tasks of a profile; nil where they are not known.
func members(attrs stages.Attrs, profile string) (methods, tasks []string) {
	p := stages.Member(attrs["profiles"], profile)
	if !known(p) {
		return nil, nil
	}
	list := func(name string) []string {
		if !slices.Contains(stages.Keys(p), name) {
			return nil
		}
		return stages.Attrs{name: stages.Member(p, name)}.Strings(name)
	}
	methods, tasks = list("methods"), list("tasks")
	if !slices.Contains(stages.Keys(p), "tasks") || isNull(stages.Member(p, "tasks")) {
		_, tasks = scores.Names(stages.Attrs{"results": attrs["results"]})
	}
	return methods, tasks
}

func known(v cty.Value) bool {
	v, _ = v.Unmark()
	return v.IsKnown() && !v.IsNull()
}

func isNull(v cty.Value) bool { return v.IsKnown() && v.IsNull() }

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	profiles := stages.Keys(attrs["profiles"])
	groups := stages.Keys(attrs["best_of"])
	out := scores.Check(attrs, append(slices.Clone(profiles), groups...)...)
	problem := func(attribute, summary, detail string, args ...any) {
		out = append(out, stages.Problem{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(detail, args...)})
	}
	if attrs.Known("missing") {
		if v, _ := attrs["missing"].Unmark(); !slices.Contains([]string{leftOut, infeasible}, v.AsString()) {
			problem("missing", "Unknown word", "missing is %q; say \"left_out\" or \"infeasible\".", v.AsString())
		}
	}
	if profiles != nil && len(profiles) == 0 {
		problem("profiles", "No profiles", "Name the methods that are compared: { nas = { methods = [\"gaea\", \"wrn\"] } }.")
	}
	methods, tasks := scores.Names(stages.Attrs{"results": attrs["results"]})
	if methods == nil {
		return out
	}
	for _, g := range groups {
		if of := (stages.Attrs{"x": stages.Member(attrs["best_of"], g)}); of.Known("x") {
			switch {
			case slices.Contains(methods, g):
				problem("best_of", "Name taken", "%q is a method of results already. Give the best of several another name.", g)
			case len(of.Strings("x")) == 0:
				problem("best_of", "No methods", "%q is the best of no methods. Name at least one.", g)
			}
			out = append(out, scores.CheckNames("best_of", "method", of.Strings("x"), methods)...)
		}
	}
	for _, p := range profiles {
		of, on := members(attrs, p)
		if of == nil {
			continue
		}
		if len(of) < 2 {
			problem("profiles", "Nothing to compare", "%q has %d methods; a profile compares two or more.", p, len(of))
		}
		out = append(out, scores.CheckNames("profiles", "method", of, append(slices.Clone(methods), groups...))...)
		if tasks != nil && on != nil {
			out = append(out, scores.CheckNames("profiles", "task", on, tasks)...)
		}
	}
	return out
}

const (
	leftOut    = "left_out"
	infeasible = "infeasible"
)

func (s *Stage) label(name string) string {
	return cmp.Or(s.Labels[name], strings.ReplaceAll(name, "_", " "))
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
