package fidelity

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

func block(t *testing.T, store stagetest.Store, low, high []float64, top ...int64) map[string]cty.Value {
	t.Helper()
	numbers := make([]int64, len(low))
	for i := range numbers {
		numbers[i] = int64(i)
	}
	tb, err := table.New(table.IntColumn(table.Architecture, numbers), table.FloatColumn("low", low), table.FloatColumn("high", high))
	if err != nil {
		t.Fatal(err)
	}
	ks := make([]cty.Value, len(top))
	for i, k := range top {
		ks[i] = cty.NumberIntVal(k)
	}
	return map[string]cty.Value{
		"tables": cty.ListVal([]cty.Value{store.Table(t, tb)}), "top": cty.ListVal(ks), "resamples": cty.NumberIntVal(200),
		"pairs": cty.ObjectVal(map[string]cty.Value{"task": pair("low", "high")}),
	}
}

func pair(low, high string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"low": cty.StringVal(low), "high": cty.StringVal(high)})
}

func TestRegret(t *testing.T) {
	store := stagetest.Store{}
	// By low the order is 0 1 2 3 4, values at high 3 5 2 1 4; 0 and 1 tie at low.
	attrs := block(t, store, []float64{1, 1, 2, 3, 4}, []float64{3, 5, 2, 1, 4}, 4, 1, 3)
	r, err := stagetest.Run(t, Kind, store, attrs)
	if err != nil {
		t.Fatal(err)
	}
	// Of two drawn the lowest is 1, 2, 3, 4 in 4, 3, 2, 1 of 10 cases.
	for k, want := range map[string][2]float64{"1": {2, 2}, "3": {1, 0.5}, "4": {0, 0.2}} {
		if got, _ := r.Number(t, "regret", "task", k, "value"); got != want[0] {
			t.Errorf("regret at %s is %v, want %v", k, got, want[0])
		}
		if got, _ := r.Number(t, "regret", "task", k, "chance"); math.Abs(got-want[1]) > 1e-12 {
			t.Errorf("chance at %s is %v, want %v", k, got, want[1])
		}
		if low, ok := r.Number(t, "regret", "task", k, "ci_low"); !ok || low < 0 {
			t.Errorf("interval at %s from %v", k, low)
		}
	}
	for member, want := range map[string]float64{"index": 0, "low": 1, "high": 3, "rank": 3} {
		if got, _ := r.Number(t, "best", "task", member); got != want {
			t.Errorf("best.%s = %v, want %v", member, got, want)
		}
	}
	if fig := r.Files["figure"]; !bytes.HasPrefix(fig, []byte("<svg")) || bytes.Contains(fig, []byte("NaN")) {
		t.Error("the figure is none")
	}
}

// With accuracies the same architectures are best, and values are as in the table.
func TestHigherIsBetter(t *testing.T) {
	store := stagetest.Store{}
	attrs := block(t, store, []float64{99, 98, 97, 96}, []float64{90, 95, 80, 70}, 1, 2)
	attrs["better"] = cty.StringVal("higher")
	r, err := stagetest.Run(t, Kind, store, attrs)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := r.Number(t, "regret", "task", "1", "value"); got != 5 {
		t.Errorf("regret %v, want 5", got)
	}
	if got, _ := r.Number(t, "best", "task", "high"); got != 90 {
		t.Errorf("the best has %v, want 90 as in the table", got)
	}
	if got, _ := r.Number(t, "kendall", "task", "value"); math.Abs(got-2.0/3) > 1e-12 {
		t.Errorf("tau-b %v, want 2/3", got)
	}
}

func TestExpectedBest(t *testing.T) {
	values, order := []float64{3, 1, 2}, []int{1, 2, 0}
	for k, want := range map[int]float64{1: 2, 2: 4.0 / 3, 3: 1} {
		if got := expectedBest(values, order, k); math.Abs(got-want) > 1e-15 {
			t.Errorf("of %d drawn %v, want %v", k, got, want)
		}
	}
}

