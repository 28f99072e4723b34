package torch

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/pythontest"
	"github.com/nbpipe/nbpipe/stages/racetest"
)

func TestTrainingLowersTheLoss(t *testing.T) {
	e := newEngine(t, Options{})
	for _, job := range []*nn.Job{pointJob(t), denseJob(t)} {
		job.Recipe.Epochs = 12
		steps, total := 0, 12*((job.Train.Len()+7)/8)
		r := train(t, e, job, nn.Hooks{Step: func(done, of int) {
			if steps++; done != steps || of != total {
				t.Errorf("step %d of %d was told as %d of %d", steps, total, done, of)
			}
		}})
		if steps != total {
			t.Errorf("%d steps were told of %d", steps, total)
		}
		if r.Epochs[11].TrainLoss > 0.9*r.Epochs[0].TrainLoss {
			t.Errorf("the loss went from %v to %v", r.Epochs[0].TrainLoss, r.Epochs[11].TrainLoss)
		}
		if got, want := r.Epochs[3].LearningRate, job.Recipe.LearningRate(3); got != want {
			t.Errorf("learning rate %v, want %v", got, want)
		}
		live := r.Weights["stem.conv.weight"]
		if start := nn.InitialWeights(job.Network, job.Seed); cmp.Equal(live, start["stem.conv.weight"]) {
			t.Error("the stem did not move")
		}
	}
}

// One step of each kind of the optimiser, from gradients that
// TestGradientsAgainstDifferences has checked.
func TestOptimiserSteps(t *testing.T) {
	racetest.Skip(t, "what computes is a Python process; others of these tests start one")
	e := newEngine(t, Options{})
	job := denseJob(t)
	job.Recipe = recipe(nn.MSE, nn.Float64)
	job.Recipe.Epochs, job.Recipe.BatchSize = 2, job.Train.Len()
	job.Recipe.Optimizer = nn.Optimizer{LearningRate: 0.1, Momentum: 0.8, Nesterov: true, WeightDecay: 0.01}
	w := nn.InitialWeights(job.Network, job.Seed)
	velocity := map[string][]float64{}
	for epoch := range job.Recipe.Epochs {
		g, err := e.Gradients(context.Background(), &nn.GradientJob{Network: job.Network, Weights: w, Data: job.Train, Loss: nn.MSE, Precision: nn.Float64})
		if err != nil {
			t.Fatal(err)
		}
		next := g.Buffers
		for _, p := range job.Network.Parameters {
			moved := nn.Tensor{Shape: p.Shape, Data: slices.Clone(w[p.Name].Data)}
			if velocity[p.Name] == nil {
				velocity[p.Name] = make([]float64, p.Size())
			}
			for i := range moved.Data {
				d := g.Parameters[p.Name].Data[i] + 0.01*moved.Data[i]
				velocity[p.Name][i] = 0.8*velocity[p.Name][i] + d
				moved.Data[i] -= job.Recipe.LearningRate(epoch) * (d + 0.8*velocity[p.Name][i])
			}
			next[p.Name] = moved
		}
		w = next
	}
	got := train(t, e, job, nn.Hooks{}).Weights
	dead := deadParameters(job.Network)
	for name, want := range w {
		for i, v := range want.Data {
			if dead[name] {
				v = nn.InitialWeights(job.Network, job.Seed)[name].Data[i]
			}
			if math.Abs(got[name].Data[i]-v) > 1e-10 {
				t.Fatalf("%s[%d] is %v, want %v", name, i, got[name].Data[i], v)
			}
		}
	}
}

func deadParameters(n *nn.Network) map[string]bool {
	dead := map[string]bool{}
	for _, p := range n.Parameters {
		dead[p.Name] = true
	}
	for _, node := range n.Live() {
		delete(dead, node.Weight)
		delete(dead, node.Bias)
	}
	return dead
}

// richJob has all that a checkpoint might forget: dropout, augmentation,
// momentum, running statistics.
func richJob(t testing.TB) *nn.Job {
	n := build(t, nn.WideResNet{Form: nn.Point, Input: nn.Shape{Channels: 1, Height: 8, Width: 8}, Depth: 10, Width: 1, Outputs: 3, Dropout: 0.3, Init: nn.InitKaiming})
	job := &nn.Job{Network: n, Recipe: recipe(nn.CrossEntropy, nn.Float32), Seed: 11, Train: samples(t, n, 50, 5), Valid: samples(t, n, 9, 6)}
	job.Recipe.Epochs = 6
	job.Recipe.Augmentation = nn.Augmentation{Crop: 1, Flip: true, Cutout: 2}
	return job
}

