package methodranking

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/scores"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages"
)

// ranking is the table with what is computed from it. Methods and tasks go by number.
type ranking struct {
	*Stage
	*scores.Table
	baseline int
	redraws  []scores.Grid // of errors
	ranks    scores.Grid
	reranked []scores.Grid // ranks of each redraw

	medianRank, medianImprovement []stats.Interval

	complete     []int // methods with an error on every task
	friedman     stats.Friedman
	nemenyi      stats.Nemenyi // of complete methods
	friedmanRank []stats.Interval
}

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	r, err := s.load()
	if err != nil {
		return err
	}
	r.summarise()
	if err := r.blocks(); err != nil {
		return err
	}
	if err := r.pairs(ctx, in, out); err != nil {
		return err
	}
	r.set(out)
	for name, svg := range map[string][]byte{"figure": r.draw(), "critical_difference": r.drawDifferences()} {
		if err := in.Save(out, name, name+".svg", svg); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stage) load() (*ranking, error) {
	methods, tasks, seeds := s.Methods, s.Tasks, math.NaN()
	if methods == nil {
		methods = scores.MethodsOf(s.Results)
	}
	if tasks == nil {
		tasks = scores.TasksOf(s.Results)
	}
	if s.Seeds != nil {
		seeds = *s.Seeds
	}
	t, err := scores.New(s.Results, methods, tasks, seeds)
	if err != nil {
		return nil, err
	}
	r := &ranking{Stage: s, Table: t, baseline: slices.Index(methods, s.Baseline)}
	if r.baseline < 0 {
		return nil, fmt.Errorf("baseline: %q is none of the ranked methods", s.Baseline)
	}
	if r.redraws, err = t.Redraws(s.Resamples, s.Seed); err != nil {
		return nil, err
	}
	r.ranks = r.rank(t.Mean)
	r.reranked = make([]scores.Grid, len(r.redraws))
	for b, g := range r.redraws {
		r.reranked[b] = r.rank(g)
	}
	return r, nil
}

// rank ranks the methods on each task; what has no error has no rank.
func (r *ranking) rank(errors scores.Grid) scores.Grid {
	rows := make([][]float64, len(r.Table.Methods))
	for m := range rows {
		rows[m] = make([]float64, len(r.Table.Tasks))
	}
	var values []float64
	var who []int
	for task := range r.Table.Tasks {
		values, who = values[:0], who[:0]
		for m := range rows {
			rows[m][task] = math.NaN()
			if v := errors.At(m, task); !math.IsNaN(v) {
				values, who = append(values, v), append(who, m)
			}
		}
		for i, rank := range stats.Ranks(values) {
			rows[who[i]][task] = rank
		}
	}
	return scores.NewGrid(rows)
}

// summarise computes the two medians of each method.
func (r *ranking) summarise() {
	for m := range r.Table.Methods {
		n := len(defined(r.Mean.Row(m)))
		r.medianRank = append(r.medianRank, scores.Interval(r.ranks, r.reranked, n, func(g scores.Grid) float64 { return median(g.Row(m)) }))
		r.medianImprovement = append(r.medianImprovement, scores.Interval(r.Mean, r.redraws, n, func(g scores.Grid) float64 {
			gains := make([]float64, len(r.Table.Tasks))
			for task := range gains {
				gains[task] = gain(g.At(m, task), g.At(r.baseline, task))
			}
			return median(gains)
		}))
	}
}

// gain is by how many per cent an error is lower than another; NaN beside n/a, and
// of two zeros.
func gain(e, other float64) float64 { return 100 * (other - e) / other }

func defined(values []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(values), math.IsNaN)
}

// median is that of the defined values; NaN of none.
func median(values []float64) float64 { return stats.Quantile(defined(values), 0.5) }

