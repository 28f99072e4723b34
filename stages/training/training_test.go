package training

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/torch"
	"github.com/nbpipe/nbpipe/stages/npy"
)

func TestDefaultsAreThePapers(t *testing.T) {
	for _, c := range []struct {
		network       Network
		task          string
		rate          float64
		batch, epochs int
		schedule      string
	}{
		{Cell, "ninapro", 0.1, 256, 200, "cosine []"},
		{Cell, "darcy_flow", 0.1, 16, 200, "cosine []"},
		{WideResNet, "cifar100", 0.1, 128, 200, "steps [60 120 160]"},
		{WideResNet, "spherical", 0.1, 128, 200, "steps [60 120 160]"},
		{WideResNet, "ninapro", 0.1, 128, 200, "steps [60 120 160]"},
		{WideResNet, "fsd50k", 0.1, 256, 200, "steps [60 120 160]"},
		{WideResNet, "darcy_flow", 0.001, 8, 200, "steps [60 120 160]"},
		{WideResNet, "psicov", 0.001, 8, 200, "steps [60 120 160]"},
		{WideResNet, "cosmic", 0.001, 8, 200, "steps [60 120 160]"},
		{ResNet1D, "ecg", 0.1, 256, 200, "steps [60 120 160]"},
		{ResNet1D, "deepsea", 0.1, 256, 200, "steps [60 120 160]"},
		{ResNet1D, "satellite", 0.1, 4096, 200, "steps [60 120 160]"},
		{Cell, "one's own", 0.1, 256, 200, "cosine []"},
	} {
		r, err := (&RecipeOptions{}).For(c.network, &Description{Task: c.task, Loss: nn.MSE, Metric: nn.MetricMSE})
		if err != nil {
			t.Fatal(err)
		}
		schedule := fmt.Sprint(r.Schedule.Name, " ", r.Schedule.Milestones)
		if r.Optimizer.LearningRate != c.rate || r.BatchSize != c.batch || r.Epochs != c.epochs || schedule != c.schedule {
			t.Errorf("%s on %s: %+v", c.network, c.task, r)
		}
		if o := r.Optimizer; o.Momentum != 0.9 || !o.Nesterov || o.WeightDecay != 5e-4 {
			t.Errorf("%s on %s: %+v", c.network, c.task, o)
		}
		want := map[string]nn.Augmentation{
			"cifar100": {Crop: 4, Flip: true, Cutout: 16},
			"cosmic":   {Levels: [2]float64{-0.9, 3}},
			"fsd50k":   {OneARecord: true, SpecAugment: 0.5, Noise: 0.75, NoiseShare: 0.5},
		}
		if r.Augmentation != want[c.task] {
			t.Errorf("%s: augmentation %+v", c.task, r.Augmentation)
		}
	}
}

func TestRecipesAreWhatTheBlockSays(t *testing.T) {
	epochs, zero, rate := 10, 0.0, 0.5
	r, err := (&RecipeOptions{Epochs: &epochs, Momentum: &zero, LearningRate: &rate, Schedule: "steps"}).For(Cell, &Description{Loss: nn.MSE, Metric: nn.MetricMSE})
	if err != nil {
		t.Fatal(err)
	}
	if r.Optimizer.Nesterov || r.Optimizer.LearningRate != 0.5 || !slices.Equal(r.Schedule.Milestones, []int{3, 6, 8}) || r.Schedule.Factor != 0.2 {
		t.Errorf("%+v", r)
	}
	if m := milestones(1); m != nil {
		t.Errorf("milestones %v of one epoch", m)
	}
	if m := milestones(4); !slices.Equal(m, []int{1, 2, 3}) {
		t.Errorf("milestones %v of four epochs", m)
	}
	steep := []int{5, 3}
	if _, err := (&RecipeOptions{Schedule: "steps", Milestones: steep}).For(Cell, &Description{Loss: nn.MSE, Metric: nn.MetricMSE}); err == nil || !strings.Contains(err.Error(), "milestones") {
		t.Errorf("falling milestones: %v", err)
	}
}

