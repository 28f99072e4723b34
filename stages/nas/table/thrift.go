package table

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Bounds of what is handed to the thrift decoder, which allocates what a
// length says before it reads.
const (
	maxFooter       = 64 << 20
	maxThriftItems  = 1 << 20
	maxThriftNested = 16
)

// checkFooter checks the magic at both ends and the footer's structure.
func checkFooter(r io.ReaderAt, size int64) error {
	var head, tail [8]byte
	if _, err := r.ReadAt(head[:4], 0); err != nil {
		return err
	}
	if _, err := r.ReadAt(tail[:], size-8); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if string(head[:4]) != "PAR1" || string(tail[4:]) != "PAR1" {
		return errors.New("it does not start and end with PAR1")
	}
	n := int64(binary.LittleEndian.Uint32(tail[:4]))
	if n > size-12 || n > maxFooter {
		return fmt.Errorf("a footer of %d bytes in a file of %d", n, size)
	}
	footer := make([]byte, n)
	if _, err := r.ReadAt(footer, size-8-n); err != nil {
		return err
	}
	if used, err := checkThrift(footer); err != nil || used != len(footer) {
		return fmt.Errorf("its footer is damaged (%w)", err)
	}
	return nil
}

// checkThrift walks one struct in Thrift's compact protocol, and returns its
// length. Lengths beyond the data, too many items and too deep nesting are
// errors.
func checkThrift(data []byte) (int, error) {
	w := &thriftWalk{data: data}
	if err := w.structure(0); err != nil {
		return 0, fmt.Errorf("at byte %d: %w", w.pos, err)
	}
	return w.pos, nil
}

type thriftWalk struct {
	data  []byte
	pos   int
	items int
}

func (w *thriftWalk) skip(n uint64) error {
	if n > uint64(len(w.data)-w.pos) {
		return io.ErrUnexpectedEOF
	}
	w.pos += int(n)
	return nil
}

func (w *thriftWalk) varint() (uint64, error) {
	v, n := binary.Uvarint(w.data[w.pos:])
	if n <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	w.pos += n
	return v, nil
}

func (w *thriftWalk) byte() (byte, error) {
	if err := w.skip(1); err != nil {
		return 0, err
	}
	return w.data[w.pos-1], nil
}

func (w *thriftWalk) structure(depth int) error {
	if depth > maxThriftNested {
		return errors.New("nested too deeply")
	}
	for {
		b, err := w.byte()
		if err != nil || b == 0 {
			return err
		}
		if w.items++; w.items > maxThriftItems {
			return errors.New("too many fields")
		}
		if b>>4 == 0 { // the field's number follows
			if _, err := w.varint(); err != nil {
				return err
			}
		}
		if err := w.value(b&15, depth, true); err != nil {
			return err
		}
	}
}

func (w *thriftWalk) value(kind byte, depth int, inField bool) error {
	switch kind {
	case 1, 2: // truth values, in a field a part of its header
		if inField {
			return nil
		}
		return w.skip(1)
	case 3:
		return w.skip(1)
	case 4, 5, 6:
		_, err := w.varint()
		return err
	case 7:
		return w.skip(8)
	case 8:
		n, err := w.varint()
		if err != nil {
			return err
		}
		return w.skip(n)
	case 9, 10:
		return w.list(depth)
	case 12:
		return w.structure(depth + 1)
	}
	return fmt.Errorf("unexpected type %d", kind)
}

func (w *thriftWalk) list(depth int) error {
	if depth > maxThriftNested {
		return errors.New("nested too deeply")
	}
	b, err := w.byte()
	if err != nil {
		return err
	}
	n := uint64(b >> 4)
	if n == 15 {
		if n, err = w.varint(); err != nil {
			return err
		}
	}
	if n > uint64(len(w.data)-w.pos) || n > uint64(maxThriftItems-w.items) {
		return fmt.Errorf("a list of %d items", n)
	}
	w.items += int(n)
	for range n {
		if err := w.value(b&15, depth+1, false); err != nil {
			return err
		}
	}
	return nil
}
