package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agext/levenshtein"
	"golang.org/x/text/unicode/norm"

	"github.com/nbpipe/nbpipe/cache"
)

// MaxText bounds what file() reads.
const MaxText = 4 << 20

// maxListed bounds how many entries fileset() looks at.
const maxListed = 100_000

// Resolve finds a file or folder named in a file of dir. The name may not be
// absolute, nor leave the root, not by links either.
func (t *Tree) Resolve(dir, name string) (string, error) {
	switch {
	case name == "":
		return "", errors.New("the name is empty")
	case filepath.IsAbs(name) || strings.HasPrefix(name, "~"):
		return "", fmt.Errorf("%q is not relative: name files relative to the folder of the .hcl file, inside the experiment's folder, so that the experiment works elsewhere too", name)
	case strings.ContainsRune(name, 0):
		return "", errors.New("the name holds a NUL byte")
	}
	full := filepath.Join(dir, filepath.FromSlash(name))
	if !Inside(t.Root, full) {
		return "", fmt.Errorf("%q leaves the experiment's folder: only files below %s can be used", name, t.Display(t.Root))
	}
	found, err := t.walk(dir, full)
	if err != nil {
		return "", err
	}
	resolved, err := t.follow(found)
	if err != nil {
		return "", fmt.Errorf("%q cannot be read: %s", name, plain(err))
	}
	if !Inside(t.Root, resolved) {
		return "", fmt.Errorf("%q leaves the experiment's folder: it is a link to %s; copy the file into the folder", name, resolved)
	}
	return resolved, nil
}

// follow resolves the links on a path, and remembers where they led.
func (t *Tree) follow(path string) (string, error) {
	resolved, err := filepath.EvalSymlinks(path)
	if err == nil && resolved != path {
		t.record(Read{Kind: ReadLink, Path: path, Digest: cache.DigestOf([]byte(resolved))})
	}
	return resolved, err
}

// walk descends by names as they stand on the disk. The names in an expression
// went through cty, which normalises strings to NFC, so where no entry has that
// very name, one that has it after normalisation is taken.
func (t *Tree) walk(dir, full string) (string, error) {
	at := t.Root
	rel, err := filepath.Rel(t.Root, full)
	if err != nil || rel == "." {
		return full, err
	}
	for _, part := range strings.Split(rel, string(filepath.Separator)) {
		next := filepath.Join(at, part)
		_, err := os.Lstat(next)
		if errors.Is(err, fs.ErrNotExist) {
			t.record(Read{Kind: ReadFile, Path: next})
			next, err = t.sibling(at, part)
		}
		switch {
		case errors.As(err, new(*fs.PathError)):
			return "", fmt.Errorf("%s: %s", t.Display(next), plain(err))
		case err != nil:
			return "", err
		}
		at = next
	}
	return at, nil
}

func (t *Tree) sibling(dir, name string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("%s: %s", t.Display(dir), plain(err))
	}
	want := norm.NFC.String(name)
	best, distance := "", 4
	for _, e := range entries {
		if norm.NFC.String(e.Name()) == want {
			return filepath.Join(dir, e.Name()), nil
		}
		if d := levenshtein.Distance(name, e.Name(), nil); d < distance && d < len(name) {
			best, distance = e.Name(), d
		}
	}
	hint := ""
	if best != "" {
		hint = fmt.Sprintf("; did you mean %q?", best)
	}
	return "", fmt.Errorf("there is no %q in %s%s", name, t.Display(dir), hint)
}

// Object is the digest of a file or folder, for path().
func (t *Tree) Object(abs string) (cache.Object, error) {
	t.mu.Lock()
	o, ok := t.objects[abs]
	t.mu.Unlock()
	if ok {
		return o, nil
	}
	if abs == t.Root {
		return o, errors.New("this is the experiment's own folder, with nbpipe's lock file and reports in it, which change with every run; give the files, or a folder inside it")
	}
	if t.hash == nil {
		return o, errors.New("files cannot be read here")
	}
	info, err := os.Stat(abs)
	if err != nil {
		return o, errors.New(plain(err))
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return o, fmt.Errorf("%s is neither a file nor a folder (%s)", t.Display(abs), info.Mode().Type())
	}
	if o, err = t.hash(abs); err != nil {
		return o, err
	}
	t.mu.Lock()
	t.objects[abs] = o
	t.mu.Unlock()
	t.record(Read{Kind: ReadTree, Path: abs, Digest: formDigest(o)})
	return o, nil
}

// Text is the content of a file, for file().
func (t *Tree) Text(abs string) (string, error) {
	src, err := ReadRegular(abs, MaxText)
	if errors.Is(err, errTooLarge) {
		return "", fmt.Errorf("%s is over the limit of %d MiB for file(); give it to a node with path() instead", t.Display(abs), MaxText>>20)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %s", t.Display(abs), plain(err))
	}
	t.record(Read{Kind: ReadFile, Path: abs, Digest: cache.DigestOf(src)})
	if !utf8.Valid(src) {
		return "", fmt.Errorf("%s is not UTF-8 text; give it to a node with path() instead", t.Display(abs))
	}
	return string(src), nil
}

// Match lists the files below dir whose slash-separated relative names match
// pattern, sorted; `**` stands for any number of folders. Links are not followed.
func (t *Tree) Match(dir, pattern string) ([]string, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("%q is no pattern: %w", pattern, err)
	}
	names, err := match(dir, pattern)
	if err != nil {
		return nil, err
	}
	t.record(Read{Kind: ReadListing, Path: dir, Pattern: pattern, Digest: namesDigest(names)})
	return names, nil
}

func namesDigest(names []string) cache.Digest {
	return cache.DigestOf([]byte(strings.Join(names, "\x00")))
}

func match(dir, pattern string) ([]string, error) {
	parts := strings.Split(pattern, "/")
	var names []string
	seen := 0
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %s", filepath.Base(p), plain(err))
		}
		if seen++; seen > maxListed {
			return fmt.Errorf("the folder holds more than %d files", maxListed)
		}
		rel, _ := filepath.Rel(dir, p)
		if e.IsDir() {
			if rel != "." && strings.HasPrefix(e.Name(), ".") {
				return fs.SkipDir
			}
			return nil
		}
		if e.Type().IsRegular() && matches(parts, strings.Split(filepath.ToSlash(rel), "/")) {
			names = append(names, filepath.ToSlash(rel))
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}

// matches compares part by part. At most one `**` is expanded by recursion at a
// time; consecutive ones are one.
func matches(pattern, name []string) bool {
	row := make([]bool, len(name)+1)
	row[0] = true
	for _, p := range pattern {
		next := make([]bool, len(name)+1)
		for j := range next {
			switch {
			case p == "**":
				next[j] = row[j] || j > 0 && next[j-1]
			case j > 0 && row[j-1]:
				next[j], _ = path.Match(p, name[j-1])
			}
		}
		row = next
	}
	return row[len(name)]
}
