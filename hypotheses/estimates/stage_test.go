package estimates

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

func TestValuesPass(t *testing.T) {
	n := cty.NumberIntVal
	r, err := stagetest.Run(t, Kind, stagetest.Store{}, map[string]cty.Value{"values": cty.ObjectVal(map[string]cty.Value{
		"gain": cty.ObjectVal(map[string]cty.Value{"value": n(3), "ci_low": n(1), "ci_high": n(5), "sd": n(2), "n": n(9)}),
		"none": cty.ObjectVal(map[string]cty.Value{"value": cty.NullVal(cty.Number)}),
	})})
	if err != nil {
		t.Fatal(err)
	}
	for member, want := range map[string]float64{"value": 3, "ci_low": 1, "ci_high": 5, "sd": 2, "n": 9} {
		if got, ok := r.Number(t, "values", "gain", member); !ok || got != want {
			t.Errorf("%s is %v, want %v", member, got, want)
		}
		if _, ok := r.Number(t, "values", "none", member); ok {
			t.Errorf("%s of nothing is a number", member)
		}
	}
}

func TestTypesAreKnownBeforeTheRun(t *testing.T) {
	member := cty.Object(map[string]cty.Type{"value": cty.Number, "ci_low": cty.Number, "ci_high": cty.Number, "sd": cty.Number, "n": cty.Number})
	types := (&Stage{}).OutputTypes(map[string]cty.Value{"values": cty.MapVal(map[string]cty.Value{"gain": cty.UnknownVal(member)})})
	if !types["values"].HasAttribute("gain") || types["values"].HasAttribute("gian") {
		t.Errorf("types %#v", types)
	}
	if types := (&Stage{}).OutputTypes(nil); types["values"] != cty.DynamicPseudoType {
		t.Errorf("types of nothing: %#v", types)
	}
}

func TestNothingIsAProblem(t *testing.T) {
	if p := stagetest.Problems(t, Kind, map[string]cty.Value{"values": cty.EmptyObjectVal}); len(p) != 1 {
		t.Errorf("problems %v", p)
	}
}

// TestFigure: with a unit values are drawn, and one that does not exist is not.
func TestFigure(t *testing.T) {
	n := cty.NumberFloatVal
	attrs := map[string]cty.Value{
		"values": cty.ObjectVal(map[string]cty.Value{
			"gain": cty.ObjectVal(map[string]cty.Value{"value": n(-0.5), "ci_low": n(-1), "ci_high": n(0.25)}),
			"none": cty.ObjectVal(map[string]cty.Value{"value": cty.NullVal(cty.Number)}),
		}),
		"unit": cty.StringVal("points <of accuracy>"), "labels": cty.ObjectVal(map[string]cty.Value{"gain": cty.StringVal("the gain")}),
	}
	r, err := stagetest.Run(t, Kind, stagetest.Store{}, attrs)
	if err != nil {
		t.Fatal(err)
	}
	figure := string(r.Files["figure"])
	for _, want := range []string{"points &lt;of accuracy&gt;", ">the gain<", ">none<"} {
		if !strings.Contains(figure, want) {
			t.Errorf("the figure lacks %q", want)
		}
	}
	if strings.Contains(figure, "NaN") || strings.Count(figure, "<circle") != 1 {
		t.Errorf("the figure has %d discs, or NaN", strings.Count(figure, "<circle"))
	}
	attrs["labels"] = cty.ObjectVal(map[string]cty.Value{"x": cty.StringVal("X")})
	if p := stagetest.Problems(t, Kind, attrs); len(p) != 1 || p[0].Attribute != "labels" {
		t.Errorf("problems %v", p)
	}
}
