package table

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
)

// Decode reads a table that Encode wrote. The table does not share memory with
// data. Memory use is bounded by a small multiple of len(data), whatever the
// header says; every other input gives an error.
func Decode(data []byte) (*Table, error) {
	t, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("decoding a table: %w", err)
	}
	return t, nil
}

// IsTable reports whether data starts like an encoded table.
func IsTable(data []byte) bool { return bytes.HasPrefix(data, []byte(magic)) }

func decode(data []byte) (*Table, error) {
	h, body, err := decodeHeader(data)
	if err != nil {
		return nil, err
	}
	if h.Rows < 0 || h.Rows > len(body) {
		return nil, fmt.Errorf("%d rows do not fit into %d bytes", h.Rows, len(body))
	}
	t := &Table{Rows: h.Rows, Notes: h.Notes, Columns: make([]Column, len(h.Columns))}
	r := reader{rest: body, rows: h.Rows}
	for i, ch := range h.Columns {
		if t.Columns[i], err = r.column(ch); err != nil {
			return nil, fmt.Errorf("column %d (%q): %w", i+1, clip(ch.Name), err)
		}
	}
	if len(r.rest) != 0 {
		return nil, fmt.Errorf("%d bytes follow the last column", len(r.rest))
	}
	return t, t.Validate()
}

func decodeHeader(data []byte) (header, []byte, error) {
	var h header
	if len(data) < preamble || !IsTable(data) {
		return h, nil, fmt.Errorf("it does not start with %q", magic)
	}
	if v := binary.LittleEndian.Uint32(data[8:]); v != version {
		return h, nil, fmt.Errorf("format version %d; this program reads version %d", v, version)
	}
	size := int(binary.LittleEndian.Uint32(data[12:]))
	if size > maxHeader || size > len(data)-preamble || size%8 != 0 {
		return h, nil, fmt.Errorf("a header of %d bytes in a file of %d", size, len(data))
	}
	d := json.NewDecoder(bytes.NewReader(data[preamble : preamble+size]))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return h, nil, fmt.Errorf("its header: %w", err)
	}
	if d.More() {
		return h, nil, fmt.Errorf("its header has trailing text")
	}
	return h, data[preamble+size:], nil
}

type reader struct {
	rest []byte
	rows int
}

// part takes n values of the given width, and their padding.
func (r *reader) part(n, width int) ([]byte, error) {
	if n < 0 || n > len(r.rest)/width {
		return nil, fmt.Errorf("%d values of %d bytes do not fit into the %d that are left", n, width, len(r.rest))
	}
	size := n * width
	padded := (size + 7) / 8 * 8
	if padded > len(r.rest) {
		return nil, fmt.Errorf("it ends inside the padding")
	}
	for _, b := range r.rest[size:padded] {
		if b != 0 {
			return nil, fmt.Errorf("the padding is not zero")
		}
	}
	out := r.rest[:size]
	r.rest = r.rest[padded:]
	return out, nil
}

func (r *reader) column(h columnHeader) (Column, error) {
	c := Column{Name: h.Name, Kind: h.Kind, Unit: h.Unit, Source: h.Source}
	var err error
	switch h.Kind {
	case Float64:
		c.Float64s, err = r.floats()
	case Int64:
		c.Int64s, err = r.ints()
	case Bool:
		c.Bools, err = r.bools()
	case String:
		c.Strings, err = r.strings(h.Dictionary)
	default:
		err = fmt.Errorf("unknown type %q", clip(string(h.Kind)))
	}
	if err == nil && h.Dictionary != 0 && h.Kind != String {
		err = fmt.Errorf("a %s column has no dictionary", h.Kind)
	}
	if err == nil && h.Missing {
		c.Valid, err = r.bools()
	}
	return c, err
}

func (r *reader) floats() ([]float64, error) {
	p, err := r.part(r.rows, 8)
	if err != nil {
		return nil, err
	}
	out := make([]float64, r.rows)
	for i := range out {
		out[i] = math.Float64frombits(binary.LittleEndian.Uint64(p[8*i:]))
	}
	return out, nil
}

func (r *reader) ints() ([]int64, error) {
	p, err := r.part(r.rows, 8)
	if err != nil {
		return nil, err
	}
	out := make([]int64, r.rows)
	for i := range out {
		out[i] = int64(binary.LittleEndian.Uint64(p[8*i:]))
	}
	return out, nil
}

func (r *reader) bools() ([]bool, error) {
	p, err := r.part(r.rows, 1)
	if err != nil {
		return nil, err
	}
	out := make([]bool, r.rows)
	for i, b := range p {
		if b > 1 {
			return nil, fmt.Errorf("row %d is %d, neither 0 nor 1", i+1, b)
		}
		out[i] = b == 1
	}
	return out, nil
}

func (r *reader) strings(dictionary int) ([]string, error) {
	if dictionary == 0 {
		return r.plain(r.rows)
	}
	distinct, err := r.plain(dictionary)
	if err != nil {
		return nil, err
	}
	width := codeWidth(dictionary)
	p, err := r.part(r.rows, width)
	if err != nil {
		return nil, err
	}
	out := make([]string, r.rows)
	for i := range out {
		code := 0
		switch width {
		case 1:
			code = int(p[i])
		case 2:
			code = int(binary.LittleEndian.Uint16(p[2*i:]))
		default:
			code = int(binary.LittleEndian.Uint32(p[4*i:]))
		}
		if code >= len(distinct) {
			return nil, fmt.Errorf("row %d refers to entry %d of a dictionary of %d", i+1, code, len(distinct))
		}
		out[i] = distinct[code]
	}
	return out, nil
}

// plain reads n strings, which share one copy of their bytes.
func (r *reader) plain(n int) ([]string, error) {
	if n < 0 || n >= len(r.rest)/4 {
		return nil, fmt.Errorf("%d strings do not fit into the %d bytes that are left", n, len(r.rest))
	}
	offsets, err := r.part(n+1, 4)
	if err != nil {
		return nil, err
	}
	at := func(i int) int { return int(binary.LittleEndian.Uint32(offsets[4*i:])) }
	blob, err := r.part(at(n), 1)
	if err != nil {
		return nil, err
	}
	all := string(blob)
	out := make([]string, n)
	for i, from := 0, at(0); i < n; i++ {
		to := at(i + 1)
		if from > to || to > len(all) || (i == 0 && from != 0) {
			return nil, fmt.Errorf("string %d has the bounds %d and %d", i+1, from, to)
		}
		out[i], from = all[from:to], to
	}
	return out, nil
}
