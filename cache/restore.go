package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// maxManifest bounds what a tree manifest may take in memory: over 600,000 files.
const maxManifest = 64 << 20

// Tree returns the verified, safe-to-restore list of a tree.
func (l *Local) Tree(ctx context.Context, d Digest) ([]TreeEntry, error) {
	b, err := l.ReadAll(ctx, d, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("reading the tree %s: %w", d.Short(), err)
	}
	entries, err := DecodeTree(b)
	if err != nil {
		return nil, fmt.Errorf("reading the tree %s: %w", d.Short(), err)
	}
	return entries, nil
}

// Restore writes an object to dest, replacing what is there in one step: until
// everything is written and verified, dest is as before. The content is a copy
// (blocks may be shared where the file system does copy-on-write): who writes
// to it cannot change the store. Of the modes only the executable bit is set.
//
// All writing happens in a fresh folder beside dest, in which nothing is ever
// linked, so no path of a tree can lead out of it (invariant I19).
func (l *Local) Restore(ctx context.Context, o Object, dest string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("restoring %s: %w", dest, err)
		}
	}()
	if dest, err = filepath.Abs(dest); err != nil {
		return err
	}
	parent := filepath.Dir(dest)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(parent, ".nbpipe-restore-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	content := filepath.Join(temp, "content")
	if o.Tree {
		err = l.restoreTree(ctx, o.Digest, content)
	} else {
		err = l.restoreFile(ctx, o.Digest, o.Exec, content)
	}
	if err != nil {
		return err
	}
	l.at("restore-written")
	return replacePath(content, dest, filepath.Join(temp, "old"))
}

// replacePath renames content to dest; a folder there is set aside first, since
// a rename replaces only files and empty folders.
func replacePath(content, dest, old string) error {
	info, err := os.Lstat(dest)
	if notExist(err) || (err == nil && !info.IsDir() && !isFolder(content)) {
		return os.Rename(content, dest)
	}
	if err != nil {
		return err
	}
	if err := os.Rename(dest, old); err != nil {
		return err
	}
	if err := os.Rename(content, dest); err != nil {
		return errors.Join(err, os.Rename(old, dest))
	}
	return nil
}

func isFolder(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}

func (l *Local) restoreTree(ctx context.Context, d Digest, root string) error {
	entries, err := l.Tree(ctx, d)
	if err != nil {
		return err
	}
	if err := l.fetchMembers(ctx, entries); err != nil {
		return err
	}
	if err := os.Mkdir(root, 0o777); err != nil {
		return err
	}
	for _, dir := range treeFolders(entries) {
		if err := os.Mkdir(filepath.Join(root, dir), 0o777); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel())
	for _, e := range entries {
		if e.Dir {
			continue
		}
		g.Go(func() error { return l.restoreFile(ctx, e.Digest, e.Exec, filepath.Join(root, e.Path)) })
	}
	return g.Wait()
}

// fetchMembers brings all that is missing of a tree at once: one by one, a tree
// of 1,000 files would wait 1,000 times for the network.
func (l *Local) fetchMembers(ctx context.Context, entries []TreeEntry) error {
	if l.opt.Upstream == nil {
		return nil
	}
	var missing []Digest
	for _, e := range entries {
		if e.Dir {
			continue
		}
		if have, err := l.HasBlob(ctx, e.Digest); err != nil {
			return err
		} else if !have {
			missing = append(missing, e.Digest)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	// What could not be had is told when it is opened.
	_ = l.opt.Upstream.Fetch(ctx, l, missing)
	return ctx.Err()
}

// treeFolders lists all folders of a tree, each after the one that holds it.
func treeFolders(entries []TreeEntry) []string {
	seen := map[string]struct{}{}
	for _, e := range entries {
		for i := strings.IndexByte(e.Path, '/'); i >= 0; {
			seen[e.Path[:i]] = struct{}{}
			next := strings.IndexByte(e.Path[i+1:], '/')
			if next < 0 {
				break
			}
			i += 1 + next
		}
		if e.Dir {
			seen[e.Path] = struct{}{}
		}
	}
	out := make([]string, 0, len(seen))
	for d := range seen {
		out = append(out, d)
	}
	slices.Sort(out)
	return out
}

// restoreFile creates path, which must not exist.
func (l *Local) restoreFile(ctx context.Context, d Digest, exec bool, path string) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	mode := fs.FileMode(0o666)
	if exec {
		mode = 0o777
	}
	b, src, err := l.open(ctx, d)
	if err != nil {
		return err
	}
	packed := src == nil
	if !packed {
		defer src.Close()
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if packed {
		_, err = f.Write(b)
		return err
	}
	if done, err := l.clone(f, src); err != nil || done {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{&contextReader{ctx, src}}, make([]byte, streamBuffer))
	return err
}

// clone shares the blocks of a raw blob with f. The bytes are hashed unless this
// very file was before: a clone is not read, so it proves nothing.
func (l *Local) clone(f *os.File, src *blobFile) (bool, error) {
	if src.header.enc != encRaw || src.header.size == 0 || cloneRange(f, src.f, rawBodyOffset) != nil {
		return false, nil
	}
	path := src.f.Name()
	before, err := src.f.Stat()
	if err != nil {
		return false, err
	}
	if d, ok := l.memo.get(path, before); ok && d == src.d {
		return true, nil
	}
	if _, err := io.Copy(io.Discard, struct{ io.Reader }{src}); err != nil {
		return false, err
	}
	l.memo.put(path, src.f, before, src.d, before.Size())
	return true, nil
}
