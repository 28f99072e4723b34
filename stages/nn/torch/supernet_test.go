package torch

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/racetest"
)

// patterned draws images of four classes: noise, with nothing, rows, columns or
// a chequered board.
func patterned(t testing.TB, count int, seed uint64) *nn.Dataset {
	t.Helper()
	const side = 12
	r := nn.Stream(seed, "test images", 0)
	d := &nn.Dataset{Inputs: nn.Array{Shape: []int{count, 1, side, side}, Data: make([]float32, count*side*side)}}
	for s := range count {
		class := r.IntN(4)
		d.Labels = append(d.Labels, int32(class))
		for i := range d.Inputs.Sample(s) {
			v := r.NormFloat64()
			if rows, columns := class>>1, class&1; class > 0 && (rows*(i/side)+columns*(i%side))%2 == 0 {
				v += 3
			}
			d.Inputs.Sample(s)[i] = float32(v)
		}
	}
	return d
}

func supernetJob(t testing.TB, algorithm Algorithm) *SupernetJob {
	o := DefaultSupernetOptions()
	o.Epochs, o.Candidates = 3, 10
	return &SupernetJob{
		Algorithm: algorithm, Options: o, Seed: 1, Train: patterned(t, 512, 1), Valid: patterned(t, 256, 2),
		Network: nn.CellNetwork{Form: nn.Point, Input: nn.Shape{Channels: 1, Height: 12, Width: 12}, Channels: 8, Cells: 1, Outputs: 4, Init: nn.InitDefault},
	}
}

