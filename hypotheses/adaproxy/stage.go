package adaproxy

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages"
)

// Stage is a block `hypothesis "adaproxy"`.
type Stage struct {
	Tables     []stages.Table    `attr:"tables,key" doc:"Tables that hold the latencies, and the accuracy, as columns, a row an architecture. A latency may be missing."`
	Proxy      string            `attr:"proxy,key" doc:"Column of the proxy's latencies, which its predictor is fitted to."`
	Targets    []string          `attr:"targets,key" doc:"Columns of the targets' latencies."`
	Accuracy   string            `attr:"accuracy,key,optional" doc:"Column of the accuracy by which Pareto sets are made. Without it there are none."`
	Better     string            `attr:"better,key" default:"\"higher\"" doc:"Whether \"higher\" or \"lower\" accuracy is the better one: lower for errors."`
	Train      int               `attr:"train,key" default:"60" doc:"Latencies of the target that the predictor is adapted to."`
	Validation int               `attr:"validation,key" default:"10" doc:"Latencies of the target that lambda is chosen by."`
	Penalty    string            `attr:"penalty,key" default:"\"l2\"" doc:"Norm of b in the penalty: \"l2\" (Euclidean, not squared) or \"l1\" (sum of absolute values)."`
	Lambdas    []float64         `attr:"lambdas,key" default:"[0.00001,0.00004216965034285822,0.00017782794100389227,0.0007498942093324559,0.0031622776601683794,0.01333521432163324,0.05623413251903491,0.23713737056616552,1]" doc:"Weights of the penalty that are tried. Nine steps from 1e-5 to 1 where it is left out."`
	Runs       int               `attr:"runs,key" default:"20" doc:"Runs, each with other cells drawn."`
	Seed       uint64            `attr:"seed,key" default:"777" doc:"Seed of the draws."`
	Resamples  int               `attr:"resamples,key" default:"2000" doc:"Resamples of runs behind each interval."`
	Strong     float64           `attr:"strong,key" default:"0.9" doc:"SRCC that an adaptation should reach."`
	Labels     map[string]string `attr:"labels,key,optional" doc:"Device to its name in the figure."`
}

// Kind is the kind `hypothesis "adaproxy"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "hypothesis", Type: "adaproxy", Version: 1, Reproducible: true,
	Doc: "Can a proxy's latency predictor be adapted to another device with few measurements? SRCC on unseen cells before and after AdaProxy, with intervals " +
		"over draws, the linear model's ceiling, and what the Pareto sets are worth (Lu et al., SIGMETRICS 2022).",
	Outputs: map[string]string{
		"before":              "By target: SRCC of the proxy's own predictor, mean over runs.",
		"adapted":             "By target: SRCC of the adapted predictor, mean over runs.",
		"gain":                "By target: the difference, paired by run.",
		"ceiling":             "By target: SRCC of the linear model fitted to all of its latencies.",
		"reached":             "By target: share of runs with an SRCC of at least `strong`.",
		"proxy_fit":           "SRCC of the proxy's predictor on the proxy itself.",
		"lowest":              "The target with the lowest mean SRCC after adaptation.",
		"highest":             "The target with the highest mean SRCC after adaptation.",
		"below":               "Targets with a mean below `strong` after adaptation.",
		"reached_count":       "Targets with a mean of at least `strong` after adaptation.",
		"weak_count":          "Targets below `strong` before.",
		"improved_count":      "How many targets that were below `strong` before have a gain whose interval lies above 0.",
		"cells":               "Measured cells of the proxy.",
		"unseen":              "By target: cells on which predictors are scored.",
		"results":             "A row a target and run.",
		"figure":              "SRCC before and after, by target.",
		"hypervolume_before":  "By target: hypervolume of the proxy's Pareto set there, as a share of the target's own.",
		"hypervolume_adapted": "By target: `hypervolume_before` with the adapted predictor.",
	},
})

const (
	absolutePenalty  = "l1"
	euclideanPenalty = "l2"
	maxSamples       = 10_000
	maxRuns          = 10_000
	maxResamples     = 100_000
	maxLambdas       = 100
)

