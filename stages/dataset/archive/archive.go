package archive

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Limits end the unpacking of a bomb.
type Limits struct {
	Members    int   // members and the folders made for them
	Bytes      int64 // unpacked, copies of links included
	Ratio      int64 // unpacked to packed bytes
	RatioAfter int64 // unpacked bytes below which Ratio is not looked at
}

// DefaultLimits returns limits that no real data set is known to reach:
// ImageNet has 1.3 million members; deflate cannot exceed a ratio of 1032, so
// that only nested or overlapping streams and runs of one byte come near.
func DefaultLimits() Limits {
	return Limits{Members: 2_000_000, Bytes: 1 << 40, Ratio: 1000, RatioAfter: 1 << 30}
}

// Options say what to unpack.
type Options struct {
	// Strip removes that many leading folders from every name; members that
	// have no more than that are left out, as in GNU tar.
	Strip int
	// Member, a name after Strip, keeps only that file, or that folder and
	// what is in it. It then lies at dest/Member.
	Member string
	// Limits default to DefaultLimits.
	Limits Limits
	// Progress, if set, is told how many of the archive's bytes were read.
	Progress func(read int64)
}

// Result says what was unpacked.
type Result struct {
	Format  Format
	Single  bool  // dest is a file, not a folder
	Members int   // of the archive, and folders made for them
	Bytes   int64 // unpacked
}

// ErrLimit is wrapped by errors about an archive that exceeds Limits.
var ErrLimit = errors.New("the archive looks like a bomb")

// Unpack unpacks the size bytes of src at dest, which must not exist: an
// archive becomes a folder, a compressed single file becomes a file. After an
// error nothing is left at dest.
func Unpack(ctx context.Context, src io.ReaderAt, size int64, dest string, o Options) (Result, error) {
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits()
	}
	if _, err := os.Lstat(dest); err == nil {
		return Result{}, fmt.Errorf("unpacking to %s: it exists already", filepath.Base(dest))
	}
	u := &unpacker{ctx: ctx, src: src, dest: dest, opts: o, budget: budget{limits: o.Limits, packed: max(size, 1)}, size: size}
	defer u.close()
	res, err := u.unpack()
	if err != nil {
		u.close()
		_ = os.RemoveAll(dest)
		return Result{}, fmt.Errorf("unpacking%s: %w", u.format.article(), err)
	}
	res.Format, res.Members, res.Bytes = u.format, u.budget.members, u.budget.bytes
	return res, nil
}

// unpacker is the state of one Unpack.
type unpacker struct {
	ctx    context.Context
	src    io.ReaderAt
	size   int64
	dest   string
	opts   Options
	format Format
	budget budget
	root   *os.Root
	dirs   map[string]struct{} // made so far, relative to root
	links  []link              // made into copies at the end
	seen   near                // for the text when Member is not found
	kept   int                 // members that were neither stripped nor filtered
	buf    []byte
}

func (u *unpacker) close() {
	if u.root != nil {
		_ = u.root.Close()
		u.root = nil
	}
}

func (u *unpacker) unpack() (Result, error) {
	head := make([]byte, headSize)
	n, err := u.src.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Result{}, fmt.Errorf("reading the archive: %w", err)
	}
	u.format = sniff(head[:n])
	switch u.format {
	case Zip:
		return Result{}, u.folder(u.zip)
	case Tar:
		return Result{}, u.folder(func() error { return u.tar(u.packed()) })
	case Gzip, Bzip2, Zstd:
		return u.compressed()
	}
	return Result{}, u.format.refusal()
}

// compressed unpacks a compressed stream: a tar inside becomes a folder,
// anything else is a single file.
func (u *unpacker) compressed() (Result, error) {
	plain, head, done, err := u.decompress()
	if err != nil {
		return Result{}, err
	}
	defer done()
	if sniff(head) == Tar {
		u.format += "+tar"
		return Result{}, u.folder(func() error {
			if err := u.tar(plain); err != nil {
				return err
			}
			_, err := io.Copy(io.Discard, plain) // to the checksum at the very end
			if errors.Is(err, gzip.ErrHeader) {  // padding behind it, which gzip itself passes over
				return nil
			}
			return u.damaged(err)
		})
	}
	if u.opts.Strip > 0 || u.opts.Member != "" {
		return Result{}, fmt.Errorf("it holds one compressed file and no archive: leave out strip_components and member")
	}
	return Result{Single: true}, u.single(plain)
}

// folder makes the destination folder, fills it, and sees to links.
func (u *unpacker) folder(fill func() error) error {
	if err := os.Mkdir(u.dest, 0o755); err != nil {
		return fmt.Errorf("making the folder: %w", err)
	}
	root, err := os.OpenRoot(u.dest)
	if err != nil {
		return fmt.Errorf("opening the folder: %w", err)
	}
	u.root, u.dirs = root, map[string]struct{}{".": {}}
	if err := fill(); err != nil {
		return err
	}
	if err := u.resolveLinks(); err != nil {
		return err
	}
	if u.kept > 0 {
		return nil
	}
	switch {
	case u.opts.Member != "":
		return u.seen.missing(u.opts.Member)
	case u.budget.members > 0 && u.opts.Strip > 0:
		return fmt.Errorf("strip_components = %d leaves nothing of its %d members", u.opts.Strip, u.budget.members)
	}
	return fmt.Errorf("the archive is empty")
}

// single writes a lone decompressed file.
func (u *unpacker) single(r io.Reader) error {
	u.budget.members++
	f, err := os.OpenFile(u.dest, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("making the file: %w", err)
	}
	if err := u.write(f, r); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// packed reads the archive's own bytes, telling progress.
func (u *unpacker) packed() io.Reader {
	return &source{u: u, r: io.NewSectionReader(u.src, 0, u.size)}
}

type source struct {
	u    *unpacker
	r    io.Reader
	read int64
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.u.ctx.Err(); err != nil {
		return 0, context.Cause(s.u.ctx)
	}
	n, err := s.r.Read(p)
	s.read += int64(n)
	if s.u.opts.Progress != nil && n > 0 {
		s.u.opts.Progress(s.read)
	}
	return n, err
}

// budget counts what was unpacked against the limits.
type budget struct {
	limits  Limits
	packed  int64 // size of the archive, at least 1
	members int
	bytes   int64 // written
	stream  int64 // decompressed, written or not
}

func (b *budget) member() error {
	if b.members++; b.members > b.limits.Members {
		return fmt.Errorf("%w: it has more than %d members", ErrLimit, b.limits.Members)
	}
	return nil
}

func (b *budget) write(n int) error {
	b.bytes += int64(n)
	return b.check(b.bytes)
}

func (b *budget) decompress(n int) error {
	b.stream += int64(n)
	return b.check(b.stream)
}

func (b *budget) check(n int64) error {
	switch {
	case n > b.limits.Bytes:
		return fmt.Errorf("%w: it unpacks to more than %d bytes", ErrLimit, b.limits.Bytes)
	case n > b.limits.RatioAfter && n/b.limits.Ratio > b.packed:
		return fmt.Errorf("%w: its %d bytes unpack to more than %d times as many", ErrLimit, b.packed, b.limits.Ratio)
	}
	return nil
}
