package matlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/nbpipe/nbpipe/stages/hdf5"
	"github.com/nbpipe/nbpipe/stages/npy"
)

// File is a .mat file.
type File struct {
	name   string
	names  []string
	arrays map[string]func() (*Array, error)
}

// Array is a numeric array.
type Array struct {
	Shape  []int
	Type   npy.Type // of the elements in the file: MATLAB writes a double as int16 where that loses nothing
	blocks func(ctx context.Context, visit func(Block) error) error
}

// Block is a part of an array.
type Block struct {
	Start, Shape []int
	Values       []float64 // the first axis moves fastest; kept until the visitor returns
}

// Blocks visits parts of the array that together are the whole, each once. Integers
// beyond 2^53 round.
func (a *Array) Blocks(ctx context.Context, visit func(Block) error) error {
	return a.blocks(ctx, visit)
}

// Open finds out which variables the file has. name stands in errors. r is read as long
// as the file is in use.
func Open(name string, r io.ReaderAt, size int64) (*File, error) {
	f := &File{name: name, arrays: map[string]func() (*Array, error){}}
	start := make([]byte, headerSize)
	n, err := r.ReadAt(start, 0)
	switch {
	case err != nil && err != io.EOF:
	case n == headerSize && isFive(start):
		err = f.openFive(r, size, start)
	case bytes.HasPrefix(start, []byte(hdf5.Signature)), bytes.HasPrefix(start, []byte("MATLAB 7.3")):
		err = f.openSeven(r, size)
	default:
		err = errors.New("it is no .mat file of version 5 or 7.3: save it with MATLAB's save, or scipy.io.savemat")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// Names are the variables' names, in the file's order, or, of version 7.3,
// alphabetical.
func (f *File) Names() []string { return f.names }

// Array returns a variable.
func (f *File) Array(variable string) (*Array, error) {
	find, ok := f.arrays[variable]
	if !ok {
		return nil, fmt.Errorf("%s: it has no variable %q; it has %q", f.name, variable, f.names)
	}
	a, err := find()
	if err != nil {
		return nil, fmt.Errorf("%s: variable %q: %w", f.name, variable, err)
	}
	return a, nil
}

// openSeven takes the members of the root group. Its axes are MATLAB's in reverse
// order, and the last moves fastest.
func (f *File) openSeven(r io.ReaderAt, size int64) error {
	h, err := hdf5.Open(f.name, r, size)
	if err != nil {
		return err
	}
	f.names = h.Names()
	for _, name := range f.names {
		f.arrays[name] = func() (*Array, error) {
			d, err := h.Dataset(name)
			if err != nil {
				return nil, err
			}
			blocks := func(ctx context.Context, visit func(Block) error) error {
				return d.Blocks(ctx, func(b hdf5.Block) error {
					return visit(Block{Start: reversed(b.Start), Shape: reversed(b.Shape), Values: b.Values})
				})
			}
			return &Array{Shape: reversed(d.Shape), Type: d.Type, blocks: blocks}, nil
		}
	}
	return nil
}

func reversed(axes []int) []int {
	out := slices.Clone(axes)
	slices.Reverse(out)
	return out
}
