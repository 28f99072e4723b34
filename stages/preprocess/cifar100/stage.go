package cifar100

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/pickle"
	"github.com/nbpipe/nbpipe/stages/preprocess/datafolder"
	"github.com/nbpipe/nbpipe/stages/preprocess/pickledimages"
	"github.com/nbpipe/nbpipe/stages/training"
)

// Stage is a block `preprocess "cifar100"`.
type Stage struct {
	datafolder.Common
	Archive stages.File `attr:"archive,key" doc:"cifar-100-python.tar.gz. It is read where it lies, not unpacked."`
}

// Kind is the kind `preprocess "cifar100"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "preprocess", Type: "cifar100", Version: 1, Reproducible: true,
	Doc:     "The images of CIFAR-100, 32 x 32 pixels in three colours, of 100 classes, from the archive of its Python version: a folder that networks are trained on.",
	Outputs: datafolder.OutputDocs(),
})

const classes = 100

// Resources implements stages.Estimator: pickles of 50,000 labels and file names.
func (*Stage) Resources() stages.Resources { return stages.Resources{CPUs: 1, Memory: 192 << 20} }

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	if s.Archive.Tree {
		return errors.New("archive: it is a folder, and the archive itself is needed: leave out unpack where it is fetched")
	}
	aside, err := os.CreateTemp(in.Scratch, "images")
	if err != nil {
		return err
	}
	defer os.Remove(aside.Name())
	defer aside.Close()
	sets, err := s.sets(ctx, in, aside)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	folder, err := datafolder.New(in)
	if err != nil {
		return err
	}
	if err := pickledimages.Write(ctx, in, folder, sets["train"], sets["test"], []int{3, 32, 32}, s.Limit); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	d := &folder.Description
	d.Task, d.Classes, d.Inputs.Unit = "cifar100", classes, "1/255"
	d.Normalisation = training.Normalisation{
		Inputs: "constant",
		Mean:   []float64{255 * .5071, 255 * .4867, 255 * .4408},
		Std:    []float64{255 * .2675, 255 * .2565, 255 * .2761},
	}
	return folder.Finish(out)
}

// sets reads the two pickles, to the archive's end and its checksum.
func (s *Stage) sets(ctx context.Context, in *stages.Input, aside pickle.SpillFile) (map[string]*pickledimages.Set, error) {
	file, err := in.Store.Open(ctx, s.Archive)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	z, err := gzip.NewReader(bufio.NewReaderSize(file, 1<<18))
	if err != nil {
		return nil, fmt.Errorf("it is no .tar.gz file: %w", err)
	}
	sets := map[string]*pickledimages.Set{}
	// Both pickles lie one after the other in the file in which they are laid aside.
	spill := pickle.NewSpill(aside)
	for archive := tar.NewReader(z); ; {
		member, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("it is no .tar.gz file, or damaged: %w", err)
		}
		name := path.Base(member.Name)
		if name != "train" && name != "test" || member.Typeflag != tar.TypeReg {
			continue
		}
		root, err := pickle.Decode(archive, pickle.Options{Spill: spill})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if sets[name], err = pickledimages.NewSet(name, root, "data", "fine_labels", classes); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"train", "test"} {
		if sets[name] == nil {
			return nil, fmt.Errorf("it has no file %s; cifar-100-python.tar.gz has", name)
		}
	}
	_, err = io.Copy(io.Discard, z) // to the checksum
	return sets, err
}
