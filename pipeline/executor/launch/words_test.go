package launch

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"
)

func TestLastWords(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"nothing":              {"", ""},
		"blanks":               {" \n\t\n\r\n", ""},
		"one line":             {"no more", "no more"},
		"the last one":         {"first\nlast\n", "last"},
		"before blank ones":    {"first\nlast\n\n \n", "last"},
		"Windows":              {"first\r\nlast\r\n", "last"},
		"progress":             {"10 %\r20 %\r", "20 %"},
		"a tab":                {"a\tb", "a b"},
		"colours":              {"\x1b[31mred\x1b[0m", "[31mred[0m"},
		"only control codes":   {"said\n\x1b\x07\x00\n", "said"},
		"a title of a window":  {"\x1b]0;mine\x07ok", "]0;mineok"},
		"text from the right":  {"a\u202eb", "ab"},
		"no UTF-8":             {"a\xff\xfeb", "a?b"},
		"too long":             {strings.Repeat("x", 5000), strings.Repeat("x", maxWords) + "..."},
		"cut within character": {strings.Repeat("é", maxWords), strings.Repeat("é", maxWords/2) + "..."},
	} {
		if got := LastWords(c.text); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestLastWordsIn(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fifo, link, folder := filepath.Join(dir, "fifo"), filepath.Join(dir, "link"), filepath.Join(dir, "folder")
	secret := file("secret", "hunter2")
	for _, err := range []error{syscall.Mkfifo(fifo, 0o600), os.Symlink(secret, link), os.Mkdir(folder, 0o700)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	sparse := file("sparse", "")
	if err := os.Truncate(sparse, 1<<40); err != nil { // as large as a disk
		t.Logf("no sparse files here: %v", err)
	}
	for name, c := range map[string]struct{ path, want string }{
		"a log":           {file("log", "one\ntwo\n"), "two"},
		"an empty one":    {file("empty", ""), ""},
		"none":            {filepath.Join(dir, "none"), ""},
		"a pipe":          {fifo, ""},
		"a link":          {link, ""},
		"a folder":        {folder, ""},
		"a device":        {"/dev/zero", ""},
		"a huge one":      {sparse, ""},
		"long lines":      {file("long", strings.Repeat("y", 1<<20)+"\nthe end\n"), "the end"},
		"one line of MBs": {file("line", strings.Repeat("z", 1<<20)), strings.Repeat("z", maxWords) + "..."},
	} {
		if got := LastWordsIn(c.path); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func FuzzLastWords(f *testing.F) {
	f.Add("one\ntwo\x1b[2J\n")
	f.Add("\xc3")
	f.Fuzz(func(t *testing.T, text string) {
		got := LastWords(text)
		if !utf8.ValidString(got) || len(got) > maxWords+3 || strings.ContainsAny(got, "\n\r\t\x1b\x00") || got != strings.TrimSpace(got) {
			t.Errorf("%q", got)
		}
	})
}
