package hdf5

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Bounds of what a file of arrays has.
const (
	mostMeta     = 16 << 20 // bytes of one structure
	mostMembers  = 10_000   // of the root group
	mostBlocks   = 1000     // of an object's header
	mostMessages = 10_000   // of an object's header
	lastStart    = 1 << 20  // where the file may begin at the latest
)

// Signature is how an HDF5 file, or what follows its user block, begins.
const Signature = "\x89HDF\r\n\x1a\n"

// File is an HDF5 file.
type File struct {
	name             string
	r                io.ReaderAt
	size, base       int64
	offsets, lengths int
	members          map[string]uint64 // addresses of headers
	added            int               // members, the same name counted twice
	names            []string
}

// Open reads the root group. The user block, if there is one, is passed over. name
// stands in errors. r is read as long as the file is in use.
func Open(name string, r io.ReaderAt, size int64) (*File, error) {
	f := &File{name: name, r: r, size: size, members: map[string]uint64{}}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// Names are those of the root group's members, in alphabetical order.
func (f *File) Names() []string { return f.names }

func (f *File) open() error {
	if !f.find() {
		return errors.New("it is no HDF5 file")
	}
	root, err := f.superblock()
	if err != nil {
		return err
	}
	if err := f.group(root); err != nil {
		return fmt.Errorf("root group: %w", err)
	}
	for name := range f.members {
		f.names = append(f.names, name)
	}
	slices.Sort(f.names)
	return nil
}

// find looks for the signature at 0, 512, 1024 and so on, doubling.
func (f *File) find() bool {
	got := make([]byte, len(Signature))
	for at := int64(0); at <= lastStart && at+8 <= f.size; at = max(512, 2*at) {
		if _, err := f.r.ReadAt(got, at); err == nil && bytes.Equal(got, []byte(Signature)) {
			f.base = at
			return true
		}
	}
	return false
}

// superblock returns the address of the root group's header.
func (f *File) superblock() (uint64, error) {
	c := f.upTo(0, 128)
	c.skip(len(Signature))
	version := c.byte()
	switch version {
	case 0, 1:
		c.skip(4)
		f.offsets, f.lengths = c.byte(), c.byte()
		c.skip(9)
		if version == 1 {
			c.skip(4)
		}
	case 2, 3:
		f.offsets, f.lengths = c.byte(), c.byte()
		c.skip(1)
	default:
		return 0, fmt.Errorf("a superblock of version %d; 0 to 3 can be read", version)
	}
	for _, width := range []int{f.offsets, f.lengths} {
		if c.err == nil && width != 2 && width != 4 && width != 8 {
			c.fail("addresses of %d bytes", width)
		}
	}
	c.skip(3 * f.offsets) // base address, which is where the signature stands; and others
	if version < 2 {
		c.skip(2 * f.offsets) // of the driver; the root's name
	}
	return c.address(), c.err
}

// group finds the members of a group.
func (f *File) group(address uint64) error {
	messages, err := f.header(address)
	if err != nil {
		return err
	}
	for _, m := range messages {
		c := m.cursor
		switch m.kind {
		case messageSymbols:
			tree, heap := c.address(), c.address()
			if c.err == nil {
				c.err = f.symbols(tree, heap)
			}
		case messageLinkInfo:
			c.skip(1)
			if flags := c.byte(); flags&1 != 0 {
				c.skip(8)
			}
			if heap := c.address(); c.err == nil && heap != undefined {
				return errors.New("it has so many members, or notes on them, that they lie in a fractal heap, which is not read: " +
					"write each array as a member of a file with few of them")
			}
		case messageLink:
			f.link(c)
		}
		if c.err != nil {
			return c.err
		}
	}
	return nil
}

// link is a member in a header of version 2.
func (f *File) link(c *cursor) {
	version, flags, kind := c.byte(), c.byte(), 0
	if flags&8 != 0 {
		kind = c.byte()
	}
	if flags&4 != 0 {
		c.skip(8)
	}
	if flags&0x10 != 0 {
		c.skip(1)
	}
	n := c.unsigned(1 << (flags & 3))
	if c.err == nil && (version != 1 || n > uint64(len(c.data))) {
		c.fail("a link of version %d, whose name has %d bytes", version, n)
	}
	name := string(c.bytes(int(n)))
	if kind == 0 { // not a soft one
		f.add(c, name, c.address())
	}
}

func (f *File) add(c *cursor, name string, address uint64) {
	if c.err != nil {
		return
	}
	if f.added++; f.added > mostMembers {
		c.fail("more than %d members", mostMembers)
		return
	}
	f.members[name] = address
}

// symbols are the members of a group of the older form: a B-tree of symbol tables,
// and a heap of names.
func (f *File) symbols(tree, heap uint64) error {
	c := f.at(heap, uint64(8+2*f.lengths+f.offsets))
	c.signature("HEAP")
	c.skip(4)
	size := c.length()
	c.skip(f.lengths)
	names := f.at(c.address(), size)
	if err := errors.Join(c.err, names.err); err != nil {
		return err
	}
	return f.walk(tree, 0, uint64(f.lengths), mostMembers, func(_ *cursor, child uint64) error { return f.symbolTable(child, names.data) })
}

func (f *File) symbolTable(address uint64, names []byte) error {
	c := f.at(address, 8)
	c.signature("SNOD")
	c.skip(2)
	n := c.unsigned(2)
	entries := f.at(address+8, n*uint64(2*f.offsets+24))
	if c.err != nil {
		return c.err
	}
	for range n {
		at, header := entries.unsigned(f.offsets), entries.address()
		kind := entries.unsigned(4)
		entries.skip(20)
		if at >= uint64(len(names)) {
			entries.fail("a name at %d", at)
		}
		if entries.err != nil {
			break
		}
		name, _, ok := bytes.Cut(names[at:], []byte{0})
		if !ok {
			entries.fail("a name does not end")
		}
		if kind != 2 { // not a soft link
			f.add(entries, string(name), header)
		}
	}
	return entries.err
}

// walker visits the leaves' entries of a B-tree of version 1.
type walker struct {
	*File
	kind  int
	key   int // bytes of a key
	left  int // entries that there may still be, so that a tree in circles ends
	visit func(key *cursor, child uint64) error
}

func (f *File) walk(address uint64, kind int, key uint64, most int, visit func(key *cursor, child uint64) error) error {
	w := &walker{f, kind, int(key), most, visit}
	return w.node(address, -1)
}

// node visits a node of a level, or of any (-1).
func (w *walker) node(address uint64, want int) error {
	head := uint64(8 + 2*w.offsets)
	c := w.at(address, head)
	c.signature("TREE")
	kind, level, n := c.byte(), c.byte(), c.unsigned(2)
	if w.left -= int(n); c.err == nil && (kind != w.kind || want >= 0 && level != want || w.left < 0) {
		c.fail("a node of kind %d, level %d, with %d entries", kind, level, n)
	}
	entries := w.at(address+head, n*uint64(w.key+w.offsets))
	for range n {
		key := entries.sub(w.key)
		child := entries.address()
		err := errors.Join(c.err, entries.err)
		switch {
		case err != nil:
		case level > 0:
			err = w.node(child, level-1)
		default:
			err = w.visit(key, child)
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(c.err, entries.err)
}
