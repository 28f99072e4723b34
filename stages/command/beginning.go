package command

import "bytes"

// Beginning keeps the first Most bytes of what is written to it.
type Beginning struct {
	Most int
	Over bool // more was written

	buf bytes.Buffer // no embedding: its ReadFrom would pass Write by
}

// Write implements io.Writer.
func (b *Beginning) Write(p []byte) (int, error) {
	room := max(0, b.Most-b.buf.Len())
	b.Over = b.Over || len(p) > room
	b.buf.Write(p[:min(room, len(p))])
	return len(p), nil
}

// String is what was kept.
func (b *Beginning) String() string { return b.buf.String() }
