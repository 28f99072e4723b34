package table

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nbpipe/nbpipe/stages/internal/mirror"
	"github.com/parquet-go/parquet-go"
)

// golden is what Python computed of a column: csv and pickle with pandas 1.5.3,
// math.fsum over all rows.
type golden struct {
	file, column string
	rows         int
	sum          float64
	row          int
	value        float64
}

var goldens = []golden{
	{"nats_bench.csv", "CIFAR10TestAccuracy200Epochs", 15625, 1360358.295, 9930, 94.36333333333334},
	{"nats_bench.csv", "CIFAR100TestAccuracy200Epochs", 15625, 959461.0129628563, 9930, 73.51333326009114},
	{"nats_bench.csv", "ImageNetTestAccuracy200Epochs", 15625, 524787.3993068911, 9930, 46.34444440714518},
	{"mini-bench-arch-cell-accs.pd", "cifar10-test", 15625, 1187252.46, 9930, 88.66},
	{"mini-bench-arch-cell-accs.pd", "cifar10-val", 15625, 1075807.4879257206, 9930, 84.74600000732423},
	{"mini-bench-arch-cell-accs.pd", "cifar100-test", 15625, 631310.5196481796, 9930, 61.11999998168945},
	{"mini-bench-arch-cell-accs.pd", "cifar100-val", 15625, 632180.7396774322, 9930, 60.279999969482425},
	{"mini-bench-arch-cell-accs.pd", "imagenet-test", 15625, 340638.0662250404, 9930, 37.866666564941404},
	{"mini-bench-arch-cell-accs.pd", "imagenet-val", 15625, 352250.4995839291, 9930, 37.63333326212565},
	{"oneproxy/eagle_cpu_855.pickle", "value", 1999, 26903.993, 1000, 16.467},
	{"oneproxy/eagle_gtx.pickle", "value", 1999, 12316.844265287998, 1000, 9.229085445404053},
	{"oneproxy/rice_edgetpu.pickle", "value", 1999, 1796.8405363149795, 1000, 1.6671480520017212},
	{"oneproxy/true_vpu.pickle", "value", 1999, 9477.785, 1000, 5.966},
	{"NATS-tss-v1_0-3ffb9-simple.000000.pickle.pbz2", "params", 17, 0, 0, 0.136456},
	{"NATS-tss-v1_0-3ffb9-simple.000000.pickle.pbz2", "train_acc1", 17, 0, 1, 71.08},
	{"NATS-tss-v1_0-3ffb9-simple.000000.pickle.pbz2", "ori-test_acc1", 17, 0, 1, 69.55},
	{"NATS-tss-v1_0-3ffb9-simple.000000.pickle.pbz2", "x-test_acc1", 17, 0, 16, 53.07999995117188},
	{"NATS-tss-v1_0-3ffb9-simple.000011.pickle.pbz2", "x-test_acc1", 17, 0, 16, 68.27999991455079},
	{"NATS-tss-v1_0-3ffb9-simple.000011.pickle.pbz2", "latency", 17, 0, 1, 0.016163252947623268},
}

func TestMirrorGoldens(t *testing.T) {
	tables := map[string]*Table{}
	for _, g := range goldens {
		t.Run(g.file+" "+g.column, func(t *testing.T) {
			if tables[g.file] == nil {
				tab, err := Read(g.file, mirror.Read(t, g.file), Options{})
				if err != nil {
					t.Fatal(err)
				}
				tables[g.file] = tab
			}
			v, err := tables[g.file].Float64s(g.column)
			if err != nil {
				t.Fatal(err)
			}
			sum := 0.0
			for _, x := range v {
				sum += x
			}
			if len(v) != g.rows || v[g.row] != g.value || (g.sum != 0 && math.Abs(sum/g.sum-1) > 1e-12) {
				t.Errorf("%d rows, sum %v, row %d is %v; want %+v", len(v), sum, g.row, v[g.row], g)
			}
		})
	}
}

