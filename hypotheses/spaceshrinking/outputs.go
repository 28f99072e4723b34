package spaceshrinking

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages"
)

// estimate bootstraps over runs, with the same resamples for all numbers.
func (c *comparison) estimate() error {
	points := make([][]float64, c.runs)
	for run := range points {
		for _, name := range c.names {
			points[run] = append(points[run], c.of[name].point(run, c.methods)...)
		}
	}
	intervals, err := stats.BootstrapMeans(points, c.Resamples, c.Seed)
	if err != nil {
		return err
	}
	for _, name := range c.names {
		intervals = c.of[name].take(intervals, c.methods)
	}
	return nil
}

// point is what a run adds to the means: the equal size, then, by method, size,
// pockets, measures, and the advantages over it in measures.
func (o *outcome) point(run int, methods []string) []float64 {
	out := []float64{o.size[run]}
	reference := o.spaces[methods[0]][run].at()
	for _, method := range methods {
		s := o.spaces[method][run]
		out = append(append(out, s.whole.SizeRatio, s.whole.Pockets), s.at()...)
		for i, v := range s.at() {
			out = append(out, reference[i]-v)
		}
	}
	return out
}

// take takes the intervals in the order of point and returns the rest.
func (o *outcome) take(intervals []stats.Interval, methods []string) []stats.Interval {
	next := func(n int) []stats.Interval {
		out := intervals[:n]
		intervals = intervals[n:]
		return out
	}
	o.equalSize = next(1)[0]
	o.ratio, o.parts = map[string]stats.Interval{}, map[string]stats.Interval{}
	o.value, o.advantage = map[string][]stats.Interval{}, map[string][]stats.Interval{}
	for _, method := range methods {
		o.ratio[method], o.parts[method] = next(1)[0], next(1)[0]
		o.value[method], o.advantage[method] = next(len(measures)), next(len(measures))
	}
	return intervals
}

// publish sets the outputs that are numbers.
func (c *comparison) publish(out *stages.Output) {
	interval := func(i stats.Interval) cty.Value { return estimate.Interval(i, c.runs) }
	each := func(of func(o *outcome, method string) stats.Interval) cty.Value {
		return estimate.Object(c.names, func(name string) cty.Value {
			return estimate.Object(c.methods, func(method string) cty.Value { return interval(of(c.of[name], method)) })
		})
	}
	out.Set("size_ratio", each(func(o *outcome, method string) stats.Interval { return o.ratio[method] }))
	out.Set("pockets", each(func(o *outcome, method string) stats.Interval { return o.parts[method] }))
	for i, m := range measures {
		out.Set(m, each(func(o *outcome, method string) stats.Interval { return o.value[method][i] }))
	}
	out.Set("equal_size", estimate.Object(c.names, func(name string) cty.Value { return interval(c.of[name].equalSize) }))
	out.Set("advantage", estimate.Object(c.names, func(name string) cty.Value {
		return estimate.Object(c.methods[1:], func(method string) cty.Value {
			members := map[string]cty.Value{}
			for i, m := range measures {
				members[m] = interval(c.of[name].advantage[method][i])
			}
			return cty.ObjectVal(members)
		})
	}))
	out.Set("tau_all", estimate.Object(c.names, func(name string) cty.Value {
		return estimate.Correlation(c.of[name].tau, c.of[name].tauInterval)
	}))
	out.Set("runs", estimate.Count(c.runs))
}
