package datafolder

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nbpipe/nbpipe/stages/npy"
)

// Array is a file of an array whose shape is known before its elements are.
type Array[T npy.Number] struct {
	Header npy.Header
	file   *os.File
	w      *bufio.Writer
	start  int64 // of the first element
	sample int   // elements of one
	wrote  int64 // elements
	buf    []byte
}

// Create begins a file in C order. shape[0] is the number of samples.
func Create[T npy.Number](dir, name string, t npy.Type, shape ...int) (*Array[T], error) {
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	a := &Array[T]{Header: npy.Header{Type: t, Shape: shape}, file: f, w: bufio.NewWriterSize(f, 1<<18), sample: 1}
	for _, n := range shape[1:] {
		a.sample *= n
	}
	head := a.Header.Encode()
	a.start = int64(len(head))
	if _, err := a.w.Write(head); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return a, nil
}

// Append writes the next elements.
func (a *Array[T]) Append(values []T) error {
	var err error
	if a.buf, err = npy.Append(a.buf[:0], a.Header.Type, values); err != nil {
		return err
	}
	a.wrote += int64(len(values))
	_, err = a.w.Write(a.buf)
	return err
}

// Put writes sample i, in any order.
func (a *Array[T]) Put(i int, values []T) error {
	if len(values) != a.sample || i < 0 || i >= a.Header.Shape[0] {
		return fmt.Errorf("sample %d with %d elements does not fit into an array of shape %v", i, len(values), a.Header.Shape)
	}
	if err := a.w.Flush(); err != nil {
		return err
	}
	var err error
	if a.buf, err = npy.Append(a.buf[:0], a.Header.Type, values); err != nil {
		return err
	}
	a.wrote += int64(len(values))
	_, err = a.file.WriteAt(a.buf, a.start+int64(i)*int64(len(a.buf)))
	return err
}

// Close ends the file. One that has not the elements of its shape is an error.
func (a *Array[T]) Close() error {
	err := errors.Join(a.w.Flush(), a.file.Close())
	if err == nil && a.wrote != a.Header.Count() {
		err = fmt.Errorf("%s: %d elements were written for shape %v", filepath.Base(a.file.Name()), a.wrote, a.Header.Shape)
	}
	return err
}

// shorten says that the samples so far are all.
func (a *Array[T]) shorten(samples int) error {
	if err := a.w.Flush(); err != nil {
		return err
	}
	a.Header.Shape[0] = samples
	head := a.Header.Encode()
	if int64(len(head)) != a.start {
		return fmt.Errorf("%s: the header of shape %v has %d bytes, where %d were kept free", filepath.Base(a.file.Name()), a.Header.Shape, len(head), a.start)
	}
	_, err := a.file.WriteAt(head, 0)
	return err
}

// Abandon closes the file of something that failed; after Close it does nothing.
func (a *Array[T]) Abandon() { a.file.Close() }
