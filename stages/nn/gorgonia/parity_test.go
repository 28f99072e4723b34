package gorgonia

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/racetest"
)

var update = flag.Bool("update", false, "make the goldens again with PyTorch (/usr/bin/python3)")

// scenario is a network with data and a recipe.
type scenario struct {
	name    string
	build   interface{ Build() (*nn.Network, error) }
	loss    nn.Loss
	metric  nn.Metric
	rate    float64
	steps   bool // step schedule in place of cosine
	decoded bool
}

// scenarios cover every operation that the builders use, partial batches
// (ten samples by four) and odd sides.
var scenarios = []scenario{
	{"cell_point", nn.CellNetwork{Cell: nas.Cell{3, 1, 2, 4, 0, 3}, Form: nn.Point, Input: nn.Shape{Channels: 3, Height: 8, Width: 8}, Channels: 4, Cells: 1, Outputs: 3, Init: nn.InitDefault},
		nn.CrossEntropy, nn.ZeroOneError, 0.05, false, false},
	{"cell_point_dead", nn.CellNetwork{Cell: nas.Cell{0, 3, 2, 2, 3, 0}, Form: nn.Point, Input: nn.Shape{Channels: 1, Height: 4, Width: 12}, Channels: 4, Cells: 1, Outputs: 2, Init: nn.InitDefault},
		nn.CrossEntropy, nn.ZeroOneError, 0.05, true, false},
	{"cell_dense", nn.CellNetwork{Cell: nas.Cell{1, 4, 3, 2, 4, 1}, Form: nn.Dense, Input: nn.Shape{Channels: 3, Height: 9, Width: 7}, Channels: 4, Cells: 1, Outputs: 1, Init: nn.InitDefault},
		nn.RelativeL2, nn.MetricRelativeL2, 0.02, false, true},
	{"wide_resnet_point", nn.WideResNet{Form: nn.Point, Input: nn.Shape{Channels: 2, Height: 4, Width: 8}, Depth: 10, Width: 1, Outputs: 5, Init: nn.InitKaiming},
		nn.BCE, nn.MetricLoss, 0.05, true, false},
	{"wide_resnet_dense", nn.WideResNet{Form: nn.Dense, Input: nn.Shape{Channels: 3, Height: 4, Width: 5}, Depth: 10, Width: 1, Outputs: 1, Init: nn.InitKaiming},
		nn.MSE, nn.MetricMSE, 0.02, false, false},
	{"resnet1d", nn.ResNet1D{Input: nn.Shape{Channels: 2, Height: 1, Width: 30}, Middle: 4, Outputs: 3, Init: nn.InitKaiming},
		nn.BCE, nn.MetricLoss, 0.05, false, false},
}

const samples = 10

// job makes the training of a scenario: 7 epochs of 3 batches.
func (s scenario) job(t testing.TB, precision nn.Precision) *nn.Job {
	t.Helper()
	n, err := s.build.Build()
	if err != nil {
		t.Fatal(err)
	}
	shapes, err := n.Shapes()
	if err != nil {
		t.Fatal(err)
	}
	out := shapes[n.Output]
	r := nn.Stream(3, "data of "+s.name, 0)
	d := &nn.Dataset{Inputs: nn.Array{Shape: append([]int{samples}, n.Input.Dims()...)}}
	for range samples * n.Input.Size() {
		d.Inputs.Data = append(d.Inputs.Data, float32(r.NormFloat64()))
	}
	for range samples {
		d.Labels = append(d.Labels, int32(r.IntN(out.Channels)))
	}
	if s.loss != nn.CrossEntropy {
		d.Labels = nil
		d.Targets.Shape = append([]int{samples}, out.Dims()...)
		for range samples * out.Size() {
			v := r.NormFloat64()
			if s.loss == nn.BCE {
				v = float64(r.IntN(2))
			}
			d.Targets.Data = append(d.Targets.Data, float32(v))
		}
	}
	job := &nn.Job{Network: n, Seed: 11, Train: d, Recipe: nn.Recipe{
		Epochs: 7, BatchSize: 4, Loss: s.loss, Metric: s.metric, Precision: precision,
		Optimizer: nn.Optimizer{LearningRate: s.rate, Momentum: 0.9, Nesterov: true, WeightDecay: 5e-3},
		Schedule:  nn.Schedule{Name: nn.Cosine},
	}}
	if s.steps {
		job.Recipe.Optimizer.Nesterov = false
		job.Recipe.Schedule = nn.Schedule{Name: nn.Steps, Milestones: []int{2, 5}, Factor: 0.2}
	}
	if s.decoded {
		if job.Decoding, err = nn.PointwiseGaussian(d.Targets, 1e-5); err != nil {
			t.Fatal(err)
		}
	}
	return job
}

