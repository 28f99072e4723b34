package ecg

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/metrics"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/pickle"
	"github.com/nbpipe/nbpipe/stages/preprocess/datafolder"
	"github.com/nbpipe/nbpipe/stages/training"
)

// Stage is a block `preprocess "ecg"`.
type Stage struct {
	datafolder.Common
	Recordings stages.File `attr:"recordings,key" doc:"challenge2017.pkl: a pickled dict with data (recordings of different lengths) and label (N, A, O or ~)."`
}

// Kind is the kind `preprocess "ecg"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "preprocess", Type: "ecg", Version: 1, Reproducible: true,
	Doc:     "Heart recordings cut into windows of 1,000 samples, of four classes, split by recording: a folder that networks are trained on.",
	Outputs: datafolder.OutputDocs(),
})

const (
	window     = 1000
	mostLength = 1 << 24 // samples of a recording
)

// stride is how far apart windows begin, by class.
func stride(class int32) int { return []int{500, 500 / 6, 500 / 2, 500 / 20}[class] }

// Resources implements stages.Estimator.
func (*Stage) Resources() stages.Resources { return stages.Resources{CPUs: 1, Memory: 256 << 20} }

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	local, err := datafolder.Open(ctx, in, "recordings", s.Recordings)
	if err != nil {
		return err
	}
	defer local.Close()
	root, err := pickle.DecodeAt(local, 0, local.Size, pickle.Options{})
	if err != nil {
		return fmt.Errorf("recordings: %s: %w", s.Recordings.Name, err)
	}
	r, err := read(root)
	if err != nil {
		return fmt.Errorf("recordings: %s: %w", s.Recordings.Name, err)
	}
	folder, err := datafolder.New(in)
	if err != nil {
		return err
	}
	if err := r.write(ctx, in, folder, s.Limit); err != nil {
		return fmt.Errorf("recordings: %w", err)
	}
	if r.constant > 0 {
		out.Warn("%d recordings are the same value all the time; they were made 0", r.constant)
	}
	return folder.Finish(out)
}

// recordings are the file's.
type recordings struct {
	data     []*pickle.Array
	classes  []int32
	constant int
}

func read(root any) (*recordings, error) {
	dict, ok := root.(*pickle.Dict)
	if !ok {
		return nil, fmt.Errorf("it holds %s, and a dict with data and label is needed", pickle.Describe(root))
	}
	data, err := items(dict, "data")
	if err != nil {
		return nil, err
	}
	labels, err := items(dict, "label")
	if err != nil {
		return nil, err
	}
	if len(data) != len(labels) || len(data) == 0 {
		return nil, fmt.Errorf("it has %d recordings and %d labels", len(data), len(labels))
	}
	r := &recordings{}
	for i, v := range data {
		a, ok := v.(*pickle.Array)
		if !ok || len(a.Shape) == 0 || int64(a.Shape[len(a.Shape)-1]) != a.Count() || a.Count() < 1 || a.Count() > mostLength {
			return nil, fmt.Errorf("recording %d is %s, and a series is needed", i, pickle.Describe(v))
		}
		class := slices.Index(metrics.ECGClasses(), text(labels[i]))
		if class < 0 {
			return nil, fmt.Errorf("recording %d has label %.20q; the labels are %q", i, text(labels[i]), metrics.ECGClasses())
		}
		r.data, r.classes = append(r.data, a), append(r.classes, int32(class))
	}
	return r, nil
}

// items are the elements of an array or a list.
func items(dict *pickle.Dict, key string) ([]any, error) {
	v, ok := dict.Get(key)
	if !ok {
		return nil, fmt.Errorf("its dict has no %q", key)
	}
	if a, ok := v.(*pickle.Array); ok {
		return a.Elements()
	}
	list, ok := pickle.Sequence(v)
	if !ok {
		return nil, fmt.Errorf("its %s is %s, and an array is needed", key, pickle.Describe(v))
	}
	return list, nil
}

// text is a label as a str or as bytes.
func text(v any) string {
	if b, ok := v.(*pickle.Bytes); ok && b.Len() < 10 {
		raw, _ := b.All(10)
		return string(raw)
	}
	s, _ := v.(string)
	return s
}

// windows is how many a recording has.
func (r *recordings) windows(i int) int {
	last := int(r.data[i].Count()) - window // none begins here
	if last <= 0 {
		return 0
	}
	step := stride(r.classes[i])
	return (last + step - 1) / step
}

func (r *recordings) write(ctx context.Context, in *stages.Input, folder *datafolder.Folder, limit int) error {
	var order []int
	var counts [3]int
	train, validation, test := split(len(r.data))
	for k, part := range [][]int{train, validation, test} {
		part = part[:datafolder.Limited(len(part), limit)]
		for _, i := range part {
			counts[k] += r.windows(i)
		}
		order = append(order, part...)
		if counts[k] == 0 {
			return fmt.Errorf("none of the %d for %s is longer than %d samples: take more of them", len(part), []string{"training", "validation", "the test"}[k], window)
		}
	}
	n := counts[0] + counts[1] + counts[2]
	inputs := datafolder.NewRows[float32](folder.Dir, "inputs", npy.Float32, n, window)
	defer inputs.Abandon()
	labels := datafolder.NewRows[int32](folder.Dir, "labels", npy.Uint8, n)
	defer labels.Abandon()
	records := datafolder.NewRows[int32](folder.Dir, "records", npy.Int32, n)
	defer records.Abandon()
	for done, i := range order {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		series, err := r.series(i)
		if err != nil {
			return fmt.Errorf("recording %d: %w", i, err)
		}
		for j := range r.windows(i) {
			first := j * stride(r.classes[i])
			err := errors.Join(inputs.Append(series[first:first+window]), labels.Append(r.classes[i:i+1]), records.Append([]int32{int32(i)}))
			if err != nil {
				return err
			}
		}
		in.Progress.Report(int64(done+1), int64(len(order)), "recordings")
	}
	d := &folder.Description
	d.Task, d.Metric, d.Classes = "ecg", nn.F1Error, len(metrics.ECGClasses())
	d.Splits = datafolder.Consecutive(counts[0], counts[1], counts[2])
	d.Labels, d.Records = new(training.Array), new(training.Array)
	var err error
	if d.Inputs, err = inputs.Close(); err != nil {
		return err
	}
	d.Inputs.Axes = []string{"sample", "time"}
	if *d.Labels, err = labels.Close(); err != nil {
		return err
	}
	*d.Records, err = records.Close()
	return err
}

// series is a recording, standardised.
func (r *recordings) series(i int) ([]float32, error) {
	n, err := r.data[i].Numbers("samples")
	if err != nil {
		return nil, err
	}
	values, err := npy.ReadAll[float64](n, 8*mostLength)
	if err != nil {
		return nil, err
	}
	out := make([]float32, len(values))
	varies, err := datafolder.Standardise(values, out)
	if !varies {
		r.constant++
	}
	return out, err
}
