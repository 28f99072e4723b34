package tasks_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages"
)

func names(list ...string) cty.Value {
	out := []cty.Value{}
	for _, s := range list {
		out = append(out, cty.StringVal(s))
	}
	if len(out) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	return cty.ListVal(out)
}

func TestChecks(t *testing.T) {
	null := cty.MapVal(map[string]cty.Value{"a": cty.NullVal(cty.String)})
	for name, c := range map[string]struct {
		found []stages.Problem
		want  string
	}{
		"no tables":    {tasks.CheckTables(stages.Attrs{"tables": cty.ListValEmpty(cty.String)}), "at least one table"},
		"no tasks":     {tasks.CheckNames(stages.Attrs{"tasks": names()}, "tasks", "to look at"), "Name the tasks to look at."},
		"twice":        {tasks.CheckNames(stages.Attrs{"tasks": names("a", "b", "a")}, "tasks", ""), `"a" stands in tasks more than once`},
		"unknown task": {tasks.CheckKeys(stages.Attrs{"labels": cty.MapVal(map[string]cty.Value{"c": cty.StringVal("C")})}, "labels", []string{"a", "b"}), "Its tasks are a, b."},
		"better":       {tasks.CheckOrientation(stages.Attrs{"better": cty.MapVal(map[string]cty.Value{"a": cty.StringVal("up")})}), `this is "up"`},
		"rounding":     {tasks.CheckOrientation(stages.Attrs{"rounding": cty.MapVal(map[string]cty.Value{"a": cty.Zero})}), "this is 0"},
		"good":         {tasks.CheckNames(stages.Attrs{"tasks": names("a", "b")}, "tasks", ""), ""},
		"null":         {tasks.CheckOrientation(stages.Attrs{"better": null}), ""},
		"unknown":      {tasks.CheckNames(stages.Attrs{"tasks": cty.UnknownVal(cty.List(cty.String))}, "tasks", ""), ""},
	} {
		switch {
		case c.want == "" && len(c.found) > 0:
			t.Errorf("%s: %v", name, c.found)
		case c.want != "" && (len(c.found) != 1 || !strings.Contains(c.found[0].Detail, c.want)):
			t.Errorf("%s: %v, want %q", name, c.found, c.want)
		}
	}
}

func TestLower(t *testing.T) {
	s := &tasks.Set{Architectures: []int{0, 1}, Values: map[string][]float64{"a": {0.26, 0.74}}}
	raw, rounded := s.Lower("a", "higher", 4)
	if !slices.Equal(raw, []float64{-0.26, -0.74}) || !slices.Equal(rounded, []float64{-0.25, -0.75}) {
		t.Errorf("%v, rounded %v", raw, rounded)
	}
	if _, same := s.Lower("a", "", 0); !slices.Equal(same, []float64{0.26, 0.74}) {
		t.Errorf("without rounding %v", same)
	}
}
