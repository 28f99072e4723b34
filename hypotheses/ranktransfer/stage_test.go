package ranktransfer

import (
	"bytes"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

// small makes a table of the first architectures.
func small(t *testing.T, store stagetest.Store, columns map[string][]float64) cty.Value {
	t.Helper()
	var list []table.Column
	for _, name := range []string{"a", "b", "c"} {
		values, ok := columns[name]
		if !ok {
			continue
		}
		if list == nil {
			numbers := make([]int64, len(values))
			for i := range numbers {
				numbers[i] = int64(i)
			}
			list = append(list, table.IntColumn(table.Architecture, numbers))
		}
		list = append(list, table.FloatColumn(name, values))
	}
	tb, err := table.New(list...)
	if err != nil {
		t.Fatal(err)
	}
	return store.Table(t, tb)
}

func block(tables ...cty.Value) map[string]cty.Value {
	return map[string]cty.Value{
		"tables": cty.ListVal(tables), "from": cty.StringVal("a"), "to": cty.ListVal([]cty.Value{cty.StringVal("b")}),
		"resamples": cty.NumberIntVal(100), "top": cty.ListVal([]cty.Value{cty.NumberFloatVal(0.25)}),
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

func TestTiesAndTops(t *testing.T) {
	store := stagetest.Store{}
	tb := small(t, store, map[string][]float64{"a": {1, 1, 2, 3, 4, 5, 6, 7}, "b": {2, 1, 1, 3, 4, 5, 6, 7}})
	r, err := stagetest.Run(t, Kind, store, block(tb))
	if err != nil {
		t.Fatal(err)
	}
	// Ranks 1.5 1.5 3 ... and 3 1.5 1.5 4 ...: differences 1.5, 0, 1.5; by
	// Pearson's r of ranks with one tie each, (42 - 0.5 - 4.5/2) / (42 - 0.5).
	if got, want := value(t, r, "spearman", "b", "value"), (41.5-2.25)/41.5; math.Abs(got-want) > 1e-12 {
		t.Errorf("spearman %v, want %v", got, want)
	}
	if got := value(t, r, "overlap", "b", "25%", "count"); got != 1 { // tops {0 1} and {1 2}
		t.Errorf("overlap of %v, want 1", got)
	}
	if got := value(t, r, "best", "b", "index"); got != 1 {
		t.Errorf("best on b is %v, want the first of the tied, 1", got)
	}
	if got := value(t, r, "best", "b", "tied"); got != 1 {
		t.Errorf("%v tie with the best on b, want 1", got)
	}
	if got := value(t, r, "best", "b", "rank", "a"); got != 1 {
		t.Errorf("rank on a is %v, want 1", got)
	}
}

func TestRoundingAndRaw(t *testing.T) {
	store := stagetest.Store{}
	tb := small(t, store, map[string][]float64{"a": {1, 2, 3, 4}, "b": {0.501, 0.499, 0.75, 1}})
	attrs := block(tb)
	attrs["rounding"] = cty.ObjectVal(map[string]cty.Value{"b": cty.NumberIntVal(4)})
	r, err := stagetest.Run(t, Kind, store, attrs)
	if err != nil {
		t.Fatal(err)
	}
	if got := value(t, r, "spearman_raw", "b", "value"); math.Abs(got-0.8) > 1e-12 {
		t.Errorf("raw %v, want 0.8", got)
	}
	if got, want := value(t, r, "spearman", "b", "value"), 4.5/math.Sqrt(5*4.5); math.Abs(got-want) > 1e-12 {
		t.Errorf("rounded %v, want %v", got, want)
	}
	if got := value(t, r, "best", "b", "index"); got != 1 {
		t.Errorf("best is %v, want 1: by raw value", got)
	}
}

func TestBetterTurnsRanksRound(t *testing.T) {
	store := stagetest.Store{}
	tb := small(t, store, map[string][]float64{"a": {1, 2, 3, 4}, "b": {9, 8, 7, 6}})
	attrs := block(tb)
	attrs["better"] = cty.ObjectVal(map[string]cty.Value{"b": cty.StringVal("higher")})
	r, err := stagetest.Run(t, Kind, store, attrs)
	if err != nil {
		t.Fatal(err)
	}
	if got := value(t, r, "spearman", "b", "value"); got != 1 {
		t.Errorf("spearman %v, want 1", got)
	}
	if got := value(t, r, "best", "b", "value"); got != 9 {
		t.Errorf("the best value is %v, want 9 as in the table", got)
	}
	ranks := r.Table(t, "ranks")
	if b, err := ranks.Float64s("b"); err != nil || b[0] != 1 || b[3] != 4 {
		t.Errorf("ranks on b: %v, %v", b, err)
	}
}

func TestDegenerate(t *testing.T) {
	nan := math.NaN()
	cases := map[string]struct {
		a, b    []float64
		used    float64
		leftOut float64
	}{
		"one architecture": {[]float64{1}, []float64{2}, 1, 0},
		"constant column":  {[]float64{1, 1, 1}, []float64{1, 2, 3}, 3, 0},
		"missing values":   {[]float64{1, nan, 3, 4}, []float64{1, 2, nan, math.Inf(1)}, 1, 3},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			store := stagetest.Store{}
			r, err := stagetest.Run(t, Kind, store, block(small(t, store, map[string][]float64{"a": c.a, "b": c.b})))
			if err != nil {
				t.Fatal(err)
			}
			if got := value(t, r, "architectures"); got != c.used {
				t.Errorf("%v architectures, want %v", got, c.used)
			}
			if got := value(t, r, "left_out"); got != c.leftOut || (got > 0) != (len(r.Warnings) > 0) {
				t.Errorf("%v left out, want %v; warnings %q", got, c.leftOut, r.Warnings)
			}
			if v := value(t, r, "spearman", "b", "value"); !math.IsNaN(v) {
				t.Errorf("spearman %v, want null", v)
			}
			if !bytes.Contains(r.Files["figure"], []byte("undefined")) {
				t.Error("the figure does not say that the coefficient is undefined")
			}
		})
	}
}

func TestRunErrors(t *testing.T) {
	nan := math.NaN()
	cases := map[string]struct {
		columns map[string][]float64
		to      string
		want    string
	}{
		"misspelt column": {map[string][]float64{"a": {1, 2}, "b": {1, 2}}, "B", `did you mean "b"?`},
		"nothing left":    {map[string][]float64{"a": {1, nan}, "b": {nan, 2}}, "b", "no architecture has a finite value"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			store := stagetest.Store{}
			attrs := block(small(t, store, c.columns))
			attrs["to"] = cty.ListVal([]cty.Value{cty.StringVal(c.to)})
			_, err := stagetest.Run(t, Kind, store, attrs)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	t.Run("column in two tables", func(t *testing.T) {
		store := stagetest.Store{}
		x := small(t, store, map[string][]float64{"a": {1, 2}, "b": {1, 2}})
		y := small(t, store, map[string][]float64{"b": {3, 4}})
		if _, err := stagetest.Run(t, Kind, store, block(x, y)); err == nil || !strings.Contains(err.Error(), "tables 1 and 2") {
			t.Errorf("error %v", err)
		}
	})
}

func TestCheck(t *testing.T) {
	text, number := cty.StringVal, cty.NumberFloatVal
	cases := map[string]struct {
		attribute string
		value     cty.Value
	}{
		"from in to":         {"from", text("b")},
		"twice":              {"to", cty.ListVal([]cty.Value{text("b"), text("b")})},
		"no tasks":           {"to", cty.ListValEmpty(cty.String)},
		"unknown task":       {"rounding", cty.ObjectVal(map[string]cty.Value{"nina": number(659)})},
		"denominator":        {"rounding", cty.ObjectVal(map[string]cty.Value{"b": number(0)})},
		"direction":          {"better", cty.ObjectVal(map[string]cty.Value{"b": text("up")})},
		"fraction":           {"top", cty.ListVal([]cty.Value{number(5)})},
		"fraction twice":     {"top", cty.ListVal([]cty.Value{number(0.05), number(0.05)})},
		"no resamples":       {"resamples", number(0)},
		"label without task": {"labels", cty.ObjectVal(map[string]cty.Value{"x": text("X")})},
	}
	store := stagetest.Store{}
	tb := small(t, store, map[string][]float64{"a": {1, 2}, "b": {1, 2}})
	if p := stagetest.Problems(t, Kind, block(tb)); len(p) > 0 {
		t.Errorf("a good block has problems: %v", p)
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			attrs := block(tb)
			attrs[c.attribute] = c.value
			if p := stagetest.Problems(t, Kind, attrs); len(p) != 1 || p[0].Detail == "" {
				t.Errorf("problems %+v, want one", p)
			}
		})
	}
}

// TestTypesBeforeTheRun: a misspelt task is seen before anything ran.
func TestTypesBeforeTheRun(t *testing.T) {
	attrs := stages.Attrs{
		"tables": cty.UnknownVal(cty.List(stages.TableType)),
		"from":   cty.StringVal("a"), "to": cty.ListVal([]cty.Value{cty.StringVal("b")}),
		"top": cty.ListVal([]cty.Value{cty.NumberFloatVal(0.01)}),
	}
	types := Kind.Zero().OutputTypes(attrs)
	if ty := types["spearman"]; !ty.HasAttribute("b") || ty.HasAttribute("a") {
		t.Errorf("spearman is %#v", ty)
	}
	if ty := types["overlap"].AttributeType("b"); !ty.HasAttribute("1%") {
		t.Errorf("overlap of b is %#v", ty)
	}
	attrs["to"] = cty.UnknownVal(cty.List(cty.String))
	if ty := Kind.Zero().OutputTypes(attrs)["spearman"]; ty != cty.DynamicPseudoType {
		t.Errorf("with unknown tasks, spearman is %#v", ty)
	}
}

func TestSameBitsOnAnyNumberOfCores(t *testing.T) {
	a, b := make([]float64, 400), make([]float64, 400)
	for i := range a {
		a[i], b[i] = float64(i*7919%401), float64(i*104729%97)
	}
	var first []byte
	for _, cores := range []int{1, 4} {
		old := runtime.GOMAXPROCS(cores)
		store := stagetest.Store{}
		r, err := stagetest.Run(t, Kind, store, block(small(t, store, map[string][]float64{"a": a, "b": b})))
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
