package adaproxy

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

func names(list ...string) cty.Value {
	out := make([]cty.Value, len(list))
	for i, s := range list {
		out[i] = cty.StringVal(s)
	}
	return cty.ListVal(out)
}

// cost is a latency that is linear in the operations.
func cost(cell nas.Cell, of [nas.NumOps]float64) float64 {
	sum := 3.0
	for edge, op := range cell {
		sum += of[op] * (1 + float64(edge)/10)
	}
	return sum
}

// devices are 300 cells on a proxy, on a target whose latencies are another linear
// function, on one with noise and gaps, and on one that ranks nothing.
func devices(t *testing.T, store stagetest.Store) map[string]cty.Value {
	t.Helper()
	var numbers []int64
	columns := map[string][]float64{}
	for i := range 300 {
		a := 37 * i
		cell := nas.At(a)
		numbers = append(numbers, int64(a))
		noisy := cost(cell, [nas.NumOps]float64{0, 1, 2, 3, 5}) + float64(i%11)/4
		if i%4 == 0 {
			noisy = math.NaN()
		}
		for name, v := range map[string]float64{
			"proxy": cost(cell, [nas.NumOps]float64{0.1, 0.3, 2, 9, 1}), "other": cost(cell, [nas.NumOps]float64{0.2, 4, 3, 5, 9}),
			"noisy": noisy, "constant": 5, "accuracy": 80 + float64(i%17) + cost(cell, [nas.NumOps]float64{0, 1, 2, 3, 1}),
		} {
			columns[name] = append(columns[name], v)
		}
	}
	list := []table.Column{table.IntColumn(table.Architecture, numbers)}
	for _, name := range []string{"proxy", "other", "noisy", "constant", "accuracy"} {
		list = append(list, table.FloatColumn(name, columns[name]))
	}
	made, err := table.New(list...)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]cty.Value{
		"tables": cty.ListVal([]cty.Value{store.Table(t, made)}), "proxy": cty.StringVal("proxy"), "targets": names("other", "noisy"),
		"accuracy": cty.StringVal("accuracy"), "runs": cty.NumberIntVal(4), "resamples": cty.NumberIntVal(200),
	}
}

func TestAdaptation(t *testing.T) {
	for _, penalty := range []string{"l2", "l1"} {
		store := stagetest.Store{}
		attrs := devices(t, store)
		attrs["penalty"] = cty.StringVal(penalty)
		r, err := stagetest.Run(t, Kind, store, attrs)
		if err != nil {
			t.Fatal(err)
		}
		before, _ := r.Number(t, "before", "other", "value")
		adapted, _ := r.Number(t, "adapted", "other", "value")
		gain, _ := r.Number(t, "gain", "other", "value")
		if before > 0.8 || adapted < 0.99 || math.Abs(gain-(adapted-before)) > 1e-12 {
			t.Errorf("%s: %v before, %v adapted, gain %v", penalty, before, adapted, gain)
		}
		for _, c := range []struct {
			want    float64
			members []string
		}{
			{1, []string{"ceiling", "other"}}, {1, []string{"reached", "other"}}, {1, []string{"proxy_fit"}},
			{300, []string{"cells"}}, {230, []string{"unseen", "other"}}, {155, []string{"unseen", "noisy"}}, {4, []string{"adapted", "noisy", "n"}},
			{2, []string{"weak_count"}}, {2, []string{"improved_count"}},
		} {
			if got, _ := r.Number(t, c.members[0], c.members[1:]...); math.Abs(got-c.want) > 1e-5 { // equal sums of latencies differ in rounding, and do not tie
				t.Errorf("%s: %v is %v, want %v", penalty, c.members, got, c.want)
			}
		}
		if got := r.Values["highest"].GetAttr("target").AsString(); got != "other" {
			t.Errorf("%s: the highest is %s", penalty, got)
		}
		worse, _ := r.Number(t, "hypervolume_before", "other")
		better, _ := r.Number(t, "hypervolume_adapted", "other", "value")
		if !(better > worse && better <= 1) {
			t.Errorf("%s: hypervolume %v before, %v adapted", penalty, worse, better)
		}
		if results := r.Table(t, "results"); results.Rows != 8 || !results.Has("hypervolume") {
			t.Errorf("%s: results has %d rows and %v", penalty, results.Rows, results.Names())
		}
		checkFigure(t, string(r.Files["figure"]))
	}
}

