package darcyflow

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
	"github.com/nbpipe/nbpipe/stages/pythontest"
)

type values = map[string]cty.Value

func number64(n int64) cty.Value { return cty.NumberIntVal(n) }

func set(resolution, samples int64, more values) values {
	out := values{"resolution": number64(resolution), "samples": number64(samples)}
	for name, v := range more {
		out[name] = v
	}
	return out
}

func splits(train, validation, test int64) cty.Value {
	return cty.ObjectVal(values{"train": number64(train), "validation": number64(validation), "test": number64(test)})
}

func TestOutputs(t *testing.T) {
	r, err := stagetest.Run(t, Kind, stagetest.Store{}, set(33, 6, values{"subsample": number64(4), "splits": splits(3, 1, 2)}))
	if err != nil {
		t.Fatal(err)
	}
	a, u := read(t, r.Files["coefficient"], npy.Float32, 6, 9), read(t, r.Files["solution"], npy.Float32, 6, 9)
	for i := range 6 {
		for k, v := range u[i*81 : (i+1)*81] {
			border := k/9 == 0 || k/9 == 8 || k%9 == 0 || k%9 == 8
			if border != (v == 0) || v < 0 || v > .03 {
				t.Errorf("sample %d: the solution is %v in row %d, column %d", i, v, k/9, k%9)
			}
		}
	}
	slices.Sort(a)
	if got := slices.Compact(a); !slices.Equal(got, []float64{3, 12}) {
		t.Errorf("coefficients are %v", got)
	}
	if !bytes.Equal(r.Files["data/coeff.npy"], r.Files["coefficient"]) || !bytes.Equal(r.Files["data/sol.npy"], r.Files["solution"]) {
		t.Error("the folder holds other arrays")
	}
	const want = `{"coordinates":true,"inputs":{"dtype":"float32","file":"coeff.npy","shape":[6,9,9]},"metric":"relative_l2",` +
		`"normalisation":{"epsilon":0.00001,"inputs":"pointwise_gaussian","targets":"pointwise_gaussian"},` +
		`"splits":{"test":{"count":2,"first":4},"train":{"count":3,"first":0},"validation":{"count":1,"first":3}},` +
		`"targets":{"dtype":"float32","file":"sol.npy","shape":[6,9,9]},"task":"darcy_flow"}`
	if got := string(r.Files["data/dataset.json"]); !sameJSON(t, got, want) {
		t.Errorf("dataset.json is %s\nwant %s", got, want)
	}
	if count, _ := r.Number(t, "description", "splits", "test", "count"); count != 2 {
		t.Errorf("%v samples for testing", count)
	}
}

// sameJSON compares values, not bytes.
func sameJSON(t *testing.T, a, b string) bool {
	var x, y any
	if err := errors.Join(json.Unmarshal([]byte(a), &x), json.Unmarshal([]byte(b), &y)); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(x) == fmt.Sprint(y)
}

