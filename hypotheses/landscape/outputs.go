package landscape

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/tablefile"
)

// publish sets the outputs that are numbers.
func (a *atlas) publish(out *stages.Output) {
	one := func(name string, of func(l *landscape) stats.Interval) {
		out.Set(name, estimate.Object(a.Tasks, func(task string) cty.Value { return estimate.Interval(of(a.of[task]), nas.Size) }))
	}
	list := func(name string, first int, of func(l *landscape) []stats.Interval) {
		out.Set(name, estimate.Object(a.Tasks, func(task string) cty.Value {
			members := map[string]cty.Value{}
			for i, v := range of(a.of[task]) {
				members[fmt.Sprint(first+i)] = estimate.Interval(v, nas.Size)
			}
			return cty.ObjectVal(members)
		}))
	}
	list("autocorrelation", 1, func(l *landscape) []stats.Interval { return l.walk })
	list("autocorrelation_ranks", 1, func(l *landscape) []stats.Interval { return l.ranks })
	list("difference", 1, func(l *landscape) []stats.Interval { return l.difference })
	list("locality", 1, func(l *landscape) []stats.Interval { return l.locality })
	list("difference_distinct", 1, func(l *landscape) []stats.Interval { return l.distinct })
	list("rise", 2, func(l *landscape) []stats.Interval { return l.rise })
	one("correlation_length", func(l *landscape) stats.Interval { return l.length })
	one("difference_any", func(l *landscape) stats.Interval { return l.anywhere })
	one("signal", func(l *landscape) stats.Interval { return l.signal })
	one("fitness_distance", func(l *landscape) stats.Interval { return l.toBest })
	out.Set("noise_difference", estimate.Object(a.Tasks, func(task string) cty.Value { return estimate.Interval(a.of[task].noise, a.of[task].pairs) }))
	out.Set("optimum", estimate.Object(a.Tasks, a.optimum))
	out.Set("architectures", estimate.Count(nas.Size))
	out.Set("classes", estimate.Count(len(a.graph.classes)))
	a.publishOptima(out)
}

func (a *atlas) publishOptima(out *stages.Output) {
	var rounded []string
	for _, task := range a.Tasks {
		if a.of[task].rounded != nil {
			rounded = append(rounded, task)
		}
	}
	for name, of := range map[string]func(heights) cty.Value{"local_optima": optimaValue, "basins": basinsValue} {
		out.Set(name, estimate.Object(a.Tasks, func(task string) cty.Value { return of(a.of[task].raw) }))
		out.Set(name+"_rounded", estimate.Object(rounded, func(task string) cty.Value { return of(*a.of[task].rounded) }))
	}
}

func optimaValue(h heights) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"weak": estimate.Count(h.optima.weak), "strict": estimate.Count(h.optima.strict), "above_noise": estimate.Count(h.optima.aboveNoise),
		"chance": stages.NumberValue(float64(nas.Size) / (nas.NumNeighbours + 1)),
	})
}

func basinsValue(h heights) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"count": estimate.Count(h.summary.count), "largest": stages.NumberValue(h.summary.largest),
		"optimum": stages.NumberValue(h.summary.optimum), "top": stages.NumberValue(h.summary.top), "top_other": stages.NumberValue(h.other.top), "steps": stages.NumberValue(h.summary.steps),
	})
}

// optimum is the best architecture by the values as they are, ties by number; tied
// counts what equals it after rounding.
func (a *atlas) optimum(task string) cty.Value {
	l := a.of[task]
	at := l.raw.falling[0]
	h := &l.raw
	if l.rounded != nil {
		h = l.rounded
	}
	tied := -1
	for _, v := range h.values {
		if v == h.values[at] {
			tied++
		}
	}
	return cty.ObjectVal(map[string]cty.Value{
		"index": estimate.Count(at), "architecture": cty.StringVal(nas.At(at).String()),
		"value": stages.NumberValue(a.set.Values[task][at]), "tied": estimate.Count(tied),
	})
}

// writeBasins has a row a local optimum of each task, from the best on.
func (a *atlas) writeBasins(in *stages.Input, out *stages.Output) error {
	var task, values []string
	var architecture, size []int64
	var value []float64
	add := func(name, kind string, h *heights) {
		for _, i := range h.optimaOf() {
			task, values = append(task, name), append(values, kind)
			architecture, size = append(architecture, int64(i)), append(size, int64(h.basins.size[i]))
			value = append(value, a.set.Values[name][i])
		}
	}
	for _, name := range a.Tasks {
		add(name, "raw", &a.of[name].raw)
		if r := a.of[name].rounded; r != nil {
			add(name, "rounded", r)
		}
	}
	t, err := table.New(
		table.StringColumn("task", task), table.StringColumn("values", values), table.IntColumn(table.Architecture, architecture),
		table.FloatColumn("value", value), table.IntColumn("size", size),
	)
	if err != nil {
		return fmt.Errorf("output basin_sizes: %w", err)
	}
	return tablefile.Set(in, out, "basin_sizes", t)
}
