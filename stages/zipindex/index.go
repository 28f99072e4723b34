package zipindex

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// Index is the directory of an archive. It is safe for concurrent use where the
// archive's ReaderAt is.
type Index struct {
	r       io.ReaderAt
	size    int64
	names   []byte
	entries []entry
	bases   []base // sorted by hash, then by member
}

// entry is a member that is a file.
type entry struct {
	offset, packed, size int64
	crc                  uint32
	nameEnd              uint32 // in names; the name begins where the one before ends
	method, flags        uint16
}

type base struct {
	hash   uint64
	member int32
}

const (
	endSignature       = "PK\x05\x06"
	end64Locator       = "PK\x06\x07"
	end64Signature     = "PK\x06\x06"
	directorySignature = "PK\x01\x02"
	memberSignature    = "PK\x03\x04"

	endSize, locatorSize, end64Size = 22, 20, 56
	directorySize, memberSize       = 46, 30

	mostDirectory = 1 << 30 // bytes: ten million members
	large         = math.MaxUint32
)

var errDamaged = errors.New("the archive is damaged or cut off: copy it again")

// New reads the directory of an archive of size bytes. Folders are left out.
func New(r io.ReaderAt, size int64) (*Index, error) {
	x := &Index{r: r, size: size}
	start, length, err := x.directory()
	if err != nil {
		return nil, fmt.Errorf("reading a zip archive: %w", err)
	}
	if length > mostDirectory {
		return nil, fmt.Errorf("reading a zip archive: its directory takes %d bytes, more than %d", length, int64(mostDirectory))
	}
	if err := x.read(bufio.NewReaderSize(io.NewSectionReader(r, start, length), 1<<16)); err != nil {
		return nil, fmt.Errorf("reading a zip archive: %w", err)
	}
	x.sort()
	return x, nil
}

// directory finds where the directory begins and how long it is.
func (x *Index) directory() (start, length int64, err error) {
	tail := make([]byte, min(x.size, endSize+1<<16)) // a comment may follow, of up to 64 KiB
	if _, err := x.r.ReadAt(tail, x.size-int64(len(tail))); err != nil && err != io.EOF {
		return 0, 0, err
	}
	at := bytes.LastIndex(tail, []byte(endSignature))
	if at < 0 || at+endSize > len(tail) {
		return 0, 0, fmt.Errorf("it has no directory at its end: %w", errDamaged)
	}
	end := tail[at:]
	length, start = int64(binary.LittleEndian.Uint32(end[12:])), int64(binary.LittleEndian.Uint32(end[16:]))
	if start == large || length == large || binary.LittleEndian.Uint16(end[10:]) == math.MaxUint16 {
		s, l, ok, err := x.directory64(x.size - int64(len(tail)) + int64(at))
		if err != nil {
			return 0, 0, err
		}
		if ok {
			start, length = s, l
		}
	}
	if start < 0 || length < 0 || length > x.size || start > x.size-length {
		return 0, 0, errDamaged
	}
	return start, length, nil
}

// directory64 reads the end record of large archives, to which a locator before the
// plain end record points.
func (x *Index) directory64(end int64) (start, length int64, ok bool, err error) {
	if end < locatorSize {
		return 0, 0, false, nil
	}
	locator, record := make([]byte, locatorSize), make([]byte, end64Size)
	if _, err := x.r.ReadAt(locator, end-locatorSize); err != nil {
		return 0, 0, false, err
	}
	if string(locator[:4]) != end64Locator {
		return 0, 0, false, nil
	}
	at := int64(binary.LittleEndian.Uint64(locator[8:]))
	if at < 0 || at > x.size-end64Size {
		return 0, 0, false, errDamaged
	}
	if _, err := x.r.ReadAt(record, at); err != nil {
		return 0, 0, false, err
	}
	if string(record[:4]) != end64Signature {
		return 0, 0, false, errDamaged
	}
	return int64(binary.LittleEndian.Uint64(record[48:])), int64(binary.LittleEndian.Uint64(record[40:])), true, nil
}

