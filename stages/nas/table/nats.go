package table

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/pickle"
)

// natsMeta is the meta file: cells in the benchmark's order.
func natsMeta(archs any, q *quota) (*Table, error) {
	items, ok := pickle.Sequence(archs)
	if !ok {
		return nil, fmt.Errorf("NATS-Bench meta: meta_archs is %s", pickle.Describe(archs))
	}
	c, err := columnOf("architecture_string", items, q)
	if err != nil {
		return nil, fmt.Errorf("NATS-Bench meta: %w", err)
	}
	c.Source = "meta_archs"
	return New(c)
}

// isRecord tells a record of one architecture: hyper-parameters -> state.
func isRecord(d dict) bool {
	for _, e := range d {
		state, ok := asDict(e.Value)
		if _, has := state.get("all_results"); !ok || !has {
			return false
		}
	}
	return len(d) > 0
}

// run is one training: a row of the table.
type run struct {
	arch    int64
	cell    string
	hp      int64
	dataset string
	seed    int64
	result  dict
}

func natsRecord(d dict, opts Options, q *quota) (*Table, error) {
	runs, err := recordRuns(d, q)
	if err != nil {
		return nil, fmt.Errorf("NATS-Bench record: %w", err)
	}
	return runsTable(runs, opts)
}

// natsFull is the file of all records: architecture -> record.
func natsFull(records any, opts Options, q *quota) (*Table, error) {
	d, ok := asDict(records)
	if !ok {
		return nil, fmt.Errorf("NATS-Bench: arch2infos is %s", pickle.Describe(records))
	}
	var runs []run
	for _, e := range d {
		record, ok := asDict(e.Value)
		if !ok || !isRecord(record) {
			return nil, fmt.Errorf("NATS-Bench: architecture %v has no record", clip(fmt.Sprint(e.Key)))
		}
		some, err := recordRuns(record, q)
		if err != nil {
			return nil, fmt.Errorf("NATS-Bench: architecture %v: %w", clip(fmt.Sprint(e.Key)), err)
		}
		runs = append(runs, some...)
	}
	return runsTable(runs, opts)
}

func recordRuns(record dict, q *quota) ([]run, error) {
	var runs []run
	for _, e := range record {
		text, _ := e.Key.(string)
		hp, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("hyper-parameters %s: the known ones are 01, 12, 90 and 200", pickle.Describe(e.Key))
		}
		state, _ := asDict(e.Value)
		index, _ := state.get("arch_index")
		arch, ok := integer(index)
		if !ok {
			return nil, fmt.Errorf("hp %d: arch_index is %s", hp, pickle.Describe(index))
		}
		text2, _ := state.get("arch_str")
		cell, ok := text2.(string)
		if !ok {
			return nil, fmt.Errorf("hp %d: arch_str is %s", hp, pickle.Describe(text2))
		}
		found, _ := state.get("all_results")
		results, ok := asDict(found)
		if !ok {
			return nil, fmt.Errorf("hp %d: all_results is %s", hp, pickle.Describe(found))
		}
		if err := q.take(20 * len(results)); err != nil {
			return nil, err
		}
		for _, r := range results {
			one := run{arch: arch, cell: cell, hp: hp}
			if err := one.read(r.Key, r.Value); err != nil {
				return nil, fmt.Errorf("hp %d: %w", hp, err)
			}
			runs = append(runs, one)
		}
	}
	return runs, nil
}

// read takes an entry of all_results: (data set, seed) -> result.
func (r *run) read(key, value any) error {
	k, _ := pickle.Sequence(key)
	if len(k) != 2 {
		return fmt.Errorf("all_results has the key %s, not (data set, seed)", pickle.Describe(key))
	}
	dataset, ok1 := k[0].(string)
	seed, ok2 := integer(k[1])
	result, ok3 := asDict(value)
	if !ok1 || !ok2 || !ok3 {
		return fmt.Errorf("all_results: (%s, %s) -> %s is not (data set, seed) -> dict", pickle.Describe(k[0]), pickle.Describe(k[1]), pickle.Describe(value))
	}
	r.dataset, r.seed, r.result = dataset, seed, result
	return nil
}

// indexName is the name of the number's column. Records of the size search
// space count other architectures than cells.
func indexName(architecture string) string {
	if _, err := nas.Parse(architecture); err != nil {
		return "size_architecture"
	}
	return Architecture
}

// metric is one column of numbers of a run; missing ones are NaN.
type metric struct {
	name, unit, source string
	value              func(r *run) float64
}

