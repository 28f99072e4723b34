package torch

import (
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/pythontest"
)

const debianPython = "/usr/bin/python3"

var probe sync.Map // by interpreter: importing PyTorch takes seconds

func probed(t testing.TB, e *Engine) *Probe {
	t.Helper()
	if p, ok := probe.Load(e.options.Python); ok {
		return p.(*Probe)
	}
	p, err := e.Probe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	probe.Store(e.options.Python, p)
	return p
}

// interpreter is that of these tests: what PYTHON names, else Debian's, whose PyTorch
// has no CUDA.
func interpreter() string {
	switch p := os.Getenv("PYTHON"); {
	case p != "":
		return p
	case pythontest.Device() != string(CPU):
		return "python3"
	}
	return debianPython
}

// python is that interpreter, if it has PyTorch.
func python(t testing.TB) string {
	t.Helper()
	path := interpreter()
	if _, ok := probe.Load(path); ok {
		return path
	}
	if err := exec.Command(path, "-c", "import torch").Run(); err != nil {
		missing := "torch: " + path + " has no PyTorch: apt install python3-torch"
		if os.Getenv("NBPIPE_CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	return path
}

func newEngine(t testing.TB, o Options) *Engine {
	t.Helper()
	if o.Python == "" {
		o.Python = python(t)
	}
	known := o.Python == interpreter()
	if o.Device == "" {
		o.Device = CPU
		if known { // and no program that plays one
			o.Device = Device(pythontest.Device())
		}
	}
	o.Environment, o.Scratch = os.Environ(), t.TempDir()
	if o.Warn == nil {
		o.Warn = func(text string) { t.Log("warning:", text) }
	}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if known && o.Device == Device(pythontest.Device()) {
		e.probe = probed(t, e)
	}
	t.Cleanup(func() {
		if left, _ := filepath.Glob(filepath.Join(o.Scratch, "*")); len(left) > 0 {
			t.Errorf("left in the scratch folder: %v", left)
		}
	})
	return e
}

func build(t testing.TB, b interface{ Build() (*nn.Network, error) }) *nn.Network {
	t.Helper()
	n, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// pointNetwork has a dead edge, and all operations.
func pointNetwork(t testing.TB) *nn.Network {
	cell := nas.Cell{nas.NorConv3x3, nas.AvgPool3x3, nas.NorConv1x1, nas.SkipConnect, nas.NorConv3x3, nas.None}
	return build(t, nn.CellNetwork{Cell: cell, Form: nn.Point, Input: nn.Shape{Channels: 2, Height: 8, Width: 8}, Channels: 4, Cells: 1, Outputs: 3, Init: nn.InitDefault})
}

func denseNetwork(t testing.TB) *nn.Network {
	cell := nas.Cell{nas.NorConv3x3, nas.SkipConnect, nas.AvgPool3x3, nas.NorConv1x1, nas.None, nas.SkipConnect}
	return build(t, nn.CellNetwork{Cell: cell, Form: nn.Dense, Input: nn.Shape{Channels: 1, Height: 6, Width: 7}, Channels: 4, Cells: 1, Outputs: 1, Init: nn.InitDefault})
}

// samples draws inputs, labels and targets that fit a network.
func samples(t testing.TB, n *nn.Network, count int, seed uint64) *nn.Dataset {
	t.Helper()
	shapes, err := n.Shapes()
	if err != nil {
		t.Fatal(err)
	}
	r := nn.Stream(seed, "test data", 0)
	draw := func(s nn.Shape) nn.Array {
		a := nn.Array{Shape: append([]int{count}, s.Dims()...), Data: make([]float32, count*s.Size())}
		for i := range a.Data {
			a.Data[i] = float32(r.NormFloat64())
		}
		return a
	}
	d := &nn.Dataset{Inputs: draw(n.Input), Targets: draw(shapes[n.Output])}
	for range count {
		d.Labels = append(d.Labels, int32(r.IntN(shapes[n.Output].Channels)))
	}
	return d
}

func recipe(loss nn.Loss, precision nn.Precision) nn.Recipe {
	metric := map[nn.Loss]nn.Metric{nn.CrossEntropy: nn.ZeroOneError, nn.RelativeL2: nn.MetricRelativeL2, nn.MSE: nn.MetricMSE, nn.BCE: nn.MetricLoss}[loss]
	return nn.Recipe{
		Epochs: 4, BatchSize: 8, Loss: loss, Metric: metric, Precision: precision,
		Optimizer: nn.Optimizer{LearningRate: 0.05, Momentum: 0.9, Nesterov: true, WeightDecay: 5e-4},
		Schedule:  nn.Schedule{Name: nn.Cosine},
	}
}

func pointJob(t testing.TB) *nn.Job {
	n := pointNetwork(t)
	return &nn.Job{Network: n, Recipe: recipe(nn.CrossEntropy, nn.Float32), Seed: 3, Train: samples(t, n, 30, 1), Valid: samples(t, n, 13, 2)}
}

func denseJob(t testing.TB) *nn.Job {
	n := denseNetwork(t)
	return &nn.Job{Network: n, Recipe: recipe(nn.RelativeL2, nn.Float32), Seed: 4, Train: samples(t, n, 20, 3), Valid: samples(t, n, 7, 4)}
}

func train(t testing.TB, e *Engine, job *nn.Job, hooks nn.Hooks) *nn.Result {
	t.Helper()
	r, err := e.Train(context.Background(), job, hooks)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func relative(a, b float64) float64 { return math.Abs(a-b) / max(math.Abs(a), math.Abs(b), 1e-300) }
