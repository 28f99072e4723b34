package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
)

// self is this executable, even if its file was replaced meanwhile.
const self = "/proc/self/exe"

const capNetAdmin = 12

// probe tries everything in a process of its own.
func probe() Support {
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
	attr.AmbientCaps = append(attr.AmbientCaps, capNetAdmin) // for the loopback, see renounce
}

func probeWith(attr *syscall.SysProcAttr) (Support, error) {
	cmd := &exec.Cmd{SysProcAttr: attr}
	conn, err := begin(cmd, order{Probe: true, Loopback: attr != nil}, []string{"probe"})
	if err != nil {
		return Support{}, err
	}
	defer func() { _ = syscall.Close(conn) }()
	r, _, err := receive(conn)
	_ = cmd.Wait() // it has answered, or not
	if err != nil {
		return Support{}, err
	}
	if r == nil {
		return Support{}, errors.New("the helper gave no answer")
	}
	r.Support.Root = attr != nil && attr.Cloneflags&syscall.CLONE_NEWUSER == 0
	return r.Support, nil
}

// Running is a program that was started.
type Running struct{ watch *watcher }

// End ends the watching, once the program has ended, and says what was refused.
func (r *Running) End() Denials {
	if r == nil || r.watch == nil {
		return Denials{}
	}
	return r.watch.end()
}

// Start starts cmd under the policy, by way of the helper; cmd.Path is absolute
// or relative to cmd.Dir. Errors of starting the program itself are *fs.PathError,
// as exec.Cmd.Start's. The caller's thread has to live as long as the program.
func (s *Sandbox) Start(cmd *exec.Cmd, p Policy) (*Running, error) {
	s.complain()
	able := s.Support()
	o := order{
		Policy: p, Program: cmd.Path, Landlock: able.Landlock, Watch: able.Watch && able.Landlock > 0,
		Offline: !p.Network && able.Network == ByFilter, Loopback: !p.Network && able.Network == ByNamespace,
	}
	o.Read = append(append([]string{}, p.Read...), System()...)
	o.Write = append(append([]string{}, p.Write...), devices()...)
	if o.Loopback {
		enter(cmd.SysProcAttr, able.Root)
	}
	conn, err := begin(cmd, o, cmd.Args)
	if err != nil {
		return nil, err
	}
	defer func() { _ = syscall.Close(conn) }()
	running := &Running{}
	for {
		r, fd, err := receive(conn)
		switch {
		case fd >= 0:
			running.watch = newWatcher(fd, &o.Policy)
		case err == nil && r == nil: // the helper has become the program
			return running, nil
		default:
			_ = cmd.Wait()
			_ = running.End()
			return nil, startError(o.Program, r, err)
		}
	}
}

func startError(path string, r *report, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("the sandbox could not be set up: %w", err)
	case r.Op == opExec:
		return &fs.PathError{Op: "fork/exec", Path: path, Err: syscall.Errno(r.Errno)}
	}
	return fmt.Errorf("the sandbox could not be set up: %s: %w", r.Op, syscall.Errno(r.Errno))
}

// begin starts the helper; it returns nbpipe's end of the socket.
func begin(cmd *exec.Cmd, o order, argv []string) (int, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return -1, err
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("making a socket for the sandbox: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "sandbox")
	defer theirs.Close()
	cmd.Path, cmd.Args = self, append([]string{helperName, string(text)}, argv...)
	cmd.ExtraFiles = []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		_ = syscall.Close(pair[0])
		return -1, err
	}
	return pair[0], nil
}

// receive waits for a message: a report, or a descriptor, else -1; neither at the
// end.
func receive(conn int) (*report, int, error) {
	buf, oob := make([]byte, 4<<10), make([]byte, syscall.CmsgSpace(4))
	var n, m int
	for {
		var err error
		n, m, _, _, err = syscall.Recvmsg(conn, buf, oob, syscall.MSG_CMSG_CLOEXEC)
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
	r := new(report)
	return r, -1, json.Unmarshal(buf[:n], r)
}