// runsTable makes a row of each run, sorted by architecture, hp, data set and
// seed.
func runsTable(runs []run, opts Options) (*Table, error) {
	slices.SortStableFunc(runs, func(a, b run) int {
		return cmp.Or(cmp.Compare(a.arch, b.arch), cmp.Compare(a.hp, b.hp), cmp.Compare(a.dataset, b.dataset), cmp.Compare(a.seed, b.seed))
	})
	n := len(runs)
	if n == 0 {
		return nil, errors.New("NATS-Bench: there are no results")
	}
	arch, hp, seed, epochs := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	cell, dataset := make([]string, n), make([]string, n)
	for i := range runs {
		r := &runs[i]
		arch[i], hp[i], seed[i], cell[i], dataset[i] = r.arch, r.hp, r.seed, r.cell, r.dataset
		var ok bool
		found, _ := r.result.get("epochs")
		if epochs[i], ok = integer(found); !ok || epochs[i] < 1 {
			return nil, fmt.Errorf("NATS-Bench: %s, seed %d: epochs is %s", r.dataset, r.seed, pickle.Describe(found))
		}
	}
	t := &Table{Rows: n, Columns: []Column{
		{Name: indexName(cell[0]), Source: "arch_index", Kind: Int64, Int64s: arch},
		{Name: "architecture_string", Source: "arch_str", Kind: String, Strings: cell},
		{Name: "hp", Kind: Int64, Int64s: hp, Unit: "epochs"}, {Name: "dataset", Kind: String, Strings: dataset},
		{Name: "seed", Kind: Int64, Int64s: seed}, {Name: "epochs", Kind: Int64, Int64s: epochs},
	}}
	for _, m := range append(runMetrics(), metricsAt(opts.Epochs)...) {
		c := Column{Name: m.name, Unit: m.unit, Source: m.source, Kind: Float64, Float64s: make([]float64, n)}
		for i := range runs {
			c.Float64s[i] = m.value(&runs[i])
		}
		if c.MissingCount() < n {
			t.Columns = append(t.Columns, c)
		}
	}
	return t, t.Validate()
}

// evaluations are the sets on which NATS-Bench evaluates.
var evaluations = []string{"x-valid", "x-test", "ori-test"}

// runMetrics are the costs of a run and its metrics after the last epoch.
func runMetrics() []metric {
	out := []metric{
		{"params", "1e6", "params", func(r *run) float64 { return r.field("params") }},
		{"flop", "1e6", "flop, multiply-accumulates", func(r *run) float64 { return r.field("flop") }},
		{"latency", "s", "mean of latency, a batch", (*run).latency},
	}
	for _, f := range []struct{ name, unit, field string }{
		{"train_acc1", "%", "train_acc1es"}, {"train_acc5", "%", "train_acc5es"}, {"train_loss", "", "train_losses"}, {"train_time", "s", "train_times"},
	} {
		out = append(out, metric{f.name, f.unit, f.field + ", last epoch", func(r *run) float64 { return r.train(f.field, r.last()) }})
	}
	for _, set := range evaluations {
		for _, f := range []struct{ suffix, unit, field string }{{"acc1", "%", "eval_acc1es"}, {"loss", "", "eval_losses"}, {"time", "s", "eval_times"}} {
			out = append(out, metric{set + "_" + f.suffix, f.unit, f.field + ", last epoch", func(r *run) float64 { return r.eval(f.field, set, r.last()) }})
		}
	}
	return out
}

// metricsAt are the accuracies at given epochs, train_acc1@E and SET@E.
func metricsAt(epochs []int) []metric {
	var out []metric
	for _, e := range epochs {
		at := fmt.Sprintf("@%d", e)
		out = append(out, metric{"train_acc1" + at, "%", "train_acc1es", func(r *run) float64 { return r.train("train_acc1es", e) }})
		for _, set := range evaluations {
			out = append(out, metric{set + at, "%", "eval_acc1es", func(r *run) float64 { return r.eval("eval_acc1es", set, e) }})
		}
	}
	return out
}

func (r *run) last() int {
	v, _ := r.result.get("epochs")
	n, _ := integer(v)
	return int(n) - 1
}

func (r *run) field(name string) float64 {
	v, _ := r.result.get(name)
	return orNaN(v)
}

func (r *run) train(field string, epoch int) float64 {
	found, _ := r.result.get(field)
	d, _ := asDict(found)
	for i := len(d) - 1; i >= 0; i-- {
		if n, ok := integer(d[i].Key); ok && n == int64(epoch) {
			return orNaN(d[i].Value)
		}
	}
	return math.NaN()
}

func (r *run) eval(field, set string, epoch int) float64 {
	found, _ := r.result.get(field)
	d, _ := asDict(found)
	v, _ := d.get(fmt.Sprintf("%s@%d", set, epoch))
	return orNaN(v)
}

func (r *run) latency() float64 {
	found, _ := r.result.get("latency")
	items, _ := pickle.Sequence(found)
	sum := 0.0
	for _, v := range items {
		sum += orNaN(v)
	}
	return sum / float64(len(items)) // NaN when there are none
}

func orNaN(v any) float64 {
	if f, ok := number(v); ok {
		return f
	}
	return math.NaN()
}
