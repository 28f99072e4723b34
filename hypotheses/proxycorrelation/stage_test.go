package proxycorrelation

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

// column is a table of the given architectures.
func column(t *testing.T, store stagetest.Store, name string, architectures []int64, values []float64) cty.Value {
	t.Helper()
	tb, err := table.New(table.IntColumn(table.Architecture, architectures), table.FloatColumn(name, values))
	if err != nil {
		t.Fatal(err)
	}
	return store.Table(t, tb)
}

func names(list ...string) cty.Value {
	out := make([]cty.Value, len(list))
	for i, s := range list {
		out[i] = cty.StringVal(s)
	}
	return cty.ListVal(out)
}

func block(scores, values cty.Value) map[string]cty.Value {
	return map[string]cty.Value{
		"scores": cty.ListVal([]cty.Value{scores}), "proxies": names("score"),
		"tables": cty.ListVal([]cty.Value{values}), "tasks": names("error"), "resamples": cty.NumberIntVal(200),
	}
}

func number(t *testing.T, r *stagetest.Result, output string) float64 {
	t.Helper()
	v, ok := r.Number(t, output, "error", "score", "value")
	if !ok {
		return math.NaN()
	}
	return v
}

func TestSignsAndUndefinedScores(t *testing.T) {
	store := stagetest.Store{}
	all := []int64{0, 1, 2, 3, 4, 5}
	errors := column(t, store, "error", all, []float64{6, 5, 4, 3, 2, 1})
	for name, c := range map[string]struct {
		scores    []float64
		attrs     map[string]cty.Value
		rho, r    float64
		undefined float64
	}{
		"higher scores, lower errors": {[]float64{1, 2, 3, 4, 5, 6}, nil, 1, 1, 0},
		"lower promises better":       {[]float64{1, 2, 3, 4, 5, 6}, map[string]cty.Value{"proxy_better": cty.ObjectVal(map[string]cty.Value{"score": cty.StringVal("lower")})}, -1, -1, 0},
		"higher values are better":    {[]float64{1, 2, 3, 4, 5, 6}, map[string]cty.Value{"better": cty.ObjectVal(map[string]cty.Value{"error": cty.StringVal("higher")})}, -1, -1, 0},
		// The best architecture has no score: it ranks worst, 1 2 3 4 5 0 against
		// 1 .. 6, of which rho is 1 - 6 (5 + 25) / 210; r is of the other five.
		"undefined ranks worst": {[]float64{1, 2, 3, 4, 5, math.NaN()}, nil, 1 - 6*30.0/210, 1, 1},
		// Both infinities are undefined and tie: SciPy, of 2 3 4 5 0 0 and 1 .. 6.
		"infinite is undefined": {[]float64{1, 2, 3, 4, math.Inf(-1), math.Inf(1)}, nil, -0.4058397249567139, 1, 2},
	} {
		attrs := block(column(t, store, "score", all, c.scores), errors)
		for k, v := range c.attrs {
			attrs[k] = v
		}
		r, err := stagetest.Run(t, Kind, store, attrs)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := number(t, r, "spearman"); math.Abs(got-c.rho) > 1e-12 {
			t.Errorf("%s: rho = %v, want %v", name, got, c.rho)
		}
		if got := number(t, r, "pearson"); math.Abs(got-c.r) > 1e-12 {
			t.Errorf("%s: r = %v, want %v", name, got, c.r)
		}
		if got, _ := r.Number(t, "undefined", "score"); got != c.undefined {
			t.Errorf("%s: %v undefined, want %v", name, got, c.undefined)
		}
	}
}

// A table of scores may hold a sample; architectures without a value are left out.
func TestCommonArchitectures(t *testing.T) {
	store := stagetest.Store{}
	attrs := block(column(t, store, "score", []int64{1, 2, 3, 5, 9}, []float64{1, 2, 3, 4, 5}),
		column(t, store, "error", []int64{0, 1, 2, 3, 5, 7}, []float64{9, 4, 3, 2, 1, math.NaN()}))
	r, err := stagetest.Run(t, Kind, store, attrs)
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := r.Number(t, "architectures"); n != 4 {
		t.Errorf("%v architectures, want 1, 2, 3 and 5", n)
	}
	if n, _ := r.Number(t, "left_out"); n != 2 {
		t.Errorf("%v left out, want 0 and 7", n)
	}
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "1 architectures") {
		t.Errorf("warnings %q", r.Warnings)
	}
	attrs["scores"] = cty.ListVal([]cty.Value{column(t, store, "score", []int64{100}, []float64{1})})
	if _, err := stagetest.Run(t, Kind, store, attrs); err == nil || !strings.Contains(err.Error(), "no architecture") {
		t.Errorf("nothing in common: %v", err)
	}
}

