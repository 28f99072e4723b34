package performanceprofile

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

func score(value, sd float64) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"value": stages.NumberValue(value), "sd": stages.NumberValue(sd)})
}

// table2 is the experiment's file, with its own names.
func table2(t *testing.T) cty.Value {
	t.Helper()
	f, err := os.Open("../../experiments/nb360/nb360_results.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]cty.Value{}
	for _, r := range rows[1:] {
		name := r[0] + " " + r[1]
		if out[name] == nil {
			out[name] = map[string]cty.Value{}
		}
		out[name][r[2]] = score(number(r[3]), number(r[4]))
	}
	members := map[string]cty.Value{}
	for m, r := range out {
		members[m] = cty.ObjectVal(r)
	}
	return cty.ObjectVal(members)
}

func number(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

func texts(list ...string) cty.Value {
	out := make([]cty.Value, len(list))
	for i, s := range list {
		out[i] = cty.StringVal(s)
	}
	return cty.ListVal(out)
}

func profileOf(methods, tasks []string) cty.Value {
	m := map[string]cty.Value{"methods": texts(methods...)}
	if tasks != nil {
		m["tasks"] = texts(tasks...)
	}
	return cty.ObjectVal(m)
}

// reference is a profile of testdata/reference.py.
type reference struct {
	Methods, Tasks                              []string
	Ratio, Below, BelowLog, BelowLow, BelowHigh [][]float64
	End                                         float64
	Wins, Area, AreaLow, AreaHigh               []float64
	Crossings                                   map[string][]float64
}

type checker struct {
	*testing.T
	r *stagetest.Result
}

func (c checker) near(want, tolerance float64, output string, members ...string) {
	c.Helper()
	got, ok := c.r.Number(c.T, output, members...)
	if !ok && math.IsNaN(want) {
		return
	}
	if !ok || !(math.Abs(got-want) <= tolerance) {
		c.Errorf("%s.%s is %v (%v), want %v", output, strings.Join(members, "."), got, ok, want)
	}
}

func (c checker) list(want []float64, output string, members ...string) {
	c.Helper()
	v := c.r.Values[output]
	for _, m := range members {
		v = v.GetAttr(m)
	}
	var got []float64
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		f, _ := e.AsBigFloat().Float64()
		got = append(got, f)
	}
	if !slices.EqualFunc(got, want, func(a, b float64) bool { return math.Abs(a-b) < 1e-12 }) {
		c.Errorf("%s.%s is %v, want %v", output, strings.Join(members, "."), got, want)
	}
}

// TestTable2 compares profiles of the paper's table with NumPy.
func TestTable2(t *testing.T) {
	raw, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]reference{}
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	profiles := map[string]cty.Value{}
	for name, w := range want {
		profiles[name] = profileOf(w.Methods, w.Tasks)
	}
	r, err := stagetest.Run(t, Kind, stagetest.Store{}, map[string]cty.Value{
		"results": table2(t), "seeds": cty.NumberIntVal(3), "profiles": cty.ObjectVal(profiles),
		"best_of": cty.ObjectVal(map[string]cty.Value{
			"best NAS":   texts("DenseNAS original", "DenseNAS random", "DARTS GAEA", "Auto-DL DARTS", "AMBER ENAS"),
			"best other": texts("WRN default", "WRN ASHA", "Perceiver IO default", "XGBoost default"),
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range want {
		t.Run(name, func(t *testing.T) { checker{t, r}.profile(name, w) })
	}
	checkFigure(t, r.Files["figure"])
	checkCurves(t, r.Files["curves"])
}

func (c checker) profile(name string, w reference) {
	c.near(w.End, 1e-12, "largest", name, "value")
	for i, m := range w.Methods {
		c.near(w.Wins[i], 1e-12, "wins", name, m, "value")
		c.near(w.Area[i], 1e-12, "area", name, m, "value")
		c.near(w.AreaLow[i], 0.01, "area", name, m, "ci_low")
		c.near(w.AreaHigh[i], 0.01, "area", name, m, "ci_high")
		for k, task := range w.Tasks {
			c.near(w.Ratio[i][k], 1e-12, "ratio", name, m, task, "value")
		}
		for j, other := range w.Methods {
			if i == j {
				continue
			}
			c.near(w.Below[i][j], 1e-12, "below", name, m, other, "value")
			c.near(w.BelowLog[i][j], 1e-12, "below_log", name, m, other, "value")
			c.near(w.BelowLow[i][j], 0.03, "below", name, m, other, "ci_low")
			c.near(w.BelowHigh[i][j], 0.03, "below", name, m, other, "ci_high")
			c.list(w.Crossings[m+"|"+other], "crossings", name, m, other)
		}
	}
}

func checkFigure(t *testing.T, svg []byte) {
	t.Helper()
	if !bytes.HasPrefix(svg, []byte("<svg")) || bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
		t.Errorf("no figure, or it holds numbers that are none:\n%s", svg)
	}
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// checkCurves requires of every curve that it rises from tau 1 to 1, within its band.
func checkCurves(t *testing.T, data []byte) {
	t.Helper()
	curves, err := table.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	columns := map[string][]float64{}
	for _, name := range []string{"tau", "rho", "rho_low", "rho_high"} {
		if columns[name], err = curves.Float64s(name); err != nil {
			t.Fatal(err)
		}
	}
	tau, rho := columns["tau"], columns["rho"]
	for i := range tau {
		switch {
		case tau[i] == 1 && i > 0 && rho[i-1] != 1:
			t.Errorf("row %d: a curve ends at %v", i-1, rho[i-1])
		case tau[i] > 1 && (tau[i] <= tau[i-1] || rho[i] < rho[i-1]):
			t.Errorf("row %d: a curve falls", i)
		case columns["rho_low"][i] > columns["rho_high"][i]:
			t.Errorf("row %d: the band is upside down", i)
		}
	}
}

// block makes a block of one profile of a and b, whose errors are given by task.
func block(a, b []float64, more map[string]cty.Value) map[string]cty.Value {
	row := func(values []float64) cty.Value {
		members := map[string]cty.Value{}
		for i, v := range values {
			members["t"+strconv.Itoa(i)] = score(v, math.NaN())
		}
		return cty.ObjectVal(members)
	}
	out := map[string]cty.Value{
		"results":  cty.ObjectVal(map[string]cty.Value{"a": row(a), "b": row(b), "gap": row([]float64{1})}),
		"profiles": cty.ObjectVal(map[string]cty.Value{"p": profileOf([]string{"a", "b"}, nil)}), "resamples": cty.NumberIntVal(50),
	}
	for k, v := range more {
		out[k] = v
	}
	return out
}

func TestSteps(t *testing.T) {
	nan := math.NaN()
	for name, c := range map[string]struct {
		a, b                 []float64
		end, below, areaOfA  float64
		crossings, otherWise []float64
	}{
		"one better":      {[]float64{1, 1}, []float64{2, 3}, 3, 0, 1, nil, nil},
		"a overtakes":     {[]float64{2, 2, 4}, []float64{1, 1, 12}, 3, 0.5, 1./3 + 2./3*0.5, []float64{2}, nil},
		"both, with ties": {[]float64{1, 3, 9}, []float64{2, 1, 9}, 3, 0.5, 2. / 3, nil, nil},
		"equal":           {[]float64{1, 2}, []float64{1, 2}, 1, nan, nan, nil, nil},
		"zero":            {[]float64{0, 1}, []float64{1, 2}, 2, 0, 1, nil, nil},
		"both zero":       {[]float64{0, 1}, []float64{0, 2}, 2, 0, 1, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := stagetest.Run(t, Kind, stagetest.Store{}, block(c.a, c.b, nil))
			if err != nil {
				t.Fatal(err)
			}
			k := checker{t, r}
			k.near(c.end, 1e-12, "largest", "p", "value")
			k.near(c.below, 1e-12, "below", "p", "a", "b", "value")
			k.near(nan, 0, "below", "p", "a", "b", "ci_low") // no spread was given
			k.near(c.areaOfA, 1e-12, "area", "p", "a", "value")
			k.list(c.crossings, "crossings", "p", "a", "b")
			k.list(c.otherWise, "crossings", "p", "b", "a")
			checkFigure(t, r.Files["figure"])
		})
	}
}

// TestRightContinuous looks at a step itself.
func TestRightContinuous(t *testing.T) {
	s := steps{1, 1.5, 1.5, math.Inf(1)}
	for tau, want := range map[float64]float64{1: 0.25, 1.4999: 0.25, 1.5: 0.75, 9: 0.75} {
		if got := s.rho(tau); got != want {
			t.Errorf("rho(%v) = %v, want %v", tau, got, want)
		}
	}
}

func TestMissing(t *testing.T) {
	three := map[string]cty.Value{"profiles": cty.ObjectVal(map[string]cty.Value{"p": profileOf([]string{"a", "gap", "b"}, nil)})}
	r, err := stagetest.Run(t, Kind, stagetest.Store{}, block([]float64{2, 2}, []float64{4, 2}, three))
	if err != nil {
		t.Fatal(err)
	}
	c := checker{t, r}
	c.near(2, 0, "largest", "p", "value") // gap has the lowest error on t0, and does not count
	c.near(math.NaN(), 0, "area", "p", "gap", "value")
	c.near(math.NaN(), 0, "below", "p", "a", "gap", "value")
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "gap is left out of profile p") || !bytes.Contains(r.Files["figure"], []byte("gap: n/a")) {
		t.Errorf("warnings %q", r.Warnings)
	}
	three["missing"] = cty.StringVal("infeasible")
	if r, err = stagetest.Run(t, Kind, stagetest.Store{}, block([]float64{2, 2}, []float64{4, 2}, three)); err != nil {
		t.Fatal(err)
	}
	c = checker{t, r}
	c.near(4, 0, "largest", "p", "value")
	c.near(0.5, 0, "area", "p", "gap", "value")
	c.near(2./3, 1e-12, "below", "p", "gap", "a", "value")
	c.list(nil, "crossings", "p", "a", "gap") // level before, not below
	if got, _ := r.Number(t, "ratio", "p", "gap", "t1", "value"); !math.IsInf(got, 1) {
		t.Errorf("a ratio without an error is %v", got)
	}
	checkFigure(t, r.Files["figure"])
}

func TestNothingToCompare(t *testing.T) {
	nothing := map[string]cty.Value{"profiles": cty.ObjectVal(map[string]cty.Value{"p": profileOf([]string{"a", "gap"}, nil)})}
	_, err := stagetest.Run(t, Kind, stagetest.Store{}, block([]float64{1, 2}, []float64{1, 2}, nothing))
	if err == nil || !strings.Contains(err.Error(), "profiles: p: it has 1 methods") {
		t.Errorf("%v", err)
	}
}

func TestCheck(t *testing.T) {
	profiles := func(p cty.Value) map[string]cty.Value {
		return map[string]cty.Value{"profiles": cty.ObjectVal(map[string]cty.Value{"p": p})}
	}
	best := func(name string, of ...string) map[string]cty.Value {
		return map[string]cty.Value{"best_of": cty.MapVal(map[string]cty.Value{name: texts(of...)})}
	}
	for name, c := range map[string]struct {
		more map[string]cty.Value
		want string
	}{
		"no profiles":    {map[string]cty.Value{"profiles": cty.EmptyObjectVal}, "profiles: Name the methods"},
		"one method":     {profiles(profileOf([]string{"a"}, nil)), `profiles: "p" has 1 methods`},
		"unknown method": {profiles(profileOf([]string{"a", "x"}, nil)), `profiles: "x" is no method of results. There are a, b, gap.`},
		"twice":          {profiles(profileOf([]string{"a", "a"}, nil)), `profiles: "a" stands in profiles more than once`},
		"unknown task":   {profiles(profileOf([]string{"a", "b"}, []string{"u"})), `profiles: "u" is no task of results`},
		"task twice":     {profiles(profileOf([]string{"a", "b"}, []string{"t0", "t0"})), `profiles: "t0" stands in profiles more than once`},
		"missing":        {map[string]cty.Value{"missing": cty.StringVal("drop")}, `missing: missing is "drop"`},
		"taken":          {best("a", "b"), `best_of: "a" is a method of results already`},
		"best of none":   {map[string]cty.Value{"best_of": cty.MapVal(map[string]cty.Value{"c": cty.ListValEmpty(cty.String)})}, `best_of: "c" is the best of no methods`},
		"best unknown":   {best("c", "x"), `best_of: "x" is no method`},
		"labels":         {map[string]cty.Value{"labels": cty.ObjectVal(map[string]cty.Value{"x": cty.StringVal("X")})}, `labels: "x" is no method`},
		"resamples":      {map[string]cty.Value{"resamples": cty.NumberIntVal(-1)}, "resamples: resamples is -1"},
	} {
		var all []string
		for _, p := range stagetest.Problems(t, Kind, block([]float64{1}, []float64{2}, c.more)) {
			all = append(all, p.Attribute+": "+p.Detail)
		}
		if len(all) != 1 || !strings.Contains(all[0], c.want) {
			t.Errorf("%s: %q, want %q", name, all, c.want)
		}
	}
	good := block([]float64{1}, []float64{2}, map[string]cty.Value{"labels": cty.ObjectVal(map[string]cty.Value{"p": cty.StringVal("P"), "a": cty.StringVal("A")})})
	if p := stagetest.Problems(t, Kind, good); len(p) > 0 {
		t.Errorf("a good block has problems: %v", p)
	}
}

// TestTypesAreKnownBeforeTheRun sees that a misspelt member is an error then.
func TestTypesAreKnownBeforeTheRun(t *testing.T) {
	row := cty.MapVal(map[string]cty.Value{"t": cty.ObjectVal(map[string]cty.Value{"value": cty.UnknownVal(cty.Number)})})
	attrs := stages.Attrs{
		"results":  cty.MapVal(map[string]cty.Value{"a": row, "b": row}),
		"profiles": cty.MapVal(map[string]cty.Value{"p": cty.ObjectVal(map[string]cty.Value{"methods": texts("a", "b"), "tasks": cty.NullVal(cty.List(cty.String))})}),
	}
	types := (&Stage{}).OutputTypes(attrs)
	if below := types["below"]; !below.HasAttribute("p") || !below.AttributeType("p").HasAttribute("a") || below.AttributeType("p").AttributeType("a").HasAttribute("a") {
		t.Errorf("below is %#v", types["below"])
	}
	if ratio := types["ratio"].AttributeType("p").AttributeType("b"); !ratio.HasAttribute("t") {
		t.Errorf("ratio is %#v", ratio)
	}
	if got := (&Stage{}).OutputTypes(stages.Attrs{"results": cty.DynamicVal, "profiles": cty.DynamicVal})["below"]; got != cty.DynamicPseudoType {
		t.Errorf("below of nothing known is %#v", got)
	}
}
