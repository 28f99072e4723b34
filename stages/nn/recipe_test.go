package nn

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nbpipe/nbpipe/stages/npy"
)

func goodRecipe() Recipe {
	return Recipe{
		Epochs: 200, BatchSize: 128, Loss: CrossEntropy, Metric: ZeroOneError, Precision: Float32,
		Optimizer: Optimizer{LearningRate: 0.1, Momentum: 0.9, Nesterov: true, WeightDecay: 5e-4},
		Schedule:  Schedule{Name: Steps, Milestones: []int{60, 120, 160}, Factor: 0.2},
	}
}

func TestSchedules(t *testing.T) {
	r := goodRecipe()
	for epoch, want := range map[int]float64{0: 0.1, 59: 0.1, 60: 0.02, 119: 0.02, 120: 0.004, 160: 0.0008, 199: 0.0008} {
		if got := r.LearningRate(epoch); math.Abs(got-want) > 1e-15 {
			t.Errorf("steps, epoch %d: %v, want %v", epoch, got, want)
		}
	}
	r.Schedule = Schedule{Name: Cosine}
	for epoch, want := range map[int]float64{0: 0.1, 100: 0.05, 200: 0} {
		if got := r.LearningRate(epoch); math.Abs(got-want) > 1e-15 {
			t.Errorf("cosine, epoch %d: %v, want %v", epoch, got, want)
		}
	}
	r.Schedule = Schedule{Name: Constant}
	if got := r.LearningRate(150); got != 0.1 {
		t.Errorf("constant: %v", got)
	}
}

