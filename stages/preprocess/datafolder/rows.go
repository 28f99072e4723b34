package datafolder

import (
	"fmt"

	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/training"
)

// shardBytes is the size of a file at which the next one is begun: small enough to
// copy and to hash beside other work.
const shardBytes = 1 << 30

// Rows is an array that is written sample by sample, into several files where it is
// large.
type Rows[T npy.Number] struct {
	dir, name string
	typ       npy.Type
	shape     []int // of all files together
	perFile   int   // samples
	done      int
	file      *Array[T] // nil between files
	files     []string
}

// NewRows begins an array. shape[0] is the number of samples.
func NewRows[T npy.Number](dir, name string, t npy.Type, shape ...int) *Rows[T] {
	size := t.Size()
	for _, n := range shape[1:] {
		size *= n
	}
	return &Rows[T]{dir: dir, name: name, typ: t, shape: shape, perFile: max(1, shardBytes/max(1, size))}
}

// Append writes the next sample.
func (r *Rows[T]) Append(sample []T) error {
	if r.done >= r.shape[0] {
		return fmt.Errorf("%s: more than the %d samples of shape %v", r.name, r.shape[0], r.shape)
	}
	if r.file == nil {
		name := r.name + ".npy"
		if r.shape[0] > r.perFile {
			name = fmt.Sprintf("%s-%03d.npy", r.name, len(r.files))
		}
		r.files = append(r.files, name)
		shape := append([]int{min(r.perFile, r.shape[0]-r.done)}, r.shape[1:]...)
		var err error
		if r.file, err = Create[T](r.dir, name, r.typ, shape...); err != nil {
			return err
		}
	}
	if len(sample) != r.file.sample {
		return fmt.Errorf("%s: a sample of %d elements for shape %v", r.name, len(sample), r.shape)
	}
	if err := r.file.Append(sample); err != nil {
		return err
	}
	if r.done++; r.done%r.perFile != 0 && r.done < r.shape[0] {
		return nil
	}
	file := r.file
	r.file = nil
	return file.Close()
}

// Close describes the array. One with fewer samples than its shape says is an error.
func (r *Rows[T]) Close() (training.Array, error) {
	if r.done != r.shape[0] || r.done == 0 {
		return training.Array{}, fmt.Errorf("%s: %d samples of shape %v", r.name, r.done, r.shape)
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
