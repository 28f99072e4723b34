package search

import (
	"bytes"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

// columns are made accuracies after 12 and 200 epochs, and multiply-accumulates.
func columns() map[string][]float64 {
	out := map[string][]float64{}
	for i := range nas.Size {
		c := nas.At(i)
		v := 30.0
		for e, op := range c {
			v += [...]float64{0, 3, 4, 6, 1}[op] * (1 + float64(e)/8)
		}
		noise := float64(uint32(i*2654435761)) / (1 << 32)
		out["val12"] = append(out["val12"], v+3*noise)
		out["test200"] = append(out["test200"], v+20-2*noise)
		out["error"] = append(out["error"], 1-(v+3*noise)/100)
		out["flops"] = append(out["flops"], float64(nas.FLOPs(c, nas.CIFAR100))/1e6)
	}
	return out
}

func madeTable(tb testing.TB, store stagetest.Store, change func(map[string][]float64)) cty.Value {
	tb.Helper()
	values := columns()
	if change != nil {
		change(values)
	}
	numbers := make([]int64, nas.Size)
	for i := range numbers {
		numbers[i] = int64(i)
	}
	list := []table.Column{table.IntColumn(table.Architecture, numbers)}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, table.FloatColumn(name, values[name]))
	}
	t, err := table.New(list...)
	if err != nil {
		tb.Fatal(err)
	}
	return store.Table(tb, t)
}

// onTables are the kinds that can be replayed on a table: all but those that share
// weights.
func onTables() []*stages.Kind {
	return slices.DeleteFunc(Kinds(), func(k *stages.Kind) bool { return slices.Contains([]string{"darts", "gdas", "rsps"}, k.Type) })
}

// block is a good block of a kind.
func block(kind *stages.Kind, t cty.Value, more map[string]cty.Value) map[string]cty.Value {
	out := map[string]cty.Value{
		"table": t, "report": cty.StringVal("test200"), "runs": cty.NumberIntVal(12), "budget": cty.NumberIntVal(60), "resamples": cty.NumberIntVal(50),
	}
	if _, multi := kind.Attribute("fidelities"); multi {
		out["fidelities"] = cty.ObjectVal(map[string]cty.Value{"12": cty.StringVal("val12"), "200": cty.StringVal("test200")})
	} else {
		out["task"] = cty.StringVal("val12")
	}
	if _, ok := kind.Attribute("macs"); ok {
		out["macs"] = cty.StringVal("flops")
	}
	maps.Copy(out, more)
	return out
}

// TestCommonOutputs holds what every kind puts out against its history.
func TestCommonOutputs(t *testing.T) {
	store := stagetest.Store{}
	tb := madeTable(t, store, nil)
	report := columns()["test200"]
	optimum := slices.Max(report)
	for _, kind := range onTables() {
		t.Run(kind.Type, func(t *testing.T) {
			r, err := stagetest.Run(t, kind, store, block(kind, tb, nil))
			if err != nil {
				t.Fatal(err)
			}
			history, results := r.Table(t, "history"), r.Table(t, "results")
			if results.Rows != 12 || history.Rows > 12*60 {
				t.Errorf("%d runs, %d steps", results.Rows, history.Rows)
			}
			if got, _ := r.Number(t, "optimum", "report"); got != optimum {
				t.Errorf("optimum %v, want %v", got, optimum)
			}
			final := must(results.Float64s("report"))
			mean := 0.0
			for i, v := range final {
				mean += v / 12
				if regret := must(results.Float64s("regret"))[i]; math.Abs(regret-(optimum-v)) > 1e-12 || regret < 0 {
					t.Errorf("run %d: regret %v of %v", i, regret, v)
				}
				if a := must(results.Int64s(table.Architecture))[i]; report[a] != v {
					t.Errorf("run %d: architecture %d with %v", i, a, v)
				}
			}
			value, _ := r.Number(t, "final", "value")
			low, _ := r.Number(t, "final", "ci_low")
			high, _ := r.Number(t, "final", "ci_high")
			regret, _ := r.Number(t, "regret", "value")
			if math.Abs(value-mean) > 1e-9 || low > value || high < value || math.Abs(regret-(optimum-value)) > 1e-9 {
				t.Errorf("final %v in %v to %v, mean %v, regret %v", value, low, high, mean, regret)
			}
			curve := r.Table(t, "incumbent")
			means := must(curve.Float64s("mean"))
			if math.Abs(means[len(means)-1]-mean) > 1e-9 {
				t.Errorf("the curve ends at %v, the mean is %v", means[len(means)-1], mean)
			}
			checkHistory(t, history, results)
			best, _ := r.Number(t, "best", "search")
			if top := slices.Max(must(results.Float64s("search"))); best != top {
				t.Errorf("best is %v, of the runs' %v", best, top)
			}
			cell, err := nas.Parse(r.Values["best"].GetAttr("architecture").AsString())
			if index, _ := r.Number(t, "best", "index"); err != nil || nas.Index(cell) != int(index) {
				t.Errorf("best is %v, number %v: %v", cell, index, err)
			}
		})
	}
}