// extremeType is a target and its mean SRCC, with interval.
var extremeType = cty.Object(map[string]cty.Type{"target": cty.String, "value": cty.Number, "ci_low": cty.Number, "ci_high": cty.Number})

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(attrs stages.Attrs) map[string]cty.Type {
	var targets []string
	if t := attrs.Strings("targets"); len(t) > 0 && tasks.Twice(t) == "" {
		targets = t
	}
	intervals, numbers := estimate.ByName(targets, estimate.IntervalType), estimate.ByName(targets, cty.Number)
	types := map[string]cty.Type{
		"before": intervals, "adapted": intervals, "gain": intervals, "ceiling": numbers, "reached": numbers, "proxy_fit": cty.Number,
		"lowest": extremeType, "highest": extremeType, "below": cty.List(cty.String), "reached_count": cty.Number, "weak_count": cty.Number, "improved_count": cty.Number,
		"cells": cty.Number, "unseen": numbers, "results": stages.TableType, "figure": stages.FileType,
	}
	if v, ok := attrs["accuracy"]; !ok || !v.IsNull() {
		types["hypervolume_before"], types["hypervolume_adapted"] = numbers, intervals
	}
	return types
}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	out := checkDevices(attrs)
	problem := func(attribute, summary, detail string, args ...any) {
		out = append(out, stages.Problem{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(detail, args...)})
	}
	if attrs.Known("penalty") && stages.Text(attrs["penalty"]) != absolutePenalty && stages.Text(attrs["penalty"]) != euclideanPenalty {
		problem("penalty", "Unknown norm", "It is %q. Say \"l2\" or \"l1\".", stages.Text(attrs["penalty"]))
	}
	if attrs.Known("better") && stages.Text(attrs["better"]) != "higher" && stages.Text(attrs["better"]) != "lower" {
		problem("better", "Neither lower nor higher", "It is %q. Say \"higher\" for accuracies, \"lower\" for errors.", stages.Text(attrs["better"]))
	}
	if attrs.Known("lambdas") {
		list := numbers(attrs["lambdas"])
		if len(list) < 1 || len(list) > maxLambdas {
			problem("lambdas", "Out of range", "There are %d; from 1 to %d can be tried.", len(list), maxLambdas)
		}
		for _, v := range list {
			if !(v > 0) || math.IsInf(v, 0) {
				problem("lambdas", "Not a weight", "%v is among them; the weight of a penalty is above 0.", v)
			}
		}
	}
	if attrs.Known("train", "validation") {
		for name, least := range map[string]float64{"train": 3, "validation": 2} {
			if n := numbers(cty.TupleVal([]cty.Value{attrs[name]}))[0]; !(n >= least && n <= maxSamples) || n != math.Trunc(n) {
				problem(name, "Out of range", "%s is %v; it must be a whole number from %v to %d: fewer have no ranking.", name, n, least, maxSamples)
			}
		}
	}
	out = append(out, estimate.CheckCount(attrs, "resamples", maxResamples)...)
	return append(out, estimate.CheckCount(attrs, "runs", maxRuns)...)
}

func checkDevices(attrs stages.Attrs) []stages.Problem {
	var out []stages.Problem
	problem := func(attribute, summary, detail string, args ...any) {
		out = append(out, stages.Problem{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(detail, args...)})
	}
	if !attrs.Known("targets") {
		return nil
	}
	targets := attrs.Strings("targets")
	if len(targets) == 0 {
		problem("targets", "No targets", "Name the devices that the predictor is adapted to.")
	}
	if name := tasks.Twice(targets); name != "" {
		problem("targets", "Device named twice", "%q stands in targets more than once. Name each device once.", name)
	}
	devices := targets
	if attrs.Known("proxy") {
		proxy := stages.Text(attrs["proxy"])
		if slices.Contains(targets, proxy) {
			problem("targets", "The proxy among its targets", "%q is the proxy. Leave it out of targets.", proxy)
		}
		devices = append(slices.Clone(targets), proxy)
	}
	if attrs.Known("accuracy") && slices.Contains(devices, stages.Text(attrs["accuracy"])) {
		problem("accuracy", "Column used twice", "%q is a device. Name the column of accuracies.", stages.Text(attrs["accuracy"]))
	}
	for _, d := range attrs.Strings("labels") {
		if attrs.Known("proxy") && !slices.Contains(devices, d) {
			problem("labels", "Unknown device", "%q is neither the proxy nor a target. They are %s.", d, strings.Join(devices, ", "))
		}
	}
	return out
}

func numbers(v cty.Value) []float64 {
	v, _ = v.Unmark()
	var out []float64
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if e.IsNull() {
			out = append(out, math.NaN())
			continue
		}
		f, _ := e.AsBigFloat().Float64()
		out = append(out, f)
	}
	return out
}
