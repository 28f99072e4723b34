package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nbpipe/nbpipe/stages/sandbox/helper"
)

// self is this executable, even if its file was replaced meanwhile.
const self = "/proc/self/exe"

const capNetAdmin = 12

// probe tries everything.
func probe() Support {
	s := probeHelper()
	s.Group, s.GroupCPU = groupParent()
	return s
}

// probeHelper tries what the helper does, in processes of their own.
func probeHelper() Support {
	var why error
	for _, way := range namespaces() {
		s, err := probeWith(way)
		if err == nil && s.Network == ByNamespace {
			return s
		}
		if why == nil {
			why = err
		}
	}
	s, err := probeWith(nil)
	if err != nil {
		return Support{Why: err.Error()}
	}
	if s.Why == "" && why != nil {
		s.Why = why.Error()
	}
	return s
}

// namespaces are the ways to an empty network, the simplest first.
func namespaces() []*syscall.SysProcAttr {
	user := &syscall.SysProcAttr{}
	enter(user, false)
	if os.Geteuid() != 0 {
		return []*syscall.SysProcAttr{user}
	}
	root := &syscall.SysProcAttr{}
	enter(root, true)
	return []*syscall.SysProcAttr{root, user}
}

// enter makes a process start in an empty network.
func enter(attr *syscall.SysProcAttr, root bool) {
	attr.Cloneflags |= syscall.CLONE_NEWNET
	if root {
		return
	}
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	uid, gid := os.Geteuid(), os.Getegid()
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	attr.AmbientCaps = append(attr.AmbientCaps, capNetAdmin) // for the loopback; the helper gives it up
}

// startsIn reports whether a process can be started in a group.
func startsIn(g *group) bool {
	cmd := &exec.Cmd{SysProcAttr: &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(g.f.Fd())}}
	conn, err := begin(cmd, &helper.Order{Probe: true}, "probe", nil, nil)
	if err != nil {
		return false
	}
	_ = cmd.Wait() // what it finds is known
	_ = syscall.Close(conn)
	return true
}

func probeWith(attr *syscall.SysProcAttr) (Support, error) {
	cmd := &exec.Cmd{SysProcAttr: attr}
	o := &helper.Order{Probe: true, Loopback: attr != nil, Cores: ownCores()}
	conn, err := begin(cmd, o, "probe", nil, nil)
	if err != nil {
		return Support{}, err
	}
	defer func() { _ = syscall.Close(conn) }()
	r, _, err := receive(conn, 0)
	_ = cmd.Wait() // it has answered, or not
	if err != nil {
		return Support{}, err
	}
	if r == nil || r.Found == nil {
		return Support{}, errors.New("the helper gave no answer")
	}
	s := Support{Landlock: r.Found.Landlock, Watch: r.Found.Watch, Limits: r.Found.Limits, Cores: r.Found.Cores, Whole: r.Found.Whole, Why: r.Found.Why}
	switch {
	case r.Found.Loopback:
		s.Network = ByNamespace
	case r.Found.Filter:
		s.Network = ByFilter
	}
	s.Root = attr != nil && attr.Cloneflags&syscall.CLONE_NEWUSER == 0
	return s, nil
}

// Running is a program that was started, with the helper above it.
type Running struct {
	mu     sync.Mutex
	conn   int // to the helper; -1 once it is closed
	helper *os.Process
	pid    int
	watch  *watcher
	limit  *limit
}

// Supervised reports whether Terminate and Kill reach the program, and all that it
// starts.
func (r *Running) Supervised() bool { return r != nil }

// Pid is the program's number, and that of its session where it has one of its own.
func (r *Running) Pid() int { return r.pid }

// Terminate asks the program and its session to end.
func (r *Running) Terminate() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = unix.Send(r.conn, []byte{1}, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT) // it may have ended
}

// Kill ends the program and all that it has started, in whatever session. It takes a
// moment: the program is waited for as usual.
func (r *Running) Kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = syscall.Shutdown(r.conn, syscall.SHUT_WR)
	_ = r.helper.Signal(syscall.SIGCONT) // the program can have stopped it
}

// End ends the watching, once the program has been waited for.
func (r *Running) End() End {
	if r == nil {
		return End{}
	}
	var e End
	r.mu.Lock()
	if last, _, _ := receive(r.conn, syscall.MSG_DONTWAIT); last != nil {
		e.Left = last.Left
	}
	_ = syscall.Close(r.conn)
	r.conn = -1
	r.mu.Unlock()
	if r.watch != nil {
		e.Denials = r.watch.end()
	}
	e.OutOfMemory = r.limit.end()
	return e
}

