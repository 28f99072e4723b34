package command

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// What is kept of a log: its beginning tells what ran, its end how it ended.
const (
	logHead = 1 << 20
	logTail = 1 << 20
	lastMax = 4 << 10 // shown with an error
)

// capture writes a log's beginning as it comes, keeps its end, and leaves out
// what is between.
type capture struct {
	w       io.Writer // may be nil
	head    int       // bytes still written at once
	tail    []byte
	dropped int64
	last    []byte
}

func newCapture(w io.Writer) *capture { return &capture{w: w, head: logHead} }

// Write never fails: a program is not stopped because its log cannot be kept.
func (c *capture) Write(p []byte) (int, error) {
	n := len(p)
	c.last = trimmed(append(c.last, p...), lastMax, nil)
	if c.w == nil {
		return n, nil
	}
	now := min(c.head, len(p))
	if now > 0 {
		_, _ = c.w.Write(p[:now])
		c.head -= now
	}
	c.tail = trimmed(append(c.tail, p[now:]...), logTail, &c.dropped)
	return n, nil
}

// trimmed keeps the last most bytes of b once it has grown to twice as many.
func trimmed(b []byte, most int, dropped *int64) []byte {
	if len(b) < 2*most {
		return b
	}
	cut := len(b) - most
	if dropped != nil {
		*dropped += int64(cut)
	}
	return append(b[:0], b[cut:]...)
}

// close writes the end.
func (c *capture) close() {
	if c.w == nil || len(c.tail) == 0 {
		return
	}
	if c.dropped > 0 {
		_, _ = fmt.Fprintf(c.w, "\n... %d bytes of output left out ...\n", c.dropped)
	}
	_, _ = c.w.Write(c.tail)
	c.tail = nil
}

// lastLines is the end of the log for an error, each line indented; "" if the
// program was silent.
func (c *capture) lastLines() string {
	const most = 20
	text := strings.ToValidUTF8(string(c.last[max(len(c.last)-lastMax, 0):]), "?")
	lines := strings.Split(strings.TrimRight(text, "\n \t\r"), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return ""
	}
	lines = lines[max(len(lines)-most, 0):]
	return "\n  | " + strings.Join(lines, "\n  | ")
}

// masker replaces secrets in a stream by ***, also where a secret comes in
// pieces. Of a secret of several lines each longer line is one itself, since
// programs log line by line.
type masker struct {
	w       io.Writer
	secrets [][]byte // longest first
	longest int
	buf     []byte
}

const minMaskedLine = 8

func newMasker(w io.Writer, secrets map[string]string) *masker {
	m := &masker{w: w}
	for _, s := range secrets {
		if s == "" {
			continue
		}
		m.secrets = append(m.secrets, []byte(s))
		for line := range strings.Lines(s) {
			if line = strings.TrimRight(line, "\r\n"); len(line) >= minMaskedLine && line != s {
				m.secrets = append(m.secrets, []byte(line))
			}
		}
	}
	slices.SortFunc(m.secrets, func(a, b []byte) int { return cmp.Compare(len(b), len(a)) })
	if len(m.secrets) > 0 {
		m.longest = len(m.secrets[0])
	}
	return m
}

func (m *masker) Write(p []byte) (int, error) {
	if m.longest == 0 {
		return m.w.Write(p)
	}
	m.buf = append(m.buf, p...)
	m.emit(len(m.buf) - m.longest + 1) // what begins later may still grow into a secret
	return len(p), nil
}

func (m *masker) close() { m.emit(len(m.buf)) }

// emit writes what begins before end.
func (m *masker) emit(end int) {
	out := make([]byte, 0, max(end, 0))
	i := 0
	for i < end {
		if n := m.match(m.buf[i:]); n > 0 {
			out = append(out, "***"...)
			i += n
			continue
		}
		out = append(out, m.buf[i])
		i++
	}
	if len(out) > 0 {
		_, _ = m.w.Write(out)
	}
	m.buf = append(m.buf[:0], m.buf[i:]...)
}

func (m *masker) match(b []byte) int {
	for _, s := range m.secrets {
		if bytes.HasPrefix(b, s) {
			return len(s)
		}
	}
	return 0
}
