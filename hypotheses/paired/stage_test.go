package paired

import (
	"bytes"
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

func TestPairs(t *testing.T) {
	r, err := stagetest.Run(t, Kind, stagetest.Store{}, map[string]cty.Value{
		"first": list(1, 2, 3, 4), "second": list(2, 4, 4, 4),
	})
	if err != nil {
		t.Fatal(err)
	}
	// Gains 1, 2, 1, 0: only all signs as they are, and that of 0 either way, are as
	// large: 2 of 16.
	for member, want := range map[string]float64{"value": -1, "p": 0.125, "p_two_sided": 0.25, "n": 4} {
		if got, _ := r.Number(t, "difference", member); got != want {
			t.Errorf("difference.%s = %v, want %v", member, got, want)
		}
	}
	if lower, _ := r.Number(t, "lower"); lower != 3 {
		t.Errorf("%v pairs are lower", lower)
	}
	low, _ := r.Number(t, "difference", "ci_low")
	high, _ := r.Number(t, "difference", "ci_high")
	if !(low < -1 && high > -1) {
		t.Errorf("interval %v to %v", low, high)
	}
	if !bytes.HasPrefix(r.Files["figure"], []byte("<svg")) || bytes.Contains(r.Files["figure"], []byte("NaN")) {
		t.Error("the figure is none")
	}
}

func TestOnePair(t *testing.T) {
	r, err := stagetest.Run(t, Kind, stagetest.Store{}, map[string]cty.Value{"first": list(1), "second": list(1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Number(t, "difference", "ci_low"); ok {
		t.Error("one pair has an interval")
	}
}

func TestCheck(t *testing.T) {
	missing := cty.ListVal([]cty.Value{cty.NumberIntVal(1), cty.NullVal(cty.Number)})
	for name, c := range map[string]struct {
		block map[string]cty.Value
		want  string
	}{
		"unequal":       {map[string]cty.Value{"first": list(1, 2), "second": list(1)}, "2 first values and 1 second"},
		"none":          {map[string]cty.Value{"first": cty.ListValEmpty(cty.Number), "second": cty.ListValEmpty(cty.Number)}, "at least 1"},
		"missing value": {map[string]cty.Value{"first": missing, "second": list(1, 2)}, "first[1] is null"},
		"assignments":   {map[string]cty.Value{"first": list(1), "second": list(1), "assignments": cty.NumberIntVal(0)}, "from 1 to"},
	} {
		var all []string
		for _, p := range stagetest.Problems(t, Kind, c.block) {
			all = append(all, p.Detail)
		}
		if !strings.Contains(strings.Join(all, "\n"), c.want) {
			t.Errorf("%s: %q, want %q", name, all, c.want)
		}
	}
}
