package estimates

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/stages"
)

// Stage is a block `hypothesis "estimates"`.
type Stage struct {
	Values map[string]Estimate `attr:"values,key" doc:"Name to number, with its interval where there is one: { gain = search.edges.gain.score }."`
	Unit   string              `attr:"unit,key,optional" doc:"What the values are, such as points of accuracy: then they are drawn, too, in output figure. All must have this one."`
	Labels map[string]string   `attr:"labels,key,optional" doc:"Name to what the figure calls it."`
}

// Estimate is a number with an interval, such as any output that has one.
type Estimate struct {
	Value *float64 `attr:"value,optional" doc:"The number; null where it does not exist."`
	Low   *float64 `attr:"ci_low,optional" doc:"Lower end of the number's 95 % interval."`
	High  *float64 `attr:"ci_high,optional" doc:"Upper end of the number's 95 % interval."`
	SD    *float64 `attr:"sd,optional" doc:"Standard deviation of the values that the number is the mean of."`
	N     *float64 `attr:"n,optional" doc:"How many values the number is the mean of."`
}

// Kind is the kind `hypothesis "estimates"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "hypothesis", Type: "estimates", Version: 1, Reproducible: true,
	Doc: "Numbers of other nodes, put together so that expect blocks can judge them.",
	Outputs: map[string]string{
		"values": "By name: the numbers, as estimates.",
	},
})

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(attrs stages.Attrs) map[string]cty.Type {
	types := map[string]cty.Type{"values": estimate.ByName(stages.Keys(attrs["values"]), estimateType)}
	if attrs.Known("unit") && stages.Text(attrs["unit"]) != "" {
		types["figure"] = stages.FileType
	}
	return types
}

var estimateType = cty.Object(map[string]cty.Type{
	"value": cty.Number, "ci_low": cty.Number, "ci_high": cty.Number, "sd": cty.Number, "n": cty.Number,
})

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	if names := stages.Keys(attrs["values"]); names != nil && len(names) == 0 {
		return []stages.Problem{{Attribute: "values", Summary: "No values", Detail: "Name the numbers that are to be judged: { gain = search.edges.gain.score }."}}
	}
	return checkLabels(attrs)
}

func checkLabels(attrs stages.Attrs) []stages.Problem {
	names := stages.Keys(attrs["values"])
	if names == nil || !attrs.Known("labels") {
		return nil
	}
	var out []stages.Problem
	for _, name := range attrs.Strings("labels") {
		if !slices.Contains(names, name) {
			out = append(out, stages.Problem{Attribute: "labels", Summary: "Unknown name", Detail: fmt.Sprintf("%q is none of values. They are %s.", name, strings.Join(names, ", "))})
		}
	}
	return out
}

// Run implements stages.Stage.
func (s *Stage) Run(_ context.Context, in *stages.Input, out *stages.Output) error {
	names := slices.Sorted(maps.Keys(s.Values))
	if len(names) == 0 {
		return fmt.Errorf("values: there are none")
	}
	out.Set("values", estimate.Object(names, func(name string) cty.Value {
		e := s.Values[name]
		return cty.ObjectVal(map[string]cty.Value{"value": number(e.Value), "ci_low": number(e.Low), "ci_high": number(e.High), "sd": number(e.SD), "n": number(e.N)})
	}))
	if s.Unit == "" {
		return nil
	}
	return in.Save(out, "figure", "estimates.svg", s.draw(names))
}

func number(v *float64) cty.Value {
	if v == nil {
		return stages.NumberValue(math.NaN())
	}
	return stages.NumberValue(*v)
}
