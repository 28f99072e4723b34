package satellite

import (
	"context"
	"fmt"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/pickle"
	"github.com/nbpipe/nbpipe/stages/preprocess/datafolder"
	"github.com/nbpipe/nbpipe/stages/training"
)

// Stage is a block `preprocess "satellite"`.
type Stage struct {
	datafolder.Common
	Train stages.File `attr:"train,key" doc:"satellite_train.npy: a pickled dict with data (samples, times) and label (1 to 24). Its last samples, as many as test has, are for validation."`
	Test  stages.File `attr:"test,key" doc:"satellite_test.npy, laid out as train."`
}

const classes = 24

// Kind is the kind `preprocess "satellite"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "preprocess", Type: "satellite", Version: 1, Reproducible: true,
	Doc:     "Series of satellite measurements of 24 kinds of land cover, each standardised by itself: a folder that networks are trained on.",
	Outputs: datafolder.OutputDocs(),
})

// Resources implements stages.Estimator.
func (*Stage) Resources() stages.Resources { return stages.Resources{CPUs: 1, Memory: 128 << 20} }

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	train, err := open(ctx, in, "train", s.Train)
	if err != nil {
		return err
	}
	defer train.local.Close()
	test, err := open(ctx, in, "test", s.Test)
	if err != nil {
		return err
	}
	defer test.local.Close()
	if train.samples <= test.samples || train.times != test.times {
		return fmt.Errorf("train: it has %d series of %d values, and test %d of %d: as many as those are for validation, and the rest must be some of the same length",
			train.samples, train.times, test.samples, test.times)
	}
	fit := train.samples - test.samples
	parts := []part{
		{train, 0, datafolder.Limited(fit, s.Limit)},
		{train, fit, datafolder.Limited(test.samples, s.Limit)},
		{test, 0, datafolder.Limited(test.samples, s.Limit)},
	}
	folder, err := datafolder.New(in)
	if err != nil {
		return err
	}
	w := &writer{in: in, times: train.times}
	if err := w.write(ctx, folder, parts); err != nil {
		return err
	}
	if w.constant > 0 {
		out.Warn("%d series are the same value all the time; they were made 0", w.constant)
	}
	return folder.Finish(out)
}

// source is a file's two arrays.
type source struct {
	name           string
	local          *datafolder.Local
	data, labels   *pickle.Array
	samples, times int
}

func open(ctx context.Context, in *stages.Input, name string, file stages.File) (*source, error) {
	local, err := datafolder.Open(ctx, in, name, file)
	if err != nil {
		return nil, err
	}
	s := &source{name: name, local: local}
	if err := s.arrays(file.Name); err != nil {
		local.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

func (s *source) arrays(file string) error {
	array, err := pickle.DecodeNpyAt(file, s.local, s.local.Size, pickle.Options{})
	if err != nil {
		return err
	}
	var dict *pickle.Dict
	if len(array.Objects) == 1 {
		dict, _ = array.Objects[0].(*pickle.Dict)
	}
	if dict == nil {
		return fmt.Errorf("%s: it holds %d objects, and one dict with data and label is needed", file, len(array.Objects))
	}
	for i, key := range []string{"data", "label"} {
		v, _ := dict.Get(key)
		a, ok := v.(*pickle.Array)
		if !ok {
			return fmt.Errorf("%s: %s is %s, and an array is needed", file, key, pickle.Describe(v))
		}
		*[]**pickle.Array{&s.data, &s.labels}[i] = a
	}
	if d := s.data.Shape; len(d) < 2 || len(d) > 3 || len(d) == 3 && d[2] != 1 || d[1] < 1 {
		return fmt.Errorf("%s: data has shape %v, and (samples, times) is needed", file, d)
	}
	s.samples, s.times = s.data.Shape[0], s.data.Shape[1]
	if s.samples < 1 || s.labels.Count() != int64(s.samples) {
		return fmt.Errorf("%s: %d series and %d labels", file, s.samples, s.labels.Count())
	}
	return nil
}

// part is some of a file's samples.
type part struct {
	*source
	first, count int
}

type writer struct {
	in       *stages.Input
	times    int
	constant int
	done     int
}

func (w *writer) write(ctx context.Context, folder *datafolder.Folder, parts []part) error {
	n := parts[0].count + parts[1].count + parts[2].count
	inputs := datafolder.NewRows[float32](folder.Dir, "inputs", npy.Float32, n, w.times)
	defer inputs.Abandon()
	labels := datafolder.NewRows[int32](folder.Dir, "labels", npy.Uint8, n)
	defer labels.Abandon()
	for _, p := range parts {
		if err := w.series(ctx, p, n, inputs); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if err := w.labels(p, labels); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	d := &folder.Description
	d.Task, d.Metric, d.Classes, d.Labels = "satellite", nn.ZeroOneError, classes, new(training.Array)
	d.Splits = datafolder.Consecutive(parts[0].count, parts[1].count, parts[2].count)
	var err error
	if d.Inputs, err = inputs.Close(); err != nil {
		return err
	}
	d.Inputs.Axes = []string{"sample", "time"}
	*d.Labels, err = labels.Close()
	return err
}

func (w *writer) series(ctx context.Context, p part, all int, rows *datafolder.Rows[float32]) error {
	r, err := p.data.Numbers("data")
	if err != nil {
		return err
	}
	out := make([]float32, w.times)
	return datafolder.Each(r, w.in.Scratch, p.first, p.count, func(i int, series []float64) error {
		varies, err := datafolder.Standardise(series, out)
		if err != nil {
			return fmt.Errorf("sample %d: %w", p.first+i, err)
		}
		if !varies {
			w.constant++
		}
		if w.done++; w.done%(1<<14) == 0 || w.done == all {
			w.in.Progress.Report(int64(w.done), int64(all), "samples")
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		return rows.Append(out)
	})
}

func (w *writer) labels(p part, rows *datafolder.Rows[int32]) error {
	r, err := p.source.labels.Numbers("label")
	if err != nil {
		return err
	}
	return datafolder.Each(r, w.in.Scratch, p.first, p.count, func(i int, label []float64) error {
		l, err := datafolder.Label(label[0], 1, classes)
		if err != nil {
			return fmt.Errorf("sample %d: %w", p.first+i, err)
		}
		return rows.Append([]int32{l})
	})
}
