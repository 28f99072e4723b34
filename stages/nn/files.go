package nn

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/nbpipe/nbpipe/stages/npy"
)

// Files are an array that lies in .npy files, whose rows go on from one to the next.
type Files struct {
	Parts  []Part `json:"parts"`
	Axes   []int  `json:"axes"` // axis i of the array is axis Axes[i] of the files; -1: a side of 1
	Rows   []Rows `json:"rows"` // the array's samples, in this order
	Digest string `json:"-"`    // of what the files hold, wherever they lie
}

// Part is one file.
type Part struct {
	Path  string `json:"path"`
	Shape []int  `json:"shape"`
}

// Rows are Count rows of files from First on.
type Rows struct {
	First int `json:"first"`
	Count int `json:"count"`
}

// Load returns the array with its elements in memory: itself where it has them.
func (a Array) Load() (Array, error) {
	if a.Files == nil {
		return a, nil
	}
	var data []float32
	for _, r := range a.Files.Rows {
		var err error
		if data, err = a.Files.read(data, r); err != nil {
			return Array{}, err
		}
	}
	return Array{Shape: a.Shape, Data: a.Files.arrange(data)}, nil
}

// Load returns the data with all elements in memory.
func (d *Dataset) Load() (*Dataset, error) {
	out := *d
	arrays := []*Array{&out.Inputs, &out.Targets, &out.Counts, &out.Noise}
	if d.Pairs != nil {
		p := *d.Pairs
		out.Pairs = &p
		arrays = append(arrays, &p.Sequence, &p.Maps, &p.Targets)
	}
	for _, a := range arrays {
		var err error
		if *a, err = a.Load(); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

// read appends rows as the files have them.
func (f *Files) read(to []float32, r Rows) ([]float32, error) {
	start := 0
	for _, p := range f.Parts {
		low, high := max(r.First, start), min(r.First+r.Count, start+p.Shape[0])
		if low < high {
			var err error
			if to, err = p.read(to, low-start, high-low); err != nil {
				return nil, err
			}
		}
		start += p.Shape[0]
	}
	return to, nil
}

func (p *Part) read(to []float32, first, count int) ([]float32, error) {
	f, err := os.Open(p.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := npy.NewReader(p.Path, f, npy.UnknownSize)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(r.Shape, p.Shape) || r.Fortran {
		return nil, fmt.Errorf("%s: its shape is %v, and %v in C order is needed: was it changed meanwhile?", p.Path, r.Shape, p.Shape)
	}
	row := 1
	for _, n := range p.Shape[1:] {
		row *= n
	}
	if _, err := f.Seek(int64(first)*int64(row)*int64(r.Type.Size()), io.SeekCurrent); err != nil {
		return nil, err
	}
	at := len(to)
	to = append(to, make([]float32, count*row)...)
	return to, npy.Read(r, to[at:])
}

// arrange puts the axes of whole rows into the array's order.
func (f *Files) arrange(data []float32) []float32 {
	shape := f.Parts[0].Shape
	steps := make([]int, len(shape))
	row := 1
	for i := len(shape) - 1; i >= 1; i-- {
		steps[i] = row
		row *= shape[i]
	}
	var sides, moves []int
	sorted := true
	last := 0
	for _, a := range f.Axes[1:] {
		if a < 0 {
			continue
		}
		sides, moves = append(sides, shape[a]), append(moves, steps[a])
		sorted = sorted && a > last
		last = a
	}
	if sorted || row == 0 {
		return data
	}
	out := make([]float32, 0, len(data))
	for at := 0; at < len(data); at += row {
		out = gatherAxes(out, data[at:at+row], sides, moves)
	}
	return out
}

// gatherAxes appends a sample's elements, the last of the axes moving fastest.
func gatherAxes(to, from []float32, sides, moves []int) []float32 {
	if len(sides) == 0 {
		return append(to, from[0])
	}
	for i := range sides[0] {
		to = gatherAxes(to, from[i*moves[0]:], sides[1:], moves[1:])
	}
	return to
}
