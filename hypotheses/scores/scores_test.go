package scores

import (
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages"
)

func p(v float64) *float64 { return &v }

func TestTable(t *testing.T) {
	results := map[string]map[string]Score{
		"a": {"x": {Value: p(4), SD: p(6), N: p(9)}, "y": {Value: p(1), SD: p(0)}},
		"b": {"x": {Value: p(5), SD: p(6)}, "z": {}},
	}
	if got := TasksOf(results); !slices.Equal(got, []string{"x", "y", "z"}) {
		t.Errorf("tasks %v", got)
	}
	table, err := New(results, MethodsOf(results), TasksOf(results), 4)
	if err != nil {
		t.Fatal(err)
	}
	if table.Mean.At(0, 1) != 1 || table.Mean.At(1, 0) != 5 || !math.IsNaN(table.Mean.At(1, 1)) || !math.IsNaN(table.Mean.At(1, 2)) {
		t.Errorf("means %v", table.Mean)
	}
	if !slices.Equal(table.stdErr, []float64{2, 0, 0, 3, 0, 0}) { // a's own 9 seeds, the block's 4
		t.Errorf("standard errors %v", table.stdErr)
	}
	redraws, err := table.Redraws(400, 7)
	if err != nil {
		t.Fatal(err)
	}
	lowest := math.Inf(1)
	for _, g := range redraws {
		lowest = min(lowest, g.At(0, 0))
		if g.At(0, 1) != 1 || !math.IsNaN(g.At(1, 2)) {
			t.Fatalf("a redraw has %v", g)
		}
	}
	if lowest != 0 { // 4 with a standard error of 2 goes below 0 once in 44
		t.Errorf("the lowest redraw is %v", lowest)
	}
}

// TestIntervalOfARedrawnMean has the normal distribution's own answer.
func TestIntervalOfARedrawnMean(t *testing.T) {
	table, err := New(map[string]map[string]Score{"a": {"x": {Value: p(100), SD: p(3), N: p(9)}}}, []string{"a"}, []string{"x"}, math.NaN())
	if err != nil {
		t.Fatal(err)
	}
	interval := func() stats.Interval {
		redraws, err := table.Redraws(100_000, 1)
		if err != nil {
			t.Fatal(err)
		}
		return Interval(table.Mean, redraws, 1, func(g Grid) float64 { return g.At(0, 0) })
	}
	i := interval()
	if math.Abs(i.Low-98.040036) > 0.03 || math.Abs(i.High-101.959964) > 0.03 || i.Value != 100 {
		t.Errorf("interval %+v", i)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if j := interval(); j != i {
		t.Errorf("on one core %+v, on all %+v", j, i)
	}
}

func TestNoSpread(t *testing.T) {
	table, err := New(map[string]map[string]Score{"a": {"x": {Value: p(1)}}}, []string{"a"}, []string{"x"}, math.NaN())
	if err != nil {
		t.Fatal(err)
	}
	redraws, err := table.Redraws(10, 1)
	if err != nil || redraws != nil {
		t.Errorf("%v, %v", redraws, err)
	}
	if i := Interval(table.Mean, redraws, 1, func(g Grid) float64 { return g.At(0, 0) }); i.Value != 1 || !math.IsNaN(i.Low) {
		t.Errorf("interval %+v", i)
	}
}

func TestNames(t *testing.T) {
	row := func(tasks ...string) cty.Value {
		m := map[string]cty.Value{}
		for _, task := range tasks {
			m[task] = cty.NumberIntVal(1)
		}
		return cty.ObjectVal(m)
	}
	list := cty.ListVal([]cty.Value{cty.StringVal("y")})
	results := cty.ObjectVal(map[string]cty.Value{"b": row("x"), "a": row("y", "z")})
	for name, c := range map[string]struct {
		attrs          stages.Attrs
		methods, tasks []string
	}{
		"all":                  {stages.Attrs{"results": results}, []string{"a", "b"}, []string{"x", "y", "z"}},
		"listed":               {stages.Attrs{"results": results, "tasks": list, "methods": cty.NullVal(cty.List(cty.String))}, []string{"a", "b"}, []string{"y"}},
		"not known":            {stages.Attrs{"results": cty.DynamicVal}, nil, nil},
		"list not known":       {stages.Attrs{"results": results, "tasks": cty.UnknownVal(cty.List(cty.String))}, []string{"a", "b"}, nil},
		"a row not known":      {stages.Attrs{"results": cty.ObjectVal(map[string]cty.Value{"a": cty.DynamicVal, "b": row("x")})}, []string{"a", "b"}, nil},
		"listed, nothing else": {stages.Attrs{"results": cty.DynamicVal, "tasks": list}, nil, []string{"y"}},
		"null":                 {stages.Attrs{"results": cty.NullVal(cty.DynamicPseudoType)}, nil, nil},
		"no results":           {stages.Attrs{}, nil, nil},
	} {
		methods, tasks := Names(c.attrs)
		if !slices.Equal(methods, c.methods) || !slices.Equal(tasks, c.tasks) || (tasks == nil) != (c.tasks == nil) {
			t.Errorf("%s: %v and %v, want %v and %v", name, methods, tasks, c.methods, c.tasks)
		}
	}
}
