package torch

import (
	"context"
	"math"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/gorgonia"
	"github.com/nbpipe/nbpipe/stages/racetest"
)

// parityJobs are trainings that both engines have to do alike: 20 steps, each
// an epoch of its own, so that its loss is told.
func parityJobs(t *testing.T) map[string]*nn.Job {
	make := func(b interface{ Build() (*nn.Network, error) }, loss nn.Loss, count int) *nn.Job {
		n := build(t, b)
		job := &nn.Job{Network: n, Recipe: recipe(loss, nn.Float64), Seed: 9, Train: samples(t, n, count, 1), Valid: samples(t, n, 5, 2)}
		job.Recipe.Epochs, job.Recipe.BatchSize = 20, count
		return job
	}
	cell := nas.Cell{nas.NorConv3x3, nas.AvgPool3x3, nas.NorConv1x1, nas.SkipConnect, nas.AvgPool3x3, nas.NorConv3x3}
	jobs := map[string]*nn.Job{
		"point": make(nn.CellNetwork{Cell: cell, Form: nn.Point, Input: nn.Shape{Channels: 3, Height: 16, Width: 12}, Channels: 8, Cells: 1, Outputs: 10, Init: nn.InitDefault}, nn.CrossEntropy, 24),
		"dense": make(nn.CellNetwork{Cell: cell, Form: nn.Dense, Input: nn.Shape{Channels: 3, Height: 13, Width: 13}, Channels: 8, Cells: 1, Outputs: 1, Init: nn.InitDefault}, nn.RelativeL2, 8),
		"wide":  make(nn.WideResNet{Form: nn.Point, Input: nn.Shape{Channels: 3, Height: 12, Width: 12}, Depth: 10, Width: 1, Outputs: 4, Init: nn.InitKaiming}, nn.CrossEntropy, 16),
		"series": make(nn.ResNet1D{Input: nn.Shape{Channels: 2, Height: 1, Width: 50}, Middle: 8, Outputs: 3,
			Init: nn.InitKaiming}, nn.BCE, 16),
	}
	jobs["dropout"] = make(nn.WideResNet{Form: nn.Point, Input: nn.Shape{Channels: 3, Height: 12, Width: 12}, Depth: 10, Width: 1, Outputs: 4, Dropout: 0.3, Init: nn.InitKaiming}, nn.CrossEntropy, 16)
	jobs["point"].Recipe.Augmentation = nn.Augmentation{Crop: 2, Flip: true, Cutout: 4}
	jobs["dense"].Recipe.Optimizer.LearningRate = 0.01
	decoding, err := nn.PointwiseGaussian(samples(t, jobs["dense"].Network, 6, 5).Targets, 0.1)
	if err != nil {
		t.Fatal(err)
	}
	jobs["dense"].Decoding = decoding
	return jobs
}

// In float64 the engines' losses, metrics and weights agree over 20 steps.
func TestParityInFloat64(t *testing.T) {
	racetest.Skip(t, "what computes is a Python process; others of these tests start one")
	e := newEngine(t, Options{})
	for name, job := range parityJobs(t) {
		t.Run(name, func(t *testing.T) {
			theirs := train(t, e, job, nn.Hooks{})
			ours, err := gorgonia.New().Train(context.Background(), job, nn.Hooks{})
			if err != nil {
				t.Fatal(err)
			}
			most := 0.0
			for i, a := range ours.Epochs {
				b := theirs.Epochs[i]
				most = max(most, relative(a.TrainLoss, b.TrainLoss), relative(*a.ValidLoss, *b.ValidLoss))
				if relative(a.TrainMetric, b.TrainMetric) > 1e-8 || relative(*a.ValidMetric, *b.ValidMetric) > 1e-8 {
					t.Errorf("step %d: metrics %v, %v and %v, %v", i, a.TrainMetric, *a.ValidMetric, b.TrainMetric, *b.ValidMetric)
				}
			}
			t.Logf("losses of 20 steps differ by %.1e at most", most)
			if most > 1e-8 {
				t.Errorf("losses differ by %v", most)
			}
			for name, w := range ours.Weights {
				if d := distance(w, theirs.Weights[name]); d > 1e-7 {
					t.Errorf("%s differs by %v", name, d)
				}
			}
		})
	}
}

// In float32 the first step's loss and gradient norms agree. Later steps of
// two engines drift apart, as those of PyTorch itself do on another machine.
func TestParityInFloat32(t *testing.T) {
	e := newEngine(t, Options{})
	jobs := parityJobs(t)
	for _, name := range []string{"point", "dense"} {
		job := jobs[name]
		t.Run(name, func(t *testing.T) {
			ask := &nn.GradientJob{Network: job.Network, Weights: nn.InitialWeights(job.Network, job.Seed), Data: job.Train, Decoding: job.Decoding, Loss: job.Recipe.Loss, Precision: nn.Float32}
			theirs, err := e.Gradients(context.Background(), ask)
			if err != nil {
				t.Fatal(err)
			}
			ours, err := gorgonia.New().Gradients(context.Background(), ask)
			if err != nil {
				t.Fatal(err)
			}
			if relative(ours.Loss, theirs.Loss) > 1e-5 {
				t.Errorf("losses %v and %v", ours.Loss, theirs.Loss)
			}
			whole := 0.0
			for _, g := range ours.Parameters {
				whole = math.Hypot(whole, norm(g))
			}
			most := 0.0
			for name, g := range ours.Parameters {
				a, b := norm(g), norm(theirs.Parameters[name])
				// A shift that the next batch normalisation takes away has a gradient
				// of zero, of which rounding leaves a little.
				if max(a, b) > 1e-6*whole {
					most = max(most, relative(a, b))
				}
			}
			t.Logf("losses differ by %.1e, gradient norms by %.1e at most", relative(ours.Loss, theirs.Loss), most)
			if most > 1e-4 {
				t.Errorf("gradient norms differ by %v", most)
			}
		})
	}
}

func norm(t nn.Tensor) float64 {
	sum := 0.0
	for _, v := range t.Data {
		sum += v * v
	}
	return math.Sqrt(sum)
}

// distance is the norm of the difference over that of the first, or over a
// millionth: what should stay zero is moved by rounding.
func distance(a, b nn.Tensor) float64 {
	if len(a.Data) != len(b.Data) {
		return math.Inf(1)
	}
	sum := 0.0
	for i, v := range a.Data {
		sum += (v - b.Data[i]) * (v - b.Data[i])
	}
	return math.Sqrt(sum) / max(norm(a), 1e-6)
}
