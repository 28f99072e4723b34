package meandifference

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

func list(v ...float64) cty.Value {
	out := make([]cty.Value, len(v))
	for i := range v {
		out[i] = cty.NumberFloatVal(v[i])
	}
	return cty.ListVal(out)
}

func TestGroups(t *testing.T) {
	r, err := stagetest.Run(t, Kind, stagetest.Store{}, map[string]cty.Value{
		"first": list(1, 2, 3), "second": list(4, 5, 6), "labels": cty.MapVal(map[string]cty.Value{"first": cty.StringVal("low")}),
	})
	if err != nil {
		t.Fatal(err)
	}
	// Of the 20 splits two are as extreme. Welch: 3 ± t(0.975, 4) sqrt(2/3).
	half := 2.7764451051977943 * math.Sqrt(2.0/3)
	for member, want := range map[string]float64{"value": -3, "p": 0.1, "ci_low": -3 - half, "ci_high": -3 + half, "n": 6} {
		if got, _ := r.Number(t, "difference", member); math.Abs(got-want) > 1e-12 {
			t.Errorf("difference.%s = %v, want %v", member, got, want)
		}
	}
	if mean, _ := r.Number(t, "second_mean", "value"); mean != 5 {
		t.Errorf("mean %v", mean)
	}
	if figure := r.Files["figure"]; !bytes.Contains(figure, []byte(">low<")) || bytes.Contains(figure, []byte("NaN")) {
		t.Error("the figure lacks a label")
	}
}

func TestCheck(t *testing.T) {
	var all []string
	for _, p := range stagetest.Problems(t, Kind, map[string]cty.Value{"first": list(1), "second": list(1, 2), "splits": cty.NumberFloatVal(0.5)}) {
		all = append(all, p.Attribute+": "+p.Detail)
	}
	text := strings.Join(all, "\n")
	if !strings.Contains(text, "first: first has 1; at least 2") || !strings.Contains(text, "splits: splits is 0.5") {
		t.Error(text)
	}
}
