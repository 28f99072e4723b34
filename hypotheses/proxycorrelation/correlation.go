package proxycorrelation

import (
	"context"
	"fmt"
	"math"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages"
)

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	c, err := s.load(ctx, in)
	if err != nil {
		return err
	}
	if c.set.Dropped > 0 {
		out.Warn("%d architectures were left out: some task has no value for them", c.set.Dropped)
	}
	found := map[[2]string]cell{}
	for _, task := range s.Tasks {
		for _, proxy := range s.Proxies {
			if found[[2]string{task, proxy}], err = c.correlate(task, proxy); err != nil {
				return fmt.Errorf("%s and %s: %w", task, proxy, err)
			}
			in.Progress.Report(int64(len(found)), int64(len(s.Tasks)*len(s.Proxies)), "correlations")
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	for i, name := range coefficients {
		out.Set(name, estimate.Object(s.Tasks, func(task string) cty.Value {
			return estimate.Object(s.Proxies, func(proxy string) cty.Value {
				e := found[[2]string{task, proxy}][i]
				return estimate.Correlation(e.Correlation, e.interval)
			})
		}))
	}
	out.Set("undefined", estimate.Object(s.Proxies, func(proxy string) cty.Value { return estimate.Count(c.undefined[proxy]) }))
	out.Set("architectures", estimate.Count(len(c.set.Architectures)))
	out.Set("classes", estimate.Count(len(c.unique)))
	out.Set("left_out", estimate.Count(c.leftOut))
	return in.Save(out, "figure", "proxy_correlation.svg", s.draw(found))
}

// cell holds the coefficients of a task and a proxy, in the order of coefficients.
type cell [5]coefficient

type coefficient struct {
	stats.Correlation
	interval stats.Interval
}

// comparison is what the coefficients are computed from, by architecture. All values
// are turned so that lower is better.
type comparison struct {
	*Stage
	set         *tasks.Set
	leftOut     int                  // have no score or no value
	raw, values map[string][]float64 // by task; values: rounded
	scores      map[string][]float64 // by proxy; +Inf where undefined
	undefined   map[string]int
	class       []int // of each architecture
	unique      []int // position of each class's smallest architecture
}

// load reads the architectures that all tables have.
func (s *Stage) load(ctx context.Context, in *stages.Input) (*comparison, error) {
	all, err := tasks.Load(ctx, in.Store, s.Tables, s.Tasks)
	if err != nil {
		return nil, err
	}
	columns, err := tasks.Columns(ctx, in.Store, s.Scores, s.Proxies)
	if err != nil {
		return nil, fmt.Errorf("scores: %w", err)
	}
	var at []int
	for i, a := range all.Architectures {
		scored := true
		for _, proxy := range s.Proxies {
			_, ok := columns[proxy][a]
			scored = scored && ok
		}
		if scored {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return nil, fmt.Errorf("no architecture has both a value on every task and a row of scores")
	}
	c := &comparison{
		Stage: s, set: all.Keep(at), leftOut: all.Dropped + len(all.Architectures) - len(at), undefined: map[string]int{},
		raw: map[string][]float64{}, values: map[string][]float64{}, scores: map[string][]float64{},
	}
	c.class = c.set.Classes()
	for _, m := range c.set.Members() {
		c.unique = append(c.unique, m[0])
	}
	for _, task := range s.Tasks {
		c.raw[task], c.values[task] = c.set.Lower(task, s.Better[task], s.Rounding[task])
	}
	for _, proxy := range s.Proxies {
		c.scores[proxy] = c.orient(proxy, columns[proxy])
	}
	return c, nil
}

// orient turns scores so that lower promises better; undefined ones are the worst.
func (c *comparison) orient(proxy string, column map[int]float64) []float64 {
	out := make([]float64, len(c.set.Architectures))
	for i, a := range c.set.Architectures {
		v := column[a]
		if math.IsNaN(v) || math.IsInf(v, 0) {
			out[i] = math.Inf(1)
			c.undefined[proxy]++
			continue
		}
		if c.ProxyBetter[proxy] != "lower" {
			v = -v
		}
		out[i] = v
	}
	return out
}

// correlate computes all coefficients of a task and a proxy.
func (c *comparison) correlate(task, proxy string) (cell, error) {
	scores, values := c.scores[proxy], c.values[task]
	var out cell
	var err error
	if out[0], err = c.spearman(scores, values, c.class); err != nil {
		return out, err
	}
	if out[1].Correlation, err = stats.KendallTauB(scores, values); err != nil {
		return out, err
	}
	if out[1].interval, err = stats.KendallClustered(scores, values, c.class); err != nil {
		return out, err
	}
	if out[2], err = c.pearson(scores, values); err != nil {
		return out, err
	}
	unique := make([]int, len(c.unique))
	for i := range unique {
		unique[i] = i
	}
	if out[3], err = c.spearman(tasks.Pick(scores, c.unique), tasks.Pick(values, c.unique), unique); err != nil {
		return out, err
	}
	if out[4] = out[0]; c.Rounding[task] > 0 {
		out[4], err = c.spearman(scores, c.raw[task], c.class)
	}
	return out, err
}

func (c *comparison) spearman(x, y []float64, class []int) (out coefficient, err error) {
	if out.Correlation, err = stats.Spearman(x, y); err != nil {
		return out, err
	}
	out.interval, err = stats.SpearmanClustered(x, y, class, c.Resamples, c.Seed)
	return out, err
}

// pearson is r over the architectures whose score is defined.
func (c *comparison) pearson(scores, values []float64) (out coefficient, err error) {
	var x, y []float64
	var class []int
	for i, v := range scores {
		if !math.IsInf(v, 0) {
			x, y, class = append(x, v), append(y, values[i]), append(class, c.class[i])
		}
	}
	if out.Correlation, err = stats.Pearson(x, y); err != nil {
		return out, err
	}
	out.interval, err = stats.PearsonClustered(x, y, class, c.Resamples, c.Seed)
	return out, err
}
