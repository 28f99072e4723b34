package algorithmcomparison

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas/table"
)

// outcome is what a search came to: per run its regret and what it spent, and the
// curve of the mean regret.
type outcome struct {
	regret, cost              []float64
	at, curve, low, high      []float64
	unit                      string
	meanCost                  float64
	meanRegret, rank, overall stats.Interval // overall: the gain over the reference
}

// comparison holds the searches by task and algorithm.
type comparison struct {
	*Stage
	tasks, algorithms []string
	outcomes          map[string]map[string]*outcome
	runs              int
	meanRank          map[string]stats.Interval
}

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	c, err := s.load(ctx, in)
	if err != nil {
		return err
	}
	if err := c.estimate(); err != nil {
		return err
	}
	gains, err := c.gains(ctx, in)
	if err != nil {
		return err
	}
	c.warn(out)
	interval := func(i stats.Interval) cty.Value { return estimate.Interval(i, c.runs) }
	each := func(of func(o *outcome) cty.Value) cty.Value {
		return estimate.Object(c.tasks, func(task string) cty.Value {
			return estimate.Object(c.algorithms, func(a string) cty.Value { return of(c.outcomes[task][a]) })
		})
	}
	out.Set("mean_rank", estimate.Object(c.algorithms, func(a string) cty.Value { return interval(c.meanRank[a]) }))
	out.Set("rank", each(func(o *outcome) cty.Value { return interval(o.rank) }))
	out.Set("regret", each(func(o *outcome) cty.Value { return interval(o.meanRegret) }))
	out.Set("cost", each(func(o *outcome) cty.Value { return stages.NumberValue(o.meanCost) }))
	out.Set("gain", gains)
	out.Set("optimum", estimate.Object(c.tasks, func(task string) cty.Value {
		o := c.Searches[task][c.Reference].Optimum
		return cty.ObjectVal(map[string]cty.Value{
			"architecture": cty.StringVal(o.Architecture), "index": estimate.Count(o.Index), "report": stages.NumberValue(o.Report),
		})
	}))
	out.Set("runs", estimate.Count(c.runs))
	return in.Save(out, "figure", "algorithm_comparison.svg", c.draw())
}

// load reads the tables. All searches must have as many runs, since ranks compare
// run by run.
func (s *Stage) load(ctx context.Context, in *stages.Input) (*comparison, error) {
	c := &comparison{Stage: s, tasks: slices.Sorted(maps.Keys(s.Searches)), outcomes: map[string]map[string]*outcome{}, meanRank: map[string]stats.Interval{}}
	for _, task := range c.tasks {
		c.outcomes[task] = map[string]*outcome{}
		algorithms := slices.Sorted(maps.Keys(s.Searches[task]))
		if c.algorithms == nil {
			c.algorithms = algorithms
		}
		if !slices.Equal(algorithms, c.algorithms) || !slices.Contains(algorithms, s.Reference) {
			return nil, fmt.Errorf("searches: %s has %s; every task needs the same algorithms, and the reference %s among them", task, list(algorithms), s.Reference)
		}
		for _, a := range c.algorithms {
			o, err := read(ctx, in, s.Searches[task][a])
			if err != nil {
				return nil, fmt.Errorf("searches: %s of %s: %w", a, task, err)
			}
			if c.runs == 0 {
				c.runs = len(o.regret)
			}
			if len(o.regret) != c.runs {
				return nil, fmt.Errorf("searches: %s of %s has %d runs, others have %d; give all searches the same runs", a, task, len(o.regret), c.runs)
			}
			if first := c.outcomes[task][c.algorithms[0]]; first != nil && first.unit != o.unit {
				return nil, fmt.Errorf("searches: on %s, %s counts costs in %s and %s in %s; say in both how many epochs an evaluation takes",
					task, a, o.unit, c.algorithms[0], first.unit)
			}
			if s.Searches[task][a].Optimum != s.Searches[task][s.Reference].Optimum {
				return nil, fmt.Errorf("searches: on %s, %s and %s have different optima; they must be judged by the same column of the same table", task, a, s.Reference)
			}
			c.outcomes[task][a] = o
		}
	}
	return c, nil
}

