package proxycorrelation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages"
)

// Stage is a block `hypothesis "proxy_correlation"`.
type Stage struct {
	Scores      []stages.Table                `attr:"scores,key" doc:"Tables that hold the proxies as columns, such as those of preprocess \"zero_cost_proxies\"."`
	Proxies     []string                      `attr:"proxies,key" doc:"Which proxies: columns' names."`
	ProxyBetter map[string]string             `attr:"proxy_better,key,optional" doc:"Proxy to \"lower\" or \"higher\": which scores promise better architectures. Higher where nothing is said."`
	Tables      []stages.Table                `attr:"tables,key" doc:"Tables that hold the tasks as columns, a row an architecture."`
	Tasks       []string                      `attr:"tasks,key" doc:"Tasks that the proxies are held against: columns' names."`
	Better      map[string]string             `attr:"better,key,optional" doc:"Task to \"lower\" or \"higher\": which values are the better ones. Lower where nothing is said, as for errors."`
	Rounding    map[string]float64            `attr:"rounding,key,optional" doc:"Task to denominator d: its values are rounded to multiples of 1/d, so that averaging noise breaks no ties. NinaPro: 659."`
	Published   map[string]map[string]float64 `attr:"published,key,optional" doc:"Task to proxy to a published Spearman's rho, drawn beside the recomputed one."`
	Resamples   int                           `attr:"resamples,key" default:"2000" doc:"Resamples of isomorphism classes behind each interval of rho and r."`
	Seed        uint64                        `attr:"seed,key" default:"777" doc:"Seed of the resampling."`
	Labels      map[string]string             `attr:"labels,key,optional" doc:"Task to its name in the figure, such as CIFAR-10."`
	ProxyLabels map[string]string             `attr:"proxy_labels,key,optional" doc:"Proxy to its name in the figure, such as parameters."`
}

// Kind is the kind `hypothesis "proxy_correlation"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "hypothesis", Type: "proxy_correlation", Version: 1, Reproducible: true,
	Doc: "Do zero-cost proxies rank architectures as training does? Spearman's rho, Kendall's tau-b and Pearson's r of every proxy on every task " +
		"with class-clustered intervals, beside published values (NAS-Bench-360, Table 4; White et al., ICLR Blog Track 2022).",
})

// coefficients are the outputs with a correlation for each task and proxy.
var coefficients = []string{"spearman", "kendall", "pearson", "spearman_unique", "spearman_raw"}

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(attrs stages.Attrs) map[string]cty.Type {
	known := func(name string) []string {
		names := attrs.Strings(name)
		if len(names) == 0 || tasks.Twice(names) != "" {
			return nil
		}
		return names
	}
	taskNames, proxies := known("tasks"), known("proxies")
	types := map[string]cty.Type{
		"architectures": cty.Number, "classes": cty.Number, "left_out": cty.Number, "figure": stages.FileType,
		"undefined": estimate.ByName(proxies, cty.Number),
	}
	for _, name := range coefficients {
		types[name] = cty.DynamicPseudoType
		if taskNames != nil && proxies != nil {
			types[name] = estimate.ByName(taskNames, estimate.ByName(proxies, estimate.CorrelationType))
		}
	}
	return types
}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	out := tasks.CheckTables(attrs)
	if v, ok := attrs["scores"]; ok && v.IsKnown() && !v.IsNull() && v.LengthInt() == 0 {
		out = append(out, stages.Problem{Attribute: "scores", Summary: "No tables", Detail: "Name at least one table of scores, such as [preprocess.scores.table]."})
	}
	out = append(out, tasks.CheckNames(attrs, "tasks", "that the proxies are held against")...)
	out = append(out, checkProxies(attrs)...)
	for _, attribute := range []string{"better", "rounding", "labels", "published"} {
		if attrs.Known("tasks") {
			out = append(out, tasks.CheckKeys(attrs, attribute, attrs.Strings("tasks"))...)
		}
	}
	out = append(out, tasks.CheckOrientation(attrs)...)
	return append(out, estimate.CheckCount(attrs, "resamples", maxResamples)...)
}

const maxResamples = 1_000_000

// checkProxies reports proxies that are not told apart, or spoken of and not there.
func checkProxies(attrs stages.Attrs) []stages.Problem {
	if !attrs.Known("proxies") {
		return nil
	}
	var out []stages.Problem
	proxies := attrs.Strings("proxies")
	if len(proxies) == 0 {
		out = append(out, stages.Problem{Attribute: "proxies", Summary: "No proxies", Detail: "Name the columns that hold the scores, such as [\"synflow\"]."})
	}
	if name := tasks.Twice(proxies); name != "" {
		out = append(out, stages.Problem{Attribute: "proxies", Summary: "Proxy named twice", Detail: fmt.Sprintf("%q stands in proxies more than once. Name each once.", name)})
	}
	unknown := func(attribute, name string) stages.Problem {
		return stages.Problem{
			Attribute: attribute, Summary: "Unknown proxy",
			Detail: fmt.Sprintf("%q is no proxy of this block. Its proxies are %s.", name, strings.Join(proxies, ", ")),
		}
	}
	for _, attribute := range []string{"proxy_better", "proxy_labels"} {
		if !attrs.Known(attribute) {
			continue
		}
		for _, name := range attrs.Strings(attribute) {
			if !slices.Contains(proxies, name) {
				out = append(out, unknown(attribute, name))
			}
		}
	}
	return append(append(out, checkBetter(attrs)...), checkPublished(attrs, unknown)...)
}

// checkPublished reports published values of no proxy, and such that are no rho.
func checkPublished(attrs stages.Attrs, unknown func(attribute, name string) stages.Problem) []stages.Problem {
	if !attrs.Known("published") {
		return nil
	}
	var out []stages.Problem
	proxies := attrs.Strings("proxies")
	v, _ := attrs["published"].UnmarkDeep()
	for it := v.ElementIterator(); it.Next(); {
		_, values := it.Element()
		if values.IsNull() || !values.IsKnown() {
			continue
		}
		for of := values.ElementIterator(); of.Next(); {
			k, e := of.Element()
			if !slices.Contains(proxies, k.AsString()) {
				out = append(out, unknown("published", k.AsString()))
			}
			if !e.IsKnown() || e.IsNull() {
				continue
			}
			if f, _ := e.AsBigFloat().Float64(); f < -1 || f > 1 {
				out = append(out, stages.Problem{
					Attribute: "published", Summary: "Not a coefficient",
					Detail: fmt.Sprintf("For %q this is %v; Spearman's rho lies from -1 to 1.", k.AsString(), f),
				})
			}
		}
	}
	return out
}

// checkBetter is tasks.CheckOrientation for proxies.
func checkBetter(attrs stages.Attrs) []stages.Problem {
	out := tasks.CheckOrientation(stages.Attrs{"better": attrs["proxy_better"]})
	for i := range out {
		out[i].Attribute = "proxy_better"
		out[i].Detail = strings.Replace(out[i].Detail, `Say "lower" for errors and losses, "higher" for accuracies.`, `Say which scores promise better architectures.`, 1)
	}
	return out
}