func TestArrange(t *testing.T) {
	data := []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	for _, c := range []struct {
		shape []int
		axes  []string
		want  string // shape and data, or an error
	}{
		{[]int{2, 2, 3}, nil, "[2 1 2 3] [0 1 2 3 4 5 6 7 8 9 10 11]"},
		{[]int{2, 2, 3}, []string{"sample", "width", "height"}, "[2 1 3 2] [0 3 1 4 2 5 6 9 7 10 8 11]"},
		{[]int{2, 3, 2}, []string{"sample", "time", "channel"}, "[2 2 1 3] [0 2 4 1 3 5 6 8 10 7 9 11]"},
		{[]int{2, 6}, []string{"sample", "time"}, "[2 1 1 6] [0 1 2 3 4 5 6 7 8 9 10 11]"},
		{[]int{2, 6}, nil, "[2 6] [0 1 2 3 4 5 6 7 8 9 10 11]"},
		{[]int{12}, nil, "[12 1] [0 1 2 3 4 5 6 7 8 9 10 11]"},
		{[]int{3, 2, 2}, []string{"height", "sample", "width"}, "[2 1 3 2] [0 1 4 5 8 9 2 3 6 7 10 11]"},
		{[]int{2, 6}, []string{"sample", "sample"}, "each once"},
		{[]int{2, 6}, []string{"height", "width"}, "none is sample"},
		{[]int{2, 6}, []string{"sample", "depth"}, "they are sample"},
		{[]int{2, 6}, []string{"sample"}, "has not the axes"},
		{[]int{1, 1, 1, 1, 12}, nil, "has not the axes"},
	} {
		a, err := arrange(data, c.shape, c.axes)
		got := fmt.Sprint(a.Shape, a.Data)
		if err != nil {
			got = err.Error()
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%v %v: %s, want %s", c.shape, c.axes, got, c.want)
		}
	}
}

// Statistics are of the samples that are trained on alone, outputs are decoded with
// them, and coordinates come after.
func TestPrepare(t *testing.T) {
	n, pixels := 6, 4
	data := func(scale float64) nn.Array {
		a := nn.Array{Shape: []int{n, 1, 2, 2}}
		for i := range n * pixels {
			a.Data = append(a.Data, float32(scale*float64(i*i%17)))
		}
		return a
	}
	d := &Data{
		Description: Description{
			Targets: &Array{}, Splits: Splits{Train: Range{0, 3}, Validation: Range{3, 2}, Test: Range{5, 1}}, Coordinates: true,
			Normalisation: Normalisation{Inputs: pointwise, Targets: pointwise, Epsilon: 1e-5},
		},
		inputs: data(1), targets: data(10),
	}
	p, err := d.Prepare([]string{Train})
	if err != nil {
		t.Fatal(err)
	}
	if p.Train.Len() != 3 || p.Valid.Len() != 2 || p.Test.Len() != 1 || p.Form != nn.Dense || p.Outputs != 1 || p.Input != (nn.Shape{Channels: 3, Height: 2, Width: 2}) {
		t.Fatalf("%+v", p)
	}
	for i := range pixels {
		mean := 0.0
		for s := range 3 {
			mean += float64(p.Train.Inputs.Sample(s)[i]) / 3
		}
		if math.Abs(mean) > 1e-6 {
			t.Errorf("pixel %d has mean %v among the samples trained on", i, mean)
		}
	}
	if got := p.Test.Inputs.Sample(0)[pixels:]; !slices.Equal(got, []float32{0, 0, 1, 1, 0, 1, 0, 1}) {
		t.Errorf("coordinates %v", got)
	}
	if got, want := p.Test.Targets.Data, data(10).Sample(5); !slices.Equal(got, want) {
		t.Errorf("targets %v became %v", want, got)
	}
	both, err := d.Prepare([]string{Train, Validation})
	if err != nil || both.Train.Len() != 5 || both.Valid != nil || slices.Equal(both.Decoding.Scale, p.Decoding.Scale) {
		t.Errorf("%+v, %v", both, err)
	}
	for i, v := range d.inputs.Data {
		if v != data(1).Data[i] {
			t.Fatal("the data themselves were changed")
		}
	}
	for _, fit := range [][]string{nil, {Test}, {Train, Train}} {
		if _, err := d.Prepare(fit); err == nil || !strings.HasPrefix(err.Error(), "fit: ") {
			t.Errorf("%v: %v", fit, err)
		}
	}
	d.Normalisation.Epsilon, d.inputs = 0, nn.Array{Shape: []int{n, 1, 2, 2}, Data: make([]float32, n*pixels)}
	if _, err := d.Prepare([]string{Train}); err == nil || !strings.Contains(err.Error(), "give an epsilon over 0") {
		t.Errorf("a constant pixel: %v", err)
	}
}

