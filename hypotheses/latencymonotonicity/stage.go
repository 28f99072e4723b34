package latencymonotonicity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages"
)

// Stage is a block `hypothesis "latency_monotonicity"`.
type Stage struct {
	Tables          []stages.Table    `attr:"tables,key" doc:"Tables that hold the latencies, and the accuracy, as columns, a row an architecture. A latency may be missing."`
	Devices         []string          `attr:"devices,key" doc:"Columns of latencies: at least two."`
	Accuracy        string            `attr:"accuracy,key,optional" doc:"Column of the accuracy by which Pareto sets are made. Without it there are none."`
	Better          string            `attr:"better,key" default:"\"higher\"" doc:"Whether \"higher\" or \"lower\" accuracy is the better one: lower for errors."`
	Proxy           string            `attr:"proxy,key,optional" doc:"Device whose Pareto set is followed to each other device in transfer and in the figure; the first where it is left out. The table pairs has every proxy."`
	Shown           []string          `attr:"shown,key,optional" doc:"Targets that the figure of Pareto sets shows, at most six; the first four where it is left out."`
	Strong          float64           `attr:"strong,key" default:"0.9" doc:"SRCC from which monotonicity is strong."`
	Representatives bool              `attr:"representatives,key" default:"false" doc:"Take of each isomorphism class the architecture with the smallest number only."`
	Resamples       int               `attr:"resamples,key" default:"2000" doc:"Resamples of isomorphism classes behind each interval."`
	Seed            uint64            `attr:"seed,key" default:"777" doc:"Seed of the resampling."`
	Unit            string            `attr:"unit,key" default:"\"ms\"" doc:"Unit of the latencies, in the figure."`
	Labels          map[string]string `attr:"labels,key,optional" doc:"Device, or accuracy, to its name in the figures."`
}

// Kind is the kind `hypothesis "latency_monotonicity"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "hypothesis", Type: "latency_monotonicity", Version: 1, Reproducible: true,
	Doc: "Do devices agree on which architectures are fast? SRCC of latencies between every two devices with class-clustered intervals, clusters of " +
		"devices that one proxy serves, and what a proxy's Pareto set is worth on other devices (Lu et al., SIGMETRICS 2022).",
	Outputs: map[string]string{
		"cells":           "How many cells there are.",
		"classes":         "Their isomorphism classes.",
		"measured":        "By device: how many cells were measured.",
		"srcc":            "By device and other device: Spearman's rho of latencies.",
		"strong_share":    "Share of the pairs of devices with an SRCC of at least `strong`.",
		"strong_pairs":    "How many pairs of devices have an SRCC of at least `strong`.",
		"clusters":        "Groups of devices that are all strong with each other.",
		"cluster_count":   "How many groups there are: the proxies needed.",
		"pairs":           "A row a pair of devices.",
		"figure":          "The matrix of SRCC.",
		"optimal":         "By device: how many cells are Pareto-optimal.",
		"transfer":        "By target: what the proxy's Pareto-optimal cells are worth there.",
		"transfer_strong": "`transfer` over all pairs of devices with an SRCC of at least `strong`.",
		"transfer_weak":   "`transfer` over all other pairs of devices.",
		"transfer_pairs":  "How many ordered pairs each of the two summarises.",
		"pareto_figure":   "Pareto sets: a target's own, and those of others.",
	},
})

const (
	maxShown     = 6
	maxDevices   = 200
	maxResamples = 100_000
)

// transferType is the quality of a proxy's Pareto set on a target: see pareto.Quality.
var transferType = cty.Object(map[string]cty.Type{
	"srcc": cty.Number, "proxy_optimal": cty.Number, "target_optimal": cty.Number, "kept": cty.Number, "found": cty.Number,
	"after": cty.Number, "hypervolume": cty.Number, "regret": cty.Number, "max_regret": cty.Number, "uncovered": cty.Number,
})

