package scores

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/stages"
)

// Bounds of a block: a table of scores is small, and every pair of methods is
// compared.
const (
	MaxMethods   = 50
	MaxTasks     = 200
	MaxResamples = 100_000
	maxDraws     = 20_000_000 // methods times tasks times resamples, 8 bytes each
)

// Names are the methods and tasks of a block: what the attributes methods and tasks
// list, else all of results, sorted. nil where they are not known.
func Names(attrs stages.Attrs) (methods, tasks []string) {
	v, ok := attrs["results"]
	if !ok {
		return nil, nil
	}
	methods = stages.Keys(v)
	seen := map[string]bool{}
	for _, m := range methods {
		row := stages.Member(v, m)
		if !known(row) {
			seen = nil
			break
		}
		for _, t := range stages.Keys(row) {
			seen[t] = true
		}
	}
	if methods != nil && seen != nil {
		tasks = slices.Sorted(maps.Keys(seen))
	}
	return listed(attrs, "methods", methods), listed(attrs, "tasks", tasks)
}

// listed is an optional list of names, or what stands in its place.
func listed(attrs stages.Attrs, name string, otherwise []string) []string {
	v, ok := attrs[name]
	switch {
	case !ok || v.IsNull():
		return otherwise
	case !attrs.Known(name):
		return nil
	}
	return attrs.Strings(name)
}

// Check looks at what Score, methods, tasks, resamples and labels may be. extra are
// further names that labels may have.
func Check(attrs stages.Attrs, extra ...string) []stages.Problem {
	var out []stages.Problem
	problem := func(attribute, summary, detail string, args ...any) {
		out = append(out, stages.Problem{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(detail, args...)})
	}
	out = append(out, estimate.CheckCount(attrs, "resamples", MaxResamples)...)
	allMethods, allTasks := Names(stages.Attrs{"results": attrs["results"]})
	if attrs["results"] == cty.NilVal || allMethods == nil {
		return out
	}
	if len(allMethods) == 0 || allTasks != nil && len(allTasks) == 0 {
		problem("results", "No results", "Name the errors by method and task: { gaea = { cifar100 = { value = 24.02, sd = 1.92, n = 3 } } }.")
		return out
	}
	for name, all := range map[string][]string{"methods": allMethods, "tasks": allTasks} {
		if all != nil && attrs.Known(name) {
			out = append(out, checkListed(name, attrs.Strings(name), all)...)
		}
	}
	methods, tasks := Names(attrs)
	if d := checkScores(attrs, methods, tasks); d != nil {
		out = append(out, *d)
	}
	if n := len(methods) * len(tasks); len(methods) > MaxMethods || len(tasks) > MaxTasks || attrs.Known("resamples") && float64(n)*stages.Number(attrs["resamples"]) > maxDraws {
		problem("results", "Too many results", "%d methods on %d tasks: a block takes %d methods and %d tasks, and methods x tasks x resamples up to %d. Name fewer in methods or tasks, or lower resamples.",
			len(methods), len(tasks), MaxMethods, MaxTasks, maxDraws)
	}
	if allTasks != nil && attrs.Known("labels") {
		for _, name := range attrs.Strings("labels") {
			if !slices.Contains(allMethods, name) && !slices.Contains(allTasks, name) && !slices.Contains(extra, name) {
				problem("labels", "Unknown name", "%q is no method and no task of results. Methods: %s. Tasks: %s.", name, list(allMethods), list(allTasks))
			}
		}
	}
	return out
}

// checkScores finds the first score that cannot be read, among those that are known.
func checkScores(attrs stages.Attrs, methods, tasks []string) *stages.Problem {
	if v, ok := attrs["seeds"]; ok && !v.IsKnown() {
		return nil
	}
	seeds := math.NaN()
	if attrs.Known("seeds") {
		seeds = stages.Number(attrs["seeds"])
	}
	for _, m := range methods {
		if !slices.Contains(stages.Keys(attrs["results"]), m) {
			continue // reported
		}
		row := stages.Member(attrs["results"], m)
		for _, task := range stages.Keys(row) {
			v := stages.Member(row, task)
			if !slices.Contains(tasks, task) || !v.IsWhollyKnown() || v.IsNull() {
				continue
			}
			score := Score{Value: numberIn(v, "value"), SD: numberIn(v, "sd"), N: numberIn(v, "n")}
			if _, _, err := score.read(seeds); err != nil {
				return &stages.Problem{Attribute: "results", Summary: "Wrong score", Detail: fmt.Sprintf("%s on %s: %v.", m, task, err)}
			}
		}
	}
	return nil
}

// numberIn is a number among an object's members; nil where it is null or missing.
func numberIn(v cty.Value, name string) *float64 {
	v, _ = v.Unmark()
	if !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
		return nil
	}
	n := v.GetAttr(name)
	if n.IsNull() || n.Type() != cty.Number {
		return nil
	}
	f := stages.Number(n)
	return &f
}

// checkListed checks a list of names against those that there are.
func checkListed(attribute string, names, all []string) []stages.Problem {
	one := strings.TrimSuffix(attribute, "s")
	if len(names) == 0 {
		return []stages.Problem{{Attribute: attribute, Summary: "No " + attribute, Detail: fmt.Sprintf("Name at least one %s of results, or leave %s out for all: %s.", one, attribute, list(all))}}
	}
	return CheckNames(attribute, one, names, all)
}

// CheckNames checks that names are among those that there are, each once. one says
// what they are.
func CheckNames(attribute, one string, names, all []string) []stages.Problem {
	var out []stages.Problem
	for i, name := range names {
		switch {
		case !slices.Contains(all, name):
			out = append(out, stages.Problem{Attribute: attribute, Summary: "Unknown " + one, Detail: fmt.Sprintf("%q is no %s of results. There are %s.", name, one, list(all))})
		case slices.Contains(names[:i], name):
			out = append(out, stages.Problem{Attribute: attribute, Summary: "Named twice", Detail: fmt.Sprintf("%q stands in %s more than once. Name it once.", name, attribute)})
		}
	}
	return out
}

func list(names []string) string { return strings.Join(names, ", ") }

func known(v cty.Value) bool { return v != cty.NilVal && v.IsKnown() && !v.IsNull() }
