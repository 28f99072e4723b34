package retrain

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
	"github.com/nbpipe/nbpipe/stages/training"
)

// taskData makes small data in the form of the ten tasks.
type taskData struct {
	t      *testing.T
	random *rand.Rand
	files  map[string][]byte
}

func newTaskData(t *testing.T) *taskData {
	return &taskData{t, rand.New(rand.NewPCG(3, 4)), map[string][]byte{}}
}

// add writes an array of a type, element by element.
func (d *taskData) add(name string, kind npy.Type, f func(i int) float64, shape ...int) training.Array {
	d.t.Helper()
	h := npy.Header{Type: kind, Shape: shape}
	values := make([]float64, h.Count())
	for i := range values {
		values[i] = f(i)
	}
	var b bytes.Buffer
	if err := npy.Write(&b, h, values); err != nil {
		d.t.Fatal(err)
	}
	d.files[name] = b.Bytes()
	return training.Array{File: name, Shape: shape}
}

func (d *taskData) normal(int) float64 { return d.random.NormFloat64() }

// both joins two files to one array.
func both(a, b training.Array) training.Array {
	shape := slices.Clone(a.Shape)
	shape[0] += b.Shape[0]
	return training.Array{Files: []string{a.File, b.File}, Shape: shape, Axes: a.Axes}
}

func (d *taskData) with(desc training.Description) map[string][]byte {
	d.t.Helper()
	d.files[training.DescriptionFile] = description(d.t, desc)
	return d.files
}

// thirds are 12 samples to train on, 6 for validation and 6 for the test.
var thirds = training.Splits{Train: training.Range{Count: 12}, Validation: training.Range{First: 12, Count: 6}, Test: training.Range{First: 18, Count: 6}}

const taskSamples = 24

func classesOf(n int) func(int) float64 { return func(i int) float64 { return float64(i % n) } }

// images are classes of uint8 pixels in two files.
func images(t *testing.T) map[string][]byte {
	d := newTaskData(t)
	pixel := func(int) float64 { return float64(d.random.IntN(256)) }
	labels := d.add("y.npy", npy.Uint8, classesOf(3), taskSamples)
	return d.with(training.Description{
		Task: "cifar100", Inputs: both(d.add("x0.npy", npy.Uint8, pixel, 10, 3, 8, 8), d.add("x1.npy", npy.Uint8, pixel, 14, 3, 8, 8)),
		Labels: &labels, Classes: 3, Splits: thirds, Metric: nn.ZeroOneError,
		Normalisation: training.Normalisation{Inputs: "constant", Mean: []float64{129.3, 124.1, 112.4}, Std: []float64{68.2, 65.4, 70.4}},
	})
}

// channelled are classes of images as they come.
func channelled(task string, axes []string, shape ...int) func(t *testing.T) map[string][]byte {
	return func(t *testing.T) map[string][]byte {
		d := newTaskData(t)
		labels := d.add("y.npy", npy.Int64, classesOf(3), taskSamples)
		inputs := d.add("x.npy", npy.Float32, d.normal, append([]int{taskSamples}, shape...)...)
		inputs.Axes = axes
		return d.with(training.Description{Task: task, Inputs: inputs, Labels: &labels, Classes: 3, Splits: thirds, Metric: nn.ZeroOneError})
	}
}

// chunks are spectrograms of clips with several labels.
func chunks(t *testing.T) map[string][]byte {
	d := newTaskData(t)
	records := d.add("clip.npy", npy.Int32, func(i int) float64 { return float64(i / 2) }, taskSamples)
	targets := d.add("y.npy", npy.Uint8, func(i int) float64 {
		clip, label := i/8, i%4
		return float64((clip + label) % 2)
	}, taskSamples, 4)
	noise := d.add("noise.npy", npy.Float32, d.normal, 5, 12, 10)
	axes := []string{"sample", "height", "width"}
	inputs := both(d.add("x0.npy", npy.Float32, d.normal, 5, 12, 10), d.add("x1.npy", npy.Float32, d.normal, 19, 12, 10))
	inputs.Axes, noise.Axes = axes, axes
	return d.with(training.Description{
		Task: "fsd50k", Inputs: inputs, Targets: &targets, Records: &records, Noise: &noise, Splits: thirds, Loss: nn.BCE, Metric: nn.MAPError,
	})
}

