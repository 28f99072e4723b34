package gorgonia

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// mustTrain trains, and fails the test on an error.
func mustTrain(t *testing.T, e *Engine, job *nn.Job, hooks nn.Hooks) *nn.Result {
	t.Helper()
	r, err := e.Train(t.Context(), job, hooks)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// smallJob is the training of the first scenario in float32, with validation.
func smallJob(t *testing.T) *nn.Job {
	job := scenarios[0].job(t, nn.Float32)
	job.Valid = job.Train
	job.Recipe.Augmentation = nn.Augmentation{Crop: 1, Flip: true, Cutout: 2}
	return job
}

// Equal jobs give equal bits, on any number of threads.
func TestTrainingIsReproducible(t *testing.T) {
	for _, s := range []scenario{scenarios[0], scenarios[2], scenarios[5]} {
		for _, set := range sets() {
			job := s.job(t, nn.Float32)
			job.Recipe.Epochs = 2
			want := mustTrain(t, WithKernel(set), job, nn.Hooks{})
			for _, threads := range []int{1, 3, 8} {
				job.Threads = threads
				got := mustTrain(t, WithKernel(set), job, nn.Hooks{})
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s, %s, %d threads: %.300s", s.name, set.Name, threads, diff)
				}
			}
		}
	}
}

func TestOtherSeedsGiveOtherWeights(t *testing.T) {
	job := smallJob(t)
	first := mustTrain(t, New(), job, nn.Hooks{})
	job.Seed++
	if cmp.Equal(first.Weights, mustTrain(t, New(), job, nn.Hooks{}).Weights) {
		t.Error("another seed gives the same weights")
	}
}

