package algorithmcomparison

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

// search makes the outputs of a search whose runs end with the regrets.
func search(t *testing.T, store stagetest.Store, unit string, cost float64, regrets ...float64) cty.Value {
	t.Helper()
	n := len(regrets)
	costs := make([]float64, n)
	mean := 0.0
	for i, r := range regrets {
		costs[i] = cost
		mean += r / float64(n)
	}
	spent := table.FloatColumn("cost", costs)
	spent.Unit = unit
	results, err := table.New(table.FloatColumn("regret", regrets), spent)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := table.New(table.FloatColumn("cost", []float64{cost / 2, cost}), table.FloatColumn("regret", []float64{2 * mean, mean}),
		table.FloatColumn("regret_low", []float64{1.5 * mean, 0}), table.FloatColumn("regret_high", []float64{2.5 * mean, 1.5 * mean}))
	if err != nil {
		t.Fatal(err)
	}
	return cty.ObjectVal(map[string]cty.Value{"results": store.Table(t, results), "incumbent": store.Table(t, curve), "optimum": optimum(9930)})
}

func optimum(index int64) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"architecture": cty.StringVal("cell"), "index": cty.NumberIntVal(index), "report": cty.NumberFloatVal(73.5)})
}

func object(members map[string]cty.Value) cty.Value { return cty.ObjectVal(members) }

func block(searches cty.Value, more map[string]cty.Value) map[string]cty.Value {
	out := map[string]cty.Value{"searches": searches, "resamples": cty.NumberIntVal(500), "splits": cty.NumberIntVal(1000)}
	for k, v := range more {
		out[k] = v
	}
	return out
}

func TestComparison(t *testing.T) {
	store := stagetest.Store{}
	one := object(map[string]cty.Value{
		"random": search(t, store, "epochs", 100, 3, 4, 5, 6),
		"good":   search(t, store, "epochs", 100, 1, 2, 2, 1),
		"same":   search(t, store, "epochs", 104, 3, 4, 5, 6),
	})
	two := object(map[string]cty.Value{
		"random": search(t, store, "evaluations", 10, 1, 1, 1, 1),
		"good":   search(t, store, "evaluations", 10, 2, 2, 2, 2),
		"same":   search(t, store, "evaluations", 11, 1, 1, 1, 1),
	})
	r, err := stagetest.Run(t, Kind, store, block(object(map[string]cty.Value{"one": one, "two": two}), nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want    float64
		members []string
	}{
		{1, []string{"rank", "one", "good", "value"}}, {2.5, []string{"rank", "one", "random", "value"}},
		{3, []string{"rank", "two", "good", "value"}}, {1.5, []string{"rank", "two", "same", "value"}},
		{2, []string{"mean_rank", "good", "value"}}, {2, []string{"mean_rank", "random", "value"}},
		{1.5, []string{"regret", "one", "good", "value"}}, {100, []string{"cost", "one", "random"}},
		{3, []string{"gain", "one", "good", "value"}}, {1, []string{"gain", "one", "good", "wins"}},
		{-1, []string{"gain", "two", "good", "value"}}, {0, []string{"gain", "two", "good", "wins"}},
		{0, []string{"gain", "one", "same", "value"}}, {0.5, []string{"gain", "one", "same", "wins"}}, {1, []string{"gain", "one", "same", "p"}},
		// 70 splits of eight values; two separate them wholly.
		{2. / 70, []string{"gain", "one", "good", "p"}},
		{9930, []string{"optimum", "one", "index"}},
	} {
		if got, _ := r.Number(t, c.members[0], c.members[1:]...); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v is %v, want %v", c.members, got, c.want)
		}
	}
	low, _ := r.Number(t, "gain", "one", "good", "ci_low")
	high, _ := r.Number(t, "gain", "one", "good", "ci_high")
	if !(low < 3 && low > 1 && high > 3 && high < 5) {
		t.Errorf("the gain's interval is %v to %v", low, high)
	}
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "on two, same spent 11 evaluations") {
		t.Errorf("warnings %q", r.Warnings)
	}
	checkFigure(t, string(r.Files["figure"]))
}

