package proxies_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/proxies"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/racetest"
)

var (
	export = flag.String("export", "", "folder for what testdata/reference.py reads")
	heavy  = flag.Bool("heavy", false, "full skeletons with all proxies, too: some minutes")
)

// testCase is a set of cells in one skeleton on one batch.
type testCase struct {
	Name    string     `json:"name"`
	C       int        `json:"c"`
	N       int        `json:"n"`
	Side    int        `json:"side"`
	Classes int        `json:"classes"`
	Batch   int        `json:"batch"`
	Seed    uint64     `json:"seed"`
	Cells   []testCell `json:"cells"`
	full    bool       // too slow for the plain engine
}

type testCell struct {
	Number int    `json:"number"`
	Cell   string `json:"cell"`
}

// testCases are 28 cells, two of which pass nothing, and a few in deeper networks.
func testCases() []testCase {
	small := testCase{Name: "small", C: 4, N: 1, Side: 16, Classes: 10, Batch: 8, Seed: 7}
	for i := range 26 {
		small.Cells = append(small.Cells, cellNumber(i*601))
	}
	for _, d := range []int{3, 200} {
		small.Cells = append(small.Cells, cellNumber(nas.Dead()[d]))
	}
	deep := testCase{Name: "deep", C: 6, N: 3, Side: 8, Classes: 5, Batch: 12, Seed: 11}
	for i := range 6 {
		deep.Cells = append(deep.Cells, cellNumber(1000+i*2003))
	}
	full := testCase{Name: "full", C: 16, N: 5, Side: 32, Classes: 100, Batch: 4, Seed: 3, full: true}
	full.Cells = []testCell{cellNumber(11), cellNumber(0), cellNumber(9930), cellNumber(4321)}
	return []testCase{small, deep, full}
}

func cellNumber(i int) testCell { return testCell{i, nas.At(i).String()} }

func (c *testCase) job(t testing.TB, number int) *proxies.Job {
	t.Helper()
	n, err := nn.CellNetwork{
		Cell: nas.At(number), Form: nn.Point, Input: nn.Shape{Channels: 3, Height: c.Side, Width: c.Side},
		Channels: c.C, Cells: c.N, Outputs: c.Classes, Init: nn.InitDefault,
	}.Build()
	if err != nil {
		t.Fatal(err)
	}
	return &proxies.Job{
		Network: n, Weights: nn.InitialWeights(n, c.Seed), Precision: nn.Float64, Proxies: proxies.All(),
		Batch: proxies.Gaussian(n.Input, c.Classes, c.Batch, c.Seed),
	}
}

func weightsFile(t testing.TB, job *proxies.Job) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := nn.WriteTensors(&b, job.Weights, nn.Float32, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestExport writes the weights and batches for testdata/reference.py.
func TestExport(t *testing.T) {
	if *export == "" {
		t.Skip("only with -export")
	}
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(*export, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cases := testCases()
	text, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	write("cases.json", text)
	for _, c := range cases {
		for _, cell := range c.Cells {
			job := c.job(t, cell.Number)
			write(fmt.Sprintf("%s-%d.safetensors", c.Name, cell.Number), weightsFile(t, job))
			var inputs, labels bytes.Buffer
			npy.Write(&inputs, npy.Header{Type: npy.Float32, Shape: job.Batch.Inputs.Shape}, job.Batch.Inputs.Data)
			npy.Write(&labels, npy.Header{Type: npy.Int32, Shape: []int{job.Batch.Len()}}, job.Batch.Labels)
			write(c.Name+"-inputs.npy", inputs.Bytes())
			write(c.Name+"-labels.npy", labels.Bytes())
		}
	}
}

type goldenFile struct {
	Cases []struct {
		Name   string `json:"name"`
		Scores []struct {
			Number  int                        `json:"number"`
			Weights string                     `json:"weights"`
			Scores  map[proxies.Proxy]*float64 `json:"scores"`
		} `json:"scores"`
	} `json:"cases"`
}

func golden(t testing.TB) *goldenFile {
	t.Helper()
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	g := new(goldenFile)
	if err := json.Unmarshal(text, g); err != nil {
		t.Fatal(err)
	}
	return g
}

// Every score agrees with PyTorch's automatic differentiation to 1e-6, in
// float64, and is undefined where PyTorch's is. The full skeleton is for what
// needs no engine.
func TestScoresAgreeWithPyTorch(t *testing.T) {
	racetest.Skip(t, "the same loops run in others of these tests, on less data")
	g := golden(t)
	for k, c := range testCases() {
		if g.Cases[k].Name != c.Name || len(g.Cases[k].Scores) != len(c.Cells) {
			t.Fatalf("testdata/golden.json is of other cases; see testdata/reference.py")
		}
		for i, cell := range c.Cells {
			job, want := c.job(t, cell.Number), g.Cases[k].Scores[i]
			if sum := sha256.Sum256(weightsFile(t, job)); hex.EncodeToString(sum[:]) != want.Weights {
				t.Fatalf("testdata/golden.json is of other weights; see testdata/reference.py")
			}
			if c.full && !*heavy {
				job.Proxies = []proxies.Proxy{proxies.Synflow, proxies.Params, proxies.FLOPs}
			}
			scores, err := proxies.Score(t.Context(), plain{}, job)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, fmt.Sprintf("%s, architecture %d", c.Name, cell.Number), scores, want.Scores, 1e-6)
		}
	}
}

func compare(t *testing.T, what string, got map[proxies.Proxy]float64, want map[proxies.Proxy]*float64, tolerance float64) {
	t.Helper()
	for p, v := range got {
		w, ok := want[p]
		switch {
		case !ok:
			t.Errorf("%s: %s: PyTorch has none", what, p)
		case w == nil || math.IsNaN(v):
			if w != nil || !math.IsNaN(v) {
				t.Errorf("%s: %s is %v, PyTorch's is %v", what, p, v, w)
			}
		case math.Abs(v-*w) > tolerance*math.Abs(*w):
			t.Errorf("%s: %s is %v, PyTorch's is %v: off by %.1e", what, p, v, *w, v / *w - 1)
		}
	}
}
