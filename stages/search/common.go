package search

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/search/objective"
	"github.com/nbpipe/nbpipe/stages/training"
)

// Common are the attributes of every search.
type Common struct {
	training.EngineOptions
	Table     stages.Table `attr:"table,key,optional" doc:"Table of all 15,625 architectures, as preprocess \"benchmark_table\" makes it. This, or train."`
	Train     *Train       `attr:"train,key,optional" doc:"Instead of a table: how architectures are trained, { data = dataset.NAME.data, channels = 8, epochs = 8 }, with the attributes of retrain \"cell\" for network and recipe. Their value is the metric on the validation split."`
	Report    string       `attr:"report,key,optional" doc:"Column by which the search is judged, such as test accuracy after 200 epochs. The searched column where it is left out."`
	Direction string       `attr:"direction,key" default:"\"maximise\"" doc:"maximise, for accuracies, or minimise, for errors: of the searched and the reported column."`
	Budget    int          `attr:"budget,key" default:"170" doc:"What each run may spend, in the unit of budget_in."`
	BudgetIn  string       `attr:"budget_in,key" default:"\"evaluations\"" doc:"evaluations, whatever their epochs, or epochs."`
	Runs      int          `attr:"runs,key" default:"1" doc:"Independent runs. Run i draws from a stream of its own, of seed and i."`
	FirstRun  int          `attr:"first_run,key" default:"0" doc:"Number of the first run: first_run = 7 with runs = 1 repeats run 7 of 500."`
	Seed      uint64       `attr:"seed,key" default:"777" doc:"Seed of the runs and of the resampling."`
	Resamples int          `attr:"resamples,key" default:"1000" doc:"Resamples of runs behind each interval."`
}

// Single are the attributes of searches that evaluate in one way.
type Single struct {
	Common
	Task   string `attr:"task,key,optional" doc:"Column searched by, such as validation accuracy after 12 epochs."`
	Epochs int    `attr:"epochs,key" default:"0" doc:"Epochs behind a value of task, for costs in epochs. 0: costs count evaluations."`
}

// Multi are the attributes of searches that spend few epochs on many
// architectures and many on few.
type Multi struct {
	Common
	Fidelities map[string]string `attr:"fidelities,key,optional" doc:"Epochs to the column searched by after as many: { 12 = \"val_12\", 200 = \"test_200\" }. At least two."`
	Rungs      []int             `attr:"rungs,key,optional" doc:"With train, instead of fidelities: the numbers of epochs, [1, 3, 9]. At least two."`
	Eta        int               `attr:"eta,key" default:"3" doc:"One architecture in eta goes on to more epochs."`
}

// Limits of what a node keeps in memory and writes down.
const (
	maxEvaluations = 5_000_000
	maxResamples   = 100_000
)

// problems collects what is wrong with a block.
type problems []stages.Problem

func (p *problems) add(attribute, summary, detail string, args ...any) {
	*p = append(*p, stages.Problem{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(detail, args...)})
}

// whole checks that an attribute is a whole number from low to high.
func (p *problems) whole(attrs stages.Attrs, name string, low, high int) {
	if !attrs.Known(name) {
		return
	}
	v, _ := attrs[name].Unmark()
	n, accuracy := v.AsBigFloat().Int64()
	if accuracy != 0 || n < int64(low) || n > int64(high) {
		p.add(name, "Out of range", "%s is %s; it must be a whole number from %d to %d.", name, stages.NumberText(v.AsBigFloat()), low, high)
	}
}

// between checks that an attribute is a number from low to high.
func (p *problems) between(attrs stages.Attrs, name string, low, high float64) {
	if attrs.Known(name) {
		if v := stages.Number(attrs[name]); !(v >= low && v <= high) {
			p.add(name, "Out of range", "%s is %v; it must be from %v to %v.", name, v, low, high)
		}
	}
}

// oneOf checks that an attribute is one of the words.
func (p *problems) oneOf(attrs stages.Attrs, name string, words ...string) {
	if attrs.Known(name) && !slices.Contains(words, stages.Text(attrs[name])) {
		p.add(name, "Unknown word", "%s is %q; it is %s or %s.", name, stages.Text(attrs[name]), words[0], words[1])
	}
}

func checkCommon(attrs stages.Attrs) problems {
	var p problems
	p.objective(attrs)
	p.oneOf(attrs, "direction", "maximise", "minimise")
	p.oneOf(attrs, "budget_in", "evaluations", "epochs")
	p.whole(attrs, "budget", 1, maxEvaluations)
	p.whole(attrs, "runs", 1, maxEvaluations)
	p.whole(attrs, "first_run", 0, 1<<40)
	p.whole(attrs, "resamples", 1, maxResamples)
	return p
}

