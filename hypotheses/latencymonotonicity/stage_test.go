package latencymonotonicity

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/benchmarktable"
	"github.com/nbpipe/nbpipe/stages/preprocess/latencytable"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

func names(list ...string) cty.Value {
	out := make([]cty.Value, len(list))
	for i, s := range list {
		out[i] = cty.StringVal(s)
	}
	return cty.ListVal(out)
}

// column is a device whose latencies are a function of the work that a cell is.
func column(name string, numbers []int64, f func(i int, flops float64) float64) table.Column {
	values := make([]float64, len(numbers))
	for i, a := range numbers {
		values[i] = f(i, float64(nas.FLOPs(nas.At(int(a)), nas.CIFAR10))/1e6)
	}
	return table.FloatColumn(name, values)
}

// devices are 200 cells on a phone, a faster one, a chip that ranks them the other way
// round, and one that is noisy and lacks every fifth.
func devices(t *testing.T, store stagetest.Store) map[string]cty.Value {
	t.Helper()
	numbers := make([]int64, 200)
	for i := range numbers {
		numbers[i] = int64(40 * i)
	}
	made, err := table.New(table.IntColumn(table.Architecture, numbers),
		column("phone", numbers, func(i int, f float64) float64 { return f + float64(i%7) }),
		column("fast", numbers, func(i int, f float64) float64 { return (f + float64(i%7)) / 3 }),
		column("chip", numbers, func(i int, f float64) float64 { return 500 - f - float64(i%7) }),
		column("noisy", numbers, func(i int, f float64) float64 {
			if i%5 == 0 {
				return math.NaN()
			}
			return f + float64(i*i%97)
		}),
		column("accuracy", numbers, func(i int, f float64) float64 { return 60 + f/20 - float64(i%3) }))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]cty.Value{
		"tables": cty.ListVal([]cty.Value{store.Table(t, made)}), "devices": names("phone", "chip", "fast", "noisy"),
		"accuracy": cty.StringVal("accuracy"), "resamples": cty.NumberIntVal(200),
	}
}

