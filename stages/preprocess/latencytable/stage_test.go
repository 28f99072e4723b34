package latencytable

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/internal/mirror"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

// encoded writes cells as CSV, one-hot, edges in their order.
func encoded(cells ...nas.Cell) string {
	var b strings.Builder
	for i := range nas.NumEdges*nas.NumOps + 1 {
		fmt.Fprintf(&b, "c%d,", i)
	}
	lines := []string{strings.TrimSuffix(b.String(), ",")}
	for _, c := range cells {
		var places []string
		for _, op := range c {
			for _, o := range nas.Ops() {
				places = append(places, map[bool]string{true: "1", false: "0"}[o == op])
			}
		}
		lines = append(lines, strings.Join(append(places, "1"), ","))
	}
	return strings.Join(lines, "\n") + "\n"
}

func file(store stagetest.Store, name, text string) cty.Value {
	return stages.FileValue(store.File(name, []byte(text)))
}

func names(list ...string) cty.Value {
	out := make([]cty.Value, len(list))
	for i, s := range list {
		out[i] = cty.StringVal(s)
	}
	return cty.ListVal(out)
}

var three = []nas.Cell{{0, 1, 2, 3, 4, 0}, {3, 3, 3, 3, 3, 3}, {4, 0, 1, 2, 3, 2}}

func block(store stagetest.Store, latencies string) map[string]cty.Value {
	return map[string]cty.Value{
		"latencies": cty.MapVal(map[string]cty.Value{"phone": file(store, "phone.csv", latencies), "board": file(store, "board.csv", "ms\n1\n2\n3\n")}),
		"encoding":  file(store, "cells.csv", encoded(three...)),
	}
}

func TestTable(t *testing.T) {
	store := stagetest.Store{}
	attrs := block(store, "ms\n1.5\n-1\n2.5\n")
	attrs["not_measurable"] = cty.ListVal([]cty.Value{cty.NumberIntVal(-1)})
	r, err := stagetest.Run(t, Kind, store, attrs)
	if err != nil {
		t.Fatal(err)
	}
	tb := r.Table(t, "table")
	numbers, err := tb.Int64s("architecture")
	if err != nil {
		t.Fatal(err)
	}
	phone, err := tb.Float64s("phone")
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range three {
		if nas.At(int(numbers[i])) != c {
			t.Errorf("row %d is %v, want %v", i, nas.At(int(numbers[i])), c)
		}
	}
	if phone[0] != 1.5 || !math.IsNaN(phone[1]) || phone[2] != 2.5 {
		t.Errorf("latencies %v", phone)
	}
	if n, _ := r.Number(t, "not_measured", "phone"); n != 1 {
		t.Errorf("%v not measured", n)
	}
	if c, _ := tb.Column("phone"); c.Unit != "ms" || c.Source != "phone.csv" {
		t.Errorf("column %+v", c)
	}
}

