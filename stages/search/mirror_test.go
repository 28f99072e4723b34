package search

import (
	"math"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/internal/mirror"
	"github.com/nbpipe/nbpipe/stages/preprocess/benchmarktable"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

// realVision is the table of experiments/search: accuracy on CIFAR-100 after 12
// epochs beside that after 200.
func realVision(t *testing.T, store stagetest.Store) cty.Value {
	t.Helper()
	prepare := func(file, name, column string, more map[string]cty.Value) cty.Value {
		attrs := map[string]cty.Value{
			"file":    stages.FileValue(store.File(file, mirror.Read(t, file))),
			"columns": cty.ObjectVal(map[string]cty.Value{name: cty.StringVal(column)}),
		}
		for k, v := range more {
			attrs[k] = v
		}
		r, err := stagetest.Run(t, benchmarktable.Kind, store, attrs)
		if err != nil {
			t.Fatal(err)
		}
		return stages.TableValue(stages.Table{File: store.File("table", r.Files["table"])})
	}
	late := prepare("nats_bench.csv", "test200", "CIFAR100TestAccuracy200Epochs", nil)
	return prepare("mini-bench-arch-cell-accs.pd", "val12", "cifar100-val", map[string]cty.Value{
		"join": cty.TupleVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{"table": late})}),
	})
}

// TestRealTable knows the optimum of CIFAR-100 after 200 epochs, 73.51 at number
// 9930, and expects of searches what holds with a wide margin.
func TestRealTable(t *testing.T) {
	store := stagetest.Store{}
	table := realVision(t, store)
	attrs := func(more map[string]cty.Value) map[string]cty.Value {
		out := map[string]cty.Value{
			"table": table, "task": cty.StringVal("val12"), "report": cty.StringVal("test200"), "runs": cty.NumberIntVal(100), "epochs": cty.NumberIntVal(12),
		}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	regret := map[string]float64{}
	for _, kind := range []*stages.Kind{random(), evolution(), localSearch(), reinforce(), bananas()} {
		r, err := stagetest.Run(t, kind, store, attrs(nil))
		if err != nil {
			t.Fatal(err)
		}
		index, _ := r.Number(t, "optimum", "index")
		value, _ := r.Number(t, "optimum", "report")
		if index != 9930 || math.Abs(value-73.51) > 0.005 {
			t.Errorf("%s: optimum %v with %v", kind.Type, index, value)
		}
		regret[kind.Type], _ = r.Number(t, "regret", "value")
	}
	if regret["regularized_evolution"] > regret["random"]-0.1 || regret["bananas"] > regret["random"]-0.1 || regret["random"] > 2.5 {
		t.Errorf("mean regrets %v", regret)
	}
	// Searched by what it is judged by, and with every architecture, the optimum is found.
	r, err := stagetest.Run(t, random(), store, attrs(map[string]cty.Value{
		"task": cty.StringVal("test200"), "runs": cty.NumberIntVal(2), "budget": cty.NumberIntVal(15625), "epochs": cty.NumberIntVal(200),
	}))
	if err != nil {
		t.Fatal(err)
	}
	if best, _ := r.Number(t, "best", "index"); best != 9930 {
		t.Errorf("the best of all is %v", best)
	}
}
