package hdf5

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/nbpipe/nbpipe/stages/npy"
)

const (
	mostAxes   = 32
	mostChunks = 1 << 24
	// mostChunk are the elements of the largest chunk that is read. It is held up to
	// four times while its filters are undone.
	mostChunk = 8 << 20
)

// Dataset is an array of numbers.
type Dataset struct {
	Type  npy.Type
	Shape []int // the last axis moves fastest

	big     bool
	fill    []byte // an element that was never written; none is zero
	layout  layout
	filters []filter
	file    *File
	name    string
}

// layout says where elements are.
type layout struct {
	class   int    // 0 compact, 1 contiguous, 2 chunked
	compact []byte //
	address uint64 // of the elements or the index
	size    uint64 // of contiguous elements
	chunk   []int  // a chunk's shape
	index   int    // how chunks are found
	filtered,
	mask uint64 // of a single chunk: bytes, and filters that were left out
}

// Dataset returns a member of the root group.
func (f *File) Dataset(name string) (*Dataset, error) {
	d := &Dataset{file: f, name: name}
	address, ok := f.members[name]
	if !ok {
		return nil, fmt.Errorf("%s: it has no array %q; it has %q", f.name, name, f.names)
	}
	if err := d.read(address); err != nil {
		return nil, fmt.Errorf("%s: array %q: %w", f.name, name, err)
	}
	return d, nil
}

func (d *Dataset) read(address uint64) error {
	messages, err := d.file.header(address)
	if err != nil {
		return err
	}
	seen := map[int]bool{}
	for _, m := range messages {
		read := map[int]func(*cursor){
			messageSpace: d.space, messageType: d.dtype, messageLayout: d.where, messageFilters: d.pipeline, messageFill: d.filling,
		}[m.kind]
		if read == nil {
			continue
		}
		if m.shared {
			return errors.New("its type or filters are kept in another object, which is not read: write it with a type of its own")
		}
		if read(m.cursor); m.err != nil {
			return m.err
		}
		seen[m.kind] = true
	}
	for _, kind := range []int{messageSpace, messageType, messageLayout} {
		if !seen[kind] {
			return errors.New("it is no array: it is a group, or damaged")
		}
	}
	return d.check()
}

// check compares what the messages say with each other.
func (d *Dataset) check() error {
	n, err := volume(d.Shape, d.Type.Size())
	if err != nil {
		return err
	}
	l := &d.layout
	switch {
	case l.class == 0 && int64(len(l.compact)) != n, l.class == 1 && l.address != undefined && l.size != uint64(n):
		return fmt.Errorf("its elements take %d bytes, and it says %d: %w", n, max(uint64(len(l.compact)), l.size), errDamaged)
	case l.class != 2:
		return nil
	case len(l.chunk) != len(d.Shape):
		return fmt.Errorf("chunks of shape %v of an array of shape %v: %w", l.chunk, d.Shape, errDamaged)
	}
	if size, err := volume(l.chunk, 1); err != nil || size > mostChunk {
		return fmt.Errorf("a chunk has the shape %v, which are more than %d elements: write it with smaller chunks", l.chunk, mostChunk)
	}
	if chunks, err := volume(d.grid(), 1); err != nil || chunks > mostChunks {
		return fmt.Errorf("it has more than %d chunks: write it with larger chunks", mostChunks)
	}
	return nil
}

// volume is the number of bytes of a shape.
func volume(shape []int, size int) (int64, error) {
	n := int64(size)
	for _, k := range shape {
		if k < 0 || k > 0 && n > math.MaxInt64/2/int64(k) {
			return 0, fmt.Errorf("a shape of %v: %w", shape, errDamaged)
		}
		n *= int64(k)
	}
	return n, nil
}

// grid is the number of chunks along each axis.
func (d *Dataset) grid() []int {
	out := make([]int, len(d.Shape))
	for i, n := range d.Shape {
		out[i] = (n-1)/d.layout.chunk[i] + 1
		if n == 0 {
			out[i] = 0
		}
	}
	return out
}

// dimension takes a length of an axis.
func (c *cursor) dimension(width int) int {
	n := c.unsigned(width)
	if n > math.MaxInt32 {
		c.fail("an axis of length %d", n)
	}
	return int(n)
}