// golden is what the reference gives.
type golden struct {
	Rates      []float64             `json:"rates"`
	Losses     []float64             `json:"losses"`
	Gradients  map[string][2]float64 `json:"gradients"`
	Evaluation float64               `json:"evaluation"`
	Output     [2]float64            `json:"output"`
	Weights    map[string][2]float64 `json:"weights"`
}

// reference runs PyTorch on a job.
func reference(t *testing.T, job *nn.Job) []byte {
	t.Helper()
	spec := map[string]any{
		"network": job.Network, "recipe": job.Recipe, "weights": nn.InitialWeights(job.Network, job.Seed),
		"inputs": job.Train.Inputs.Data, "inputs_shape": job.Train.Inputs.Shape,
		"targets": job.Train.Targets.Data, "targets_shape": job.Train.Targets.Shape, "labels": job.Train.Labels,
	}
	shapes, err := job.Network.Shapes()
	if err != nil {
		t.Fatal(err)
	}
	dims := map[string][]int{}
	for name, s := range shapes {
		dims[name] = s.Dims()
	}
	spec["shapes"] = dims
	if job.Decoding != nil {
		spec["scale"], spec["shift"] = job.Decoding.Scale, job.Decoding.Shift
	}
	var epochs [][][]int32
	for e := range job.Recipe.Epochs {
		var batches [][]int32
		for _, b := range nn.Batches(job.Seed, e, job.Train, &job.Recipe, job.Network.Input) {
			batches = append(batches, b.Indices)
		}
		epochs = append(epochs, batches)
	}
	spec["batches"] = epochs
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/python3", "testdata/reference.py")
	cmd.Stdin = bytes.NewReader(text)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("reference: %v: %s", err, stderr.Bytes())
	}
	return out
}