func TestMirrorColumns(t *testing.T) {
	record := []string{"architecture", "architecture_string", "hp", "dataset", "seed", "epochs", "params", "flop", "latency",
		"train_acc1", "train_acc5", "train_loss", "train_time", "x-valid_acc1", "x-valid_loss", "x-valid_time",
		"x-test_acc1", "x-test_loss", "x-test_time", "ori-test_acc1", "ori-test_loss", "ori-test_time"}
	for file, want := range map[string][]string{
		"nats_bench.csv":                                {"architecture", "CIFAR10TestAccuracy200Epochs", "CIFAR100TestAccuracy200Epochs", "ImageNetTestAccuracy200Epochs", "ArchitectureString", "UniqueString"},
		"hw-nas-bench-360.parquet":                      {"architecture", "rep_arch_idx", "device", "framework", "task", "lat_ms_median", "lat_ms_var", "energy_mj", "accuracy", "status"},
		"mini-bench-arch-cell-accs.pd":                  {"architecture", "cellstr", "cifar10-test", "cifar10-val", "cifar100-test", "cifar100-val", "imagenet-test", "imagenet-val"},
		"NATS-tss-v1_0-3ffb9-simple.meta.pickle.pbz2":   {"architecture", "architecture_string"},
		"NATS-tss-v1_0-3ffb9-simple.000000.pickle.pbz2": record,
		"NATS-tss-v1_0-3ffb9-simple.000011.pickle.pbz2": record,
	} {
		t.Run(file, func(t *testing.T) {
			tab, err := Read(file, mirror.Read(t, file), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, tab.Names()); d != "" {
				t.Error(d)
			}
			again, err := Decode(encoded(t, tab))
			if err != nil || !bytes.Equal(encoded(t, again), encoded(t, tab)) {
				t.Errorf("encoding and decoding changes the table (%v)", err)
			}
		})
	}
}

// TestMirrorEncodings: the sums of the one-hot columns, from Python.
func TestMirrorEncodings(t *testing.T) {
	tab, err := Read("encode.pickle", mirror.Read(t, "oneproxy/encode.pickle"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []int64{162, 230, 378, 1140, 89, 293, 290, 403, 830, 183, 308, 305, 431, 671, 284, 134, 601, 511, 652, 101, 294, 306, 512, 681, 206, 154, 254, 567, 902, 122, 1999}
	if len(tab.Columns) != len(want) || tab.Rows != 1999 {
		t.Fatalf("%d columns, %d rows", len(tab.Columns), tab.Rows)
	}
	for j, w := range want {
		sum := int64(0)
		for _, v := range tab.Columns[j].Int64s {
			sum += v
		}
		if sum != w || tab.Columns[j].Name != fmt.Sprintf("c%d", j) {
			t.Errorf("column %d (%s) sums to %d, want %d", j, tab.Columns[j].Name, sum, w)
		}
	}
}

const hardwareFile = "hw-nas-bench-360.parquet"

// TestMirrorParquetAgainstTheLibrary compares every value with parquet-go's own
// row reader, which decodes the pages independently.
func TestMirrorParquetAgainstTheLibrary(t *testing.T) {
	data := mirror.Read(t, hardwareFile)
	tab, err := Read(hardwareFile, data, Options{})
	if err != nil {
		t.Fatal(err)
	}
	reader := parquet.NewReader(bytes.NewReader(data))
	defer reader.Close()
	rows, at := make([]parquet.Row, 1000), 0
	for {
		n, err := reader.ReadRows(rows)
		for _, row := range rows[:n] {
			for j, v := range row {
				if got := tab.Columns[j].Value(at); !equalParquet(got, v) {
					t.Fatalf("row %d, column %s: %v, the library has %v", at+1, tab.Columns[j].Name, got, v)
				}
			}
			at++
		}
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if at != 187500 || tab.Rows != at {
		t.Errorf("%d rows, the library has %d", tab.Rows, at)
	}
}

func equalParquet(got any, v parquet.Value) bool {
	if v.IsNull() {
		return got == nil
	}
	switch v.Kind() {
	case parquet.Int64:
		return got == v.Int64()
	case parquet.Double:
		return got == v.Double() || (got == nil && math.IsNaN(v.Double()))
	default:
		return got == v.String()
	}
}

// TestMirrorHardwareTasks selects one task, device and framework: every cell
// once.
func TestMirrorHardwareTasks(t *testing.T) {
	tab, err := Read(hardwareFile, mirror.Read(t, hardwareFile), Options{})
	if err != nil {
		t.Fatal(err)
	}
	one, removed, err := tab.Filter(map[string]any{"task": "ninapro", "device": "pi5", "framework": "onnx"})
	if err != nil || one.Rows != 15625 || removed != 187500-15625 {
		t.Fatalf("%v, removed %d", err, removed)
	}
	other, err := Read("nats_bench.csv", mirror.Read(t, "nats_bench.csv"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	joined, report, err := Join(one, other, Architecture)
	if err != nil || report.Rows != 15625 || report.LeftOnly+report.RightOnly != 0 {
		t.Fatalf("%v, %+v", err, report)
	}
	if joined.Columns[0].Name != Architecture {
		t.Error("architecture is not first")
	}
}

func BenchmarkReadMirror(b *testing.B) {
	for _, file := range []string{"nats_bench.csv", hardwareFile, "mini-bench-arch-cell-accs.pd", "NATS-tss-v1_0-3ffb9-simple.000000.pickle.pbz2", "NATS-tss-v1_0-3ffb9-simple.meta.pickle.pbz2"} {
		b.Run(file, func(b *testing.B) {
			data := mirror.Read(b, file)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Read(file, data, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