// read reads the directory's entries.
func (x *Index) read(r *bufio.Reader) error {
	var head [directorySize]byte
	var rest []byte
	for {
		if _, err := io.ReadFull(r, head[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return ended(err)
		}
		if string(head[:4]) != directorySignature {
			return errDamaged
		}
		name, extra := int(binary.LittleEndian.Uint16(head[28:])), int(binary.LittleEndian.Uint16(head[30:]))
		rest = slices.Grow(rest[:0], 3<<16)[:name+extra+int(binary.LittleEndian.Uint16(head[32:]))]
		if _, err := io.ReadFull(r, rest); err != nil {
			return ended(err)
		}
		if name > 0 && rest[name-1] == '/' {
			continue
		}
		e := entry{
			flags: binary.LittleEndian.Uint16(head[8:]), method: binary.LittleEndian.Uint16(head[10:]), crc: binary.LittleEndian.Uint32(head[16:]),
			packed: int64(binary.LittleEndian.Uint32(head[20:])), size: int64(binary.LittleEndian.Uint32(head[24:])), offset: int64(binary.LittleEndian.Uint32(head[42:])),
		}
		e.widen(rest[name : name+extra])
		if e.offset < 0 || e.packed < 0 || e.size < 0 || e.packed > x.size || e.offset > x.size-e.packed {
			return errDamaged
		}
		x.names = append(x.names, rest[:name]...)
		e.nameEnd = uint32(len(x.names)) // below mostDirectory
		x.entries = append(x.entries, e)
	}
}

func ended(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errDamaged
	}
	return err
}

// widen takes the sizes that do not fit into 32 bits from the entry's extra field.
func (e *entry) widen(extra []byte) {
	for len(extra) >= 4 {
		id, size := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if extra = extra[4:]; size > len(extra) {
			return
		}
		if field := extra[:size]; id == 1 {
			for _, v := range []*int64{&e.size, &e.packed, &e.offset} { // the ones that are there, in this order
				if *v == large && len(field) >= 8 {
					*v, field = int64(binary.LittleEndian.Uint64(field)), field[8:]
				}
			}
			return
		}
		extra = extra[size:]
	}
}

// Len is the number of members that are files.
func (x *Index) Len() int { return len(x.entries) }

// Name is a member's name, as the archive has it.
func (x *Index) Name(i int) string { return string(x.name(i)) }

func (x *Index) name(i int) []byte {
	start := uint32(0)
	if i > 0 {
		start = x.entries[i-1].nameEnd
	}
	return x.names[start:x.entries[i].nameEnd]
}

// Size is the number of bytes that a member has when unpacked, as the archive says.
func (x *Index) Size(i int) int64 { return x.entries[i].size }

func (x *Index) sort() {
	x.bases = make([]base, len(x.entries))
	for i := range x.bases {
		x.bases[i] = base{hash(lastPart(x.name(i))), int32(i)}
	}
	slices.SortFunc(x.bases, func(a, b base) int {
		if a.hash != b.hash {
			if a.hash < b.hash {
				return -1
			}
			return 1
		}
		return int(a.member - b.member)
	})
}

// lastPart is what follows the last slash, of either kind: archives made on Windows
// have the other one.
func lastPart(name []byte) []byte { return name[bytes.LastIndexAny(name, `/\`)+1:] }

// hash is FNV-1a.
func hash(name []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range name {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// Find returns the member that a path names, which need not be the archive's own: of
// the members with its last part as their last, the one that agrees with it over
// the most parts from the end. It is an error if there is none, or if two agree
// equally far.
func (x *Index) Find(path string) (int, error) {
	want := []byte(path)
	last := lastPart(want)
	h := hash(last)
	at, _ := slices.BinarySearchFunc(x.bases, h, func(b base, h uint64) int {
		switch {
		case b.hash < h:
			return -1
		case b.hash > h:
			return 1
		}
		return 0
	})
	best, most, twice := -1, 0, false
	for ; at < len(x.bases) && x.bases[at].hash == h; at++ {
		i := int(x.bases[at].member)
		switch n := common(x.name(i), want); {
		case n > most:
			best, most, twice = i, n, false
		case n == most && n > 0:
			twice = true
		}
	}
	switch {
	case best < 0:
		return 0, fmt.Errorf("the archive has no file %q", path)
	case twice:
		return 0, fmt.Errorf("the archive has several files that may be %q, such as %q", path, x.Name(best))
	}
	return best, nil
}

// common counts the parts of two paths that are equal, from the end.
func common(a, b []byte) int {
	n := 0
	for {
		p, q := lastPart(a), lastPart(b)
		if !bytes.Equal(p, q) {
			return n
		}
		n++
		a, b = a[:len(a)-len(p)], b[:len(b)-len(q)]
		if len(a) == 0 || len(b) == 0 {
			return n
		}
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
}
