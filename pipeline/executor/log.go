package executor

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// stageLog is what a stage prints: its beginning, and its end, so that a stage that
// prints for days does not fill the disk. Its file is made at the first byte, since most
// stages print nothing.
type stageLog struct {
	path string
	mu   sync.Mutex
	f    *os.File
	n    int64
	rest Excerpt // what does not go to the file before the end
}

func newLog(path string) *stageLog {
	return &stageLog{path: path, rest: Excerpt{Tail: 1 << 20}}
}

// headMax is how much of the beginning goes to the file at once.
const headMax = 1 << 20

// Write implements io.Writer.
func (l *stageLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := int(min(max(0, headMax-l.n), int64(len(p))))
	if err := l.append(p[:now]); err != nil {
		return 0, err
	}
	_, _ = l.rest.Write(p[now:])
	return len(p), nil
}

func (l *stageLog) append(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if l.f == nil {
		f, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		l.f = f
	}
	n, err := l.f.Write(p)
	l.n += int64(n)
	return err
}

// settle writes the end; the stage has ended.
func (l *stageLog) settle() {
	if l.append(l.rest.Bytes()) == nil {
		l.rest.Reset()
	}
}

func (l *stageLog) size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle()
	return l.n
}

// The end of a failed stage's log that is shown at once.
const (
	tailLines = 20
	tailBytes = 8 << 10
)

func (l *stageLog) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle()
	if l.f == nil {
		return ""
	}
	at := max(0, l.n-tailBytes)
	b, err := io.ReadAll(io.NewSectionReader(l.f, at, tailBytes))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimRight(strings.ToValidUTF8(string(b), "?"), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}

// keep copies the log to path.
func (l *stageLog) keep(path string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle()
	if l.f == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	dst, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, io.NewSectionReader(l.f, 0, l.n))
	if e := dst.Close(); err == nil {
		err = e
	}
	return err
}

func (l *stageLog) discard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f != nil {
		_ = l.f.Close()
		_ = os.Remove(l.path)
	}
}
