package ranktransfer

import (
	"context"
	"fmt"
	"math"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/tablefile"
)

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	names := append([]string{s.From}, s.To...)
	set, err := tasks.Load(ctx, in.Store, s.Tables, names)
	if err != nil {
		return err
	}
	if set.Dropped > 0 {
		out.Warn("%d architectures were left out: some task has no value for them", set.Dropped)
	}
	t := s.prepare(set)
	t.ctx, t.progress = ctx, in.Progress
	t.total = int64(len(names)*(len(names)-1) + 5*len(s.To) + len(names))
	if err := t.correlations(out); err != nil {
		return err
	}
	out.Set("architectures", estimate.Count(len(set.Architectures)))
	out.Set("classes", estimate.Count(len(t.unique)))
	out.Set("left_out", estimate.Count(set.Dropped))
	out.Set("best", estimate.Object(names, t.best))
	ranks := make(map[string][]float64, len(names))
	for _, name := range names {
		ranks[name] = stats.Ranks(t.values[name])
	}
	if err := writeRanks(in, out, set, ranks); err != nil {
		return err
	}
	return in.Save(out, "figure", "rank_transfer.svg", s.draw(ranks, t.pairs))
}

// pair is the agreement of two tasks over all architectures.
type pair struct {
	rho, tau                 stats.Correlation
	rhoInterval, tauInterval stats.Interval
}

// transfer holds what the statistics are computed from. Values are oriented so
// that lower is better.
type transfer struct {
	*Stage
	ctx         context.Context
	progress    stages.Progress
	done, total int64

	set         *tasks.Set
	raw, values map[string][]float64 // values: rounded
	class       []int                // of each architecture
	members     [][]int              // positions by class
	unique      []int                // position of each class's smallest architecture
	own         []int                // labels that put every point into a class of its own
	pairs       map[[2]string]pair   // both ways round
}

func (s *Stage) prepare(set *tasks.Set) *transfer {
	t := &transfer{
		Stage: s, set: set, class: set.Classes(), members: set.Members(),
		raw: map[string][]float64{}, values: map[string][]float64{}, pairs: map[[2]string]pair{},
	}
	for _, name := range set.Names {
		t.raw[name], t.values[name] = set.Lower(name, s.Better[name], s.Rounding[name])
	}
	for _, m := range t.members {
		t.unique = append(t.unique, m[0])
	}
	t.own = make([]int, len(set.Architectures))
	for i := range t.own {
		t.own[i] = i
	}
	return t
}

// step reports progress and stops when the run is cancelled.
func (t *transfer) step() error {
	t.done++
	t.progress.Report(t.done, t.total, "correlations")
	return t.ctx.Err()
}

func (t *transfer) spearman(x, y []float64, class []int) (stats.Correlation, stats.Interval, error) {
	c, err := stats.Spearman(x, y)
	if err != nil {
		return c, stats.Interval{}, err
	}
	i, err := stats.SpearmanClustered(x, y, class, t.Resamples, t.Seed)
	if err != nil {
		return c, i, err
	}
	return c, i, t.step()
}

func (t *transfer) kendall(x, y []float64, class []int) (stats.Correlation, stats.Interval, error) {
	c, err := stats.KendallTauB(x, y)
	if err != nil {
		return c, stats.Interval{}, err
	}
	i, err := stats.KendallClustered(x, y, class)
	if err != nil {
		return c, i, err
	}
	return c, i, t.step()
}

// correlations sets every output that is a correlation or an overlap.
func (t *transfer) correlations(out *stages.Output) error {
	if err := t.everyPair(out); err != nil {
		return err
	}
	members := map[string]map[string]cty.Value{}
	for _, name := range append([]string{"overlap"}, correlations...) {
		members[name] = map[string]cty.Value{}
	}
	for _, to := range t.To {
		for _, m := range []struct {
			output  string
			measure func(to string) (cty.Value, error)
		}{
			{"spearman_unique", t.spearmanUnique}, {"kendall_unique", t.kendallUnique},
			{"spearman_raw", t.spearmanRaw}, {"kendall_raw", t.kendallRaw},
			{"spearman_best_half", t.spearmanBestHalf}, {"overlap", t.overlap},
		} {
			v, err := m.measure(to)
			if err != nil {
				return fmt.Errorf("%s of %s and %s: %w", m.output, t.From, to, err)
			}
			members[m.output][to] = v
		}
		p := t.pairs[[2]string{t.From, to}]
		members["spearman"][to] = estimate.Correlation(p.rho, p.rhoInterval)
		members["kendall"][to] = estimate.Correlation(p.tau, p.tauInterval)
	}
	for name, m := range members {
		out.Set(name, cty.ObjectVal(m))
	}
	ceilings := map[string]cty.Value{}
	for _, name := range t.set.Names {
		v, err := t.noiseCeiling(name)
		if err != nil {
			return fmt.Errorf("noise ceiling of %s: %w", name, err)
		}
		ceilings[name] = v
	}
	out.Set("noise_ceiling", cty.ObjectVal(ceilings))
	return nil
}

