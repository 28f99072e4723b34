package spherical

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/pickle"
	"github.com/nbpipe/nbpipe/stages/preprocess/datafolder"
	"github.com/nbpipe/nbpipe/stages/preprocess/pickledimages"
)

// Stage is a block `preprocess "spherical"`.
type Stage struct {
	datafolder.Common
	File stages.File `attr:"file,key" doc:"s2_cifar100.gz: a gzipped pickle of train and test, each with images (samples, 3, 60, 60) and labels (0 to 99)."`
}

// Kind is the kind `preprocess "spherical"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "preprocess", Type: "spherical", Version: 1, Reproducible: true,
	Doc:     "The images of CIFAR-100 projected on the sphere, 60 x 60 pixels in three colours, of 100 classes: a folder that networks are trained on.",
	Outputs: datafolder.OutputDocs(),
})

const classes = 100

// Resources implements stages.Estimator.
func (*Stage) Resources() stages.Resources { return stages.Resources{CPUs: 1, Memory: 192 << 20} }

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	if s.File.Tree {
		return errors.New("file: it is a folder, and a file is needed")
	}
	aside, err := os.CreateTemp(in.Scratch, "images")
	if err != nil {
		return err
	}
	defer os.Remove(aside.Name())
	defer aside.Close()
	sets, err := s.sets(ctx, in, aside)
	if err != nil {
		return fmt.Errorf("file: %w", err)
	}
	folder, err := datafolder.New(in)
	if err != nil {
		return err
	}
	if err := pickledimages.Write(ctx, in, folder, sets[0], sets[1], []int{3, 60, 60}, s.Limit); err != nil {
		return fmt.Errorf("file: %w", err)
	}
	folder.Description.Task, folder.Description.Classes = "spherical", classes
	return folder.Finish(out)
}

// sets reads the pickle, to the checksum at the file's end.
func (s *Stage) sets(ctx context.Context, in *stages.Input, aside pickle.SpillFile) (sets [2]*pickledimages.Set, err error) {
	file, err := in.Store.Open(ctx, s.File)
	if err != nil {
		return sets, err
	}
	defer file.Close()
	z, err := gzip.NewReader(bufio.NewReaderSize(file, 1<<18))
	if err != nil {
		return sets, fmt.Errorf("it is no gzip file: %w", err)
	}
	root, err := pickle.Decode(z, pickle.Options{Spill: pickle.NewSpill(aside)})
	if err != nil {
		return sets, err
	}
	if _, err := io.Copy(io.Discard, z); err != nil {
		return sets, err
	}
	dict, ok := root.(*pickle.Dict)
	if !ok {
		return sets, fmt.Errorf("it holds %s, and a dict of train and test is needed", pickle.Describe(root))
	}
	for i, name := range []string{"train", "test"} {
		set, _ := dict.Get(name)
		if sets[i], err = pickledimages.NewSet(name, set, "images", "labels", classes); err != nil {
			return sets, err
		}
	}
	return sets, nil
}
