package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const (
	// scanFile and scanTotal bound the search for the scratch path (invariant
	// I8): paths stand in logs and settings, not in the weights of a network.
	scanFile  = 4 << 20
	scanTotal = 64 << 20
	// minSecret is the length from which a secret's value in an output is no accident.
	minSecret = 8
)

// outputPath is a declared path, cleaned, and whether it asks for a folder.
func outputPath(declared string) (rel string, folder bool) {
	return path.Clean(declared), strings.HasSuffix(declared, "/")
}

// makeFolders makes the folders that outputs lie in, and those that are outputs.
func (r *runner) makeFolders() error {
	for _, declared := range r.declared {
		rel, folder := outputPath(declared)
		if !folder {
			rel = path.Dir(rel)
		}
		if rel == "." {
			continue
		}
		if err := os.MkdirAll(filepath.Join(r.work, filepath.FromSlash(rel)), 0o755); err != nil {
			return fmt.Errorf("making the folder %s for an output: %w", rel, err)
		}
	}
	return nil
}

// collect checks every declared output, and looks for others.
func (r *runner) collect() error {
	var missing []string
	for _, name := range r.outputNames() {
		rel, folder := outputPath(r.declared[name])
		found, err := r.output(name, rel, folder)
		if err != nil {
			return fmt.Errorf("output %q: %w", name, err)
		}
		if !found {
			missing = append(missing, name)
		}
	}
	if err := r.findUndeclared(); err != nil {
		return err
	}
	if len(missing) > 0 {
		return r.missing(missing)
	}
	if len(r.undeclared) == 0 {
		return nil
	}
	text := fmt.Sprintf("the command left %s that no output declares: %s", count(len(r.undeclared), "file"), some(r.undeclared))
	if r.s.StrictOutputs {
		return fmt.Errorf("%s; declare them in outputs, or write them to $TMPDIR (strict_outputs)", text)
	}
	r.out.Warn("%s; they are dropped", text)
	return nil
}

func (r *runner) outputNames() []string {
	names := make([]string, 0, len(r.declared))
	for n := range r.declared {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// output takes one declared output; found is false if it is not there.
func (r *runner) output(name, rel string, folder bool) (found bool, err error) {
	p := filepath.Join(r.work, filepath.FromSlash(rel))
	info, err := os.Lstat(p)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if info.Mode()&fs.ModeSymlink != 0 || strings.Contains(rel, "/") {
		if p, info, err = r.resolve(rel, p); err != nil {
			return false, err
		}
	}
	switch {
	case info.Mode().IsRegular() && folder:
		return false, fmt.Errorf("%s is declared as a folder, by its trailing slash, and is a file", rel)
	case info.Mode().IsRegular():
		err = r.scan(name, rel, p, info.Size())
	case info.IsDir():
		var files int
		if files, err = r.folder(name, rel, p); err == nil && files == 0 && folder {
			return false, nil // nbpipe made it
		}
	default:
		err = notKept(rel, info.Mode())
	}
	if err != nil {
		return false, err
	}
	if _, ok := r.s.Values[name]; ok {
		return true, r.value(name, rel, p, info)
	}
	r.out.SetFile(name, p, path.Base(rel))
	return true, nil
}

func notKept(rel string, mode fs.FileMode) error {
	return fmt.Errorf("%s is neither file nor folder (%s), and cannot be kept", rel, mode.Type())
}

// resolve follows symbolic links, which must stay in the working folder.
func (r *runner) resolve(rel, p string) (string, fs.FileInfo, error) {
	if r.realWork == "" {
		real, err := filepath.EvalSymlinks(r.work)
		if err != nil {
			return "", nil, err
		}
		r.realWork = real
	}
	real, err := filepath.EvalSymlinks(p)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, fmt.Errorf("%s is a symbolic link to something that is not there", rel)
	}
	if err != nil {
		return "", nil, fmt.Errorf("%s is a symbolic link that cannot be followed: %w", rel, err)
	}
	if !strings.HasPrefix(real, r.realWork+string(filepath.Separator)) {
		return "", nil, fmt.Errorf("%s is a symbolic link out of the working folder: copy the file instead", rel)
	}
	info, err := os.Lstat(real)
	return real, info, err
}

// folder checks a folder that is an output; links in it become copies.
func (r *runner) folder(name, rel, dir string) (files int, err error) {
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return nil
		}
		files++
		sub, _ := filepath.Rel(dir, p)
		sub = path.Join(rel, filepath.ToSlash(sub))
		for k, v := range r.s.Secrets {
			if len(v) >= minSecret && strings.Contains(sub, v) {
				return fmt.Errorf("the name of a file in it, %q, holds the value of the secret %s: secrets are never kept", r.masked(sub), k)
			}
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			if info, err = r.copyLink(sub, p); err != nil {
				return err
			}
		}
		if !info.Mode().IsRegular() {
			return notKept(sub, info.Mode())
		}
		return r.scan(name, sub, p, info.Size())
	})
	return files, err
}

