package matlab

import (
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/nbpipe/nbpipe/stages/npy"
)

// The sizes and types of version 5.
const (
	headerSize    = 128
	mostVariables = 10_000
	mostAxes      = 32
	mostName      = 1 << 10

	typeMatrix     = 14
	typeCompressed = 15
	typeInt32      = 5
	typeUint32     = 6
	typeInt8       = 1
)

// stored are the types of elements by number: mi...
var stored = map[uint32]npy.Type{
	1: npy.Int8, 2: npy.Uint8, 3: npy.Int16, 4: npy.Uint16, 5: npy.Int32, 6: npy.Uint32, 7: npy.Float32, 9: npy.Float64, 12: npy.Int64, 13: npy.Uint64,
}

const opaque = 17 // the class of an object, which has no shape

// classes are those of arrays by number: mx...
var classes = map[byte]string{
	1: "a cell array", 2: "a structure", 3: "an object", 4: "a text", 5: "a sparse array", 16: "a function", opaque: "an object",
}

func isFive(start []byte) bool {
	order := string(start[126:128])
	return order == "IM" && start[125] == 1 || order == "MI" && start[124] == 1
}

var errEarly = errors.New("it ends early: copy it again")

// openFive walks the variables. Of each, only the beginning is read.
func (f *File) openFive(r io.ReaderAt, size int64, start []byte) error {
	var order binary.ByteOrder = binary.LittleEndian
	if start[126] == 'M' {
		order = binary.BigEndian
	}
	for at := int64(headerSize); at < size; {
		var tag [8]byte
		if _, err := r.ReadAt(tag[:], at); err != nil {
			return errEarly
		}
		kind, length := order.Uint32(tag[:]), int64(order.Uint32(tag[4:]))
		at += 8
		if kind != typeMatrix && kind != typeCompressed {
			return fmt.Errorf("an element of type %d where a variable is expected: it is damaged", kind)
		}
		if length > size-at {
			return errEarly
		}
		v := &variable{r: io.NewSectionReader(r, at, length), order: order, compressed: kind == typeCompressed}
		if at += length; !v.compressed {
			at += -length & 7
		}
		if err := f.add(v); err != nil {
			return err
		}
	}
	return nil
}

// add reads a variable's name. A variable that comes later takes the place of an
// earlier one.
func (f *File) add(v *variable) error {
	if len(f.names) == mostVariables {
		return fmt.Errorf("it has more than %d variables", mostVariables)
	}
	if err := v.open(); err != nil {
		return fmt.Errorf("variable %d: %w", len(f.names)+1, err)
	}
	if _, again := f.arrays[v.name]; !again {
		f.names = append(f.names, v.name)
	}
	f.arrays[v.name] = func() (*Array, error) { return v.array() }
	return nil
}

// variable is a matrix element.
type variable struct {
	r          *io.SectionReader
	order      binary.ByteOrder
	compressed bool

	class byte
	flags byte
	shape []int
	name  string
}

// open reads what comes before the elements, and leaves a reader there.
func (v *variable) open() error {
	_, err := v.elements()
	return err
}

func (v *variable) elements() (*stream, error) {
	if _, err := v.r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	s := &stream{r: v.r, order: v.order}
	if v.compressed {
		z, err := zlib.NewReader(v.r)
		if err != nil {
			return nil, fmt.Errorf("inflating: %w", err)
		}
		s.r = z
		if kind, _ := s.tag(); s.err == nil && kind != typeMatrix {
			return nil, fmt.Errorf("an element of type %d is compressed: it is damaged", kind)
		}
	}
	flags := s.small(typeUint32, 8)
	if s.err != nil || len(flags) != 8 {
		return nil, errors.Join(s.err, errEarly)
	}
	word := v.order.Uint32(flags)
	v.class, v.flags, v.shape = byte(word), byte(word>>8), nil
	var shape []byte
	if v.class != opaque {
		shape = s.small(typeInt32, 4*mostAxes)
	}
	v.name = string(s.small(typeInt8, mostName))
	if s.err != nil {
		return nil, s.err
	}
	for ; len(shape) >= 4; shape = shape[4:] {
		n := int(int32(v.order.Uint32(shape)))
		if n < 0 {
			return nil, fmt.Errorf("an axis of length %d: it is damaged", n)
		}
		v.shape = append(v.shape, n)
	}
	return s, nil
}

// array opens the elements, to learn their type, and again at each visit.
func (v *variable) array() (*Array, error) {
	if what, ok := classes[v.class]; ok || v.class < 6 || v.class > 15 {
		return nil, fmt.Errorf("it is %s (class %d); numeric arrays are read", what, v.class)
	}
	if v.flags&8 != 0 {
		return nil, errors.New("it is complex: save real and imaginary parts as arrays of their own")
	}
	if len(v.shape) < 2 {
		return nil, fmt.Errorf("it has %d axes, where MATLAB has two or more: it is damaged", len(v.shape))
	}
	a, _, err := v.reader()
	if err != nil {
		return nil, err
	}
	return &Array{Shape: v.shape, Type: a.Type, blocks: v.blocks}, nil
}

