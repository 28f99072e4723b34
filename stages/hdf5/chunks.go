package hdf5

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/nbpipe/nbpipe/stages/npy"
)

// Block is a part of an array.
type Block struct {
	Start, Shape []int
	Values       []float64 // the last axis moves fastest; kept until the visitor returns
}

const blockBytes = 1 << 20 // of what is not in chunks

// Blocks visits parts of the array that together are the whole, each once: chunks in the
// order of their index, or runs of elements. Integers beyond 2^53 round.
func (d *Dataset) Blocks(ctx context.Context, visit func(Block) error) error {
	b := &blocks{Dataset: d, ctx: ctx, visit: visit}
	err := b.run()
	if err != nil {
		return fmt.Errorf("%s: array %q: %w", d.file.name, d.name, err)
	}
	return nil
}

type blocks struct {
	*Dataset
	ctx    context.Context
	visit  func(Block) error
	seen   []bool // chunks
	raw    []byte
	values []float64
}

func (b *blocks) run() error {
	switch b.layout.class {
	case 0:
		return b.rows(bytes.NewReader(b.layout.compact))
	case 1:
		return b.contiguous()
	}
	return b.chunked()
}

func (b *blocks) contiguous() error {
	n, _ := volume(b.Shape, b.Type.Size())
	if b.layout.address == undefined {
		return b.rows(io.LimitReader(&repeated{element: b.filler()}, n))
	}
	room := uint64(b.file.size - b.file.base)
	if b.layout.address > room || uint64(n) > room-b.layout.address {
		return fmt.Errorf("its elements reach beyond the file's end: %w", errDamaged)
	}
	return b.rows(io.NewSectionReader(b.file.r, b.file.base+int64(b.layout.address), n))
}

// rows visits runs along the last axes: as many of the last axis as fit.
func (b *blocks) rows(r io.Reader) error {
	elements, err := npy.NewElements(b.name, npy.Header{Type: b.Type, Shape: b.Shape}, b.big, r)
	if err != nil || elements.Count() == 0 {
		return err
	}
	rank := len(b.Shape)
	start, shape := make([]int, rank), make([]int, rank)
	axis := rank - 1 // along which blocks are cut
	run := 1
	for axis > 0 && run*b.Shape[axis]*b.Type.Size() <= blockBytes {
		run *= b.Shape[axis]
		axis--
	}
	for i := range shape {
		if shape[i] = 1; i > axis {
			shape[i] = b.Shape[i]
		}
	}
	for more := true; more; {
		n := 1
		if rank > 0 {
			n = min(b.Shape[axis]-start[axis], max(1, blockBytes/b.Type.Size()/run))
			shape[axis] = n
		}
		values := b.room(n * run)
		if err := npy.Read(elements, values); err != nil {
			return err
		}
		if err := b.give(Block{start, shape, values}); err != nil {
			return err
		}
		more = advance(start, b.Shape, axis, n)
	}
	return nil
}

// advance moves start by n along an axis, carrying over to the axes before it.
func advance(start, shape []int, axis, n int) bool {
	for ; axis >= 0; axis, n = axis-1, 1 {
		if start[axis] += n; start[axis] < shape[axis] {
			return true
		}
		start[axis] = 0
	}
	return false
}

func (b *blocks) give(block Block) error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	return b.visit(block)
}

func (b *blocks) room(n int) []float64 {
	if cap(b.values) < n {
		b.values = make([]float64, n)
	}
	return b.values[:n]
}

// filler is an element that was not written.
func (d *Dataset) filler() []byte {
	if len(d.fill) == d.Type.Size() {
		return d.fill
	}
	return make([]byte, d.Type.Size())
}

type repeated struct {
	element []byte
	at      int
}

func (r *repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.element[r.at]
		r.at = (r.at + 1) % len(r.element)
	}
	return len(p), nil
}