func read(ctx context.Context, in *stages.Input, s Search) (*outcome, error) {
	results, err := decode(ctx, in, s.Results)
	if err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	curve, err := decode(ctx, in, s.Incumbent)
	if err != nil {
		return nil, fmt.Errorf("incumbent: %w", err)
	}
	o := new(outcome)
	for _, column := range []struct {
		from *table.Table
		name string
		to   *[]float64
	}{
		{results, "regret", &o.regret}, {results, "cost", &o.cost},
		{curve, "cost", &o.at}, {curve, "regret", &o.curve}, {curve, "regret_low", &o.low}, {curve, "regret_high", &o.high},
	} {
		if *column.to, err = column.from.Float64s(column.name); err != nil {
			return nil, err
		}
	}
	if len(o.regret) == 0 || len(o.at) == 0 {
		return nil, fmt.Errorf("it has no runs")
	}
	for _, v := range o.cost {
		o.meanCost += v / float64(len(o.cost))
	}
	cost, err := results.Column("cost")
	if err != nil {
		return nil, err
	}
	o.unit = cost.Unit
	return o, nil
}

func decode(ctx context.Context, in *stages.Input, t stages.Table) (*table.Table, error) {
	data, err := in.Store.ReadAll(ctx, t.File)
	if err != nil {
		return nil, err
	}
	return table.Decode(data)
}

// estimate bootstraps, with the same resamples for all: per task and algorithm the
// mean regret, the mean rank and the gain over the reference, and the mean ranks
// over tasks.
func (c *comparison) estimate() error {
	points := make([][]float64, c.runs)
	for run := range points {
		points[run] = c.point(run)
	}
	intervals, err := stats.BootstrapMeans(points, c.Resamples, c.Seed)
	if err != nil {
		return err
	}
	for _, task := range c.tasks {
		for _, a := range c.algorithms {
			o := c.outcomes[task][a]
			o.meanRegret, o.rank, o.overall = intervals[0], intervals[1], intervals[2]
			intervals = intervals[3:]
		}
	}
	for i, a := range c.algorithms {
		c.meanRank[a] = intervals[i]
	}
	return nil
}

// point is what run number `run` adds to the means, in the order of estimate.
func (c *comparison) point(run int) []float64 {
	var out []float64
	overall := make([]float64, len(c.algorithms))
	for _, task := range c.tasks {
		regrets := make([]float64, len(c.algorithms))
		for i, a := range c.algorithms {
			regrets[i] = c.outcomes[task][a].regret[run]
		}
		reference := c.outcomes[task][c.Reference].regret[run]
		for i, rank := range stats.Ranks(regrets) {
			out = append(out, regrets[i], rank, reference-regrets[i])
			overall[i] += rank / float64(len(c.tasks))
		}
	}
	return append(out, overall...)
}

// gains compares every algorithm with the reference, task by task.
func (c *comparison) gains(ctx context.Context, in *stages.Input) (cty.Value, error) {
	others := estimate.Without(c.algorithms, c.Reference)
	var failed error
	done := int64(0)
	v := estimate.Object(c.tasks, func(task string) cty.Value {
		return estimate.Object(others, func(a string) cty.Value {
			o, reference := c.outcomes[task][a], c.outcomes[task][c.Reference]
			test, err := stats.PermutationTest(o.regret, reference.regret, c.Splits, c.Seed)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil && failed == nil {
				failed = err
			}
			done++
			in.Progress.Report(done, int64(len(c.tasks)*len(others)), "comparisons")
			return cty.ObjectVal(map[string]cty.Value{
				"value": stages.NumberValue(o.overall.Value), "ci_low": stages.NumberValue(o.overall.Low), "ci_high": stages.NumberValue(o.overall.High),
				"p": stages.NumberValue(test.P), "wins": stages.NumberValue(wins(o.regret, reference.regret)), "n": estimate.Count(c.runs),
			})
		})
	})
	return v, failed
}

// wins is the share of pairs with x below y, ties counting half.
func wins(x, y []float64) float64 {
	sorted := slices.Sorted(slices.Values(y))
	total := 0.0
	for _, v := range x {
		below, _ := slices.BinarySearch(sorted, v)
		upTo, _ := slices.BinarySearch(sorted, math.Nextafter(v, math.Inf(1)))
		total += float64(len(sorted)-upTo) + float64(upTo-below)/2
	}
	return total / float64(len(x)*len(y))
}

// warn says which budgets differ.
func (c *comparison) warn(out *stages.Output) {
	for _, task := range c.tasks {
		reference := c.outcomes[task][c.Reference]
		for _, a := range c.algorithms {
			if o := c.outcomes[task][a]; math.Abs(o.meanCost/reference.meanCost-1) > 0.05 {
				out.Warn("on %s, %s spent %.4g %s a run and %s %.4g: not the same budget", task, a, o.meanCost, o.unit, c.Reference, reference.meanCost)
			}
		}
	}
}