// Another order of edges and of operations is another decoding of the same file.
func TestOrders(t *testing.T) {
	store := stagetest.Store{}
	attrs := block(store, "ms\n1\n2\n3\n")
	attrs["edges"] = names("2-3", "1-3", "0-3", "1-2", "0-2", "0-1")
	attrs["operations"] = names("skip_connect", "none", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
	r, err := stagetest.Run(t, Kind, store, attrs)
	if err != nil {
		t.Fatal(err)
	}
	numbers, err := r.Table(t, "table").Int64s("architecture")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := nas.At(int(numbers[0])), (nas.Cell{1, 4, 3, 2, 0, 1}); got != want {
		t.Errorf("row 0 is %v, want %v", got, want)
	}
}

func TestBadFiles(t *testing.T) {
	for name, c := range map[string]struct {
		change func(store stagetest.Store, attrs map[string]cty.Value)
		want   string
	}{
		"fewer latencies": {func(s stagetest.Store, a map[string]cty.Value) {
			a["latencies"] = cty.MapVal(map[string]cty.Value{"phone": file(s, "x.csv", "ms\n1\n")})
		}, "latencies: phone: it has 1 latencies, and encoding has 3 cells"},
		"two columns": {func(s stagetest.Store, a map[string]cty.Value) {
			a["latencies"] = cty.MapVal(map[string]cty.Value{"phone": file(s, "x.csv", "a,b\n1,2\n1,2\n1,2\n")})
		}, "one list of numbers"},
		"text": {func(s stagetest.Store, a map[string]cty.Value) {
			a["latencies"] = cty.MapVal(map[string]cty.Value{"phone": file(s, "x.csv", "ms\nfast\nslow\nfast\n")})
		}, "text, not numbers"},
		"infinite": {func(s stagetest.Store, a map[string]cty.Value) {
			a["latencies"] = cty.MapVal(map[string]cty.Value{"phone": file(s, "x.csv", "ms\n1\ninf\n2\n")})
		}, "row 2 is +Inf"},
		"same cell twice": {func(s stagetest.Store, a map[string]cty.Value) {
			a["encoding"] = file(s, "x.csv", encoded(three[0], three[1], three[0]))
		}, "encoding: rows 1 and 3 are the same cell"},
		"no one-hot": {func(s stagetest.Store, a map[string]cty.Value) {
			a["encoding"] = file(s, "x.csv", strings.Replace(encoded(three...), "\n1,0,0,0,0", "\n1,0,1,0,0", 1))
		}, "row 1, block 1: place 3 holds 1"},
		"no one": {func(s stagetest.Store, a map[string]cty.Value) {
			a["encoding"] = file(s, "x.csv", strings.Replace(encoded(three...), "\n1,0,0,0,0", "\n0,0,0,0,0", 1))
		}, "row 1, block 1: it has no 1"},
		"other width":       {func(s stagetest.Store, a map[string]cty.Value) { a["encoding"] = file(s, "x.csv", "a\n1\n") }, "its rows have 1 numbers"},
		"no pickle":         {func(s stagetest.Store, a map[string]cty.Value) { a["encoding"] = file(s, "x.pickle", "\x80\x04hm") }, "encoding: reading x.pickle"},
		"edge twice":        {func(s stagetest.Store, a map[string]cty.Value) { a["edges"] = names("0-1", "0-1") }, `"0-1" stands there twice`},
		"unknown edge":      {func(s stagetest.Store, a map[string]cty.Value) { a["edges"] = names("0-4") }, "unknown edge"},
		"few operations":    {func(s stagetest.Store, a map[string]cty.Value) { a["operations"] = names("none") }, "each of the 5 operations once"},
		"unknown operation": {func(s stagetest.Store, a map[string]cty.Value) { a["operations"] = names("conv") }, "unknown operation"},
		"name taken": {func(s stagetest.Store, a map[string]cty.Value) {
			a["latencies"] = cty.MapVal(map[string]cty.Value{"architecture": file(s, "x.csv", "ms\n1\n2\n3\n")})
		}, "another name"},
		"no devices": {func(s stagetest.Store, a map[string]cty.Value) { a["latencies"] = cty.MapValEmpty(stages.FileType) }, "at least one file"},
	} {
		store := stagetest.Store{}
		attrs := block(store, "ms\n1\n2\n3\n")
		c.change(store, attrs)
		if _, err := stagetest.Run(t, Kind, store, attrs); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// The files of Lu et al. hold 1,999 cells; 259 could not be measured on the Edge TPU.
func TestRealFiles(t *testing.T) {
	store := stagetest.Store{}
	latencies := map[string]cty.Value{}
	for _, device := range []string{"rice_edgetpu", "eagle_gtx"} {
		latencies[device] = stages.FileValue(store.File(device+".pickle", mirror.Read(t, "oneproxy/"+device+".pickle")))
	}
	r, err := stagetest.Run(t, Kind, store, map[string]cty.Value{
		"latencies": cty.MapVal(latencies), "encoding": stages.FileValue(store.File("encode.pickle", mirror.Read(t, "oneproxy/encode.pickle"))),
		"not_measurable": cty.ListVal([]cty.Value{cty.NumberIntVal(-1)}),
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, _ := r.Number(t, "rows")
	lacking, _ := r.Number(t, "not_measured", "rice_edgetpu")
	if rows != 1999 || lacking != 259 {
		t.Errorf("%v rows, %v not measured", rows, lacking)
	}
	// Decoded by NumPy: argmax over each block of five, then the official list.
	numbers, err := r.Table(t, "table").Int64s("architecture")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int64{910, 16, 13605, 11299, 11530, 5207, 14573, 5791} {
		if numbers[i] != want {
			t.Errorf("row %d is cell %d, want %d", i, numbers[i], want)
		}
	}
}
