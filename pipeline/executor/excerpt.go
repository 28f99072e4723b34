package executor

import "fmt"

// Excerpt keeps the beginning and the end of what is written to it: the one tells what
// ran, the other how it ended. It is not safe for concurrent use.
type Excerpt struct {
	Head, Tail int // bytes
	head, tail []byte
	dropped    int64
}

// NewExcerpt keeps what is worth keeping of a log: 2 MiB.
func NewExcerpt() *Excerpt { return &Excerpt{Head: 1 << 20, Tail: 1 << 20} }

// Write implements io.Writer.
func (e *Excerpt) Write(p []byte) (int, error) {
	now := min(e.Head-len(e.head), len(p))
	e.head = append(e.head, p[:now]...)
	rest := p[now:]
	if over := len(rest) - e.Tail; over > 0 {
		e.dropped += int64(len(e.tail) + over)
		e.tail, rest = e.tail[:0], rest[over:]
	}
	e.tail = append(e.tail, rest...)
	if over := len(e.tail) - e.Tail; over >= e.Tail { // not at each write
		e.dropped += int64(over)
		e.tail = append(e.tail[:0], e.tail[over:]...)
	}
	return len(p), nil
}

// Len is how many bytes Bytes returns, nearly.
func (e *Excerpt) Len() int { return len(e.head) + len(e.tail) }

// Bytes is the excerpt, with a line where something was left out.
func (e *Excerpt) Bytes() []byte {
	out := append([]byte(nil), e.head...)
	if over := len(e.tail) - e.Tail; over > 0 {
		e.dropped += int64(over)
		e.tail = e.tail[over:]
	}
	if e.dropped > 0 {
		out = fmt.Appendf(out, "\n... %d bytes of output left out ...\n", e.dropped)
	}
	return append(out, e.tail...)
}

// Reset forgets everything.
func (e *Excerpt) Reset() { e.head, e.tail, e.dropped = nil, nil, 0 }
