package psicov

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/preprocess/datafolder"
	"github.com/nbpipe/nbpipe/stages/training"
	"github.com/nbpipe/nbpipe/stages/zipindex"
)

// Stage is a block `preprocess "psicov"`.
type Stage struct {
	datafolder.Common
	Archive    stages.File `attr:"archive,key" doc:"protein.zip: lists of proteins, and of each its features as a pickle and its distances as a .npy file. It is read where it lies, not unpacked."`
	Train      string      `attr:"train,key" default:"\"deepcov\"" doc:"Name of list and folder of the proteins that are for training and validation: deepcov stands for deepcov.lst, deepcov/features/ID.pkl and deepcov/distance/ID-cb.npy."`
	Test       string      `attr:"test,key" default:"\"psicov\"" doc:"Name of list and folder of the proteins that are for the test, laid out as train."`
	Validation int         `attr:"validation,key" default:"100" doc:"How many proteins are for validation, the first ones of the training list."`
}

// Kind is the kind `preprocess "psicov"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "preprocess", Type: "psicov", Version: 1, Reproducible: true,
	Doc:     "Distances between residues of proteins, and features of residues and pairs to predict them from: a folder that networks are trained on.",
	Outputs: datafolder.OutputDocs(),
})

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	p := datafolder.CheckCommon(attrs)
	p.Whole(attrs, "validation", 0, 1<<31)
	return p
}

// Resources implements stages.Estimator: a protein of a thousand residues, several times.
func (*Stage) Resources() stages.Resources { return stages.Resources{CPUs: 1, Memory: 256 << 20} }

// What the repository pads, clips and crops with.
const (
	padding = 5 // pixels on each side: its pad_size of 10 is both
	clip    = 16
	window  = 128
)

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	local, err := datafolder.Open(ctx, in, "archive", s.Archive)
	if err != nil {
		return err
	}
	defer local.Close()
	archive, err := zipindex.New(local, local.Size)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	folder, err := datafolder.New(in)
	if err != nil {
		return err
	}
	if err := s.write(ctx, in, folder, archive); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return folder.Finish(out)
}

// name is a protein, and the folder in which it is.
type name struct{ folder, id string }

func (s *Stage) write(ctx context.Context, in *stages.Input, folder *datafolder.Folder, archive *zipindex.Index) error {
	known, err := list(archive, s.Train)
	if err != nil {
		return err
	}
	tests, err := list(archive, s.Test)
	if err != nil {
		return err
	}
	if len(known) <= s.Validation {
		return fmt.Errorf("%s.lst has %d proteins, of which %d are for validation: none is left to train on", s.Train, len(known), s.Validation)
	}
	limited := func(names []name) []name { return names[:datafolder.Limited(len(names), s.Limit)] }
	train, validation, test := limited(known[s.Validation:]), limited(known[:s.Validation]), limited(tests)
	w := newWriter(folder.Dir)
	defer w.abandon()
	all := append(append(append([]name{}, train...), validation...), test...)
	for i, n := range all {
		if err := w.protein(archive, n); err != nil {
			return fmt.Errorf("protein %s of %s: %w", n.id, n.folder, err)
		}
		in.Progress.Report(int64(i+1), int64(len(all)), "proteins")
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	d := &folder.Description
	d.Task, d.Loss, d.Metric = "psicov", nn.MSE, nn.MAE8
	d.Splits = datafolder.Consecutive(len(train), len(validation), len(test))
	d.Pairs, err = w.close()
	return err
}

// mostProteins is the length at which a list is taken for a mistake.
const mostProteins = 1 << 20

// list reads NAME.lst: the first word of each line.
func list(archive *zipindex.Index, folder string) ([]name, error) {
	r, err := open(archive, folder+".lst")
	if err != nil {
		return nil, err
	}
	var out []name
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) > 0 {
			if out = append(out, name{folder, words[0]}); len(out) > mostProteins {
				return nil, fmt.Errorf("%s.lst: more than %d proteins", folder, mostProteins)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s.lst: %w", folder, err)
	}
	return out, nil
}

// open opens a member that is found by the end of its path.
func open(archive *zipindex.Index, path string) (io.Reader, error) {
	i, err := archive.Find(path)
	if err != nil {
		return nil, err
	}
	return archive.Open(i)
}

// writer is the arrays that are written.
type writer struct {
	lengths                 *datafolder.Rows[int32]
	sequence, maps, targets *datafolder.Rows[float32]
}

func newWriter(dir string) *writer {
	return &writer{
		lengths:  datafolder.NewRows[int32](dir, "lengths", npy.Int32, datafolder.Unknown),
		sequence: datafolder.NewRows[float32](dir, "sequence", npy.Float32, datafolder.Unknown, residueFeatures),
		maps:     datafolder.NewRows[float32](dir, "maps", npy.Float32, datafolder.Unknown, len(pairFeatures())),
		targets:  datafolder.NewRows[float32](dir, "targets", npy.Float32, datafolder.Unknown),
	}
}

func (w *writer) abandon() {
	w.lengths.Abandon()
	w.sequence.Abandon()
	w.maps.Abandon()
	w.targets.Abandon()
}

func (w *writer) close() (*training.Pairs, error) {
	p := &training.Pairs{Padding: padding, Outside: clip, Window: window}
	var errs [4]error
	p.Lengths, errs[0] = w.lengths.Close()
	p.Sequence, errs[1] = w.sequence.Close()
	p.Maps, errs[2] = w.maps.Close()
	p.Targets, errs[3] = w.targets.Close()
	p.Targets.Unit = "angstrom"
	return p, errors.Join(errs[:]...)
}

// protein reads a protein and writes it.
func (w *writer) protein(archive *zipindex.Index, n name) error {
	f, err := readFeatures(archive, n)
	if err != nil {
		return fmt.Errorf("features: %w", err)
	}
	distances, err := readDistances(archive, n, f.length)
	if err != nil {
		return fmt.Errorf("distances: %w", err)
	}
	return errors.Join(w.lengths.Append([]int32{int32(f.length)}), w.sequence.Extend(f.sequence), w.maps.Extend(f.maps), w.targets.Extend(distances))
}
