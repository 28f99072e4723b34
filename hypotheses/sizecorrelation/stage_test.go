package sizecorrelation

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

func list(v ...float64) cty.Value {
	if len(v) == 0 {
		return cty.ListValEmpty(cty.Number)
	}
	out := make([]cty.Value, len(v))
	for i := range v {
		out[i] = cty.NumberFloatVal(v[i])
	}
	return cty.ListVal(out)
}

func sample(sizes, scores cty.Value) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"sizes": sizes, "scores": scores})
}

func block(samples map[string]cty.Value) map[string]cty.Value {
	return map[string]cty.Value{"samples": cty.ObjectVal(samples), "resamples": cty.NumberIntVal(200)}
}

func TestRelations(t *testing.T) {
	r, err := stagetest.Run(t, Kind, stagetest.Store{}, block(map[string]cty.Value{
		"up":       sample(list(1, 2, 3, 4, 5, 6), list(1, 3, 2, 5, 4, 6)),
		"constant": sample(list(1, 1, 1, 1), list(1, 2, 3, 4)),
		"line":     sample(list(1, 2, 3, 3, 5), list(2, 4, 6, 6, 10)),
	}))
	if err != nil {
		t.Fatal(err)
	}
	// Sum of (x - 3.5)(y - 3.5) is 15.5, of squares 17.5.
	if got, _ := r.Number(t, "r", "up"); math.Abs(got-15.5/17.5) > 1e-12 {
		t.Errorf("r = %v", got)
	}
	for _, output := range []string{"pearson", "pearson_bca", "spearman"} {
		low, ok := r.Number(t, output, "up", "ci_low")
		high, _ := r.Number(t, output, "up", "ci_high")
		if value, _ := r.Number(t, output, "up", "value"); !ok || !(low < value && value <= high) {
			t.Errorf("%s: %v in [%v, %v]", output, value, low, high)
		}
		if _, ok := r.Number(t, output, "constant", "value"); ok {
			t.Errorf("%s of equal sizes exists", output)
		}
	}
	if got, _ := r.Number(t, "r", "line"); got != 1 {
		t.Errorf("r of a line is %v", got)
	}
	if got, _ := r.Number(t, "distinct_sizes", "line"); got != 4 {
		t.Errorf("%v distinct sizes", got)
	}
	if _, ok := r.Number(t, "difference", "up", "constant", "value"); ok {
		t.Error("a difference from nothing exists")
	}
	if fig := r.Files["figure"]; !bytes.HasPrefix(fig, []byte("<svg")) || bytes.Contains(fig, []byte("NaN")) {
		t.Error("the figure is none")
	}
}

// Two samples of equal r do not differ; the order of a difference is its sign.
func TestDifferences(t *testing.T) {
	up, noise := sample(list(1, 2, 3, 4, 5, 6), list(1, 3, 2, 5, 4, 6)), sample(list(1, 2, 3, 4, 5, 6), list(3, 1, 5, 2, 6, 1))
	r, err := stagetest.Run(t, Kind, stagetest.Store{}, block(map[string]cty.Value{"a": up, "b": up, "c": noise}))
	if err != nil {
		t.Fatal(err)
	}
	if p, _ := r.Number(t, "difference", "a", "b", "p"); p != 1 {
		t.Errorf("p of equal coefficients is %v", p)
	}
	ac, _ := r.Number(t, "difference", "a", "c", "value")
	ca, _ := r.Number(t, "difference", "c", "a", "value")
	if !(ac > 0) || ac != -ca {
		t.Errorf("differences %v and %v", ac, ca)
	}
}

func TestCheck(t *testing.T) {
	missing := cty.ListVal([]cty.Value{cty.NumberIntVal(1), cty.NullVal(cty.Number), cty.NumberIntVal(1), cty.NumberIntVal(1)})
	good := list(1, 2, 3, 4)
	for name, c := range map[string]struct {
		samples map[string]cty.Value
		want    string
	}{
		"unequal": {map[string]cty.Value{"a": sample(good, list(1, 2, 3, 4, 5))}, `"a" has 4 sizes and 5 scores`},
		"few":     {map[string]cty.Value{"a": sample(list(1, 2, 3), list(1, 2, 3))}, `"a" has 3; an interval needs at least 4`},
		"none":    {map[string]cty.Value{"a": sample(list(), list())}, "has 0"},
		"missing": {map[string]cty.Value{"a": sample(good, missing)}, "null as scores[1]"},
		"empty":   {map[string]cty.Value{}, "Name at least one"},
	} {
		attrs := block(c.samples)
		if len(c.samples) == 0 {
			attrs["samples"] = cty.MapValEmpty(cty.Object(map[string]cty.Type{"sizes": cty.List(cty.Number), "scores": cty.List(cty.Number), "label": cty.String, "score": cty.String}))
		}
		var all []string
		for _, p := range stagetest.Problems(t, Kind, attrs) {
			all = append(all, p.Detail)
		}
		if !strings.Contains(strings.Join(all, "\n"), c.want) {
			t.Errorf("%s: %q, want %q", name, all, c.want)
		}
	}
}

func TestInfiniteScores(t *testing.T) {
	_, err := stagetest.Run(t, Kind, stagetest.Store{}, block(map[string]cty.Value{"a": sample(list(1, 2, 3, 4), cty.ListVal([]cty.Value{
		cty.NumberIntVal(1), cty.PositiveInfinity, cty.NumberIntVal(2), cty.NumberIntVal(3),
	}))}))
	if err == nil || !strings.Contains(err.Error(), "must be finite") {
		t.Errorf("an infinite score: %v", err)
	}
}