func read(t *testing.T, data []byte, typ npy.Type, shape ...int) []float64 {
	t.Helper()
	r, err := npy.NewReader("output", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if r.Type != typ || !slices.Equal(r.Shape, []int{shape[0], shape[1], shape[1]}) || r.Fortran {
		t.Fatalf("the array is %+v", r.Header)
	}
	all, err := npy.ReadAll[float64](r, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// counter is a Progress that checks that it moves forward.
type counter struct {
	mu   sync.Mutex
	t    *testing.T
	last int64
}

func (c *counter) Report(done, total int64, unit string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if done != c.last+1 || done > total || unit != "samples" {
		c.t.Errorf("%d of %d %s are done after %d", done, total, unit, c.last)
	}
	c.last = done
}

// runOn runs on a number of cores and returns the folder.
func runOn(ctx context.Context, t *testing.T, cores int, given values) (string, error) {
	t.Helper()
	attrs, err := stagetest.Attributes(Kind, given)
	if err != nil {
		t.Fatal(err)
	}
	stage, err := Kind.Fill(attrs)
	if err != nil {
		t.Fatal(err)
	}
	scratch, progress := t.TempDir(), &counter{t: t}
	in := &stages.Input{Address: "test", Scratch: scratch, CPUs: cores, Log: io.Discard, Progress: progress, Store: stagetest.Store{}}
	out := stages.NewOutput()
	if err := stage.Run(ctx, in, out); err != nil {
		return "", err
	}
	if want, _ := attrs["samples"].AsBigFloat().Int64(); progress.last != want {
		t.Errorf("progress ends at %d", progress.last)
	}
	if r := out.Metrics["residual"]; !(r > 0 && r < 1e-10) {
		t.Errorf("the residual is %v", r)
	}
	return filepath.Join(scratch, "data"), nil
}

func elements(t *testing.T, folder string) (a, u []byte) {
	t.Helper()
	var out [2][]byte
	for i, name := range []string{coefficientFile, solutionFile} {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		out[i] = b[128:] // a header of this package's
	}
	return out[0], out[1]
}

// Bits depend on the number of cores in no way, and a sample not on how many
// others there are.
func TestSameBits(t *testing.T) {
	const side = 46
	more := values{"dtype": cty.StringVal("float64"), "seed": number64(5)}
	folder, err := runOn(t.Context(), t, 1, set(side, 9, more))
	if err != nil {
		t.Fatal(err)
	}
	a, u := elements(t, folder)
	// The bits that version 1 makes; if they change, the version must be raised.
	if got := fmt.Sprintf("%x", sha256.Sum256(slices.Concat(a, u))); got != pinned {
		t.Errorf("the digest is %s, want %s", got, pinned)
	}
	for _, cores := range []int{1, 2, 8} {
		for _, samples := range []int64{1, 4, 9} {
			t.Run(fmt.Sprintf("cores=%d,samples=%d", cores, samples), func(t *testing.T) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
				folder, err := runOn(t.Context(), t, cores, set(side, samples, more))
				if err != nil {
					t.Fatal(err)
				}
				bytesOf := int(samples) * side * side * 8
				gotA, gotU := elements(t, folder)
				if !bytes.Equal(gotA, a[:bytesOf]) || !bytes.Equal(gotU, u[:bytesOf]) {
					t.Error("other bits")
				}
			})
		}
	}
	other, err := runOn(t.Context(), t, 2, set(side, 1, values{"dtype": cty.StringVal("float64"), "seed": number64(6)}))
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := elements(t, other); bytes.Equal(b, a[:len(b)]) {
		t.Error("seeds 5 and 6 have the same sample 0")
	}
}

const pinned = "314d9e1bd2df1740244bcf93a0c870f8b5dbbba66c68dccb08e1c0adddd186b9"

// NumPy reads the arrays, and SciPy's direct solver agrees with the solutions.
func TestSciPy(t *testing.T) {
	python := pythontest.Find(t, "numpy", "scipy")
	for _, c := range []struct {
		resolution int64
		dtype      string
		tolerance  float64
	}{{32, "float64", 1e-8}, {43, "float64", 1e-8}, {85, "float64", 1e-8}, {38, "float32", 1e-7}} {
		t.Run(fmt.Sprintf("%d,%s", c.resolution, c.dtype), func(t *testing.T) {
			folder, err := runOn(t.Context(), t, 2, set(c.resolution, 4, values{"dtype": cty.StringVal(c.dtype)}))
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(python, "testdata/darcy.py", "check", folder).Output()
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Shape         []int64
				Dtype         string
				SolutionShape []int64 `json:"solution_shape"`
				SolutionDtype string  `json:"solution_dtype"`
				Values        []float64
				Worst         float64
			}
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatal(err)
			}
			shape := []int64{4, c.resolution, c.resolution}
			if got.Dtype != c.dtype || got.SolutionDtype != c.dtype || !slices.Equal(got.Shape, shape) || !slices.Equal(got.SolutionShape, shape) {
				t.Errorf("NumPy reads %s", out)
			}
			if !slices.Equal(got.Values, []float64{3, 12}) || !(got.Worst < c.tolerance) {
				t.Errorf("SciPy says %s", out)
			}
			t.Logf("off by %.2g", got.Worst)
		})
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := runOn(ctx, t, 2, set(200, 1000, nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

func TestCheck(t *testing.T) {
	text, fraction := cty.StringVal, cty.NumberFloatVal
	cases := map[string]struct {
		given values
		want  string // "" for no problem
	}{
		"paper":            {set(421, 1000, values{"subsample": number64(5), "splits": splits(900, 0, 100)}), ""},
		"smallest":         {set(3, 1, nil), ""},
		"largest":          {set(2048, 1, nil), ""},
		"unknown":          {set(421, 0, values{"samples": cty.UnknownVal(cty.Number), "splits": splits(1, 1, 1)}), ""},
		"no inner node":    {set(2, 1, nil), "resolution: It is 2; a whole number of at least 3"},
		"negative":         {set(-5, 1, nil), "resolution: It is -5"},
		"fraction":         {set(3, 1, values{"resolution": fraction(32.5)}), "resolution: It is 32.5"},
		"too fine":         {set(5000, 1, nil), "resolution: It is 5000 and can be 2048 at most"},
		"absurd":           {set(3, 1, values{"resolution": fraction(1e30)}), "resolution: It is 1000000000000000019884624838656"},
		"no samples":       {set(32, 0, nil), "samples: It is 0; a whole number of at least 1"},
		"too many":         {set(421, 1e9, nil), "samples: 1000000000 samples of 421 x 421 nodes take 1417.9 TB"},
		"not a divisor":    {set(421, 1, values{"subsample": number64(8)}), "subsample: It is 8. With 421 nodes per side there are 420 intervals between them, and every k-th node can be kept for k = 1, 2, 3, 4, 5, 6, 7, 10,"},
		"a prime":          {set(32, 1, values{"subsample": number64(5)}), "can be kept for k = 1. Or take a resolution of 31 or 36."},
		"border only":      {set(32, 1, values{"subsample": number64(31)}), "can be kept for k = 1."},
		"no step":          {set(32, 1, values{"subsample": number64(0)}), "subsample: It is 0"},
		"half precision":   {set(32, 1, values{"dtype": text("float16")}), `dtype: It is "float16". The types are float32 and float64`},
		"integers":         {set(32, 1, values{"dtype": text("int64")}), "dtype: "},
		"splits too small": {set(32, 10, values{"splits": splits(5, 2, 2)}), "splits: Together they are 9, and samples is 10"},
		"default splits":   {set(32, 10, values{"splits": cty.ObjectVal(values{"train": number64(10)})}), ""},
		"negative split":   {set(32, 10, values{"splits": splits(12, -2, 0)}), "splits: validation is -2"},
		"half a split":     {set(32, 10, values{"splits": cty.ObjectVal(values{"train": fraction(9.5), "test": fraction(.5)})}), "splits: train is 9.5"},
		"negative seed":    {set(32, 1, values{"seed": number64(-1)}), "seed: -1 is not a whole number"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range stagetest.Problems(t, Kind, c.given) {
				got = append(got, p.Attribute+": "+p.Detail)
			}
			if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
				t.Errorf("problems %q, want %q", got, c.want)
			}
		})
	}
}

func TestResources(t *testing.T) {
	for name, c := range map[string]struct {
		stage  Stage
		cores  float64
		memory int64
	}{
		"quick":   {Stage{Resolution: 32, Samples: 224}, 1, 32 * 32 * bytesPerNode},
		"paper":   {Stage{Resolution: 421, Samples: 1000}, 64, 64 * 421 * 421 * bytesPerNode},
		"two":     {Stage{Resolution: 1000, Samples: 2}, 2, 2 * 1000 * 1000 * bytesPerNode},
		"unknown": {Stage{}, 1, 0},
	} {
		if got := c.stage.Resources(); got.CPUs != c.cores || got.Memory != c.memory {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