// size checks that the history of all runs can be kept, where an evaluation takes
// at least so many epochs.
func (p *problems) size(attrs stages.Attrs, epochs float64) {
	if len(*p) > 0 || !attrs.Known("budget", "budget_in", "runs") {
		return
	}
	each := stages.Number(attrs["budget"])
	if stages.Text(attrs["budget_in"]) == "epochs" {
		each = math.Floor(each / max(1, epochs))
	}
	if n := each * stages.Number(attrs["runs"]); n > maxEvaluations {
		p.add("runs", "Too many evaluations", "%v runs of %v make %v evaluations; a node keeps the history of at most %d. Use fewer, or several nodes with first_run.",
			stages.Number(attrs["runs"]), each, n, maxEvaluations)
	}
}

func checkSingle(attrs stages.Attrs) problems {
	p := checkCommon(attrs)
	p.whole(attrs, "epochs", 0, 1<<20)
	if trains(attrs) {
		p.without(attrs, "task", "report")
		if attrs.Known("epochs") && stages.Number(attrs["epochs"]) != 0 {
			p.add("epochs", "Not beside train", "epochs is about a table; networks are trained for the epochs that train says.")
		}
		return p
	}
	if given(attrs, "table") && !given(attrs, "task") {
		p.add("task", "No column to search by", "task names the table's column that the search looks at.")
	}
	if attrs.Known("epochs", "budget_in", "budget") && stages.Text(attrs["budget_in"]) == "epochs" {
		switch e := stages.Number(attrs["epochs"]); {
		case e == 0:
			p.add("epochs", "Epochs are missing", "The budget counts epochs, so say how many stand behind a value of task.")
		case e > stages.Number(attrs["budget"]):
			p.add("budget", "Too small", "One evaluation takes %v epochs, the budget is %v.", e, stages.Number(attrs["budget"]))
		}
	}
	if attrs.Known("epochs") {
		p.size(attrs, stages.Number(attrs["epochs"]))
	}
	return p
}

// withoutRepeats checks a search that evaluates no architecture twice.
func (p *problems) withoutRepeats(attrs stages.Attrs, size int, why string) {
	if !attrs.Known("budget", "budget_in", "epochs") {
		return
	}
	n := stages.Number(attrs["budget"])
	if e := stages.Number(attrs["epochs"]); stages.Text(attrs["budget_in"]) == "epochs" && e > 0 {
		n /= e
	}
	if n > float64(size) {
		p.add("budget", "Budget larger than the space", "%v evaluations, but %s.", n, why)
	}
}

func checkMulti(attrs stages.Attrs) problems {
	p := checkCommon(attrs)
	p.whole(attrs, "eta", 2, 1000)
	if trains(attrs) {
		p.rungs(attrs)
		return p
	}
	v, ok := attrs["fidelities"]
	if !ok || !v.IsWhollyKnown() {
		return p
	}
	if v.IsNull() || v.LengthInt() < 2 {
		p.add("fidelities", "No choice of epochs", "This search starts architectures with few epochs and goes on with the best, so it needs columns for at least two numbers of epochs: "+
			"fidelities = { 12 = \"val_12\", 200 = \"test_200\" }. A table with one value an architecture suits random, regularized_evolution, local_search, reinforce and bananas.")
		return p
	}
	lowest := 0
	for _, key := range attrs.Strings("fidelities") {
		n, err := strconv.Atoi(key)
		switch {
		case err != nil || n < 1 || n > 1<<20 || strconv.Itoa(n) != key:
			p.add("fidelities", "Not a number of epochs", "%q stands where epochs are expected, as in { 12 = \"val_12\", 200 = \"test_200\" }.", key)
		case lowest == 0 || n < lowest:
			lowest = n
		}
	}
	if attrs.Known("budget", "budget_in") && stages.Text(attrs["budget_in"]) == "epochs" && float64(lowest) > stages.Number(attrs["budget"]) {
		p.add("budget", "Too small", "One evaluation takes at least %d epochs, the budget is %v.", lowest, stages.Number(attrs["budget"]))
	}
	p.size(attrs, float64(lowest))
	return p
}

// resources of runs that evaluate at most so often: a history takes 16 bytes a
// step in memory and 56 as a table, and curves a number a run and point.
func (c *Common) resources(evaluations int) stages.Resources {
	all := int64(evaluations) * int64(c.Runs)
	curves := int64(c.Runs) * int64(min(evaluations, maxPoints)) * 8
	return stages.Resources{CPUs: float64(c.workers()), Memory: 64<<20 + 150*all + curves + int64(c.Resamples)*maxPoints*8}
}

// workers is how many runs are made at a time where there are enough cores.
func (c *Common) workers() int { return min(4, max(1, c.Runs)) }

// evaluations are the most that a run can make, where each takes at least so many
// epochs.
func (c *Common) evaluations(epochs int) int {
	if c.BudgetIn == "epochs" {
		return c.Budget / max(1, epochs)
	}
	return c.Budget
}

