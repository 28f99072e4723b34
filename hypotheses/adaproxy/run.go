package adaproxy

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/zclconf/go-cty/cty"
	"gonum.org/v1/gonum/mat"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/pareto"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/tablefile"
	"github.com/nbpipe/nbpipe/stages/search/algorithm"
)

// experiment holds the cells, the proxy's predictor and what comes of them.
type experiment struct {
	*Stage
	x        *mat.Dense
	latency  map[string][]float64 // NaN where a cell was not measured
	accuracy []float64            // higher is better; nil without Pareto sets
	w        []float64            // the proxy's predictor
	proxyFit float64
	lambdas  []float64 // descending
	outcomes map[string]*outcome
}

// outcome is what the runs on a target came to.
type outcome struct {
	runs                  []adaptation
	volumes               []float64 // hypervolume of each run's Pareto set
	before, adapted, gain stats.Interval
	ceiling, reached      float64
	volumeBefore          float64
	volumeAdapted         stats.Interval
	measured              int
	failed                []error
}

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	e, err := s.load(ctx, in)
	if err != nil {
		return err
	}
	if err := e.adaptAll(ctx, in); err != nil {
		return err
	}
	for _, target := range s.Targets {
		if err := e.summarise(target); err != nil {
			return fmt.Errorf("target %s: %w", target, err)
		}
	}
	e.set(out)
	if err := e.writeResults(in, out); err != nil {
		return err
	}
	return in.Save(out, "figure", "adaproxy.svg", e.draw())
}

// load reads the columns and fits the proxy's predictor.
func (s *Stage) load(ctx context.Context, in *stages.Input) (*experiment, error) {
	devices := append([]string{s.Proxy}, s.Targets...)
	set, err := tasks.LoadPartial(ctx, in.Store, s.Tables, devices)
	if err != nil {
		return nil, err
	}
	if len(set.Architectures) == 0 {
		return nil, fmt.Errorf("no architecture has a latency on %s or a target", s.Proxy)
	}
	e := &experiment{Stage: s, x: encode(set.Architectures), latency: set.Values, outcomes: map[string]*outcome{}}
	e.lambdas = slices.Sorted(slices.Values(s.Lambdas))
	slices.Reverse(e.lambdas)
	for _, target := range s.Targets {
		n := len(e.measured(target))
		if need := s.Train + s.Validation + 2; n < need {
			return nil, fmt.Errorf("targets: %s has %d latencies; %d for training, %d for validation and 2 unseen ones need %d", target, n, s.Train, s.Validation, need)
		}
		if y := pick(set.Values[target], e.measured(target)); slices.Min(y) == slices.Max(y) {
			return nil, fmt.Errorf("targets: all latencies of %s are %v: there is nothing to rank", target, y[0])
		}
		e.outcomes[target] = &outcome{runs: make([]adaptation, s.Runs), volumes: make([]float64, s.Runs), failed: make([]error, s.Runs), measured: n}
	}
	at := e.measured(s.Proxy)
	if len(at) < 2 {
		return nil, fmt.Errorf("proxy: %s has %d latencies; a predictor needs at least 2", s.Proxy, len(at))
	}
	if e.w, err = fit(rows(e.x, at), pick(set.Values[s.Proxy], at)); err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	e.proxyFit = srcc(predict(rows(e.x, at), e.w, 0), pick(set.Values[s.Proxy], at))
	return e, e.loadAccuracy(ctx, in, set.Architectures)
}

// loadAccuracy takes the accuracies of the cells; those without stay out of Pareto
// sets.
func (e *experiment) loadAccuracy(ctx context.Context, in *stages.Input, cells []int) error {
	if e.Accuracy == "" {
		return nil
	}
	set, err := tasks.LoadPartial(ctx, in.Store, e.Tables, []string{e.Accuracy})
	if err != nil {
		return err
	}
	e.accuracy = make([]float64, len(cells))
	for i, a := range cells {
		e.accuracy[i] = math.NaN()
		if at, ok := slices.BinarySearch(set.Architectures, a); ok {
			e.accuracy[i] = set.Values[e.Accuracy][at]
		}
		if e.Better == "lower" {
			e.accuracy[i] = -e.accuracy[i]
		}
	}
	return nil
}

// measured lists the cells that have a latency on the device.
func (e *experiment) measured(device string) []int {
	var out []int
	for i, v := range e.latency[device] {
		if !math.IsNaN(v) {
			out = append(out, i)
		}
	}
	return out
}

// order shuffles the cells for a run; all targets see the same order.
func (e *experiment) order(run int) []int {
	n, _ := e.x.Dims()
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	random := algorithm.NewSource(e.Seed, "adaproxy", run)
	for i := n - 1; i > 0; i-- {
		j := random.Below(i + 1)
		order[i], order[j] = order[j], order[i]
	}
	return order
}

