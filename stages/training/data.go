package training

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
)

// Data are the arrays of a folder, as their files have them but for the order of
// axes.
type Data struct {
	Description
	inputs  nn.Array // (samples, channels, height, width)
	targets nn.Array // (samples, values), or as inputs
	labels  []int32
}

// mostBytes is what one array may take in memory.
const mostBytes = 64 << 30

// Read reads the data folder of attribute data.
func Read(ctx context.Context, in *stages.Input, folder stages.File) (*Data, error) {
	if !folder.Tree {
		return nil, fmt.Errorf("data: it is a file, and a folder with %s is needed, such as dataset.NAME.data", DescriptionFile)
	}
	dir := filepath.Join(in.Scratch, "data")
	if err := in.Store.Materialise(ctx, folder, dir); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	d, err := readFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	return d, nil
}

func readFolder(dir string) (*Data, error) {
	text, err := os.ReadFile(filepath.Join(dir, DescriptionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the folder has no %s, which says what its arrays are", DescriptionFile)
	}
	if err != nil {
		return nil, err
	}
	description, err := ParseDescription(text)
	if err != nil {
		return nil, err
	}
	d := &Data{Description: *description}
	if d.inputs, err = d.Inputs.read(dir, "inputs"); err != nil {
		return nil, err
	}
	if d.Targets != nil {
		if d.targets, err = d.Targets.read(dir, "targets"); err != nil {
			return nil, err
		}
	} else if d.labels, err = d.Labels.readLabels(dir); err != nil {
		return nil, err
	}
	return d, d.fit()
}

// fit checks what the description alone cannot say.
func (d *Data) fit() error {
	if len(d.inputs.Shape) != 4 {
		return fmt.Errorf("inputs: of shape %v: each sample needs height and width, or time", d.inputs.Shape)
	}
	n := d.inputs.Len()
	if others := max(d.targets.Len(), len(d.labels)); others != n {
		return fmt.Errorf("there are %d inputs, and targets or labels of %d samples", n, others)
	}
	for _, name := range []string{Train, Validation, Test} {
		if r := d.Splits.named(name); r.First+r.Count > n {
			return fmt.Errorf("%s: split %s ends with sample %d, and there are %d", DescriptionFile, name, r.First+r.Count, n)
		}
	}
	for i, l := range d.labels {
		if l < 0 || int(l) >= d.Classes {
			return fmt.Errorf("labels: label %d of sample %d; the classes are 0 to %d", l, i, d.Classes-1)
		}
	}
	return nil
}

// open opens the file and checks its header against the description.
func (a *Array) open(dir, what string) (*npy.Reader, *os.File, error) {
	f, err := os.Open(filepath.Join(dir, a.File))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s: the folder has no file %s", what, a.File)
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	r, err := npy.NewReader(a.File, f, info.Size())
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", what, err), f.Close())
	}
	if a.Shape != nil && !slices.Equal(a.Shape, r.Shape) {
		return nil, nil, errors.Join(fmt.Errorf("%s: %s has shape %v, and %s says %v", what, a.File, r.Shape, DescriptionFile, a.Shape), f.Close())
	}
	return r, f, nil
}

func (a *Array) read(dir, what string) (nn.Array, error) {
	r, f, err := a.open(dir, what)
	if err != nil {
		return nn.Array{}, err
	}
	defer f.Close()
	data, err := npy.ReadAll[float32](r, mostBytes)
	if err != nil {
		return nn.Array{}, fmt.Errorf("%s: %w", what, err)
	}
	out, err := arrange(data, r.Shape, a.Axes)
	if err != nil {
		return nn.Array{}, fmt.Errorf("%s: %w", what, err)
	}
	return out, nil
}

func (a *Array) readLabels(dir string) ([]int32, error) {
	r, f, err := a.open(dir, "labels")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := npy.ReadAll[int64](r, mostBytes)
	if err != nil {
		return nil, fmt.Errorf("labels: %w", err)
	}
	if len(r.Shape) != 1 {
		return nil, fmt.Errorf("labels: of shape %v; one whole number a sample is needed", r.Shape)
	}
	out := make([]int32, len(data))
	for i, v := range data {
		if out[i] = int32(v); int64(out[i]) != v {
			return nil, fmt.Errorf("labels: %d is the label of sample %d", v, i)
		}
	}
	return out, nil
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

// arrange brings the axes into the order of nn: (samples, channels, height, width),
// or (samples, values) where no axis is one of an image or a series.
func arrange(data []float32, shape []int, axes []string) (nn.Array, error) {
	if len(axes) == 0 && len(shape) >= 1 && len(shape) <= 4 {
		axes = defaultAxes(len(shape))
	}
	if len(axes) != len(shape) {
		return nn.Array{}, fmt.Errorf("an array of shape %v has not the axes %q", shape, axes)
	}
	sides, steps := [4]int{1, 1, 1, 1}, [4]int{}
	seen := [4]bool{}
	step := 1
	for i := len(shape) - 1; i >= 0; i-- {
		p := place(axes[i])
		if p < 0 || seen[p] {
			return nn.Array{}, fmt.Errorf("axes %q: they are sample, and of channel, height, width, time, value some, each once", axes)
		}
		seen[p], sides[p], steps[p] = true, shape[i], step
		step *= shape[i]
	}
	if !seen[0] {
		return nn.Array{}, fmt.Errorf("axes %q: none is sample", axes)
	}
	out := nn.Array{Shape: []int{sides[0], sides[1], sides[2], sides[3]}, Data: make([]float32, 0, len(data))}
	if !seen[2] && !seen[3] {
		out.Shape = out.Shape[:2]
	}
	for s := range sides[0] {
		for c := range sides[1] {
			for y := range sides[2] {
				for x := range sides[3] {
					out.Data = append(out.Data, data[s*steps[0]+c*steps[1]+y*steps[2]+x*steps[3]])
				}
			}
		}
	}
	return out, nil
}

// Examples are the first n samples of the test split as the files have them: not
// normalised, without coordinates.
func (d *Data) Examples(n int) *nn.Dataset {
	out := &nn.Dataset{}
	r := d.Splits.Test
	d.add(out, Range{First: r.First, Count: min(n, r.Count)})
	return out
}