// everyPair correlates all tasks with each other, over all architectures.
func (t *transfer) everyPair(out *stages.Output) error {
	names := t.set.Names
	for i, a := range names {
		for _, b := range names[i+1:] {
			var p pair
			var err error
			if p.rho, p.rhoInterval, err = t.spearman(t.values[a], t.values[b], t.class); err != nil {
				return err
			}
			if p.tau, p.tauInterval, err = t.kendall(t.values[a], t.values[b], t.class); err != nil {
				return err
			}
			t.pairs[[2]string{a, b}], t.pairs[[2]string{b, a}] = p, p
		}
	}
	table := func(value func(pair) cty.Value) cty.Value {
		return estimate.Object(names, func(a string) cty.Value {
			return estimate.Object(estimate.Without(names, a), func(b string) cty.Value { return value(t.pairs[[2]string{a, b}]) })
		})
	}
	out.Set("pairwise", table(func(p pair) cty.Value { return estimate.Correlation(p.rho, p.rhoInterval) }))
	out.Set("pairwise_kendall", table(func(p pair) cty.Value { return estimate.Correlation(p.tau, p.tauInterval) }))
	return nil
}

// over makes a correlation of from and to at the given positions.
func (t *transfer) over(values map[string][]float64, to string, at, class []int,
	correlate func(x, y []float64, class []int) (stats.Correlation, stats.Interval, error),
) (cty.Value, error) {
	labels := make([]int, len(at))
	for i, p := range at {
		labels[i] = class[p]
	}
	c, i, err := correlate(tasks.Pick(values[t.From], at), tasks.Pick(values[to], at), labels)
	return estimate.Correlation(c, i), err
}

func (t *transfer) spearmanUnique(to string) (cty.Value, error) {
	return t.over(t.values, to, t.unique, t.own, t.spearman)
}

func (t *transfer) kendallUnique(to string) (cty.Value, error) {
	return t.over(t.values, to, t.unique, t.own, t.kendall)
}

// spearmanRaw is rho without rounding; where nothing is rounded, it is rho.
func (t *transfer) spearmanRaw(to string) (cty.Value, error) {
	if !t.rounds(to) {
		p := t.pairs[[2]string{t.From, to}]
		return estimate.Correlation(p.rho, p.rhoInterval), t.step()
	}
	return t.over(t.raw, to, t.own, t.class, t.spearman)
}

func (t *transfer) kendallRaw(to string) (cty.Value, error) {
	if !t.rounds(to) {
		p := t.pairs[[2]string{t.From, to}]
		return estimate.Correlation(p.tau, p.tauInterval), t.step()
	}
	return t.over(t.raw, to, t.own, t.class, t.kendall)
}

func (t *transfer) rounds(to string) bool { return t.Rounding[t.From] > 0 || t.Rounding[to] > 0 }

// spearmanBestHalf is rho over the better half by from, ties by number: does
// the agreement rest on telling bad architectures from good ones?
func (t *transfer) spearmanBestHalf(to string) (cty.Value, error) {
	order := tasks.Order(t.values[t.From])
	return t.over(t.values, to, order[:len(order)/2], t.class, t.spearman)
}

// overlap compares the tops, ties by number.
func (t *transfer) overlap(to string) (cty.Value, error) {
	members := map[string]cty.Value{}
	n := len(t.set.Architectures)
	for i, name := range percentages(t.Top) {
		k := int(math.Round(t.Top[i] * float64(n)))
		o, err := stats.Overlap(t.values[t.From], t.values[to], k, stats.Smallest)
		if err != nil {
			return cty.NilVal, err
		}
		members[name] = estimate.Overlap(o)
	}
	return cty.ObjectVal(members), nil
}

// noiseCeiling is rho between isomorphic cells: the two smallest numbers of
// every class that has two.
func (t *transfer) noiseCeiling(task string) (cty.Value, error) {
	var first, second []float64
	for _, m := range t.members {
		if len(m) > 1 {
			first = append(first, t.values[task][m[0]])
			second = append(second, t.values[task][m[1]])
		}
	}
	c, i, err := t.spearman(first, second, t.own[:len(first)])
	return estimate.Correlation(c, i), err
}

// best describes the architecture with a task's smallest raw value, ties by
// number. A rank is one more than the number of architectures that are better
// on that task.
func (t *transfer) best(task string) cty.Value {
	at := tasks.Order(t.raw[task])[0]
	tied := 0
	for _, v := range t.values[task] {
		if v == t.values[task][at] {
			tied++
		}
	}
	index := t.set.Architectures[at]
	return cty.ObjectVal(map[string]cty.Value{
		"index":        estimate.Count(index),
		"architecture": cty.StringVal(nas.At(index).String()),
		"value":        stages.NumberValue(t.set.Values[task][at]),
		"tied":         estimate.Count(tied - 1),
		"rank": estimate.Object(estimate.Without(t.set.Names, task), func(other string) cty.Value {
			return estimate.Count(rankOf(t.values[other], at))
		}),
	})
}

func rankOf(values []float64, at int) int {
	rank := 1
	for _, v := range values {
		if v < values[at] {
			rank++
		}
	}
	return rank
}

// writeRanks makes the table of average ranks, 1 for the best.
func writeRanks(in *stages.Input, out *stages.Output, set *tasks.Set, ranks map[string][]float64) error {
	numbers := make([]int64, len(set.Architectures))
	for i, a := range set.Architectures {
		numbers[i] = int64(a)
	}
	columns := []table.Column{table.IntColumn(table.Architecture, numbers)}
	for _, name := range set.Names {
		c := table.FloatColumn(name, ranks[name])
		c.Unit, c.Source = "rank", name
		columns = append(columns, c)
	}
	t, err := table.New(columns...)
	if err != nil {
		return fmt.Errorf("the table of ranks: %w", err)
	}
	return tablefile.Set(in, out, "ranks", t)
}
