package edgeorder

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
)

// Stage is a block `hypothesis "edge_order"`.
type Stage struct {
	Tables   []stages.Table `attr:"tables,key" doc:"Tables that hold the latencies of the decoded cells, and the accuracies of all, as columns."`
	Devices  []string       `attr:"devices,key" doc:"Columns of latencies; the cells that have any are the decoded ones."`
	Accuracy string         `attr:"accuracy,key" doc:"Column of the accuracy; higher is better."`
}

// Kind is the kind `hypothesis "edge_order"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "hypothesis", Type: "edge_order", Version: 1, Reproducible: true,
	Doc: "Were cells that came as bare codes decoded with the right order of edges and operations? Every other order is tried: how many of the cells are " +
		"among the best by accuracy, and how well latencies follow the work on live edges.",
	Outputs: map[string]string{
		"edges":      "Share of decoded cells among the best: of the order of edges given, its rank, and the best other order.",
		"operations": "The same of the order of operations.",
		"work":       "By device: Spearman's rho of latency and live multiply-accumulates, and the order's rank by it.",
		"work_first": "On how many devices the order given ranks first.",
		"chance":     "The share that cells drawn at random would have.",
		"cells":      "How many cells there are.",
	},
})

// evidenceType is the value of the order that was used, the largest of the others,
// the rank among the orders (1 the best), and how many others are equal.
var evidenceType = cty.Object(map[string]cty.Type{
	"value": cty.Number, "best_other": cty.Number, "rank": cty.Number, "equal": cty.Number, "orders": cty.Number,
})

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(attrs stages.Attrs) map[string]cty.Type {
	var devices []string
	if d := attrs.Strings("devices"); len(d) > 0 && hasTwice(d) == "" {
		devices = d
	}
	return map[string]cty.Type{
		"edges": evidenceType, "operations": evidenceType, "work": estimate.ByName(devices, evidenceType),
		"work_first": cty.Number, "chance": cty.Number, "cells": cty.Number,
	}
}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	var out []stages.Problem
	if attrs.Known("devices") {
		devices := attrs.Strings("devices")
		if len(devices) == 0 {
			out = append(out, stages.Problem{Attribute: "devices", Summary: "No devices", Detail: "Name at least one column of latencies."})
		}
		if name := hasTwice(devices); name != "" {
			out = append(out, stages.Problem{Attribute: "devices", Summary: "Device named twice", Detail: fmt.Sprintf("%q stands in devices more than once. Name each device once.", name)})
		}
	}
	return out
}

// hasTwice returns a name that occurs more than once, or "".
func hasTwice(names []string) string {
	for i, n := range names {
		if slices.Contains(names[:i], n) {
			return n
		}
	}
	return ""
}

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	latencies, err := tasks.LoadPartial(ctx, in.Store, s.Tables, s.Devices)
	if err != nil {
		return err
	}
	accuracies, err := tasks.Load(ctx, in.Store, s.Tables, []string{s.Accuracy})
	if err != nil {
		return err
	}
	if n := len(accuracies.Architectures); n != nas.Size {
		return fmt.Errorf("accuracy: %s has %d architectures; to find the best of all, all %d are needed", s.Accuracy, n, nas.Size)
	}
	cells := make([]nas.Cell, len(latencies.Architectures))
	for i, a := range latencies.Architectures {
		cells[i] = nas.At(a)
	}
	if len(cells) < 2 {
		return fmt.Errorf("devices: %d architectures have a latency; at least 2 are needed", len(cells))
	}
	top := best(accuracies.Values[s.Accuracy], len(cells))
	edges := permutations(nas.NumEdges)
	out.Set("edges", evidence(edges, func(order []int) float64 { return share(top, cells, order, nil) }))
	out.Set("operations", evidence(permutations(nas.NumOps), func(order []int) float64 { return share(top, cells, nil, order) }))
	out.Set("chance", stages.NumberValue(float64(len(cells))/nas.Size))
	out.Set("cells", estimate.Count(len(cells)))
	s.work(out, latencies, cells, edges)
	return ctx.Err()
}

// best marks the n architectures of the highest accuracy, ties by number.
func best(accuracy []float64, n int) []bool {
	negative := make([]float64, len(accuracy))
	for i, v := range accuracy {
		negative[i] = -v
	}
	out := make([]bool, len(accuracy))
	for _, i := range tasks.Order(negative)[:n] {
		out[i] = true
	}
	return out
}

