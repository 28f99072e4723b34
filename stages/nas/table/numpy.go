package table

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/nlpodyssey/gopickle/types"
)

// dtype is a numpy element type: code f, i, u, b, S, U or O, and its bytes.
type dtype struct {
	code byte
	size int
	big  bool
}

func newDtype(args []any) (any, error) {
	if len(args) == 0 {
		return nil, errors.New("dtype: unexpected arguments")
	}
	name, ok := args[0].(string)
	if !ok || len(name) < 2 {
		return nil, errors.New("dtype: structured types cannot be read")
	}
	big := name[0] == '>'
	name = strings.TrimLeft(name, "<>|=")
	if name == "O" {
		name = "O8"
	}
	size, err := strconv.Atoi(name[1:])
	if err != nil || size < 1 || size > 1<<16 {
		return nil, fmt.Errorf("dtype %q cannot be read", clip(name))
	}
	d := &dtype{code: name[0], size: size, big: big}
	switch {
	case d.code == 'f' && (size == 4 || size == 8),
		(d.code == 'i' || d.code == 'u') && (size == 1 || size == 2 || size == 4 || size == 8),
		d.code == 'b' && size == 1, d.code == 'O', d.code == 'S':
	case d.code == 'U':
		d.size = 4 * size // numpy counts characters of 4 bytes
	default:
		return nil, fmt.Errorf("dtype %q cannot be read; float32, float64, integers, bool, text and objects can", clip(name))
	}
	return d, nil
}

// PySetState takes (version, byte order, ...).
func (d *dtype) PySetState(state any) error {
	s, ok := sequence(state)
	if !ok || len(s) < 2 {
		return errors.New("dtype: unexpected state")
	}
	order, _ := s[1].(string)
	d.big = order == ">"
	return nil
}

// value decodes one element to float64, int64, bool or string.
func (d *dtype) value(raw []byte) (any, error) {
	var o binary.ByteOrder = binary.LittleEndian
	if d.big {
		o = binary.BigEndian
	}
	switch d.code {
	case 'f':
		if d.size == 4 {
			return float64(math.Float32frombits(o.Uint32(raw))), nil
		}
		return math.Float64frombits(o.Uint64(raw)), nil
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
	return nil, fmt.Errorf("elements of type %c cannot be read", d.code)
}

func (d *dtype) integer(raw []byte, o binary.ByteOrder) (any, error) {
	var u uint64
	switch d.size {
	case 1:
		u = uint64(raw[0])
	case 2:
		u = uint64(o.Uint16(raw))
	case 4:
		u = uint64(o.Uint32(raw))
	default:
		u = o.Uint64(raw)
	}
	if d.code == 'i' {
		shift := 64 - 8*d.size
		return int64(u<<shift) >> shift, nil
	}
	if u > math.MaxInt64 {
		return nil, fmt.Errorf("%d does not fit into int64", u)
	}
	return int64(u), nil
}

// newScalar is numpy's scalar(dtype, bytes).
func newScalar(args []any) (any, error) {
	if len(args) == 2 {
		d, ok := args[0].(*dtype)
		raw, isBytes := args[1].([]byte)
		if ok && isBytes && d.code != 'O' && len(raw) == d.size {
			return d.value(raw)
		}
	}
	return nil, errors.New("numpy scalar: unexpected arguments")
}

// ndarray is a numpy array: raw elements, or objects.
type ndarray struct {
	shape   []int
	dtype   *dtype
	fortran bool
	raw     []byte
	objects []any
}

// reconstruct is numpy's _reconstruct(class, shape, type): an array whose
// contents follow as state.
func reconstruct([]any) (any, error) { return &ndarray{}, nil }

// PySetState takes (version, shape, dtype, is_fortran, data).
func (a *ndarray) PySetState(state any) error {
	s, ok := sequence(state)
	if !ok || len(s) != 5 {
		return errors.New("ndarray: unexpected state")
	}
	order := "C"
	if f, _ := s[3].(bool); f {
		order = "F"
	}
	return a.set(s[4], s[2], s[1], order)
}

// fromBuffer is numpy's _frombuffer(buffer, dtype, shape, order).
func fromBuffer(args []any) (any, error) {
	if len(args) != 4 {
		return nil, errors.New("_frombuffer: unexpected arguments")
	}
	order, _ := args[3].(string)
	a := &ndarray{}
	return a, a.set(args[0], args[1], args[2], order)
}

func (a *ndarray) set(data, kind, shape any, order string) error {
	var ok bool
	if a.dtype, ok = kind.(*dtype); !ok {
		return errors.New("array: no dtype")
	}
	dims, ok := sequence(shape)
	if !ok || len(dims) > 8 {
		return errors.New("array: no shape")
	}
	n := 1
	a.shape = nil
	for _, d := range dims {
		k, ok := d.(int)
		if !ok || k < 0 || (k > 0 && n > math.MaxInt32/k) {
			return errors.New("array: its shape is damaged or too large")
		}
		n *= k
		a.shape = append(a.shape, k)
	}
	a.fortran = order == "F"
	switch v := data.(type) {
	case []byte:
		a.raw = v
	case *types.ByteArray:
		a.raw = *v
	case *types.List:
		a.objects = *v
	default:
		return fmt.Errorf("array: its data is %s", describe(data))
	}
	if (a.dtype.code == 'O') != (a.objects != nil) && n > 0 {
		return errors.New("array: its data does not fit its dtype")
	}
	if have := len(a.raw); a.dtype.code != 'O' && have != n*a.dtype.size {
		return fmt.Errorf("array: %d elements of %d bytes in %d bytes", n, a.dtype.size, have)
	}
	if a.dtype.code == 'O' && len(a.objects) != n {
		return fmt.Errorf("array: %d elements in a list of %d", n, len(a.objects))
	}
	return nil
}

// at returns element i in the order of storage.
func (a *ndarray) at(i int) (any, error) {
	if a.dtype.code == 'O' {
		return a.objects[i], nil
	}
	return a.dtype.value(a.raw[i*a.dtype.size : (i+1)*a.dtype.size])
}

// line returns column j of a two-dimensional array of rows x columns, or, with
// byRow, row j. One-dimensional arrays are their only line.
func (a *ndarray) line(j int, byRow bool) ([]any, error) {
	if a.dtype == nil {
		return nil, errors.New("array: it was never filled")
	}
	start, step, n := 0, 1, 0
	switch len(a.shape) {
	case 1:
		n = a.shape[0]
	case 2:
		rows, columns := a.shape[0], a.shape[1]
		byColumn := !byRow
		switch {
		case byColumn && a.fortran:
			start, step, n = j*rows, 1, rows
		case byColumn:
			start, step, n = j, columns, rows
		case a.fortran:
			start, step, n = j, rows, columns
		default:
			start, step, n = j*columns, 1, columns
		}
	default:
		return nil, fmt.Errorf("an array of %d dimensions is no table", len(a.shape))
	}
	out := make([]any, n)
	for i := range out {
		var err error
		if out[i], err = a.at(start + i*step); err != nil {
			return nil, err
		}
	}
	return out, nil
}
