package zipindex

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Index is the directory of an archive. It is safe for concurrent use where the
// archive's ReaderAt is.
type Index struct {
	r     io.ReaderAt
	size  int64
	start int64    // of the directory
	at    []uint32 // of each member's entry, in the directory
	bases []base   // sorted by hash, then by member
}

// entry is what the directory says of a member.
type entry struct {
	name                 string
	offset, packed, size int64
	crc                  uint32
	method, flags        uint16
}

type base struct {
	hash   uint32 // of the name's last part
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
	start, length, count, err := x.directory()
	if err != nil {
		return nil, fmt.Errorf("reading a zip archive: %w", err)
	}
	if length > mostDirectory {
		return nil, fmt.Errorf("reading a zip archive: its directory takes %d bytes, more than %d", length, int64(mostDirectory))
	}
	// No more members than the directory has room for, whatever it says. A list that
	// grows would be held twice.
	x.start = start
	x.at = make([]uint32, 0, max(0, min(count, length/directorySize)))
	x.bases = make([]base, 0, cap(x.at))
	if err := x.read(bufio.NewReaderSize(io.NewSectionReader(r, start, length), 1<<16)); err != nil {
		return nil, fmt.Errorf("reading a zip archive: %w", err)
	}
	slices.SortFunc(x.bases, func(a, b base) int {
		if a.hash != b.hash {
			return cmp.Compare(a.hash, b.hash)
		}
		return cmp.Compare(a.member, b.member)
	})
	return x, nil
}

// directory finds where the directory begins, how long it is, and how many members it
// says it has.
func (x *Index) directory() (start, length, count int64, err error) {
	tail := make([]byte, min(x.size, endSize+1<<16)) // a comment may follow, of up to 64 KiB
	if _, err := x.r.ReadAt(tail, x.size-int64(len(tail))); err != nil && err != io.EOF {
		return 0, 0, 0, err
	}
	at := bytes.LastIndex(tail, []byte(endSignature))
	if at < 0 || at+endSize > len(tail) {
		return 0, 0, 0, fmt.Errorf("it has no directory at its end: %w", errDamaged)
	}
	end := tail[at:]
	count = int64(binary.LittleEndian.Uint16(end[10:]))
	length, start = int64(binary.LittleEndian.Uint32(end[12:])), int64(binary.LittleEndian.Uint32(end[16:]))
	if start == large || length == large || count == math.MaxUint16 {
		s, l, c, ok, err := x.directory64(x.size - int64(len(tail)) + int64(at))
		if err != nil {
			return 0, 0, 0, err
		}
		if ok {
			start, length, count = s, l, c
		}
	}
	if start < 0 || length < 0 || length > x.size || start > x.size-length {
		return 0, 0, 0, errDamaged
	}
	return start, length, count, nil
}

// directory64 reads the end record of large archives, to which a locator before the
// plain end record points.
func (x *Index) directory64(end int64) (start, length, count int64, ok bool, err error) {
	if end < locatorSize {
		return 0, 0, 0, false, nil
	}
	locator, record := make([]byte, locatorSize), make([]byte, end64Size)
	if _, err := x.r.ReadAt(locator, end-locatorSize); err != nil {
		return 0, 0, 0, false, err
	}
	if string(locator[:4]) != end64Locator {
		return 0, 0, 0, false, nil
	}
	at := int64(binary.LittleEndian.Uint64(locator[8:]))
	if at < 0 || at > x.size-end64Size {
		return 0, 0, 0, false, errDamaged
	}
	if _, err := x.r.ReadAt(record, at); err != nil {
		return 0, 0, 0, false, err
	}
	if string(record[:4]) != end64Signature {
		return 0, 0, 0, false, errDamaged
	}
	return int64(binary.LittleEndian.Uint64(record[48:])), int64(binary.LittleEndian.Uint64(record[40:])), int64(binary.LittleEndian.Uint64(record[32:])), true, nil
}

