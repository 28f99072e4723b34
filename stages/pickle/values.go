package pickle

import (
	"bytes"
	"fmt"
	"io"
	"math/big"
	"unicode/utf8"
)

// List is a list. It is a pointer where it is a value, since it is made before it
// is filled, and can be in several places.
type List struct{ Items []any }

// Tuple is a tuple.
type Tuple []any

// Set is a set or a frozenset, in the pickle's order, equal items kept.
type Set struct{ Items []any }

// Dict is a dict (of any class: OrderedDict, defaultdict) in the pickle's order.
// Of equal keys the last counts.
type Dict struct{ Entries []Entry }

// Entry is a key and its value.
type Entry struct{ Key, Value any }

// Get looks a text key up.
func (d *Dict) Get(key string) (any, bool) {
	for i := len(d.Entries) - 1; i >= 0; i-- {
		if s, ok := d.Entries[i].Key.(string); ok && s == key {
			return d.Entries[i].Value, true
		}
	}
	return nil, false
}

// Slice is a slice object; a bound that was left out is nil.
type Slice struct{ Start, Stop, Step any }

// Class is a class of which only the name is known.
type Class string

// Bytes are bytes, a bytearray, a str of Python 2, or a text: of the last two only
// those of more than 4 KiB, shorter ones are strings. They may lie in a file.
type Bytes struct {
	Text bool // they are UTF-8, and were text

	held        []byte
	at          io.ReaderAt
	start, size int64
	latin       bool // a text whose characters are the bytes
	open        func() io.Reader
	encoded     *Bytes // the bytes that a text stands for
}

// Len is the number of bytes.
func (b *Bytes) Len() int64 { return b.size }

// Open returns a reader of the bytes from the first on.
func (b *Bytes) Open() io.Reader {
	r := b.raw()
	if b.latin {
		return newLatin(r)
	}
	return r
}

func (b *Bytes) raw() io.Reader {
	switch {
	case b.open != nil:
		return b.open()
	case b.at != nil:
		return io.NewSectionReader(b.at, b.start, b.size)
	}
	return bytes.NewReader(b.held)
}

// All returns the bytes, which are not to be changed. More of them than most are an
// error.
func (b *Bytes) All(most int64) ([]byte, error) {
	if b.size > most {
		return nil, fmt.Errorf("%d bytes, more than the %d that may be held", b.size, most)
	}
	if b.at == nil && b.open == nil && !b.latin {
		return b.held, nil
	}
	all := make([]byte, b.size)
	_, err := io.ReadFull(b.Open(), all)
	return all, err
}

// Sequence returns the items of a list or a tuple.
func Sequence(v any) ([]any, bool) {
	switch s := v.(type) {
	case *List:
		return s.Items, true
	case Tuple:
		return s, true
	}
	return nil, false
}

// Describe names a value's type for a message.
func Describe(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64, *big.Int:
		return "an int"
	case float64:
		return "a float"
	case string:
		return "a str"
	case *Bytes:
		if x.Text {
			return "a long str"
		}
		return "bytes"
	case *List:
		return "a list"
	case Tuple:
		return "a tuple"
	case *Set:
		return "a set"
	case *Dict:
		return "a dict"
	case *Array:
		return "an array"
	case fmt.Stringer:
		return "a " + x.String()
	}
	return fmt.Sprintf("a value of type %T", v)
}

// hashable tells what can be a key.
func hashable(v any) bool {
	switch v.(type) {
	case *List, *Dict, *Set, *Array:
		return false
	}
	return true
}

// latin reads UTF-8 whose characters are below 256 as these bytes.
type latin struct {
	r   io.Reader
	buf []byte // read, and not yet taken
	err error
}

func newLatin(r io.Reader) io.Reader { return &latin{r: r} }

func (l *latin) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(l.buf) > 0 && (utf8.FullRune(l.buf) || l.err != nil) {
			c, size := utf8.DecodeRune(l.buf)
			if c > 0xff || c == utf8.RuneError {
				return n, fmt.Errorf("the text has a character that is none of Latin-1")
			}
			p[n] = byte(c)
			n++
			l.buf = l.buf[size:]
			continue
		}
		if l.err != nil {
			return n, l.err
		}
		if n > 0 && len(l.buf) == 0 {
			return n, nil
		}
		part := make([]byte, step)
		var got int
		got, l.err = l.r.Read(part)
		l.buf = append(l.buf, part[:got]...)
	}
	return n, nil
}
