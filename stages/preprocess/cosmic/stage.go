package cosmic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/preprocess/datafolder"
	"github.com/nbpipe/nbpipe/stages/training"
)

// Stage is a block `preprocess "cosmic"`.
type Stage struct {
	datafolder.Common
	Train   stages.File `attr:"train,key" doc:"deepCR.ACS-WFC.train.tar: .npy files of (3, 256, 256), image, mask and pixels to ignore, with a sky.npy a folder. A tenth of them is for validation."`
	Test    stages.File `attr:"test,key" doc:"deepCR.ACS-WFC.test.tar, laid out as train."`
	Folders []string    `attr:"folders,key,optional" doc:"Only images in these folders of the archives, by one or several parts of their path, such as a filter, f435w, or a visit, f435w/10595/2. All where it is left out."`
	Metric  string      `attr:"metric,key" default:"\"false_negative_rate\"" doc:"false_negative_rate, as the preprint has it, or pixel_auroc_error, as the later code does."`
}

// Kind is the kind `preprocess "cosmic"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "preprocess", Type: "cosmic", Version: 1, Reproducible: true,
	Doc:     "Images of a space telescope with masks of cosmic rays, of pixels to ignore, and the sky's brightness: a folder that networks are trained on.",
	Outputs: datafolder.OutputDocs(),
})

const (
	side  = 256 // pixels of an image
	first = 64  // of those that are kept
	kept  = 128
)

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	p := datafolder.CheckCommon(attrs)
	p.Word(attrs, "metric", string(nn.FalseNegativeRate), string(nn.PixelAUROCError))
	return p
}

// Resources implements stages.Estimator.
func (*Stage) Resources() stages.Resources { return stages.Resources{CPUs: 1, Memory: 128 << 20} }

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	train, err := names(ctx, in, s.Train, s.Folders)
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	test, err := names(ctx, in, s.Test, s.Folders)
	if err != nil {
		return fmt.Errorf("test: %w", err)
	}
	fit := training90(len(train))
	if fit == 0 {
		return fmt.Errorf("train: it has %d images, and nine tenths of them are for training", len(train))
	}
	validation := train[fit:][:datafolder.Limited(len(train)-fit, s.Limit)]
	train, test = train[:datafolder.Limited(fit, s.Limit)], test[:datafolder.Limited(len(test), s.Limit)]
	folder, err := datafolder.New(in)
	if err != nil {
		return err
	}
	w, err := newWriter(in, folder, len(train)+len(validation)+len(test))
	if err != nil {
		return err
	}
	defer w.abandon()
	if err := w.archive(ctx, s.Train, slices.Concat(train, validation)); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	if err := w.archive(ctx, s.Test, test); err != nil {
		return fmt.Errorf("test: %w", err)
	}
	if w.without > 0 {
		out.Warn("%d images lie in folders without %s; their sky was taken for 0", w.without, skyFile)
	}
	d := &folder.Description
	d.Task, d.Loss, d.Metric = "cosmic", nn.BCE, nn.Metric(s.Metric)
	d.Splits = datafolder.Consecutive(len(train), len(validation), len(test))
	if err := w.close(d); err != nil {
		return err
	}
	return folder.Finish(out)
}

// training90 is the repository's int(n * (1 - .1)).
func training90(n int) int {
	share := 0.1
	return int(float64(n) * (1 - share))
}

// writer puts images where they belong.
type writer struct {
	in            *stages.Input
	images        *datafolder.Array[float32]
	masks, counts *datafolder.Array[float32]
	levels        *datafolder.Array[float64]
	put, all      int
	without       int
	plane, pixels []float32
}

func newWriter(in *stages.Input, folder *datafolder.Folder, n int) (*writer, error) {
	w := &writer{in: in, all: n, plane: make([]float32, side*side), pixels: make([]float32, kept*kept)}
	var errs [4]error
	w.images, errs[0] = datafolder.Create[float32](folder.Dir, "images.npy", npy.Float32, n, kept, kept)
	w.masks, errs[1] = datafolder.Create[float32](folder.Dir, "masks.npy", npy.Uint8, n, kept, kept)
	w.counts, errs[2] = datafolder.Create[float32](folder.Dir, "counts.npy", npy.Uint8, n, kept, kept)
	w.levels, errs[3] = datafolder.Create[float64](folder.Dir, "sky.npy", npy.Float32, n)
	return w, errors.Join(errs[:]...)
}

