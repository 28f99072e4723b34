package ninapro

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/preprocess/datafolder"
	"github.com/nbpipe/nbpipe/stages/training"
)

// Stage is a block `preprocess "ninapro"`.
type Stage struct {
	datafolder.Common
	Inputs map[string]stages.File `attr:"inputs,key" doc:"Split (train, validation, test) to its file of recordings, ninapro_train.npy, ninapro_val.npy, ninapro_test.npy: (samples, 52, 16)."`
	Labels map[string]stages.File `attr:"labels,key" doc:"Split to its file of labels, label_train.npy, label_val.npy, label_test.npy: 0 to 17."`
}

// Kind is the kind `preprocess "ninapro"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "preprocess", Type: "ninapro", Version: 1, Reproducible: true,
	Doc:     "Muscles' electric activity at 16 electrodes during 18 gestures of the hand: a folder that networks are trained on.",
	Outputs: datafolder.OutputDocs(),
})

const (
	classes    = 18
	times      = 52
	electrodes = 16
)

func splits() []string { return []string{training.Train, training.Validation, training.Test} }

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	p := datafolder.CheckCommon(attrs)
	for _, name := range []string{"inputs", "labels"} {
		if given := attrs.Strings(name); given != nil && fmt.Sprint(given) != "[test train validation]" {
			p.Add(name, "Not the three splits", "There are files of %q; train, validation and test are needed.", given)
		}
	}
	return p
}

// Resources implements stages.Estimator.
func (*Stage) Resources() stages.Resources { return stages.Resources{CPUs: 1, Memory: 64 << 20} }

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	folder, err := datafolder.New(in)
	if err != nil {
		return err
	}
	inputs := datafolder.NewRows[float64](folder.Dir, "inputs", npy.Float32, datafolder.Unknown, times, electrodes)
	defer inputs.Abandon()
	labels := datafolder.NewRows[int32](folder.Dir, "labels", npy.Uint8, datafolder.Unknown)
	defer labels.Abandon()
	var counts [3]int
	for i, split := range splits() {
		n, err := s.each(ctx, in, "inputs", s.Inputs[split], []int{times, electrodes}, func(sample []float64) error {
			for _, v := range sample {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					return fmt.Errorf("the value %v", v)
				}
			}
			return inputs.Append(sample)
		})
		if err != nil {
			return fmt.Errorf("inputs: %s: %w", split, err)
		}
		counts[i], err = s.each(ctx, in, "labels", s.Labels[split], nil, func(sample []float64) error {
			l, err := datafolder.Label(sample[0], 0, classes)
			return errors.Join(err, labels.Append([]int32{l}))
		})
		if err == nil && counts[i] != n {
			err = fmt.Errorf("there are %d, and %d recordings", counts[i], n)
		}
		if err != nil {
			return fmt.Errorf("labels: %s: %w", split, err)
		}
	}
	d := &folder.Description
	d.Task, d.Metric, d.Classes, d.Labels = "ninapro", nn.ZeroOneError, classes, new(training.Array)
	d.Splits = datafolder.Consecutive(counts[0], counts[1], counts[2])
	if d.Inputs, err = inputs.Close(); err != nil {
		return err
	}
	d.Inputs.Axes = []string{"sample", "width", "height"}
	if *d.Labels, err = labels.Close(); err != nil {
		return err
	}
	return folder.Finish(out)
}

// each hands a file's samples over and counts them.
func (s *Stage) each(ctx context.Context, in *stages.Input, attribute string, file stages.File, shape []int, take func(sample []float64) error) (int, error) {
	local, err := datafolder.Open(ctx, in, attribute, file)
	if err != nil {
		return 0, err
	}
	defer local.Close()
	r, err := npy.NewReader(file.Name, local, local.Size)
	if err != nil {
		return 0, err
	}
	if want := append([]int{0}, shape...); len(r.Shape) != len(want) || fmt.Sprint(r.Shape[1:]) != fmt.Sprint(want[1:]) {
		return 0, fmt.Errorf("%s has shape %v, and samples of shape %v are needed", file.Name, r.Shape, want[1:])
	}
	n := datafolder.Limited(r.Shape[0], s.Limit)
	return n, datafolder.Each(r, in.Scratch, 0, n, func(i int, sample []float64) error {
		if err := take(sample); err != nil {
			return fmt.Errorf("sample %d: %w", i, err)
		}
		return nil
	})
}
