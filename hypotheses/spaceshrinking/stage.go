package spaceshrinking

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/stages"
)

// Stage is a block `hypothesis "space_shrinking"`.
type Stage struct {
	Tasks     map[string]Task   `attr:"tasks,key" doc:"Task to its values and to the spaces that each method left: { cifar100 = { table = ..., task = \"val_12\", report = \"test_200\", spaces = { pockets = search.pockets.spaces } } }. Every task has the same methods."`
	Reference string            `attr:"reference,key" default:"\"pockets\"" doc:"Method that the others are compared with."`
	Top       float64           `attr:"top,key" default:"0.01" doc:"Share of all architectures, the best by report, whose recall is given."`
	Resamples int               `attr:"resamples,key" default:"2000" doc:"Resamples of runs behind each interval."`
	Seed      uint64            `attr:"seed,key" default:"777" doc:"Seed of the drawn spaces and of the resampling."`
	Labels    map[string]string `attr:"labels,key,optional" doc:"Task or method to its name in the figure, such as CIFAR-100."`
}

// Task is a task's values and what the methods left of the space.
type Task struct {
	Table     stages.Table            `attr:"table" doc:"Table of all 15,625 architectures."`
	Task      string                  `attr:"task" doc:"Column that the searches saw."`
	Report    string                  `attr:"report,optional" doc:"Column by which spaces are judged; task where it is left out."`
	Direction string                  `attr:"direction" default:"\"maximise\"" doc:"maximise or minimise: of both columns."`
	Spaces    map[string]stages.Table `attr:"spaces" doc:"Method to the output spaces of its search."`
}

// Kind is the kind `hypothesis "space_shrinking"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block:   "hypothesis",
	Type:    "space_shrinking",
	Version: 1,
	Doc: "What is a shrunk space worth beside one of equal size made in another way? Mean gain, recall of the true top, diversity and tau-b of fidelities inside, " +
		"of the pockets of LISSNAS (IJCAI 2023), of pruned operations and of random architectures, with intervals over runs.",
	Reproducible: true,
	Outputs: map[string]string{
		"size_ratio": "By task and method: size of the space as the search left it, as a share of all architectures.",
		"pockets":    "By task and method: parts of that space that no single edit joins.",
		"equal_size": "By task: architectures to which a run's spaces are cut before they are compared.",
		"mean_gain":  "By task and method, at equal size: by how much the average is better than that of all, in the unit of report.",
		"recall":     "By task and method, at equal size: share of the true top that is still there.",
		"diversity":  "By task and method, at equal size: mean number of edits between two members.",
		"tau":        "By task and method, at equal size: Kendall's tau-b of `task` and `report`; null where these are one column.",
		"advantage":  "By task, other method and measure (mean_gain, recall, diversity, tau): the reference's value less the method's, run by run.",
		"tau_all":    "By task: Kendall's tau-b of `task` and `report` over all architectures; null where these are one column.",
		"runs":       "Over how many runs the means are.",
		"figure":     "Mean gain and recall of each method at equal size, by task.",
	},
})

// drawn is the method that this kind adds.
const drawn = "random"

// measures are taken at equal size, in this order.
var measures = []string{"mean_gain", "recall", "diversity", "tau"}

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(attrs stages.Attrs) map[string]cty.Type {
	names, methods := namesOf(attrs)
	var others []string
	if methods != nil {
		methods = append(methods, drawn)
		if attrs.Known("reference") {
			others = estimate.Without(methods, stages.Text(attrs["reference"]))
		}
	}
	each := estimate.ByName(names, estimate.ByName(methods, estimate.IntervalType))
	types := map[string]cty.Type{
		"size_ratio": each, "pockets": each,
		"equal_size": estimate.ByName(names, estimate.IntervalType),
		"advantage":  estimate.ByName(names, estimate.ByName(others, estimate.ByName(measures, estimate.IntervalType))),
		"tau_all":    estimate.ByName(names, estimate.CorrelationType),
		"runs":       cty.Number,
		"figure":     stages.FileType,
	}
	for _, m := range measures {
		types[m] = each
	}
	return types
}

// namesOf returns the tasks, and the methods if all tasks have the same, sorted; nil
// where they are not known, or wrong.
func namesOf(attrs stages.Attrs) (names, methods []string) {
	names = stages.Keys(attrs["tasks"])
	for i, name := range names {
		these := stages.Keys(part(attrs, name, "spaces"))
		if len(these) == 0 || i > 0 && !slices.Equal(these, methods) {
			return names, nil
		}
		methods = these
	}
	if len(names) == 0 {
		return nil, nil
	}
	return names, methods
}

// part is a known attribute of a task, cty.NilVal where it is not known.
func part(attrs stages.Attrs, task, attribute string) cty.Value {
	v, _ := stages.Member(attrs["tasks"], task).Unmark()
	if !v.IsKnown() || v.IsNull() {
		return cty.NilVal
	}
	return v.GetAttr(attribute)
}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	var out []stages.Problem
	problem := func(attribute, summary, detail string, args ...any) {
		out = append(out, stages.Problem{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(detail, args...)})
	}
	out = append(out, estimate.CheckCount(attrs, "resamples", maxResamples)...)
	if attrs.Known("top") {
		if f := stages.Number(attrs["top"]); !(f > 0 && f <= 1) {
			problem("top", "Not a fraction", "%v is outside 0 to 1. The best one per cent is 0.01.", f)
		}
	}
	v := attrs["tasks"]
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return out
	}
	names, methods := namesOf(attrs)
	if len(names) == 0 {
		problem("tasks", "No tasks", "Give each task its table, columns and spaces.")
		return out
	}
	for _, name := range names {
		these := stages.Keys(part(attrs, name, "spaces"))
		if first := stages.Keys(part(attrs, names[0], "spaces")); these != nil && first != nil && (len(these) == 0 || !slices.Equal(these, first)) {
			problem("tasks", "Tasks with different methods", "%q has %s, %q has %s. Every task needs the same methods, and at least one.", names[0], list(first), name, list(these))
			return out
		}
	}
	if methods == nil {
		return out
	}
	if slices.Contains(methods, drawn) {
		problem("tasks", "Reserved name", "%q is the method that this block adds. Give your own another name.", drawn)
	}
	if attrs.Known("reference") && !slices.Contains(methods, stages.Text(attrs["reference"])) {
		problem("reference", "Unknown method", "%q has no spaces. The methods are %s.", stages.Text(attrs["reference"]), list(methods))
	}
	if attrs.Known("labels") {
		for _, name := range attrs.Strings("labels") {
			if !slices.Contains(names, name) && !slices.Contains(methods, name) && name != drawn {
				problem("labels", "Unknown name", "%q is no task and no method. Tasks: %s. Methods: %s, %s.", name, list(names), list(methods), drawn)
			}
		}
	}
	return append(out, checkDirections(attrs, names)...)
}

const maxResamples = 100_000

func checkDirections(attrs stages.Attrs, names []string) []stages.Problem {
	var out []stages.Problem
	for _, task := range names {
		d := part(attrs, task, "direction")
		if d == cty.NilVal || !d.IsKnown() || d.IsNull() {
			continue
		}
		if s := stages.Text(d); s != "maximise" && s != "minimise" {
			out = append(out, stages.Problem{
				Attribute: "tasks", Summary: "Unknown direction",
				Detail: fmt.Sprintf("That of %q is %q; it is maximise, for accuracies, or minimise, for errors.", task, s),
			})
		}
	}
	return out
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