// Start starts cmd under the policy, by way of the helper, which becomes cmd.Process;
// cmd.Path is absolute or relative to cmd.Dir. Where cmd.SysProcAttr asks for a
// session, the program gets one, too. Errors of starting the program itself are
// *fs.PathError, as exec.Cmd.Start's.
func (s *Sandbox) Start(cmd *exec.Cmd, p Policy) (*Running, error) {
	s.complain()
	able := s.Support()
	o := &helper.Order{
		Landlock: able.Landlock, Watch: able.Watch && able.Landlock > 0, Session: cmd.SysProcAttr.Setsid,
		Offline: !p.Network && able.Network == ByFilter, Loopback: !p.Network && able.Network == ByNamespace,
	}
	o.Read = append(append([]string{}, p.Read...), System()...)
	o.Write = append(append([]string{}, p.Write...), devices()...)
	if !o.Watch && os.Geteuid() != 0 { // see nameThread; root could change the kernel's settings there
		o.Write = append(o.Write, "/proc")
	}
	if o.Loopback {
		enter(cmd.SysProcAttr, able.Root)
	}
	cmd.SysProcAttr.Pdeathsig = 0 // the helper has to outlive nbpipe for a moment
	limit, err := s.limits.set(&p, o)
	if err != nil {
		return nil, fmt.Errorf("the sandbox could not be set up: %w", err)
	}
	program := cmd.Path
	conn, err := begin(cmd, o, program, cmd.Args, limit.file())
	if err != nil {
		limit.end()
		return nil, err
	}
	running := &Running{conn: conn, helper: cmd.Process, limit: limit}
	if err := running.await(program, s.judge(&p)); err != nil {
		running.Kill()
		_ = cmd.Wait()
		_ = running.End()
		return nil, err
	}
	return running, nil
}

// await waits until the program runs.
func (r *Running) await(program string, j judge) error {
	for {
		report, fd, err := receive(r.conn, 0)
		switch {
		case fd >= 0:
			r.watch = newWatcher(fd, j)
		case report != nil && report.Pid > 0:
			r.pid = report.Pid
			return nil
		default:
			return startError(program, report, err)
		}
	}
}

func startError(path string, r *helper.Report, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("the sandbox could not be set up: %w", err)
	case r == nil:
		return errors.New("the sandbox could not be set up: its helper was ended")
	case r.Op == helper.OpExec:
		return &fs.PathError{Op: "fork/exec", Path: path, Err: r.Errno}
	}
	return fmt.Errorf("the sandbox could not be set up: %s: %w", r.Op, r.Errno)
}

// begin starts the helper; it returns nbpipe's end of the socket.
func begin(cmd *exec.Cmd, o *helper.Order, program string, argv []string, group *os.File) (int, error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("making a socket for the sandbox: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "sandbox")
	defer theirs.Close()
	cmd.ExtraFiles = []*os.File{theirs}
	if group != nil {
		o.Group = helper.GroupFd
		cmd.ExtraFiles = append(cmd.ExtraFiles, group)
	}
	cmd.Path, cmd.Args = self, o.Arguments(program, argv)
	if err := cmd.Start(); err != nil {
		_ = syscall.Close(pair[0])
		return -1, err
	}
	return pair[0], nil
}

// receive waits for a message: a report, or a descriptor, else -1; neither at the
// end.
func receive(conn, flags int) (*helper.Report, int, error) {
	buf, oob := make([]byte, 4<<10), make([]byte, syscall.CmsgSpace(4))
	var n, m int
	for {
		var err error
		n, m, _, _, err = syscall.Recvmsg(conn, buf, oob, syscall.MSG_CMSG_CLOEXEC|flags)
		if err == nil {
			break
		}
		if err != syscall.EINTR { //nolint:errorlint // it is an Errno
			return nil, -1, err
		}
	}
	if n == 0 {
		return nil, -1, nil
	}
	if m > 0 {
		messages, err := syscall.ParseSocketControlMessage(oob[:m])
		if err != nil {
			return nil, -1, err
		}
		fds, err := syscall.ParseUnixRights(&messages[0])
		if err != nil {
			return nil, -1, err
		}
		return nil, fds[0], nil
	}
	r, ok := helper.Parse(buf[:n])
	if !ok {
		return nil, -1, errors.New("the helper's report cannot be read")
	}
	return &r, -1, nil
}