// masked are images of which some pixels do not count.
func masked(metric nn.Metric) func(t *testing.T) map[string][]byte {
	return func(t *testing.T) map[string][]byte {
		d := newTaskData(t)
		axes := []string{"sample", "height", "width"}
		inputs := d.add("image.npy", npy.Float32, d.normal, taskSamples, 8, 8)
		targets := d.add("mask.npy", npy.Uint8, func(int) float64 { return float64(d.random.IntN(2)) }, taskSamples, 8, 8)
		counts := d.add("counts.npy", npy.Uint8, func(int) float64 { return min(1, float64(d.random.IntN(5))) }, taskSamples, 8, 8)
		levels := d.add("sky.npy", npy.Float64, func(int) float64 { return d.random.Float64() }, taskSamples)
		inputs.Axes, targets.Axes, counts.Axes = axes, axes, axes
		return d.with(training.Description{
			Task: "cosmic", Inputs: inputs, Targets: &targets, Counts: &counts, Levels: &levels, Splits: thirds, Metric: metric,
		})
	}
}

// proteins are maps of pairs, one of them wider than a window.
func proteins(t *testing.T) map[string][]byte {
	d := newTaskData(t)
	lengths := []int{30, 28, 7, 33, 29, 31}
	rows, pixels := 0, 0
	for _, l := range lengths {
		rows, pixels = rows+l, pixels+l*l
	}
	distance := func(int) float64 { return 4 + 12*d.random.Float64() }
	return d.with(training.Description{
		Task: "psicov", Metric: nn.MAE8,
		Splits: training.Splits{Train: training.Range{Count: 3}, Validation: training.Range{First: 3, Count: 1}, Test: training.Range{First: 4, Count: 2}},
		Pairs: &training.Pairs{
			Lengths:  d.add("lengths.npy", npy.Int32, func(i int) float64 { return float64(lengths[i]) }, len(lengths)),
			Sequence: d.add("sequence.npy", npy.Float32, d.normal, rows, 2),
			Maps:     both(d.add("maps0.npy", npy.Float32, d.normal, 900, 3), d.add("maps1.npy", npy.Float32, d.normal, pixels-900, 3)),
			Targets:  d.add("distance.npy", npy.Float32, distance, pixels),
			Padding:  2, Outside: 16, Window: 16,
		},
	})
}

// windows are parts of recordings.
func windows(t *testing.T) map[string][]byte {
	d := newTaskData(t)
	labels := d.add("y.npy", npy.Int32, func(i int) float64 { return float64(i / 2 % 4) }, taskSamples)
	records := d.add("record.npy", npy.Int32, func(i int) float64 { return float64(i / 2) }, taskSamples)
	inputs := d.add("x.npy", npy.Float32, d.normal, taskSamples, 20)
	inputs.Axes = []string{"sample", "time"}
	return d.with(training.Description{Task: "ecg", Inputs: inputs, Labels: &labels, Classes: 4, Records: &records, Splits: thirds, Metric: nn.F1Error})
}

// sequences are one-hot letters with several labels.
func sequences(t *testing.T) map[string][]byte {
	d := newTaskData(t)
	targets := d.add("y.npy", npy.Bool, func(i int) float64 { return float64((i/3 + i%3) % 2) }, taskSamples, 3)
	inputs := d.add("x.npy", npy.Uint8, func(int) float64 { return float64(d.random.IntN(2)) }, taskSamples, 20, 4)
	inputs.Axes = []string{"sample", "time", "channel"}
	return d.with(training.Description{Task: "deepsea", Inputs: inputs, Targets: &targets, Splits: thirds, Metric: nn.AUROCError})
}

