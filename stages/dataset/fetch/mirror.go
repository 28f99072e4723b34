package fetch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/nbpipe/nbpipe/cache"
)

// candidate is a file of a mirror folder.
type candidate struct {
	path, rel string
	size      int64
	mtime     int64
	named     bool // has the name of the file or of its digest
}

// digestOf is the memo's key for a candidate's digest.
type digestOf struct {
	path        string
	size, mtime int64
}

// fromFolder looks for the file in a mirror folder: by its digest, or, when
// that is not known yet, by the name at the end of the URL.
func (f *fetcher) fromFolder(ctx context.Context, dir string) (from string, err error) {
	files, seen, err := f.candidates(ctx, dir)
	if err != nil {
		return "", err
	}
	var hit *candidate
	if f.want.IsZero() {
		hit, err = f.byName(ctx, files)
	} else {
		hit, err = f.byDigest(ctx, files, seen)
	}
	if err != nil {
		return "", err
	}
	if f.sink.n == 0 { // byDigest copies likely files while it reads them
		if err := f.copyIn(ctx, hit.path, hit.size); err != nil {
			return "", err
		}
	}
	if err := f.verify(""); err != nil {
		return "", fmt.Errorf("%s changed while it was read: %w", hit.rel, err)
	}
	if f.want.IsZero() {
		f.out.Warn("no sha256 is known of %s yet: took the mirror's %s by its name, and its digest %s is what later runs will ask for", display(f.s.URL), hit.rel, f.sink.digest())
	}
	return "mirror file " + hit.rel, nil
}

// candidates lists regular files that could be the one, likely ones first.
// What cannot be read is passed over.
func (f *fetcher) candidates(ctx context.Context, dir string) (files []candidate, seen int, err error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, 0, err
	} else if !info.IsDir() {
		return nil, 0, errors.New("it is no folder")
	}
	names := f.names()
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || ctx.Err() != nil {
			return ctx.Err()
		}
		info, err := os.Stat(p) // a mirror may be a folder of links
		if err != nil || !info.Mode().IsRegular() {
			return nil
		}
		seen++
		if f.size >= 0 && info.Size() != f.size {
			return nil
		}
		rel, _ := filepath.Rel(dir, p)
		files = append(files, candidate{path: p, rel: filepath.ToSlash(rel), size: info.Size(), mtime: info.ModTime().UnixNano(), named: names[d.Name()]})
		return nil
	})
	slices.SortStableFunc(files, func(a, b candidate) int {
		switch {
		case a.named == b.named:
			return 0
		case a.named:
			return -1
		}
		return 1
	})
	return files, seen, err
}

func (f *fetcher) names() map[string]bool {
	names := map[string]bool{}
	for _, link := range append([]string{f.s.URL}, f.s.Mirrors...) {
		if name := linkName(link); name != "" {
			names[name] = true
		}
	}
	if !f.want.IsZero() {
		names[f.want.String()] = true
	}
	return names
}

// byDigest returns the file with the wanted digest. A file of the right name is
// copied while it is hashed, any other is hashed once a run.
func (f *fetcher) byDigest(ctx context.Context, files []candidate, seen int) (*candidate, error) {
	for i := range files {
		c := &files[i]
		got, known := f.remembered(c)
		switch {
		case known && got == f.want:
			return c, nil
		case known:
			continue
		case c.named:
			if err := f.copyIn(ctx, c.path, c.size); err != nil {
				if isFatal(err) || ctx.Err() != nil {
					return nil, err
				}
			} else if got = f.sink.digest(); got == f.want {
				f.remember(c, got)
				return c, nil
			} else {
				f.remember(c, got)
			}
			if err := f.sink.reset(); err != nil {
				return nil, err
			}
		default:
			got, err := f.hash(ctx, c)
			if ctx.Err() != nil {
				return nil, err
			}
			if err == nil && got == f.want {
				return c, nil
			}
		}
	}
	return nil, fmt.Errorf("none of its %d files has sha256 %s", seen, f.want)
}

// byName returns the one file with the URL's name, or, for a URL without one,
// with the name that was given; several are fine if their bytes are equal.
func (f *fetcher) byName(ctx context.Context, files []candidate) (*candidate, error) {
	name := cmp.Or(linkName(f.s.URL), f.s.Name)
	if name == "" {
		return nil, errors.New("neither a sha256 nor a name is known of the file: give one")
	}
	var hit *candidate
	var digest cache.Digest
	for i := range files {
		c := &files[i]
		if filepath.Base(c.path) != name {
			continue
		}
		got, err := f.hash(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.rel, err)
		}
		if hit != nil && got != digest {
			return nil, fmt.Errorf("%s and %s have the name %s and differ: say which with sha256", hit.rel, c.rel, name)
		}
		if hit == nil {
			hit, digest = c, got
		}
	}
	if hit == nil {
		return nil, fmt.Errorf("it has no file named %s (without a sha256 the name is what counts)", name)
	}
	return hit, nil
}

func (f *fetcher) hash(ctx context.Context, c *candidate) (cache.Digest, error) {
	if d, ok := f.remembered(c); ok {
		return d, nil
	}
	src, err := os.Open(c.path)
	if err != nil {
		return cache.Digest{}, err
	}
	defer func() { _ = src.Close() }()
	h := sha256.New()
	var done int64
	count := writerFunc(func(p []byte) (int, error) { done += int64(len(p)); return h.Write(p) })
	if err := pump(ctx, count, src, func() { f.report(done, c.size) }); err != nil {
		return cache.Digest{}, err
	}
	d := cache.Digest(h.Sum(nil))
	f.remember(c, d)
	return d, nil
}

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }

func (f *fetcher) remembered(c *candidate) (cache.Digest, bool) {
	if f.in.Services.Memo == nil {
		return cache.Digest{}, false
	}
	v, ok := f.in.Services.Memo.Load(digestOf{c.path, c.size, c.mtime})
	d, _ := v.(cache.Digest)
	return d, ok
}

func (f *fetcher) remember(c *candidate, d cache.Digest) {
	if f.in.Services.Memo != nil {
		f.in.Services.Memo.Store(digestOf{c.path, c.size, c.mtime}, d)
	}
}
