package s3

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sys/unix"
)

// folder keeps objects as files below a folder that several machines share, such as
// one on NFS. An object appears whole, by link or rename of a file that was written
// in tempFolder: link fails where the name is taken, on every file system, which makes
// it the conditional create. Times are those of the file server.
type folder struct {
	root     string // with the prefix
	clock    *serverClock
	now      func() time.Time
	dirMode  fs.FileMode
	fileMode fs.FileMode
}

const (
	// tempFolder holds what is being written; its name is no object's.
	tempFolder = ".tmp"
	swapLock   = tempFolder + "/swap"
	uploadMark = "upload-"
)

func newFolder(c Config, clock *serverClock) (*folder, error) {
	if !filepath.IsAbs(c.Folder) {
		return nil, fmt.Errorf("the folder of a team cache is an absolute path, the same on all machines, not %q", c.Folder)
	}
	f := &folder{root: filepath.Join(c.Folder, filepath.FromSlash(c.Prefix)), clock: clock, now: c.Now}
	f.modes()
	return f, nil
}

// modes lets those read and write that the folder itself lets: members of a team
// have groups, and nbpipe's umask would take their rights away.
func (f *folder) modes() {
	f.dirMode = 0o755
	if i, err := os.Stat(f.root); err == nil {
		f.dirMode = i.Mode() & (fs.ModePerm | fs.ModeSetgid)
	}
	f.fileMode = f.dirMode & 0o444
}

func (f *folder) place() string { return f.root }

// create makes the folder. In one that a group shares (setgid, and the group may write)
// the group may write into it, too: a umask would make it one member's own.
func (f *folder) create(context.Context) error {
	if _, err := os.Stat(f.root); errors.Is(err, fs.ErrNotExist) {
		if err := f.make(); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(f.root, tempFolder), f.dirMode.Perm()); err != nil {
		return err
	}
	f.modes()
	return os.Chmod(filepath.Join(f.root, tempFolder), f.dirMode)
}

func (f *folder) make() error {
	parent := filepath.Dir(f.root)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	err := os.Mkdir(f.root, 0o755)
	if errors.Is(err, fs.ErrExist) { // somebody else makes it just now
		return nil
	}
	if err != nil {
		return err
	}
	const shared = fs.ModeSetgid | 0o020
	if i, err := os.Stat(parent); err == nil && i.Mode()&shared == shared {
		return os.Chmod(f.root, fs.ModeSetgid|0o775&i.Mode())
	}
	return nil
}

// deniedByFolder reports whether a file system said that something is not allowed.
func deniedByFolder(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

func (f *folder) path(name string) string { return filepath.Join(f.root, filepath.FromSlash(name)) }

// absent translates the error of a file that is not there. Where the store itself is
// not there, the folder is away: that says nothing of the object.
func (f *folder) absent(name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return err
	}
	if name != storeName {
		if _, away := os.Stat(f.path(storeName)); away != nil {
			return fmt.Errorf("the folder is away: %w", away)
		}
	}
	return errNotFound
}

func (f *folder) info(name string, i fs.FileInfo) info {
	etag := ""
	if st, ok := i.Sys().(*syscall.Stat_t); ok {
		etag = fmt.Sprintf("%x-%x-%x", st.Ino, i.Size(), i.ModTime().UnixNano())
	}
	return info{name: name, size: i.Size(), modified: i.ModTime(), etag: etag}
}

