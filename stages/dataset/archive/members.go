package archive

import (
	"archive/tar"
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// tar reads members from an uncompressed tar stream.
func (u *unpacker) tar(r io.Reader) error {
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) { // names are checked here
			return u.damaged(err)
		}
		if h.Typeflag == tar.TypeXGlobalHeader { // what git archive writes first
			continue
		}
		if err := u.tarMember(h, tr); err != nil {
			return fmt.Errorf("member %s: %w", quote(h.Name), err)
		}
	}
}

func (u *unpacker) tarMember(h *tar.Header, r io.Reader) error {
	m, err := u.member(h.Name)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.dirMember(m)
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		return u.fileMember(m, r, h.Mode&0o111 != 0)
	case tar.TypeSymlink:
		return u.linkMember(m, path.Dir(m.full), h.Linkname)
	case tar.TypeLink:
		return u.linkMember(m, ".", strings.TrimPrefix(h.Linkname, "./"))
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return errors.New("it is a device or FIFO, only files and folders are unpacked")
	}
	return fmt.Errorf("its type %q is not known", h.Typeflag)
}

// zip reads the members that the central directory names.
func (u *unpacker) zip() error {
	zr, err := zip.NewReader(u.src, u.size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return u.damaged(err)
	}
	if n := len(zr.File); n > u.opts.Limits.Members {
		return fmt.Errorf("%w: it has %d members, more than %d", ErrLimit, n, u.opts.Limits.Members)
	}
	var read int64
	for _, f := range zr.File {
		if err := u.zipMember(f); err != nil {
			return fmt.Errorf("member %s: %w", quote(f.Name), err)
		}
		read += int64(f.CompressedSize64)
		if u.opts.Progress != nil {
			u.opts.Progress(min(read, u.size))
		}
	}
	return nil
}

const (
	zipEncrypted   = 1 << 0
	zipCreatorFAT  = 0
	zipCreatorNTFS = 10
	maxTarget      = 4095 // bytes of a link's target: PATH_MAX of Linux
)

func (u *unpacker) zipMember(f *zip.File) error {
	name := f.Name
	if c := f.CreatorVersion >> 8; (c == zipCreatorFAT || c == zipCreatorNTFS) && !strings.Contains(name, "/") {
		name = strings.ReplaceAll(name, `\`, "/") // old Windows archivers, as unzip does
	}
	m, err := u.member(name)
	if err != nil {
		return err
	}
	mode := f.Mode()
	switch {
	case f.Flags&zipEncrypted != 0:
		return errors.New("it is encrypted")
	case mode.IsDir() || strings.HasSuffix(name, "/"):
		return u.dirMember(m)
	case mode&fs.ModeSymlink != 0:
		target, err := u.zipTarget(f)
		if err != nil {
			return err
		}
		return u.linkMember(m, path.Dir(m.full), target)
	case !mode.IsRegular():
		return errors.New("it is a device, FIFO or socket, only files and folders are unpacked")
	case !m.keep:
		return nil
	}
	r, err := f.Open()
	if errors.Is(err, zip.ErrAlgorithm) {
		return fmt.Errorf("its compression method %d is not supported", f.Method)
	}
	if err != nil {
		return u.damaged(err)
	}
	defer func() { _ = r.Close() }()
	return u.fileMember(m, r, mode&0o111 != 0)
}

func (u *unpacker) zipTarget(f *zip.File) (string, error) {
	r, err := f.Open()
	if err != nil {
		return "", u.damaged(err)
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(io.LimitReader(r, maxTarget+1))
	return string(b), u.damaged(err)
}

// member is a checked name.
type member struct {
	full string // as in the archive, cleaned
	name string // relative to the destination
	keep bool   // neither stripped nor filtered away
}

func (u *unpacker) member(raw string) (member, error) {
	if err := u.budget.member(); err != nil {
		return member{}, err
	}
	if err := u.ctx.Err(); err != nil {
		return member{}, context.Cause(u.ctx)
	}
	full, err := cleanName(raw)
	if err != nil {
		return member{}, err
	}
	name, ok := stripped(full, u.opts.Strip)
	m := member{full: full, name: name, keep: ok && u.wanted(name)}
	if ok && u.opts.Member != "" {
		u.seen.add(name, u.opts.Member)
	}
	return m, nil
}

func (u *unpacker) wanted(name string) bool {
	return u.opts.Member == "" || within(name, u.opts.Member)
}

func (u *unpacker) dirMember(m member) error {
	if !m.keep || m.name == "." {
		return nil
	}
	u.kept++
	return u.mkdir(m.name)
}

func (u *unpacker) fileMember(m member, r io.Reader, exec bool) error {
	if m.full == "." {
		return errors.New("the archive's root is no file")
	}
	if !m.keep {
		return nil
	}
	u.kept++
	f, err := u.create(m.name, exec)
	if err != nil {
		return err
	}
	if err := u.write(f, r); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// create makes a file that must not exist, and the folders above it.
func (u *unpacker) create(name string, exec bool) (*os.File, error) {
	if err := u.mkdir(path.Dir(name)); err != nil {
		return nil, err
	}
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, errors.New("the archive has this name twice")
	}
	if err != nil {
		return nil, err
	}
	if exec {
		if err := f.Chmod(0o755); err != nil {
			_ = f.Close()
			return nil, err
		}
	}
	return f, nil
}

// mkdir makes a folder and those above it; each counts as a member, since a
// long name alone can make thousands.
func (u *unpacker) mkdir(dir string) error {
	if _, ok := u.dirs[dir]; ok {
		return nil
	}
	if err := u.mkdir(path.Dir(dir)); err != nil {
		return err
	}
	if err := u.budget.member(); err != nil {
		return err
	}
	err := u.root.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("the archive has %s as a file and as a folder, or twice in different case", quote(dir))
	}
	if err != nil {
		return err
	}
	u.dirs[dir] = struct{}{}
	return nil
}

// write copies r to f within the limits.
func (u *unpacker) write(f io.Writer, r io.Reader) error {
	if u.buf == nil {
		u.buf = make([]byte, 128<<10)
	}
	for {
		n, err := r.Read(u.buf)
		if over := u.budget.write(n); over != nil {
			return over
		}
		if _, werr := f.Write(u.buf[:n]); werr != nil {
			return fmt.Errorf("writing: %w", werr)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return u.damaged(err)
		}
		if u.ctx.Err() != nil {
			return context.Cause(u.ctx)
		}
	}
}
