package datafolder

import (
	"errors"
	"fmt"

	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/training"
)

// shardBytes is the size of a file at which the next one is begun: small enough to
// copy and to hash beside other work.
const shardBytes = 1 << 30

// Unknown is the number of samples of an array of which nobody knows it before they
// are there.
const Unknown = -1

// Rows is an array that is written sample by sample, into several files where it is
// large.
type Rows[T npy.Number] struct {
	dir, name string
	typ       npy.Type
	shape     []int // of all files together
	open      bool  // the number of samples is not known
	perFile   int   // samples
	done      int
	file      *Array[T] // nil between files
	files     []string
}

// NewRows begins an array. shape[0] is the number of samples, or Unknown.
func NewRows[T npy.Number](dir, name string, t npy.Type, shape ...int) *Rows[T] {
	size := t.Size()
	for _, n := range shape[1:] {
		size *= n
	}
	return &Rows[T]{dir: dir, name: name, typ: t, shape: shape, open: shape[0] == Unknown, perFile: max(1, shardBytes/max(1, size))}
}

// Append writes the next sample.
func (r *Rows[T]) Append(sample []T) error {
	if !r.open && r.done >= r.shape[0] {
		return fmt.Errorf("%s: more than the %d samples of shape %v", r.name, r.shape[0], r.shape)
	}
	if r.file == nil {
		if err := r.next(); err != nil {
			return err
		}
	}
	if len(sample) != r.file.sample {
		return fmt.Errorf("%s: a sample of %d elements for shape %v", r.name, len(sample), r.shape)
	}
	if err := r.file.Append(sample); err != nil {
		return err
	}
	if r.done++; r.done%r.perFile != 0 && r.done != r.shape[0] {
		return nil
	}
	file := r.file
	r.file = nil
	return file.Close()
}

// next begins a file.
func (r *Rows[T]) next() (err error) {
	samples := r.perFile
	if !r.open {
		samples = min(samples, r.shape[0]-r.done)
	}
	name := fmt.Sprintf("%s-%03d.npy", r.name, len(r.files))
	if len(r.files) == 0 && samples == r.shape[0] {
		name = r.name + ".npy"
	}
	r.files = append(r.files, name)
	r.file, err = Create[T](r.dir, name, r.typ, append([]int{samples}, r.shape[1:]...)...)
	return err
}

// Close describes the array. One without samples, or with fewer than its shape says,
// is an error.
func (r *Rows[T]) Close() (training.Array, error) {
	if r.open {
		r.shape[0] = r.done
	}
	if r.done != r.shape[0] || r.done == 0 {
		return training.Array{}, fmt.Errorf("%s: %d samples of shape %v", r.name, r.done, r.shape)
	}
	if file := r.file; file != nil {
		r.file = nil
		if err := errors.Join(file.shorten(r.done-(len(r.files)-1)*r.perFile), file.Close()); err != nil {
			return training.Array{}, err
		}
	}
	a := training.Array{DType: string(r.typ), Shape: r.shape}
	if a.Files = r.files; len(r.files) == 1 {
		a.File, a.Files = r.files[0], nil
	}
	return a, nil
}

// Abandon closes what something that failed had open; after Close it does nothing.
func (r *Rows[T]) Abandon() {
	if r.file != nil {
		r.file.Abandon()
	}
}
