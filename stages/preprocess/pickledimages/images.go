package pickledimages

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/pickle"
	"github.com/nbpipe/nbpipe/stages/preprocess/datafolder"
	"github.com/nbpipe/nbpipe/stages/training"
)

// Set is the images of one pickle.
type Set struct {
	name   string
	images *pickle.Array
	labels []int32
}

// NewSet takes images, an array of numbers with one row an image, and labels from 0, a
// list or an array, from a dict. name stands in errors.
func NewSet(name string, dict any, images, labels string, classes int) (*Set, error) {
	s := &Set{name: name}
	d, ok := dict.(*pickle.Dict)
	if !ok {
		return nil, fmt.Errorf("%s: it holds %s, and a dict with %s and %s is needed", name, pickle.Describe(dict), images, labels)
	}
	found, _ := d.Get(images)
	if s.images, ok = found.(*pickle.Array); !ok || len(s.images.Shape) < 2 {
		return nil, fmt.Errorf("%s: %s is %s, and an array with one row an image is needed", name, images, pickle.Describe(found))
	}
	found, _ = d.Get(labels)
	if err := s.read(found, classes); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", name, labels, err)
	}
	if len(s.labels) != s.images.Shape[0] {
		return nil, fmt.Errorf("%s: there are %d images and %d labels", name, s.images.Shape[0], len(s.labels))
	}
	return s, nil
}

// mostLabels is the number of images at which a file is taken for a mistake.
const mostLabels = 1 << 24

func (s *Set) read(labels any, classes int) error {
	var values []any
	switch v := labels.(type) {
	case *pickle.List:
		values = v.Items
	case *pickle.Array:
		if v.Count() > mostLabels {
			return fmt.Errorf("%d of them", v.Count())
		}
		var err error
		if values, err = v.Elements(); err != nil {
			return err
		}
	default:
		return fmt.Errorf("they are %s, and a list or an array is needed", pickle.Describe(labels))
	}
	for i, v := range values {
		number := math.NaN()
		switch n := v.(type) {
		case int64:
			number = float64(n)
		case float64:
			number = n
		}
		l, err := datafolder.Label(number, 0, classes)
		if err != nil {
			return fmt.Errorf("image %d: %w", i, err)
		}
		s.labels = append(s.labels, l)
	}
	return nil
}

// part is count images of a set from first on.
type part struct {
	*Set
	first, count int
}

// Write writes arrays and splits; shape is an image's: channels, height, width. Of each
// split, limit images are taken, 0 for all. What else the description says is the
// caller's.
func Write(ctx context.Context, in *stages.Input, folder *datafolder.Folder, train, test *Set, shape []int, limit int) error {
	fit := int(0.8 * float64(len(train.labels))) // as the repository computes it
	parts := []part{
		{train, 0, datafolder.Limited(fit, limit)},
		{train, fit, datafolder.Limited(len(train.labels)-fit, limit)},
		{test, 0, datafolder.Limited(len(test.labels), limit)},
	}
	kind := npy.Uint8
	for _, s := range []*Set{train, test} {
		if err := s.check(shape); err != nil {
			return err
		}
		if s.images.Code != 'u' || s.images.Size != 1 {
			kind = npy.Float32
		}
	}
	w := &writer{in: in, all: parts[0].count + parts[1].count + parts[2].count}
	w.images = datafolder.NewRows[float64](folder.Dir, "inputs", kind, append([]int{w.all}, shape...)...)
	defer w.images.Abandon()
	w.labels = datafolder.NewRows[int32](folder.Dir, "labels", npy.Uint8, w.all)
	defer w.labels.Abandon()
	for _, p := range parts {
		if err := w.part(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	d := &folder.Description
	d.Metric, d.Labels, d.Splits = nn.ZeroOneError, new(training.Array), datafolder.Consecutive(parts[0].count, parts[1].count, parts[2].count)
	var err1, err2 error
	d.Inputs, err1 = w.images.Close()
	*d.Labels, err2 = w.labels.Close()
	return errors.Join(err1, err2)
}

// check accepts rows of that shape, and flat ones of as many elements.
func (s *Set) check(shape []int) error {
	flat := 1
	for _, n := range shape {
		flat *= n
	}
	if row := s.images.Shape[1:]; !slices.Equal(row, shape) && !slices.Equal(row, []int{flat}) {
		return fmt.Errorf("%s: its images have shape %v, and %v is needed", s.name, row, shape)
	}
	return nil
}

type writer struct {
	in        *stages.Input
	images    *datafolder.Rows[float64]
	labels    *datafolder.Rows[int32]
	all, done int
}

func (w *writer) part(ctx context.Context, p part) error {
	if p.count == 0 {
		return nil
	}
	r, err := p.Set.images.Numbers("images")
	if err != nil {
		return err
	}
	return datafolder.Each(r, w.in.Scratch, p.first, p.count, func(i int, image []float64) error {
		for _, v := range image {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("image %d has the value %v", p.first+i, v)
			}
		}
		if w.done++; w.done%1024 == 0 || w.done == w.all {
			w.in.Progress.Report(int64(w.done), int64(w.all), "images")
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		return errors.Join(w.images.Append(image), w.labels.Append([]int32{p.Set.labels[p.first+i]}))
	})
}
