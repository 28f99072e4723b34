package training

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
)

// Data are the arrays of a folder, as their files have them but for the order of
// axes.
type Data struct {
	Description
	inputs  nn.Array // (samples, channels, height, width)
	targets nn.Array // (samples, values), or as inputs
	labels  []int32
	counts  nn.Array // as targets
	records []int32
	levels  []float32
	noise   nn.Array  // as inputs
	pairs   *nn.Pairs // without windows
}

// mostBytes is what one array may take in memory.
const mostBytes = 64 << 30

// Read reads the data folder of attribute data. With inFiles large arrays stay in
// their files, for engines that read them there, unless they are normalised by their
// own statistics or get coordinates.
func Read(ctx context.Context, in *stages.Input, folder stages.File, inFiles bool) (*Data, error) {
	if !folder.Tree {
		return nil, fmt.Errorf("data: it is a file, and a folder with %s is needed, such as dataset.NAME.data", DescriptionFile)
	}
	dir := filepath.Join(in.Scratch, "data")
	if err := in.Store.Materialise(ctx, folder, dir); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	d, err := (&reader{dir: dir, digest: folder.Digest.String(), inFiles: inFiles}).read()
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	return d, nil
}

// fit checks what the description alone cannot say.
func (d *Data) fit() error {
	n := d.inputs.Len()
	if d.pairs != nil {
		n = len(d.pairs.Lengths)
	} else if err := d.fitArrays(n); err != nil {
		return err
	}
	for _, name := range []string{Train, Validation, Test} {
		if r := d.Splits.named(name); r.First+r.Count > n {
			return fmt.Errorf("%s: split %s ends with sample %d, and there are %d", DescriptionFile, name, r.First+r.Count, n)
		}
	}
	return nil
}

func (d *Data) fitArrays(n int) error {
	if len(d.inputs.Shape) != 4 {
		return fmt.Errorf("inputs: of shape %v: each sample needs height and width, or time", d.inputs.Shape)
	}
	if others := max(d.targets.Len(), len(d.labels)); others != n {
		return fmt.Errorf("there are %d inputs, and targets or labels of %d samples", n, others)
	}
	for i, l := range d.labels {
		if l < 0 || int(l) >= d.Classes {
			return fmt.Errorf("labels: label %d of sample %d; the classes are 0 to %d", l, i, d.Classes-1)
		}
	}
	if d.counts.Shape != nil && !slices.Equal(d.counts.Shape, d.targets.Shape) {
		return fmt.Errorf("counts: of shape %v, and targets of %v", d.counts.Shape, d.targets.Shape)
	}
	if d.noise.Shape != nil && (d.noise.Len() == 0 || !slices.Equal(d.noise.Shape[1:], d.inputs.Shape[1:])) {
		return fmt.Errorf("noise: of shape %v, and inputs of %v: rows must be alike, and at least one", d.noise.Shape, d.inputs.Shape)
	}
	if d.records != nil && len(d.records) != n || d.levels != nil && len(d.levels) != n {
		return fmt.Errorf("there are %d inputs, records of %d and levels of %d samples", n, len(d.records), len(d.levels))
	}
	if c := len(d.Normalisation.Mean); c > 1 && c != d.inputs.Shape[1] {
		return fmt.Errorf("%s: normalisation has %d means, and inputs have %d channels", DescriptionFile, c, d.inputs.Shape[1])
	}
	return d.recordsApart()
}

// recordsApart refuses a record that is in two splits: the error would be of a
// recording that was trained on.
func (d *Data) recordsApart() error {
	of := map[int32]string{}
	for _, name := range []string{Train, Validation, Test} {
		r := d.Splits.named(name)
		if d.records == nil || r.First+r.Count > len(d.records) {
			return nil
		}
		for _, record := range d.records[r.First : r.First+r.Count] {
			if other, seen := of[record]; seen && other != name {
				return fmt.Errorf("records: record %d is in the splits %s and %s", record, other, name)
			}
			of[record] = name
		}
	}
	return nil
}

