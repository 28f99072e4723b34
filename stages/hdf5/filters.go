package hdf5

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
)

// The filters that are undone.
const (
	filterDeflate = 1
	filterShuffle = 2
)

type filter struct {
	id      int
	element int // bytes that are shuffled
}

// pipeline reads which filters chunks went through.
func (d *Dataset) pipeline(c *cursor) {
	version, n := c.byte(), c.byte()
	if version == 1 {
		c.skip(6)
	}
	if c.err == nil && (version != 1 && version != 2 || n > 32) {
		c.fail("%d filters of version %d", n, version)
	}
	for i := 0; i < n && c.err == nil; i++ {
		f := filter{id: int(c.unsigned(2))}
		name := 0
		if version == 1 || f.id >= 256 {
			name = int(c.unsigned(2))
		}
		c.skip(2)
		values := int(c.unsigned(2))
		if version == 1 {
			name = (name + 7) / 8 * 8
		}
		c.skip(name)
		for k := range values {
			if v := int(c.unsigned(4)); k == 0 {
				f.element = v
			}
		}
		if version == 1 && values%2 == 1 {
			c.skip(4)
		}
		if c.err == nil && f.id != filterDeflate && f.id != filterShuffle {
			c.err = fmt.Errorf("its chunks went through filter %d; deflate and shuffle are read: write it with these, or without", f.id)
		}
		d.filters = append(d.filters, f)
	}
}

// unfilter undoes the filters of a chunk, the last first, and returns its size bytes.
// Filters whose bit is set in mask were left out.
func (d *Dataset) unfilter(raw []byte, size int, mask uint64) ([]byte, error) {
	for i := len(d.filters) - 1; i >= 0; i-- {
		if mask>>i&1 != 0 {
			continue
		}
		var err error
		if f := d.filters[i]; f.id == filterDeflate {
			raw, err = inflate(raw, size)
		} else {
			raw, err = unshuffle(raw, f.element)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(raw) != size {
		return nil, fmt.Errorf("%d bytes where %d are expected: %w", len(raw), size, errDamaged)
	}
	return raw, nil
}

// inflate returns size bytes, after which there must be none, so that their checksum
// is verified.
func inflate(raw []byte, size int) ([]byte, error) {
	z, err := zlib.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("inflating: %w", err)
	}
	out := make([]byte, size)
	if _, err := io.ReadFull(z, out); err != nil {
		return nil, fmt.Errorf("inflating: %w", err)
	}
	if n, err := z.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		return nil, fmt.Errorf("inflating: more than %d bytes, or a wrong checksum: %w", size, errDamaged)
	}
	return out, nil
}

// unshuffle puts the bytes of each element together again. What is left over at the
// end was not shuffled.
func unshuffle(raw []byte, element int) ([]byte, error) {
	if element < 1 || element > len(raw) {
		return nil, fmt.Errorf("shuffled elements of %d bytes: %w", element, errDamaged)
	}
	out := make([]byte, len(raw))
	n := len(raw) / element
	for i := range element {
		for k, v := range raw[i*n : (i+1)*n] {
			out[k*element+i] = v
		}
	}
	copy(out[n*element:], raw[n*element:])
	return out, nil
}