// A training that was interrupted after any epoch, or in its middle, ends with
// the bits of one that was not.
func TestResumedTrainingGivesTheSameBits(t *testing.T) {
	job := smallJob(t)
	job.Network = withDropout(t)
	want := mustTrain(t, New(), job, nn.Hooks{})
	for _, stop := range []int{1, 3, 4, 20} {
		job.Checkpoint = filepath.Join(t.TempDir(), "checkpoint")
		ctx, cancel := context.WithCancel(t.Context())
		_, err := New().Train(ctx, job, nn.Hooks{Step: func(done, _ int) {
			if done == stop {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped after step %d: %v", stop, err)
		}
		epochs := 0
		got := mustTrain(t, New(), job, nn.Hooks{Epoch: func(nn.EpochMetrics) { epochs++ }})
		if got.Resumed != (stop-1)/3 || epochs != job.Recipe.Epochs {
			t.Errorf("stopped after step %d: %d epochs resumed, %d told", stop, got.Resumed, epochs)
		}
		got.Resumed = 0
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stopped after step %d (-whole +resumed): %.300s", stop, diff)
		}
	}
}

// withDropout is a network whose dropout masks must be the same after a resume.
func withDropout(t *testing.T) *nn.Network {
	t.Helper()
	s := newSketch(nn.Shape{Channels: 3, Height: 8, Width: 8})
	x := s.unary(nn.OpReLU, s.norm(s.conv(nn.InputName, 3, 4, [2]int{3, 3}, one, one, nn.Pad(1)), 4))
	x = s.add(nn.Node{Op: nn.OpDropout, Inputs: []string{x}, Rate: 0.5})
	s.linear(s.unary(nn.OpGlobalAvgPool, x), 4, 3)
	if err := s.n.Validate(); err != nil {
		t.Fatal(err)
	}
	return &s.n
}

func TestCheckpointsOfOtherJobsAreLeftAlone(t *testing.T) {
	job := smallJob(t)
	job.Checkpoint = filepath.Join(t.TempDir(), "checkpoint")
	mustTrain(t, New(), job, nn.Hooks{})
	job.Recipe.Optimizer.LearningRate *= 2
	if r := mustTrain(t, New(), job, nn.Hooks{}); r.Resumed != 0 {
		t.Errorf("%d epochs of another recipe were taken over", r.Resumed)
	}
	if err := os.WriteFile(job.Checkpoint, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New().Train(t.Context(), job, nn.Hooks{}); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("a torn checkpoint: %v", err)
	}
}

func TestDivergedTrainingSaysSo(t *testing.T) {
	job := smallJob(t)
	job.Recipe.Optimizer.LearningRate = 1e30
	_, err := New().Train(t.Context(), job, nn.Hooks{})
	var diverged *nn.DivergedError
	if !errors.As(err, &diverged) || !strings.Contains(err.Error(), "smaller learning_rate") {
		t.Errorf("error %v", err)
	}

	job = smallJob(t)
	job.Train.Inputs.Data[5] = float32(math.NaN())
	job.Valid = nil
	_, err = New().Train(t.Context(), job, nn.Hooks{})
	if !errors.As(err, &diverged) || diverged.Epoch != 0 || !strings.Contains(err.Error(), "not a number") {
		t.Errorf("a pixel that is no number: %v", err)
	}
}

func TestJobsThatDoNotFit(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*nn.Job)
		want   string
	}{
		"mixed precision":   {func(j *nn.Job) { j.Recipe.Precision = nn.Mixed }, "the engine to torch"},
		"label too large":   {func(j *nn.Job) { j.Train.Labels[3] = 7 }, "label 7 of sample 3"},
		"other image":       {func(j *nn.Job) { j.Train.Inputs.Shape = []int{10, 3, 4, 16} }, "[3 4 16]"},
		"too few labels":    {func(j *nn.Job) { j.Train.Labels = j.Train.Labels[:4] }, "10 inputs and 4 labels"},
		"no samples":        {func(j *nn.Job) { j.Train = &nn.Dataset{} }, "no samples"},
		"missing weight":    {func(j *nn.Job) { j.Weights = nn.Weights{} }, "is missing"},
		"decoded logits":    {func(j *nn.Job) { j.Decoding = &nn.Decoding{} }, "logits"},
		"another loss":      {func(j *nn.Job) { j.Recipe.Loss, j.Recipe.Metric = nn.MSE, nn.MetricMSE }, "10 inputs and 0 targets"},
		"no batches":        {func(j *nn.Job) { j.Recipe.BatchSize = 0 }, "batch_size is 0"},
		"metric of classes": {func(j *nn.Job) { j.Recipe.Metric = nn.MetricMSE }, "does not go with"},
	} {
		t.Run(name, func(t *testing.T) {
			job := scenarios[0].job(t, nn.Float32)
			test.change(job)
			if _, err := New().Train(t.Context(), job, nn.Hooks{}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// Each step needs the memory of the one before it.
func TestMemoryIsFlat(t *testing.T) {
	job := smallJob(t)
	job.Recipe.Epochs = 400 // 1,200 steps
	var early, late runtime.MemStats
	mustTrain(t, New(), job, nn.Hooks{Step: func(done, _ int) {
		switch done {
		case 30:
			runtime.GC()
			runtime.ReadMemStats(&early)
		case 1200:
			runtime.GC()
			runtime.ReadMemStats(&late)
		}
	}})
	// The history of epochs grows: some hundred bytes each.
	if grown := int64(late.HeapAlloc) - int64(early.HeapAlloc); grown > 400*500 {
		t.Errorf("the heap grew by %d bytes from step 30 to 1,200", grown)
	}
}

func TestEvaluationDoesNotDependOnTheBatchSize(t *testing.T) {
	job := scenarios[2].job(t, nn.Float32)
	w := nn.InitialWeights(job.Network, 4)
	var want *nn.Evaluated
	for _, size := range []int{10, 1, 3} {
		got, err := New().Evaluate(t.Context(), &nn.Evaluation{Network: job.Network, Weights: w, Data: job.Train, Decoding: job.Decoding, BatchSize: size,
			Loss: nn.RelativeL2, Metric: nn.MetricMSE, Precision: nn.Float32, Outputs: true})
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("batches of %d (-of 10 +got): %s", size, diff)
		}
	}
	if fmt.Sprint(want.Outputs.Shape) != "[10 1 9 7]" || len(want.Outputs.Data) != 630 {
		t.Errorf("outputs of shape %v, %d elements", want.Outputs.Shape, len(want.Outputs.Data))
	}
}

// Products are the sums of z dz, here by the gradient of the loss along a
// scaling of one channel of z: for a convolution whose result nothing
// normalises, scaling its weights scales z.
func TestProducts(t *testing.T) {
	s := newSketch(nn.Shape{Channels: 2, Height: 5, Width: 4})
	plain := s.conv(nn.InputName, 2, 3, [2]int{3, 3}, one, one, nn.Pad(1))
	normed := s.conv(s.unary(nn.OpReLU, plain), 3, 2, [2]int{3, 3}, one, one, nn.Pad(1))
	s.conv(s.norm(normed, 2), 2, 2, one, one, one, nn.Padding{})
	j := gradientJob(t, s, nn.MSE, false)
	j.Products = []string{plain, normed}
	g, err := New().Gradients(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	weight := j.Weights["p0"]
	per := len(weight.Data) / 3
	for ch := range 3 {
		var along, sum float64
		for i := ch * per; i < (ch+1)*per; i++ {
			along += weight.Data[i] * g.Parameters["p0"].Data[i]
		}
		for image := range 3 {
			sum += g.Products[plain].Data[image*3+ch]
		}
		near(t, fmt.Sprintf("product of channel %d", ch), sum, along, max(math.Abs(along), 1e-3), 1e-10)
	}
	// Scaling what is normalised changes nothing but by epsilon.
	for ch := range 2 {
		var sum float64
		for image := range 3 {
			sum += g.Products[normed].Data[image*2+ch]
		}
		near(t, fmt.Sprintf("normalised product of channel %d", ch), sum, 0, 1, 1e-4)
	}
	if fmt.Sprint(g.Products[normed].Shape) != "[3 2]" {
		t.Errorf("products of shape %v", g.Products[normed].Shape)
	}
	j.Products = []string{"nothing"}
	if _, err := New().Gradients(t.Context(), j); err == nil || !strings.Contains(err.Error(), `"nothing"`) {
		t.Errorf("products of an unknown node: %v", err)
	}
}

// A result that nothing needs on the way back is kept for its products.
func TestProductsOfAValueThatIsOnlyAdded(t *testing.T) {
	s := newSketch(nn.Shape{Channels: 2, Height: 5, Width: 4})
	a := s.conv(nn.InputName, 2, 3, one, one, one, nn.Padding{})
	b := s.conv(nn.InputName, 2, 3, one, one, one, nn.Padding{})
	s.conv(s.join(nn.OpAdd, a, b), 3, 2, one, one, one, nn.Padding{})
	j := gradientJob(t, s, nn.MSE, false)
	j.Products = []string{a}
	g, err := New().Gradients(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	var along, sum float64
	for i, w := range j.Weights["p0"].Data {
		along += w * g.Parameters["p0"].Data[i]
	}
	for _, v := range g.Products[a].Data {
		sum += v
	}
	near(t, "sum of products", sum, along, math.Abs(along), 1e-10)
}

// The version names gorgonia's as go.mod requires it, and the kernels.
func TestVersion(t *testing.T) {
	text, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range sets() {
		v, err := WithKernel(set).Version(t.Context())
		if err != nil || !strings.HasSuffix(v, "kernel "+set.Name) {
			t.Errorf("version %q, %v", v, err)
		}
		if name, _, _ := strings.Cut(v, ","); !strings.Contains(string(text), strings.Replace(name, "gorgonia ", "gorgonia.org/gorgonia v", 1)+"\n") {
			t.Errorf("version %q is not in go.mod", v)
		}
	}
	if New().Name() != "gorgonia" {
		t.Error(New().Name())
	}
}

// The estimate is above what a training takes, and not far above.
func TestMemoryEstimate(t *testing.T) {
	for _, s := range scenarios {
		job := s.job(t, nn.Float32)
		session, err := newSession(job.Network, sets()[0], 1, nn.InitialWeights(job.Network, 1), s.loss, job.Decoding)
		if err != nil {
			t.Fatal(err)
		}
		p, err := session.program(samples, training, s.metric, false)
		if err != nil {
			t.Fatal(err)
		}
		p.load(job.Train, nn.Ordered(samples, samples)[0], nn.Augmentation{})
		if err := p.run(); err != nil {
			t.Fatal(err)
		}
		var taken int64
		for size, list := range session.arena.free {
			taken += 4 * int64(size*len(list))
		}
		weights := job.Network.ParameterCount()
		estimate, err := Memory(job.Network, samples, nn.Float32)
		if err != nil {
			t.Fatal(err)
		}
		if estimate -= fixedMemory; estimate < taken+4*5*weights || estimate > 3*taken+4*13*weights {
			t.Errorf("%s: %d bytes of values are taken, %d parameters, and %d bytes estimated", s.name, taken, weights, estimate)
		}
	}
}
