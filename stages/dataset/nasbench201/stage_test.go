package nasbench201

import (
	"math"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

func TestSpace(t *testing.T) {
	r, err := stagetest.Run(t, Kind, stagetest.Store{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for output, want := range map[string]float64{"architectures": 15625, "classes": 6466, "strict_classes": 5389 + 1, "unreachable": 341} {
		if got, _ := r.Number(t, output); got != want {
			t.Errorf("%s is %v, want %v", output, got, want)
		}
	}
	tb := r.Table(t, "table")
	params, err := tb.Float64s("params")
	if err != nil {
		t.Fatal(err)
	}
	flops, err := tb.Float64s("flops")
	if err != nil {
		t.Fatal(err)
	}
	// Published values of architectures 0 and 11 on CIFAR-10 (NATS-Bench).
	for i, want := range map[int][2]float64{0: {.129306, 15.64737}, 11: {.802426, 113.95137}} {
		if math.Abs(params[i]-want[0]) > 1e-9 || math.Abs(flops[i]-want[1]) > 1e-9 {
			t.Errorf("architecture %d has %v and %v, want %v", i, params[i], flops[i], want)
		}
	}
	class, err := tb.Int64s("class")
	if err != nil {
		t.Fatal(err)
	}
	smallest := map[int64]bool{}
	for i, c := range class {
		if c > int64(i) {
			t.Fatalf("architecture %d is in class %d; classes are named by their smallest", i, c)
		}
		smallest[c] = true
	}
	if len(smallest) != 6466 {
		t.Errorf("%d classes in the table", len(smallest))
	}
	reachable, err := tb.Bools("reachable")
	if err != nil {
		t.Fatal(err)
	}
	dead := 0
	for _, ok := range reachable {
		if !ok {
			dead++
		}
	}
	if dead != 341 {
		t.Errorf("%d cells are not reachable", dead)
	}
}

func TestCheck(t *testing.T) {
	cases := map[string]map[string]cty.Value{
		"no channels":    {"channels": cty.NumberIntVal(0)},
		"half a cell":    {"cells": cty.NumberFloatVal(2.5)},
		"odd image":      {"image_size": cty.NumberIntVal(30)},
		"absurd classes": {"classes": cty.NumberFloatVal(1e12)},
	}
	for name, attrs := range cases {
		t.Run(name, func(t *testing.T) {
			if p := stagetest.Problems(t, Kind, attrs); len(p) != 1 || p[0].Detail == "" {
				t.Errorf("problems %+v, want one", p)
			}
		})
	}
	if p := stagetest.Problems(t, Kind, nil); len(p) > 0 {
		t.Errorf("the default has problems: %v", p)
	}
}
