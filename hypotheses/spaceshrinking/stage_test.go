package spaceshrinking

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

// values is a table of the number of nor_conv_3x3 of each cell, 1.2 on average, of
// which only the best cell has 6; and of its negative.
func values(t *testing.T, store stagetest.Store) cty.Value {
	t.Helper()
	numbers, up, down := make([]int64, nas.Size), make([]float64, nas.Size), make([]float64, nas.Size)
	for i := range numbers {
		numbers[i] = int64(i)
		for _, op := range nas.At(i) {
			if op == nas.NorConv3x3 {
				up[i]++
				down[i]--
			}
		}
	}
	tb, err := table.New(table.IntColumn(table.Architecture, numbers), table.FloatColumn("up", up), table.FloatColumn("down", down))
	if err != nil {
		t.Fatal(err)
	}
	return store.Table(t, tb)
}

// spaces is a table of a space a run.
func spaces(t *testing.T, store stagetest.Store, runs ...[]nas.Cell) cty.Value {
	t.Helper()
	var run, architecture []int64
	for r, cells := range runs {
		for _, c := range cells {
			run, architecture = append(run, int64(r)), append(architecture, int64(nas.Index(c)))
		}
	}
	tb, err := table.New(table.IntColumn("run", run), table.IntColumn(table.Architecture, architecture))
	if err != nil {
		t.Fatal(err)
	}
	return store.Table(t, tb)
}

var (
	best = nas.Cell{3, 3, 3, 3, 3, 3} // 6
	good = nas.Cell{3, 3, 3, 3, 3, 1} // 5, one edit from best
	bad  = nas.Cell{}                 // 0, six edits from best, and from good
)

func task(tb cty.Value, columns string, spaces map[string]cty.Value) cty.Value {
	members := map[string]cty.Value{"table": tb, "task": cty.StringVal("up"), "spaces": cty.ObjectVal(spaces), "direction": cty.StringVal("maximise"), "report": cty.NullVal(cty.String)}
	if columns == "both" {
		members["report"], members["direction"] = cty.StringVal("down"), cty.StringVal("minimise")
	}
	return cty.ObjectVal(members)
}

func block(tasks map[string]cty.Value, more map[string]cty.Value) map[string]cty.Value {
	out := map[string]cty.Value{"tasks": cty.ObjectVal(tasks), "top": cty.NumberFloatVal(1.0 / nas.Size), "resamples": cty.NumberIntVal(200)}
	for k, v := range more {
		out[k] = v
	}
	return out
}

func TestByHand(t *testing.T) {
	store := stagetest.Store{}
	tb := values(t, store)
	methods := map[string]cty.Value{
		"pockets": spaces(t, store, []nas.Cell{best, good}, []nas.Cell{best, bad}),
		"pruned":  spaces(t, store, []nas.Cell{bad, good}, []nas.Cell{bad, good}),
		// Cut to two, whatever is drawn of it is 5 on average.
		"large": spaces(t, store, []nas.Cell{good, {1, 3, 3, 3, 3, 3}, {2, 3, 3, 3, 3, 3}}, []nas.Cell{good, {0, 3, 3, 3, 3, 3}, {4, 3, 3, 3, 3, 3}}),
	}
	r, err := stagetest.Run(t, Kind, store, block(map[string]cty.Value{"one": task(tb, "one", methods), "two": task(tb, "both", methods)}, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want    float64
		members []string
	}{
		{2.0 / nas.Size, []string{"equal_size", "one", "value"}}, {2, []string{"runs"}},
		{2.0 / nas.Size, []string{"size_ratio", "one", "pockets", "value"}}, {3.0 / nas.Size, []string{"size_ratio", "one", "large", "value"}},
		{2.0 / nas.Size, []string{"size_ratio", "one", "random", "value"}},
		{(5.5+3)/2 - 1.2, []string{"mean_gain", "one", "pockets", "value"}}, {2.5 - 1.2, []string{"mean_gain", "one", "pruned", "value"}},
		{5 - 1.2, []string{"mean_gain", "one", "large", "value"}},
		{1, []string{"recall", "one", "pockets", "value"}}, {0, []string{"recall", "one", "large", "value"}},
		{3.5, []string{"diversity", "one", "pockets", "value"}}, {6, []string{"diversity", "one", "pruned", "value"}},
		{1.5, []string{"pockets", "one", "pockets", "value"}}, {2, []string{"pockets", "one", "pruned", "value"}},
		{1.75, []string{"advantage", "one", "pruned", "mean_gain", "value"}}, {1, []string{"advantage", "one", "pruned", "recall", "value"}},
		{-2.5, []string{"advantage", "one", "pruned", "diversity", "value"}},
		// Judged by the negative, of which lower is better: the same gains.
		{(5.5+3)/2 - 1.2, []string{"mean_gain", "two", "pockets", "value"}}, {-1, []string{"tau", "two", "pockets", "value"}},
		{-1, []string{"tau_all", "two", "value"}}, {nas.Size, []string{"tau_all", "two", "n"}},
	} {
		if got, ok := r.Number(t, c.members[0], c.members[1:]...); !ok || math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v is %v, want %v", c.members, got, c.want)
		}
	}
	for _, members := range [][]string{{"tau", "one", "pockets", "value"}, {"tau_all", "one", "value"}, {"advantage", "one", "pruned", "tau", "ci_low"}} {
		if v, ok := r.Number(t, members[0], members[1:]...); ok {
			t.Errorf("%v of one column is %v", members, v)
		}
	}
	low, _ := r.Number(t, "mean_gain", "one", "pockets", "ci_low")
	high, _ := r.Number(t, "mean_gain", "one", "pockets", "ci_high")
	if math.Abs(low-1.8) > 1e-12 || math.Abs(high-4.3) > 1e-12 {
		t.Errorf("the interval of two runs is %v to %v", low, high)
	}
	checkFigure(t, r.Files["figure"])
}