func (d *Dataset) space(c *cursor) {
	version, rank := c.byte(), c.byte()
	c.skip(1)
	switch version {
	case 1:
		c.skip(5)
	case 2:
		if kind := c.byte(); kind == 2 {
			c.fail("it has no elements at all")
		}
	default:
		c.fail("a shape of version %d", version)
	}
	if rank > mostAxes {
		c.fail("%d axes", rank)
	}
	d.Shape = []int{}
	for i := 0; i < rank && c.err == nil; i++ {
		d.Shape = append(d.Shape, c.dimension(c.file.lengths))
	}
}

// dtype knows integers and IEEE 754's floating-point numbers.
func (d *Dataset) dtype(c *cursor) {
	class := c.byte() & 0xf
	bits, size := c.unsigned(3), c.unsigned(4)
	offset, precision := c.unsigned(2), c.unsigned(2)
	d.big = bits&1 != 0
	code := ""
	switch class {
	case 0:
		code = "u"
		if bits&8 != 0 {
			code = "i"
		}
	case 1:
		code = "f"
		exponent := c.bytes(4) // location and size of exponent and fraction
		ieee := map[uint64][]byte{2: {10, 5, 0, 10}, 4: {23, 8, 0, 23}, 8: {52, 11, 0, 52}}[size]
		if c.err == nil && (!slices.Equal(exponent, ieee) || bits&0x40 != 0) {
			code = ""
		}
	}
	if d.Type = npy.TypeOf(fmt.Sprintf("%s%d", code, size)); c.err == nil && (d.Type == "" || offset != 0 || precision != 8*size) {
		c.err = fmt.Errorf("its elements are of class %d and %d bytes; integers and floating-point numbers of up to 8 bytes are read: write it as double", class, size)
	}
}

func (d *Dataset) filling(c *cursor) {
	version := c.byte()
	var size uint64
	switch version {
	case 1, 2:
		c.skip(2)
		if defined := c.byte(); version == 1 || defined == 1 {
			size = c.unsigned(4)
		}
	case 3:
		if flags := c.byte(); flags&0x20 != 0 {
			size = c.unsigned(4)
		}
	default:
		c.fail("a fill value of version %d", version)
	}
	if size > 8 {
		c.fail("a fill value of %d bytes", size)
	}
	d.fill = c.bytes(int(size))
}

func (d *Dataset) where(c *cursor) {
	l := &d.layout
	version := c.byte()
	if c.err == nil && version != 3 && version != 4 {
		c.err = fmt.Errorf("its layout has version %d; 3 and 4 are read: write it with HDF5 1.6 or later", version)
	}
	switch l.class = c.byte(); l.class {
	case 0:
		l.compact = c.bytes(int(c.unsigned(2)))
	case 1:
		l.address, l.size = c.address(), c.length()
	case 2:
		if version == 3 {
			l.third(c)
		} else {
			l.fourth(c)
		}
	default:
		c.fail("a layout of class %d", l.class)
	}
}

// The ways in which chunks are found: numbers of layout 4, and treeOne.
const (
	treeOne    = 0
	single     = 1
	implicit   = 2
	fixedArray = 3
	treeTwo    = 5
)

func (l *layout) third(c *cursor) {
	rank := c.byte() // and one for the element
	l.address = c.address()
	l.dimensions(c, rank, 4)
}

func (l *layout) dimensions(c *cursor, rank, width int) {
	if c.err == nil && (rank < 1 || rank > mostAxes+1) {
		c.fail("chunks of %d axes", rank-1)
	}
	l.chunk = []int{}
	for i := 0; i < rank && c.err == nil; i++ {
		n := c.dimension(width)
		if n == 0 {
			c.fail("a chunk without elements")
		}
		if i < rank-1 {
			l.chunk = append(l.chunk, n)
		}
	}
}

func (l *layout) fourth(c *cursor) {
	flags, rank, width := c.byte(), c.byte(), c.byte()
	l.dimensions(c, rank, width)
	if c.err == nil && flags&1 != 0 {
		c.err = errors.New("its chunks at the edge are not filtered, which is not read: write it with HDF5's defaults")
	}
	switch l.index = c.byte(); {
	case c.err != nil:
		return
	case l.index == single && flags&2 != 0:
		l.filtered, l.mask = c.length(), c.unsigned(4)
	case l.index == single, l.index == implicit:
	case l.index == fixedArray:
		c.skip(1)
	case l.index == treeTwo:
		c.skip(6)
	default:
		c.err = errors.New("one of its axes has no limit (an extensible array), which is not read: write it with a fixed shape")
	}
	l.address = c.address()
}
