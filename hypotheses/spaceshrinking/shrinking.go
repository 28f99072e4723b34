package spaceshrinking

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/search/algorithm"
	"github.com/nbpipe/nbpipe/stages/search/objective"
	"github.com/nbpipe/nbpipe/stages/search/subspace"
)

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	c := &comparison{Stage: s, names: slices.Sorted(maps.Keys(s.Tasks)), of: map[string]*outcome{}, everything: everything()}
	for i, name := range c.names {
		in.Progress.Report(int64(i), int64(len(c.names)), "tasks")
		if err := c.measure(ctx, in, name); err != nil {
			return fmt.Errorf("tasks: %s: %w", name, err)
		}
	}
	if err := c.estimate(); err != nil {
		return err
	}
	c.publish(out)
	return in.Save(out, "figure", "space_shrinking.svg", c.draw())
}

// comparison holds the spaces of all tasks, as measured.
type comparison struct {
	*Stage
	names   []string // of tasks, sorted
	methods []string // the reference, the others by name, random
	runs    int
	of      map[string]*outcome

	everything []int // all architectures
}

// outcome is what the methods came to on a task.
type outcome struct {
	spaces      map[string][]space // by method and run
	size        []float64          // by run: the equal size, over all architectures
	tau         stats.Correlation
	tauInterval stats.Interval

	equalSize    stats.Interval
	ratio, parts map[string]stats.Interval   // by method
	value        map[string][]stats.Interval // by method, in the order of measures
	advantage    map[string][]stats.Interval // of the reference over the method
}

// space is what a run was left with.
type space struct {
	whole, equal subspace.Description // as it was, and cut to equal size
}

// at are the measures at equal size.
func (s space) at() []float64 {
	return []float64{s.equal.MeanGain, s.equal.Recall, s.equal.Diversity, s.equal.Tau}
}

// measure describes every space of a task.
func (c *comparison) measure(ctx context.Context, in *stages.Input, name string) error {
	task := c.Tasks[name]
	if err := c.sameMethods(name, task); err != nil {
		return err
	}
	judge, o, err := c.judge(ctx, in, task)
	if err != nil {
		return err
	}
	c.of[name] = o
	left := map[string][][]int{}
	for _, method := range c.methods[:len(c.methods)-1] { // all but random
		if left[method], err = read(ctx, in, task.Spaces[method]); err != nil {
			return fmt.Errorf("spaces of %s: %w", method, err)
		}
		if c.runs == 0 {
			c.runs = len(left[method])
		}
		if n := len(left[method]); n != c.runs || n == 0 {
			return fmt.Errorf("spaces of %s: it has %d runs, others have %d; give all searches the same runs", method, n, c.runs)
		}
	}
	for run := range c.runs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.measureRun(judge, o, name, run, left); err != nil {
			return err
		}
	}
	return nil
}

// sameMethods sets the methods by the first task, and holds others to them.
func (c *comparison) sameMethods(name string, task Task) error {
	all := slices.Sorted(maps.Keys(task.Spaces))
	if !slices.Contains(all, c.Reference) || slices.Contains(all, drawn) {
		return fmt.Errorf("it has spaces of %s; there must be some of %s, and none named %s", list(all), c.Reference, drawn)
	}
	others := estimate.Without(all, c.Reference)
	methods := append(append([]string{c.Reference}, others...), drawn)
	if c.methods == nil {
		c.methods = methods
	}
	if !slices.Equal(methods, c.methods) {
		return fmt.Errorf("it has the methods %s, %s has %s; every task needs the same", list(methods), c.names[0], list(c.methods))
	}
	return nil
}

// judge reads a task's columns.
func (c *comparison) judge(ctx context.Context, in *stages.Input, task Task) (*subspace.Judge, *outcome, error) {
	raw, err := in.Store.ReadAll(ctx, task.Table.File)
	if err != nil {
		return nil, nil, fmt.Errorf("table: %w", err)
	}
	t, err := table.Decode(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("table: %w", err)
	}
	judged, err := objective.Column(t, task.Task)
	if err != nil {
		return nil, nil, fmt.Errorf("task: the table: %w", err)
	}
	nan := math.NaN() // one column has no correlation with itself to speak of
	o := &outcome{spaces: map[string][]space{}, tau: stats.Correlation{N: nas.Size, Value: nan, P: nan, Log10P: nan}, tauInterval: stats.Interval{Value: nan, Low: nan, High: nan}}
	var seen []float64
	if task.Report != "" && task.Report != task.Task {
		seen = judged
		if judged, err = objective.Column(t, task.Report); err != nil {
			return nil, nil, fmt.Errorf("report: the table: %w", err)
		}
		class, _ := nas.Classes()
		if o.tau, err = stats.KendallTauB(seen, judged); err != nil {
			return nil, nil, err
		}
		if o.tauInterval, err = stats.KendallClustered(seen, judged, class[:]); err != nil {
			return nil, nil, err
		}
	}
	return subspace.NewJudge(seen, judged, task.Direction == "minimise", c.Top), o, nil
}

// read lists the architectures of each run, runs and architectures ascending.
func read(ctx context.Context, in *stages.Input, t stages.Table) ([][]int, error) {
	raw, err := in.Store.ReadAll(ctx, t.File)
	if err != nil {
		return nil, err
	}
	rows, err := table.Decode(raw)
	if err != nil {
		return nil, err
	}
	run, err := rows.Int64s("run")
	if err != nil {
		return nil, err
	}
	architecture, err := rows.Int64s(table.Architecture)
	if err != nil {
		return nil, err
	}
	byRun := map[int64][]int{}
	for i, a := range architecture {
		if err := nas.CheckIndex(a); err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		byRun[run[i]] = append(byRun[run[i]], int(a))
	}
	var out [][]int
	for _, r := range slices.Sorted(maps.Keys(byRun)) {
		slices.Sort(byRun[r])
		if n := len(byRun[r]); len(slices.Compact(slices.Clone(byRun[r]))) != n {
			return nil, fmt.Errorf("run %d names an architecture twice", r)
		}
		out = append(out, byRun[r])
	}
	return out, nil
}

// measureRun cuts the spaces of a run to the size of the smallest and describes them.
func (c *comparison) measureRun(judge *subspace.Judge, o *outcome, name string, run int, left map[string][][]int) error {
	size := nas.Size
	for _, spaces := range left {
		size = min(size, len(spaces[run]))
	}
	o.size = append(o.size, float64(size)/nas.Size)
	for _, method := range c.methods {
		random := algorithm.NewSource(c.Seed, "space_shrinking "+name+" "+method, run)
		var s space
		var err error
		whole := c.everything
		if method != drawn {
			whole = left[method][run]
		}
		equal := whole
		if len(whole) > size {
			equal = algorithm.Pick(random, whole, size)
		}
		if s.equal, err = judge.Describe(equal); err != nil {
			return err
		}
		if s.whole = s.equal; method != drawn && len(whole) > size {
			if s.whole, err = judge.Describe(whole); err != nil {
				return err
			}
		}
		o.spaces[method] = append(o.spaces[method], s)
	}
	return nil
}

func everything() []int {
	out := make([]int, nas.Size)
	for i := range out {
		out[i] = i
	}
	return out
}
