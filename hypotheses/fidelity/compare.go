package fidelity

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
)

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	names := slices.Sorted(maps.Keys(s.Pairs))
	set, err := tasks.Load(ctx, in.Store, s.Tables, s.columns(names))
	if err != nil {
		return err
	}
	if set.Dropped > 0 {
		out.Warn("%d architectures were left out: some fidelity has no value for them", set.Dropped)
	}
	n := len(set.Architectures)
	if most := slices.Max(s.Top); most > n {
		return fmt.Errorf("top: %d of %d architectures; name numbers up to %d", most, n, n)
	}
	c := s.prepare(set)
	found := map[string]comparison{}
	for i, name := range names {
		if found[name], err = c.compare(s.Pairs[name]); err != nil {
			return fmt.Errorf("pairs[%q]: %w", name, err)
		}
		in.Progress.Report(int64(i+1), int64(len(names)), "pairs")
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	for i, output := range correlations {
		out.Set(output, estimate.Object(names, func(name string) cty.Value {
			e := found[name].coefficients[i]
			return estimate.Correlation(e.Correlation, e.interval)
		}))
	}
	out.Set("regret", estimate.Object(names, func(name string) cty.Value { return c.regrets(found[name]) }))
	out.Set("best", estimate.Object(names, func(name string) cty.Value { return c.best(s.Pairs[name]) }))
	out.Set("architectures", estimate.Count(n))
	out.Set("classes", estimate.Count(len(c.unique)))
	out.Set("left_out", estimate.Count(set.Dropped))
	return in.Save(out, "figure", "fidelity.svg", c.draw(names, found))
}

// columns are those of the pairs, each once.
func (s *Stage) columns(names []string) []string {
	var out []string
	for _, name := range names {
		for _, column := range []string{s.Pairs[name].Low, s.Pairs[name].High} {
			if !slices.Contains(out, column) {
				out = append(out, column)
			}
		}
	}
	return out
}

// comparer is what all pairs share. Values are turned so that lower is better.
type comparer struct {
	*Stage
	set    *tasks.Set
	values map[string][]float64 // by column
	class  []int                // of each architecture
	unique []int                // position of each class's smallest architecture
	own    []int                // labels that put every point into a class of its own
	top    []int                // ascending
}

func (s *Stage) prepare(set *tasks.Set) *comparer {
	c := &comparer{Stage: s, set: set, values: map[string][]float64{}, class: set.Classes(), top: slices.Sorted(slices.Values(s.Top))}
	for _, column := range set.Names {
		c.values[column], _ = set.Lower(column, s.Better, 0)
	}
	for i, m := range set.Members() {
		c.unique, c.own = append(c.unique, m[0]), append(c.own, i)
	}
	return c
}

type coefficient struct {
	stats.Correlation
	interval stats.Interval
}

// comparison is what is found of one pair.
type comparison struct {
	coefficients [5]coefficient // in the order of correlations
	regret       []stats.Interval
	chance       []float64 // both by top
}

func (c *comparer) compare(p Pair) (out comparison, err error) {
	low, high := c.values[p.Low], c.values[p.High]
	order := tasks.Order(low)
	half := order[:len(order)/2]
	for i, measure := range []func() (coefficient, error){
		func() (coefficient, error) { return c.spearman(low, high, c.class) },
		func() (coefficient, error) { return kendall(low, high, c.class) },
		func() (coefficient, error) {
			return c.spearman(tasks.Pick(low, c.unique), tasks.Pick(high, c.unique), c.own)
		},
		func() (coefficient, error) {
			return kendall(tasks.Pick(low, c.unique), tasks.Pick(high, c.unique), c.own)
		},
		func() (coefficient, error) {
			labels := make([]int, len(half))
			for i, at := range half {
				labels[i] = c.class[at]
			}
			return kendall(tasks.Pick(low, half), tasks.Pick(high, half), labels)
		},
	} {
		if out.coefficients[i], err = measure(); err != nil {
			return out, err
		}
	}
	byHigh := tasks.Order(high)
	out.regret, err = stats.ClusterBootstrapTimes(c.class, len(c.top), c.Resamples, c.Seed, func(times []int32, regret []float64) {
		regretOf(high, order, byHigh, c.top, times, regret)
	})
	for _, k := range c.top {
		out.chance = append(out.chance, expectedBest(high, byHigh, k)-high[byHigh[0]])
	}
	return out, err
}

func (c *comparer) spearman(x, y []float64, class []int) (out coefficient, err error) {
	if out.Correlation, err = stats.Spearman(x, y); err != nil {
		return out, err
	}
	out.interval, err = stats.SpearmanClustered(x, y, class, c.Resamples, c.Seed)
	return out, err
}

func kendall(x, y []float64, class []int) (out coefficient, err error) {
	if out.Correlation, err = stats.KendallTauB(x, y); err != nil {
		return out, err
	}
	out.interval, err = stats.KendallClustered(x, y, class)
	return out, err
}

// regretOf fills in the regret at each k of top, which ascend: the points are taken in
// the order of the low fidelity, each as often as it was drawn.
func regretOf(high []float64, order, byHigh, top []int, times []int32, regret []float64) {
	optimum := math.NaN()
	for _, at := range byHigh {
		if times[at] > 0 {
			optimum = high[at]
			break
		}
	}
	best, taken, next := math.Inf(1), 0, 0
	for _, at := range order {
		if times[at] == 0 {
			continue
		}
		best = min(best, high[at])
		for taken += int(times[at]); next < len(top) && taken >= top[next]; next++ {
			regret[next] = best - optimum
		}
		if next == len(top) {
			return
		}
	}
	for ; next < len(top); next++ { // a resample of small classes has fewer points
		regret[next] = best - optimum
	}
}

// expectedBest is the expectation of the lowest value of k points drawn without
// replacement: the i-th lowest of n is it if none before it was drawn and it is.
func expectedBest(values []float64, order []int, k int) float64 {
	n := len(order)
	expected, none := 0.0, 1.0
	for i, at := range order {
		drawn := min(1, float64(k)/float64(n-i))
		expected += none * drawn * values[at]
		if none *= 1 - drawn; none == 0 {
			break
		}
	}
	return expected
}

// regrets makes an output of what was found, by k.
func (c *comparer) regrets(found comparison) cty.Value {
	members := map[string]cty.Value{}
	for i, k := range c.top {
		r := found.regret[i]
		members[topNames([]float64{float64(k)})[0]] = cty.ObjectVal(map[string]cty.Value{
			"value": stages.NumberValue(r.Value), "ci_low": stages.NumberValue(r.Low), "ci_high": stages.NumberValue(r.High),
			"n": estimate.Count(len(c.set.Architectures)), "chance": stages.NumberValue(found.chance[i]),
		})
	}
	return cty.ObjectVal(members)
}

// best describes the best architecture by low fidelity. Its rank is one more than the
// number of architectures that are better at high fidelity.
func (c *comparer) best(p Pair) cty.Value {
	at := tasks.Order(c.values[p.Low])[0]
	high := c.values[p.High]
	rank := 1
	for _, v := range high {
		if v < high[at] {
			rank++
		}
	}
	index := c.set.Architectures[at]
	return cty.ObjectVal(map[string]cty.Value{
		"index": estimate.Count(index), "architecture": cty.StringVal(nas.At(index).String()), "rank": estimate.Count(rank),
		"low": stages.NumberValue(c.set.Values[p.Low][at]), "high": stages.NumberValue(c.set.Values[p.High][at]),
	})
}
