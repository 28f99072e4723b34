package launch

import (
	"io"
	"os"
	"strings"
	"unicode"
)

// What of a worker's log is read, and the most that is shown of it, in bytes: its last
// line says why it could not work, and what a remedy is.
const (
	maxEnd   = 4 << 10
	maxWords = 1000
)

// LastWordsIn are the last words in the log of a worker; "" where there are none.
func LastWordsIn(path string) string {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	b, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-maxEnd), maxEnd))
	if err != nil {
		return ""
	}
	return LastWords(string(b))
}

// LastWords is the last line with something in it, as it can be shown: anything may
// have been printed, also what moves a terminal's cursor.
func LastWords(text string) string {
	lines := strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool { return r == '\n' || r == '\r' })
	for i := len(lines) - 1; i >= 0; i-- {
		if line := shown(lines[i]); line != "" {
			return line
		}
	}
	return ""
}

func shown(line string) string {
	line = strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, line))
	if len(line) > maxWords {
		line = strings.ToValidUTF8(line[:maxWords], "") + "..."
	}
	return line
}