func TestSkeletonMemoryOfTheBenchmark(t *testing.T) {
	s := Skeleton{Channels: 16, Cells: 5, Stages: 3}
	if m := s.Memory(32); m < 1.4e9 || m > 1.6e9 {
		t.Errorf("%d bytes, measured were 1.5e9", m)
	}
}

// failing is an engine that fails as it is told.
type failing struct {
	err     error
	running *atomic.Int64
	most    *atomic.Int64
}

func (failing) Name() string                            { return "failing" }
func (failing) Version(context.Context) (string, error) { return "1", nil }
func (f failing) Train(_ context.Context, job *nn.Job, h nn.Hooks) (*nn.Result, error) {
	n := f.running.Add(1)
	defer f.running.Add(-1)
	for m := f.most.Load(); n > m && !f.most.CompareAndSwap(m, n); m = f.most.Load() {
	}
	h.Step(1, 1)
	if f.err != nil && job.Seed == 3 {
		return nil, f.err
	}
	return &nn.Result{Epochs: []nn.EpochMetrics{{}}}, nil
}
func (failing) Evaluate(context.Context, *nn.Evaluation) (*nn.Evaluated, error) {
	return &nn.Evaluated{}, nil
}
func (failing) Gradients(context.Context, *nn.GradientJob) (*nn.Gradients, error) { return nil, nil }

func tasks(t *testing.T, n int) []Task {
	t.Helper()
	s := Skeleton{Channels: 2, Cells: 1, Stages: 1}
	set := &nn.Dataset{Inputs: nn.Array{Shape: []int{4, 1, 4, 4}, Data: make([]float32, 64)}}
	p := &Prepared{Train: set, Test: set, Input: nn.Shape{Channels: 1, Height: 4, Width: 4}, Form: nn.Dense, Outputs: 1}
	network, err := s.Network(nas.At(0), p)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]Task, n)
	for i := range out {
		out[i] = Task{Name: fmt.Sprint(i), Network: network, Recipe: Defaults(Cell, ""), Data: p, Seed: uint64(i), Test: true}
	}
	return out
}

func TestTrainer(t *testing.T) {
	engine := failing{running: new(atomic.Int64), most: new(atomic.Int64)}
	tr := &Trainer{New: func() (nn.Engine, error) { return engine, nil }, Workers: 3, Threads: 1}
	done := 0
	if err := tr.Run(t.Context(), tasks(t, 10), func(int, *Trained) error { done++; return nil }); err != nil || done != 10 {
		t.Errorf("%d of 10 tasks done: %v", done, err)
	}
	if m := engine.most.Load(); m > 3 {
		t.Errorf("%d at a time", m)
	}
	tr.Memory = 1
	if err := tr.Run(t.Context(), tasks(t, 2), func(int, *Trained) error { return nil }); err == nil || !strings.HasPrefix(err.Error(), "batch_size: ") {
		t.Errorf("without memory: %v", err)
	}
	tr.Memory = tasks(t, 1)[0].memory()
	if n := tr.fitting(tasks(t, 5)); n != 1 {
		t.Errorf("%d trainings fit into the memory of one", n)
	}
	tr.Memory = 0
	full := errors.New("the disk is full")
	if err := tr.Run(t.Context(), tasks(t, 4), func(int, *Trained) error { return full }); !errors.Is(err, full) {
		t.Errorf("error %v", err)
	}
	tr.New = func() (nn.Engine, error) { return nil, full }
	if err := tr.Run(t.Context(), tasks(t, 4), func(int, *Trained) error { return nil }); !errors.Is(err, full) {
		t.Errorf("error %v", err)
	}
}

