package zerocostproxies

import (
	"bytes"
	"context"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/nn/proxies"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

func numbersOf(list ...int) cty.Value {
	values := make([]cty.Value, len(list))
	for i, n := range list {
		values[i] = cty.NumberIntVal(int64(n))
	}
	return cty.TupleVal(values)
}

func words(list ...string) cty.Value {
	values := make([]cty.Value, len(list))
	for i, w := range list {
		values[i] = cty.StringVal(w)
	}
	return cty.ListVal(values)
}

// small is a block with a skeleton that takes a millisecond a cell.
func small(attrs map[string]cty.Value) map[string]cty.Value {
	block := map[string]cty.Value{
		"channels": cty.NumberIntVal(2), "cells": cty.NumberIntVal(1), "batch_size": cty.NumberIntVal(4),
		"input":   cty.ListVal([]cty.Value{cty.NumberIntVal(1), cty.NumberIntVal(8), cty.NumberIntVal(12)}),
		"classes": cty.NumberIntVal(3), "proxies": words("synflow", "params", "flops"),
	}
	for name, v := range attrs {
		block[name] = v
	}
	return block
}

func run1(t *testing.T, attrs map[string]cty.Value) *stagetest.Result {
	t.Helper()
	r, err := stagetest.Run(t, Kind, stagetest.Store{}, small(attrs))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func floats(t *testing.T, tb *table.Table, column string) []float64 {
	t.Helper()
	v, err := tb.Float64s(column)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// classmates are two architectures of a class with different numbers of
// parameters.
func classmates(t *testing.T) (smallest, member int) {
	t.Helper()
	for n := range nas.Size {
		if r := representative(n); r != n && nas.Params(nas.At(r), nas.CIFAR10) != nas.Params(nas.At(n), nas.CIFAR10) {
			return r, n
		}
	}
	t.Fatal("no such class")
	return 0, 0
}

func TestMembersHaveTheirRepresentativesScore(t *testing.T) {
	a, b := classmates(t)
	r := run1(t, map[string]cty.Value{"architectures": numbersOf(b, 11, a)})
	tb := r.Table(t, "table")
	if got := tb.Names(); !slices.Equal(got, []string{"architecture", "synflow", "params", "flops"}) {
		t.Errorf("columns %v", got)
	}
	rows, _ := tb.Int64s("architecture")
	if !slices.IsSorted(rows) || len(rows) != 3 {
		t.Fatalf("rows %v", rows)
	}
	at := func(n int) int { return slices.Index(rows, int64(n)) }
	if s := floats(t, tb, "synflow"); s[at(a)] != s[at(b)] || s[at(a)] == s[at(11)] {
		t.Errorf("scores %v of %v", s, rows)
	}
	if p := floats(t, tb, "params"); p[at(a)] == p[at(b)] {
		t.Errorf("parameters %v of %v", p, rows)
	}
	if n, _ := r.Number(t, "scored"); n != 2 {
		t.Errorf("%v scored, want 2", n)
	}
	if v := r.Values["variant"].AsValueMap(); !strings.Contains(v["batch"].AsString(), "Gaussian") || v["engine"] != cty.NilVal {
		t.Errorf("variant %#v", v)
	}
}

func TestCellsAsText(t *testing.T) {
	a := run1(t, map[string]cty.Value{"architectures": words(nas.At(11).String(), nas.At(0).String())})
	b := run1(t, map[string]cty.Value{"architectures": numbersOf(0, 11)})
	if !bytes.Equal(a.Files["table"], b.Files["table"]) {
		t.Error("texts and numbers of the same cells give different tables")
	}
}

func TestSample(t *testing.T) {
	r := run1(t, map[string]cty.Value{"sample": cty.NumberIntVal(50)})
	rows, _ := r.Table(t, "table").Int64s("architecture")
	if len(slices.Compact(rows)) != 50 || !slices.IsSorted(rows) || rows[49] < nas.Size/2 {
		t.Errorf("sampled %v", rows)
	}
	drawn := func(seed uint64) []int {
		n := 7
		rows, err := (&Stage{Sample: &n, Seed: seed}).rows()
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	if !slices.Equal(drawn(1), drawn(1)) || slices.Equal(drawn(1), drawn(2)) {
		t.Errorf("seed 1 draws %v and %v, seed 2 %v", drawn(1), drawn(1), drawn(2))
	}
}

func TestSeed(t *testing.T) {
	cells := numbersOf(11, 0)
	one := run1(t, map[string]cty.Value{"architectures": cells, "seed": cty.NumberIntVal(1)})
	two := run1(t, map[string]cty.Value{"architectures": cells, "seed": cty.NumberIntVal(2)})
	if bytes.Equal(one.Files["table"], two.Files["table"]) {
		t.Error("another seed gives the same scores")
	}
}

func TestAllArchitectures(t *testing.T) {
	r := run1(t, map[string]cty.Value{"proxies": words("params")})
	if n, _ := r.Number(t, "scored"); n != 0 || r.Table(t, "table").Rows != nas.Size {
		t.Errorf("%v networks were made for counts alone, in %d rows", n, r.Table(t, "table").Rows)
	}
}

func TestCores(t *testing.T) {
	stage := filled(t, small(map[string]cty.Value{"sample": cty.NumberIntVal(200)}))
	alone := execute(t, t.Context(), stage, 1, "")
	if !bytes.Equal(alone, execute(t, t.Context(), stage, 3, "")) {
		t.Error("three cores give another table than one")
	}
}

func TestResumes(t *testing.T) {
	stage := filled(t, small(map[string]cty.Value{"sample": cty.NumberIntVal(60)}))
	whole := execute(t, t.Context(), stage, 2, "")
	folder := t.TempDir()
	path := filepath.Join(folder, "scores.jsonl")
	execute(t, t.Context(), stage, 2, folder)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	if len(lines) < 50 {
		t.Fatalf("%d lines are kept", len(lines))
	}
	// Half of it, the last line cut off, one score changed to be recognised.
	kept := bytes.Join(lines[:30], nil)
	kept = append(bytes.Replace(kept, []byte(`"synflow":`), []byte(`"synflow":1e9,"x":`), 1), lines[30][:20]...)
	if err := os.WriteFile(path, kept, 0o644); err != nil {
		t.Fatal(err)
	}
	changed := decode(t, execute(t, t.Context(), stage, 2, folder))
	if !slices.Contains(floats(t, changed, "synflow"), 1e9) {
		t.Error("a kept score was computed again")
	}
	if err := os.WriteFile(path, append(bytes.Join(lines[:30], nil), lines[30][:20]...), 0o644); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(whole, execute(t, t.Context(), stage, 2, folder)) {
		t.Error("going on after an interruption gives another table")
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in := &stages.Input{Scratch: t.TempDir(), CPUs: 2, Progress: silent{}}
	if err := filled(t, small(nil)).Run(ctx, in, stages.NewOutput()); err == nil {
		t.Error("a cancelled run ends without an error")
	}
}

type silent struct{}

func (silent) Report(int64, int64, string) {}

func filled(t *testing.T, attrs map[string]cty.Value) stages.Stage {
	t.Helper()
	full, err := stagetest.Attributes(Kind, attrs)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Kind.Fill(full)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func execute(t *testing.T, ctx context.Context, s stages.Stage, cpus int, resume string) []byte {
	t.Helper()
	out := stages.NewOutput()
	in := &stages.Input{
		Scratch: t.TempDir(), CPUs: cpus, Progress: silent{}, Resume: resume, Log: io.Discard,
		Services: stages.Services{Environment: os.Environ()},
	}
	if err := s.Run(ctx, in, out); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out.Files["table"].Path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decode(t *testing.T, data []byte) *table.Table {
	t.Helper()
	tb, err := table.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return tb
}

// Cells that pass nothing have no jacob_cov: they rank below the others, and are
// counted.
func TestProxiesOfAnEngine(t *testing.T) {
	dead := nas.Dead()
	attrs := small(map[string]cty.Value{
		"architectures": numbersOf(dead[0], dead[5], 11, 0),
	})
	delete(attrs, "proxies")
	stage := filled(t, attrs)
	data := execute(t, t.Context(), stage, 2, "")
	tb := decode(t, data)
	if len(tb.Columns) != 1+len(proxies.All()) {
		t.Errorf("columns %v", tb.Names())
	}
	rows, _ := tb.Int64s("architecture")
	score := floats(t, tb, "jacob_cov")
	for i, n := range rows {
		if passes := nas.At(int(n)).Connected(); passes != (score[i] > slices.Min(score)) {
			t.Errorf("jacob_cov %v of %v", score, rows)
		}
	}
	for _, cpus := range []int{1, 16} {
		if !bytes.Equal(data, execute(t, t.Context(), stage, cpus, "")) {
			t.Errorf("%d cores give another table than two", cpus)
		}
	}
	r, err := stagetest.Run(t, Kind, stagetest.Store{}, attrs)
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := r.Values["undefined"].Index(cty.StringVal("jacob_cov")).AsBigFloat().Int64(); n != 2 {
		t.Errorf("%d undefined scores are counted, want 2", n)
	}
}

// What needs an engine has its version in the key, the rest has not.
func TestVersions(t *testing.T) {
	s := filled(t, small(nil)).(*Stage)
	if v := s.Versions(); len(v) > 0 || len(s.Probes()) > 0 {
		t.Errorf("counts depend on %v", v)
	}
	s = filled(t, small(map[string]cty.Value{"proxies": words("snip")})).(*Stage)
	if v := s.Versions(); !strings.Contains(v["engine"], "gorgonia") || v["grasp"] != "" {
		t.Errorf("snip depends on %v", v)
	}
	s = filled(t, small(map[string]cty.Value{"proxies": words("grasp")})).(*Stage)
	if v := s.Versions(); !strings.Contains(v["grasp"], "kernel") {
		t.Errorf("grasp depends on %v", v)
	}
	if v := new(Stage).Versions(); v["grasp"] == "" || v["engine"] == "" || v["script"] == "" {
		t.Errorf("a zero stage names %v", v)
	}
}

func TestUndefinedRanksLast(t *testing.T) {
	nan := math.NaN()
	for name, c := range map[string]struct {
		values []float64
		count  int
	}{
		"none": {[]float64{3, -1, 2}, 0},
		"some": {[]float64{3, nan, -1, nan}, 2},
		"all":  {[]float64{nan, nan}, 2},
		"zero": {[]float64{0, nan, 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			got := slices.Clone(c.values)
			if n := rankUndefinedLast(got); n != c.count {
				t.Errorf("%d undefined, want %d", n, c.count)
			}
			for i, v := range c.values {
				for j, w := range c.values {
					if math.IsNaN(v) && !math.IsNaN(w) && got[i] >= got[j] {
						t.Errorf("%v became %v", c.values, got)
					}
				}
				if math.IsInf(got[i], 0) || !math.IsNaN(v) && got[i] != v {
					t.Errorf("%v became %v", c.values, got)
				}
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		attrs map[string]cty.Value
		want  string
	}{
		"unknown proxy":      {map[string]cty.Value{"proxies": words("synflow", "naswot")}, "grad_norm"},
		"no proxy":           {map[string]cty.Value{"proxies": cty.ListValEmpty(cty.String)}, "Leave the attribute out"},
		"not a cell":         {map[string]cty.Value{"architectures": words("|conv~0|")}, "element 0: cell"},
		"outside the space":  {map[string]cty.Value{"architectures": numbersOf(1, nas.Size)}, "element 1: architecture 15625"},
		"half a number":      {map[string]cty.Value{"architectures": cty.TupleVal([]cty.Value{cty.NumberFloatVal(1.5)})}, "no architecture's number"},
		"twice":              {map[string]cty.Value{"architectures": numbersOf(4, 4)}, "twice"},
		"empty":              {map[string]cty.Value{"architectures": cty.EmptyTupleVal}, "empty"},
		"a word":             {map[string]cty.Value{"architectures": cty.StringVal("most")}, `or "all"`},
		"sample of none":     {map[string]cty.Value{"sample": cty.NumberIntVal(0)}, "from 1"},
		"batch of one":       {map[string]cty.Value{"batch_size": cty.NumberIntVal(1)}, "from 2"},
		"sides":              {map[string]cty.Value{"input": numbersOf(3, 30, 32)}, "multiples of 4"},
		"sides left out":     {map[string]cty.Value{"input": numbersOf(3, 32)}, "channels, height and width"},
		"precision":          {map[string]cty.Value{"precision": cty.StringVal("bfloat16")}, "float64"},
		"engine":             {map[string]cty.Value{"engine": cty.StringVal("tensorflow")}, "torch"},
		"no channels at all": {map[string]cty.Value{"channels": cty.NumberIntVal(0)}, "from 1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := stagetest.Problems(t, Kind, small(c.attrs))
			if len(p) != 1 || !strings.Contains(p[0].Detail, c.want) {
				t.Errorf("problems %+v, want one with %q", p, c.want)
			}
		})
	}
	for _, good := range []map[string]cty.Value{nil, {"architectures": cty.StringVal("all")}, {"architectures": cty.UnknownVal(cty.DynamicPseudoType)}} {
		if p := stagetest.Problems(t, Kind, small(good)); len(p) > 0 {
			t.Errorf("a good block has problems: %+v", p)
		}
	}
}

func TestSampleLargerThanTheList(t *testing.T) {
	_, err := stagetest.Run(t, Kind, stagetest.Store{}, small(map[string]cty.Value{"architectures": numbersOf(1, 2), "sample": cty.NumberIntVal(3)}))
	if err == nil || !strings.Contains(err.Error(), "sample: 3 of 2") {
		t.Errorf("error %v", err)
	}
}

func TestEstimate(t *testing.T) {
	s := filled(t, map[string]cty.Value{"sample": cty.NumberIntVal(3)}).(*Stage)
	if r := s.Resources(); r.CPUs != 3 || r.Memory < 3<<30 || r.Memory > 30<<30 {
		t.Errorf("full skeleton: %+v", r)
	}
	s = filled(t, map[string]cty.Value{"proxies": words("synflow")}).(*Stage)
	if r := s.Resources(); r.CPUs != mostCores || r.Memory > 4<<30 {
		t.Errorf("synflow alone: %+v", r)
	}
	if s.needsEngine() || !slices.Equal(s.asked(), []proxies.Proxy{proxies.Synflow}) {
		t.Errorf("synflow alone asks for %v", s.asked())
	}
}