// A resample is walked in the order of the low fidelity, each point as often as drawn.
func TestRegretOfAResample(t *testing.T) {
	high, order, byHigh := []float64{3, 5, 2, 1, 4}, []int{0, 1, 2, 3, 4}, []int{3, 2, 0, 4, 1}
	for name, c := range map[string]struct {
		times []int32
		want  [3]float64 // at 1, 2 and 4
	}{
		"each once":   {[]int32{1, 1, 1, 1, 1}, [3]float64{2, 2, 0}},
		"twice":       {[]int32{0, 2, 1, 0, 2}, [3]float64{3, 3, 0}},
		"few points":  {[]int32{0, 1, 0, 0, 1}, [3]float64{1, 0, 0}},
		"one of them": {[]int32{0, 0, 0, 0, 3}, [3]float64{0, 0, 0}},
	} {
		var got [3]float64
		regretOf(high, order, byHigh, []int{1, 2, 4}, c.times, got[:])
		if got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestMoreThanThereAre(t *testing.T) {
	store := stagetest.Store{}
	_, err := stagetest.Run(t, Kind, store, block(t, store, []float64{1, 2, 3}, []float64{1, 2, 3}, 4))
	if err == nil || !strings.Contains(err.Error(), "4 of 3 architectures") {
		t.Errorf("top 4 of 3: %v", err)
	}
}

// Equal values have no rank correlation, but a regret of 0; a missing value leaves the
// architecture out.
func TestConstantAndMissing(t *testing.T) {
	store := stagetest.Store{}
	r, err := stagetest.Run(t, Kind, store, block(t, store, []float64{1, 1, 1, math.NaN()}, []float64{2, 2, 2, 2}, 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Number(t, "kendall", "task", "value"); ok {
		t.Error("tau-b of equal values exists")
	}
	if got, _ := r.Number(t, "regret", "task", "1", "value"); got != 0 {
		t.Errorf("regret %v", got)
	}
	if n, _ := r.Number(t, "left_out"); n != 1 || len(r.Warnings) != 1 {
		t.Errorf("%v left out, warnings %q", n, r.Warnings)
	}
}

func TestCheck(t *testing.T) {
	store := stagetest.Store{}
	good := func() map[string]cty.Value { return block(t, store, []float64{1, 2}, []float64{1, 2}, 1) }
	for name, c := range map[string]struct {
		attribute string
		value     cty.Value
		want      string
	}{
		"itself":    {"pairs", cty.ObjectVal(map[string]cty.Value{"a": pair("x", "x")}), "Name two columns"},
		"no pairs":  {"pairs", cty.MapValEmpty(cty.Object(map[string]cty.Type{"low": cty.String, "high": cty.String, "label": cty.String})), "Name at least one"},
		"better":    {"better", cty.StringVal("up"), `It is "up"`},
		"no top":    {"top", cty.ListValEmpty(cty.Number), "such as [1, 10, 100]"},
		"top 0":     {"top", cty.ListVal([]cty.Value{cty.Zero}), "0 is no number of architectures"},
		"half":      {"top", cty.ListVal([]cty.Value{cty.NumberFloatVal(1.5)}), "1.5 is no number"},
		"huge":      {"top", cty.ListVal([]cty.Value{cty.NumberFloatVal(1e300)}), "whole numbers from 1 to 15625"},
		"twice":     {"top", cty.ListVal([]cty.Value{cty.NumberIntVal(1), cty.NumberIntVal(1)}), "more than once"},
		"no tables": {"tables", cty.ListValEmpty(good()["tables"].Type().ElementType()), "at least one table"},
		"resamples": {"resamples", cty.Zero, "from 1 to"},
	} {
		attrs := good()
		attrs[c.attribute] = c.value
		var all []string
		for _, p := range stagetest.Problems(t, Kind, attrs) {
			all = append(all, p.Detail)
		}
		if !strings.Contains(strings.Join(all, "\n"), c.want) {
			t.Errorf("%s: %q, want %q", name, all, c.want)
		}
	}
}
