package command

import (
	"bytes"
	"cmp"
	"io"
	"slices"
	"strings"
)

// lastMax is how much of a log's end is shown with an error, in bytes.
const lastMax = 4 << 10

// capture passes a log on as it comes, and keeps its end. Whoever gets it bounds it.
type capture struct {
	w    io.Writer // may be nil
	last []byte
}

func newCapture(w io.Writer) *capture { return &capture{w: w} }

// Write never fails: a program is not stopped because its log cannot be kept.
func (c *capture) Write(p []byte) (int, error) {
	c.last = append(c.last, p...)
	if len(c.last) >= 2*lastMax {
		c.last = append(c.last[:0], c.last[len(c.last)-lastMax:]...)
	}
	if c.w != nil {
		_, _ = c.w.Write(p)
	}
	return len(p), nil
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
