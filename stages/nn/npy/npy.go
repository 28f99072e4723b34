// Package npy reads and writes arrays in NumPy's .npy format, versions 1 to 3:
// numbers in C order. It is for data of networks; it reads no objects, no
// structures, no archives.
package npy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
)

const magic = "\x93NUMPY"

// Limits of a header: no array of numbers needs more.
const (
	maxHeader   = 1 << 16
	maxElements = 1 << 40
)

// Header says what an array file holds.
type Header struct {
	DType string // such as "<f4"
	Shape []int
}

// Elements is the number of elements.
func (h Header) Elements() int {
	n := 1
	for _, d := range h.Shape {
		n *= d
	}
	return n
}

var (
	descr   = regexp.MustCompile(`'descr':\s*'([^']*)'`)
	fortran = regexp.MustCompile(`'fortran_order':\s*(True|False)`)
	shape   = regexp.MustCompile(`'shape':\s*\(([0-9, ]*)\)`)
)

// ReadHeader reads the header; the reader then stands at the data.
func ReadHeader(from io.Reader) (Header, error) {
	var start [8]byte
	if _, err := io.ReadFull(from, start[:]); err != nil || string(start[:6]) != magic {
		return Header{}, fmt.Errorf("npy: it does not start as an .npy file does")
	}
	var length int
	switch start[6] {
	case 1:
		var b [2]byte
		if _, err := io.ReadFull(from, b[:]); err != nil {
			return Header{}, fmt.Errorf("npy: it ends within its header")
		}
		length = int(binary.LittleEndian.Uint16(b[:]))
	case 2, 3:
		var b [4]byte
		if _, err := io.ReadFull(from, b[:]); err != nil {
			return Header{}, fmt.Errorf("npy: it ends within its header")
		}
		length = int(min(binary.LittleEndian.Uint32(b[:]), maxHeader+1))
	default:
		return Header{}, fmt.Errorf("npy: format version %d; 1 to 3 are read", start[6])
	}
	if length > maxHeader {
		return Header{}, fmt.Errorf("npy: a header of over %d bytes", maxHeader)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(from, text); err != nil {
		return Header{}, fmt.Errorf("npy: it ends within its header")
	}
	return parseHeader(text)
}

func parseHeader(text []byte) (Header, error) {
	d, f, s := descr.FindSubmatch(text), fortran.FindSubmatch(text), shape.FindSubmatch(text)
	if d == nil || f == nil || s == nil {
		return Header{}, fmt.Errorf("npy: header %.80q; only plain arrays of numbers are read", text)
	}
	h := Header{DType: string(d[1])}
	elements := 1
	for part := range strings.SplitSeq(string(s[1]), ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		v, err := strconv.Atoi(part)
		if err != nil || v < 0 || v > maxElements || v > 0 && elements > maxElements/v {
			return Header{}, fmt.Errorf("npy: shape (%s) is too large", s[1])
		}
		elements *= max(v, 1)
		h.Shape = append(h.Shape, v)
	}
	if string(f[1]) == "True" && len(h.Shape) > 1 {
		return Header{}, fmt.Errorf("npy: the array is in Fortran order; save it with numpy.ascontiguousarray")
	}
	return h, nil
}

// decoders turn the bytes of one element into a number.
var decoders = map[string]struct {
	size   int
	decode func([]byte) float64
}{
	"<f4": {4, func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) }},
	"<f8": {8, func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }},
	"|u1": {1, func(b []byte) float64 { return float64(b[0]) }},
	"|i1": {1, func(b []byte) float64 { return float64(int8(b[0])) }},
	"<i2": {2, func(b []byte) float64 { return float64(int16(binary.LittleEndian.Uint16(b))) }},
	"<u2": {2, func(b []byte) float64 { return float64(binary.LittleEndian.Uint16(b)) }},
	"<i4": {4, func(b []byte) float64 { return float64(int32(binary.LittleEndian.Uint32(b))) }},
	"<u4": {4, func(b []byte) float64 { return float64(binary.LittleEndian.Uint32(b)) }},
	"<i8": {8, func(b []byte) float64 { return float64(int64(binary.LittleEndian.Uint64(b))) }},
	"|b1": {1, func(b []byte) float64 { return float64(b[0]) }},
}