func checkFigure(t *testing.T, doc string) {
	t.Helper()
	if !strings.Contains(doc, "<svg") || strings.Contains(doc, "NaN") || strings.Contains(doc, "Inf") {
		t.Error("the figure is none, or holds numbers that are none")
	}
	for d := xml.NewDecoder(strings.NewReader(doc)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestErrors(t *testing.T) {
	store := stagetest.Store{}
	for name, c := range map[string]struct {
		change map[string]cty.Value
		want   string
	}{
		"unknown proxy":    {map[string]cty.Value{"proxy": cty.StringVal("watch")}, `no column "watch"`},
		"unknown target":   {map[string]cty.Value{"targets": names("watch")}, `no column "watch"`},
		"unknown accuracy": {map[string]cty.Value{"accuracy": cty.StringVal("watch")}, `no column "watch"`},
		"too few":          {map[string]cty.Value{"targets": names("noisy"), "train": cty.NumberIntVal(220)}, "noisy has 225 latencies; 220 for training, 10 for validation and 2 unseen ones need 232"},
		"constant target":  {map[string]cty.Value{"targets": names("constant")}, "all latencies of constant are 5"},
		"no targets":       {map[string]cty.Value{"targets": cty.ListValEmpty(cty.String)}, "Name the devices"},
		"target twice":     {map[string]cty.Value{"targets": names("other", "other")}, "more than once"},
		"proxy as target":  {map[string]cty.Value{"targets": names("proxy")}, `"proxy" is the proxy`},
		"accuracy twice":   {map[string]cty.Value{"accuracy": cty.StringVal("other")}, `"other" is a device`},
		"unknown label":    {map[string]cty.Value{"labels": cty.MapVal(map[string]cty.Value{"watch": cty.StringVal("W")})}, `"watch" is neither`},
		"norm":             {map[string]cty.Value{"penalty": cty.StringVal("l3")}, `"l3"`},
		"direction":        {map[string]cty.Value{"better": cty.StringVal("bigger")}, "bigger"},
		"lambda of 0":      {map[string]cty.Value{"lambdas": cty.ListVal([]cty.Value{cty.NumberIntVal(0)})}, "above 0"},
		"no lambda":        {map[string]cty.Value{"lambdas": cty.ListValEmpty(cty.Number)}, "There are 0"},
		"little training":  {map[string]cty.Value{"train": cty.NumberIntVal(2)}, "train is 2"},
		"half a sample":    {map[string]cty.Value{"validation": cty.NumberFloatVal(9.5)}, "validation"},
		"no runs":          {map[string]cty.Value{"runs": cty.NumberIntVal(0)}, "runs is 0"},
	} {
		attrs := devices(t, store)
		for k, v := range c.change {
			attrs[k] = v
		}
		if _, err := stagetest.Run(t, Kind, store, attrs); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A proxy that ranks nothing has no predictor to speak of, and adapts from nothing.
func TestConstantProxy(t *testing.T) {
	store := stagetest.Store{}
	attrs := devices(t, store)
	attrs["proxy"] = cty.StringVal("constant")
	r, err := stagetest.Run(t, Kind, store, attrs)
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := r.Number(t, "before", "other", "value"); v != 0 {
		t.Errorf("a constant predictor has an SRCC of %v", v)
	}
	checkFigure(t, string(r.Files["figure"]))
}

func TestConstantDraw(t *testing.T) {
	x := encode([]int{1, 2, 3, 4, 5, 6})
	w := make([]float64, width)
	_, err := adapt(x, w, []float64{7, 7, 7, 1, 2, 3}, []int{0, 1, 2}, []int{3, 4}, []int{5}, euclideanPenalty, []float64{1})
	if err == nil || !strings.Contains(err.Error(), "are all 7: draw more of them") {
		t.Errorf("%v", err)
	}
}

// Problems in which nothing, or all, is to be gained by b.
func TestSolversAtTheEnds(t *testing.T) {
	cells := make([]int, 20)
	y := make([]float64, 20)
	w := make([]float64, width)
	for i := range cells {
		cells[i] = 700 * i
		y[i] = float64(i * i % 13)
	}
	for j := range w {
		w[j] = float64(j%5) - 1
	}
	for _, zero := range []bool{true, false} {
		if zero {
			clear(w)
		}
		for _, lambda := range []float64{1e-12, 1, 1e12} {
			p := newProblem(encode(cells), w, y)
			b, err := p.euclidean(lambda)
			other := make([]float64, width)
			if err != nil || slices.ContainsFunc(b, math.IsNaN) {
				t.Errorf("zero %v, lambda %v: %v %v", zero, lambda, b, err)
			}
			if lambda == 1e12 || zero {
				if err := p.absolute(lambda, other); err != nil {
					t.Error(err)
				}
				if dot(b, b) != 0 || dot(other, other) != 0 {
					t.Errorf("zero %v, lambda %v: b is %v and %v, want 0", zero, lambda, b, other)
				}
			}
			if weights, c := p.predictor(w, b); slices.ContainsFunc(append(weights, c), math.IsNaN) {
				t.Errorf("zero %v, lambda %v: %v %v", zero, lambda, weights, c)
			}
		}
	}
}

func TestSameBytesOnAnyNumberOfCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var first map[string][]byte
	for _, cores := range []int{1, 4} {
		runtime.GOMAXPROCS(cores)
		store := stagetest.Store{}
		r, err := stagetest.Run(t, Kind, store, devices(t, store))
		if err != nil {
			t.Fatal(err)
		}
		r.Files["values"] = []byte(fmt.Sprintf("%#v", r.Values))
		if first == nil {
			first = r.Files
		}
		for name, data := range r.Files {
			if !slices.Equal(data, first[name]) {
				t.Errorf("%s differs on %d cores", name, cores)
			}
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := &experiment{Stage: &Stage{Targets: []string{"a"}, Runs: 1}, x: encode([]int{1}), latency: map[string][]float64{"a": {1}}, outcomes: map[string]*outcome{"a": {failed: make([]error, 1)}}}
	if err := e.adaptAll(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