func loadGolden(t *testing.T, s scenario, precision nn.Precision, job *nn.Job) golden {
	t.Helper()
	path := filepath.Join("testdata", fmt.Sprintf("%s_%s.json", s.name, precision))
	if *update {
		if err := os.WriteFile(path, reference(t, job), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// summary is what is compared of a tensor: its norm, and its product with
// cosines.
func summary(data []float64) [2]float64 {
	var squares, product float64
	for i, v := range data {
		squares += v * v
		product += v * math.Cos(float64(i))
	}
	return [2]float64{math.Sqrt(squares), product}
}

func near(t *testing.T, what string, got, want, scale, tolerance float64) {
	t.Helper()
	if d := math.Abs(got - want); !(d <= tolerance*scale) {
		t.Errorf("%s is %v, want %v: off by %.2g of %.2g", what, got, want, d, scale)
	}
}

// stepLosses trains and returns the mean loss of every step.
func stepLosses(t *testing.T, e *Engine, job *nn.Job) ([]float64, *nn.Result) {
	t.Helper()
	var losses []float64
	result, err := e.train(t.Context(), job, nn.Hooks{}, func(loss float64) { losses = append(losses, loss) })
	if err != nil {
		t.Fatal(err)
	}
	return losses, result
}

// In float64 the engine and PyTorch stay together over a whole training.
func TestParityWithPyTorchInFloat64(t *testing.T) {
	racetest.Skip(t, "the same loops run in others of these tests, on less data")
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			job := s.job(t, nn.Float64)
			want := loadGolden(t, s, nn.Float64, job)
			losses, result := stepLosses(t, New(), job)
			if len(losses) != len(want.Losses) || len(losses) < 20 {
				t.Fatalf("%d steps, want %d", len(losses), len(want.Losses))
			}
			for i, v := range want.Losses {
				near(t, fmt.Sprintf("loss of step %d", i), losses[i], v, math.Abs(v), 1e-8)
			}
			for i, v := range want.Rates {
				near(t, fmt.Sprintf("rate of epoch %d", i), result.Epochs[i].LearningRate, v, v, 1e-12)
			}
			for name, v := range want.Weights {
				got := summary(result.Weights[name].Data)
				scale := max(v[0], 1e-6) // some shifts never move: theirs is rounding alone
				near(t, name+" (norm)", got[0], v[0], scale, 1e-7)
				near(t, name+" (product)", got[1], v[1], scale, 1e-7)
			}
			evaluated, err := New().Evaluate(t.Context(), &nn.Evaluation{Network: job.Network, Weights: result.Weights, Data: job.Train, Decoding: job.Decoding,
				BatchSize: 3, Loss: s.loss, Metric: s.metric, Precision: nn.Float64})
			if err != nil {
				t.Fatal(err)
			}
			near(t, "evaluation", evaluated.Loss, want.Evaluation, want.Evaluation, 1e-7)
			compareGradients(t, New(), job, want, 1e-8)
		})
	}
}

// In float32 the first step's loss and gradients agree; later steps drift
// apart by rounding, as PyTorch does from itself.
func TestParityWithPyTorchInFloat32(t *testing.T) {
	for _, s := range scenarios {
		for _, set := range sets() {
			t.Run(s.name+"/"+set.Name, func(t *testing.T) {
				job := s.job(t, nn.Float32)
				want := loadGolden(t, s, nn.Float32, job)
				losses, _ := stepLosses(t, WithKernel(set), job)
				near(t, "loss of the first step", losses[0], want.Losses[0], want.Losses[0], 1e-5)
				compareGradients(t, WithKernel(set), job, want, 1e-4)
			})
		}
	}
}

// compareGradients compares those of the first batch.
func compareGradients(t *testing.T, e *Engine, job *nn.Job, want golden, tolerance float64) {
	t.Helper()
	first := nn.Batches(job.Seed, 0, job.Train, &job.Recipe, job.Network.Input)[0]
	g, err := e.Gradients(t.Context(), &nn.GradientJob{Network: job.Network, Weights: nn.InitialWeights(job.Network, job.Seed), Data: pick(job.Train, first),
		Decoding: job.Decoding, Loss: job.Recipe.Loss, Precision: job.Recipe.Precision})
	if err != nil {
		t.Fatal(err)
	}
	largest := 0.0
	for _, v := range want.Gradients {
		largest = max(largest, v[0])
	}
	for name, v := range want.Gradients {
		got := summary(g.Parameters[name].Data)
		scale := max(v[0], 1e-3*largest) // a gradient that is zero but for rounding has no relative error
		near(t, "gradient of "+name+" (norm)", got[0], v[0], scale, tolerance)
		near(t, "gradient of "+name+" (product)", got[1], v[1], scale, tolerance)
	}
}

// pick makes a data set of a batch.
func pick(d *nn.Dataset, b nn.Batch) *nn.Dataset {
	take := func(a nn.Array) nn.Array {
		if a.Len() == 0 {
			return nn.Array{}
		}
		out := nn.Array{Shape: append([]int{len(b.Indices)}, a.Shape[1:]...)}
		for _, i := range b.Indices {
			out.Data = append(out.Data, a.Sample(int(i))...)
		}
		return out
	}
	out := &nn.Dataset{Inputs: take(d.Inputs), Targets: take(d.Targets)}
	for _, i := range b.Indices {
		if d.Labels != nil {
			out.Labels = append(out.Labels, d.Labels[i])
		}
	}
	return out
}