// ReadFloat32 reads an array of any number type as float32.
func ReadFloat32(from io.Reader) ([]int, []float32, error) {
	return read(from, func(v float64) (float32, error) { return float32(v), nil })
}

// ReadInt32 reads an array of whole numbers, such as labels.
func ReadInt32(from io.Reader) ([]int, []int32, error) {
	return read(from, func(v float64) (int32, error) {
		if i := int32(v); float64(i) == v {
			return i, nil
		}
		return 0, fmt.Errorf("%v is no whole number of 32 bits", v)
	})
}

// read allocates as it reads, so that a false shape costs no memory.
func read[T float32 | int32](from io.Reader, convert func(float64) (T, error)) ([]int, []T, error) {
	in := bufio.NewReaderSize(from, 1<<16)
	h, err := ReadHeader(in)
	if err != nil {
		return nil, nil, err
	}
	d, ok := decoders[h.DType]
	if !ok {
		return nil, nil, fmt.Errorf("npy: elements of type %q; little-endian integers to 64 bits, float32 and float64 are read", h.DType)
	}
	count := h.Elements()
	data := make([]T, 0, min(count, 1<<20))
	buf := make([]byte, d.size*1024)
	for len(data) < count {
		part := buf[:d.size*min(1024, count-len(data))]
		if _, err := io.ReadFull(in, part); err != nil {
			return nil, nil, fmt.Errorf("npy: the data end after %d of %d elements", len(data), count)
		}
		for ; len(part) > 0; part = part[d.size:] {
			v, err := convert(d.decode(part))
			if err != nil {
				return nil, nil, fmt.Errorf("npy: element %d: %w", len(data), err)
			}
			data = append(data, v)
		}
	}
	return h.Shape, data, nil
}

// WriteFloat32 writes an array of float32.
func WriteFloat32(to io.Writer, shape []int, data []float32) error {
	return write(to, "<f4", shape, len(data), func(b []byte, i int) []byte {
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(data[i]))
	})
}

// WriteFloat64 writes an array of float64.
func WriteFloat64(to io.Writer, shape []int, data []float64) error {
	return write(to, "<f8", shape, len(data), func(b []byte, i int) []byte {
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(data[i]))
	})
}

// WriteInt32 writes an array of int32.
func WriteInt32(to io.Writer, shape []int, data []int32) error {
	return write(to, "<i4", shape, len(data), func(b []byte, i int) []byte {
		return binary.LittleEndian.AppendUint32(b, uint32(data[i]))
	})
}

func write(to io.Writer, dtype string, shape []int, count int, element func([]byte, int) []byte) error {
	if (Header{Shape: shape}).Elements() != count {
		return fmt.Errorf("npy: %d elements for shape %v", count, shape)
	}
	dims := make([]string, len(shape))
	for i, d := range shape {
		dims[i] = strconv.Itoa(d) + ","
	}
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", dtype, strings.Join(dims, " "))
	text += strings.Repeat(" ", 63-(len(magic)+4+len(text))%64) + "\n"
	buf := bytes.NewBufferString(magic + "\x01\x00")
	buf.Write(binary.LittleEndian.AppendUint16(nil, uint16(len(text))))
	buf.WriteString(text)
	if _, err := to.Write(buf.Bytes()); err != nil {
		return err
	}
	const chunk = 1 << 13
	part := make([]byte, 0, 8*chunk)
	for lo := 0; lo < count; lo += chunk {
		part = part[:0]
		for i := lo; i < min(lo+chunk, count); i++ {
			part = element(part, i)
		}
		if _, err := to.Write(part); err != nil {
			return err
		}
	}
	return nil
}