func TestRounding(t *testing.T) {
	store := stagetest.Store{}
	all := []int64{0, 1, 2, 3}
	attrs := block(column(t, store, "score", all, []float64{4, 3, 2, 1}), column(t, store, "error", all, []float64{0.251, 0.249, 0.5, 1}))
	attrs["rounding"] = cty.ObjectVal(map[string]cty.Value{"error": cty.NumberIntVal(4)})
	r, err := stagetest.Run(t, Kind, store, attrs)
	if err != nil {
		t.Fatal(err)
	}
	if got := number(t, r, "spearman_raw"); math.Abs(got-0.8) > 1e-12 {
		t.Errorf("raw %v, want 0.8", got)
	}
	if got, want := number(t, r, "spearman"), 4.5/math.Sqrt(5*4.5); math.Abs(got-want) > 1e-12 {
		t.Errorf("rounded %v, want %v", got, want)
	}
}

func TestFigure(t *testing.T) {
	store := stagetest.Store{}
	all := []int64{0, 1, 2, 3}
	attrs := block(column(t, store, "score", all, []float64{1, 1, 1, 1}), column(t, store, "error", all, []float64{1, 2, 3, 4}))
	attrs["published"] = cty.ObjectVal(map[string]cty.Value{"error": cty.ObjectVal(map[string]cty.Value{"score": cty.NumberFloatVal(-0.5)})})
	r, err := stagetest.Run(t, Kind, store, attrs)
	if err != nil {
		t.Fatal(err)
	}
	fig := r.Files["figure"]
	if !bytes.HasPrefix(fig, []byte("<svg")) || bytes.Contains(fig, []byte("NaN")) || !bytes.Contains(fig, []byte("as published")) {
		t.Errorf("figure of equal scores: %s", fig)
	}
}

func TestCheck(t *testing.T) {
	store := stagetest.Store{}
	tb := column(t, store, "x", []int64{0}, []float64{1})
	text := func(v string) cty.Value { return cty.ObjectVal(map[string]cty.Value{"score": cty.StringVal(v)}) }
	for name, c := range map[string]struct {
		attribute string
		value     cty.Value
		want      string
	}{
		"no scores":             {"scores", cty.ListValEmpty(tb.Type()), "at least one table of scores"},
		"proxy twice":           {"proxies", names("score", "score"), `"score" stands in proxies more than once`},
		"task twice":            {"tasks", names("error", "error"), `"error" stands in tasks more than once`},
		"neither":               {"proxy_better", text("up"), "Say which scores promise better architectures"},
		"unknown proxy":         {"proxy_labels", cty.ObjectVal(map[string]cty.Value{"scor": cty.StringVal("x")}), "Its proxies are score"},
		"unknown task":          {"labels", text("x"), `"score" is no task`},
		"published of no proxy": {"published", cty.ObjectVal(map[string]cty.Value{"error": cty.ObjectVal(map[string]cty.Value{"x": cty.Zero})}), `"x" is no proxy`},
		"published of no rho":   {"published", cty.ObjectVal(map[string]cty.Value{"error": cty.ObjectVal(map[string]cty.Value{"score": cty.NumberIntVal(79)})}), "lies from -1 to 1"},
		"no resamples":          {"resamples", cty.Zero, "from 1 to"},
	} {
		attrs := block(tb, tb)
		attrs[c.attribute] = c.value
		var all []string
		for _, p := range stagetest.Problems(t, Kind, attrs) {
			all = append(all, p.Detail)
		}
		if !slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, c.want) }) {
			t.Errorf("%s: %q, want %q", name, all, c.want)
		}
	}
}
