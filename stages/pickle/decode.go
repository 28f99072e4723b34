package pickle

import (
	"fmt"
	"io"
)

// Options bound a decoder. Zero fields take the default.
type Options struct {
	MaxBytes int64 // of memory that values take, about; default 256 MiB
	MaxOps   int   // instructions; default 64 million

	// Spill takes what is long: it is written there, one after the other, and read
	// from there as long as the values are in use. Where it is nil, and the pickle is
	// a stream, all is held in memory.
	Spill *Spill

	// Globals are classes and functions that a pickle may name beside those that this
	// package knows, by module and name: "pandas.core.frame.DataFrame". A Callable
	// makes instances.
	Globals map[string]any
}

// Spill is a file to which several pickles can be laid aside.
type Spill struct {
	file  SpillFile
	wrote int64
}

// SpillFile is an empty file: what was written so far can be read at any place.
type SpillFile interface {
	io.Writer
	io.ReaderAt
}

// NewSpill lays aside in a file, which must stay open as long as the values are in use.
func NewSpill(file SpillFile) *Spill { return &Spill{file: file} }

// Callable makes a value of a call's arguments.
type Callable func(args []any) (any, error)

// Settable is what BUILD, an instance's state, is given to.
type Settable interface {
	SetState(state any) error
}

func (o Options) orDefault() Options {
	if o.MaxBytes == 0 {
		o.MaxBytes = 256 << 20
	}
	if o.MaxOps == 0 {
		o.MaxOps = 64 << 20
	}
	return o
}

// Decode reads one pickle from a stream. What follows it may have been read, too.
func Decode(r io.Reader, opts Options) (any, error) {
	return decode(newSource(r), opts)
}

// DecodeAt reads one pickle of a file that begins at offset and takes at most
// size bytes. What is long stays in the file, which must be kept open as long as
// the values are in use.
func DecodeAt(r io.ReaderAt, offset, size int64, opts Options) (any, error) {
	return decode(newSection(r, offset, size), opts)
}

func decode(s *source, opts Options) (any, error) {
	opts = opts.orDefault()
	m := &machine{source: s, opts: opts, left: opts.MaxBytes}
	s.spill, s.charge = opts.Spill, m.charge
	root, err := m.run()
	if err != nil {
		return nil, fmt.Errorf("the pickle is damaged or not allowed, at byte %d: %w", s.read, err)
	}
	return root, nil
}

// clip shortens a text of a stranger's for a message.
func clip(text string) string {
	const most = 80
	if len(text) > most {
		text = text[:most] + "..."
	}
	return fmt.Sprintf("%q", text)
}
