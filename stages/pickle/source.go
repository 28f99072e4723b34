package pickle

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	long     = 4 << 10  // bytes from which on a value is laid aside
	mostLine = 64 << 20 // bytes of a line, by which protocol 0 writes texts
	step     = 64 << 10 // bytes by which memory grows as they arrive
)

var errEarly = errors.New("it ends early")

// source is where instructions come from.
type source struct {
	r      *bufio.Reader
	read   int64
	charge func(n int64) error

	at          io.ReaderAt // where long values stay, if it is known
	offset, end int64       // of the pickle in at

	spill *Spill
}

func newSource(r io.Reader) *source { return &source{r: bufio.NewReaderSize(r, step)} }

func newSection(at io.ReaderAt, offset, size int64) *source {
	s := newSource(io.NewSectionReader(at, offset, size))
	s.at, s.offset, s.end = at, offset, offset+size
	return s
}

// next fills b with the next bytes.
func (s *source) next(b []byte) error {
	n, err := io.ReadFull(s.r, b)
	s.read += int64(n)
	return early(err)
}

func early(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errEarly
	}
	return err
}

func (s *source) one() (byte, error) {
	b, err := s.r.ReadByte()
	if err != nil {
		return 0, early(err)
	}
	s.read++
	return b, nil
}

// unsigned reads a little-endian number of width bytes.
func (s *source) unsigned(width int) (uint64, error) {
	var b [8]byte
	err := s.next(b[:width])
	return binary.LittleEndian.Uint64(b[:]), err
}

// take reads n bytes into memory, which grows as they arrive.
func (s *source) take(n int64) ([]byte, error) {
	var all []byte
	for n > 0 {
		part := min(n, max(step, int64(len(all))))
		if err := s.charge(part); err != nil {
			return nil, err
		}
		all = append(all, make([]byte, part)...)
		if err := s.next(all[int64(len(all))-part:]); err != nil {
			return nil, err
		}
		n -= part
	}
	return all, nil
}

// bytes reads n bytes, which are laid aside when they are many.
func (s *source) bytes(n uint64) (*Bytes, error) {
	switch {
	case n > 1<<62:
		return nil, fmt.Errorf("a value of %d bytes", n)
	case n <= long || s.at == nil && s.spill == nil:
		held, err := s.take(int64(n))
		return &Bytes{held: held, size: int64(n)}, err
	case s.at != nil:
		return s.skip(int64(n))
	}
	return s.lay(io.LimitReader(s.r, int64(n)), int64(n))
}

// skip leaves n bytes in the file.
func (s *source) skip(n int64) (*Bytes, error) {
	start := s.offset + s.read
	if n > s.end-start {
		return nil, errEarly
	}
	s.read += n
	s.r.Reset(io.NewSectionReader(s.at, start+n, s.end-start-n))
	return &Bytes{at: s.at, start: start, size: n}, nil
}

// lay writes n bytes to the spill.
func (s *source) lay(r io.Reader, n int64) (*Bytes, error) {
	got, err := io.CopyBuffer(struct{ io.Writer }{s.spill.file}, r, make([]byte, step))
	s.read += got
	b := &Bytes{at: s.spill.file, start: s.spill.wrote, size: n}
	s.spill.wrote += got
	if err == nil && got < n {
		err = errEarly
	}
	return b, early(err)
}

// line reads until a newline, which is left out.
func (s *source) line() ([]byte, error) {
	var all []byte
	for {
		part, err := s.r.ReadSlice('\n')
		s.read += int64(len(part))
		if len(all)+len(part) > mostLine {
			return nil, fmt.Errorf("a line of more than %d bytes", mostLine)
		}
		if e := s.charge(int64(len(part))); e != nil {
			return nil, e
		}
		all = append(all, part...)
		switch {
		case err == nil:
			return all[:len(all)-1], nil
		case err != bufio.ErrBufferFull:
			return nil, early(err)
		}
	}
}
