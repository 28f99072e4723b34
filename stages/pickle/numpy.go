package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/nbpipe/nbpipe/stages/npy"
)

// DType is NumPy's type of an array's elements.
type DType struct {
	Code byte // f, i, u, b, S (bytes), U (text) or O (objects)
	Size int  // bytes of an element
	Big  bool // most significant byte first
}

func newDType(args []any) (any, error) {
	if len(args) == 0 {
		return nil, errors.New("dtype: unexpected arguments")
	}
	name, ok := args[0].(string)
	if !ok || len(name) < 1 {
		return nil, errors.New("dtype: structured types cannot be read")
	}
	big := name[0] == '>'
	name = strings.TrimLeft(name, "<>|=")
	if name == "O" {
		name = "O8"
	}
	size := 0
	if len(name) > 1 {
		size, _ = strconv.Atoi(name[1:])
	}
	if size < 1 || size > 1<<16 {
		return nil, fmt.Errorf("dtype %s cannot be read", clip(name))
	}
	d := &DType{Code: name[0], Size: size, Big: big}
	switch {
	case d.Code == 'S' || d.Code == 'O' || d.numeric() != "":
	case d.Code == 'U':
		d.Size = 4 * size // NumPy counts characters of 4 bytes
	default:
		return nil, fmt.Errorf("dtype %s cannot be read; numbers, bool, text and objects can", clip(name))
	}
	return d, nil
}

// numeric is the type as package npy has it, or "".
func (d *DType) numeric() npy.Type { return npy.TypeOf(fmt.Sprintf("%c%d", d.Code, d.Size)) }

// SetState takes (version, byte order, ...).
func (d *DType) SetState(state any) error {
	s, ok := Sequence(state)
	if !ok || len(s) < 2 {
		return errors.New("dtype: unexpected state")
	}
	order, _ := s[1].(string)
	if b, ok := s[1].(*Bytes); ok {
		order = string(b.held)
	}
	d.Big = order == ">"
	return nil
}

// element decodes one element to float64, int64, bool or string.
func (d *DType) element(raw []byte) (any, error) {
	var o binary.ByteOrder = binary.LittleEndian
	if d.Big {
		o = binary.BigEndian
	}
	switch d.Code {
	case 'b':
		return raw[0] != 0, nil
	case 'i', 'u':
		return d.integer(raw, o)
	case 'S':
		return strings.TrimRight(string(raw), "\x00"), nil
	case 'U':
		var b strings.Builder
		for i := 0; i+4 <= len(raw); i += 4 {
			if r := o.Uint32(raw[i:]); r != 0 {
				b.WriteRune(rune(r & 0x1fffff))
			}
		}
		return b.String(), nil
	}
	switch d.Size {
	case 2:
		return npy.Half(o.Uint16(raw)), nil
	case 4:
		return float64(math.Float32frombits(o.Uint32(raw))), nil
	case 8:
		return math.Float64frombits(o.Uint64(raw)), nil
	}
	return nil, fmt.Errorf("elements of type %c%d cannot be read", d.Code, d.Size)
}

func (d *DType) integer(raw []byte, o binary.ByteOrder) (any, error) {
	var u uint64
	switch d.Size {
	case 1:
		u = uint64(raw[0])
	case 2:
		u = uint64(o.Uint16(raw))
	case 4:
		u = uint64(o.Uint32(raw))
	default:
		u = o.Uint64(raw)
	}
	if d.Code == 'i' {
		shift := 64 - 8*d.Size
		return int64(u<<shift) >> shift, nil
	}
	if u > math.MaxInt64 {
		return nil, fmt.Errorf("%d does not fit into int64", u)
	}
	return int64(u), nil
}

// newScalar is NumPy's scalar(dtype, bytes).
func newScalar(args []any) (any, error) {
	if len(args) == 2 {
		d, ok := args[0].(*DType)
		raw, err := latinBytes(args[1])
		if ok && err == nil && d.Code != 'O' && raw.size == int64(d.Size) {
			held, err := raw.All(1 << 18)
			if err != nil {
				return nil, err
			}
			return d.element(held)
		}
	}
	return nil, errors.New("numpy scalar: unexpected arguments")
}

// Array is a NumPy array. One of objects has them in memory; the elements of
// another are read when they are asked for.
type Array struct {
	DType
	Shape   []int
	Fortran bool  // the first axis moves fastest, not the last
	Objects []any // of dtype O, in C order

	data *Bytes
}

// reconstruct is NumPy's _reconstruct(class, shape, type): an array whose
// contents follow as state.
func reconstruct([]any) (any, error) { return &Array{}, nil }

// SetState takes (version, shape, dtype, is_fortran, data).
func (a *Array) SetState(state any) error {
	s, ok := Sequence(state)
	if !ok || len(s) != 5 {
		return errors.New("ndarray: unexpected state")
	}
	fortran := false
	switch f := s[3].(type) {
	case bool:
		fortran = f
	case int64: // Python 2
		fortran = f != 0
	}
	return a.set(s[4], s[2], s[1], fortran)
}

// fromBuffer is NumPy's _frombuffer(buffer, dtype, shape, order).
func fromBuffer(args []any) (any, error) {
	if len(args) != 4 {
		return nil, errors.New("_frombuffer: unexpected arguments")
	}
	order, _ := args[3].(string)
	a := &Array{}
	return a, a.set(args[0], args[1], args[2], order == "F")
}