func TestErrorsNameTheAttribute(t *testing.T) {
	for attribute, err := range map[string]error{
		"learning_rate": &nn.DivergedError{Loss: math.NaN()}, "python": &torch.Error{Kind: torch.NoTorch, Message: "x"},
		"batch_size": &torch.Error{Kind: torch.OutOfMemory, Message: "x"}, "device": &torch.Error{Kind: torch.NoCUDA, Message: "x"},
	} {
		engine := failing{err: err, running: new(atomic.Int64), most: new(atomic.Int64)}
		tr := &Trainer{New: func() (nn.Engine, error) { return engine, nil }, Workers: 2}
		got := tr.Run(t.Context(), tasks(t, 6), func(int, *Trained) error { return nil })
		if got == nil || !strings.HasPrefix(got.Error(), attribute+": ") || !errors.Is(got, err) {
			t.Errorf("%v, want it to begin with %s", got, attribute)
		}
	}
}

func TestEnginesInKeys(t *testing.T) {
	gorgonia := EngineOptions{Engine: Gorgonia}
	if v := gorgonia.Versions(); !strings.Contains(v["engine"], "kernel") || len(v) != 1 || gorgonia.Probes() != nil {
		t.Errorf("gorgonia: %v, %v", v, gorgonia.Probes())
	}
	torch := EngineOptions{Engine: Torch, Python: "python3"}
	p := torch.Probes()["python"]
	if v := torch.Versions(); !strings.Contains(v["script"], "script") || len(v) != 1 || len(p.Argv) != 4 || p.Argv[0] != "python3" || !slices.Contains(p.Pass, "CUDA_VISIBLE_DEVICES") {
		t.Errorf("torch: %v, %v", v, p)
	}
	var zero EngineOptions
	if v := zero.Versions(); len(v) != 2 {
		t.Errorf("all that could matter: %v", v)
	}
}

