package search

import (
	"context"
	"fmt"
	"math"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/tablefile"
	"github.com/nbpipe/nbpipe/stages/search/algorithm"
)

// summaryType is a mean over runs with its interval, and the runs' standard
// deviation (divisor n-1; null for one run).
var summaryType = numbers("value", "ci_low", "ci_high", "sd", "n")

func numbers(names ...string) cty.Type {
	members := make(map[string]cty.Type, len(names))
	for _, n := range names {
		members[n] = cty.Number
	}
	return cty.Object(members)
}

// optimumType is the best architecture of a table; null where networks are trained.
var optimumType = cty.Object(map[string]cty.Type{"architecture": cty.String, "index": cty.Number, "report": cty.Number})

// commonTypes are the outputs of every search.
func commonTypes() map[string]cty.Type {
	architecture := map[string]cty.Type{"architecture": cty.String, "index": cty.Number, "search": cty.Number, "report": cty.Number, "run": cty.Number}
	return map[string]cty.Type{
		"best":      cty.Object(architecture),
		"optimum":   optimumType,
		"final":     summaryType,
		"regret":    summaryType,
		"history":   stages.TableType,
		"incumbent": stages.TableType,
		"results":   stages.TableType,
	}
}

// commonDocs say what they are.
func commonDocs() map[string]string {
	return map[string]string{
		"best":      "The best that a run returned, by what was searched: cell, number, values of both columns, run.",
		"optimum":   "The best of the table; null where networks are trained.",
		"final":     "Value in the reported column of what a run returned: mean over runs.",
		"regret":    "By how much the optimum is better than `final`: mean over runs.",
		"history":   "A row an evaluation: run, step, architecture, search, report, cost so far.",
		"incumbent": "The curve of incumbents: by cost, mean over runs with its interval.",
		"results":   "A row a run: the architecture it returned, search, report, regret, evaluations, cost.",
	}
}

// execute makes the runs and tells of progress.
func (c *Common) execute(ctx context.Context, in *stages.Input, plan algorithm.Plan) ([]*algorithm.Run, error) {
	plan.Budget, plan.Seed, plan.First, plan.Runs, plan.Workers = float64(c.Budget), c.Seed, c.FirstRun, c.Runs, in.CPUs
	if c.Train == nil { // which reports each training
		plan.Done = func(done, all int) { in.Progress.Report(int64(done), int64(all), "runs") }
	}
	return plan.Execute(ctx)
}

// finish is what a run came to.
type finish struct {
	run            int // its number
	architecture   int
	search, report float64 // as in the table; search at the fidelity of the incumbent
	value          float64 // of the objective
	fidelity       int
	evaluations    int
	cost           float64
}

// publish sets the common outputs.
func (c *Common) publish(in *stages.Input, out *stages.Output, d *data, runs []*algorithm.Run) error {
	ends := make([]finish, len(runs))
	for i, r := range runs {
		if len(r.Steps()) == 0 {
			return fmt.Errorf("budget: run %d could evaluate nothing for %d %s", r.Number, c.Budget, c.BudgetIn)
		}
		ends[i] = d.finish(r.Steps())
		ends[i].run = r.Number
	}
	if err := c.resampling().conclude(in, out, d, ends); err != nil {
		return err
	}
	if err := writeHistory(in, out, d, runs); err != nil {
		return err
	}
	return c.writeIncumbent(in, out, d, runs)
}

// finish describes the incumbent after the last step.
func (d *data) finish(steps []algorithm.Step) finish {
	incumbents := algorithm.Incumbents(steps)
	s := steps[incumbents[len(incumbents)-1]]
	f := finish{
		architecture: int(s.Architecture), value: s.Value, fidelity: int(s.Fidelity), evaluations: len(steps),
		search: d.searched[s.Fidelity][s.Architecture], report: d.report[s.Architecture],
	}
	for _, s := range steps {
		f.cost += d.cost(int(s.Fidelity))
	}
	return f
}

// resampling is what intervals over runs are made with.
type resampling struct {
	resamples int
	seed      uint64
}

func (c *Common) resampling() resampling { return resampling{c.Resamples, c.Seed} }

// conclude sets the outputs about the ends of runs: best, optimum, final, regret
// and results.
func (r resampling) conclude(in *stages.Input, out *stages.Output, d *data, ends []finish) error {
	if err := setBest(out, ends); err != nil {
		return err
	}
	optimum, best := d.optimum()
	out.Set("optimum", cty.NullVal(optimumType))
	if optimum >= 0 {
		out.Set("optimum", cty.ObjectVal(map[string]cty.Value{
			"architecture": cty.StringVal(nas.At(optimum).String()), "index": cty.NumberIntVal(int64(optimum)), "report": stages.NumberValue(best),
		}))
	}
	report, regret := make([]float64, len(ends)), make([]float64, len(ends))
	for i, e := range ends {
		report[i], regret[i] = e.report, d.regret(e.report, best)
	}
	for name, values := range map[string][]float64{"final": report, "regret": regret} {
		s, err := r.summary(values)
		if err != nil {
			return err
		}
		out.Set(name, s)
	}
	return writeResults(in, out, d, ends)
}