// noting is an interpreter that notes its process's number.
func noting(t *testing.T) (interpreter, note string) {
	t.Helper()
	note = filepath.Join(t.TempDir(), "pid")
	return program(t, "echo $$ > "+note+"\nexec "+python(t)+` "$@"`), note
}

func kill(t *testing.T, note string) {
	t.Helper()
	text, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Logf("process %d: %v", pid, err) // it was faster
	}
}

func TestKilledTrainingGoesOnWithEqualBits(t *testing.T) {
	interpreter, note := noting(t)
	e := newEngine(t, Options{Python: interpreter, Device: Device(pythontest.Device())})
	job := richJob(t)
	whole := train(t, e, job, nn.Hooks{})
	job.Checkpoint = filepath.Join(t.TempDir(), "checkpoint")
	resumed, kills := -1, 0
	for _, step := range []int{1, 12, 20, 36} {
		r, err := e.Train(context.Background(), job, nn.Hooks{Step: func(done, _ int) {
			if done == step {
				kill(t, note)
			}
		}})
		if err == nil {
			resumed = r.Resumed
			continue // it was faster than the kill
		}
		kills++
		var failure *Error
		if !errors.As(err, &failure) || failure.Kind != OutOfMemory {
			t.Fatalf("error %v", err)
		}
	}
	t.Logf("%d kills", kills)
	if kills == 0 {
		t.Error("the training was never killed")
	}
	// What a kill within the writing of a checkpoint leaves.
	if err := os.WriteFile(job.Checkpoint+".partial", []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	var told []int
	last := train(t, e, job, nn.Hooks{Epoch: func(m nn.EpochMetrics) { told = append(told, m.Epoch) }})
	if resumed = max(resumed, last.Resumed); resumed < 1 {
		t.Errorf("%d epochs were resumed", resumed)
	}
	if !slices.Equal(told, []int{0, 1, 2, 3, 4, 5}) {
		t.Errorf("the hook was told of the epochs %v", told)
	}
	last.Resumed = 0
	if diff := cmp.Diff(whole, last); diff != "" {
		t.Errorf("the resumed training differs: %s", diff)
	}
	if left, _ := filepath.Glob(job.Checkpoint + "?*"); len(left) > 0 {
		t.Errorf("left beside the checkpoint: %v", left)
	}
	finished := train(t, e, job, nn.Hooks{}) // from the checkpoint alone
	if finished.Resumed != 6 || !cmp.Equal(finished.Weights, whole.Weights) {
		t.Errorf("a finished checkpoint gives %d epochs, and other weights: %v", finished.Resumed, !cmp.Equal(finished.Weights, whole.Weights))
	}
}

// TestHelperTrains is nbpipe itself in TestPythonEndsWithNbpipe.
func TestHelperTrains(t *testing.T) {
	checkpoint := os.Getenv("NBPIPE_TEST_CHECKPOINT")
	if checkpoint == "" {
		t.Skip("runs as the process of another test")
	}
	e, err := New(Options{Python: os.Getenv("NBPIPE_TEST_INTERPRETER"), Environment: os.Environ(), Scratch: filepath.Dir(checkpoint), Device: Device(pythontest.Device())})
	if err != nil {
		t.Fatal(err)
	}
	job := richJob(t)
	job.Recipe.Epochs = 10000
	job.Checkpoint = checkpoint
	_, err = e.Train(context.Background(), job, nn.Hooks{})
	t.Fatal("the training ended:", err)
}

func TestPythonEndsWithNbpipe(t *testing.T) {
	interpreter, note := noting(t)
	checkpoint := filepath.Join(t.TempDir(), "checkpoint")
	c := exec.Command(os.Args[0], "-test.run=^TestHelperTrains$")
	c.Env = append(os.Environ(), "NBPIPE_TEST_CHECKPOINT="+checkpoint, "NBPIPE_TEST_INTERPRETER="+interpreter)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		if _, err := os.Stat(checkpoint); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	pid, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	if !gone(strings.TrimSpace(string(pid))) {
		t.Error("Python outlives nbpipe")
	}
	job := richJob(t)
	job.Recipe.Epochs = 10000
	e := newEngine(t, Options{Python: python(t)})
	version, err := e.Version(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	digest, err := job.Digest(version)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := nn.LoadCheckpoint(checkpoint, digest, job.Network)
	if err != nil || saved == nil || len(saved.Epochs) < 1 || len(saved.Velocity) != len(job.Network.Parameters) {
		t.Errorf("the checkpoint that is left is %v; %v", saved, err)
	}
}

func TestDivergedTraining(t *testing.T) {
	e := newEngine(t, Options{})
	job := denseJob(t)
	job.Train.Inputs.Data[5] = float32(math.NaN())
	_, err := e.Train(context.Background(), job, nn.Hooks{})
	var diverged *nn.DivergedError
	if !errors.As(err, &diverged) || diverged.Epoch != 0 || !math.IsNaN(diverged.Loss) {
		t.Fatalf("error %v", err)
	}
	at := 0
	for i, b := range nn.Batches(job.Seed, 0, job.Train, &job.Recipe, job.Network.Input) {
		if slices.Contains(b.Indices, 0) {
			at = i
		}
	}
	if diverged.Step != at {
		t.Errorf("step %d, want %d", diverged.Step, at)
	}
}

// The machine's memory ends before the activations of this batch fit.
func TestOutOfMemory(t *testing.T) {
	e := newEngine(t, Options{Python: program(t, "ulimit -d 1200000\nexec "+python(t)+` "$@"`)})
	n := build(t, nn.WideResNet{Form: nn.Dense, Input: nn.Shape{Channels: 1, Height: 128, Width: 128}, Depth: 10, Width: 1, Outputs: 1, Init: nn.InitKaiming})
	job := &nn.Job{Network: n, Recipe: recipe(nn.MSE, nn.Float32), Train: samples(t, n, 256, 1)}
	job.Recipe.BatchSize = 256
	_, err := e.Train(context.Background(), job, nn.Hooks{})
	var failure *Error
	if !errors.As(err, &failure) || failure.Kind != OutOfMemory {
		t.Errorf("error %v", err)
	}
}

// Mixed precision trains, to figures near those of float32.
func TestMixedPrecision(t *testing.T) {
	e := newEngine(t, Options{})
	job := pointJob(t)
	single := train(t, e, job, nn.Hooks{})
	job.Recipe.Precision = nn.Mixed
	mixed := train(t, e, job, nn.Hooks{})
	a, b := single.Epochs[0].TrainLoss, mixed.Epochs[0].TrainLoss
	if a == b || relative(a, b) > 0.05 {
		t.Errorf("the first epoch's loss is %v in float32 and %v in mixed precision", a, b)
	}
}

// Evaluation of the trained weights gives the figures of the last epoch, in
// batches of any size, and from an .npy file.
func TestEvaluate(t *testing.T) {
	e := newEngine(t, Options{})
	job := denseJob(t)
	r := train(t, e, job, nn.Hooks{})
	path := filepath.Join(t.TempDir(), "inputs.npy")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(npy.Write(f, npy.Header{Type: npy.Float32, Shape: job.Valid.Inputs.Shape}, job.Valid.Inputs.Data), f.Close()); err != nil {
		t.Fatal(err)
	}
	job.Valid.Inputs.Path = path
	got, err := e.Evaluate(context.Background(), &nn.Evaluation{Network: job.Network, Weights: r.Weights, Data: job.Valid, BatchSize: 3,
		Loss: nn.RelativeL2, Metric: nn.MetricRelativeL2, Precision: nn.Float32, Outputs: true})
	if err != nil {
		t.Fatal(err)
	}
	if want := *r.Epochs[3].ValidLoss; relative(got.Loss, want) > 1e-6 || relative(got.Metric, *r.Epochs[3].ValidMetric) > 1e-6 {
		t.Errorf("loss %v, metric %v, want %v", got.Loss, got.Metric, want)
	}
	mean := 0.0
	for s := range got.Outputs.Len() {
		over, under := 0.0, 0.0
		for i, v := range got.Outputs.Sample(s) {
			target := float64(job.Valid.Targets.Sample(s)[i])
			over, under = over+(float64(v)-target)*(float64(v)-target), under+target*target
		}
		mean += math.Sqrt(over/under) / float64(got.Outputs.Len())
	}
	if relative(mean, got.Metric) > 1e-5 {
		t.Errorf("the outputs give a metric of %v, not %v", mean, got.Metric)
	}
}

// A file that is not what the array says fails with its name.
func TestArrayFileOfAnotherShape(t *testing.T) {
	e := newEngine(t, Options{})
	job := denseJob(t)
	job.Train.Inputs.Path = filepath.Join(t.TempDir(), "short.npy")
	f, err := os.Create(job.Train.Inputs.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(npy.Write(f, npy.Header{Type: npy.Float32, Shape: []int{2}}, []float32{1, 2}), f.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = e.Train(context.Background(), job, nn.Hooks{})
	if err == nil || !strings.Contains(err.Error(), "short.npy holds an array of shape [2], not [20, 1, 6, 7]") {
		t.Errorf("error %v", err)
	}
}