// read goes through the directory's entries and checks them.
func (x *Index) read(r *bufio.Reader) error {
	var head [directorySize]byte
	var rest []byte
	for at := int64(0); ; at += int64(directorySize + len(rest)) {
		if _, err := io.ReadFull(r, head[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return ended(err)
		}
		n, err := length(head[:])
		if err != nil {
			return err
		}
		rest = slices.Grow(rest[:0], 3<<16)[:n]
		if _, err := io.ReadFull(r, rest); err != nil {
			return ended(err)
		}
		e, err := x.parse(head[:], rest)
		if err != nil {
			return err
		}
		if strings.HasSuffix(e.name, "/") {
			continue
		}
		x.bases = append(x.bases, base{hash(lastPart(e.name)), int32(len(x.at))})
		x.at = append(x.at, uint32(at)) // below mostDirectory
	}
}

// length is how many bytes follow the fixed ones of an entry.
func length(head []byte) (int, error) {
	if string(head[:4]) != directorySignature {
		return 0, errDamaged
	}
	return int(binary.LittleEndian.Uint16(head[28:])) + int(binary.LittleEndian.Uint16(head[30:])) + int(binary.LittleEndian.Uint16(head[32:])), nil
}

// parse reads an entry: its fixed bytes, and those that follow.
func (x *Index) parse(head, rest []byte) (entry, error) {
	name, extra := int(binary.LittleEndian.Uint16(head[28:])), int(binary.LittleEndian.Uint16(head[30:]))
	e := entry{
		name:  string(rest[:name]),
		flags: binary.LittleEndian.Uint16(head[8:]), method: binary.LittleEndian.Uint16(head[10:]), crc: binary.LittleEndian.Uint32(head[16:]),
		packed: int64(binary.LittleEndian.Uint32(head[20:])), size: int64(binary.LittleEndian.Uint32(head[24:])), offset: int64(binary.LittleEndian.Uint32(head[42:])),
	}
	e.widen(rest[name : name+extra])
	if e.offset < 0 || e.packed < 0 || e.size < 0 || e.packed > x.size || e.offset > x.size-e.packed {
		return e, errDamaged
	}
	return e, nil
}

// entry reads a member's entry again.
func (x *Index) entry(i int) (entry, error) {
	start := x.start + int64(x.at[i])
	head := make([]byte, directorySize)
	if _, err := x.r.ReadAt(head, start); err != nil {
		return entry{}, ended(err)
	}
	n, err := length(head)
	if err != nil {
		return entry{}, err
	}
	rest := make([]byte, n)
	if got, err := x.r.ReadAt(rest, start+directorySize); err != nil && got < n {
		return entry{}, ended(err)
	}
	return x.parse(head, rest)
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
func (x *Index) Len() int { return len(x.at) }

// Name is a member's name, as the archive has it. It is read from the archive.
func (x *Index) Name(i int) (string, error) {
	e, err := x.entry(i)
	return e.name, err
}

// lastPart is what follows the last slash, of either kind: archives made on Windows
// have the other one.
func lastPart(name string) string { return name[strings.LastIndexAny(name, `/\`)+1:] }

// hash is FNV-1a.
func hash(name string) uint32 {
	h := uint32(2166136261)
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return h
}

// Find returns the member that a path names, which need not be the archive's own: of
// the members with its last part as their last, the one that agrees with it over
// the most parts from the end. It is an error if there is none, or if two agree
// equally far.
func (x *Index) Find(path string) (int, error) {
	h := hash(lastPart(path))
	at, _ := slices.BinarySearchFunc(x.bases, h, func(b base, h uint32) int { return cmp.Compare(b.hash, h) })
	best, most, found, twice := -1, 0, "", false
	for ; at < len(x.bases) && x.bases[at].hash == h; at++ {
		i := int(x.bases[at].member)
		name, err := x.Name(i)
		if err != nil {
			return 0, err
		}
		switch n := common(name, path); {
		case n > most:
			best, most, found, twice = i, n, name, false
		case n == most && n > 0:
			twice = true
		}
	}
	switch {
	case best < 0:
		return 0, fmt.Errorf("the archive has no file %q", clipped(path))
	case twice:
		return 0, fmt.Errorf("the archive has several files that may be %q, such as %q", clipped(path), clipped(found))
	}
	return best, nil
}

// common counts the parts of two paths that are equal, from the end.
func common(a, b string) int {
	n := 0
	for {
		p, q := lastPart(a), lastPart(b)
		if p != q {
			return n
		}
		n++
		a, b = a[:len(a)-len(p)], b[:len(b)-len(q)]
		if a == "" || b == "" {
			return n
		}
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
}
