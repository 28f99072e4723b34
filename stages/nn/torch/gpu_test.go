package torch

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/pythontest"
)

// onGPU skips a test of what only a GPU can show. With NBPIPE_TEST_DEVICE=cuda all
// other tests of this package run there, too.
func onGPU(t *testing.T) *Engine {
	t.Helper()
	if pythontest.Device() != string(CUDA) {
		t.Skip("SKIPPED: it needs a GPU; set NBPIPE_TEST_DEVICE=cuda where there is one")
	}
	return newEngine(t, Options{})
}

// Every kind of network, in each arithmetic, gives the same bits twice.
func TestGPURepeatsBits(t *testing.T) {
	e := onGPU(t)
	jobs := parityJobs(t)
	full := nas.Cell{nas.NorConv3x3, nas.AvgPool3x3, nas.NorConv1x1, nas.SkipConnect, nas.AvgPool3x3, nas.NorConv3x3}
	n := build(t, nn.CellNetwork{Cell: full, Form: nn.Point, Input: nn.Shape{Channels: 3, Height: 32, Width: 32}, Channels: 16, Cells: 5, Outputs: 100, Init: nn.InitDefault})
	jobs["full"] = &nn.Job{Network: n, Recipe: recipe(nn.CrossEntropy, nn.Float32), Seed: 1, Train: samples(t, n, 512, 1), Valid: samples(t, n, 100, 2)}
	jobs["full"].Recipe.Epochs, jobs["full"].Recipe.BatchSize = 2, 128
	for name, job := range jobs {
		for _, precision := range []nn.Precision{nn.Float32, nn.Mixed} {
			t.Run(name+"/"+string(precision), func(t *testing.T) {
				job := *job
				job.Recipe.Precision = precision
				a, b := train(t, e, &job, nn.Hooks{}), train(t, e, &job, nn.Hooks{})
				if !cmp.Equal(a.Epochs, b.Epochs) || !cmp.Equal(a.Weights, b.Weights) {
					t.Error("two runs differ")
				}
			})
		}
	}
}

// A batch that the GPU's memory cannot hold is told as such.
func TestGPUOutOfMemory(t *testing.T) {
	e := onGPU(t)
	n := build(t, nn.WideResNet{Form: nn.Dense, Input: nn.Shape{Channels: 1, Height: 1024, Width: 1024}, Depth: 40, Width: 16, Outputs: 1, Init: nn.InitKaiming})
	job := &nn.Job{Network: n, Recipe: recipe(nn.MSE, nn.Float32), Train: samples(t, n, 64, 1)}
	job.Recipe.BatchSize = 64
	_, err := e.Train(context.Background(), job, nn.Hooks{})
	var failure *Error
	if !errors.As(err, &failure) || failure.Kind != OutOfMemory {
		t.Errorf("error %v", err)
	}
	t.Log(err)
}