// adaptAll does all runs on all targets, on all cores. Each has a place of its own
// for what comes of it. After a failure no more are begun; since they are begun in
// order, the first failure is the same on any number of cores.
func (e *experiment) adaptAll(ctx context.Context, in *stages.Input) error {
	orders := make([][]int, e.Runs)
	for run := range orders {
		orders[run] = e.order(run)
	}
	total := len(e.Targets) * e.Runs
	var next, done atomic.Int64
	var failed atomic.Bool
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), total) {
		workers.Go(func() {
			for {
				job := int(next.Add(1)) - 1
				if job >= total || ctx.Err() != nil || failed.Load() {
					return
				}
				target, run := e.Targets[job/e.Runs], job%e.Runs
				if !e.once(target, run, orders[run]) {
					failed.Store(true)
				}
				in.Progress.Report(done.Add(1), int64(total), "adaptations")
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, target := range e.Targets {
		for run, err := range e.outcomes[target].failed {
			if err != nil {
				return fmt.Errorf("target %s, run %d: %w", target, run, err)
			}
		}
	}
	return nil
}

// once does one run on one target, and reports whether it succeeded.
func (e *experiment) once(target string, run int, order []int) bool {
	o, y := e.outcomes[target], e.latency[target]
	train, validation, unseen := split(order, y, e.Train, e.Validation)
	o.runs[run], o.failed[run] = adapt(e.x, e.w, y, train, validation, unseen, e.Penalty, e.lambdas)
	if e.accuracy != nil && o.failed[run] == nil {
		o.volumes[run] = pareto.Transfer(tidied(o.runs[run].predicted), y, e.accuracy).Hypervolume
	}
	o.runs[run].predicted = nil
	return o.failed[run] == nil
}

// summarise averages over a target's runs.
func (e *experiment) summarise(target string) error {
	o, y := e.outcomes[target], e.latency[target]
	points := make([][]float64, e.Runs)
	for run, r := range o.runs {
		points[run] = []float64{r.before, r.adapted, r.adapted - r.before, o.volumes[run]}
		if r.adapted >= e.Strong {
			o.reached += 1 / float64(e.Runs)
		}
	}
	intervals, err := stats.BootstrapMeans(points, e.Resamples, e.Seed)
	if err != nil {
		return err
	}
	o.before, o.adapted, o.gain, o.volumeAdapted = intervals[0], intervals[1], intervals[2], intervals[3]
	if e.accuracy != nil {
		o.volumeBefore = pareto.Transfer(tidied(predict(e.x, e.w, 0)), y, e.accuracy).Hypervolume
	}
	o.ceiling, err = ceiling(e.x, y, e.measured(target))
	return err
}

func (e *experiment) set(out *stages.Output) {
	each := func(name string, of func(*outcome) cty.Value) {
		out.Set(name, estimate.Object(e.Targets, func(target string) cty.Value { return of(e.outcomes[target]) }))
	}
	interval := func(name string, of func(*outcome) stats.Interval) {
		each(name, func(o *outcome) cty.Value { return estimate.Interval(of(o), e.Runs) })
	}
	interval("before", func(o *outcome) stats.Interval { return o.before })
	interval("adapted", func(o *outcome) stats.Interval { return o.adapted })
	interval("gain", func(o *outcome) stats.Interval { return o.gain })
	each("ceiling", func(o *outcome) cty.Value { return stages.NumberValue(o.ceiling) })
	each("reached", func(o *outcome) cty.Value { return stages.NumberValue(o.reached) })
	each("unseen", func(o *outcome) cty.Value { return estimate.Count(o.measured - e.Train - e.Validation) })
	if e.accuracy != nil {
		each("hypervolume_before", func(o *outcome) cty.Value { return stages.NumberValue(o.volumeBefore) })
		interval("hypervolume_adapted", func(o *outcome) stats.Interval { return o.volumeAdapted })
	}
	ranked := e.ranked()
	below := []cty.Value{}
	weak, improved := 0, 0
	for _, target := range e.Targets {
		o := e.outcomes[target]
		if !(o.adapted.Value >= e.Strong) {
			below = append(below, cty.StringVal(target))
		}
		if !(o.before.Value >= e.Strong) {
			weak++
			if o.gain.Low > 0 {
				improved++
			}
		}
	}
	list := cty.ListValEmpty(cty.String)
	if len(below) > 0 {
		list = cty.ListVal(below)
	}
	out.Set("below", list)
	out.Set("reached_count", estimate.Count(len(e.Targets)-len(below)))
	out.Set("weak_count", estimate.Count(weak))
	out.Set("improved_count", estimate.Count(improved))
	out.Set("highest", e.extreme(ranked[0]))
	out.Set("lowest", e.extreme(ranked[len(ranked)-1]))
	out.Set("proxy_fit", stages.NumberValue(e.proxyFit))
	n, _ := e.x.Dims()
	out.Set("cells", estimate.Count(n))
}

// ranked lists the targets by descending mean SRCC after adaptation.
func (e *experiment) ranked() []string {
	out := slices.Clone(e.Targets)
	slices.SortStableFunc(out, func(a, b string) int {
		switch x, y := e.outcomes[a].adapted.Value, e.outcomes[b].adapted.Value; {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	return out
}

func (e *experiment) extreme(target string) cty.Value {
	i := e.outcomes[target].adapted
	return cty.ObjectVal(map[string]cty.Value{
		"target": cty.StringVal(target), "value": stages.NumberValue(i.Value), "ci_low": stages.NumberValue(i.Low), "ci_high": stages.NumberValue(i.High),
	})
}

// writeResults makes the table of runs.
func (e *experiment) writeResults(in *stages.Input, out *stages.Output) error {
	var targets []string
	var runs []int64
	values := map[string][]float64{}
	for _, target := range e.Targets {
		o := e.outcomes[target]
		for run, r := range o.runs {
			targets, runs = append(targets, target), append(runs, int64(run))
			for name, v := range map[string]float64{
				"lambda": r.lambda, "train": r.train, "validation": r.validation, "before": r.before, "adapted": r.adapted, "hypervolume": o.volumes[run],
			} {
				values[name] = append(values[name], v)
			}
		}
	}
	columns := []table.Column{table.StringColumn("target", targets), table.IntColumn("run", runs)}
	names := []string{"lambda", "train", "validation", "before", "adapted"}
	if e.accuracy != nil {
		names = append(names, "hypervolume")
	}
	for _, name := range names {
		columns = append(columns, table.FloatColumn(name, values[name]))
	}
	t, err := table.New(columns...)
	if err != nil {
		return fmt.Errorf("the table of runs: %w", err)
	}
	return tablefile.Set(in, out, "results", t)
}
