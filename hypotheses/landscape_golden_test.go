package hypotheses_test

import (
	"bytes"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/landscape"
)

// TestGoldenLandscape compares with NumPy on the real tables.
func TestGoldenLandscape(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED, NOT CHECKED: -short")
	}
	store, tables := realTables(t)
	r := run(t, landscape.Kind, store, map[string]cty.Value{
		"tables": tables, "tasks": names("cifar10", "cifar100", "imagenet16", "ninapro", "darcy"), "labels": labels,
		"rounding": cty.ObjectVal(map[string]cty.Value{"ninapro": cty.NumberIntVal(659)}),
	})
	for _, name := range []string{"figure_difference", "figure_basins"} {
		if f := r.Files[name]; len(f) > 150_000 || bytes.Contains(f, []byte("NaN")) {
			t.Errorf("%s has %d bytes, or holds NaN", name, len(f))
		}
	}
}
