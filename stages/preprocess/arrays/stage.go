package arrays

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/training"
)

// Stage is a block `preprocess "arrays"`.
type Stage struct {
	Inputs        map[string]stages.File `attr:"inputs,key" doc:"Split (train, validation, test) to the .npy file of its inputs, samples along the first axis."`
	Targets       map[string]stages.File `attr:"targets,key,optional" doc:"Split to the file of its targets: a vector a sample, or a value a pixel."`
	Labels        map[string]stages.File `attr:"labels,key,optional" doc:"Instead of targets, split to the file of its labels: whole numbers from 0."`
	Classes       int                    `attr:"classes,key" default:"0" doc:"With labels: how many classes there are."`
	Axes          []string               `attr:"axes,key,optional" doc:"What the axes of the inputs are, [\"sample\", \"time\", \"channel\"]: of sample, channel, height, width, time."`
	Task          string                 `attr:"task,key" default:"\"\"" doc:"Task of NAS-Bench-360, such as ninapro, whose recipes are then the default."`
	Metric        string                 `attr:"metric,key" doc:"error (of labels), relative_l2, mse or loss; lower is better."`
	Loss          string                 `attr:"loss,key,optional" doc:"cross_entropy, bce, mse or relative_l2. What goes with the metric where it is left out."`
	Coordinates   bool                   `attr:"coordinates,key" default:"false" doc:"Each pixel's coordinates in [0, 1] join the inputs as two channels."`
	Normalisation Normalisation          `attr:"normalisation,key,optional" doc:"By statistics of the samples that are trained on: { inputs = \"pointwise_gaussian\" }."`
}

// Normalisation says what is normalised.
type Normalisation struct {
	Inputs  string  `attr:"inputs" default:"\"none\"" doc:"none or pointwise_gaussian."`
	Targets string  `attr:"targets" default:"\"none\"" doc:"none or pointwise_gaussian."`
	Epsilon float64 `attr:"epsilon" default:"0.00001" doc:"Added to standard deviations."`
}

// Kind is the kind `preprocess "arrays"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "preprocess", Type: "arrays", Version: 1, Reproducible: true,
	Doc: "Arrays in NumPy's format, one file a split, as data that networks are trained on: a folder with dataset.json, which says what they are.",
	Outputs: map[string]string{
		"data":    "Folder with the arrays and dataset.json: for training.",
		"samples": "How many samples there are, all splits together.",
	},
})

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{"data": stages.FileType, "samples": cty.Number}
}

func splits() []string { return []string{training.Train, training.Validation, training.Test} }

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	var p training.Problems
	p.Whole(attrs, "classes", 0, 1<<16)
	p.Word(attrs, "metric", string(nn.ZeroOneError), string(nn.MetricRelativeL2), string(nn.MetricMSE), string(nn.MetricLoss))
	p.Word(attrs, "loss", string(nn.CrossEntropy), string(nn.BCE), string(nn.MSE), string(nn.RelativeL2))
	for _, name := range []string{"inputs", "targets", "labels"} {
		for _, split := range attrs.Strings(name) {
			if !slices.Contains(splits(), split) {
				p.Add(name, "Unknown split", "%q is no split; they are %s.", split, strings.Join(splits(), ", "))
			}
		}
	}
	if targets, labels := attrs["targets"], attrs["labels"]; targets.IsKnown() && labels.IsKnown() && targets.IsNull() == labels.IsNull() {
		p.Add("targets", "Not one thing to predict", "Give either targets or labels.")
	}
	return p
}

const mostBytes = 64 << 30 // of one array

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	dir := filepath.Join(in.Scratch, "data")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	d := training.Description{
		Task: s.Task, Classes: s.Classes, Coordinates: s.Coordinates, Loss: nn.Loss(s.Loss), Metric: nn.Metric(s.Metric),
		Normalisation: training.Normalisation{Inputs: s.Normalisation.Inputs, Targets: s.Normalisation.Targets, Epsilon: s.Normalisation.Epsilon},
	}
	counts, shape, err := join[float32](ctx, in, dir, "inputs", npy.Float32, s.Inputs)
	if err != nil {
		return err
	}
	d.Inputs = training.Array{File: "inputs.npy", Shape: shape, Axes: s.Axes}
	name, files := "targets", s.Targets
	var others []int
	if s.Labels != nil {
		name, files = "labels", s.Labels
		others, shape, err = join[int64](ctx, in, dir, name, npy.Int64, files)
		d.Labels = &training.Array{File: "labels.npy", Shape: shape}
	} else {
		others, shape, err = join[float32](ctx, in, dir, name, npy.Float32, files)
		d.Targets = &training.Array{File: "targets.npy", Shape: shape}
	}
	if err != nil {
		return err
	}
	total := 0
	for i, split := range splits() {
		if counts[i] != others[i] {
			return fmt.Errorf("%s: split %s has %d of them, and %d inputs", name, split, others[i], counts[i])
		}
		*[]*training.Range{&d.Splits.Train, &d.Splits.Validation, &d.Splits.Test}[i] = training.Range{First: total, Count: counts[i]}
		total += counts[i]
	}
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if _, err := training.ParseDescription(text); err != nil {
		return err
	}
	out.SetFile("data", dir, "data")
	out.Set("samples", cty.NumberIntVal(int64(total)))
	return os.WriteFile(filepath.Join(dir, training.DescriptionFile), append(text, '\n'), 0o644)
}

// join writes the files of all splits as one array, and says how many samples each
// has.
func join[T npy.Number](ctx context.Context, in *stages.Input, dir, name string, t npy.Type, files map[string]stages.File) ([]int, []int, error) {
	counts := make([]int, len(splits()))
	var all []T
	var shape []int
	for i, split := range splits() {
		f, ok := files[split]
		if !ok {
			continue
		}
		values, of, err := read[T](ctx, in, f)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %s: %w", name, split, err)
		}
		if len(of) == 0 || shape != nil && !slices.Equal(of[1:], shape[1:]) {
			return nil, nil, fmt.Errorf("%s: %s has shape %v, which does not follow %v", name, split, of, shape)
		}
		if shape == nil {
			shape = append([]int{0}, of[1:]...)
		}
		shape[0], counts[i] = shape[0]+of[0], of[0]
		all = append(all, values...)
	}
	if shape == nil {
		return nil, nil, fmt.Errorf("%s: there is no file", name)
	}
	return counts, shape, write(filepath.Join(dir, name+".npy"), npy.Header{Type: t, Shape: shape}, all)
}

func read[T npy.Number](ctx context.Context, in *stages.Input, f stages.File) ([]T, []int, error) {
	r, err := in.Store.Open(ctx, f)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	a, err := npy.NewReader(f.Name, r, f.Size)
	if err != nil {
		return nil, nil, err
	}
	values, err := npy.ReadAll[T](a, mostBytes)
	return values, a.Shape, err
}

func write[T npy.Number](path string, h npy.Header, values []T) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return npy.Write(f, h, values)
}

// Resources implements stages.Estimator: an array is held twice while it grows.
func (s *Stage) Resources() stages.Resources {
	var bytes int64
	for _, files := range []map[string]stages.File{s.Inputs, s.Targets, s.Labels} {
		for _, f := range files {
			bytes += f.Size
		}
	}
	return stages.Resources{CPUs: 1, Memory: 64<<20 + 3*bytes}
}
