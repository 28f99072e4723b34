package executor

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The beginning and the end are kept, in whatever portions they come.
func TestExcerpt(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""}, {"abc", "abc"}, {"abcdefg", "abcdefg"},
		{"abcdefgh", "abc\n... 1 bytes of output left out ...\nefgh"},
		{strings.Repeat("x", 100) + "abcdefgh", "xxx\n... 101 bytes of output left out ...\nefgh"},
	} {
		for n := 1; n < 20; n++ {
			e := Excerpt{Head: 3, Tail: 4}
			for part := range slices.Chunk([]byte(c.text), n) {
				if got, err := e.Write(part); got != len(part) || err != nil {
					t.Fatal(got, err)
				}
				if e.Len() > 3+2*4+1 {
					t.Fatalf("it holds %d bytes", e.Len())
				}
			}
			if got := string(e.Bytes()); got != c.want || string(e.Bytes()) != got {
				t.Errorf("%q in pieces of %d: %q, want %q", c.text, n, got, c.want)
			}
			e.Reset()
			if e.Len() != 0 || len(e.Bytes()) != 0 {
				t.Errorf("after a reset: %q", e.Bytes())
			}
		}
	}
}

// A stage that prints much fills no disk, and its log tells how it began and ended.
func TestStageLogIsBounded(t *testing.T) {
	dir := t.TempDir()
	l := newLog(filepath.Join(dir, "log"))
	fmt.Fprintln(l, "first")
	for range 30 {
		if _, err := l.Write(bytes.Repeat([]byte("x"), 300<<10)); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprintln(l, "last")
	if tail := l.tail(); !strings.HasSuffix(tail, "xlast") {
		t.Errorf("its end is %.20q", tail)
	}
	if err := l.keep(filepath.Join(dir, "logs", "kept")); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "logs", "kept"))
	if err != nil || len(b) > 3<<20 || int64(len(b)) != l.size() || !bytes.HasPrefix(b, []byte("first\n")) || !bytes.HasSuffix(b, []byte("xlast\n")) || bytes.Count(b, []byte("left out")) != 1 {
		t.Errorf("%d bytes, %v: %.20q", len(b), err, b)
	}
}
