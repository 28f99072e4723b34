package datafolder

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/npy"
)

// Local is a copy of an input file that can be read at any place.
type Local struct {
	*os.File
	Size int64
	path string
}

// Open puts the file of an attribute into the scratch folder and opens it.
func Open(ctx context.Context, in *stages.Input, attribute string, file stages.File) (*Local, error) {
	if file.Tree {
		return nil, fmt.Errorf("%s: it is a folder, and one file is needed: leave out unpack where it is fetched", attribute)
	}
	path := filepath.Join(in.Scratch, "input-"+attribute)
	if err := in.Store.Materialise(ctx, file, path); err != nil {
		return nil, fmt.Errorf("%s: %w", attribute, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", attribute, err)
	}
	return &Local{File: f, Size: file.Size, path: path}, nil
}

// Close closes and removes the copy.
func (l *Local) Close() {
	l.File.Close()
	os.Remove(l.path)
}

// Each reads an array sample by sample (its first axis) from sample first on, count
// of them, in order. The slice is the next sample's, too. An array in Fortran order,
// where a sample's elements lie apart, is laid aside in folder scratch.
func Each(r *npy.Reader, scratch string, first, count int, take func(i int, sample []float64) error) error {
	if len(r.Shape) == 0 || first < 0 || count < 0 || first+count > r.Shape[0] {
		return fmt.Errorf("samples %d to %d of an array of shape %v", first, first+count-1, r.Shape)
	}
	size := 1
	for _, n := range r.Shape[1:] {
		if n < 1 || n > mostElements/size {
			return fmt.Errorf("a sample of shape %v; it must have 1 to %d elements", r.Shape[1:], mostElements)
		}
		size *= n
	}
	if r.Fortran && len(r.Shape) > 1 {
		return eachFortran(r, scratch, size, first, count, take)
	}
	sample := make([]float64, size)
	for i := range first + count {
		if err := npy.Read(r, sample); err != nil {
			return err
		}
		if i < first {
			continue
		}
		if err := take(i-first, sample); err != nil {
			return err
		}
	}
	return nil
}

const mostElements = 1 << 24 // of a sample

// eachFortran reads an array whose first axis moves fastest: for each element of a
// sample there is a run with that element of all samples.
func eachFortran(r *npy.Reader, scratch string, size, first, count int, take func(i int, sample []float64) error) error {
	f, err := os.CreateTemp(scratch, "fortran")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	n := r.Shape[0]
	if err := aside(r, f, n, size); err != nil {
		return err
	}
	const held = 1 << 22 // elements
	block := max(1, min(count, held/max(1, size)))
	raw, samples := make([]byte, 8*block), make([]float64, block*size)
	sample := make([]float64, size)
	for start := 0; start < count; start += block {
		have := min(block, count-start)
		for e := range size {
			if _, err := f.ReadAt(raw[:8*have], 8*(int64(e)*int64(n)+int64(first+start))); err != nil {
				return err
			}
			for i := range have {
				samples[i*size+cPlace(e, r.Shape[1:])] = math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
			}
		}
		for i := range have {
			copy(sample, samples[i*size:(i+1)*size])
			if err := take(start+i, sample); err != nil {
				return err
			}
		}
	}
	return nil
}

// aside writes the elements in the order of storage.
func aside(r *npy.Reader, f io.Writer, n, size int) error {
	run := make([]float64, min(n, 1<<16))
	var raw []byte
	for left := int64(n) * int64(size); left > 0; left -= int64(len(run)) {
		run = run[:min(left, int64(len(run)))]
		if err := npy.Read(r, run); err != nil {
			return err
		}
		raw = raw[:0]
		for _, v := range run {
			raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(v))
		}
		if _, err := f.Write(raw); err != nil {
			return err
		}
	}
	return nil
}

// cPlace is the place in C order of element e in Fortran order.
func cPlace(e int, shape []int) int {
	at, step := 0, 1
	for _, n := range shape {
		step *= n
	}
	for _, n := range shape { // the first axis moves fastest in e, and slowest in the result
		step /= n
		at += e % n * step
		e /= n
	}
	return at
}

// Label reads a whole number of a class from 0 to classes-1 that is written as
// lowest to lowest+classes-1.
func Label(v float64, lowest, classes int) (int32, error) {
	l := v - float64(lowest)
	if !(l >= 0 && l < float64(classes)) || l != math.Trunc(l) {
		return 0, fmt.Errorf("label %v; the labels are %d to %d", v, lowest, lowest+classes-1)
	}
	return int32(l), nil
}

// Standardise makes mean and standard deviation (n in the denominator) of a series 0
// and 1. A constant series becomes 0, and the result is false.
func Standardise(series []float64, out []float32) (bool, error) {
	n := float64(len(series))
	mean, square, constant := 0.0, 0.0, true
	for _, v := range series {
		mean += v
		constant = constant && v == series[0]
	}
	mean /= n
	for _, v := range series {
		d := v - mean
		square += float64(d * d)
	}
	deviation := math.Sqrt(square / n)
	if math.IsNaN(deviation) || math.IsInf(deviation, 0) {
		return false, fmt.Errorf("a series has values that are not finite, or too large")
	}
	for i, v := range series {
		if out[i] = 0; !constant && deviation > 0 {
			out[i] = float32((v - mean) / deviation)
		}
	}
	return !constant && deviation > 0, nil
}
