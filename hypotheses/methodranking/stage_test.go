package methodranking

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

	"github.com/nbpipe/nbpipe/hypotheses/scores"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

// score makes a member of results; NaN is null.
func score(value, sd float64) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"value": stages.NumberValue(value), "sd": stages.NumberValue(sd)})
}

// table2 is the experiment's file, with its own names.
func table2(t *testing.T, methods []string) cty.Value {
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
		if !slices.Contains(methods, name) {
			continue
		}
		value, sd := number(r[3]), number(r[4])
		if out[name] == nil {
			out[name] = map[string]cty.Value{}
		}
		out[name][r[2]] = score(value, sd)
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

func texts(list []string) cty.Value {
	out := make([]cty.Value, len(list))
	for i, s := range list {
		out[i] = cty.StringVal(s)
	}
	return cty.ListVal(out)
}

// reference is what testdata/reference.py writes.
type reference struct {
	Names, Tasks                                  []string
	Rank, Improvement                             [][]*float64
	MedianRank, MedianImprovement                 []float64
	MedianRankInterval, MedianImprovementInterval [][]float64
	FewerInterval                                 []float64
	Pairs                                         map[string]map[string]float64
	Friedman                                      struct {
		Statistic, P, CriticalDifference float64
		MeanRanks                        []float64
		Intervals, NemenyiP              [][]float64
	}
}

// checker compares outputs with what they should be.
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

func (c checker) interval(want []float64, tolerance float64, output string, members ...string) {
	c.Helper()
	c.near(want[0], tolerance, output, append(slices.Clone(members), "ci_low")...)
	c.near(want[1], tolerance, output, append(slices.Clone(members), "ci_high")...)
}

func value(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

// TestTable3 compares the paper's table with SciPy.
func TestTable3(t *testing.T) {
	raw, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var want reference
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	r, err := stagetest.Run(t, Kind, stagetest.Store{}, map[string]cty.Value{
		"results": table2(t, want.Names), "methods": texts(want.Names), "tasks": texts(want.Tasks),
		"baseline": cty.StringVal(want.Names[0]), "seeds": cty.NumberIntVal(3),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := checker{t, r}
	for m, name := range want.Names {
		c.near(want.MedianRank[m], 1e-12, "median_rank", name, "value")
		c.near(want.MedianImprovement[m], 1e-10, "median_improvement", name, "value")
		c.interval(want.MedianRankInterval[m], 0.5, "median_rank", name) // they go by steps of a half
		c.interval(want.MedianImprovementInterval[m], 0.6, "median_improvement", name)
		for i, task := range want.Tasks {
			c.near(value(want.Rank[m][i]), 1e-12, "rank", name, task, "value")
			c.near(value(want.Improvement[m][i]), 1e-10, "improvement", name, task, "value")
			if m > 0 {
				c.near(value(want.Improvement[m][i]), 1e-10, "gain", name, want.Names[0], task, "value")
			}
		}
	}
	for pair, w := range want.Pairs {
		a, b, _ := strings.Cut(pair, "|")
		for member, v := range w {
			c.near(v, 1e-12, "pair", a, b, member)
		}
		c.near(w["better"], 0, "better", a, b, "value")
	}
	c.interval(want.FewerInterval, 0, "better", want.Names[1], want.Names[2])
	c.near(0, 0, "pair", want.Names[5], want.Names[6], "n")
	c.near(math.NaN(), 0, "better", want.Names[5], want.Names[6], "value")
	c.friedman(want)
	for name, svg := range r.Files {
		checkFigure(t, name, svg)
	}
	if !bytes.Contains(r.Files["critical_difference"], []byte("Friedman p = 0.17")) {
		t.Error("the diagram does not say what the test found")
	}
}

func (c checker) friedman(want reference) {
	c.Helper()
	c.near(want.Friedman.Statistic, 1e-12, "friedman", "statistic")
	c.near(want.Friedman.P, 1e-9, "friedman", "p")
	c.near(want.Friedman.CriticalDifference, 1e-6, "friedman", "critical_difference")
	c.near(5, 0, "friedman", "methods")
	for i, a := range want.Names[:5] {
		c.near(want.Friedman.MeanRanks[i], 1e-12, "friedman_rank", a, "value")
		c.interval(want.Friedman.Intervals[i], 0.06, "friedman_rank", a)
		for j, b := range want.Names[:5] {
			if i != j {
				c.near(want.Friedman.NemenyiP[i][j], 1e-7, "nemenyi", a, b, "p")
				c.near(want.Friedman.MeanRanks[i]-want.Friedman.MeanRanks[j], 1e-12, "nemenyi", a, b, "value")
			}
		}
	}
	c.near(math.NaN(), 0, "friedman_rank", want.Names[5], "value")
	c.near(math.NaN(), 0, "nemenyi", want.Names[5], want.Names[0], "p")
}

func checkFigure(t *testing.T, name string, svg []byte) {
	t.Helper()
	if !bytes.HasPrefix(svg, []byte("<svg")) || bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
		t.Errorf("%s is no figure, or holds numbers that are none:\n%s", name, svg)
	}
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// block makes a block of the results, by method and task.
func block(results map[string]map[string]cty.Value, more map[string]cty.Value) map[string]cty.Value {
	members := map[string]cty.Value{}
	for m, r := range results {
		members[m] = cty.ObjectVal(r)
	}
	out := map[string]cty.Value{"results": cty.ObjectVal(members), "baseline": cty.StringVal("a"), "resamples": cty.NumberIntVal(200)}
	for k, v := range more {
		out[k] = v
	}
	return out
}

func one(values map[string]float64) map[string]map[string]cty.Value {
	out := map[string]map[string]cty.Value{}
	for m, v := range values {
		out[m] = map[string]cty.Value{"t": score(v, math.NaN())}
	}
	return out
}

// TestSmall has tables of one task, zeros, ties and gaps.
func TestSmall(t *testing.T) {
	nan := math.NaN()
	for name, c := range map[string]struct {
		errors         map[string]float64
		rank, improved float64 // of b
	}{
		"two":           {map[string]float64{"a": 2, "b": 1}, 1, 50},
		"tied":          {map[string]float64{"a": 2, "b": 2, "c": 2}, 2, 0},
		"zero":          {map[string]float64{"a": 2, "b": 0}, 1, 100},
		"of zero":       {map[string]float64{"a": 0, "b": 0}, 1.5, nan},
		"n/a":           {map[string]float64{"a": 2, "b": nan, "c": 3, "d": 4}, nan, nan},
		"baseline n/a":  {map[string]float64{"a": nan, "b": 1, "c": 2}, 1, nan},
		"nothing known": {map[string]float64{"a": nan, "b": nan}, nan, nan},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := stagetest.Run(t, Kind, stagetest.Store{}, block(one(c.errors), nil))
			if err != nil {
				t.Fatal(err)
			}
			k := checker{t, r}
			k.near(c.rank, 0, "median_rank", "b", "value")
			k.near(nan, 0, "median_rank", "b", "ci_low") // no spread was given
			k.near(c.improved, 1e-12, "median_improvement", "b", "value")
			for name, svg := range r.Files {
				checkFigure(t, name, svg)
			}
		})
	}
}

// TestBlocks sees that methods with gaps do not enter the tests on all, and that a
// difference is found where there is one.
func TestBlocks(t *testing.T) {
	results := map[string]map[string]cty.Value{"gap": {"t0": score(1, 0)}}
	for i, m := range []string{"a", "b", "c"} {
		results[m] = map[string]cty.Value{}
		for task := range 12 {
			results[m]["t"+strconv.Itoa(task)] = score(float64(10*i+task), 0.1)
		}
	}
	r, err := stagetest.Run(t, Kind, stagetest.Store{}, block(results, map[string]cty.Value{"seeds": cty.NumberIntVal(3)}))
	if err != nil {
		t.Fatal(err)
	}
	c := checker{t, r}
	c.near(24, 1e-12, "friedman", "statistic") // the largest possible, n(k-1)
	c.near(3, 0, "friedman", "methods")
	c.near(-2, 1e-12, "nemenyi", "a", "c", "value")
	c.near(12, 0, "better", "a", "c", "value")
	c.near(math.Pow(2, -11), 1e-15, "pair", "a", "c", "sign_p")
	if svg := string(r.Files["critical_difference"]); !strings.Contains(svg, "some methods differ") {
		t.Error("the diagram does not say that methods differ")
	}
}

func TestGroups(t *testing.T) {
	for _, c := range []struct {
		sorted   []float64
		critical float64
		want     [][2]int
	}{
		{[]float64{1, 2, 3, 4}, 0.5, nil},
		{[]float64{1, 2, 3, 4}, 1, nil}, // exactly at the difference differs
		{[]float64{1, 2, 3, 4}, 1.5, [][2]int{{0, 1}, {1, 2}, {2, 3}}},
		{[]float64{1, 1.1, 1.2, 4}, 1, [][2]int{{0, 2}}},
		{[]float64{1, 2, 2.5, 4}, 9, [][2]int{{0, 3}}},
	} {
		if got := groups(c.sorted, c.critical); !slices.Equal(got, c.want) {
			t.Errorf("%v at %v: %v, want %v", c.sorted, c.critical, got, c.want)
		}
	}
}

func TestScores(t *testing.T) {
	for name, c := range map[string]struct {
		score cty.Value
		want  string
	}{
		"negative":    {score(-1, 0), "b on t: the value is -1"},
		"negative sd": {score(1, -1), "the standard deviation is -1"},
		"no seeds":    {score(1, 1), "seeds = 3"},
	} {
		results := one(map[string]float64{"a": 1})
		results["b"] = map[string]cty.Value{"t": c.score}
		attrs := block(results, nil)
		if p := stagetest.Problems(t, Kind, attrs); len(p) != 1 || p[0].Attribute != "results" || !strings.Contains(p[0].Detail, c.want) {
			t.Errorf("%s: %v, want %q", name, p, c.want)
		}
		if _, err := stagetest.Run(t, Kind, stagetest.Store{}, attrs); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	two := one(map[string]float64{"a": 1, "b": 2})
	many := map[string]float64{}
	for i := range scores.MaxMethods + 1 {
		many["m"+strconv.Itoa(i)] = 1
	}
	many["a"] = 1
	for name, c := range map[string]struct {
		attrs map[string]cty.Value
		want  string
	}{
		"no results":     {block(nil, nil), "results: Name the errors by method and task"},
		"unknown method": {block(two, map[string]cty.Value{"methods": texts([]string{"a", "x"})}), `methods: "x" is no method of results. There are a, b.`},
		"twice":          {block(two, map[string]cty.Value{"methods": texts([]string{"a", "b", "a"})}), `methods: "a" stands in methods more than once`},
		"unknown task":   {block(two, map[string]cty.Value{"tasks": texts([]string{"u"})}), `tasks: "u" is no task`},
		"one method":     {block(two, map[string]cty.Value{"methods": texts([]string{"a"})}), "methods: A ranking needs two methods"},
		"baseline":       {block(two, map[string]cty.Value{"baseline": cty.StringVal("x")}), `baseline: "x" is none of the ranked methods`},
		"alpha":          {block(two, map[string]cty.Value{"alpha": cty.NumberIntVal(1)}), "alpha: alpha is 1"},
		"resamples":      {block(two, map[string]cty.Value{"resamples": cty.NumberIntVal(0)}), "resamples: resamples is 0"},
		"labels":         {block(two, map[string]cty.Value{"labels": cty.ObjectVal(map[string]cty.Value{"x": cty.StringVal("X")})}), `labels: "x" is no method`},
		"too many":       {block(one(many), nil), "results: 52 methods on 1 tasks"},
	} {
		var all []string
		for _, p := range stagetest.Problems(t, Kind, c.attrs) {
			all = append(all, p.Attribute+": "+p.Detail)
		}
		if len(all) != 1 || !strings.Contains(all[0], c.want) {
			t.Errorf("%s: %q, want %q", name, all, c.want)
		}
	}
	if p := stagetest.Problems(t, Kind, block(two, nil)); len(p) > 0 {
		t.Errorf("a good block has problems: %v", p)
	}
}

// TestTypesAreKnownBeforeTheRun sees that a misspelt member is an error then.
func TestTypesAreKnownBeforeTheRun(t *testing.T) {
	unknown := cty.ObjectVal(map[string]cty.Value{"value": cty.UnknownVal(cty.Number), "sd": cty.NullVal(cty.Number), "n": cty.NullVal(cty.Number)})
	row := cty.MapVal(map[string]cty.Value{"t": unknown})
	types := (&Stage{}).OutputTypes(stages.Attrs{"results": cty.MapVal(map[string]cty.Value{"a": row, "b": row}), "methods": cty.NullVal(cty.List(cty.String)), "tasks": cty.NullVal(cty.List(cty.String))})
	gain := types["gain"]
	if !gain.HasAttribute("a") || !gain.AttributeType("a").HasAttribute("b") || gain.AttributeType("a").HasAttribute("a") || !gain.AttributeType("a").AttributeType("b").HasAttribute("t") {
		t.Errorf("gain is %#v", gain)
	}
	if got := (&Stage{}).OutputTypes(stages.Attrs{"results": cty.DynamicVal})["rank"]; got != cty.DynamicPseudoType {
		t.Errorf("rank of nothing known is %#v", got)
	}
	if got := (&Stage{}).OutputTypes(stages.Attrs{"results": cty.MapVal(map[string]cty.Value{"a": cty.UnknownVal(cty.Map(cty.Number))})})["rank"]; got.HasAttribute("a") && got.AttributeType("a") != cty.DynamicPseudoType {
		t.Errorf("rank of unknown tasks is %#v", got)
	}
}
