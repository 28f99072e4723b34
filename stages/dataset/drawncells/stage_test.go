package drawncells

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

func TestDraws(t *testing.T) {
	run := func(count, pairs int64) *stagetest.Result {
		r, err := stagetest.Run(t, Kind, stagetest.Store{}, map[string]cty.Value{"count": cty.NumberIntVal(count), "pairs": cty.NumberIntVal(pairs)})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := run(6, 200)
	seen := map[string]bool{}
	for _, v := range r.Values["architectures"].AsValueSlice() {
		if _, err := nas.Parse(v.AsString()); err != nil || seen[v.AsString()] {
			t.Errorf("%s: %v", v.AsString(), err)
		}
		seen[v.AsString()] = true
	}
	edges := map[string]int{}
	for _, p := range r.Values["pairs"].AsValueSlice() {
		first, err := nas.Parse(p.GetAttr("first").AsString())
		if err != nil {
			t.Fatal(err)
		}
		second, err := nas.Parse(p.GetAttr("second").AsString())
		if err != nil {
			t.Fatal(err)
		}
		edge, err := nas.ParseEdge(p.GetAttr("edge").AsString())
		if err != nil || nas.Distance(first, second) != 1 || first[edge] != nas.NorConv3x3 || second[edge] != nas.NorConv1x1 {
			t.Errorf("%v and %v differ in more than edge %d: %v", first, second, edge, err)
		}
		if !matters(first, edge) || !first.Connected() {
			t.Errorf("edge %d of %v leads nowhere", edge, first)
		}
		edges[p.GetAttr("edge").AsString()]++
	}
	if len(edges) != nas.NumEdges {
		t.Errorf("edges %v", edges)
	}
	fewer := run(3, 10)
	if !fewer.Values["pairs"].AsValueSlice()[9].RawEquals(r.Values["pairs"].AsValueSlice()[9]) ||
		!fewer.Values["architectures"].AsValueSlice()[2].RawEquals(r.Values["architectures"].AsValueSlice()[2]) {
		t.Error("a draw depends on how many there are")
	}
}

func TestMatters(t *testing.T) {
	cell, err := nas.Parse("|none~0|+|skip_connect~0|nor_conv_3x3~1|+|none~0|nor_conv_1x1~1|skip_connect~2|")
	if err != nil {
		t.Fatal(err)
	}
	for edge, want := range []bool{true, true, false, true, false, true} {
		if got := matters(cell, edge); got != want {
			t.Errorf("edge %v: %v, want %v", nas.Edges()[edge], got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	var all []string
	for _, p := range stagetest.Problems(t, Kind, map[string]cty.Value{
		"count": cty.NumberIntVal(20000), "pairs": cty.NumberIntVal(-1), "swap": cty.ListVal([]cty.Value{cty.StringVal("nor_conv_3x3"), cty.StringVal("conv_1x1")}),
	}) {
		all = append(all, p.Attribute+": "+p.Detail)
	}
	text := strings.Join(all, "\n")
	for _, want := range []string{"count: count is 20000", "pairs: pairs is -1", `swap: unknown operation "conv_1x1"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}
