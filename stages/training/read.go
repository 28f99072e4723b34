package training

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
)

// reader reads a data folder.
type reader struct {
	dir     string
	digest  string // of the folder's content
	inFiles bool   // leave large arrays in their files
}

func (r *reader) read() (*Data, error) {
	text, err := os.ReadFile(filepath.Join(r.dir, DescriptionFile))
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
	if n := d.Normalisation; n.Inputs == pointwise || n.Targets == pointwise || d.Coordinates {
		r.inFiles = false
	}
	if d.Pairs != nil {
		d.pairs, err = r.pairs(d.Pairs)
	} else {
		err = r.arrays(d)
	}
	if err != nil {
		return nil, err
	}
	return d, d.fit()
}

func (r *reader) arrays(d *Data) error {
	for _, a := range []struct {
		what string
		from *Array
		to   *nn.Array
	}{{"inputs", &d.Inputs, &d.inputs}, {"targets", d.Targets, &d.targets}, {"counts", d.Counts, &d.counts}, {"noise", d.Noise, &d.noise}} {
		if a.from == nil {
			continue
		}
		var err error
		if *a.to, err = r.array(a.from, a.what); err != nil {
			return err
		}
	}
	var err error
	if d.labels, err = r.integers(d.Labels, "labels"); err != nil {
		return err
	}
	if d.records, err = r.integers(d.Records, "records"); err != nil || d.Levels == nil {
		return err
	}
	levels, _, err := elements[float32](r, d.Levels, "levels")
	d.levels = levels
	return err
}

// mostSide is how many residues a record of pairs may have.
const mostSide = 1 << 13

func (r *reader) pairs(p *Pairs) (*nn.Pairs, error) {
	lengths, err := r.integers(&p.Lengths, "pairs: lengths")
	if err != nil {
		return nil, err
	}
	out := &nn.Pairs{Padding: p.Padding, Outside: float32(p.Outside), Side: p.Window}
	var rows, pixels int
	for i, l := range lengths {
		if l < 1 || l > mostSide {
			return nil, fmt.Errorf("pairs: lengths: record %d has %d residues; from 1 to %d are possible", i, l, mostSide)
		}
		out.Lengths = append(out.Lengths, int(l))
		rows, pixels = rows+int(l), pixels+int(l)*int(l)
	}
	for _, a := range []struct {
		what string
		from *Array
		to   *nn.Array
		rows int
	}{{"sequence", &p.Sequence, &out.Sequence, rows}, {"maps", &p.Maps, &out.Maps, pixels}, {"targets", &p.Targets, &out.Targets, pixels}} {
		if *a.to, err = r.array(a.from, "pairs: "+a.what); err != nil {
			return nil, err
		}
		if len(a.to.Shape) != 2 || a.to.Len() != a.rows {
			return nil, fmt.Errorf("pairs: %s has shape %v; the lengths make %d rows, each of one or several values", a.what, a.to.Shape, a.rows)
		}
	}
	if n := out.Targets.Shape[1]; n != 1 {
		return nil, fmt.Errorf("pairs: targets: %d values a pixel; one is needed", n)
	}
	return out, nil
}

// array reads an array, or notes where it lies.
func (r *reader) array(a *Array, what string) (nn.Array, error) {
	parts, plain, err := r.parts(a, what)
	if err != nil {
		return nn.Array{}, err
	}
	shape := whole(parts)
	out, from, err := layout(shape, a.Axes)
	if err != nil {
		return nn.Array{}, fmt.Errorf("%s: %w", what, err)
	}
	if r.inFiles && plain && from[0] == 0 {
		return nn.Array{Shape: out, Files: &nn.Files{Parts: parts, Axes: from, Rows: []nn.Rows{{Count: shape[0]}}, Digest: r.digest + " " + what}}, nil
	}
	data, shape, err := elements[float32](r, a, what)
	if err != nil {
		return nn.Array{}, err
	}
	return arrange(data, shape, a.Axes)
}

// integers reads one whole number a sample; nil where there is no array.
func (r *reader) integers(a *Array, what string) ([]int32, error) {
	if a == nil {
		return nil, nil
	}
	data, shape, err := elements[int64](r, a, what)
	if err != nil {
		return nil, err
	}
	if len(shape) != 1 {
		return nil, fmt.Errorf("%s: of shape %v; one whole number a sample is needed", what, shape)
	}
	out := make([]int32, len(data))
	for i, v := range data {
		if out[i] = int32(v); int64(out[i]) != v {
			return nil, fmt.Errorf("%s: %d is that of sample %d", what, v, i)
		}
	}
	return out, nil
}

// parts are the files of an array with their shapes. They are plain if rows can be
// read of each: all are in C order.
func (r *reader) parts(a *Array, what string) (parts []nn.Part, plain bool, err error) {
	plain = true
	for _, name := range a.names() {
		h, f, err := r.open(name, what)
		if err != nil {
			return nil, false, err
		}
		f.Close()
		if len(h.Shape) == 0 || len(parts) > 0 && !slices.Equal(h.Shape[1:], parts[0].Shape[1:]) {
			return nil, false, fmt.Errorf("%s: %s has shape %v, which does not follow %v", what, name, h.Shape, whole(parts))
		}
		plain = plain && (!h.Fortran || len(h.Shape) == 1)
		parts = append(parts, nn.Part{Path: filepath.Join(r.dir, name), Shape: h.Shape})
	}
	if shape := whole(parts); a.Shape != nil && !slices.Equal(a.Shape, shape) {
		return nil, false, fmt.Errorf("%s: %s has shape %v, and %s says %v", what, strings.Join(a.names(), " with "), shape, DescriptionFile, a.Shape)
	}
	return parts, plain, nil
}

// whole is the shape of all files together.
func whole(parts []nn.Part) []int {
	if len(parts) == 0 {
		return nil
	}
	shape := slices.Clone(parts[0].Shape)
	for _, p := range parts[1:] {
		shape[0] += p.Shape[0]
	}
	return shape
}

func (r *reader) open(name, what string) (*npy.Reader, *os.File, error) {
	f, err := os.Open(filepath.Join(r.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s: the folder has no file %s", what, name)
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	h, err := npy.NewReader(name, f, info.Size())
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", what, err), f.Close())
	}
	return h, f, nil
}

// elements reads all files of an array.
func elements[T npy.Number](r *reader, a *Array, what string) ([]T, []int, error) {
	parts, _, err := r.parts(a, what)
	if err != nil {
		return nil, nil, err
	}
	var all []T
	for _, name := range a.names() {
		h, f, err := r.open(name, what)
		if err != nil {
			return nil, nil, err
		}
		data, err := npy.ReadAll[T](h, mostBytes)
		f.Close()
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", what, err)
		}
		if all == nil {
			all = data // most arrays are one file
			continue
		}
		all = append(all, data...)
	}
	return all, whole(parts), nil
}
