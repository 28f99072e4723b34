package archive

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// cleanName checks a member's name and removes "./", doubled and trailing
// slashes. The archive's root itself is ".".
func cleanName(raw string) (string, error) {
	switch {
	case raw == "":
		return "", errors.New("it has no name")
	case len(raw) > maxTarget:
		return "", fmt.Errorf("its name has %d bytes, at most %d are possible", len(raw), maxTarget)
	case !utf8.ValidString(raw):
		return "", errors.New("its name is no UTF-8 text")
	case strings.ContainsRune(raw, '\\'):
		return "", errors.New("its name has a backslash, which is a folder on some systems and a letter on others")
	case strings.HasPrefix(raw, "/"):
		return "", errors.New("its name is an absolute path")
	case strings.IndexFunc(raw, unicode.IsControl) >= 0:
		return "", errors.New("its name has control characters")
	}
	for part := range strings.SplitSeq(raw, "/") {
		if part == ".." {
			return "", errors.New(`its name goes up with ".."`)
		}
	}
	name := path.Clean(raw)
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", errors.New("its name leaves the folder, or is reserved on this system")
	}
	return name, nil
}

// stripped removes n leading folders; ok is false where nothing is left.
func stripped(name string, n int) (string, bool) {
	for range n {
		_, rest, ok := strings.Cut(name, "/")
		if !ok {
			return "", false
		}
		name = rest
	}
	return name, true
}

// within reports whether name is dir or lies in it.
func within(name, dir string) bool {
	return dir == "." || name == dir || (len(name) > len(dir) && name[len(dir)] == '/' && strings.HasPrefix(name, dir))
}

// quote shows a name from an archive, which may be hostile to a terminal.
func quote(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strconv.QuoteToASCII(s)
}

// near collects names for the message about a member that is not there.
type near struct {
	same  []string // with the same last part
	first []string
}

func (n *near) add(name, want string) {
	if len(n.same) < 3 && strings.EqualFold(path.Base(name), path.Base(want)) {
		n.same = append(n.same, quote(name))
	}
	if len(n.first) < 8 {
		n.first = append(n.first, quote(name))
	}
}

func (n *near) missing(want string) error {
	switch {
	case len(n.same) > 0:
		return fmt.Errorf("it has no member %s: did you mean %s?", quote(want), strings.Join(n.same, " or "))
	case len(n.first) > 0:
		return fmt.Errorf("it has no member %s; it begins with %s", quote(want), strings.Join(n.first, ", "))
	}
	return fmt.Errorf("it has no member %s", quote(want))
}