const mostAxes = 32

func (a *Array) set(data, kind, shape any, fortran bool) error {
	d, ok := kind.(*DType)
	if !ok {
		return errors.New("array: no dtype")
	}
	dims, ok := Sequence(shape)
	if !ok || len(dims) > mostAxes {
		return errors.New("array: no shape")
	}
	n := int64(1)
	made := &Array{DType: *d, Fortran: fortran, Shape: []int{}}
	for _, dim := range dims {
		k, ok := dim.(int64)
		if !ok || k < 0 || k > math.MaxInt32 || (k > 0 && n > math.MaxInt64/int64(d.Size)/k) {
			return errors.New("array: its shape is damaged or too large")
		}
		n *= k
		made.Shape = append(made.Shape, int(k))
	}
	var err error
	if d.Code == 'O' {
		err = made.setObjects(data, n)
	} else {
		err = made.setData(data, n)
	}
	if err == nil {
		*a = *made
	}
	return err
}

func (a *Array) setObjects(data any, n int64) error {
	list, ok := data.(*List)
	if !ok {
		return fmt.Errorf("array of objects: its data is %s", Describe(data))
	}
	if int64(len(list.Items)) != n {
		return fmt.Errorf("array: %d elements in a list of %d", n, len(list.Items))
	}
	a.Objects = list.Items[:n:n]
	a.Fortran = false // NumPy lists objects in C order whatever it says
	return nil
}

func (a *Array) setData(data any, n int64) (err error) {
	if a.data, err = latinBytes(data); err != nil {
		return fmt.Errorf("array: its data: %w", err)
	}
	if a.data.size != n*int64(a.Size) {
		return fmt.Errorf("array: %d elements of %d bytes in %d bytes", n, a.Size, a.data.size)
	}
	return nil
}

// Count is the number of elements.
func (a *Array) Count() int64 {
	n := int64(1)
	for _, k := range a.Shape {
		n *= int64(k)
	}
	return n
}

// Numbers returns a reader of the elements in the order of storage. name stands in
// its errors. The elements of an array of objects or texts are no numbers.
func (a *Array) Numbers(name string) (*npy.Reader, error) {
	t := a.numeric()
	if a.data == nil || t == "" {
		return nil, fmt.Errorf("%s: its elements are %s, no numbers", name, a.kind())
	}
	return npy.NewElements(name, npy.Header{Type: t, Shape: a.Shape, Fortran: a.Fortran}, a.Big, a.data.Open())
}

func (a *Array) kind() string {
	switch a.Code {
	case 'O':
		return "objects"
	case 'S', 'U':
		return "texts"
	case 0:
		return "missing"
	}
	return fmt.Sprintf("of type %c%d", a.Code, a.Size)
}

// mostElements are the bytes of an array whose elements are had as values.
const mostElements = 1 << 30

// Elements returns all elements in the order of storage: float64, int64, bool,
// string, or objects.
func (a *Array) Elements() ([]any, error) { return a.Line(0, 1, int(a.Count())) }

// Line returns n elements by their places in storage: start, start + step and so on.
func (a *Array) Line(start, step, n int) ([]any, error) {
	count := a.Count()
	if last := int64(start) + int64(step)*int64(max(n-1, 0)); start < 0 || n < 0 || step < 0 || (n > 0 && last >= count) {
		return nil, fmt.Errorf("array: places %d to %d of %d", start, last, count)
	}
	out := make([]any, n)
	if a.Objects != nil || a.Code == 'O' {
		for i := range out {
			out[i] = a.Objects[start+i*step]
		}
		return out, nil
	}
	if a.data == nil {
		return nil, errors.New("array: it was never filled")
	}
	raw, err := a.data.All(mostElements)
	if err != nil {
		return nil, fmt.Errorf("array: %w", err)
	}
	for i := range out {
		at := (start + i*step) * a.Size
		if out[i], err = a.element(raw[at : at+a.Size]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// DecodeNpy reads an array of objects from a .npy file, such as numpy.save writes of
// a dict (which is an array without axes).
func DecodeNpy(name string, r io.Reader, opts Options) (*Array, error) {
	h, err := npy.ReadObjectHeader(name, r)
	if err != nil {
		return nil, err
	}
	v, err := Decode(r, opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return objectArray(name, h, v)
}

// DecodeNpyAt is DecodeNpy of a file, in which what is long stays; see DecodeAt.
func DecodeNpyAt(name string, r io.ReaderAt, size int64, opts Options) (*Array, error) {
	section := io.NewSectionReader(r, 0, size)
	h, err := npy.ReadObjectHeader(name, section)
	if err != nil {
		return nil, err
	}
	start, err := section.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	v, err := DecodeAt(r, start, size-start, opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return objectArray(name, h, v)
}

// objectArray is what numpy.save pickled: the array itself.
func objectArray(name string, h npy.Header, v any) (*Array, error) {
	a, ok := v.(*Array)
	if !ok || a.Count() != h.Count() || a.Code != 'O' {
		return nil, fmt.Errorf("%s: it holds %s where an array of %d objects is announced", name, Describe(v), h.Count())
	}
	return a, nil
}