func TestForget(t *testing.T) {
	dir := t.TempDir()
	tr := &Trainer{Resume: dir}
	if err := os.WriteFile(dir+"/a.safetensors", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := tr.Forget("a"); err != nil {
			t.Error(err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Error("the checkpoint is still there")
	}
}

func FuzzDescription(f *testing.F) {
	f.Add([]byte(`{"task":"x","inputs":{"file":"x.npy"},"targets":{"file":"y.npy"},"splits":{"train":{"first":0,"count":1}},"metric":"mse"}`))
	f.Add([]byte(`{"pairs":{"lengths":{"file":"l"},"sequence":{"file":"s"},"maps":{"files":["m","n"]},"targets":{"file":"t"},"window":128},"splits":{"train":{"count":1}},"metric":"mae8"}`))
	f.Add([]byte(`{"inputs":{"files":["a","b"]},"targets":{"file":"y"},"counts":{"file":"c"},"normalisation":{"inputs":"constant","mean":[1],"std":[2]},"splits":{"train":{"count":1}},"metric":"map_error"}`))
	f.Add([]byte(`{"labels":{"file":"a"},"classes":3,"metric":"error"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := ParseDescription(text)
		if err == nil && (d.Loss == "" || d.Splits.Train.Count < 1) {
			t.Errorf("%q became %+v", text, d)
		}
	})
}

// What a description may say, and what is wrong with those that say something else.
func TestDescriptionsOfTheTasks(t *testing.T) {
	const splits = `"splits":{"train":{"first":0,"count":4}}`
	const pairs = `"pairs":{"lengths":{"file":"l"},"sequence":{"file":"s"},"maps":{"file":"m"},"targets":{"file":"t"},"padding":5,"outside":16,"window":128}`
	for text, want := range map[string]string{
		`{"inputs":{"files":["a","b"]},"labels":{"file":"y"},"classes":2,"metric":"f1_error","records":{"file":"r"},` + splits + `}`:                "cross_entropy",
		`{"inputs":{"file":"a"},"targets":{"file":"y"},"metric":"map_error","noise":{"file":"n"},` + splits + `}`:                                   "bce",
		`{"inputs":{"file":"a"},"targets":{"file":"y"},"metric":"auroc_error",` + splits + `}`:                                                      "bce",
		`{"inputs":{"file":"a"},"targets":{"file":"y"},"counts":{"file":"c"},"levels":{"file":"s"},"metric":"false_negative_rate",` + splits + `}`:  "bce",
		`{` + pairs + `,"metric":"mae8",` + splits + `}`:                                                                                            "mse",
		`{` + pairs + `,"metric":"mse",` + splits + `}`:                                                                                             "mae8 with mse goes with pairs",
		`{` + pairs + `,"inputs":{"file":"a"},"metric":"mae8",` + splits + `}`:                                                                      "pairs stand for inputs and targets",
		`{"inputs":{"file":"a"},"targets":{"file":"y"},"metric":"mae8",` + splits + `}`:                                                             "mae8 with mse goes with pairs",
		`{"inputs":{"file":"a"},"labels":{"file":"y"},"classes":2,"metric":"map_error",` + splits + `}`:                                             `metric "map_error" does not go with loss "cross_entropy"`,
		`{"inputs":{"file":"a"},"targets":{"file":"y"},"counts":{"file":"c"},"metric":"relative_l2",` + splits + `}`:                                "go with bce and mse alone",
		`{"inputs":{"files":[]},"targets":{"file":"y"},"metric":"mse",` + splits + `}`:                                                              "an array of 0 files",
		`{"inputs":{"file":"a","files":["b"]},"targets":{"file":"y"},"metric":"mse",` + splits + `}`:                                                "an array of 2 files",
		`{"inputs":{"files":["a","/b"]},"targets":{"file":"y"},"metric":"mse",` + splits + `}`:                                                      `"/b" is no name of a file in this folder`,
		`{"inputs":{"files":["a","b"],"axes":["time","sample"]},"targets":{"file":"y"},"metric":"mse",` + splits + `}`:                              "the first must be sample",
		`{"inputs":{"file":"a"},"targets":{"file":"y"},"metric":"mse","normalisation":{"inputs":"constant","mean":[1,2],"std":[1]},` + splits + `}`: "as many of each",
		`{"inputs":{"file":"a"},"targets":{"file":"y"},"metric":"mse","normalisation":{"inputs":"constant","mean":[1],"std":[0]},` + splits + `}`:   "std must be over 0",
		`{"inputs":{"file":"a"},"targets":{"file":"y"},"metric":"mse","normalisation":{"mean":[1],"std":[1]},` + splits + `}`:                       `go with inputs = "constant"`,
		`{"inputs":{"file":"a"},"targets":{"file":"y"},"metric":"mse","normalisation":{"targets":"constant"},` + splits + `}`:                       `unknown normalisation "constant" of targets`,
	} {
		d, err := ParseDescription([]byte(text))
		if err == nil && string(d.Loss) != want || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v; want %q", text, d, err, want)
		}
	}
}

// Arrays that stay in files are those that are read: of two files, with the axes of
// series, splits taken apart.
func TestArraysInFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, kind npy.Type, shape ...int) {
		h := npy.Header{Type: kind, Shape: shape}
		values := make([]float64, h.Count())
		for i := range values {
			values[i] = float64((i*i + len(name)) % 7)
		}
		var b bytes.Buffer
		if err := npy.Write(&b, h, values); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("x0.npy", npy.Uint8, 3, 6, 2)
	write("x01.npy", npy.Uint8, 7, 6, 2)
	write("y.npy", npy.Int32, 10, 3)
	text := `{"inputs":{"files":["x0.npy","x01.npy"],"axes":["sample","time","channel"],"shape":[10,6,2]},"targets":{"file":"y.npy"},"metric":"auroc_error",
		"normalisation":{"inputs":"constant","mean":[1,2],"std":[2,3]},
		"splits":{"train":{"first":0,"count":4},"validation":{"first":8,"count":2},"test":{"first":4,"count":4}}}`
	if err := os.WriteFile(filepath.Join(dir, DescriptionFile), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	sets := map[bool]*Prepared{}
	for _, inFiles := range []bool{false, true} {
		d, err := (&reader{dir: dir, digest: "d", inFiles: inFiles}).read()
		if err != nil {
			t.Fatal(err)
		}
		if sets[inFiles], err = d.Prepare([]string{Train, Validation}); err != nil {
			t.Fatal(err)
		}
	}
	ours, theirs := sets[true], sets[false]
	if ours.Input != (nn.Shape{Channels: 2, Height: 1, Width: 6}) || ours.Outputs != 3 {
		t.Errorf("%+v", ours)
	}
	for _, pair := range [][2]*nn.Dataset{{ours.Train, theirs.Train}, {ours.Test, theirs.Test}} {
		if pair[0].Inputs.Data != nil || pair[0].Targets.Data != nil || pair[0].Inputs.Files == nil {
			t.Error("elements are in memory")
		}
		loaded, err := pair[0].Load()
		if err != nil {
			t.Fatal(err)
		}
		for _, arrays := range [][2]nn.Array{{loaded.Inputs, pair[1].Inputs}, {loaded.Targets, pair[1].Targets}} {
			if !slices.Equal(arrays[0].Shape, arrays[1].Shape) || !slices.Equal(arrays[0].Data, arrays[1].Data) {
				t.Errorf("in files %+v, in memory %+v", arrays[0], arrays[1])
			}
		}
	}
	if err := os.Truncate(filepath.Join(dir, "x01.npy"), 150); err != nil {
		t.Fatal(err)
	}
	if _, err := ours.Train.Load(); err == nil {
		t.Error("a file that was cut short meanwhile is read")
	}
}

// Metrics of a whole set, by hand.
func TestScores(t *testing.T) {
	outputs := func(shape []int, data ...float32) nn.Array { return nn.Array{Shape: shape, Data: data} }
	mask := &nn.Dataset{Targets: outputs([]int{1, 1, 2, 2}, 1, 1, 0, 1), Counts: outputs([]int{1, 1, 2, 2}, 1, 1, 1, 0)}
	square := func(l int, f func(i, j int) float32) nn.Array {
		a := nn.Array{Shape: []int{l * l, 1}}
		for i := range l * l {
			a.Data = append(a.Data, f(i/l, i%l))
		}
		return a
	}
	// 26 residues: of the pairs 24 or 25 apart (0, 24), (0, 25), (1, 25) two are near.
	pairs := &nn.Pairs{Lengths: []int{26}, Padding: 2, Side: 16, Targets: square(26, func(i, j int) float32 {
		if i == 0 && j == 24 {
			return 9
		}
		return 5
	})}
	pairs.Windows = pairs.Cover(0)
	predicted := nn.Array{Shape: []int{4, 1, 16, 16}}
	for range 4 * 256 {
		predicted.Data = append(predicted.Data, 6)
	}
	for _, c := range []struct {
		metric  nn.Metric
		data    *nn.Dataset
		outputs nn.Array
		want    float64
	}{
		{nn.FalseNegativeRate, mask, outputs([]int{1, 1, 2, 2}, 3, -1, -2, -5), 0.5},
		{nn.PixelAUROCError, mask, outputs([]int{1, 1, 2, 2}, 3, -1, 2, -5), 0.75},
		{nn.AUROCError, &nn.Dataset{Targets: outputs([]int{3, 1}, 0, 1, 0)}, outputs([]int{3, 1}, 1, 2, 3), 0.5},
		{nn.MAPError, &nn.Dataset{Inputs: nn.Array{Shape: []int{3}}, Targets: outputs([]int{3, 1}, 1, 0, 0), Records: []int32{4, 9, 9}}, outputs([]int{3, 1}, 1, 5, -5), 0},
		{nn.F1Error, &nn.Dataset{Labels: []int32{0, 0, 0, 1}, Records: []int32{3, 3, 3, 1}}, outputs([]int{4, 2}, 2, 1, 2, 1, 0, 1, 0, 1), 0},
		{nn.MAE8, &nn.Dataset{Pairs: pairs}, predicted, 1},
	} {
		got, err := score(c.metric, c.data, c.outputs)
		if err != nil || math.Abs(got-c.want) > 1e-7 {
			t.Errorf("%s: %v, %v; want %v", c.metric, got, err, c.want)
		}
	}
	if _, err := score(nn.ZeroOneError, mask, nn.Array{}); err == nil {
		t.Error("error is a metric of a whole set")
	}
}
