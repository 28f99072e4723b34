package hypotheses_test

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/spaceshrinking"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/preprocess/benchmarktable"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
	"github.com/nbpipe/nbpipe/stages/search"
)

// kindOf finds a search by its type.
func kindOf(t *testing.T, name string) *stages.Kind {
	t.Helper()
	for _, k := range search.Kinds() {
		if k.Type == name {
			return k
		}
	}
	t.Fatalf("no search %q", name)
	return nil
}

// twelveAndTwoHundred prepares CIFAR-100 as experiments/shrinking does.
func twelveAndTwoHundred(t *testing.T, store stagetest.Store) cty.Value {
	t.Helper()
	prepare := func(file, name, column string, join cty.Value) cty.Value {
		r, err := stagetest.Run(t, benchmarktable.Kind, store, map[string]cty.Value{
			"file": stages.FileValue(store.File(file, mirror(t, file))), "columns": object(map[string]string{name: column}), "join": join,
		})
		if err != nil {
			t.Fatal(err)
		}
		return stages.TableValue(stages.Table{File: store.File("table", r.Files["table"])})
	}
	late := prepare("nats_bench.csv", "late", "CIFAR100TestAccuracy200Epochs", cty.NullVal(cty.DynamicPseudoType))
	return prepare("mini-bench-arch-cell-accs.pd", "early", "cifar100-val", cty.TupleVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{"table": late})}))
}

// TestGoldenSpaceShrinking compares searches and measures with Python and SciPy on
// the real tables.
func TestGoldenSpaceShrinking(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED, NOT CHECKED: -short")
	}
	store := stagetest.Store{}
	tb := twelveAndTwoHundred(t, store)
	left := func(kind string, more map[string]cty.Value) cty.Value {
		attrs := map[string]cty.Value{
			"table": tb, "task": cty.StringVal("early"), "report": cty.StringVal("late"), "epochs": cty.NumberIntVal(12), "runs": cty.NumberIntVal(30), "resamples": cty.NumberIntVal(50),
		}
		for k, v := range more {
			attrs[k] = v
		}
		r, err := stagetest.Run(t, kindOf(t, kind), store, attrs)
		if err != nil {
			t.Fatal(err)
		}
		return stages.TableValue(stages.Table{File: store.File("spaces", r.Files["spaces"])})
	}
	run(t, spaceshrinking.Kind, store, map[string]cty.Value{
		"tasks": cty.ObjectVal(map[string]cty.Value{"cifar100": cty.ObjectVal(map[string]cty.Value{
			"table": tb, "task": cty.StringVal("early"), "report": cty.StringVal("late"), "direction": cty.StringVal("maximise"),
			"spaces": cty.ObjectVal(map[string]cty.Value{
				"pockets":         left("lissnas", nil),
				"operations":      left("operation_pruning", nil),
				"edge_operations": left("operation_pruning", map[string]cty.Value{"per_edge": cty.True, "sample": cty.NumberIntVal(25)}),
			}),
		})}),
	})
}