// summaryType is over the ordered pairs that are strong, or are not: mean share kept,
// mean and smallest hypervolume, mean regret and the largest mean regret of a pair.
var summaryType = cty.Object(map[string]cty.Type{
	"kept": cty.Number, "hypervolume": cty.Number, "min_hypervolume": cty.Number, "regret": cty.Number, "max_regret": cty.Number,
})

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(attrs stages.Attrs) map[string]cty.Type {
	devices := devicesOf(attrs)
	srcc := cty.DynamicPseudoType
	if devices != nil {
		srcc = estimate.Each(devices, func(d string) cty.Type {
			return estimate.ByName(estimate.Without(devices, d), estimate.CorrelationType)
		})
	}
	types := map[string]cty.Type{
		"cells": cty.Number, "classes": cty.Number, "measured": estimate.ByName(devices, cty.Number), "srcc": srcc,
		"strong_share": estimate.IntervalType, "strong_pairs": cty.Number,
		"clusters": cty.List(cty.List(cty.String)), "cluster_count": cty.Number,
		"pairs": stages.TableType, "figure": stages.FileType,
	}
	if v, ok := attrs["accuracy"]; ok && v.IsNull() {
		return types
	}
	var targets []string
	if devices != nil && !isUnknown(attrs["proxy"]) {
		targets = estimate.Without(devices, proxyOf(attrs, devices))
	}
	types["optimal"] = estimate.ByName(devices, cty.Number)
	types["transfer"] = estimate.ByName(targets, transferType)
	types["transfer_strong"], types["transfer_weak"] = summaryType, summaryType
	types["transfer_pairs"] = cty.Object(map[string]cty.Type{"strong": cty.Number, "weak": cty.Number})
	types["pareto_figure"] = stages.FileType
	return types
}

func isUnknown(v cty.Value) bool { return v != cty.NilVal && !v.IsKnown() }

// devicesOf returns the devices; nil where they are not known, or wrong.
func devicesOf(attrs stages.Attrs) []string {
	devices := attrs.Strings("devices")
	if len(devices) < 2 || tasks.Twice(devices) != "" {
		return nil
	}
	return devices
}

func proxyOf(attrs stages.Attrs, devices []string) string {
	if !attrs.Known("proxy") {
		return devices[0]
	}
	return stages.Text(attrs["proxy"])
}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	var out []stages.Problem
	problem := func(attribute, summary, detail string, args ...any) {
		out = append(out, stages.Problem{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(detail, args...)})
	}
	if attrs.Known("devices") {
		devices := attrs.Strings("devices")
		if len(devices) < 2 || len(devices) > maxDevices {
			problem("devices", "Out of range", "There are %d devices; from 2 to %d can be compared.", len(devices), maxDevices)
		}
		if name := tasks.Twice(devices); name != "" {
			problem("devices", "Device named twice", "%q stands in devices more than once. Name each device once.", name)
		}
		if attrs.Known("accuracy") && slices.Contains(devices, stages.Text(attrs["accuracy"])) {
			problem("accuracy", "Column used twice", "%q is one of devices. Name the column of accuracies.", stages.Text(attrs["accuracy"]))
		}
	}
	if devices := devicesOf(attrs); devices != nil {
		for _, name := range []string{"proxy", "shown", "labels"} {
			for _, d := range namesIn(attrs, name) {
				if !slices.Contains(devices, d) && !(name == "labels" && attrs.Known("accuracy") && d == stages.Text(attrs["accuracy"])) {
					problem(name, "Unknown device", "%q is none of devices. They are %s.", d, strings.Join(devices, ", "))
				}
			}
		}
		if attrs.Known("shown") && slices.Contains(attrs.Strings("shown"), proxyOf(attrs, devices)) {
			problem("shown", "The proxy among its targets", "%q is the proxy. Name other devices.", proxyOf(attrs, devices))
		}
	}
	if attrs.Known("shown") && len(attrs.Strings("shown")) > maxShown {
		problem("shown", "Too many panels", "%d targets are to be shown, at most %d can be.", len(attrs.Strings("shown")), maxShown)
	}
	if attrs.Known("better") && stages.Text(attrs["better"]) != "higher" && stages.Text(attrs["better"]) != "lower" {
		problem("better", "Neither lower nor higher", "It is %q. Say \"higher\" for accuracies, \"lower\" for errors.", stages.Text(attrs["better"]))
	}
	if attrs.Known("strong") {
		if v, _ := attrs["strong"].Unmark(); v.LessThan(cty.NumberIntVal(-1)).True() || v.GreaterThan(cty.NumberIntVal(1)).True() {
			problem("strong", "No correlation", "It is %s; a correlation is from -1 to 1.", stages.NumberText(v.AsBigFloat()))
		}
	}
	return append(out, estimate.CheckCount(attrs, "resamples", maxResamples)...)
}

// namesIn are the names that an attribute, of any type, holds.
func namesIn(attrs stages.Attrs, name string) []string {
	if !attrs.Known(name) {
		return nil
	}
	if attrs[name].Type() == cty.String {
		return []string{stages.Text(attrs[name])}
	}
	return attrs.Strings(name)
}