// setBest names the best incumbent of all runs by what was searched, ties by run.
func setBest(out *stages.Output, ends []finish) error {
	at := 0
	for i, e := range ends {
		if b := ends[at]; e.fidelity > b.fidelity || e.fidelity == b.fidelity && e.value > b.value {
			at = i
		}
	}
	e := ends[at]
	if math.IsInf(e.value, -1) {
		return errDiverged
	}
	out.Set("best", cty.ObjectVal(map[string]cty.Value{
		"architecture": cty.StringVal(nas.At(e.architecture).String()), "index": cty.NumberIntVal(int64(e.architecture)),
		"search": stages.NumberValue(e.search), "report": stages.NumberValue(e.report), "run": cty.NumberIntVal(int64(e.run)),
	}))
	return nil
}

func (c *Common) summary(values []float64) (cty.Value, error) { return c.resampling().summary(values) }

// summary makes a value of summaryType. Values that do not exist (NaN) make all
// of it null.
func (r resampling) summary(values []float64) (cty.Value, error) {
	points := make([][]float64, len(values))
	for i, v := range values {
		points[i] = []float64{v}
	}
	intervals, err := stats.BootstrapMeans(points, r.resamples, r.seed)
	if err != nil {
		return cty.NilVal, err
	}
	i := intervals[0]
	return cty.ObjectVal(map[string]cty.Value{
		"value": stages.NumberValue(i.Value), "ci_low": stages.NumberValue(i.Low), "ci_high": stages.NumberValue(i.High),
		"sd": stages.NumberValue(deviation(values, i.Value)), "n": cty.NumberIntVal(int64(len(values))),
	}), nil
}

func deviation(values []float64, mean float64) float64 {
	if len(values) < 2 {
		return math.NaN()
	}
	squares := 0.0
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return math.Sqrt(squares / float64(len(values)-1))
}

// writeResults has a row a run: what it returned and what that cost.
func writeResults(in *stages.Input, out *stages.Output, d *data, ends []finish) error {
	_, best := d.optimum()
	n := len(ends)
	number, architecture, evaluations := make([]int64, n), make([]int64, n), make([]int64, n)
	search, report, regret, cost := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	for i, e := range ends {
		number[i], architecture[i], evaluations[i] = int64(e.run), int64(e.architecture), int64(e.evaluations)
		search[i], report[i], regret[i], cost[i] = e.search, e.report, d.regret(e.report, best), e.cost
	}
	return writeTable(in, out, "results", d,
		table.IntColumn("run", number), table.IntColumn(table.Architecture, architecture), table.FloatColumn("search", search),
		table.FloatColumn("report", report), table.FloatColumn("regret", regret), table.IntColumn("evaluations", evaluations), table.FloatColumn("cost", cost))
}

// writeTable makes a table whose cost column says its unit.
func writeTable(in *stages.Input, out *stages.Output, name string, d *data, columns ...table.Column) error {
	for i := range columns {
		if columns[i].Name == "cost" {
			columns[i].Unit = d.costUnit()
		}
	}
	t, err := table.New(columns...)
	if err != nil {
		return fmt.Errorf("output %s: %w", name, err)
	}
	return tablefile.Set(in, out, name, t)
}

func (d *data) costUnit() string {
	if d.epochs[0] == 0 {
		return "evaluations"
	}
	return "epochs"
}

// writeHistory has a row a step of each run. Cost is what the run has spent so far.
func writeHistory(in *stages.Input, out *stages.Output, d *data, runs []*algorithm.Run) error {
	n := 0
	for _, r := range runs {
		n += len(r.Steps())
	}
	number, step, architecture, epochs := make([]int64, 0, n), make([]int64, 0, n), make([]int64, 0, n), make([]int64, 0, n)
	search, report, cost := make([]float64, 0, n), make([]float64, 0, n), make([]float64, 0, n)
	for _, r := range runs {
		spent := 0.0
		for i, s := range r.Steps() {
			spent += d.cost(int(s.Fidelity))
			number, step, architecture = append(number, int64(r.Number)), append(step, int64(i+1)), append(architecture, int64(s.Architecture))
			epochs = append(epochs, int64(d.epochs[s.Fidelity]))
			search, report = append(search, d.searched[s.Fidelity][s.Architecture]), append(report, d.report[s.Architecture])
			cost = append(cost, spent)
		}
	}
	columns := []table.Column{
		table.IntColumn("run", number), table.IntColumn("step", step), table.IntColumn(table.Architecture, architecture),
		table.FloatColumn("search", search), table.FloatColumn("report", report), table.FloatColumn("cost", cost),
	}
	if d.epochs[0] > 0 {
		columns = append(columns, table.IntColumn("epochs", epochs))
	}
	return writeTable(in, out, "history", d, columns...)
}