func (w *writer) abandon() {
	w.images.Abandon()
	w.masks.Abandon()
	w.counts.Abandon()
	w.levels.Abandon()
}

func (w *writer) close(d *training.Description) error {
	axes := []string{"sample", "height", "width"}
	array := func(name string, h npy.Header) training.Array {
		return training.Array{File: name, DType: string(h.Type), Shape: h.Shape, Axes: axes[:len(h.Shape)]}
	}
	d.Inputs = array("images.npy", w.images.Header)
	d.Inputs.Unit = "electrons"
	targets, counts, levels := array("masks.npy", w.masks.Header), array("counts.npy", w.counts.Header), array("sky.npy", w.levels.Header)
	d.Targets, d.Counts, d.Levels = &targets, &counts, &levels
	return errors.Join(w.images.Close(), w.masks.Close(), w.counts.Close(), w.levels.Close())
}

// archive reads the images of an archive whose names are given, in the order in which
// they are to be written after those that were.
func (w *writer) archive(ctx context.Context, file stages.File, names []string) error {
	base := w.put
	place := map[string]int{}
	for i, name := range names {
		place[name] = base + i
	}
	skies, exposures := map[string][]float64{}, 0
	err := walk(ctx, w.in, file, func(name string, size int64, r io.Reader) error {
		if path.Base(name) == skyFile {
			levels, err := sky(name, size, r)
			skies[path.Dir(name)] = levels
			if exposures += len(levels); exposures > mostSkies {
				return fmt.Errorf("its files %s have more than %d values", skyFile, mostSkies)
			}
			return err
		}
		i, ok := place[name]
		if !ok {
			return nil
		}
		if err := w.image(i, name, size, r); err != nil {
			return err
		}
		w.put++
		w.in.Progress.Report(int64(w.put), int64(w.all), "images")
		return nil
	})
	if err != nil {
		return err
	}
	for i, name := range names {
		level, err := w.level(name, skies)
		if err != nil {
			return err
		}
		if err := w.levels.Put(base+i, []float64{level}); err != nil {
			return err
		}
	}
	return nil
}

// level is the sky's brightness in an image.
func (w *writer) level(name string, skies map[string][]float64) (float64, error) {
	levels, ok := skies[path.Dir(name)]
	if !ok {
		w.without++
		return 0, nil
	}
	n, err := exposure(name)
	if err != nil {
		return 0, err
	}
	if n > len(levels) {
		return 0, fmt.Errorf("%s: it is of exposure %d, and its %s has %d", name, n, skyFile, len(levels))
	}
	return levels[n-1], nil
}

// image reads a file's planes.
func (w *writer) image(i int, name string, size int64, r io.Reader) error {
	a, err := npy.NewReader(name, r, size)
	if err != nil {
		return err
	}
	if s := a.Shape; len(s) != 3 || s[0] < 2 || s[0] > 3 || s[1] != side || s[2] != side || a.Fortran {
		return fmt.Errorf("%s: it has shape %v (Fortran order: %t), and (3, %d, %d) in C order is needed: image, mask, ignore", name, s, a.Fortran, side, side)
	}
	for p, to := range []*datafolder.Array[float32]{w.images, w.masks, w.counts} {
		if p < a.Shape[0] {
			if err := npy.Read(a, w.plane); err != nil {
				return err
			}
			crop(w.pixels, w.plane)
		} else {
			clear(w.pixels)
		}
		if err := w.check(p); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := to.Put(i, w.pixels); err != nil {
			return err
		}
	}
	return nil
}

// crop takes the middle of a plane.
func crop(pixels, plane []float32) {
	for y := range kept {
		copy(pixels[y*kept:(y+1)*kept], plane[(first+y)*side+first:])
	}
}

// check looks at the pixels of a plane: image, mask, or ignore, which becomes what
// counts.
func (w *writer) check(plane int) error {
	for k, v := range w.pixels {
		switch {
		case plane == 0 && v-v != 0:
			return errors.New("its image has values that are not finite")
		case plane > 0 && v != 0 && v != 1:
			return fmt.Errorf("plane %d, a mask, has the value %v; masks are 0 or 1", plane, v)
		case plane == 2:
			w.pixels[k] = 1 - v
		}
	}
	return nil
}