// chunked visits the chunks that the index has, and then those that it has not.
func (b *blocks) chunked() error {
	grid := b.grid()
	n, _ := volume(grid, 1)
	if n == 0 {
		return nil
	}
	b.seen = make([]bool, n)
	if b.layout.address != undefined {
		if err := b.index(grid); err != nil {
			return err
		}
	}
	for i, seen := range b.seen {
		if !seen {
			size, _ := volume(b.layout.chunk, b.Type.Size())
			if err := b.chunk(i, io.LimitReader(&repeated{element: b.filler()}, size)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *blocks) index(grid []int) error {
	rank := len(grid)
	switch b.layout.index {
	case single:
		if len(b.seen) != 1 {
			return fmt.Errorf("one chunk where there are %d: %w", len(b.seen), errDamaged)
		}
		return b.stored(0, b.layout.address, b.orWhole(b.layout.filtered), b.layout.mask)
	case implicit:
		size := b.orWhole(0)
		for i := range b.seen {
			if err := b.stored(i, b.layout.address+uint64(i)*size, size, 0); err != nil {
				return err
			}
		}
		return nil
	case fixedArray:
		return b.fixedArray()
	case treeTwo:
		return b.treeTwo()
	}
	return b.file.walk(b.layout.address, 1, uint64(8+8*(rank+1)), 4*len(b.seen)+64, func(key *cursor, child uint64) error {
		size, mask := key.unsigned(4), key.unsigned(4)
		number := 0
		for i := range rank {
			at, side := key.unsigned(8), uint64(b.layout.chunk[i])
			if at%side != 0 {
				key.fail("a chunk at %d of chunks of %d", at, side)
			}
			number = b.place(key, number, i, at/side, grid)
		}
		if key.err != nil {
			return key.err
		}
		return b.stored(number, child, size, mask)
	})
}

// place adds a chunk's coordinate to its number.
func (b *blocks) place(c *cursor, number, axis int, at uint64, grid []int) int {
	if at >= uint64(grid[axis]) {
		c.fail("a chunk outside the array")
		return 0
	}
	return number*grid[axis] + int(at)
}

// orWhole is the size of a chunk that no filter changes, where none is said.
func (b *blocks) orWhole(size uint64) uint64 {
	if size == 0 {
		n, _ := volume(b.layout.chunk, b.Type.Size())
		return uint64(n)
	}
	return size
}

// stored reads a chunk of the file.
func (b *blocks) stored(number int, address, size, mask uint64) error {
	if address == undefined {
		return nil
	}
	whole, _ := volume(b.layout.chunk, b.Type.Size())
	room := uint64(b.file.size - b.file.base)
	if address > room || size > room-address || size > 2*uint64(whole)+1024 {
		return fmt.Errorf("chunk %d has %d bytes at %d, where there are none: %w", number, size, address, errDamaged)
	}
	if b.seen[number] {
		return fmt.Errorf("chunk %d is there twice: %w", number, errDamaged)
	}
	b.seen[number] = true
	if uint64(cap(b.raw)) < size {
		b.raw = make([]byte, size)
	}
	raw := b.raw[:size]
	if _, err := b.file.r.ReadAt(raw, b.file.base+int64(address)); err != nil && err != io.EOF {
		return err
	}
	raw, err := b.unfilter(raw, int(whole), mask)
	if err != nil {
		return fmt.Errorf("chunk %d: %w", number, err)
	}
	return b.chunk(number, bytes.NewReader(raw))
}

// chunk visits a chunk, without what reaches beyond the array.
func (b *blocks) chunk(number int, r io.Reader) error {
	elements, err := npy.NewElements(b.name, npy.Header{Type: b.Type, Shape: b.layout.chunk}, b.big, r)
	if err != nil {
		return err
	}
	values := b.room(int(elements.Count()))
	if err := npy.Read(elements, values); err != nil {
		return fmt.Errorf("chunk %d: %w", number, err)
	}
	rank := len(b.Shape)
	start, shape := make([]int, rank), make([]int, rank)
	grid := b.grid()
	for i := rank - 1; i >= 0; i-- {
		start[i] = number % grid[i] * b.layout.chunk[i]
		shape[i] = min(b.layout.chunk[i], b.Shape[i]-start[i])
		number /= grid[i]
	}
	return b.give(Block{start, shape, crop(values, b.layout.chunk, shape)})
}

// crop keeps the first elements along each axis, in place.
func crop(values []float64, from, to []int) []float64 {
	rank := len(from)
	if rank == 0 {
		return values
	}
	at := make([]int, rank)
	kept := 0
	for more := true; more; {
		place := 0
		for i := range rank {
			place = place*from[i] + at[i]
		}
		kept += copy(values[kept:], values[place:place+to[rank-1]])
		more = advance(at, to, rank-2, 1)
	}
	return values[:kept]
}

// fixedArray has the chunks in C order, in pages when they are many.
func (b *blocks) fixedArray() error {
	f := b.file
	h := f.at(b.layout.address, uint64(8+f.lengths+f.offsets))
	h.signature("FAHD")
	h.skip(1)
	filtered, entry, pageBits := h.byte() == 1, h.byte(), h.byte()
	n, address := h.length(), h.address()
	sizeBytes := entry - f.offsets - 4
	if h.err == nil && (pageBits > 30 || n > uint64(len(b.seen)) || filtered && (sizeBytes < 1 || sizeBytes > 8) || !filtered && entry != f.offsets) {
		h.fail("an array of %d entries of %d bytes", n, entry)
	}
	if h.err != nil || address == undefined {
		return h.err
	}
	page := uint64(1) << pageBits
	prefix := uint64(6 + f.offsets)
	if pages := (n + page - 1) / page; n > page {
		prefix += (pages+7)/8 + 4 // which pages are in use, and a checksum
	} else {
		page = n
	}
	check := f.at(address, prefix)
	check.signature("FADB")
	if check.err != nil {
		return check.err
	}
	bitmap := check.data[min(len(check.data), 2+f.offsets):]
	address += prefix
	for first := uint64(0); first < n; first += page {
		count := min(page, n-first)
		if k := first / page; n > page && bitmap[k/8]>>(7-k%8)&1 == 0 {
			address += page*uint64(entry) + 4
			continue // a page that was never written
		}
		if err := b.entries(f.at(address, count*uint64(entry)), int(first), int(count), filtered, sizeBytes); err != nil {
			return err
		}
		address += page*uint64(entry) + 4
	}
	return nil
}

func (b *blocks) entries(c *cursor, first, count int, filtered bool, sizeBytes int) error {
	for i := range count {
		address, size, mask := c.address(), b.orWhole(0), uint64(0)
		if filtered {
			size, mask = c.unsigned(sizeBytes), c.unsigned(4)
		}
		if c.err != nil {
			return c.err
		}
		if err := b.stored(first+i, address, size, mask); err != nil {
			return err
		}
	}
	return nil
}

// treeB2 is a B-tree of version 2 of chunks.
type treeB2 struct {
	*blocks
	filtered     bool
	node, record int
	counts       []int // by depth: bytes of the number of all records below
	sizes        int   // bytes of the number of a node's records
}

func (b *blocks) treeTwo() error {
	f := b.file
	c := f.at(b.layout.address, uint64(18+f.offsets))
	c.signature("BTHD")
	c.skip(1)
	kind := c.byte()
	t := &treeB2{blocks: b, filtered: kind == 11, node: int(c.unsigned(4)), record: int(c.unsigned(2))}
	depth := int(c.unsigned(2))
	c.skip(2)
	root, n := c.address(), int(c.unsigned(2))
	least := f.offsets + 8*len(b.Shape)
	if t.filtered {
		least += 5
	}
	if c.err == nil && (kind != 10 && kind != 11 || depth > 16 || t.node > mostMeta || t.record < least || t.record > least+7 || t.node < t.record+10) {
		c.fail("a tree of kind %d, depth %d, nodes of %d bytes", kind, depth, t.node)
	}
	if c.err != nil || root == undefined {
		return c.err
	}
	t.widths(depth)
	return t.visitNode(root, depth, n)
}

// widths follows H5B2__hdr_init of the HDF5 library.
func (t *treeB2) widths(depth int) {
	width := func(n uint64) int { return (bits.Len64(n)-1)/8 + 1 }
	most := uint64(t.node-10) / uint64(t.record)
	t.sizes = width(max(most, 1))
	t.counts = []int{0}
	for k := 1; k <= depth; k++ {
		pointer := t.file.offsets + t.sizes + t.counts[k-1]
		here := uint64(max(1, t.node-10-pointer)) / uint64(t.record+pointer)
		if most < 1<<48 {
			most = (here+1)*most + here
		}
		t.counts = append(t.counts, width(max(most, 1)))
	}
}

func (t *treeB2) visitNode(address uint64, depth, n int) error {
	c := t.file.upTo(address, uint64(t.node))
	want := "BTLF"
	if depth > 0 {
		want = "BTIN"
	}
	c.signature(want)
	c.skip(2)
	if c.err == nil && n == 0 {
		c.fail("a node without records")
	}
	for i := 0; i < n && c.err == nil; i++ {
		if err := t.visitRecord(c.sub(t.record)); err != nil {
			return err
		}
	}
	for i := 0; depth > 0 && i <= n && c.err == nil; i++ {
		child, count := c.address(), int(c.unsigned(t.sizes))
		if depth > 1 {
			c.skip(t.counts[depth-1])
		}
		if c.err == nil {
			if err := t.visitNode(child, depth-1, count); err != nil {
				return err
			}
		}
	}
	return c.err
}

func (t *treeB2) visitRecord(c *cursor) error {
	address, size, mask := c.address(), t.orWhole(0), uint64(0)
	if t.filtered {
		size = c.unsigned(t.record - t.file.offsets - 4 - 8*len(t.Shape))
		mask = c.unsigned(4)
	}
	grid := t.grid()
	number := 0
	for i := range grid {
		number = t.place(c, number, i, c.unsigned(8), grid)
	}
	if c.err != nil {
		return c.err
	}
	if address == undefined {
		return errors.Join(errDamaged, errors.New("a chunk without an address"))
	}
	return t.stored(number, address, size, mask)
}
