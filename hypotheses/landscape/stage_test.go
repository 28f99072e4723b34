package landscape

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

func columns(t *testing.T, store stagetest.Store, rows int, of map[string][]float64) cty.Value {
	t.Helper()
	numbers := make([]int64, rows)
	for i := range numbers {
		numbers[i] = int64(i)
	}
	list := []table.Column{table.IntColumn(table.Architecture, numbers)}
	for _, name := range []string{"a", "b"} {
		if v, ok := of[name]; ok {
			list = append(list, table.FloatColumn(name, v[:rows]))
		}
	}
	tb, err := table.New(list...)
	if err != nil {
		t.Fatal(err)
	}
	return store.Table(t, tb)
}

func block(tb cty.Value, tasks ...string) map[string]cty.Value {
	list := make([]cty.Value, len(tasks))
	for i, s := range tasks {
		list[i] = cty.StringVal(s)
	}
	return map[string]cty.Value{"tables": cty.ListVal([]cty.Value{tb}), "tasks": cty.ListVal(list)}
}

func wellFormed(t *testing.T, doc []byte) {
	t.Helper()
	if !bytes.HasPrefix(doc, []byte("<svg")) || bytes.Contains(doc, []byte("NaN")) || bytes.Contains(doc, []byte("Inf")) {
		t.Errorf("the figure is none: %.80s", doc)
	}
	for d := xml.NewDecoder(bytes.NewReader(doc)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestStage: an error that is the distance to cell 4, in steps of 1/6, and an
// accuracy that is rounded to nothing.
func TestStage(t *testing.T) {
	store := stagetest.Store{}
	far := distancesTo(4)
	a, b := make([]float64, nas.Size), make([]float64, nas.Size)
	for i := range a {
		a[i], b[i] = far[i]/6, -far[i]/100
	}
	attrs := block(columns(t, store, nas.Size, map[string][]float64{"a": a, "b": b}), "a", "b")
	attrs["better"] = cty.ObjectVal(map[string]cty.Value{"b": cty.StringVal("higher")})
	attrs["rounding"] = cty.ObjectVal(map[string]cty.Value{"b": cty.NumberIntVal(1)})
	attrs["labels"] = cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal("Task <A>")})
	r, err := stagetest.Run(t, Kind, store, attrs)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want    float64
		members []string
	}{
		{19.0 / 24, []string{"autocorrelation", "a", "1", "value"}}, {361.0 / 576, []string{"autocorrelation", "b", "2", "value"}},
		{-1, []string{"fitness_distance", "a", "value"}}, {-1, []string{"fitness_distance", "b", "value"}},
		{4, []string{"optimum", "a", "index"}}, {0, []string{"optimum", "a", "value"}}, {0, []string{"optimum", "a", "tied"}},
		{nas.Size - 1, []string{"optimum", "b", "tied"}},
		{1, []string{"local_optima", "b", "strict"}}, {625, []string{"local_optima", "b", "chance"}},
		{nas.Size, []string{"local_optima_rounded", "b", "weak"}}, {0, []string{"local_optima_rounded", "b", "strict"}},
		{1, []string{"basins", "a", "count"}}, {1, []string{"basins", "a", "largest"}}, {4.8, []string{"basins", "a", "steps"}},
		{0, []string{"basins_rounded", "b", "steps"}}, {6466, []string{"classes"}},
	} {
		if got, ok := r.Number(t, c.members[0], c.members[1:]...); !ok || math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v is %v, want %v", c.members, got, c.want)
		}
	}
	sizes := r.Table(t, "basin_sizes")
	if got, _ := sizes.Int64s("size"); sizes.Rows != 2+nas.Size || got[0] != nas.Size {
		t.Errorf("%d rows of basins, the first of size %d", sizes.Rows, got[0])
	}
	for _, name := range []string{"figure", "figure_difference", "figure_basins"} {
		wellFormed(t, r.Files[name])
		if !strings.Contains(string(r.Files[name]), "Task &lt;A&gt;") {
			t.Errorf("%s lacks the label", name)
		}
	}
}

