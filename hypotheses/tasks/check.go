package tasks

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
)

// CheckTables reports a list of tables, attribute tables, that is empty.
func CheckTables(attrs stages.Attrs) []stages.Problem {
	if v, ok := attrs["tables"]; ok && v.IsKnown() && !v.IsNull() && v.LengthInt() == 0 {
		return []stages.Problem{{Attribute: "tables", Summary: "No tables", Detail: "Name at least one table, such as [preprocess.vision.table]."}}
	}
	return nil
}

// CheckNames reports an attribute that is to list tasks, and lists none, or one of
// them twice. why says what they are for.
func CheckNames(attrs stages.Attrs, attribute, why string) []stages.Problem {
	if !attrs.Known(attribute) {
		return nil
	}
	var out []stages.Problem
	names := attrs.Strings(attribute)
	if len(names) == 0 {
		out = append(out, stages.Problem{Attribute: attribute, Summary: "No tasks", Detail: "Name the tasks " + why + "."})
	}
	if name := Twice(names); name != "" {
		out = append(out, stages.Problem{
			Attribute: attribute, Summary: "Task named twice",
			Detail: fmt.Sprintf("%q stands in %s more than once. Name each task once.", name, attribute),
		})
	}
	return out
}

// CheckKeys reports keys of a map that are no task of the block; names may be nil
// where they are not known.
func CheckKeys(attrs stages.Attrs, attribute string, names []string) []stages.Problem {
	if names == nil || !attrs.Known(attribute) {
		return nil
	}
	var out []stages.Problem
	for _, task := range attrs.Strings(attribute) {
		if !slices.Contains(names, task) {
			out = append(out, stages.Problem{
				Attribute: attribute, Summary: "Unknown task",
				Detail: fmt.Sprintf("%q is no task of this block. Its tasks are %s.", task, strings.Join(names, ", ")),
			})
		}
	}
	return out
}

// CheckOrientation reports values of the attributes better (task to lower or
// higher) and rounding (task to denominator) that mean nothing.
func CheckOrientation(attrs stages.Attrs) []stages.Problem {
	var out []stages.Problem
	for task, v := range members(attrs, "better") {
		if b := v.AsString(); b != "lower" && b != "higher" {
			out = append(out, stages.Problem{
				Attribute: "better", Summary: "Neither lower nor higher",
				Detail: fmt.Sprintf("For %q this is %q. Say \"lower\" for errors and losses, \"higher\" for accuracies.", task, b),
			})
		}
	}
	for task, v := range members(attrs, "rounding") {
		if d, _ := v.AsBigFloat().Float64(); !(d > 0) || math.IsInf(d, 0) {
			out = append(out, stages.Problem{
				Attribute: "rounding", Summary: "Not a denominator",
				Detail: fmt.Sprintf("For %q this is %v. Give the number d of which values are multiples of 1/d, such as the size of the test set.", task, d),
			})
		}
	}
	return out
}

// members goes through what a known map holds, by its keys' order.
func members(attrs stages.Attrs, attribute string) func(yield func(string, cty.Value) bool) {
	return func(yield func(string, cty.Value) bool) {
		if !attrs.Known(attribute) {
			return
		}
		v, _ := attrs[attribute].Unmark()
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			k, _ = k.Unmark()
			e, _ = e.Unmark()
			if !e.IsNull() && !yield(k.AsString(), e) {
				return
			}
		}
	}
}

// Twice returns a name that occurs more than once, or "".
func Twice(names []string) string {
	for i, n := range names {
		if slices.Contains(names[:i], n) {
			return n
		}
	}
	return ""
}
