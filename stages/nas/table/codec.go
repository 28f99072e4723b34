package table

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// The artifact format, version 1:
//
//	8 bytes   magic "NBTABLE\n"
//	4 bytes   version, 4 bytes header length; both little-endian
//	header    JSON (see header), padded with spaces to a multiple of 8
//	data      the columns in order
//
// A column is a list of parts, each padded with zeros to a multiple of 8:
//
//	float64   rows x 8 bytes
//	int64     rows x 8 bytes
//	bool      rows x 1 byte, 0 or 1
//	string    n+1 offsets of 4 bytes from 0, ascending; then the bytes. Plain:
//	          n = rows. Dictionary: n = the distinct values in order of first
//	          appearance, and after the bytes rows x width codes, width the
//	          smallest of 1, 2, 4 that numbers them.
//	validity  rows x 1 byte, when the header says that values are missing
//
// All numbers are little-endian. Nothing follows the last part. Every NaN is
// written as the same bits, so that equal tables have equal bytes.
const (
	magic      = "NBTABLE\n"
	version    = 1
	preamble   = 16
	maxHeader  = 16 << 20
	maxStrings = math.MaxUint32 // bytes of one string column
)

type header struct {
	Rows    int            `json:"rows"`
	Notes   []string       `json:"notes,omitempty"`
	Columns []columnHeader `json:"columns"`
}

type columnHeader struct {
	Name    string `json:"name"`
	Kind    Kind   `json:"type"`
	Unit    string `json:"unit,omitempty"`
	Source  string `json:"source,omitempty"`
	Missing bool   `json:"missing,omitempty"`
	// Dictionary is the number of distinct strings, or 0 for plain storage.
	Dictionary int `json:"dictionary,omitempty"`
}

// Encode writes the table. Equal tables give equal bytes.
func (t *Table) Encode(w io.Writer) error {
	if err := t.Validate(); err != nil {
		return fmt.Errorf("encoding a table: %w", err)
	}
	h := header{Rows: t.Rows, Notes: t.Notes, Columns: make([]columnHeader, len(t.Columns))}
	var data []byte
	for i := range t.Columns {
		c := normalised(t.Columns[i])
		h.Columns[i] = columnHeader{Name: c.Name, Kind: c.Kind, Unit: c.Unit, Source: c.Source, Missing: c.Valid != nil}
		var err error
		if data, h.Columns[i].Dictionary, err = appendColumn(data, &c); err != nil {
			return fmt.Errorf("encoding column %q: %w", c.Name, err)
		}
	}
	head, err := encodeHeader(h)
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

func encodeHeader(h header) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(h); err != nil {
		return nil, fmt.Errorf("encoding a table's header: %w", err)
	}
	body := bytes.TrimSpace(text.Bytes())
	size := (len(body) + 7) / 8 * 8
	if size > maxHeader {
		return nil, fmt.Errorf("encoding a table: its header has %d bytes, more than %d", size, maxHeader)
	}
	out := make([]byte, 0, preamble+size)
	out = append(out, magic...)
	out = binary.LittleEndian.AppendUint32(out, version)
	out = binary.LittleEndian.AppendUint32(out, uint32(size))
	out = append(out, body...)
	return append(out, bytes.Repeat([]byte{' '}, size-len(body))...), nil
}

func appendColumn(data []byte, c *Column) ([]byte, int, error) {
	dictionary := 0
	switch c.Kind {
	case Float64:
		for _, v := range c.Float64s {
			if math.IsNaN(v) {
				v = math.NaN()
			}
			data = binary.LittleEndian.AppendUint64(data, math.Float64bits(v))
		}
	case Int64:
		for _, v := range c.Int64s {
			data = binary.LittleEndian.AppendUint64(data, uint64(v))
		}
	case Bool:
		data = appendBools(data, c.Bools)
	case String:
		var err error
		if data, dictionary, err = appendStrings(data, c.Strings); err != nil {
			return nil, 0, err
		}
	}
	if c.Valid != nil {
		data = appendBools(data, c.Valid)
	}
	return data, dictionary, nil
}

func appendBools(data []byte, values []bool) []byte {
	for _, v := range values {
		if v {
			data = append(data, 1)
		} else {
			data = append(data, 0)
		}
	}
	return pad(data)
}

// appendStrings writes a dictionary when it is smaller than plain storage.
func appendStrings(data []byte, values []string) ([]byte, int, error) {
	codes := make([]uint32, len(values))
	byValue := make(map[string]uint32)
	var distinct []string
	plain, dict := 4*len(values), 0
	for i, s := range values {
		code, ok := byValue[s]
		if !ok {
			code = uint32(len(distinct))
			byValue[s] = code
			distinct = append(distinct, s)
			dict += 4 + len(s)
		}
		codes[i] = code
		plain += len(s)
	}
	width := codeWidth(len(distinct))
	if dict+width*len(values) >= plain {
		data, err := appendPlain(data, values)
		return data, 0, err
	}
	data, err := appendPlain(data, distinct)
	if err != nil {
		return nil, 0, err
	}
	for _, code := range codes {
		switch width {
		case 1:
			data = append(data, byte(code))
		case 2:
			data = binary.LittleEndian.AppendUint16(data, uint16(code))
		default:
			data = binary.LittleEndian.AppendUint32(data, code)
		}
	}
	return pad(data), len(distinct), nil
}

func appendPlain(data []byte, values []string) ([]byte, error) {
	var total uint64
	data = binary.LittleEndian.AppendUint32(data, 0)
	for _, s := range values {
		if total += uint64(len(s)); total > maxStrings {
			return nil, fmt.Errorf("its strings take more than %d bytes", uint64(maxStrings))
		}
		data = binary.LittleEndian.AppendUint32(data, uint32(total))
	}
	data = pad(data)
	for _, s := range values {
		data = append(data, s...)
	}
	return pad(data), nil
}

// codeWidth is the number of bytes that number n distinct values.
func codeWidth(n int) int {
	switch {
	case n <= 1<<8:
		return 1
	case n <= 1<<16:
		return 2
	default:
		return 4
	}
}

func pad(data []byte) []byte {
	for len(data)%8 != 0 {
		data = append(data, 0)
	}
	return data
}