func TestBadRecipes(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Recipe)
		want   string
	}{
		"epochs":             {func(r *Recipe) { r.Epochs = 0 }, "epochs is 0"},
		"batch size":         {func(r *Recipe) { r.BatchSize = -1 }, "batch_size is -1"},
		"rate":               {func(r *Recipe) { r.Optimizer.LearningRate = math.NaN() }, "learning_rate is NaN"},
		"momentum":           {func(r *Recipe) { r.Optimizer.Momentum = 1 }, "momentum is 1"},
		"nesterov":           {func(r *Recipe) { r.Optimizer.Momentum = 0 }, "nesterov without momentum"},
		"decay":              {func(r *Recipe) { r.Optimizer.WeightDecay = -1 }, "weight_decay is -1"},
		"milestones":         {func(r *Recipe) { r.Schedule.Milestones = []int{60, 60} }, "must rise"},
		"factor":             {func(r *Recipe) { r.Schedule.Factor = 0 }, "factor is 0"},
		"factor of a cosine": {func(r *Recipe) { r.Schedule.Name = Cosine }, "takes no milestones"},
		"schedule":           {func(r *Recipe) { r.Schedule.Name = "linear" }, `unknown schedule "linear"`},
		"loss":               {func(r *Recipe) { r.Loss = SumOutputs }, `unknown loss "sum"`},
		"metric":             {func(r *Recipe) { r.Metric = "f1" }, `unknown metric "f1"`},
		"precision":          {func(r *Recipe) { r.Precision = "float16" }, `unknown precision "float16"`},
		"crop":               {func(r *Recipe) { r.Augmentation.Crop = -4 }, "crop is -4"},
	} {
		t.Run(name, func(t *testing.T) {
			r := goodRecipe()
			test.change(&r)
			if err := r.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestRecipeJSON(t *testing.T) {
	r := goodRecipe()
	r.Augmentation = Augmentation{Crop: 4, Flip: true, Cutout: 16}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	back, err := DecodeRecipe(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&r, back); diff != "" {
		t.Error(diff)
	}
	if _, err := DecodeRecipe([]byte(`{"epochs": 3, "warm_up": 1}`)); err == nil || !strings.Contains(err.Error(), "warm_up") {
		t.Errorf("an unknown field: %v", err)
	}
}

// Every sample is seen once an epoch, in an order that the seed and the epoch
// decide.
func TestBatches(t *testing.T) {
	r := goodRecipe()
	r.BatchSize = 32
	r.Augmentation = Augmentation{Crop: 4, Flip: true, Cutout: 16}
	image := Shape{3, 32, 32}
	hundred := &Dataset{Inputs: Array{Shape: []int{100, 3, 32, 32}}}
	first := Batches(7, 0, hundred, &r, image)
	if len(first) != 4 || len(first[3].Indices) != 4 {
		t.Fatalf("%d batches, the last of %d", len(first), len(first[len(first)-1].Indices))
	}
	var all []int32
	flips := 0
	for _, b := range first {
		all = append(all, b.Indices...)
		for _, c := range b.Changes {
			if c.DX < -4 || c.DX > 4 || c.DY < -4 || c.DY > 4 || c.CutX < -8 || c.CutX >= 24 || c.CutY < -8 || c.CutY >= 24 {
				t.Errorf("change %+v", c)
			}
			if c.Flip {
				flips++
			}
		}
	}
	if flips < 30 || flips > 70 {
		t.Errorf("%d of 100 images are mirrored", flips)
	}
	if slices.IsSorted(all) {
		t.Error("the order is not drawn")
	}
	slices.Sort(all)
	for i, v := range all {
		if int(v) != i {
			t.Fatalf("sample %d is missing or there twice", i)
		}
	}
	if !cmp.Equal(first, Batches(7, 0, hundred, &r, image)) {
		t.Error("drawn twice, batches differ")
	}
	if cmp.Equal(first[0].Indices, Batches(7, 1, hundred, &r, image)[0].Indices) || cmp.Equal(first[0].Indices, Batches(8, 0, hundred, &r, image)[0].Indices) {
		t.Error("another epoch or seed gives the same order")
	}
	plain := r
	plain.Augmentation = Augmentation{}
	if got := Batches(7, 0, hundred, &plain, image); !cmp.Equal(first[0].Indices, got[0].Indices) || got[0].Changes != nil {
		t.Error("augmentation changes the order, or is there without being asked for")
	}
}

func TestGather(t *testing.T) {
	s := Shape{1, 3, 4}
	from := Array{Shape: []int{1, 1, 3, 4}, Data: []float32{
		1, 2, 3, 4,
		5, 6, 7, 8,
		9, 10, 11, 12,
	}}
	for _, test := range []struct {
		name   string
		change Change
		cutout int
		want   []float32
	}{
		{"nothing", Change{CutY: -9, CutX: -9}, 0, from.Data},
		{"shift", Change{DY: 1, DX: -1, CutY: -9, CutX: -9}, 0, []float32{0, 5, 6, 7, 0, 9, 10, 11, 0, 0, 0, 0}},
		{"mirror", Change{Flip: true, CutY: -9, CutX: -9}, 0, []float32{4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9}},
		{"shift, then mirror", Change{DX: 1, Flip: true, CutY: -9, CutX: -9}, 0, []float32{0, 4, 3, 2, 0, 8, 7, 6, 0, 12, 11, 10}},
		{"cut", Change{CutY: 1, CutX: 2}, 2, []float32{1, 2, 3, 4, 5, 6, 0, 0, 9, 10, 0, 0}},
		{"cut over the border", Change{CutY: -1, CutX: -1}, 2, []float32{0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		{"cut of whole rows", Change{CutY: 0, CutX: -1}, 6, make([]float32, 12)},
	} {
		to := make([]float64, 12)
		Gather(to, &Dataset{Inputs: from}, Batch{Indices: []int32{0}, Changes: []Change{test.change}}, Augmentation{Cutout: test.cutout}, s)
		for i, v := range test.want {
			if to[i] != float64(v) {
				t.Errorf("%s: %v, want %v", test.name, to, test.want)
				break
			}
		}
	}
}

func TestInitialWeights(t *testing.T) {
	n := mustBuild(t, WideResNet{Form: Point, Input: Shape{3, 32, 32}, Depth: 16, Width: 4, Outputs: 10, Init: InitKaiming})
	w := InitialWeights(n, 5)
	if err := w.Check(n); err != nil {
		t.Fatal(err)
	}
	p := w["stage3.block2.conv2.weight"] // 256 x 256 x 3 x 3
	var sum, squares float64
	for _, v := range p.Data {
		if float64(float32(v)) != v {
			t.Fatal("weights are not rounded to float32")
		}
		sum += v
		squares += v * v
	}
	count := float64(len(p.Data))
	if mean, variance := sum/count, squares/count; math.Abs(mean) > 1e-3 || math.Abs(variance*256*9/2-1) > 0.01 {
		t.Errorf("mean %v, variance %v, where Kaiming fan_out has %v", mean, variance, 2.0/(256*9))
	}
	if v := w["last.bn.weight"].Data; slices.Min(v) != 1 || slices.Max(v) != 1 {
		t.Error("a batch normalisation does not start at 1")
	}
	if slices.Equal(w["stage3.block1.conv2.weight"].Data, p.Data) || slices.Equal(InitialWeights(n, 6)["stem.conv.weight"].Data, w["stem.conv.weight"].Data) {
		t.Error("two parameters or seeds have the same values")
	}
	def := InitialWeights(mustBuild(t, WideResNet{Form: Point, Input: Shape{3, 32, 32}, Depth: 16, Width: 4, Outputs: 10, Init: InitDefault}), 5)
	bound := 1 / math.Sqrt(256*9)
	if v := def["stage3.block2.conv2.weight"].Data; slices.Max(v) > bound || slices.Max(v) < 0.99*bound || slices.Min(v) > -0.99*bound {
		t.Errorf("default initialisation from %v to %v, bound %v", slices.Min(v), slices.Max(v), bound)
	}
	// The first values of a stream are part of every result: they never change.
	const want = 0xf6e547442e7f440e
	if got := Stream(777, "parameter stem.conv.weight", 0).Uint64(); got != want {
		t.Errorf("the stream starts with %#x, want %#x", got, uint64(want))
	}
}

func TestPointwiseGaussian(t *testing.T) {
	a := Array{Shape: []int{3, 1, 1, 2}, Data: []float32{1, 10, 2, 10, 6, 10}}
	d, err := PointwiseGaussian(a, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	if d.Shift[0] != 3 || d.Shift[1] != 10 || math.Abs(d.Scale[0]-math.Sqrt(7)-0.5) > 1e-12 || d.Scale[1] != 0.5 {
		t.Errorf("%+v", d)
	}
	e, err := d.Encode(a)
	if err != nil || math.Abs(float64(e.Data[4])-3/(math.Sqrt(7)+0.5)) > 1e-6 || e.Data[5] != 0 {
		t.Errorf("encoded %v, %v", e.Data, err)
	}
	if _, err := d.Encode(Array{Shape: []int{1, 3}, Data: make([]float32, 3)}); err == nil {
		t.Error("an array of another size was encoded")
	}
	if _, err := PointwiseGaussian(Array{Shape: []int{1, 2}, Data: make([]float32, 2)}, 0); err == nil {
		t.Error("one sample has a standard deviation")
	}
}

func TestArraysAreReadFromFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.npy")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := npy.Write(f, npy.Header{Type: npy.Int32, Shape: []int{3}}, []int32{4, 5, 6}); err != nil {
		t.Fatal(err)
	}
	f.Close()
	a, err := ReadArray(path)
	if err != nil || !cmp.Equal(a, Array{Shape: []int{3}, Data: []float32{4, 5, 6}, Path: path}) {
		t.Errorf("%v, %v", a, err)
	}
	labels, err := ReadLabels(path)
	if err != nil || !slices.Equal(labels, []int32{4, 5, 6}) {
		t.Errorf("%v, %v", labels, err)
	}
	if err := os.WriteFile(path, []byte("PK"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadArray(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that is no array: %v", err)
	}
}

func TestTensorsFile(t *testing.T) {
	w := Weights{"b": {[]int{2, 3}, []float64{1, -2, 3, 4, 5, 0.5}}, "a": {[]int{1}, []float64{7}}, "scalar": {[]int{}, []float64{9}}}
	for _, precision := range []Precision{Float32, Float64} {
		var b bytes.Buffer
		if err := WriteTensors(&b, w, precision, map[string]string{"key": "value"}); err != nil {
			t.Fatal(err)
		}
		text := bytes.Clone(b.Bytes())
		back, metadata, err := ReadTensors(&b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(w, back); diff != "" || metadata["key"] != "value" {
			t.Errorf("%s: %v %s", precision, metadata, diff)
		}
		for cut := range len(text) {
			if _, _, err := ReadTensors(bytes.NewReader(text[:cut])); err == nil {
				t.Fatalf("the first %d of %d bytes are read without an error", cut, len(text))
			}
		}
	}
}

func FuzzReadTensors(f *testing.F) {
	var b bytes.Buffer
	WriteTensors(&b, Weights{"a": {[]int{2}, []float64{1, 2}}}, Float32, nil)
	f.Add(b.Bytes())
	f.Add([]byte("\x02\x00\x00\x00\x00\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		w, _, err := ReadTensors(bytes.NewReader(text))
		if err != nil {
			return
		}
		for name, v := range w {
			if (Parameter{Shape: v.Shape}).Size() != len(v.Data) {
				t.Errorf("%q: shape %v, %d elements", name, v.Shape, len(v.Data))
			}
		}
	})
}

func TestCheckpointFile(t *testing.T) {
	n := mustBuild(t, ResNet1D{Input: Shape{1, 1, 16}, Middle: 2, Outputs: 2, Init: InitKaiming})
	path := filepath.Join(t.TempDir(), "state")
	if c, err := LoadCheckpoint(path, "job", n); c != nil || err != nil {
		t.Errorf("no file: %v, %v", c, err)
	}
	loss := 0.25
	c := &Checkpoint{Job: "job", Epochs: []EpochMetrics{{Epoch: 0, TrainLoss: 0.1, ValidLoss: &loss}}, Weights: InitialWeights(n, 1), Velocity: Weights{"classifier.bias": {[]int{2}, []float64{1, 2}}}}
	if err := c.Save(path, Float32); err != nil {
		t.Fatal(err)
	}
	back, err := LoadCheckpoint(path, "job", n)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, back); diff != "" {
		t.Error(diff)
	}
	if c, err := LoadCheckpoint(path, "another job", n); c != nil || err != nil {
		t.Errorf("another job: %v, %v", c, err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// An epoch sees one sample of each record, each of them once in a while.
func TestOneARecord(t *testing.T) {
	d := &Dataset{Inputs: Array{Shape: []int{9, 1, 4, 4}}, Records: []int32{7, 2, 7, 2, 5, 7, 2, 5, 7}}
	r := &Recipe{BatchSize: 2, Augmentation: Augmentation{OneARecord: true}}
	if n := d.Seen(r.Augmentation); n != 3 {
		t.Fatalf("an epoch sees %d samples of 3 records", n)
	}
	seen := map[int32]bool{}
	for epoch := range 40 {
		records := map[int32]bool{}
		batches := Batches(1, epoch, d, r, Shape{1, 4, 4})
		if len(batches) != 2 || len(batches[1].Indices) != 1 || batches[0].Changes != nil {
			t.Fatalf("batches %+v", batches)
		}
		for _, b := range batches {
			for _, i := range b.Indices {
				records[d.Records[i]], seen[i] = true, true
			}
		}
		if len(records) != 3 {
			t.Fatalf("epoch %d sees the records %v", epoch, records)
		}
	}
	if len(seen) != 9 {
		t.Errorf("40 epochs have seen %d of 9 samples", len(seen))
	}
}

// Probabilities and ranges of what is drawn for sound.
func TestSoundIsDrawn(t *testing.T) {
	const n = 2000
	image := Shape{1, 100, 50}
	d := &Dataset{Inputs: Array{Shape: []int{n, 1, 100, 50}}, Noise: Array{Shape: []int{3, 1, 100, 50}}}
	r := &Recipe{BatchSize: n, Augmentation: Augmentation{Levels: [2]float64{-0.9, 3}, Noise: 0.75, NoiseShare: 0.5, SpecAugment: 0.5}}
	var noises, masked, twice int
	var level, share float64
	rows := map[int32]int{}
	for _, c := range Batches(3, 0, d, r, image)[0].Changes {
		s := c.Sound
		if s.Level < -0.9 || s.Level > 3 || s.Share < 0 || s.Share > 0.5 {
			t.Fatalf("%+v", s)
		}
		level += float64(s.Level) / n
		if s.Noise > 0 {
			noises, share = noises+1, share+float64(s.Share)
			rows[s.Noise]++
		}
		if s.Masks != [2]Mask{} {
			masked++
		}
		if s.Masks[1] != (Mask{}) {
			twice++
		}
		for _, m := range s.Masks {
			if m.Height > 15 || m.Width > 10 || m.Y < 0 || m.Y+m.Height > 100 || m.X < 0 || m.X+m.Width > 50 {
				t.Fatalf("mask %+v", m)
			}
		}
	}
	near := func(what string, got, want, tolerance float64) {
		if math.Abs(got-want) > tolerance {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	near("level", level, 1.05, 0.1)
	near("noise", float64(noises)/n, 0.75, 0.04)
	near("share", share/float64(noises), 0.25, 0.02)
	near("masked", float64(masked)/n, 0.5, 0.05)
	near("two masks", float64(twice)/float64(masked), 0.5, 0.07)
	if len(rows) != 3 || rows[0] > 0 || rows[4] > 0 {
		t.Errorf("rows of noise %v", rows)
	}
}

// Constants come after the border's zeros and before cutout's; what sound does by a
// plain computation.
func TestGatherChangesValues(t *testing.T) {
	s := Shape{1, 2, 3}
	d := &Dataset{
		Inputs:   Array{Shape: []int{1, 1, 2, 3}, Data: []float32{1, 2, 3, 4, 5, 6}},
		Standard: &Standardisation{Mean: []float64{1}, Std: []float64{2}},
		Levels:   []float32{10}, Noise: Array{Shape: []int{2, 1, 2, 3}, Data: []float32{0, 0, 0, 0, 0, 0, 20, 40, 60, 80, 100, 120}},
	}
	for _, test := range []struct {
		name   string
		change Change
		how    Augmentation
		want   []float64
	}{
		{"constants", Change{CutY: -9, CutX: -9}, Augmentation{Flip: true}, []float64{0, .5, 1, 1.5, 2, 2.5}},
		{"border and cutout", Change{DX: 1, CutY: 0, CutX: 0}, Augmentation{Crop: 1, Cutout: 1}, []float64{0, 1, -.5, 2, 2.5, -.5}},
		{"level", Change{Sound: Sound{Level: 0.5}}, Augmentation{Levels: [2]float64{0, 1}}, []float64{2.5, 3, 3.5, 4, 4.5, 5}},
		{"mask", Change{Sound: Sound{Masks: [2]Mask{{Y: 1, Height: 1}, {X: 2, Width: 1}}}}, Augmentation{SpecAugment: 1}, []float64{0, .5, 0, 0, 0, 0}},
		{"noise", Change{Sound: Sound{Noise: 2, Share: 0.25, NoiseMasks: [2]Mask{{X: 0, Width: 1}}}}, Augmentation{Noise: 1, NoiseShare: 1},
			[]float64{(.75 + 5 - 1) / 2, (1.5 + 10 - 1) / 2, (2.25 + 15 - 1) / 2, (3 + 5 - 1) / 2.0, (3.75 + 25 - 1) / 2, (4.5 + 30 - 1) / 2}},
	} {
		to := make([]float64, 6)
		Gather(to, d, Batch{Indices: []int32{0}, Changes: []Change{test.change}}, test.how, s)
		if !slices.Equal(to, test.want) {
			t.Errorf("%s: %v, want %v", test.name, to, test.want)
		}
	}
}

// A window of a map by the definition, pixel by pixel; windows side by side give the
// map back.
func TestWindowsOfPairs(t *testing.T) {
	lengths := []int{5, 3}
	number := func(shape ...int) Array {
		a := Array{Shape: shape}
		for i := range shape[0] * shape[1] {
			a.Data = append(a.Data, float32(i+1))
		}
		return a
	}
	p := &Pairs{Lengths: lengths, Sequence: number(8, 2), Maps: number(34, 1), Targets: number(34, 1), Padding: 2, Outside: 16, Side: 4}
	d := &Dataset{Pairs: p}
	if p.Room(0) != 5 || p.Room(1) != 3 || p.Input() != (Shape{5, 4, 4}) {
		t.Fatalf("room %d and %d, input %s", p.Room(0), p.Room(1), p.Input())
	}
	p.Windows = append(p.Cover(0), p.Cover(1)...)
	if len(p.Windows) != 9+4 {
		t.Fatalf("windows %v", p.Windows)
	}
	batch := Ordered(len(p.Windows), len(p.Windows))[0]
	seen := make([]float32, len(p.Windows)*80)
	Gather(seen, d, batch, Augmentation{}, p.Input())
	targets, _ := d.Answers(batch)
	squares := map[int][]float32{0: make([]float32, 25), 1: make([]float32, 9)}
	for w, at := range p.Windows {
		length, rows, pixels := lengths[at.Record], at.Record*5, at.Record*25
		for y := range 4 {
			for x := range 4 {
				i, j := at.Y+y-2, at.X+x-2
				want := []float32{0, 0, 0, 0, 0, 16}
				if i >= 0 && i < length && j >= 0 && j < length {
					row := func(r int) []float32 { return p.Sequence.Sample(rows + r) }
					v := p.Maps.Data[pixels+i*length+j]
					want = []float32{row(j)[0], row(i)[0], row(j)[1], row(i)[1], v, v}
				}
				for c := range 5 {
					if got := seen[w*80+c*16+y*4+x]; got != want[c] {
						t.Fatalf("window %+v, channel %d at %d, %d: %v, want %v", at, c, y, x, got, want[c])
					}
				}
				if got := targets[w][y*4+x]; got != want[5] {
					t.Fatalf("window %+v, target at %d, %d: %v, want %v", at, y, x, got, want[5])
				}
			}
		}
		p.Place(squares[at.Record], length, at, targets[w])
	}
	if !slices.Equal(squares[0], p.Targets.Data[:25]) || !slices.Equal(squares[1], p.Targets.Data[25:]) {
		t.Errorf("windows put together give %v", squares)
	}
}
