package zipindex

import (
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The methods of packing that are known.
const (
	stored   = 0
	deflated = 8
)

// Member is a member that is being read.
type Member struct {
	entry
	r    io.Reader
	read int64
	sum  uint32
}

// Open reads a member. Its size and checksum are checked at its end: an error comes
// in the place of io.EOF.
func (x *Index) Open(i int) (*Member, error) {
	e, err := x.entry(i)
	if err != nil {
		return nil, err
	}
	r, err := x.open(e)
	if err != nil {
		return nil, fmt.Errorf("member %q: %w", clipped(e.name), err)
	}
	return &Member{r: r, entry: e}, nil
}

// Name is the member's name, as the archive has it.
func (m *Member) Name() string { return m.name }

// Size is the number of bytes that the member has when unpacked, as the archive says.
func (m *Member) Size() int64 { return m.size }

func (x *Index) open(e entry) (io.Reader, error) {
	var head [memberSize]byte
	if _, err := x.r.ReadAt(head[:], e.offset); err != nil {
		return nil, ended(err)
	}
	if string(head[:4]) != memberSignature {
		return nil, errDamaged
	}
	start := e.offset + memberSize + int64(binary.LittleEndian.Uint16(head[26:])) + int64(binary.LittleEndian.Uint16(head[28:]))
	body := io.NewSectionReader(x.r, start, e.packed)
	switch {
	case e.flags&1 != 0:
		return nil, errors.New("it is encrypted")
	case e.method == stored:
		return body, nil
	case e.method == deflated:
		return flate.NewReader(body), nil
	}
	return nil, fmt.Errorf("it is packed by method %d; stored and deflated members can be read", e.method)
}

// Read implements io.Reader.
func (m *Member) Read(p []byte) (int, error) {
	if m.read == m.size {
		p = p[:min(len(p), 1)] // to see whether more follows
	} else if left := m.size - m.read; int64(len(p)) > left {
		p = p[:left]
	}
	n, err := m.r.Read(p)
	if m.read += int64(n); m.read > m.size {
		return 0, m.damaged("it is longer than the directory says")
	}
	m.sum = crc32.Update(m.sum, crc32.IEEETable, p[:n])
	switch {
	case err == nil:
		return n, nil
	case err != io.EOF:
		return n, m.damaged(err.Error())
	case m.read < m.size:
		return n, m.damaged("it is shorter than the directory says")
	case m.sum != m.crc:
		return n, m.damaged("its checksum differs")
	}
	return n, io.EOF
}

func (m *Member) damaged(how string) error {
	return fmt.Errorf("member %q: %s: %w", clipped(m.name), how, errDamaged)
}

// clipped keeps a stranger's name out of the way of a message.
func clipped(name string) string {
	const most = 120
	if len(name) > most {
		return name[:most] + "..."
	}
	return name
}
