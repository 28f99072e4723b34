package sandbox

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nbpipe/nbpipe/stages/sandbox/helper"
)

// Bounds of what is remembered of a program that is denied everything.
const (
	mostDenials = 20
	mostJudged  = 4096
)

// watcher looks at each open and exec of a program, and lets it pass. What it does
// beyond that is nameThread.
type watcher struct {
	listener int
	stop     [2]int // a pipe: closing its end wakes the watcher
	done     chan struct{}
	calls    helper.Calls
	judge    judge
}

type judge struct {
	read, write []string
	seen        map[Denial]bool // whether it was denied
	found       Denials
}

// judge knows what a program may do.
func (s *Sandbox) judge(p *Policy) judge {
	j := judge{write: withReal(slices.Concat(p.Write, devices())), seen: map[Denial]bool{}}
	j.read = slices.Concat(withReal(p.Read), s.system, j.write)
	return j
}

// notification is seccomp_notif, and verdict seccomp_notif_resp.
type notification struct {
	id         uint64
	pid, flags uint32
	number     int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type verdict struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

func newWatcher(listener int, j judge) *watcher {
	w := &watcher{listener: listener, done: make(chan struct{}), judge: j}
	w.calls, _ = helper.Native()
	if err := syscall.Pipe2(w.stop[:], syscall.O_CLOEXEC); err != nil {
		w.stop = [2]int{-1, -1} // then it ends with the last process only
	}
	// The program waits while it is looked at: the kernel may let the watcher run in
	// its place at once (Linux 6.6).
	_ = ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
	go w.loop()
	return w
}

func ioctl(fd int, request, arg uintptr) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, arg); errno != 0 {
		return errno
	}
	return nil
}

func (w *watcher) loop() {
	runtime.LockOSThread() // programs wait for it
	defer runtime.UnlockOSThread()
	defer close(w.done)
	fds := []unix.PollFd{{Fd: int32(w.listener), Events: unix.POLLIN}, {Fd: int32(w.stop[0])}}
	for {
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR { //nolint:errorlint // it is an Errno
			return
		}
		switch {
		case fds[0].Revents&unix.POLLIN != 0:
			w.next()
		case fds[0].Revents|fds[1].Revents != 0: // the last process has ended, or close was called
			return
		}
	}
}

// next looks at one call.
func (w *watcher) next() {
	var n notification
	if ioctl(w.listener, unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n))) != nil {
		return // it was broken off
	}
	d, ok := w.decode(&n)
	if ok && d.Kind == ToWrite && w.nameThread(&n, d.Path) {
		return
	}
	v := verdict{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	_ = ioctl(w.listener, unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&v))) // it may have been killed
	if ok {
		w.judge.look(d)
	}
}

// decode reads what a call is about, while its process waits.
func (w *watcher) decode(n *notification) (Denial, bool) {
	const openPathOnly = unix.O_PATH
	d, at, path, flags := Denial{}, int32(unix.AT_FDCWD), n.args[0], uint64(0)
	switch uint32(n.number) {
	case w.calls.Open:
		flags = n.args[1]
	case w.calls.Openat:
		at, path, flags = int32(n.args[0]), n.args[1], n.args[2]
	case w.calls.Openat2:
		at, path = int32(n.args[0]), n.args[1]
	case w.calls.Execve:
		d.Kind = ToRun
	case w.calls.Execveat:
		at, path, d.Kind = int32(n.args[0]), n.args[1], ToRun
	}
	if flags&openPathOnly != 0 {
		return d, false
	}
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		d.Kind = ToWrite
	}
	d.Path = readString(int(n.pid), uintptr(path))
	if d.Path == "" {
		return d, false
	}
	if !filepath.IsAbs(d.Path) {
		base := "/proc/" + strconv.Itoa(int(n.pid)) + "/cwd"
		if at != unix.AT_FDCWD {
			base = "/proc/" + strconv.Itoa(int(n.pid)) + "/fd/" + strconv.Itoa(int(at))
		}
		dir, err := os.Readlink(base)
		if err != nil {
			return d, false
		}
		d.Path = filepath.Join(dir, d.Path)
	}
	return d, true
}

var threadName = regexp.MustCompile(`^/proc/(?:(self|\d+)(?:/task/(\d+))?|thread-self)/comm$`)