// checkHistory sees that steps and costs count up in each run, and that each
// run's architecture is the best of its steps.
func checkHistory(t *testing.T, history, results *table.Table) {
	t.Helper()
	run, step := must(history.Int64s("run")), must(history.Int64s("step"))
	cost, search := must(history.Float64s("cost")), must(history.Float64s("search"))
	for i := range run {
		switch {
		case i == 0 || run[i] != run[i-1]:
			if step[i] != 1 {
				t.Fatalf("run %d starts with step %d", run[i], step[i])
			}
		case step[i] != step[i-1]+1 || cost[i] <= cost[i-1]:
			t.Fatalf("run %d: step %d at cost %v follows %d at %v", run[i], step[i], cost[i], step[i-1], cost[i-1])
		}
	}
	best := map[int64]float64{}
	for i, r := range run {
		if history.Has("epochs") && must(history.Int64s("epochs"))[i] == 12 {
			continue
		}
		if v, ok := best[r]; !ok || search[i] > v {
			best[r] = search[i]
		}
	}
	for i, r := range must(results.Int64s("run")) {
		if got := must(results.Float64s("search"))[i]; got != best[r] {
			t.Errorf("run %d returns %v, its best is %v", r, got, best[r])
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestRunAlone repeats run 7 of 12 by first_run.
func TestRunAlone(t *testing.T) {
	store := stagetest.Store{}
	tb := madeTable(t, store, nil)
	for _, kind := range onTables() {
		many, err := stagetest.Run(t, kind, store, block(kind, tb, nil))
		if err != nil {
			t.Fatal(err)
		}
		alone, err := stagetest.Run(t, kind, store, block(kind, tb, map[string]cty.Value{"runs": cty.NumberIntVal(1), "first_run": cty.NumberIntVal(7)}))
		if err != nil {
			t.Fatal(err)
		}
		seven, _, err := many.Table(t, "history").Filter(map[string]any{"run": 7})
		if err != nil {
			t.Fatal(err)
		}
		var a, b bytes.Buffer
		if err := seven.Encode(&a); err != nil {
			t.Fatal(err)
		}
		if err := alone.Table(t, "history").Encode(&b); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("%s: run 7 alone differs from run 7 of 12", kind.Type)
		}
		again, err := stagetest.Run(t, kind, store, block(kind, tb, nil))
		if err != nil {
			t.Fatal(err)
		}
		for name, data := range many.Files {
			if !bytes.Equal(data, again.Files[name]) {
				t.Errorf("%s: %s differs when run again", kind.Type, name)
			}
		}
	}
}

// TestErrorsAreMinimised searches errors in place of accuracies and finds the
// same cells.
func TestErrorsAreMinimised(t *testing.T) {
	store := stagetest.Store{}
	tb := madeTable(t, store, nil)
	a, err := stagetest.Run(t, evolution(), store, block(evolution(), tb, map[string]cty.Value{"report": cty.NullVal(cty.String)}))
	if err != nil {
		t.Fatal(err)
	}
	b, err := stagetest.Run(t, evolution(), store, block(evolution(), tb, map[string]cty.Value{
		"report": cty.NullVal(cty.String), "task": cty.StringVal("error"), "direction": cty.StringVal("minimise"),
	}))
	if err != nil {
		t.Fatal(err)
	}
	of := func(r *stagetest.Result) []int64 { return must(r.Table(t, "history").Int64s(table.Architecture)) }
	if !slices.Equal(of(a), of(b)) {
		t.Error("minimising errors goes another way than maximising accuracies")
	}
	x, _ := a.Number(t, "regret", "value")
	y, _ := b.Number(t, "regret", "value")
	if math.Abs(x/100-y) > 1e-12 || y <= 0 {
		t.Errorf("regret %v per cent and %v", x, y)
	}
}

func TestEpochsCost(t *testing.T) {
	store := stagetest.Store{}
	tb := madeTable(t, store, nil)
	r, err := stagetest.Run(t, hyperband(), store, block(hyperband(), tb, map[string]cty.Value{"budget": cty.NumberIntVal(2040), "budget_in": cty.StringVal("epochs")}))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range must(r.Table(t, "results").Float64s("cost")) {
		if c > 2040 || c < 2040-200 {
			t.Errorf("run %d spends %v epochs", i, c)
		}
	}
	curve := r.Table(t, "incumbent")
	if c, err := curve.Column("cost"); err != nil || c.Unit != "epochs" || c.Float64s[0] != 12 {
		t.Errorf("the curve's costs: %+v, %v", c, err)
	}
	r, err = stagetest.Run(t, random(), store, block(random(), tb, map[string]cty.Value{
		"epochs": cty.NumberIntVal(12), "budget": cty.NumberIntVal(2040), "budget_in": cty.StringVal("epochs"),
	}))
	if err != nil {
		t.Fatal(err)
	}
	if n := must(r.Table(t, "results").Int64s("evaluations"))[0]; n != 170 {
		t.Errorf("%d evaluations for 2040 epochs", n)
	}
}

// TestLongCurvesAreThinned sees that a curve's points are bounded.
func TestLongCurvesAreThinned(t *testing.T) {
	store := stagetest.Store{}
	r, err := stagetest.Run(t, random(), store, block(random(), madeTable(t, store, nil), map[string]cty.Value{"budget": cty.NumberIntVal(15625), "runs": cty.NumberIntVal(2)}))
	if err != nil {
		t.Fatal(err)
	}
	if n := r.Table(t, "incumbent").Rows; n > maxPoints+1 || n < maxPoints/2 {
		t.Errorf("%d points", n)
	}
}

func TestBOHBWithoutModel(t *testing.T) {
	store := stagetest.Store{}
	tb := madeTable(t, store, nil)
	for budget, warnings := range map[int64]int{10: 1, 60: 0} {
		r, err := stagetest.Run(t, bohb(), store, block(bohb(), tb, map[string]cty.Value{"budget": cty.NumberIntVal(budget)}))
		if err != nil || len(r.Warnings) != warnings {
			t.Errorf("budget %d: %q, %v", budget, r.Warnings, err)
		}
	}
}

func TestPocketsAreDescribed(t *testing.T) {
	store := stagetest.Store{}
	tb := madeTable(t, store, nil)
	r, err := stagetest.Run(t, lissnas(), store, block(lissnas(), tb, map[string]cty.Value{"budget": cty.NumberIntVal(200)}))
	if err != nil {
		t.Fatal(err)
	}
	for name, limits := range map[string][2]float64{"size_ratio": {0.001, 0.05}, "mean_gain": {5, 40}, "recall": {0.01, 1}, "diversity": {1, 4.8}, "pockets": {1, 10}, "tau": {-1, 1}} {
		if v, ok := r.Number(t, name, "value"); !ok || v < limits[0] || v > limits[1] {
			t.Errorf("%s is %v, expected in %v", name, v, limits)
		}
	}
	spaces := r.Table(t, "spaces")
	runs := must(spaces.Int64s("run"))
	ratio, _ := r.Number(t, "size_ratio", "value")
	if runs[0] != 0 || runs[len(runs)-1] != 11 || math.Abs(float64(spaces.Rows)/12/nas.Size-ratio) > 1e-12 {
		t.Errorf("spaces of runs %d to %d have %d rows, size_ratio is %v", runs[0], runs[len(runs)-1], spaces.Rows, ratio)
	}
	r, err = stagetest.Run(t, lissnas(), store, block(lissnas(), tb, map[string]cty.Value{"report": cty.NullVal(cty.String)}))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Number(t, "tau", "value"); ok {
		t.Error("tau of a column with itself")
	}
}

func TestAutoShrinkAgainstDraws(t *testing.T) {
	store := stagetest.Store{}
	tb := madeTable(t, store, nil)
	r, err := stagetest.Run(t, autoshrink(), store, block(autoshrink(), tb, map[string]cty.Value{"runs": cty.NumberIntVal(200)}))
	if err != nil {
		t.Fatal(err)
	}
	if share, _ := r.Number(t, "share_better"); share < 0 || share > 1 {
		t.Errorf("share %v", share)
	}
	gain, _ := r.Number(t, "gain", "score", "value")
	draws, _ := r.Number(t, "draws", "score", "value")
	scores := must(r.Table(t, "results").Float64s("search"))
	mean := 0.0
	for _, s := range scores {
		mean += s / 200
	}
	if math.Abs(mean-draws-gain) > 1e-9 {
		t.Errorf("scores %v, draws %v, gain %v", mean, draws, gain)
	}
	values := columns()
	a := must(r.Table(t, "results").Int64s(table.Architecture))[0]
	if want := values["val12"][a]/100 - 0.1*(math.Log10(values["flops"][a]*1e6)-6); math.Abs(scores[0]-want) > 1e-12 {
		t.Errorf("score %v, want %v", scores[0], want)
	}
	if _, err := stagetest.Run(t, autoshrink(), store, block(autoshrink(), madeTable(t, store, func(v map[string][]float64) { v["flops"][9] = 0 }), nil)); err == nil ||
		!strings.Contains(err.Error(), "macs: architecture 9") {
		t.Errorf("no multiply-accumulates: %v", err)
	}
}

func TestCheck(t *testing.T) {
	store := stagetest.Store{}
	tb := madeTable(t, store, nil)
	n := func(v float64) cty.Value { return cty.NumberFloatVal(v) }
	s := cty.StringVal
	cases := map[string]struct {
		kind      *stages.Kind
		attrs     map[string]cty.Value
		attribute string
	}{
		"no budget":          {random(), map[string]cty.Value{"budget": n(0)}, "budget"},
		"half a budget":      {random(), map[string]cty.Value{"budget": n(1.5)}, "budget"},
		"more than there is": {random(), map[string]cty.Value{"budget": n(15626)}, "budget"},
		"in epochs, too":     {localSearch(), map[string]cty.Value{"budget": n(187512), "budget_in": s("epochs"), "epochs": n(12), "runs": n(1)}, "budget"},
		"large for bananas":  {bananas(), map[string]cty.Value{"budget": n(2001)}, "budget"},
		"no runs":            {random(), map[string]cty.Value{"runs": n(0)}, "runs"},
		"too much":           {evolution(), map[string]cty.Value{"runs": n(1e5), "budget": n(1e3)}, "runs"},
		"too much in epochs": {hyperband(), map[string]cty.Value{"runs": n(6010), "budget": n(10000), "budget_in": s("epochs")}, "runs"},
		"direction":          {random(), map[string]cty.Value{"direction": s("up")}, "direction"},
		"budget in hours":    {random(), map[string]cty.Value{"budget_in": s("hours")}, "budget_in"},
		"epochs unsaid":      {random(), map[string]cty.Value{"budget_in": s("epochs")}, "epochs"},
		"less than one":      {random(), map[string]cty.Value{"budget_in": s("epochs"), "epochs": n(200)}, "budget"},
		"population":         {evolution(), map[string]cty.Value{"population": n(0)}, "population"},
		"no fidelities":      {hyperband(), map[string]cty.Value{"fidelities": cty.NullVal(cty.Map(cty.String))}, "fidelities"},
		"one fidelity":       {asha(), map[string]cty.Value{"fidelities": cty.MapVal(map[string]cty.Value{"12": s("val12")})}, "fidelities"},
		"no epochs":          {bohb(), map[string]cty.Value{"fidelities": cty.MapVal(map[string]cty.Value{"12": s("val12"), "full": s("test200")})}, "fidelities"},
		"budget below":       {bohb(), map[string]cty.Value{"budget": n(11), "budget_in": s("epochs")}, "budget"},
		"eta":                {hyperband(), map[string]cty.Value{"eta": n(1)}, "eta"},
		"bandwidth":          {bohb(), map[string]cty.Value{"min_bandwidth": n(0.9)}, "min_bandwidth"},
		"seeds":              {lissnas(), map[string]cty.Value{"sample": n(5)}, "seeds"},
		"sample":             {lissnas(), map[string]cty.Value{"sample": n(61)}, "sample"},
		"pruned to nothing":  {pruning(), map[string]cty.Value{"size": n(0)}, "size"},
		"pruning's sample":   {pruning(), map[string]cty.Value{"sample": n(1e5)}, "sample"},
		"starts":             {autoshrink(), map[string]cty.Value{"runs": n(4000), "first_run": n(97)}, "runs"},
		"acquisition":        {bananas(), map[string]cty.Value{"acquisition": s("ei")}, "acquisition"},
		"momentum":           {reinforce(), map[string]cty.Value{"momentum": n(1)}, "momentum"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := stagetest.Problems(t, c.kind, block(c.kind, tb, c.attrs))
			if len(p) != 1 || p[0].Attribute != c.attribute || p[0].Detail == "" {
				t.Errorf("problems %+v, want one of %s", p, c.attribute)
			}
		})
	}
	for _, kind := range onTables() {
		if p := stagetest.Problems(t, kind, block(kind, tb, nil)); len(p) > 0 {
			t.Errorf("%s: a good block has problems: %v", kind.Type, p)
		}
	}
}

func TestBadTables(t *testing.T) {
	store := stagetest.Store{}
	good := madeTable(t, store, nil)
	holey := madeTable(t, store, func(v map[string][]float64) { v["val12"][5] = math.NaN() })
	for _, kind := range onTables() {
		attribute := "task"
		misspelt := map[string]cty.Value{"task": cty.StringVal("val13")}
		if _, multi := kind.Attribute("fidelities"); multi {
			attribute = "fidelities"
			misspelt = map[string]cty.Value{"fidelities": cty.MapVal(map[string]cty.Value{"12": cty.StringVal("val13"), "200": cty.StringVal("test200")})}
		}
		cases := map[string]struct {
			attrs map[string]cty.Value
			want  []string
		}{
			"misspelt column": {block(kind, good, misspelt), []string{attribute + ":", `"val13"`, `did you mean "val12"?`}},
			"missing value":   {block(kind, holey, nil), []string{attribute + ":", `"val12"`, "architecture 5"}},
			"report":          {block(kind, good, map[string]cty.Value{"report": cty.StringVal("x")}), []string{"report:", `no column "x"`}},
		}
		for name, c := range cases {
			_, err := stagetest.Run(t, kind, store, c.attrs)
			if err == nil {
				t.Errorf("%s, %s: no error", kind.Type, name)
				continue
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%s, %s: error %q lacks %q", kind.Type, name, err, w)
				}
			}
		}
	}
}

func TestResources(t *testing.T) {
	s := Bananas{}
	s.Budget, s.Runs, s.Resamples = 170, 500, 1000
	if m := s.Resources().Memory; m < 1<<20 || m > 1<<28 {
		t.Errorf("%d bytes", m)
	}
	h := Hyperband{Multi{Common: Common{Budget: 2040, BudgetIn: "epochs", Runs: 500}, Fidelities: map[string]string{"200": "b", "12": "a"}}}
	if m := h.Resources().Memory; m != (&Random{Single: Single{Common: Common{Budget: 170, Runs: 500}}}).Resources().Memory {
		t.Errorf("2040 epochs, by 12, take %d bytes", m)
	}
}
