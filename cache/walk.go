package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// leafFile is a file found in a folder.
type leafFile struct {
	path string // to open
	info fs.FileInfo
}

// leafFunc turns a file into content: it stores it, or only hashes it.
type leafFunc func(ctx context.Context, f leafFile) (Digest, int64, error)

// walker lists a folder for a tree manifest.
type walker struct {
	root    string // links resolved
	entries []TreeEntry
	files   []leafFile // beside entries; unset for empty folders
}

// object turns a file or folder into an Object, with leaf for each file.
func object(ctx context.Context, path string, leaf leafFunc, putManifest func([]byte) (Digest, error)) (Object, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Object{}, err
	}
	switch {
	case info.Mode().IsRegular():
		d, n, err := leaf(ctx, leafFile{path, info})
		return Object{Digest: d, Size: n, Exec: isExec(info)}, err
	case !info.IsDir():
		return Object{}, specialFile(path)
	}
	w := walker{}
	if w.root, err = filepath.EvalSymlinks(path); err == nil {
		w.root, err = filepath.Abs(w.root)
	}
	if err != nil {
		return Object{}, err
	}
	if _, err := w.folder(w.root, "", nil); err != nil {
		return Object{}, err
	}
	if err := w.fill(ctx, leaf); err != nil {
		return Object{}, err
	}
	b, err := EncodeTree(w.entries)
	if err != nil {
		return Object{}, fmt.Errorf("folder %s: %w", path, err)
	}
	d, err := putManifest(b)
	return Object{Digest: d, Size: treeSize(w.entries), Tree: true}, err
}

func isExec(info fs.FileInfo) bool { return info.Mode()&0o100 != 0 }

func specialFile(path string) error {
	return fmt.Errorf("%s is neither a file nor a folder (a device, socket or pipe): it cannot be stored", path)
}

// fill hashes or stores all files, several at a time.
func (w *walker) fill(ctx context.Context, leaf leafFunc) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel())
	for i := range w.entries {
		if w.entries[i].Dir {
			continue
		}
		g.Go(func() (err error) {
			e := &w.entries[i]
			e.Digest, e.Size, err = leaf(ctx, w.files[i])
			return err
		})
	}
	return g.Wait()
}

// folder adds what is in dir, which appears under the given name. above holds
// the real paths of the folders around it: a link to one of them has no end.
func (w *walker) folder(dir, name string, above []string) (empty bool, err error) {
	if slices.Contains(above, dir) {
		return false, fmt.Errorf("the symbolic link %s leads to a folder around it", filepath.Join(w.root, name))
	}
	above = append(above[:len(above):len(above)], dir)
	list, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	for _, e := range list {
		if err := w.child(filepath.Join(dir, e.Name()), joinName(name, e.Name()), above); err != nil {
			return false, err
		}
	}
	if len(list) == 0 && name != "" {
		w.entries = append(w.entries, TreeEntry{Path: name, Dir: true})
		w.files = append(w.files, leafFile{})
	}
	return len(list) == 0, nil
}

func joinName(dir, base string) string {
	if dir == "" {
		return base
	}
	return dir + "/" + base
}

func (w *walker) child(path, name string, above []string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		if path, info, err = w.resolve(path, name); err != nil {
			return err
		}
	}
	switch {
	case info.IsDir():
		_, err := w.folder(path, name, above)
		return err
	case info.Mode().IsRegular():
		w.entries = append(w.entries, TreeEntry{Path: name, Exec: isExec(info)})
		w.files = append(w.files, leafFile{path, info})
		return nil
	default:
		return specialFile(path)
	}
}

// resolve follows a link inside the folder. What it leads to is stored in its
// place; outside the folder, content would depend on the machine.
func (w *walker) resolve(path, name string) (string, fs.FileInfo, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, fmt.Errorf("the symbolic link %s leads nowhere", filepath.Join(w.root, name))
	} else if err != nil {
		return "", nil, err
	}
	if real != w.root && !strings.HasPrefix(real, strings.TrimSuffix(w.root, "/")+"/") {
		return "", nil, fmt.Errorf("the symbolic link %s leads out of the folder; copy what it points to, or name that as an input of its own", filepath.Join(w.root, name))
	}
	info, err := os.Stat(real)
	return real, info, err
}