// addFile is seccomp_notif_addfd.
type addFile struct {
	id                                 uint64
	flags, source, number, closeOnExec uint32
}

const ioctlAddFile = 0x40182103 // SECCOMP_IOCTL_NOTIF_ADDFD

// nameThread opens for a process the file by which it names one of its own threads,
// and reports whether it did. Landlock has no rule for it: processes that do not run yet
// have no folder, and all of /proc would be too much. CUDA does not start without. The
// path was read once, and the kernel lets nobody name another process's threads.
func (w *watcher) nameThread(n *notification, path string) bool {
	m := threadName.FindStringSubmatch(path)
	if m == nil {
		return false
	}
	process := processOf(int(n.pid))
	thread := m[2]
	switch {
	case process == "" || m[1] != "self" && m[1] != "" && m[1] != process:
		return false
	case m[1] == "": // thread-self
		thread = strconv.Itoa(int(n.pid))
	case thread == "":
		thread = process
	}
	f, err := os.OpenFile("/proc/"+process+"/task/"+thread+"/comm", os.O_WRONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	add := addFile{id: n.id, flags: unix.SECCOMP_ADDFD_FLAG_SEND, source: uint32(f.Fd()), closeOnExec: unix.O_CLOEXEC}
	return ioctl(w.listener, ioctlAddFile, uintptr(unsafe.Pointer(&add))) == nil
}

// processOf is the number of the process that a thread belongs to; "" if it has ended.
func processOf(thread int) string {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(thread) + "/status")
	if err != nil {
		return ""
	}
	_, after, _ := bytes.Cut(status, []byte("\nTgid:"))
	line, _, _ := bytes.Cut(after, []byte("\n"))
	return string(bytes.TrimSpace(line))
}

// readString reads a path from another process, page by page; "" where it cannot.
func readString(pid int, at uintptr) string {
	const page, longest = 4096, 4096
	var out []byte
	var buf [page]byte
	for len(out) < longest {
		n := page - int(at%page)
		local := []unix.Iovec{{Base: &buf[0]}}
		local[0].SetLen(n)
		got, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: at, Len: n}}, 0)
		if err != nil || got <= 0 {
			return ""
		}
		if end := bytes.IndexByte(buf[:got], 0); end >= 0 {
			return string(append(out, buf[:end]...))
		}
		out = append(out, buf[:got]...)
		at += uintptr(got)
	}
	return ""
}

// look remembers an access if Landlock refuses it.
func (j *judge) look(d Denial) {
	allowed := j.read
	if d.Kind == ToWrite {
		allowed = j.write
	}
	d.Path = filepath.Clean(d.Path)
	if under(d.Path, allowed) || strings.HasPrefix(d.Path, "/dev/") { // devices fail for reasons of their own
		return
	}
	if _, known := j.seen[d]; known {
		return
	}
	denied := refused(d, allowed)
	if len(j.seen) < mostJudged {
		j.seen[d] = denied
	}
	switch {
	case !denied:
	case len(j.found.List) < mostDenials:
		j.found.List = append(j.found.List, d)
	default:
		j.found.More++
	}
}

// refused reports whether an access fails because of the sandbox, and not because
// there is no such file, or no permission to begin with.
func refused(d Denial, allowed []string) bool {
	real, err := filepath.EvalSymlinks(d.Path)
	if err != nil && d.Kind == ToWrite { // to be made
		var dir string
		dir, err = filepath.EvalSymlinks(filepath.Dir(d.Path))
		real = filepath.Join(dir, filepath.Base(d.Path))
		return err == nil && !under(real, allowed) && syscall.Access(dir, unix.W_OK) == nil
	}
	if err != nil || under(real, allowed) {
		return false
	}
	mode := map[Access]uint32{ToRead: unix.R_OK, ToWrite: unix.W_OK, ToRun: unix.X_OK}[d.Kind]
	return syscall.Access(real, mode) == nil
}

// end waits until everything that happened before has been looked at.
func (w *watcher) end() Denials {
	_ = syscall.Close(w.stop[1])
	<-w.done
	_ = syscall.Close(w.stop[0])
	_ = syscall.Close(w.listener)
	slices.SortFunc(w.judge.found.List, func(a, b Denial) int { return strings.Compare(a.Path, b.Path) })
	return w.judge.found
}