// The ten tasks, from arrays to the metric, in both engines: in float64 they agree
// to the last digits but few.
func TestTheTenTasks(t *testing.T) {
	wide := map[string]cty.Value{"depth": cty.NumberIntVal(10), "width": cty.NumberIntVal(1)}
	narrow := map[string]cty.Value{"middle": cty.NumberIntVal(4)}
	for _, c := range []struct {
		name  string
		kind  *stages.Kind
		more  map[string]cty.Value
		files func(*testing.T) map[string][]byte
		quick bool // compared where only quick tests run, too
	}{
		{"cifar100", wideResNet, wide, images, false},
		{"spherical", wideResNet, wide, channelled("spherical", nil, 3, 8, 8), false},
		{"ninapro", wideResNet, wide, channelled("ninapro", []string{"sample", "width", "height"}, 12, 8), false},
		{"fsd50k", wideResNet, wide, chunks, true},
		{"darcy_flow", wideResNet, wide, fields, false},
		{"psicov", wideResNet, wide, proteins, true},
		{"cosmic", wideResNet, wide, masked(nn.FalseNegativeRate), false},
		{"cosmic, later", wideResNet, wide, masked(nn.PixelAUROCError), false},
		{"ecg", resNet1D, narrow, windows, false},
		{"satellite", resNet1D, narrow, channelled("satellite", []string{"sample", "time"}, 46), false},
		{"deepsea", resNet1D, narrow, sequences, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := c.files(t)
			for _, fit := range [][]string{{training.Train}, {training.Train, training.Validation}} {
				ours := runTask(t, c.kind, files, c.more, fit, nil)
				if !c.quick && os.Getenv("NBPIPE_CI") == "" || len(fit) == 2 {
					continue
				}
				theirs := runTask(t, c.kind, files, c.more, fit, torch(t))
				for _, output := range []string{"test", "validation"} {
					a, _ := ours.Number(t, output, "value")
					b, _ := theirs.Number(t, output, "value")
					if math.Abs(a-b) > 1e-6*math.Abs(a) {
						t.Errorf("%s: gorgonia %v, torch %v", output, a, b)
					}
				}
				sameHistory(t, ours, theirs)
			}
		})
	}
}

func runTask(t *testing.T, kind *stages.Kind, files map[string][]byte, more map[string]cty.Value, fit []string, engine map[string]cty.Value) *stagetest.Result {
	t.Helper()
	store := stagetest.Store{}
	var splits []cty.Value
	for _, name := range fit {
		splits = append(splits, cty.StringVal(name))
	}
	given := map[string]cty.Value{
		"data": stages.FileValue(store.Folder(t, "data", files)), "seeds": values(5), "epochs": cty.NumberIntVal(2), "batch_size": cty.NumberIntVal(4),
		"learning_rate": cty.NumberFloatVal(0.01), "precision": cty.StringVal("float64"), "fit": cty.ListVal(splits),
	}
	maps.Copy(given, more)
	maps.Copy(given, engine)
	r, err := stagetest.Run(t, kind, store, given)
	if err != nil {
		t.Fatal(err)
	}
	v, ok := r.Number(t, "test", "value")
	if !ok || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		t.Errorf("the metric is %v", v)
	}
	if _, ok := r.Number(t, "validation", "value"); ok == (len(fit) == 2) {
		t.Errorf("trained on %v, the metric on the validation split: %v", fit, ok)
	}
	return r
}

func sameHistory(t *testing.T, a, b *stagetest.Result) {
	t.Helper()
	for _, name := range []string{"train_loss", "train_metric", "validation_loss", "validation_metric"} {
		x, err := a.Table(t, "history").Float64s(name)
		if err != nil {
			t.Fatal(err)
		}
		y, err := b.Table(t, "history").Float64s(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range x {
			if !(math.Abs(x[i]-y[i]) <= 1e-9*math.Abs(x[i])) {
				t.Errorf("%s of epoch %d: gorgonia %v, torch %v", name, i, x[i], y[i])
			}
		}
	}
}

func TestDataThatDoNotFit(t *testing.T) {
	for want, change := range map[string]func(f map[string][]byte){
		"records: record 6 is in the splits train and validation": func(f map[string][]byte) {
			f["clip.npy"] = array(t, []int{taskSamples}, func(i int) float64 { return float64((i + 1) / 2) })
		},
		"noise: of shape [5 1 12 9], and inputs of [24 1 12 10]": func(f map[string][]byte) {
			f["noise.npy"] = array(t, []int{5, 12, 9}, func(int) float64 { return 0 })
		},
		"inputs: x1.npy has shape [19 12 9], which does not follow [5 12 10]": func(f map[string][]byte) {
			f["x1.npy"] = array(t, []int{19, 12, 9}, func(int) float64 { return 0 })
		},
	} {
		store, files := stagetest.Store{}, chunks(t)
		change(files)
		files[training.DescriptionFile] = withoutShapes(t, files[training.DescriptionFile])
		_, err := stagetest.Run(t, wideResNet, store, small(store, t, files, nil))
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte(want)) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// withoutShapes takes the shapes out of a description, so that the files' own count.
func withoutShapes(t *testing.T, text []byte) []byte {
	t.Helper()
	d, err := training.ParseDescription(text)
	if err != nil {
		t.Fatal(fmt.Errorf("the description: %w", err))
	}
	d.Inputs.Shape, d.Targets.Shape, d.Records.Shape, d.Noise.Shape = nil, nil, nil, nil
	return description(t, *d)
}
