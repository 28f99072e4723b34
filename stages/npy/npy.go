package npy

import (
	"fmt"
	"io"
	"unsafe"
)

// Reader reads an array from a stream, element by element in the file's order.
type Reader struct {
	Header
	name  string
	r     io.Reader
	sized bool  // the file is as large as its header promises
	read  int64 // elements so far
	buf   []byte
}

// UnknownSize is the size of a stream of which none is known.
const UnknownSize = -1

const block = 1 << 18 // bytes that are read at a time

// NewReader reads the header. name stands in errors. size is that of the whole
// file in bytes, or UnknownSize; a file of another size than its header promises
// is an error at once.
func NewReader(name string, r io.Reader, size int64) (*Reader, error) {
	h, length, err := readHeader(r, false)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if want := length + h.Count()*int64(h.Type.Size()); size >= 0 && size != want {
		return nil, fmt.Errorf("%s: it has %d bytes, and its header promises %d (%s of shape %v): copy it again, or write it again",
			name, size, want, h.Type, h.Shape)
	}
	return &Reader{Header: h, name: name, r: r, sized: size >= 0}, nil
}

// NewElements returns a reader of elements that are stored without a header, as in a
// pickle: of type, shape and order as h says, the most significant byte first if big.
func NewElements(name string, h Header, big bool, r io.Reader) (*Reader, error) {
	if err := h.validate(); err != nil {
		return nil, fmt.Errorf("%s: there is no array with %w", name, err)
	}
	h.big = big
	return &Reader{Header: h, name: name, r: r}, nil
}

// ReadObjectHeader reads the header of an array of objects, and leaves r at the pickle
// that holds them (see stages/pickle). Shape and order are the array's; an array of
// numbers is an error.
func ReadObjectHeader(name string, r io.Reader) (Header, error) {
	h, _, err := readHeader(r, true)
	if err == nil && h.Type != object {
		err = fmt.Errorf("its elements are of type %s, and objects are expected", h.Type)
	}
	if err != nil {
		return Header{}, fmt.Errorf("%s: %w", name, err)
	}
	return h, nil
}

// Read fills dst with the next elements, in the file's order. Floating-point
// numbers are rounded to T; for what T cannot hold, and past the array's end,
// there is an error.
func Read[T Number](r *Reader, dst []T) error {
	if left := r.Count() - r.read; int64(len(dst)) > left {
		return fmt.Errorf("%s: %d elements are asked for where %d are left of shape %v", r.name, len(dst), left, r.Shape)
	}
	size := r.Type.Size()
	for len(dst) > 0 {
		n := min(len(dst), block/size)
		if cap(r.buf) < n*size {
			r.buf = make([]byte, n*size)
		}
		raw := r.buf[:n*size]
		if got, err := io.ReadFull(r.r, raw); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("%s: it ends after %d of %d elements: copy it again, or write it again: %w",
				r.name, r.read+int64(got/size), r.Count(), err)
		}
		if bad := decode(dst[:n], raw, r.Type, r.big); bad >= 0 {
			var t T
			return fmt.Errorf("%s: element %d of the file is no %T: convert the array before it is written, with astype", r.name, r.read+int64(bad), t)
		}
		r.read += int64(n)
		dst = dst[n:]
	}
	return nil
}

// ReadAll returns the elements of an array of which none was read yet, in C order,
// the last axis moving fastest. An array that takes more than most bytes in memory
// is an error; while it is put into C order it is held twice.
func ReadAll[T Number](r *Reader, most int64) ([]T, error) {
	var t T
	width := int64(unsafe.Sizeof(t))
	if r.read > 0 {
		return nil, fmt.Errorf("%s: %d elements were read before", r.name, r.read)
	}
	if r.Count() > most/width {
		return nil, fmt.Errorf("%s: its shape %v takes %d bytes as %T, more than the %d that may be held", r.name, r.Shape, r.Count()*width, t, most)
	}
	all, err := rest[T](r)
	if err != nil {
		return nil, err
	}
	if r.Fortran && len(r.Shape) > 1 {
		all = cOrder(all, r.Shape)
	}
	return all, nil
}

// rest reads what is left. Of a stream whose size nobody knows, what the header
// says is believed as elements arrive.
func rest[T Number](r *Reader) ([]T, error) {
	left := r.Count() - r.read
	if r.sized {
		all := make([]T, left)
		return all, Read(r, all)
	}
	var all []T
	part := make([]T, min(left, block))
	for ; left > 0; left -= int64(len(part)) {
		part = part[:min(left, int64(len(part)))]
		if err := Read(r, part); err != nil {
			return nil, err
		}
		all = append(all, part...)
	}
	return all, nil
}

// cOrder takes elements whose first axis moves fastest.
func cOrder[T Number](src []T, shape []int) []T {
	dst := make([]T, len(src))
	strides := make([]int, len(shape)) // in dst
	step := 1
	for a := len(shape) - 1; a >= 0; a-- {
		strides[a] = step
		step *= shape[a]
	}
	at := make([]int, len(shape))
	k := 0
	for _, v := range src {
		dst[k] = v
		for a := range shape {
			at[a]++
			k += strides[a]
			if at[a] < shape[a] {
				break
			}
			k -= at[a] * strides[a]
			at[a] = 0
		}
	}
	return dst
}

// Write writes an array whose elements are in the order that h says.
func Write[T Number](w io.Writer, h Header, values []T) error {
	if err := h.validate(); err != nil {
		return fmt.Errorf("there is no array with %w", err)
	}
	if int64(len(values)) != h.Count() {
		return fmt.Errorf("%d values for shape %v", len(values), h.Shape)
	}
	if _, err := w.Write(h.Encode()); err != nil {
		return err
	}
	var b []byte
	for len(values) > 0 {
		n := min(len(values), block)
		var err error
		if b, err = Append(b[:0], h.Type, values[:n]); err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}
