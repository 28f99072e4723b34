package hypotheses_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/operationimportance"
	"github.com/nbpipe/nbpipe/hypotheses/ranktransfer"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/benchmarktable"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
	"github.com/nbpipe/nbpipe/stages/racetest"
)

var (
	export = flag.String("export", "", "write the rows of the Parquet file as CSV, for testdata/reference.py")
	keep   = flag.String("keep", "", "folder that the figures are copied to")
)

// mirror returns a real file, or skips.
func mirror(t *testing.T, name string) []byte {
	t.Helper()
	racetest.Skip(t, "each kind has tests of its own, with small tables and many goroutines")
	dir := os.Getenv("NBPIPE_TEST_MIRROR")
	for up := ".."; dir == "" && len(up) < 20; up = filepath.Join(up, "..") {
		if candidate := filepath.Join(up, "shared", "mirror"); exists(filepath.Join(candidate, "SHA256SUMS")) {
			dir = candidate
		}
	}
	if dir == "" {
		t.Skipf("SKIPPED, NOT CHECKED: no mirror with %s; set NBPIPE_TEST_MIRROR to the folder with the real benchmark files", name)
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func object(members map[string]string) cty.Value {
	out := map[string]cty.Value{}
	for k, v := range members {
		out[k] = cty.StringVal(v)
	}
	return cty.ObjectVal(out)
}

func names(list ...string) cty.Value {
	out := make([]cty.Value, len(list))
	for i, s := range list {
		out[i] = cty.StringVal(s)
	}
	return cty.ListVal(out)
}

// realTables prepares the files as experiments/nb360 does.
func realTables(t *testing.T) (stagetest.Store, cty.Value) {
	t.Helper()
	store := stagetest.Store{}
	var tables []cty.Value
	prepare := func(attrs map[string]cty.Value) {
		r, err := stagetest.Run(t, benchmarktable.Kind, store, attrs)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Warnings) > 0 {
			t.Errorf("warnings: %q", r.Warnings)
		}
		tables = append(tables, stages.TableValue(stages.Table{File: store.File("table", r.Files["table"])}))
	}
	prepare(map[string]cty.Value{
		"file": stages.FileValue(store.File("nats_bench.csv", mirror(t, "nats_bench.csv"))),
		"columns": object(map[string]string{
			"cifar10": "CIFAR10TestAccuracy200Epochs", "cifar100": "CIFAR100TestAccuracy200Epochs", "imagenet16": "ImageNetTestAccuracy200Epochs",
		}),
		"transform": object(map[string]string{"cifar10": "error", "cifar100": "error", "imagenet16": "error"}),
	})
	hardware := stages.FileValue(store.File("dataset.parquet", mirror(t, "hw-nas-bench-360.parquet")))
	for task, transform := range map[string]string{"ninapro": "error", "darcy": "one_minus"} {
		prepare(map[string]cty.Value{
			"file":      hardware,
			"filter":    object(map[string]string{"task": task, "device": "pi5", "framework": "onnx"}),
			"columns":   object(map[string]string{task: "accuracy"}),
			"transform": object(map[string]string{task: transform}),
		})
	}
	return store, cty.ListVal(tables)
}

func golden(t *testing.T, kind string) map[string]any {
	t.Helper()
	path := filepath.Join("testdata", kind+".json") // a script of its own
	if !exists(path) {
		path = "testdata/golden.json"
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	return doc[kind]
}

// compare holds every number of the golden document against the outputs.
func compare(t *testing.T, path string, want any, got cty.Value) {
	t.Helper()
	switch w := want.(type) {
	case map[string]any:
		for k, v := range w {
			if !got.Type().HasAttribute(k) {
				t.Errorf("%s has no member %s", path, k)
				continue
			}
			compare(t, path+"."+k, v, got.GetAttr(k))
		}
	case float64:
		if got.IsNull() {
			t.Errorf("%s is null, want %v", path, w)
			return
		}
		g, _ := got.AsBigFloat().Float64()
		scale := 1.0
		if strings.HasSuffix(path, "log10_p") {
			scale = math.Abs(w)
		}
		if strings.HasSuffix(path, ".p") && w != 0 { // SciPy's own p is good to some digits only
			g, w = math.Log10(g), math.Log10(w)
			scale = 1e3
		}
		if math.Abs(g-w) > 1e-10*math.Max(1, scale) {
			t.Errorf("%s is %v, want %v", path, g, w)
		}
	}
}

func run(t *testing.T, kind *stages.Kind, store stagetest.Store, attrs map[string]cty.Value) *stagetest.Result {
	t.Helper()
	start := time.Now()
	r, err := stagetest.Run(t, kind, store, attrs)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s took %v; figure of %d bytes", kind.Name(), time.Since(start).Round(time.Millisecond), len(r.Files["figure"]))
	if n := len(r.Files["figure"]); n > 150_000 {
		t.Errorf("the figure has %d bytes, more than 150,000", n)
	}
	if *keep != "" {
		if err := os.WriteFile(filepath.Join(*keep, kind.Type+".svg"), r.Files["figure"], 0o644); err != nil {
			t.Fatal(err)
		}
		dump(t, r, filepath.Join(*keep, kind.Type+".json"))
	}
	for name, want := range golden(t, kind.Type) {
		v, ok := r.Values[name]
		if !ok {
			t.Errorf("no output %s", name)
			continue
		}
		compare(t, name, want, v)
	}
	return r
}

func dump(t *testing.T, r *stagetest.Result, path string) {
	t.Helper()
	var b strings.Builder
	var keys []string
	for k := range r.Values {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for i, k := range keys {
		raw, err := stages.EncodeJSON(r.Values[k])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n%q: %s", map[bool]string{true: "{", false: ","}[i == 0], k, raw)
	}
	b.WriteString("\n}\n")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

var labels = object(map[string]string{
	"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet16": "ImageNet16-120", "ninapro": "NinaPro", "darcy": "Darcy Flow",
})

// TestGoldenRankTransfer compares with SciPy on the real tables.
func TestGoldenRankTransfer(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED, NOT CHECKED: -short")
	}
	store, tables := realTables(t)
	run(t, ranktransfer.Kind, store, map[string]cty.Value{
		"tables": tables, "from": cty.StringVal("cifar100"), "to": names("cifar10", "imagenet16", "ninapro", "darcy"),
		"rounding": cty.ObjectVal(map[string]cty.Value{"ninapro": cty.NumberIntVal(659)}), "labels": labels,
	})
}

// TestGoldenOperationImportance compares with NumPy and SciPy on the real tables.
func TestGoldenOperationImportance(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED, NOT CHECKED: -short")
	}
	store, tables := realTables(t)
	run(t, operationimportance.Kind, store, map[string]cty.Value{
		"tables": tables, "tasks": names("cifar10", "cifar100", "imagenet16", "ninapro", "darcy"), "labels": labels,
		"noise_band": cty.ObjectVal(map[string]cty.Value{
			"cifar10": cty.NumberFloatVal(0.001), "cifar100": cty.NumberFloatVal(0.001), "imagenet16": cty.NumberFloatVal(0.001),
			"ninapro": cty.NumberFloatVal(0.013), "darcy": cty.NumberFloatVal(0.006),
		}),
	})
}

// TestGoldenExport writes what testdata/reference.py reads.
func TestGoldenExport(t *testing.T) {
	if *export == "" {
		t.Skip("only with -export")
	}
	tb, err := table.Read("dataset.parquet", mirror(t, "hw-nas-bench-360.parquet"), table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(*export)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	defer w.Flush()
	fmt.Fprintln(w, strings.Join(tb.Names(), ","))
	for i := range tb.Rows {
		for j := range tb.Columns {
			if j > 0 {
				w.WriteByte(',')
			}
			w.WriteString(tb.Columns[j].Text(i))
		}
		w.WriteByte('\n')
	}
}