func (f *folder) open(_ context.Context, name string, off, n int64) (io.ReadCloser, info, error) {
	// Opening a pipe that somebody put there would wait for a writer.
	file, err := os.OpenFile(f.path(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, info{}, f.absent(name, err)
	}
	i, err := file.Stat()
	if err == nil && !i.Mode().IsRegular() {
		err = errNotFound
	}
	if err == nil && (off > i.Size() || n >= 0 && off+n > i.Size()) {
		err = errShort
	}
	if err != nil {
		_ = file.Close()
		return nil, info{}, err
	}
	if n < 0 {
		n = i.Size() - off
	}
	return section{io.NewSectionReader(file, off, n), file}, f.info(name, i), nil
}

type section struct {
	io.Reader
	io.Closer
}

func (f *folder) head(_ context.Context, name string) (info, error) {
	i, err := os.Stat(f.path(name))
	if err != nil {
		return info{}, f.absent(name, err)
	}
	if !i.Mode().IsRegular() {
		return info{}, errNotFound
	}
	return f.info(name, i), nil
}

// temp makes an empty file in tempFolder.
func (f *folder) temp() (*os.File, error) {
	id, err := randomName()
	if err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(f.root, tempFolder, id), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
}

func randomName() (string, error) {
	var id [12]byte
	_, err := rand.Read(id[:])
	return hex.EncodeToString(id[:]), err
}

func (f *folder) put(ctx context.Context, name string, r io.Reader, n int64, when condition) (info, error) {
	file, err := f.temp()
	if err != nil {
		return info{}, f.absent(name, err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if got, err := io.Copy(file, r); err != nil || got != n {
		return info{}, cmp.Or(err, fmt.Errorf("%w: %d bytes to write, and %d came", errLocal, n, got))
	}
	if err := errors.Join(ctx.Err(), file.Chmod(f.fileMode)); err != nil {
		return info{}, err
	}
	if durable(name) {
		if err := file.Sync(); err != nil {
			return info{}, err
		}
	}
	i, err := file.Stat()
	if err != nil {
		return info{}, err
	}
	f.clock.observe(i.ModTime(), f.now())
	return f.info(name, i), f.publish(file.Name(), name, when)
}

// durable says whether an object must survive a power cut. What workers say while
// they are at work need not.
func durable(name string) bool { return !strings.HasPrefix(name, attemptsPrefix) }

// publish gives a file that is complete its name.
func (f *folder) publish(temp, name string, when condition) error {
	if err := f.folders(path.Dir(name)); err != nil {
		return err
	}
	to := f.path(name)
	var err error
	switch {
	case when.absent:
		if err = os.Link(temp, to); errors.Is(err, fs.ErrExist) {
			return errExists
		}
	case when.etag != "":
		err = f.swap(temp, name, when.etag)
	default:
		err = os.Rename(temp, to)
	}
	if err != nil {
		return err
	}
	if !durable(name) {
		return nil
	}
	return syncFolder(filepath.Dir(to))
}

// swap replaces an object that has a tag. A lock keeps others that swap away.
func (f *folder) swap(temp, name, etag string) error {
	// Whoever comes first makes it; others may only be able to read it, and need no more.
	lock, err := os.OpenFile(f.path(swapLock), os.O_CREATE|os.O_RDONLY, f.dirMode.Perm()&0o666)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("locking %s: %w", lock.Name(), err)
	}
	have, err := f.head(context.Background(), name)
	if err != nil {
		return err
	}
	if have.etag != etag {
		return errExists
	}
	return os.Rename(temp, f.path(name))
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// folders makes the folders of a name, with the rights of the root.
func (f *folder) folders(dir string) error {
	at := f.path(dir)
	if _, err := os.Stat(at); err == nil || dir == "." {
		return nil
	}
	if err := f.folders(path.Dir(dir)); err != nil {
		return err
	}
	err := os.Mkdir(at, f.dirMode.Perm())
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.Chmod(at, f.dirMode); err != nil {
		return err
	}
	if !durable(dir + "/") {
		return nil
	}
	return syncFolder(filepath.Dir(at))
}

func (f *folder) page(ctx context.Context, prefix, after string, n int) ([]info, bool, error) {
	l := &listing{folder: f, ctx: ctx, prefix: prefix, after: after, most: n}
	dir, _ := path.Split(prefix)
	err := l.walk(dir)
	if errors.Is(err, errFull) {
		return l.out, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	if len(l.out) == 0 { // nothing, or nobody there
		if _, err := os.Stat(f.path(storeName)); err != nil {
			return nil, false, fmt.Errorf("the folder is away: %w", err)
		}
	}
	return l.out, false, nil
}

// listing lists objects in the order of their names' bytes.
type listing struct {
	*folder
	ctx           context.Context
	prefix, after string
	most          int
	out           []info
}

var errFull = errors.New("enough")

// walk lists a folder whose name is "" or ends with a slash.
func (l *listing) walk(dir string) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	found, err := os.ReadDir(l.path(dir))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	names := make([]string, 0, len(found))
	for _, e := range found {
		name := dir + e.Name()
		if name == tempFolder {
			continue
		}
		if e.IsDir() {
			name += "/" // as the names below it begin
		}
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := l.visit(name); err != nil {
			return err
		}
	}
	return nil
}

func (l *listing) visit(name string) error {
	if strings.HasSuffix(name, "/") {
		relevant := strings.HasPrefix(name, l.prefix) || strings.HasPrefix(l.prefix, name)
		if !relevant || name <= l.after && !strings.HasPrefix(l.after, name) {
			return nil
		}
		return l.walk(name)
	}
	if !strings.HasPrefix(name, l.prefix) || name <= l.after {
		return nil
	}
	i, err := os.Stat(l.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	if !i.Mode().IsRegular() {
		return nil
	}
	if l.out = append(l.out, l.info(name, i)); len(l.out) == l.most {
		return errFull
	}
	return nil
}

func (f *folder) remove(_ context.Context, name string) error {
	if err := os.Remove(f.path(name)); err != nil {
		return f.absent(name, err)
	}
	return nil
}

// refresh lets the file server give the time.
func (f *folder) refresh(_ context.Context, name string, _ time.Time) error {
	now := unix.Timespec{Nsec: unix.UTIME_NOW}
	err := unix.UtimesNanoAt(unix.AT_FDCWD, f.path(name), []unix.Timespec{now, now}, 0)
	if errors.Is(err, fs.ErrPermission) { // who may write, but owns it not: a copy takes its place
		return f.copyOver(name)
	}
	if err != nil {
		return f.absent(name, err)
	}
	return nil
}

func (f *folder) copyOver(name string) error {
	r, i, err := f.open(context.Background(), name, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = f.put(context.Background(), name, r, i.size, always)
	return err
}

// An upload is a folder in tempFolder: a file "name" with the object's name, and a
// file for each part.
func (f *folder) begin(_ context.Context, name string) (string, error) {
	id, err := randomName()
	if err != nil {
		return "", err
	}
	dir := f.upload(id)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", f.absent(name, err)
	}
	return id, os.WriteFile(filepath.Join(dir, "name"), []byte(name), 0o600)
}

func (f *folder) upload(id string) string {
	return filepath.Join(f.root, tempFolder, uploadMark+filepath.Base(id))
}

func (f *folder) part(_ context.Context, name, id string, number int, r io.Reader, n int64) (minio.CompletePart, error) {
	p := minio.CompletePart{PartNumber: number, ETag: strconv.FormatInt(n, 10)}
	file, err := os.Create(filepath.Join(f.upload(id), strconv.Itoa(number)))
	if err != nil {
		return p, f.absent(name, err)
	}
	got, err := io.Copy(file, r)
	if err == nil && got != n {
		err = fmt.Errorf("%w: %d bytes to write, and %d came", errLocal, n, got)
	}
	return p, errors.Join(err, file.Close())
}

func (f *folder) copyPart(ctx context.Context, name, id string, number int, off, n int64) (minio.CompletePart, error) {
	r, _, err := f.open(ctx, name, off, n)
	if err != nil {
		return minio.CompletePart{}, err
	}
	defer r.Close()
	return f.part(ctx, name, id, number, r, n)
}

func (f *folder) complete(ctx context.Context, name, id string, parts []minio.CompletePart, when condition) error {
	var all []io.Reader
	total := int64(0)
	for _, p := range parts {
		file, err := os.Open(filepath.Join(f.upload(id), strconv.Itoa(p.PartNumber)))
		if err != nil {
			return f.absent(name, err)
		}
		defer file.Close()
		n, err := strconv.ParseInt(p.ETag, 10, 64)
		if err != nil {
			return err
		}
		all = append(all, io.LimitReader(file, n))
		total += n
	}
	if _, err := f.put(ctx, name, io.MultiReader(all...), total, when); err != nil {
		return err
	}
	return os.RemoveAll(f.upload(id))
}

func (f *folder) abort(_ context.Context, name, id string) error {
	if _, err := os.Stat(f.upload(id)); err != nil {
		return f.absent(name, err)
	}
	return os.RemoveAll(f.upload(id))
}

func (f *folder) unfinished(context.Context, string) (found []openUpload, next string, err error) {
	all, err := os.ReadDir(filepath.Join(f.root, tempFolder))
	if err != nil {
		return nil, "", f.absent("", err)
	}
	for _, e := range all {
		i, err := e.Info()
		id, ok := strings.CutPrefix(e.Name(), uploadMark)
		if err != nil || !ok {
			continue
		}
		name, err := os.ReadFile(filepath.Join(f.upload(id), "name"))
		if err != nil {
			name = []byte(id)
		}
		found = append(found, openUpload{string(name), id, i.ModTime()})
	}
	return found, "", nil
}