// axes by the number of axes, where a description names none.
func defaultAxes(n int) []string {
	return [][]string{nil, {"sample"}, {"sample", "value"}, {"sample", "height", "width"}, {"sample", "channel", "height", "width"}}[n]
}

// place is where an axis stands in (sample, channel, height, width). A vector's
// values are channels.
func place(axis string) int {
	switch axis {
	case "sample":
		return 0
	case "channel", "value":
		return 1
	case "height":
		return 2
	case "width", "time":
		return 3
	}
	return -1
}

// layout is how the axes of files become those of nn: (samples, channels, height,
// width), or (samples, values) where no axis is one of an image or a series. Axis i
// of the result is axis from[i] of the files; -1: a side of 1.
func layout(shape []int, axes []string) (out, from []int, err error) {
	if len(axes) == 0 && len(shape) >= 1 && len(shape) <= 4 {
		axes = defaultAxes(len(shape))
	}
	if len(axes) != len(shape) {
		return nil, nil, fmt.Errorf("an array of shape %v has not the axes %q", shape, axes)
	}
	out, from = []int{1, 1, 1, 1}, []int{-1, -1, -1, -1}
	for i, axis := range axes {
		p := place(axis)
		if p < 0 || from[p] >= 0 {
			return nil, nil, fmt.Errorf("axes %q: they are sample, and of channel, height, width, time, value some, each once", axes)
		}
		out[p], from[p] = shape[i], i
	}
	if from[0] < 0 {
		return nil, nil, fmt.Errorf("axes %q: none is sample", axes)
	}
	if from[2] < 0 && from[3] < 0 {
		out, from = out[:2], from[:2]
	}
	return out, from, nil
}

// arrange brings elements into the order of nn.
func arrange(data []float32, shape []int, axes []string) (nn.Array, error) {
	out, from, err := layout(shape, axes)
	if err != nil {
		return nn.Array{}, err
	}
	if slices.IsSorted(slices.DeleteFunc(slices.Clone(from), func(a int) bool { return a < 0 })) {
		return nn.Array{Shape: out, Data: data}, nil
	}
	steps := make([]int, len(shape))
	step := 1
	for i := len(shape) - 1; i >= 0; i-- {
		steps[i] = step
		step *= shape[i]
	}
	var sides, moves [4]int
	for i := range 4 {
		sides[i] = 1
		if i < len(from) && from[i] >= 0 {
			sides[i], moves[i] = shape[from[i]], steps[from[i]]
		}
	}
	to := make([]float32, 0, len(data))
	for s := range sides[0] {
		for c := range sides[1] {
			for y := range sides[2] {
				for x := range sides[3] {
					to = append(to, data[s*moves[0]+c*moves[1]+y*moves[2]+x*moves[3]])
				}
			}
		}
	}
	return nn.Array{Shape: out, Data: to}, nil
}

// Examples are the first n samples of the test split as the files have them: not
// normalised, without coordinates. Pairs give windows.
func (d *Data) Examples(n int) (*nn.Dataset, error) {
	r := d.Splits.Test
	if d.pairs == nil {
		r.Count = min(n, r.Count)
	}
	out := d.set(false, r)
	if d.pairs == nil {
		return out.Load()
	}
	out.Pairs.Windows = out.Pairs.Windows[:min(n, len(out.Pairs.Windows))]
	loaded, err := out.Load()
	if err != nil {
		return nil, err
	}
	return unrolled(loaded), nil
}

// unrolled are windows of pairs as arrays.
func unrolled(d *nn.Dataset) *nn.Dataset {
	shape := d.Pairs.Input()
	batch := nn.Ordered(d.Len(), max(1, d.Len()))
	out := &nn.Dataset{Inputs: nn.Array{Shape: append([]int{d.Len()}, shape.Dims()...), Data: make([]float32, d.Len()*shape.Size())}}
	out.Targets.Shape = []int{d.Len(), 1, shape.Height, shape.Width}
	if d.Len() == 0 {
		return out
	}
	nn.Gather(out.Inputs.Data, d, batch[0], nn.Augmentation{}, shape)
	targets, _ := d.Answers(batch[0])
	out.Targets.Data = slices.Concat(targets...)
	return out
}