func checkFigure(t *testing.T, doc string) {
	t.Helper()
	for _, want := range []string{"<svg", "Mean rank at the end, over 2 tasks", "epochs spent", "evaluations spent", "good"} {
		if !strings.Contains(doc, want) {
			t.Errorf("the figure lacks %q", want)
		}
	}
	if strings.Contains(doc, "NaN") || strings.Contains(doc, "Inf") {
		t.Error("the figure holds numbers that are none")
	}
	for d := xml.NewDecoder(strings.NewReader(doc)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestRanksAndWinsAgainstPairs counts pair by pair.
func TestRanksAndWinsAgainstPairs(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	x, y := make([]float64, 40), make([]float64, 40)
	want := 0.0
	for i := range x {
		x[i], y[i] = float64(random.IntN(9)), float64(random.IntN(9))
	}
	for _, a := range x {
		for _, b := range y {
			switch {
			case a < b:
				want++
			case a == b:
				want += 0.5
			}
		}
	}
	if got := wins(x, y); math.Abs(got-want/1600) > 1e-12 {
		t.Errorf("wins %v, want %v", got, want/1600)
	}
	if got := wins([]float64{0}, []float64{0, 0, 1}); math.Abs(got-2./3) > 1e-12 {
		t.Errorf("wins with ties %v", got)
	}
}

// TestSolvedTask has algorithms that reach the optimum: no logarithm of 0.
func TestSolvedTask(t *testing.T) {
	store := stagetest.Store{}
	r, err := stagetest.Run(t, Kind, store, block(object(map[string]cty.Value{"one": object(map[string]cty.Value{
		"random": search(t, store, "epochs", 100, 0, 0), "good": search(t, store, "epochs", 100, 0, 0),
	})}), nil))
	if err != nil {
		t.Fatal(err)
	}
	if doc := string(r.Files["figure"]); strings.Contains(doc, "NaN") {
		t.Error("the figure of a solved task holds NaN")
	}
}

func TestErrors(t *testing.T) {
	store := stagetest.Store{}
	random := search(t, store, "epochs", 100, 1, 2)
	bare, err := table.New(table.FloatColumn("x", []float64{1}))
	if err != nil {
		t.Fatal(err)
	}
	members := random.AsValueMap()
	members["results"] = store.Table(t, bare)
	other := random.AsValueMap()
	other["optimum"] = optimum(1)
	cases := map[string]struct {
		good cty.Value
		want string
	}{
		"other runs":  {search(t, store, "epochs", 100, 1, 2, 3), "others have 3"},
		"other unit":  {search(t, store, "evaluations", 100, 1, 2), "counts costs in"},
		"no search":   {object(members), `no column "regret"`},
		"other table": {object(other), "different optima"},
	}
	for name, c := range cases {
		_, err := stagetest.Run(t, Kind, store, block(object(map[string]cty.Value{"one": object(map[string]cty.Value{"random": random, "good": c.good})}), nil))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "searches") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheck(t *testing.T) {
	store := stagetest.Store{}
	s := search(t, store, "epochs", 100, 1, 2)
	pair := object(map[string]cty.Value{"random": s, "good": s})
	cases := map[string]struct {
		attrs     map[string]cty.Value
		attribute string
	}{
		"no tasks":         {block(cty.EmptyObjectVal, nil), "searches"},
		"one algorithm":    {block(object(map[string]cty.Value{"one": object(map[string]cty.Value{"random": s})}), nil), "searches"},
		"other algorithms": {block(object(map[string]cty.Value{"one": pair, "two": object(map[string]cty.Value{"random": s})}), nil), "searches"},
		"reference":        {block(object(map[string]cty.Value{"one": pair}), map[string]cty.Value{"reference": cty.StringVal("x")}), "reference"},
		"labels":           {block(object(map[string]cty.Value{"one": pair}), map[string]cty.Value{"labels": object(map[string]cty.Value{"x": cty.StringVal("X")})}), "labels"},
		"resamples":        {block(object(map[string]cty.Value{"one": pair}), map[string]cty.Value{"resamples": cty.NumberIntVal(0)}), "resamples"},
		"splits":           {block(object(map[string]cty.Value{"one": pair}), map[string]cty.Value{"splits": cty.NumberFloatVal(1.5)}), "splits"},
	}
	for name, c := range cases {
		if p := stagetest.Problems(t, Kind, c.attrs); len(p) != 1 || p[0].Attribute != c.attribute || p[0].Detail == "" {
			t.Errorf("%s: problems %+v, want one of %s", name, p, c.attribute)
		}
	}
	if p := stagetest.Problems(t, Kind, block(object(map[string]cty.Value{"one": pair}), nil)); len(p) > 0 {
		t.Errorf("a good block has problems: %v", p)
	}
}

// TestTypesAreKnownBeforeTheRun sees that a misspelt member is an error then.
func TestTypesAreKnownBeforeTheRun(t *testing.T) {
	member := cty.UnknownVal(cty.Object(map[string]cty.Type{"results": stages.TableType, "incumbent": stages.TableType}))
	attrs := stages.Attrs{
		"searches": cty.MapVal(map[string]cty.Value{"one": cty.MapVal(map[string]cty.Value{"random": member, "good": member})}), "reference": cty.StringVal("random"),
	}
	types := (&Stage{}).OutputTypes(attrs)
	gain := types["gain"]
	if !gain.HasAttribute("one") || !gain.AttributeType("one").HasAttribute("good") || gain.AttributeType("one").HasAttribute("random") {
		t.Errorf("gain is %#v", gain)
	}
	if !types["mean_rank"].HasAttribute("random") {
		t.Errorf("mean_rank is %#v", types["mean_rank"])
	}
	unknown := (&Stage{}).OutputTypes(stages.Attrs{"searches": cty.DynamicVal})
	if unknown["mean_rank"] != cty.DynamicPseudoType {
		t.Errorf("mean_rank of nothing known is %#v", unknown["mean_rank"])
	}
	if got := stages.Keys(attrs["searches"]); !slices.Equal(got, []string{"one"}) {
		t.Errorf("keys %v", got)
	}
}