// blocks does the tests on the methods that have every task.
func (r *ranking) blocks() error {
	for m := range r.Table.Methods {
		if len(defined(r.Mean.Row(m))) == len(r.Table.Tasks) {
			r.complete = append(r.complete, m)
		}
	}
	if len(r.complete) < 3 {
		return nil
	}
	of := func(g scores.Grid) [][]float64 {
		rows := make([][]float64, len(r.Table.Tasks))
		for task := range rows {
			for _, m := range r.complete {
				rows[task] = append(rows[task], g.At(m, task))
			}
		}
		return rows
	}
	var err error
	if r.friedman, err = stats.FriedmanTest(of(r.Mean)); err != nil {
		return fmt.Errorf("the Friedman test: %w", err)
	}
	if r.nemenyi, err = stats.NemenyiTest(r.friedman, r.Alpha); err != nil {
		return fmt.Errorf("the Nemenyi test: %w", err)
	}
	drawn := make([][]float64, len(r.complete))
	for _, g := range r.redraws {
		f, err := stats.FriedmanTest(of(g))
		if err != nil {
			return fmt.Errorf("the Friedman test of a redraw: %w", err)
		}
		for i, rank := range f.MeanRanks {
			drawn[i] = append(drawn[i], rank)
		}
	}
	for i, rank := range r.friedman.MeanRanks {
		r.friedmanRank = append(r.friedmanRank, stats.PercentileInterval(rank, drawn[i], r.friedman.Blocks))
	}
	return nil
}

// set gives the outputs about single methods, and those of the tests on all.
func (r *ranking) set(out *stages.Output) {
	byMethod := func(of func(m int) cty.Value) cty.Value { return byNumber(r.Table.Methods, of) }
	byTask := func(of func(m, task int) stats.Interval) cty.Value {
		return byMethod(func(m int) cty.Value {
			return byNumber(r.Table.Tasks, func(task int) cty.Value { return estimate.Interval(of(m, task), 1) })
		})
	}
	out.Set("rank", byTask(func(m, task int) stats.Interval {
		return scores.Interval(r.ranks, r.reranked, 1, func(g scores.Grid) float64 { return g.At(m, task) })
	}))
	out.Set("improvement", byTask(func(m, task int) stats.Interval { return r.gain(m, r.baseline, task) }))
	out.Set("median_rank", byMethod(func(m int) cty.Value { return estimate.Interval(r.medianRank[m], r.medianRank[m].Units) }))
	out.Set("median_improvement", byMethod(func(m int) cty.Value {
		return estimate.Interval(r.medianImprovement[m], r.medianImprovement[m].Units)
	}))
	nothing := stats.Interval{Value: math.NaN(), Low: math.NaN(), High: math.NaN()}
	out.Set("friedman_rank", byMethod(func(m int) cty.Value {
		if i := slices.Index(r.complete, m); i >= 0 && r.friedmanRank != nil {
			return estimate.Interval(r.friedmanRank[i], r.friedman.Blocks)
		}
		return estimate.Interval(nothing, 0)
	}))
	f, difference := r.friedman, r.nemenyi.CriticalDifference
	if r.friedmanRank == nil {
		f.Statistic, f.P, f.Log10P, difference = math.NaN(), math.NaN(), math.NaN(), math.NaN()
	}
	out.Set("friedman", cty.ObjectVal(map[string]cty.Value{
		"statistic": stages.NumberValue(f.Statistic), "p": stages.NumberValue(f.P), "log10_p": stages.NumberValue(f.Log10P),
		"n": estimate.Count(len(r.Table.Tasks)), "methods": estimate.Count(len(r.complete)), "critical_difference": stages.NumberValue(difference),
	}))
}

func (r *ranking) gain(a, b, task int) stats.Interval {
	return scores.Interval(r.Mean, r.redraws, 1, func(g scores.Grid) float64 { return gain(g.At(a, task), g.At(b, task)) })
}

// byNumber is estimate.Object of a function of the names' numbers.
func byNumber(names []string, of func(i int) cty.Value) cty.Value {
	return estimate.Object(names, func(name string) cty.Value { return of(slices.Index(names, name)) })
}
