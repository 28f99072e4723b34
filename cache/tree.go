package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// treeMagic opens a tree manifest; its digit is the version of the encoding.
const treeMagic = "nbpipe tree 1\n"

// TreeEntry is a file, or an empty folder, of a tree. Folders that hold
// something are implied by their content.
type TreeEntry struct {
	Path   string // slash-separated, relative; raw bytes, not necessarily UTF-8
	Dir    bool   // an empty folder
	Exec   bool
	Digest Digest
	Size   int64
}

// EncodeTree returns the manifest of a folder: flat, sorted by path, with
// nothing in it but paths, executable bits, digests and sizes, so that the same
// content has the same digest on every machine (invariant I8).
func EncodeTree(entries []TreeEntry) ([]byte, error) {
	sorted := slices.Clone(entries)
	slices.SortFunc(sorted, func(a, b TreeEntry) int { return strings.Compare(a.Path, b.Path) })
	if err := checkTree(sorted); err != nil {
		return nil, err
	}
	b := append(make([]byte, 0, len(treeMagic)+80*len(sorted)), treeMagic...)
	for _, e := range sorted {
		b = append(b, treeType(e))
		b = binary.AppendUvarint(b, uint64(len(e.Path)))
		b = append(b, e.Path...)
		if !e.Dir {
			b = append(b, e.Digest[:]...)
			b = binary.AppendUvarint(b, uint64(e.Size))
		}
	}
	return b, nil
}

func treeType(e TreeEntry) byte {
	switch {
	case e.Dir:
		return 'd'
	case e.Exec:
		return 'x'
	default:
		return 'f'
	}
}

// DecodeTree reads a manifest and accepts only the canonical form of a folder
// that is safe to restore (invariant I19): no absolute path, no "..", no NUL,
// no duplicate, no file that is also a folder.
func DecodeTree(b []byte) ([]TreeEntry, error) {
	rest, ok := strings.CutPrefix(string(b), treeMagic)
	if !ok {
		return nil, errors.New("not a tree manifest of this version")
	}
	var out []TreeEntry
	for len(rest) > 0 {
		var e TreeEntry
		var err error
		if e, rest, err = cutTreeEntry(rest); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	if err := checkTree(out); err != nil {
		return nil, err
	}
	return out, nil
}

func cutTreeEntry(s string) (e TreeEntry, rest string, err error) {
	truncated := errors.New("truncated tree manifest")
	kind := s[0]
	n, s, ok := cutUvarint(s[1:])
	if !ok || n > uint64(len(s)) {
		return e, "", truncated
	}
	e.Path, s = s[:n], s[n:]
	switch kind {
	case 'd':
		e.Dir = true
		return e, s, nil
	case 'x':
		e.Exec = true
	case 'f':
	default:
		return e, "", fmt.Errorf("unknown type %q in a tree manifest", kind)
	}
	if len(s) < len(e.Digest) {
		return e, "", truncated
	}
	copy(e.Digest[:], s)
	size, s, ok := cutUvarint(s[len(e.Digest):])
	if !ok || size > 1<<62 {
		return e, "", truncated
	}
	e.Size = int64(size)
	return e, s, nil
}

// cutUvarint accepts only the shortest form: a number has one encoding.
func cutUvarint(s string) (uint64, string, bool) {
	n, w := binary.Uvarint([]byte(s[:min(len(s), binary.MaxVarintLen64)]))
	if w <= 0 || (w > 1 && s[w-1] == 0) {
		return 0, "", false
	}
	return n, s[w:], true
}

// checkTree wants entries sorted.
func checkTree(entries []TreeEntry) error {
	leaf := make(map[string]bool, len(entries))
	for i, e := range entries {
		if err := checkTreePath(e.Path); err != nil {
			return err
		}
		if e.Size < 0 {
			return fmt.Errorf("negative size of %q in a tree", clip(e.Path))
		}
		if i > 0 && entries[i-1].Path >= e.Path {
			return fmt.Errorf("a tree manifest is not sorted, or names %q twice", clip(e.Path))
		}
		leaf[e.Path] = true
	}
	for _, e := range entries {
		for i := range len(e.Path) {
			if e.Path[i] == '/' && leaf[e.Path[:i]] {
				return fmt.Errorf("%q is both a leaf and a folder of a tree", clip(e.Path[:i]))
			}
		}
	}
	return nil
}

// maxPath is the longest path Linux takes in one call.
const maxPath = 4096

func checkTreePath(p string) error {
	switch {
	case p == "" || len(p) > maxPath:
		return fmt.Errorf("a path of %d bytes in a tree", len(p))
	case p[0] == '/':
		return fmt.Errorf("absolute path %q in a tree", clip(p))
	case strings.IndexByte(p, 0) >= 0:
		return fmt.Errorf("NUL byte in the path %q of a tree", clip(p))
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("path %q of a tree is not clean", clip(p))
		}
	}
	return nil
}

// treeSize is the size of all files together.
func treeSize(entries []TreeEntry) (n int64) {
	for _, e := range entries {
		n += e.Size
	}
	return n
}