// again decodes a cell with other orders; nil is the order that was used.
func again(c nas.Cell, edges, operations []int) nas.Cell {
	out := c
	for e := range out {
		if edges != nil {
			out[e] = c[edges[e]]
		}
		if operations != nil {
			out[e] = nas.Op(operations[out[e]])
		}
	}
	return out
}

func share(top []bool, cells []nas.Cell, edges, operations []int) float64 {
	n := 0
	for _, c := range cells {
		if top[nas.Index(again(c, edges, operations))] {
			n++
		}
	}
	return float64(n) / float64(len(cells))
}

// evidence judges the first order, that which was used, among all.
func evidence(orders [][]int, value func(order []int) float64) cty.Value {
	values := make([]float64, len(orders))
	for i, o := range orders {
		values[i] = value(o)
	}
	return judge(values)
}

func judge(values []float64) cty.Value {
	other, rank, equal := math.Inf(-1), 1, 0
	for _, v := range values[1:] {
		other = max(other, v)
		switch {
		case v > values[0]:
			rank++
		case v == values[0]:
			equal++
		}
	}
	return cty.ObjectVal(map[string]cty.Value{
		"value": stages.NumberValue(values[0]), "best_other": stages.NumberValue(other),
		"rank": estimate.Count(rank), "equal": estimate.Count(equal), "orders": estimate.Count(len(values)),
	})
}

// work correlates each device's latencies with the work on live edges, in every
// order. Orders that differ by rounding only are equal.
func (s *Stage) work(out *stages.Output, latencies *tasks.Set, cells []nas.Cell, orders [][]int) {
	values := make([][]float64, len(s.Devices))
	at, ranks := make([][]int, len(s.Devices)), make([][]float64, len(s.Devices))
	for d, device := range s.Devices {
		for i, v := range latencies.Values[device] {
			if !math.IsNaN(v) {
				at[d] = append(at[d], i)
			}
		}
		ranks[d] = stats.Ranks(tasks.Pick(latencies.Values[device], at[d]))
	}
	amount := make([]float64, len(cells))
	for _, order := range orders {
		for i, c := range cells {
			amount[i] = float64(nas.FLOPs(live(again(c, order, nil)), nas.CIFAR10))
		}
		whole := stats.Ranks(amount)
		for d := range s.Devices {
			r := whole
			if len(at[d]) < len(cells) {
				r = stats.Ranks(tasks.Pick(amount, at[d]))
			}
			values[d] = append(values[d], math.Round(1e12*cosine(r, ranks[d]))/1e12)
		}
	}
	work := map[string]cty.Value{}
	first := 0
	for d, device := range s.Devices {
		work[device] = judge(values[d])
		if rank, _ := work[device].GetAttr("rank").AsBigFloat().Int64(); rank == 1 && values[d][0] == values[d][0] {
			first++
		}
	}
	out.Set("work", cty.ObjectVal(work))
	out.Set("work_first", estimate.Count(first))
}

// cosine is Pearson's r of two lists of ranks; NaN if one is constant.
func cosine(x, y []float64) float64 {
	middle := float64(len(x)+1) / 2
	var xx, yy, xy float64
	for i := range x {
		a, b := x[i]-middle, y[i]-middle
		xx += a * a
		yy += b * b
		xy += a * b
	}
	return xy / math.Sqrt(xx*yy)
}

// live is the cell with `none` on every edge that lies on no path without `none` from
// input to output.
func live(c nas.Cell) nas.Cell {
	edges := nas.Edges()
	fromInput, toOutput := [nas.NumNodes]bool{true}, [nas.NumNodes]bool{nas.NumNodes - 1: true}
	for i, e := range edges {
		fromInput[e.To] = fromInput[e.To] || fromInput[e.From] && c[i] != nas.None
	}
	for i := nas.NumEdges - 1; i >= 0; i-- {
		toOutput[edges[i].From] = toOutput[edges[i].From] || toOutput[edges[i].To] && c[i] != nas.None
	}
	for i, e := range edges {
		if !fromInput[e.From] || !toOutput[e.To] {
			c[i] = nas.None
		}
	}
	return c
}

// permutations lists the orders of 0..n-1, that order itself first.
func permutations(n int) [][]int {
	out := [][]int{{}}
	for length := range n {
		var longer [][]int
		for _, p := range out {
			for v := range n {
				if !slices.Contains(p, v) {
					longer = append(longer, append(p[:length:length], v))
				}
			}
		}
		out = longer
	}
	return out
}
