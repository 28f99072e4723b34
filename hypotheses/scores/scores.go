package scores

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
)

// Score is what a method achieved on a task; outputs of retrain blocks have these
// members, too.
type Score struct {
	Value *float64 `attr:"value,optional" doc:"Mean error over seeds, not negative; null is n/a."`
	SD    *float64 `attr:"sd,optional" doc:"Its standard deviation over seeds; null where nobody said, which counts as 0."`
	N     *float64 `attr:"n,optional" doc:"Number of seeds; the block's own number where null."`
}

// Table is the scores of methods on tasks.
type Table struct {
	Methods, Tasks []string
	Mean           Grid      // NaN is n/a
	stdErr         []float64 // in the order of Mean's values
}

// Grid has a value for each method (by number) and task.
type Grid struct {
	tasks  int
	values []float64
}

// NewGrid makes a grid from the rows of methods, all of one length.
func NewGrid(rows [][]float64) Grid {
	var g Grid
	for _, r := range rows {
		g.tasks = len(r)
		g.values = append(g.values, r...)
	}
	return g
}

// At is the value of a method on a task.
func (g Grid) At(method, task int) float64 { return g.values[method*g.tasks+task] }

// Row is the values of a method, by task; not to be changed.
func (g Grid) Row(method int) []float64 { return g.values[method*g.tasks : (method+1)*g.tasks] }

// New makes the table of some methods and tasks. seeds is the number of seeds of
// scores that do not say it; NaN: there is none.
func New(results map[string]map[string]Score, methods, tasks []string, seeds float64) (*Table, error) {
	t := &Table{Methods: methods, Tasks: tasks, Mean: Grid{tasks: len(tasks)}}
	for _, m := range methods {
		for _, task := range tasks {
			mean, stdErr, err := results[m][task].read(seeds)
			if err != nil {
				return nil, fmt.Errorf("results: %s on %s: %w", m, task, err)
			}
			t.Mean.values = append(t.Mean.values, mean)
			t.stdErr = append(t.stdErr, stdErr)
		}
	}
	return t, nil
}

// read gives the mean and its standard error.
func (s Score) read(seeds float64) (mean, stdErr float64, err error) {
	if s.Value == nil {
		return math.NaN(), 0, nil
	}
	if mean = *s.Value; !(mean >= 0) || math.IsInf(mean, 0) {
		return 0, 0, fmt.Errorf("the value is %v; errors are finite and not negative", mean)
	}
	if s.SD == nil || *s.SD == 0 {
		return mean, 0, nil
	}
	if !(*s.SD > 0) || math.IsInf(*s.SD, 0) {
		return 0, 0, fmt.Errorf("the standard deviation is %v; it is finite and not negative", *s.SD)
	}
	n := seeds
	if s.N != nil {
		n = *s.N
	}
	if !(n >= 1) {
		return 0, 0, fmt.Errorf("a standard deviation needs a number of seeds: give the score a member n, or the block seeds = 3")
	}
	return mean, *s.SD / math.Sqrt(n), nil
}

// Redraws draws the table anew, so many times. An error that is drawn below 0 counts
// as 0. Without any standard deviation there are no redraws, and so no intervals.
func (t *Table) Redraws(resamples int, seed uint64) ([]Grid, error) {
	if !slices.ContainsFunc(t.stdErr, func(s float64) bool { return s > 0 }) {
		return nil, nil
	}
	samples, err := stats.NormalRedraws(t.Mean.values, t.stdErr, resamples, seed)
	if err != nil {
		return nil, err
	}
	out := make([]Grid, len(samples))
	for b, s := range samples {
		for i, v := range s {
			if v < 0 {
				s[i] = 0
			}
		}
		out[b] = Grid{tasks: t.Mean.tasks, values: s}
	}
	return out, nil
}

// Interval is a statistic of a table with its interval over redraws; units is the
// number of tasks behind it.
func Interval(point Grid, redraws []Grid, units int, statistic func(Grid) float64) stats.Interval {
	value := statistic(point)
	if math.IsNaN(value) {
		return stats.Interval{Value: value, Low: value, High: value, StdErr: value, Units: units}
	}
	drawn := make([]float64, len(redraws))
	for b, g := range redraws {
		drawn[b] = statistic(g)
	}
	return stats.PercentileInterval(value, drawn, units)
}

// MethodsOf lists the methods of results.
func MethodsOf(results map[string]map[string]Score) []string {
	return slices.Sorted(maps.Keys(results))
}

// TasksOf lists the tasks on which any method has a score.
func TasksOf(results map[string]map[string]Score) []string {
	all := map[string]bool{}
	for _, r := range results {
		for task := range r {
			all[task] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