// Resources implements stages.Estimator.
func (s *Single) Resources() stages.Resources {
	if s.Train != nil {
		return s.Train.resources()
	}
	return s.resources(s.evaluations(s.Epochs))
}

// Resources implements stages.Estimator.
func (s *Multi) Resources() stages.Resources {
	if s.Train != nil {
		return s.Train.resources()
	}
	lowest := 1
	if f := s.fidelities(); len(f) > 0 {
		lowest = f[0].epochs
	}
	return s.resources(s.evaluations(lowest))
}

// fidelity is a way to evaluate: epochs, 0 where unknown, and a column.
type fidelity struct {
	epochs int
	column string
}

func (s *Single) fidelities() []fidelity { return []fidelity{{s.Epochs, s.Task}} }

// fidelities are sorted by epochs.
func (s *Multi) fidelities() []fidelity {
	var out []fidelity
	for key, column := range s.Fidelities {
		n, err := strconv.Atoi(key)
		if err != nil {
			continue // refused by Check
		}
		out = append(out, fidelity{n, column})
	}
	slices.SortFunc(out, func(a, b fidelity) int { return a.epochs - b.epochs })
	return out
}

// data is what a search on a table looks at.
type data struct {
	objective objective.Objective
	searched  [][]float64 // as in the table, by fidelity and architecture; of training, what was trained
	report    []float64   // as in the table, by architecture; nil where weights are shared
	reported  bool        // report is a column of its own
	epochs    []int       // by fidelity
	minimise  bool
	table     *table.Table // nil where networks are trained
	trained   *trained     // nil where there is a table
}

// load makes the objective: of the table, or of training, whose rungs are numbers
// of epochs, nil for those of the recipe.
func (c *Common) load(ctx context.Context, in *stages.Input, fidelities []fidelity, rungs []int) (*data, error) {
	if c.Train != nil {
		return c.loadTraining(ctx, in, rungs)
	}
	raw, err := in.Store.ReadAll(ctx, c.Table.File)
	if err != nil {
		return nil, fmt.Errorf("table: %w", err)
	}
	t, err := table.Decode(raw)
	if err != nil {
		return nil, fmt.Errorf("table: %w", err)
	}
	d := &data{table: t, minimise: c.Direction == "minimise"}
	attribute := "task"
	if len(fidelities) > 1 {
		attribute = "fidelities"
	}
	oriented := make([][]float64, len(fidelities))
	costs := make([]objective.Fidelity, len(fidelities))
	for i, f := range fidelities {
		values, err := objective.Column(t, f.column)
		if err != nil {
			return nil, fmt.Errorf("%s: the table: %w", attribute, err)
		}
		d.searched, d.epochs = append(d.searched, values), append(d.epochs, f.epochs)
		oriented[i] = objective.Oriented(values, d.minimise)
		costs[i] = objective.Fidelity{Epochs: f.epochs, Cost: 1}
		if c.BudgetIn == "epochs" {
			costs[i].Cost = float64(f.epochs)
		}
	}
	d.report = d.searched[len(fidelities)-1]
	if c.Report != "" && c.Report != fidelities[len(fidelities)-1].column {
		d.reported = true
		if d.report, err = objective.Column(t, c.Report); err != nil {
			return nil, fmt.Errorf("report: the table: %w", err)
		}
	}
	d.objective, err = objective.NewTable(costs, oriented)
	return d, err
}

// cost is what a step at a fidelity costs on the axis of curves: epochs where
// they are known, else one evaluation.
func (d *data) cost(fidelity int) float64 { return float64(max(1, d.epochs[fidelity])) }

// optimum is the architecture with the best reported value, ties by number, and
// that value. Of networks that are trained, one by one or with shared weights, nobody
// knows it: -1 and NaN.
func (d *data) optimum() (architecture int, value float64) {
	if d.trained != nil || d.report == nil {
		return -1, math.NaN()
	}
	best := 0
	for a, v := range d.report {
		if d.better(v, d.report[best]) {
			best = a
		}
	}
	return best, d.report[best]
}

func (d *data) better(a, b float64) bool {
	if d.minimise {
		return a < b
	}
	return a > b
}

// regret is how far a reported value is from the best, at least 0.
func (d *data) regret(value, best float64) float64 {
	if d.minimise {
		return value - best
	}
	return best - value
}

// withDocs adds what a kind's own outputs are to the common ones.
func withDocs(own map[string]string) map[string]string {
	docs := commonDocs()
	maps.Copy(docs, own)
	return docs
}

// withTypes adds a kind's own outputs to the common ones.
func withTypes(own map[string]cty.Type) map[string]cty.Type {
	types := commonTypes()
	maps.Copy(types, own)
	return types
}
