package hypotheses_test

import (
	"flag"
	"math"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/ranktransfer"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/preprocess/benchmarktable"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
	"github.com/nbpipe/nbpipe/stages/preprocess/zerocostproxies"
)

var synflow = flag.Bool("synflow", false, "score 1,000 networks by synflow, too: 40 s of a core")

// published are Spearman's rho with accuracy on CIFAR-100 of 1,000 random cells
// (White et al., "A Deeper Look at Zero-Cost Proxies for Lightweight NAS", ICLR
// Blog Track 2022).
var published = map[string]float64{"params": .7346, "flops": .7142, "synflow": .7938}

// The proxies that need no images correlate with accuracy on CIFAR-100 as
// published, within .08: the draw of 1,000 cells and of weights is another one.
func TestZeroCostProxiesAsPublished(t *testing.T) {
	store := stagetest.Store{}
	accuracies, err := stagetest.Run(t, benchmarktable.Kind, store, map[string]cty.Value{
		"file":      stages.FileValue(store.File("nats_bench.csv", mirror(t, "nats_bench.csv"))),
		"columns":   object(map[string]string{"cifar100": "CIFAR100TestAccuracy200Epochs"}),
		"transform": object(map[string]string{"cifar100": "error"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	wanted := []string{"params", "flops"}
	if *synflow {
		wanted = append(wanted, "synflow")
	}
	better := map[string]string{}
	for _, p := range wanted {
		better[p] = "higher"
	}
	scores, err := stagetest.Run(t, zerocostproxies.Kind, store, map[string]cty.Value{
		"sample": cty.NumberIntVal(1000), "classes": cty.NumberIntVal(100), "proxies": names(wanted...),
	})
	if err != nil {
		t.Fatal(err)
	}
	tables := cty.ListVal([]cty.Value{
		stages.TableValue(stages.Table{File: store.File("table", accuracies.Files["table"])}),
		stages.TableValue(stages.Table{File: store.File("table", scores.Files["table"])}),
	})
	r, err := stagetest.Run(t, ranktransfer.Kind, store, map[string]cty.Value{
		"tables": tables, "from": cty.StringVal("cifar100"), "to": names(wanted...), "better": object(better), "resamples": cty.NumberIntVal(200),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range wanted {
		rho, _ := r.Number(t, "spearman", p, "value")
		t.Logf("%s: %.4f, published %.4f", p, rho, published[p])
		if math.Abs(rho-published[p]) > .08 {
			t.Errorf("%s: Spearman's rho is %.4f, published is %.4f", p, rho, published[p])
		}
	}
}
