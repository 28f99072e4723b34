package deepsea

import (
	"context"
	"fmt"
	"slices"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/preprocess/datafolder"
	"github.com/nbpipe/nbpipe/stages/training"
)

// Stage is a block `preprocess "deepsea"`.
type Stage struct {
	datafolder.Common
	Archive stages.File `attr:"archive,key" doc:"deepsea_filtered.npz: x_train, x_val, x_test (samples, bases, 4) and y_train, y_val, y_test (samples, labels)."`
}

// Kind is the kind `preprocess "deepsea"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "preprocess", Type: "deepsea", Version: 1, Reproducible: true,
	Doc:     "DNA sequences with 36 chromatin features each, bases as channels: a folder that networks are trained on.",
	Outputs: datafolder.OutputDocs(),
})

// Resources implements stages.Estimator.
func (*Stage) Resources() stages.Resources { return stages.Resources{CPUs: 1, Memory: 128 << 20} }

// The parts of the archive's names, by split.
func suffixes() []string { return []string{"train", "val", "test"} }

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	local, err := datafolder.Open(ctx, in, "archive", s.Archive)
	if err != nil {
		return err
	}
	defer local.Close()
	archive, err := npy.OpenArchive(s.Archive.Name, local, local.Size)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	w := &writer{in: in, archive: archive, limit: s.Limit}
	if err := w.shapes(); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	folder, err := datafolder.New(in)
	if err != nil {
		return err
	}
	if err := w.write(ctx, folder); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return folder.Finish(out)
}

type writer struct {
	in            *stages.Input
	archive       *npy.Archive
	limit         int
	counts        [3]int
	bases, labels int
	typ           npy.Type // of the inputs that are written
	done          int64
}

const channels = 4

// shapes reads the six headers.
func (w *writer) shapes() error {
	w.typ = npy.Uint8
	for i, suffix := range suffixes() {
		x, err := w.header("x_" + suffix)
		if err != nil {
			return err
		}
		y, err := w.header("y_" + suffix)
		if err != nil {
			return err
		}
		if len(x.Shape) != 3 || x.Shape[2] != channels || len(y.Shape) != 2 || y.Shape[0] != x.Shape[0] || x.Shape[0] < 1 {
			return fmt.Errorf("x_%s has shape %v and y_%s %v, and (samples, bases, 4) and (samples, labels) are needed", suffix, x.Shape, suffix, y.Shape)
		}
		if i > 0 && (x.Shape[1] != w.bases || y.Shape[1] != w.labels) {
			return fmt.Errorf("x_%s has %d bases and y_%s %d labels, and those before %d and %d", suffix, x.Shape[1], suffix, y.Shape[1], w.bases, w.labels)
		}
		w.bases, w.labels, w.counts[i] = x.Shape[1], y.Shape[1], datafolder.Limited(x.Shape[0], w.limit)
		if x.Type != npy.Uint8 && x.Type != npy.Bool {
			w.typ = npy.Float32
		}
	}
	return nil
}

func (w *writer) header(array string) (npy.Header, error) {
	m, err := w.archive.Open(array)
	if err != nil {
		return npy.Header{}, err
	}
	return m.Header, m.Close()
}

func (w *writer) write(ctx context.Context, folder *datafolder.Folder) error {
	n := w.counts[0] + w.counts[1] + w.counts[2]
	inputs := datafolder.NewRows[float32](folder.Dir, "inputs", w.typ, n, channels, w.bases)
	defer inputs.Abandon()
	targets := datafolder.NewRows[int32](folder.Dir, "targets", npy.Uint8, n, w.labels)
	defer targets.Abandon()
	x, y := make([]float32, channels*w.bases), make([]int32, w.labels)
	for i, suffix := range suffixes() {
		err := w.each(ctx, "x_"+suffix, w.counts[i], func(sample []float64) error {
			for k, v := range sample {
				x[k%channels*w.bases+k/channels] = float32(v)
			}
			return inputs.Append(x)
		})
		if err != nil {
			return err
		}
		err = w.each(ctx, "y_"+suffix, w.counts[i], func(sample []float64) error {
			for k, v := range sample {
				if v != 0 && v != 1 {
					return fmt.Errorf("target %v; targets are 0 or 1", v)
				}
				y[k] = int32(v)
			}
			return targets.Append(y)
		})
		if err != nil {
			return err
		}
	}
	d := &folder.Description
	d.Task, d.Loss, d.Metric, d.Targets = "deepsea", nn.BCE, nn.AUROCError, new(training.Array)
	d.Splits = datafolder.Consecutive(w.counts[0], w.counts[1], w.counts[2])
	var err error
	if d.Inputs, err = inputs.Close(); err != nil {
		return err
	}
	d.Inputs.Axes = []string{"sample", "channel", "time"}
	*d.Targets, err = targets.Close()
	return err
}

// each reads the first samples of an array, and, where those are all, its checksum.
func (w *writer) each(ctx context.Context, array string, count int, take func(sample []float64) error) error {
	m, err := w.archive.Open(array)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	total := int64(2) * int64(w.counts[0]+w.counts[1]+w.counts[2])
	err = datafolder.Each(m.Reader, w.in.Scratch, 0, count, func(i int, sample []float64) error {
		if w.done++; w.done%(1<<12) == 0 || w.done == total {
			w.in.Progress.Report(w.done, total, "samples")
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		if slices.ContainsFunc(sample, func(v float64) bool { return v-v != 0 }) {
			return fmt.Errorf("sample %d has values that are not finite", i)
		}
		return take(sample)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", array, err)
	}
	if count < m.Shape[0] {
		return nil
	}
	return m.Verify()
}