func TestMonotonicity(t *testing.T) {
	store := stagetest.Store{}
	r, err := stagetest.Run(t, Kind, store, devices(t, store))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want    float64
		members []string
	}{
		{200, []string{"cells"}}, {160, []string{"measured", "noisy"}}, {160, []string{"srcc", "phone", "noisy", "n"}},
		{1, []string{"srcc", "phone", "fast", "value"}}, {-1, []string{"srcc", "chip", "phone", "value"}}, {-1, []string{"srcc", "phone", "chip", "ci_high"}},
		{1. / 6, []string{"strong_share", "value"}}, {1, []string{"strong_pairs"}}, {3, []string{"cluster_count"}},
		{1, []string{"transfer", "fast", "kept"}}, {1, []string{"transfer", "fast", "found"}}, {1, []string{"transfer", "fast", "hypervolume"}},
		{0, []string{"transfer", "fast", "regret"}}, {2, []string{"transfer_pairs", "strong"}}, {10, []string{"transfer_pairs", "weak"}},
		{1, []string{"transfer_strong", "min_hypervolume"}},
	} {
		if got, _ := r.Number(t, c.members[0], c.members[1:]...); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v is %v, want %v", c.members, got, c.want)
		}
	}
	if v, _ := r.Number(t, "transfer", "chip", "hypervolume"); !(v < 1) {
		t.Errorf("the Pareto set of a device that ranks the other way round is as good: %v", v)
	}
	if got := r.Values["clusters"].AsValueSlice()[0].AsValueSlice(); len(got) != 2 || got[0].AsString() != "phone" || got[1].AsString() != "fast" {
		t.Errorf("the largest cluster is %v", got)
	}
	pairs := r.Table(t, "pairs")
	if pairs.Rows != 12 || len(pairs.Columns) != 15 {
		t.Errorf("pairs has %d rows and columns %v", pairs.Rows, pairs.Names())
	}
	for _, name := range []string{"figure", "pareto_figure"} {
		checkFigure(t, string(r.Files[name]))
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

// Without accuracy there are no Pareto sets; errors are accuracies the other way round.
func TestAccuracy(t *testing.T) {
	store := stagetest.Store{}
	attrs := devices(t, store)
	delete(attrs, "accuracy")
	r, err := stagetest.Run(t, Kind, store, attrs)
	if err != nil {
		t.Fatal(err)
	}
	if _, there := r.Values["transfer"]; there || r.Table(t, "pairs").Has("hypervolume") {
		t.Error("there are Pareto sets without accuracy")
	}
	attrs = devices(t, store)
	attrs["accuracy"], attrs["better"] = cty.StringVal("chip"), cty.StringVal("lower")
	attrs["devices"], attrs["proxy"], attrs["shown"] = names("phone", "fast"), cty.StringVal("fast"), names("phone")
	if r, err = stagetest.Run(t, Kind, store, attrs); err != nil {
		t.Fatal(err)
	}
	checkFigure(t, string(r.Files["pareto_figure"]))
	if v, _ := r.Number(t, "transfer", "phone", "kept"); v != 1 {
		t.Errorf("kept %v", v)
	}
}

func TestRepresentatives(t *testing.T) {
	numbers := make([]int64, 600)
	for i := range numbers {
		numbers[i] = int64(i)
	}
	classes := map[int]bool{}
	classOf, _ := nas.Classes()
	for i := range numbers {
		classes[classOf[i]] = true
	}
	made, err := table.New(table.IntColumn(table.Architecture, numbers),
		column("a", numbers, func(i int, f float64) float64 { return f }), column("b", numbers, func(i int, f float64) float64 { return f * f }))
	if err != nil {
		t.Fatal(err)
	}
	store := stagetest.Store{}
	r, err := stagetest.Run(t, Kind, store, map[string]cty.Value{
		"tables": cty.ListVal([]cty.Value{store.Table(t, made)}), "devices": names("a", "b"),
		"representatives": cty.True, "resamples": cty.NumberIntVal(10),
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := r.Number(t, "cells"); int(n) != len(classes) {
		t.Errorf("%v cells of %d classes", n, len(classes))
	}
}

func TestConstantAndNegativeLatencies(t *testing.T) {
	numbers := []int64{1, 2, 3, 4, 5}
	made, err := table.New(table.IntColumn(table.Architecture, numbers), table.FloatColumn("same", []float64{2, 2, 2, 2, 2}),
		table.FloatColumn("marked", []float64{-1, 3, 1, -1, 2}), table.FloatColumn("accuracy", []float64{1, 2, 3, 4, 5}))
	if err != nil {
		t.Fatal(err)
	}
	store := stagetest.Store{}
	r, err := stagetest.Run(t, Kind, store, map[string]cty.Value{
		"tables": cty.ListVal([]cty.Value{store.Table(t, made)}), "devices": names("same", "marked"), "accuracy": cty.StringVal("accuracy"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Number(t, "srcc", "same", "marked", "value"); ok {
		t.Error("a constant device has an SRCC")
	}
	if n, _ := r.Number(t, "transfer_pairs", "weak"); n != 0 {
		t.Errorf("%v pairs without SRCC count as weak", n)
	}
	warnings := strings.Join(r.Warnings, "\n")
	for _, want := range []string{"all latencies of same are 2", "2 latencies of marked are negative"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("no warning %q in %q", want, warnings)
		}
	}
	checkFigure(t, string(r.Files["figure"]))
	checkFigure(t, string(r.Files["pareto_figure"]))
}

func TestErrors(t *testing.T) {
	store := stagetest.Store{}
	empty, err := table.New(table.IntColumn(table.Architecture, []int64{1, 2}), table.FloatColumn("empty", []float64{math.NaN(), math.NaN()}), table.FloatColumn("lonely", []float64{1, math.NaN()}))
	if err != nil {
		t.Fatal(err)
	}
	blank := store.Table(t, empty)
	for name, c := range map[string]struct {
		change map[string]cty.Value
		want   string
	}{
		"unknown device":   {map[string]cty.Value{"devices": names("phone", "watch")}, `no column "watch"`},
		"one device":       {map[string]cty.Value{"devices": names("phone")}, "1 devices"},
		"device twice":     {map[string]cty.Value{"devices": names("phone", "phone")}, "more than once"},
		"no such proxy":    {map[string]cty.Value{"proxy": cty.StringVal("watch")}, `"watch" is none of devices`},
		"no such target":   {map[string]cty.Value{"shown": names("watch")}, `"watch" is none of devices`},
		"proxy as target":  {map[string]cty.Value{"proxy": cty.StringVal("chip"), "shown": names("chip")}, "is the proxy"},
		"accuracy twice":   {map[string]cty.Value{"accuracy": cty.StringVal("chip")}, "is one of devices"},
		"unknown label":    {map[string]cty.Value{"labels": cty.MapVal(map[string]cty.Value{"watch": cty.StringVal("W")})}, `"watch" is none of devices`},
		"no direction":     {map[string]cty.Value{"better": cty.StringVal("bigger")}, "bigger"},
		"no correlation":   {map[string]cty.Value{"strong": cty.NumberFloatVal(1.5)}, "1.5; a correlation"},
		"no resamples":     {map[string]cty.Value{"resamples": cty.NumberIntVal(0)}, "from 1 to"},
		"nothing measured": {map[string]cty.Value{"tables": cty.ListVal([]cty.Value{blank}), "devices": names("empty", "lonely"), "accuracy": cty.NullVal(cty.String)}, "1 architectures have a latency; at least 2"},
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

func TestSameBytesOnAnyNumberOfCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var first *stagetest.Result
	for _, cores := range []int{1, 3} {
		runtime.GOMAXPROCS(cores)
		store := stagetest.Store{}
		r, err := stagetest.Run(t, Kind, store, devices(t, store))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = r
		}
		for name, data := range r.Files {
			if !slices.Equal(data, first.Files[name]) {
				t.Errorf("%s differs on %d cores", name, cores)
			}
		}
		if !r.Values["srcc"].RawEquals(first.Values["srcc"]) {
			t.Errorf("srcc differs on %d cores", cores)
		}
	}
}

// TestTypesAreKnownBeforeTheRun sees that a misspelt device is an error then.
func TestTypesAreKnownBeforeTheRun(t *testing.T) {
	attrs := stages.Attrs{"devices": names("phone", "chip"), "accuracy": cty.StringVal("accuracy"), "proxy": cty.NullVal(cty.String)}
	types := (&Stage{}).OutputTypes(attrs)
	if !types["srcc"].HasAttribute("phone") || !types["transfer"].HasAttribute("chip") || types["transfer"].HasAttribute("phone") {
		t.Errorf("%#v", types)
	}
	if types := (&Stage{}).OutputTypes(stages.Attrs{"devices": cty.DynamicVal, "accuracy": cty.UnknownVal(cty.String)}); types["srcc"] != cty.DynamicPseudoType {
		t.Errorf("srcc of nothing known is %#v", types["srcc"])
	}
}

// TestRealDevices compares with SciPy's spearmanr and a front by definition, on the
// published latencies: testdata/golden.py.
func TestRealDevices(t *testing.T) {
	store := stagetest.Store{}
	latencies := map[string]cty.Value{}
	all := []string{"rice_pixel3", "rice_fpga", "rice_raspi4", "rice_edgetpu"}
	for _, d := range all {
		latencies[d] = stages.FileValue(store.Mirror(t, "oneproxy/"+d+".pickle"))
	}
	measured, err := stagetest.Run(t, latencytable.Kind, store, map[string]cty.Value{
		"latencies": cty.MapVal(latencies), "encoding": stages.FileValue(store.Mirror(t, "oneproxy/encode.pickle")),
		"not_measurable": cty.ListVal([]cty.Value{cty.NumberIntVal(-1)}),
	})
	if err != nil {
		t.Fatal(err)
	}
	accuracy, err := stagetest.Run(t, benchmarktable.Kind, store, map[string]cty.Value{
		"file":    stages.FileValue(store.Mirror(t, "nats_bench.csv")),
		"columns": cty.ObjectVal(map[string]cty.Value{"cifar10": cty.StringVal("CIFAR10TestAccuracy200Epochs")}),
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := stagetest.Run(t, Kind, store, map[string]cty.Value{
		"tables":  cty.ListVal([]cty.Value{store.Table(t, measured.Table(t, "table")), store.Table(t, accuracy.Table(t, "table"))}),
		"devices": names(all...), "accuracy": cty.StringVal("cifar10"), "resamples": cty.NumberIntVal(1000),
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		SRCC     map[string]map[string]float64
		Interval []float64
		Transfer map[string]map[string]float64
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	for a, row := range golden.SRCC {
		for b, want := range row {
			if got, _ := r.Number(t, "srcc", a, b, "value"); math.Abs(got-want) > 1e-12 {
				t.Errorf("SRCC of %s and %s is %v, want %v", a, b, got, want)
			}
		}
	}
	// Other draws, of 1,000 each: the ends agree to the noise of resampling.
	for i, end := range []string{"ci_low", "ci_high"} {
		if got, _ := r.Number(t, "srcc", "rice_pixel3", "rice_fpga", end); math.Abs(got-golden.Interval[i]) > 0.006 {
			t.Errorf("%s of Pixel 3 and FPGA is %v, want %v", end, got, golden.Interval[i])
		}
	}
	for target, row := range golden.Transfer {
		for member, want := range row {
			if got, _ := r.Number(t, "transfer", target, member); math.Abs(got-want) > 1e-9 {
				t.Errorf("%s of %s is %v, want %v", member, target, got, want)
			}
		}
	}
}