// copyLink replaces a link by what it points at.
func (r *runner) copyLink(rel, p string) (fs.FileInfo, error) {
	real, info, err := r.resolve(rel, p)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is a symbolic link to a folder: copy the folder instead (cp -rL)", rel)
	}
	src, err := os.Open(real)
	if err != nil {
		return nil, err
	}
	defer func() { _ = src.Close() }()
	if err := os.Remove(p); err != nil {
		return nil, err
	}
	dst, err := os.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644|info.Mode().Perm()&0o111)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(dst, src); err != nil {
		_ = dst.Close()
		return nil, fmt.Errorf("copying what the link %s points at: %w", rel, err)
	}
	return info, dst.Close()
}

// scan looks into an output for what must not (secrets) or should not (the path
// of the scratch folder, which differs in every run) be in it.
func (r *runner) scan(name, rel, p string, size int64) error {
	var secrets []string
	for k, v := range r.s.Secrets {
		if len(v) >= minSecret {
			secrets = append(secrets, k)
		}
	}
	slices.Sort(secrets)
	look := size <= scanFile && r.scanned+size <= scanTotal && len(r.in.Scratch) >= minSecret
	if size == 0 || !look && len(secrets) == 0 {
		return nil
	}
	f, err := os.Open(p)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var needles []string
	for _, k := range secrets {
		needles = append(needles, r.s.Secrets[k])
	}
	if look {
		r.scanned += size
		needles = append(needles, r.in.Scratch)
	}
	hits, err := contains(f, size, needles)
	if err != nil {
		return fmt.Errorf("reading %s: %w", rel, err)
	}
	for i, k := range secrets {
		if hits[i] {
			return fmt.Errorf("%s holds the value of the secret %s: secrets are never kept", rel, k)
		}
	}
	if look && hits[len(needles)-1] {
		r.out.Warn("output %q: %s holds the path of its scratch folder, which differs in every run: let the command write relative paths", name, rel)
	}
	return nil
}

// contains says which of the needles the stream has.
func contains(f io.Reader, size int64, needles []string) ([]bool, error) {
	longest := 0
	for _, n := range needles {
		longest = max(longest, len(n))
	}
	hits := make([]bool, len(needles))
	buf := make([]byte, min(size+1, 1<<20)+int64(longest))
	kept := 0 // of the part before, in which a needle may have begun
	for {
		n, err := f.Read(buf[kept:])
		part := buf[:kept+n]
		for i, needle := range needles {
			hits[i] = hits[i] || bytes.Contains(part, []byte(needle))
		}
		if err == io.EOF {
			return hits, nil
		}
		if err != nil {
			return nil, err
		}
		kept = copy(buf, part[max(len(part)-longest+1, 0):])
	}
}

// findUndeclared lists files beside the outputs.
func (r *runner) findUndeclared() error {
	declared := make(map[string]bool, len(r.declared))
	for _, d := range r.declared {
		rel, _ := outputPath(d)
		declared[rel] = true
	}
	err := filepath.WalkDir(r.work, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return r.unlock(p, d, err)
		}
		if p == r.work {
			return nil
		}
		rel, _ := filepath.Rel(r.work, p)
		rel = filepath.ToSlash(rel)
		switch {
		case rel == inputFolder || declared[rel]:
			if d.IsDir() {
				return filepath.SkipDir
			}
		case !d.IsDir():
			r.undeclared = append(r.undeclared, r.masked(rel))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking for undeclared files: %w", err)
	}
	return nil
}

// masked hides the values of secrets in a text for people.
func (r *runner) masked(s string) string {
	for _, k := range slices.Sorted(maps.Keys(r.s.Secrets)) {
		if v := r.s.Secrets[k]; len(v) >= minSecret {
			s = strings.ReplaceAll(s, v, "***")
		}
	}
	return s
}

// unlock passes over a folder that the command made unreadable, after making
// it removable.
func (r *runner) unlock(p string, d fs.DirEntry, err error) error {
	if d != nil && d.IsDir() && errors.Is(err, fs.ErrPermission) {
		return os.Chmod(p, 0o755)
	}
	return err
}

// missing names the outputs that are not there, and what is.
func (r *runner) missing(names []string) error {
	var b strings.Builder
	b.WriteString("the command ended well, but did not make ")
	for i, n := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "its output %q (%s)", n, r.declared[n])
	}
	if len(r.undeclared) == 0 {
		b.WriteString("; it left no other files")
		return errors.New(b.String())
	}
	fmt.Fprintf(&b, "; it left %s", some(r.undeclared))
	for _, n := range names {
		rel, _ := outputPath(r.declared[n])
		if like, ok := r.like(rel); ok {
			fmt.Fprintf(&b, ". Did you mean %s = %q?", n, like)
		}
	}
	return errors.New(b.String())
}

// like finds an undeclared file with the same last part or a similar name.
func (r *runner) like(rel string) (string, bool) {
	for _, u := range r.undeclared {
		if path.Base(u) == path.Base(rel) {
			return u, true
		}
	}
	return nearest(rel, r.undeclared[:min(len(r.undeclared), 1000)])
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// some lists up to 8 names.
func some(names []string) string {
	const most = 8
	var b strings.Builder
	for i, n := range names {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(names)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", n)
	}
	return b.String()
}
