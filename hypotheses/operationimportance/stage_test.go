package operationimportance

import (
	"bytes"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

// space makes a table of all architectures from functions of the cell.
func space(t *testing.T, store stagetest.Store, columns map[string]func(nas.Cell) float64) cty.Value {
	t.Helper()
	numbers := make([]int64, nas.Size)
	for i := range numbers {
		numbers[i] = int64(i)
	}
	list := []table.Column{table.IntColumn(table.Architecture, numbers)}
	for _, name := range []string{"a", "b"} {
		f, ok := columns[name]
		if !ok {
			continue
		}
		values := make([]float64, nas.Size)
		for i := range values {
			values[i] = f(nas.At(i))
		}
		list = append(list, table.FloatColumn(name, values))
	}
	tb, err := table.New(list...)
	if err != nil {
		t.Fatal(err)
	}
	return store.Table(t, tb)
}

// additive is an error to which each edge adds its operation's cost.
func additive(cost [nas.NumOps]float64) func(nas.Cell) float64 {
	return func(c nas.Cell) float64 {
		sum := 0.0
		for _, op := range c {
			sum += cost[op]
		}
		return sum
	}
}

func block(tables cty.Value, names ...string) map[string]cty.Value {
	list := make([]cty.Value, len(names))
	for i, n := range names {
		list[i] = cty.StringVal(n)
	}
	return map[string]cty.Value{
		"tables": cty.ListVal([]cty.Value{tables}), "tasks": cty.ListVal(list), "resamples": cty.NumberIntVal(20),
	}
}

func value(t *testing.T, r *stagetest.Result, output string, members ...string) float64 {
	t.Helper()
	v, ok := r.Number(t, output, members...)
	if !ok {
		return math.NaN()
	}
	return v
}

// TestAdditiveErrors: where edges do not interact, the importance of an
// operation is known: the mean cost of the four others less its own.
func TestAdditiveErrors(t *testing.T) {
	cost := [nas.NumOps]float64{nas.None: 8, nas.SkipConnect: 2, nas.NorConv1x1: 1, nas.NorConv3x3: 0, nas.AvgPool3x3: 4}
	store := stagetest.Store{}
	tb := space(t, store, map[string]func(nas.Cell) float64{"a": additive(cost), "b": additive(cost)})
	attrs := block(tb, "a", "b")
	attrs["noise_band"] = cty.ObjectVal(map[string]cty.Value{"a": cty.NumberFloatVal(1.5), "b": cty.NumberFloatVal(3)})
	r, err := stagetest.Run(t, Kind, store, attrs)
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range operations {
		others := 0.0
		for _, o := range nas.Ops() {
			if o != op {
				others += cost[o]
			}
		}
		want := others/4 - cost[op]
		for _, m := range []string{"q1", "median", "q3", "whisker_low", "whisker_high"} {
			if got := value(t, r, "importance", "a", op.String(), m); math.Abs(got-want) > 1e-12 {
				t.Errorf("%s of %v is %v, want %v", m, op, got, want)
			}
		}
	}
	if got := value(t, r, "distance", "a", "b", "value"); got != 0 {
		t.Errorf("distance of a task from its copy is %v", got)
	}
	// Importances: 1x1 2.5, 3x3 3.75, skip 1.25, pool -1.25.
	if got := value(t, r, "useful_on", "median", "nor_conv_1x1"); got != 1 {
		t.Errorf("1x1 is useful on %v tasks, want 1", got)
	}
	if got := value(t, r, "universally_useful", "median"); got != 1 {
		t.Errorf("%v universally useful, want 1 (3x3)", got)
	}
	if got := value(t, r, "universally_redundant", "lower_quartile"); got != 2 {
		t.Errorf("%v universally redundant, want 2 (skip, pool)", got)
	}
	if got := value(t, r, "top"); got != 781 {
		t.Errorf("the top has %v, want 781", got)
	}
	best := nas.Cell{3, 3, 3, 3, 3, 3}
	if got := value(t, r, "best", "a", "index"); int(got) != nas.Index(best) {
		t.Errorf("best is %v, want %d", got, nas.Index(best))
	}
}

// TestTiesByNumber: a constant task has the first architectures as its top,
// importance 0, and no distance, since it has no spread.
func TestTiesByNumber(t *testing.T) {
	store := stagetest.Store{}
	constant := func(nas.Cell) float64 { return 0.5 }
	tb := space(t, store, map[string]func(nas.Cell) float64{"a": constant, "b": additive([nas.NumOps]float64{5, 4, 3, 2, 1})})
	r, err := stagetest.Run(t, Kind, store, block(tb, "a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	if got := value(t, r, "best", "a", "index"); got != 0 {
		t.Errorf("best is %v, want 0", got)
	}
	if got := value(t, r, "importance", "a", "skip_connect", "median"); got != 0 {
		t.Errorf("importance %v, want 0", got)
	}
	if got := value(t, r, "distance", "a", "b", "value"); !math.IsNaN(got) {
		t.Errorf("distance %v, want null", got)
	}
}

func TestMissingNeighbours(t *testing.T) {
	tb, err := table.New(table.IntColumn(table.Architecture, []int64{7}), table.FloatColumn("a", []float64{0.5}))
	if err != nil {
		t.Fatal(err)
	}
	store := stagetest.Store{}
	attrs := block(store.Table(t, tb), "a")
	attrs["fraction"] = cty.NumberIntVal(1)
	r, err := stagetest.Run(t, Kind, store, attrs)
	if err != nil {
		t.Fatal(err)
	}
	if value(t, r, "left_out") == 0 || len(r.Warnings) != 1 {
		t.Errorf("left out %v, warnings %q", value(t, r, "left_out"), r.Warnings)
	}
	if got := value(t, r, "importance", "a", "nor_conv_3x3", "median"); !math.IsNaN(got) {
		t.Errorf("median %v, want null", got)
	}
	delete(attrs, "fraction")
	if _, err := stagetest.Run(t, Kind, store, attrs); err == nil || !strings.Contains(err.Error(), "raise fraction") {
		t.Errorf("error %v", err)
	}
}

func TestMisspeltTask(t *testing.T) {
	store := stagetest.Store{}
	tb := space(t, store, map[string]func(nas.Cell) float64{"a": additive([nas.NumOps]float64{5, 4, 3, 2, 1})})
	if _, err := stagetest.Run(t, Kind, store, block(tb, "A")); err == nil || !strings.Contains(err.Error(), `did you mean "a"?`) {
		t.Errorf("error %v", err)
	}
}

// TestSamplerAgreesWithTop: the quick path of a resample gives what choosing,
// pooling and sorting gives, also where the top reaches deep.
func TestSamplerAgreesWithTop(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	set := &tasks.Set{Names: []string{"a"}, Values: map[string][]float64{}}
	for i := range nas.Size {
		set.Architectures = append(set.Architectures, i)
		set.Values["a"] = append(set.Values["a"], math.Round(random.Float64()*500)/500)
	}
	s := newSampler(newProfile(set, "a"), 300)
	for _, share := range []float64{1, 0.05} { // 0.05: most weights are 0, so that it goes beyond the depth
		times := make([]int32, nas.Size)
		for i := range times {
			if random.Float64() < share {
				times[i] = int32(random.IntN(4))
			}
		}
		slow, _ := s.top(300, times)
		if got := distance(slow.scaled(), s.scaledTop(300, times)); !(got < 1e-15) {
			t.Errorf("share %v: the two ways differ by %v", share, got)
		}
	}
}

func TestCheck(t *testing.T) {
	text, number := cty.StringVal, cty.NumberFloatVal
	cases := map[string]struct {
		attribute string
		value     cty.Value
	}{
		"twice":        {"tasks", cty.ListVal([]cty.Value{text("a"), text("a")})},
		"no tasks":     {"tasks", cty.ListValEmpty(cty.String)},
		"unknown task": {"noise_band", cty.ObjectVal(map[string]cty.Value{"nina": number(0.1)})},
		"fraction":     {"fraction", number(5)},
		"resamples":    {"resamples", number(0)},
		"no tables":    {"tables", cty.ListValEmpty(stages.TableType)},
	}
	tb := stages.TableValue(stages.Table{})
	if p := stagetest.Problems(t, Kind, block(tb, "a")); len(p) > 0 {
		t.Errorf("a good block has problems: %v", p)
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			attrs := block(tb, "a")
			attrs[c.attribute] = c.value
			if p := stagetest.Problems(t, Kind, attrs); len(p) != 1 || p[0].Detail == "" {
				t.Errorf("problems %+v, want one", p)
			}
		})
	}
}

func TestSameBitsOnAnyNumberOfCores(t *testing.T) {
	var first []byte
	for _, cores := range []int{1, 4} {
		old := runtime.GOMAXPROCS(cores)
		store := stagetest.Store{}
		tb := space(t, store, map[string]func(nas.Cell) float64{
			"a": additive([nas.NumOps]float64{5, 4.1, 3.3, 2.2, 1}), "b": func(c nas.Cell) float64 { return float64(nas.Index(c) * 7919 % 1009) },
		})
		r, err := stagetest.Run(t, Kind, store, block(tb, "a", "b"))
		runtime.GOMAXPROCS(old)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := stages.EncodeJSON(cty.ObjectVal(r.Values))
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, r.Files["figure"]...)
		if first != nil && !bytes.Equal(first, raw) {
			t.Error("outputs differ")
		}
		first = raw
	}
}
