package hypotheses_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/fidelity"
	"github.com/nbpipe/nbpipe/hypotheses/proxycorrelation"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/dataset/nasbench201"
	"github.com/nbpipe/nbpipe/stages/preprocess/benchmarktable"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

// visionGolden is what testdata/vision.py computes.
type visionGolden struct {
	Proxies    map[string]map[string]float64
	Fidelities map[string]struct {
		Spearman, Kendall float64
		SpearmanUnique    float64 `json:"spearman_unique"`
		KendallUnique     float64 `json:"kendall_unique"`
		KendallBestHalf   float64 `json:"kendall_best_half"`
		Regret            map[string]float64
		Best, Rank        float64
	}
}

func readVision(t *testing.T) (g visionGolden) {
	t.Helper()
	raw, err := os.ReadFile("testdata/vision.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// visionTable is a table of errors from columns of accuracies in %.
func visionTable(t *testing.T, store stagetest.Store, file string, columns map[string]string) cty.Value {
	t.Helper()
	transform := map[string]string{}
	for name := range columns {
		transform[name] = "error"
	}
	r, err := stagetest.Run(t, benchmarktable.Kind, store, map[string]cty.Value{
		"file": stages.FileValue(store.File(file, mirror(t, file))), "columns": object(columns), "transform": object(transform),
	})
	if err != nil {
		t.Fatal(err)
	}
	return stages.TableValue(stages.Table{File: store.File("table", r.Files["table"])})
}

var epochs200 = map[string]string{
	"cifar10": "CIFAR10TestAccuracy200Epochs", "cifar100": "CIFAR100TestAccuracy200Epochs", "imagenet16": "ImageNetTestAccuracy200Epochs",
}

func agrees(t *testing.T, r *stagetest.Result, want float64, output string, members ...string) {
	t.Helper()
	if got, ok := r.Number(t, output, members...); !ok || math.Abs(got-want) > 1e-12*max(1, math.Abs(want)) {
		t.Errorf("%s %v is %v, want %v", output, members, got, want)
	}
}

func TestParametersAgainstSciPy(t *testing.T) {
	store := stagetest.Store{}
	values := visionTable(t, store, "nats_bench.csv", epochs200)
	space, err := stagetest.Run(t, nasbench201.Kind, store, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := stagetest.Run(t, proxycorrelation.Kind, store, map[string]cty.Value{
		"scores":  cty.ListVal([]cty.Value{stages.TableValue(stages.Table{File: store.File("table", space.Files["table"])})}),
		"proxies": names("params"), "tables": cty.ListVal([]cty.Value{values}), "tasks": names("cifar10", "cifar100", "imagenet16"),
		"resamples": cty.NumberIntVal(50),
	})
	if err != nil {
		t.Fatal(err)
	}
	for task, coefficients := range readVision(t).Proxies {
		for output, want := range coefficients {
			agrees(t, r, want, output, task, "params", "value")
		}
	}
}

func TestFidelitiesAgainstSciPy(t *testing.T) {
	store := stagetest.Store{}
	high := visionTable(t, store, "nats_bench.csv", epochs200)
	low := visionTable(t, store, "mini-bench-arch-cell-accs.pd", map[string]string{
		"cifar10_val": "cifar10-val", "cifar100_val": "cifar100-val", "imagenet16_val": "imagenet-val",
		"cifar10_test": "cifar10-test", "cifar100_test": "cifar100-test", "imagenet16_test": "imagenet-test",
	})
	pairs := map[string]cty.Value{}
	for task := range epochs200 {
		for _, part := range []string{"_val", "_test"} {
			pairs[task+part] = object(map[string]string{"low": task + part, "high": task})
		}
	}
	r, err := stagetest.Run(t, fidelity.Kind, store, map[string]cty.Value{
		"tables": cty.ListVal([]cty.Value{high, low}), "pairs": cty.ObjectVal(pairs), "resamples": cty.NumberIntVal(50),
		"top": cty.ListVal([]cty.Value{cty.NumberIntVal(1), cty.NumberIntVal(3), cty.NumberIntVal(10), cty.NumberIntVal(30), cty.NumberIntVal(100)}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for pair, want := range readVision(t).Fidelities {
		agrees(t, r, want.Spearman, "spearman", pair, "value")
		agrees(t, r, want.Kendall, "kendall", pair, "value")
		agrees(t, r, want.SpearmanUnique, "spearman_unique", pair, "value")
		agrees(t, r, want.KendallUnique, "kendall_unique", pair, "value")
		agrees(t, r, want.KendallBestHalf, "kendall_best_half", pair, "value")
		agrees(t, r, want.Best, "best", pair, "index")
		agrees(t, r, want.Rank, "best", pair, "rank")
		for k, regret := range want.Regret {
			agrees(t, r, regret, "regret", pair, k, "value")
		}
	}
}
