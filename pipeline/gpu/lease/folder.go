package lease

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nbpipe/nbpipe/pipeline/gpu"
)

// Folder is a Taker whose leases are locks on files of a folder.
type Folder struct {
	path    string
	scratch string
	now     func() time.Time

	mu     sync.Mutex
	dir    *os.File             // nil before the first lease
	wanted map[string]*os.File  // what this process waits for, as shared locks
	rests  map[string]time.Time // until when GPUs are left to others, which wait for them
}

// New makes a taker; the folder is made with the first lease. Scratch is an absolute
// path below which stages of this process work, each in a folder there: what they leave
// running is ended by others, should this process be killed.
func New(folder, scratch string, now func() time.Time) *Folder {
	return &Folder{path: folder, scratch: scratch, now: now, wanted: map[string]*os.File{}, rests: map[string]time.Time{}}
}

// rest is how long a GPU is left to those that wait for it. They look once in a Pause.
const rest = 3 * time.Second

// Take implements Taker.
func (f *Folder) Take(n int, among []gpu.Device) ([]Lease, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var got []*held
	var lacking []string
	busy := &Busy{}
	for _, d := range among {
		if len(got) >= n {
			break
		}
		if f.now().Before(f.rests[nameOf(d)]) {
			busy.Next = true
			lacking = append(lacking, nameOf(d))
			continue
		}
		h, pid, err := f.try(d)
		switch {
		case err != nil:
			unlock(got)
			return nil, fmt.Errorf("GPUs are shared with other runs of yours by way of the folder %s: %w; the setting gpu_leases names another folder of this machine, or is \"off\" to share nothing", f.path, err)
		case h == nil:
			busy.add(pid)
			lacking = append(lacking, nameOf(d))
		default:
			got = append(got, h)
		}
	}
	if len(got) < n {
		unlock(got)
		f.want(lacking)
		return nil, busy
	}
	f.wantNothing()
	return f.leases(got), nil
}

// leases names this process in the files of what it got.
func (f *Folder) leases(got []*held) []Lease {
	var out []Lease
	for _, h := range got {
		h.sign(record{os.Getpid(), f.scratch})
		out = append(out, Lease{h.device, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			h.clear()
			h.unlock()
			f.giveWay(nameOf(h.device))
		}})
	}
	return out
}

// try locks a GPU; nil where another process has it, whose number is pid, if it is
// known.
func (f *Folder) try(d gpu.Device) (h *held, pid int, err error) {
	h = &held{device: d}
	for _, l := range locksOf(d) {
		file, err := f.lock(l.name, l.how)
		if err != nil {
			h.unlock()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, f.holder(l.name), nil
			}
			return nil, 0, err
		}
		h.files = append(h.files, file)
	}
	if last := h.signature(); last != (record{}) { // it was killed
		last.bury()
		h.clear()
		h.unlock()
		return nil, 0, nil
	}
	return h, 0, nil
}

// holder is the process that has a file locked; 0 where it is not known.
func (f *Folder) holder(name string) int {
	file, err := f.file(name)
	if err != nil {
		return 0
	}
	defer file.Close()
	return (&held{files: []*os.File{file}}).signature().PID
}

// lock locks a file; unix.EWOULDBLOCK is the error where another process has it locked.
func (f *Folder) lock(name string, how int) (*os.File, error) {
	const most = 8 // times that somebody tidies the folder up in between
	for range most {
		file, err := f.file(name)
		if err != nil {
			return nil, err
		}
		var s unix.Stat_t
		if err = unix.Flock(int(file.Fd()), how|unix.LOCK_NB); err == nil {
			err = unix.Fstat(int(file.Fd()), &s)
		}
		if err == nil && s.Nlink > 0 {
			return file, nil
		}
		_ = file.Close()
		if err != nil {
			return nil, fmt.Errorf("locking %s: %w", name, err)
		}
	}
	return nil, errors.New("its files are removed again and again")
}

// file opens a file of the folder, which may have been tidied away.
func (f *Folder) file(name string) (*os.File, error) {
	for again := true; ; again = false {
		if err := f.open(); err != nil {
			return nil, err
		}
		fd, err := unix.Openat(int(f.dir.Fd()), name, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
		if err == nil {
			return os.NewFile(uintptr(fd), name), nil
		}
		if !again || !errors.Is(err, unix.ENOENT) {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		_ = f.dir.Close()
		f.dir = nil
	}
}

// open makes the folder, and opens it if it is the user's alone.
func (f *Folder) open() error {
	if f.dir != nil {
		return nil
	}
	err := os.MkdirAll(filepath.Dir(f.path), 0o700)
	if err == nil {
		err = os.Mkdir(f.path, 0o700)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	dir, err := os.OpenFile(f.path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("it is no folder of its own: %w", err)
	}
	info, err := dir.Stat()
	if err == nil {
		err = private(info)
	}
	if err != nil {
		_ = dir.Close()
		return err
	}
	// Programs that tidy up /tmp leave alone what is locked (systemd-tmpfiles).
	_ = unix.Flock(int(dir.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	f.dir = dir
	return nil
}

func private(info fs.FileInfo) error {
	switch s, ok := info.Sys().(*syscall.Stat_t); {
	case ok && int(s.Uid) != os.Geteuid():
		return fmt.Errorf("it belongs to another user (number %d)", s.Uid)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("others than you can use it (mode %#o): chmod 700", info.Mode().Perm())
	}
	return nil
}