// TestConstant: what does not exist is null, and figures are drawn.
func TestConstant(t *testing.T) {
	store := stagetest.Store{}
	r, err := stagetest.Run(t, Kind, store, block(columns(t, store, nas.Size, map[string][]float64{"a": make([]float64, nas.Size)}), "a"))
	if err != nil {
		t.Fatal(err)
	}
	for _, members := range [][]string{{"autocorrelation", "a", "1", "value"}, {"correlation_length", "a", "value"}, {"locality", "a", "1", "value"}, {"signal", "a", "value"}, {"fitness_distance", "a", "ci_low"}} {
		if v, ok := r.Number(t, members[0], members[1:]...); ok {
			t.Errorf("%v of a constant is %v", members, v)
		}
	}
	for _, name := range []string{"figure", "figure_difference", "figure_basins"} {
		wellFormed(t, r.Files[name])
	}
}

// TestExtremeValues: sums overflow, and what comes of it is null.
func TestExtremeValues(t *testing.T) {
	store := stagetest.Store{}
	a := make([]float64, nas.Size)
	for i := range a {
		a[i] = math.MaxFloat64 * float64(i%3-1)
	}
	r, err := stagetest.Run(t, Kind, store, block(columns(t, store, nas.Size, map[string][]float64{"a": a}), "a"))
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := r.Number(t, "autocorrelation", "a", "1", "value"); ok {
		t.Errorf("autocorrelation %v", v)
	}
	wellFormed(t, r.Files["figure_difference"])
}

func TestMissingArchitectures(t *testing.T) {
	store := stagetest.Store{}
	a := make([]float64, nas.Size)
	a[7] = math.NaN()
	for want, tb := range map[string]cty.Value{
		"15624 of the 15625": columns(t, store, nas.Size, map[string][]float64{"a": a}),
		"3 of the 15625":     columns(t, store, 3, map[string][]float64{"a": a}),
	} {
		if _, err := stagetest.Run(t, Kind, store, block(tb, "a")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestCheck(t *testing.T) {
	tb := columns(t, stagetest.Store{}, 1, map[string][]float64{"a": {1}})
	word := func(s string) cty.Value { return cty.ObjectVal(map[string]cty.Value{s: cty.StringVal("higher")}) }
	for name, c := range map[string]struct {
		attribute string
		value     cty.Value
	}{
		"tables": {"tables", cty.ListValEmpty(stages.TableType)}, "better": {"better", word("x")}, "labels": {"labels", word("x")},
		"ties": {"ties", cty.StringVal("first")}, "no lags": {"lags", cty.Zero}, "lags": {"lags", cty.NumberFloatVal(1.5)},
		"rounding": {"rounding", cty.ObjectVal(map[string]cty.Value{"a": cty.NumberIntVal(-1)})},
	} {
		attrs := block(tb, "a")
		attrs[c.attribute] = c.value
		if p := stagetest.Problems(t, Kind, attrs); len(p) != 1 || p[0].Attribute != c.attribute || p[0].Detail == "" {
			t.Errorf("%s: problems %+v", name, p)
		}
	}
	if p := stagetest.Problems(t, Kind, block(tb, "a")); len(p) > 0 {
		t.Errorf("a good block has problems: %v", p)
	}
}

// TestTypesAreKnownBeforeTheRun sees that a misspelt member is an error then.
func TestTypesAreKnownBeforeTheRun(t *testing.T) {
	types := (&Stage{}).OutputTypes(stages.Attrs{
		"tasks": cty.ListVal([]cty.Value{cty.StringVal("a")}), "lags": cty.NumberIntVal(2),
		"rounding": cty.NullVal(cty.Map(cty.Number)),
	})
	if a := types["autocorrelation"].AttributeType("a"); !a.HasAttribute("2") || a.HasAttribute("3") {
		t.Errorf("autocorrelation is %#v", a)
	}
	if len(types["basins_rounded"].AttributeTypes()) != 0 {
		t.Errorf("basins_rounded is %#v", types["basins_rounded"])
	}
	unknown := (&Stage{}).OutputTypes(stages.Attrs{"tasks": cty.DynamicVal, "lags": cty.DynamicVal})
	if unknown["difference"] != cty.DynamicPseudoType {
		t.Errorf("difference of nothing known is %#v", unknown["difference"])
	}
}