func search(t testing.TB, e *Engine, job *SupernetJob, hooks SupernetHooks) *SupernetResult {
	t.Helper()
	r, err := e.Supernet(context.Background(), job, hooks)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSupernets(t *testing.T) {
	racetest.Skip(t, "what computes is a Python process; others of these tests start one")
	e := newEngine(t, Options{})
	for _, algorithm := range []Algorithm{DARTS, GDAS, Random} {
		t.Run(string(algorithm), func(t *testing.T) {
			steps := 0
			r := search(t, e, supernetJob(t, algorithm), SupernetHooks{Step: func(int, int) { steps++ }})
			if steps != 24 || len(r.Epochs) != 3 {
				t.Errorf("%d steps, %d epochs", steps, len(r.Epochs))
			}
			// The random search's losses are those of other cells in each step, some
			// of which pass no signal.
			losses := []float64{r.Epochs[0].TrainLoss, r.Epochs[1].TrainLoss, r.Epochs[2].TrainLoss}
			if min(losses[1], losses[2]) >= 0.97*losses[0] {
				t.Errorf("the supernet's losses are %v", losses)
			}
			if err := r.Cell.Validate(); err != nil {
				t.Error(err)
			}
			if got, want := r.Epochs[2].LearningRate, 0.001+0.024*0.25; relative(got, want) > 1e-12 {
				t.Errorf("learning rate of the last epoch %v, want %v", got, want)
			}
			moved := r.Epochs[0].Logits != r.Epochs[2].Logits
			if moved != (algorithm != Random) {
				t.Errorf("the logits moved: %v", moved)
			}
			if algorithm == Random {
				checkCandidates(t, r)
			} else {
				checkLogits(t, r)
			}
		})
	}
}

func checkLogits(t *testing.T, r *SupernetResult) {
	t.Helper()
	last := r.Epochs[2]
	if r.Logits != last.Logits || last.ValidLoss == nil || last.CellMetric == nil {
		t.Fatalf("logits %v after the epochs %v", r.Logits, r.Epochs)
	}
	if r.Cell != r.Logits.Cell() || r.Metric != *last.CellMetric || r.Metric < 0 || r.Metric > 1 {
		t.Errorf("cell %s with metric %v of the logits %v", r.Cell, r.Metric, r.Logits)
	}
}

func checkCandidates(t *testing.T, r *SupernetResult) {
	t.Helper()
	if len(r.Candidates) != 10 {
		t.Fatalf("%d candidates", len(r.Candidates))
	}
	least := r.Candidates[0]
	for _, c := range r.Candidates {
		if c.Metric < least.Metric || c.Metric == least.Metric && c.Loss < least.Loss {
			least = c
		}
	}
	if least.Cell != r.Cell || least.Metric != r.Metric || least.Metric < 0 || least.Metric > 1 {
		t.Errorf("cell %s of the candidates %v", r.Cell, r.Candidates)
	}
}

// The weights of what a search never trains stay: scale and shift of batch
// normalisation. A search that is cancelled goes on with equal bits.
func TestSupernetGoesOnWithEqualBits(t *testing.T) {
	e := newEngine(t, Options{})
	job := supernetJob(t, GDAS)
	whole := search(t, e, job, SupernetHooks{})
	job.Checkpoint = filepath.Join(t.TempDir(), "checkpoint")
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := e.Supernet(ctx, job, SupernetHooks{Epoch: func(SupernetEpoch) { cancel() }}); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	resumed := search(t, e, job, SupernetHooks{})
	if resumed.Resumed < 1 {
		t.Errorf("%d epochs were resumed", resumed.Resumed)
	}
	resumed.Resumed = 0
	if diff := cmp.Diff(whole, resumed); diff != "" {
		t.Errorf("the resumed search differs: %s", diff)
	}
	for name, w := range whole.Weights {
		if strings.HasSuffix(name, ".bn.weight") && w.Data[0] != 1 {
			t.Errorf("%s was trained", name)
		}
	}
}

// Where each edge has one operation chosen, the supernet is the cell's
// network: the cell's loss with the shared weights is that of the network by
// itself.
func TestSupernetHoldsTheCell(t *testing.T) {
	racetest.Skip(t, "what computes is a Python process; others of these tests start one")
	e := newEngine(t, Options{})
	for _, algorithm := range []Algorithm{DARTS, Random} {
		job := supernetJob(t, algorithm)
		job.Options.Epochs, job.Options.Candidates, job.Options.ValidationSamples = 1, 1, 256
		job.Options.Precision = nn.Float64
		r := search(t, e, job, SupernetHooks{})
		network := job.Network
		network.Cell = r.Cell
		n := build(t, network)
		g, err := e.Gradients(context.Background(), &nn.GradientJob{
			Network: n, Weights: cellWeights(t, n, r), Data: job.Valid, Loss: nn.CrossEntropy, Precision: nn.Float64,
		})
		if err != nil {
			t.Fatal(err)
		}
		if relative(g.Loss, r.Loss) > 1e-10 {
			t.Errorf("%s: the cell's loss is %v, the network's %v", algorithm, r.Loss, g.Loss)
		}
	}
}

// cellWeights are the shared weights that the cell's network has.
func cellWeights(t *testing.T, n *nn.Network, r *SupernetResult) nn.Weights {
	t.Helper()
	weights := nn.Weights{}
	for _, list := range [][]nn.Parameter{n.Parameters, n.Buffers} {
		for _, p := range list {
			shared, ok := r.Weights[p.Name]
			if !ok {
				shared, ok = r.Weights[sharedName(p.Name, r.Cell)]
			}
			if !ok {
				t.Fatalf("the supernet has no %s", p.Name)
			}
			weights[p.Name] = shared
		}
	}
	return weights
}

// sharedName is the supernet's name of a cell network's parameter.
func sharedName(name string, cell nas.Cell) string {
	for i, e := range nas.Edges() {
		edge := ".edge" + e.String()
		name = strings.Replace(name, edge, edge+"."+cell[i].String(), 1)
	}
	return name
}

func TestSupernetOptions(t *testing.T) {
	e := newEngine(t, Options{Python: fake(t, "exit 1")})
	for want, change := range map[string]func(*SupernetJob){
		`unknown algorithm "enas"`:   func(j *SupernetJob) { j.Algorithm = "enas" },
		"no validation data":         func(j *SupernetJob) { j.Valid = nil },
		"final_rate is 1":            func(j *SupernetJob) { j.Options.FinalRate = 1 },
		"clip is 0":                  func(j *SupernetJob) { j.Options.Clip = 0 },
		"the rate must be over 0":    func(j *SupernetJob) { j.Options.Architecture.LearningRate = 0 },
		"the temperatures are 0":     func(j *SupernetJob) { j.Algorithm, j.Options.FirstTemperature = GDAS, 0 },
		"0 candidates":               func(j *SupernetJob) { j.Algorithm, j.Options.Candidates = Random, 0 },
		"by 0 validation samples":    func(j *SupernetJob) { j.Options.ValidationSamples = 0 },
		"epochs is 0":                func(j *SupernetJob) { j.Options.Epochs = 0 },
		"cell network of form":       func(j *SupernetJob) { j.Network.Form = "line" },
		"validation data inputs: a ": func(j *SupernetJob) { j.Valid.Inputs.Shape = []int{256, 1, 6, 24} },
	} {
		job := supernetJob(t, DARTS)
		change(job)
		if _, err := e.Supernet(context.Background(), job, SupernetHooks{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
