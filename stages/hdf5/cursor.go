package hdf5

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// undefined is the address of what is not there.
const undefined = ^uint64(0)

var errDamaged = errors.New("it is damaged: copy it again, or write it again")

// cursor reads fields one after the other. After an error all are zero.
type cursor struct {
	file *File
	data []byte
	err  error
}

// at reads n bytes at an address.
func (f *File) at(address, n uint64) *cursor {
	c := &cursor{file: f}
	if size := uint64(f.size - f.base); address > size || n > size-address || n > mostMeta {
		c.fail("%d bytes at %d are asked for", n, address)
		return c
	}
	c.data = make([]byte, n)
	if _, err := f.r.ReadAt(c.data, f.base+int64(address)); err != nil && err != io.EOF {
		c.data, c.err = nil, err
	}
	return c
}

// upTo is at, where fewer bytes may be left.
func (f *File) upTo(address, n uint64) *cursor {
	if size := uint64(f.size - f.base); address <= size {
		n = min(n, size-address)
	}
	return f.at(address, n)
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format+": %w", append(args, errDamaged)...)
	}
	c.data = nil
}

// bytes takes the next n bytes.
func (c *cursor) bytes(n int) []byte {
	if c.err == nil && (n < 0 || n > len(c.data)) {
		c.fail("it ends within a field of %d bytes", n)
	}
	if c.err != nil {
		return nil
	}
	out := c.data[:n]
	c.data = c.data[n:]
	return out
}

func (c *cursor) skip(n int) { c.bytes(n) }

// unsigned takes a little-endian number of up to 8 bytes.
func (c *cursor) unsigned(width int) uint64 {
	var b [8]byte
	if width < 0 || width > len(b) {
		c.fail("a number of %d bytes", width)
	}
	copy(b[:], c.bytes(width))
	return binary.LittleEndian.Uint64(b[:])
}

func (c *cursor) byte() int { return int(c.unsigned(1)) }

// address and length are as wide as the file says. All bits set is undefined.
func (c *cursor) address() uint64 {
	v := c.unsigned(c.file.offsets)
	if c.file.offsets < 8 && v == 1<<(8*c.file.offsets)-1 {
		return undefined
	}
	return v
}

func (c *cursor) length() uint64 { return c.unsigned(c.file.lengths) }

// signature checks four letters.
func (c *cursor) signature(want string) {
	if got := c.bytes(len(want)); c.err == nil && string(got) != want {
		c.fail("%q is found where %q is expected", got, want)
	}
}

// sub is a cursor over the next n bytes.
func (c *cursor) sub(n int) *cursor {
	data := c.bytes(n)
	return &cursor{file: c.file, data: data, err: c.err}
}