// reader reads the elements, and s what follows them.
func (v *variable) reader() (a *npy.Reader, s *stream, err error) {
	if s, err = v.elements(); err != nil {
		return nil, nil, err
	}
	kind, length := s.tag()
	t, ok := stored[kind]
	if s.err == nil && !ok {
		return nil, nil, fmt.Errorf("its elements are of type %d: it is damaged", kind)
	}
	if s.err != nil {
		return nil, nil, s.err
	}
	h := npy.Header{Type: t, Shape: v.shape, Fortran: true}
	if a, err = npy.NewElements(v.name, h, v.order == binary.BigEndian, s); err == nil && a.Count()*int64(t.Size()) != length {
		err = fmt.Errorf("shape %v and %d bytes of %s: it is damaged", v.shape, length, t)
	}
	return a, s, err
}

const blockElements = 1 << 17

// blocks visits runs of whole columns: of the first axes, as many as fit.
func (v *variable) blocks(ctx context.Context, visit func(Block) error) error {
	a, s, err := v.reader()
	if err != nil {
		return err
	}
	if a.Count() == 0 {
		return nil
	}
	cut, run := 0, 1 // the axis along which blocks are cut, and elements before it
	for cut < len(v.shape)-1 && run*v.shape[cut] <= blockElements {
		run *= v.shape[cut]
		cut++
	}
	start, shape := make([]int, len(v.shape)), make([]int, len(v.shape))
	for i := range shape {
		if shape[i] = 1; i < cut {
			shape[i] = v.shape[i]
		}
	}
	values := make([]float64, max(1, blockElements/run)*run)
	for left := a.Count(); left > 0; {
		n := min(v.shape[cut]-start[cut], max(1, blockElements/run))
		shape[cut] = n
		part := values[:n*run]
		if err := errors.Join(ctx.Err(), npy.Read(a, part)); err != nil {
			return err
		}
		if err := visit(Block{start, shape, part}); err != nil {
			return err
		}
		left -= int64(len(part))
		advance(start, v.shape, cut, n)
	}
	return s.end(v.compressed)
}

// advance moves start by n along an axis, carrying over to those after it.
func advance(start, shape []int, axis, n int) {
	for ; axis < len(shape); axis, n = axis+1, 1 {
		if start[axis] += n; start[axis] < shape[axis] {
			return
		}
		start[axis] = 0
	}
}

// stream reads elements one after the other. After an error all are empty.
type stream struct {
	r     io.Reader
	order binary.ByteOrder
	held  []byte // of an element that is kept in its tag
	err   error
}

// Read implements io.Reader: the bytes of an element whose tag was read.
func (s *stream) Read(p []byte) (int, error) {
	if len(s.held) > 0 {
		n := copy(p, s.held)
		s.held = s.held[n:]
		return n, nil
	}
	return s.r.Read(p)
}

// tag reads the type and the length in bytes of an element. Up to four bytes can be in
// the tag itself.
func (s *stream) tag() (kind uint32, length int64) {
	var tag [8]byte
	if _, err := io.ReadFull(s.r, tag[:]); err != nil {
		s.fail(err)
		return 0, 0
	}
	word := s.order.Uint32(tag[:])
	if n := word >> 16; n > 0 {
		if n > 4 {
			s.fail(fmt.Errorf("an element of %d bytes in a tag: it is damaged", n))
			return 0, 0
		}
		s.held = tag[4 : 4+n]
		return word & 0xffff, int64(n)
	}
	return word, int64(s.order.Uint32(tag[4:]))
}

// small reads an element of a type and at most most bytes, and its padding.
func (s *stream) small(kind uint32, most int64) []byte {
	got, length := s.tag()
	if s.err == nil && (got != kind || length > most) {
		s.fail(fmt.Errorf("an element of type %d and %d bytes where type %d is expected: it is damaged", got, length, kind))
	}
	if s.err != nil {
		return nil
	}
	padding := -length & 7
	if len(s.held) > 0 {
		padding = 0
	}
	out := make([]byte, length+padding)
	if _, err := io.ReadFull(s, out); err != nil {
		s.fail(err)
		return nil
	}
	return out[:length]
}

func (s *stream) fail(err error) {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = errEarly
	}
	if s.err == nil {
		s.err = err
	}
}

// end reads what follows a compressed variable's elements, which is padding, so that
// the checksum is verified.
func (s *stream) end(compressed bool) error {
	if !compressed {
		return nil
	}
	n, err := io.Copy(io.Discard, io.LimitReader(s.r, math.MaxUint16))
	if err != nil {
		return fmt.Errorf("inflating: %w: copy it again", err)
	}
	if n >= 8 {
		return fmt.Errorf("%d bytes follow the elements: it is damaged", n)
	}
	return nil
}