func checkFigure(t *testing.T, doc []byte) {
	t.Helper()
	for _, want := range []string{"<svg", "mean gain", "share kept of the top", "pruned", "random"} {
		if !bytes.Contains(doc, []byte(want)) {
			t.Errorf("the figure lacks %q", want)
		}
	}
	if bytes.Contains(doc, []byte("NaN")) {
		t.Error("the figure holds NaN")
	}
	for d := xml.NewDecoder(bytes.NewReader(doc)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestDrawsAreOfTheSeed: the same twice, others with another seed.
func TestDrawsAreOfTheSeed(t *testing.T) {
	store := stagetest.Store{}
	tb := values(t, store)
	tasks := map[string]cty.Value{"one": task(tb, "one", map[string]cty.Value{"pockets": spaces(t, store, []nas.Cell{best, good}, []nas.Cell{best, bad})})}
	var seen []float64
	for _, seed := range []int64{1, 1, 2} {
		r, err := stagetest.Run(t, Kind, store, block(tasks, map[string]cty.Value{"seed": cty.NumberIntVal(seed)}))
		if err != nil {
			t.Fatal(err)
		}
		v, _ := r.Number(t, "diversity", "one", "random", "value")
		seen = append(seen, v)
	}
	if seen[0] != seen[1] || seen[0] == seen[2] {
		t.Errorf("random spaces of seeds 1, 1, 2 have the diversities %v", seen)
	}
}

func TestErrors(t *testing.T) {
	store := stagetest.Store{}
	tb := values(t, store)
	pair := spaces(t, store, []nas.Cell{best, good}, []nas.Cell{best})
	strange, err := table.New(table.IntColumn("run", []int64{0}), table.IntColumn(table.Architecture, []int64{15625}))
	if err != nil {
		t.Fatal(err)
	}
	none, err := table.New(table.IntColumn("run", nil), table.IntColumn(table.Architecture, nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		other cty.Value
		want  string
	}{
		"other runs": {spaces(t, store, []nas.Cell{best}), "1 runs"}, "twice": {spaces(t, store, []nas.Cell{best, best}, []nas.Cell{best}), "run 0 names an architecture twice"},
		"no cell": {store.Table(t, strange), "architecture 15625"}, "no runs": {store.Table(t, none), "runs"}, "no spaces": {tb, `no column "run"`},
	} {
		attrs := block(map[string]cty.Value{"one": task(tb, "one", map[string]cty.Value{"pockets": pair, "other": c.other})}, nil)
		if _, err := stagetest.Run(t, Kind, store, attrs); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "spaces of") {
			t.Errorf("%s: %v", name, err)
		}
	}
	attrs := block(map[string]cty.Value{"one": task(pair, "one", map[string]cty.Value{"pockets": pair})}, nil)
	if _, err := stagetest.Run(t, Kind, store, attrs); err == nil || !strings.Contains(err.Error(), "tasks: one: task: the table") {
		t.Errorf("a table without values: %v", err)
	}
}

func TestCheck(t *testing.T) {
	store := stagetest.Store{}
	tb := values(t, store)
	s := spaces(t, store, []nas.Cell{best})
	one := task(tb, "one", map[string]cty.Value{"pockets": s})
	members := one.AsValueMap()
	members["direction"] = cty.StringVal("up")
	for name, c := range map[string]struct {
		attrs     map[string]cty.Value
		attribute string
	}{
		"no tasks":      {map[string]cty.Value{"tasks": cty.EmptyObjectVal}, "tasks"},
		"no methods":    {block(map[string]cty.Value{"one": task(tb, "one", map[string]cty.Value{})}, nil), "tasks"},
		"other methods": {block(map[string]cty.Value{"one": one, "two": task(tb, "one", map[string]cty.Value{"pockets": s, "x": s})}, nil), "tasks"},
		"reserved":      {block(map[string]cty.Value{"one": task(tb, "one", map[string]cty.Value{"pockets": s, "random": s})}, nil), "tasks"},
		"direction":     {block(map[string]cty.Value{"one": cty.ObjectVal(members)}, nil), "tasks"},
		"reference":     {block(map[string]cty.Value{"one": one}, map[string]cty.Value{"reference": cty.StringVal("x")}), "reference"},
		"top":           {block(map[string]cty.Value{"one": one}, map[string]cty.Value{"top": cty.Zero}), "top"},
		"resamples":     {block(map[string]cty.Value{"one": one}, map[string]cty.Value{"resamples": cty.Zero}), "resamples"},
		"labels":        {block(map[string]cty.Value{"one": one}, map[string]cty.Value{"labels": cty.ObjectVal(map[string]cty.Value{"x": cty.StringVal("X")})}), "labels"},
	} {
		if p := stagetest.Problems(t, Kind, c.attrs); len(p) != 1 || p[0].Attribute != c.attribute || p[0].Detail == "" {
			t.Errorf("%s: problems %+v, want one of %s", name, p, c.attribute)
		}
	}
	if p := stagetest.Problems(t, Kind, block(map[string]cty.Value{"one": one}, nil)); len(p) > 0 {
		t.Errorf("a good block has problems: %v", p)
	}
}

// TestTypesAreKnownBeforeTheRun: tasks and methods are known, their tables are not.
func TestTypesAreKnownBeforeTheRun(t *testing.T) {
	unknown := cty.ObjectVal(map[string]cty.Value{
		"table": cty.UnknownVal(stages.TableType), "task": cty.StringVal("up"), "report": cty.NullVal(cty.String), "direction": cty.StringVal("maximise"),
		"spaces": cty.MapVal(map[string]cty.Value{"pockets": cty.UnknownVal(stages.TableType), "pruned": cty.UnknownVal(stages.TableType)}),
	})
	attrs := stages.Attrs{"tasks": cty.MapVal(map[string]cty.Value{"one": unknown}), "reference": cty.StringVal("pockets")}
	types := (&Stage{}).OutputTypes(attrs)
	a := types["advantage"].AttributeType("one")
	if !a.HasAttribute("pruned") || !a.HasAttribute("random") || a.HasAttribute("pockets") || !a.AttributeType("pruned").HasAttribute("recall") {
		t.Errorf("advantage is %#v", a)
	}
	if p := (&Stage{}).Check(attrs); len(p) > 0 {
		t.Errorf("problems %v", p)
	}
	for name, v := range map[string]cty.Value{"unknown": cty.DynamicVal, "null": cty.NullVal(cty.DynamicPseudoType), "null task": cty.MapVal(map[string]cty.Value{"one": cty.NullVal(unknown.Type())})} {
		if types := (&Stage{}).OutputTypes(stages.Attrs{"tasks": v}); types["runs"] != cty.Number {
			t.Errorf("%s: %#v", name, types)
		}
		(&Stage{}).Check(stages.Attrs{"tasks": v})
	}
}
