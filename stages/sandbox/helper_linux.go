package sandbox

import (
	"encoding/json"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// helperName is the helper's argv[0]. No user starts a program under this name.
const helperName = "nbpipe: sandbox"

// reportFd is the helper's end of a socket to nbpipe, which closes by itself once
// the helper has become the program.
const reportFd = 3

// order is what nbpipe tells the helper, as its first argument; the others are
// the program's own, and the environment is the program's.
type order struct {
	Policy
	Program  string
	Landlock int  // 0 where files are not protected
	Offline  bool // by a filter
	Loopback bool // bring it up: the network namespace is a new one
	Watch    bool
	Probe    bool // only try, and report a Support
}

// report is a message of the helper. One that comes with a descriptor is the
// watcher's, and empty.
type report struct {
	Op      string  `json:",omitempty"` // the step that failed
	Errno   int     `json:",omitempty"`
	Support Support // of a probe
}

// init makes any program that has this package able to be the helper, tests, too. It
// is here, and not in main, since what nbpipe initialises after this package takes
// longer (4 ms) than a trivial command does.
func init() {
	if len(os.Args) > 1 && os.Args[0] == helperName {
		os.Exit(help(os.Args[1], os.Args[2:]))
	}
}

// help confines this thread and becomes the program. It returns on failure only,
// after reporting it.
func help(text string, argv []string) int {
	runtime.LockOSThread()
	syscall.CloseOnExec(reportFd)
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return fail(&setupError{"reading the order", syscall.EINVAL})
	}
	if o.Probe {
		return answer(report{Support: try(o)}, 0)
	}
	if err := confine(&o); err != nil {
		return fail(err)
	}
	if o.Memory > 0 { // last: this process has allocated more than some programs may
		limit := syscall.Rlimit{Cur: uint64(o.Memory), Max: uint64(o.Memory)}
		if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &limit); err != nil {
			return fail(&setupError{"setrlimit", err})
		}
	}
	return fail(&setupError{opExec, syscall.Exec(o.Program, argv, os.Environ())})
}

const opExec = "exec"

func fail(err error) int {
	r := report{Op: err.Error(), Errno: int(number(err))}
	if setup, ok := err.(*setupError); ok { //nolint:errorlint // it is made here
		r.Op = setup.op
	}
	return answer(r, 1)
}

func answer(r report, code int) int {
	b, err := json.Marshal(r)
	if err != nil || syscall.Sendmsg(reportFd, b, nil, nil, 0) != nil {
		return 2
	}
	return code
}

// confine does all that needs no other process.
func confine(o *order) error {
	syscall.Umask(0o022)
	_, _, _ = syscall.RawSyscall(sysCloseRange, reportFd, uintptr(^uint32(0)), closeRangeCloexec) // kernels before 5.11 cannot
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return &setupError{"setrlimit", err}
	}
	if o.Loopback {
		if err := loopback(); err != nil {
			return err
		}
	}
	if err := renounce(); err != nil {
		return err
	}
	if o.Landlock > 0 {
		if err := restrict(&o.Policy, o.Landlock); err != nil {
			return err
		}
	}
	return watchOrFilter(o)
}

func watchOrFilter(o *order) error {
	c, known := native()
	if !known || !o.Watch && !o.Offline {
		return nil
	}
	fd, err := install(filter(c, o.Watch, o.Offline), o.Watch)
	if err != nil || fd < 0 {
		return err
	}
	if err := syscall.Sendmsg(reportFd, []byte{0}, syscall.UnixRights(fd), nil, 0); err != nil {
		return &setupError{"sendmsg", err}
	}
	return syscall.Close(fd)
}

const (
	sysCloseRange     = 436 // on every architecture
	closeRangeCloexec = 1 << 2

	prCapBoundDrop  = 24
	prSetNoNewPrivs = 38
	prCapAmbient    = 47
	capAmbientClear = 4
)

// kept are the capabilities that a root user's programs keep: those about owners
// and modes of files, numbers of users, locked memory and priorities. With others
// root could look into processes outside, or raise limits again.
func kept(capability uintptr) bool { return capability <= 8 || capability == 14 || capability == 23 }

// renounce gives up what set-user-ID programs give, and what the loopback needed.
func renounce() error {
	const most = 63
	for c := uintptr(0); c <= most; c++ {
		if !kept(c) { // it fails where there are none to drop, which is as good
			_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prCapBoundDrop, c, 0)
		}
	}
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PRCTL, prCapAmbient, capAmbientClear, 0, 0, 0, 0) // there may be none
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0, 0, 0, 0); errno != 0 {
		return &setupError{"no_new_privs", errno}
	}
	// The parent's death ends this process: changes of credentials cancel that.
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0, 0); errno != 0 {
		return &setupError{"pdeathsig", errno}
	}
	return nil
}

// loopback brings up lo, by which processes of one machine talk to each other.
func loopback() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return &setupError{"socket", err}
	}
	defer func() { _ = syscall.Close(fd) }()
	request := struct {
		name  [16]byte
		flags uint16
		_     [22]byte
	}{name: [16]byte{'l', 'o'}, flags: syscall.IFF_UP | syscall.IFF_RUNNING}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return &setupError{"bringing up the loopback", errno}
	}
	return nil
}

// try finds out what works, in this process.
func try(o order) Support {
	var s Support
	note := func(err error) bool {
		if err != nil {
			s.Why = err.Error()
		}
		return err == nil
	}
	if o.Loopback && note(loopback()) {
		s.Network = ByNamespace
	}
	if !note(renounce()) {
		return s
	}
	if v, err := landlockVersion(); note(err) && note(restrict(&Policy{Read: []string{"/"}}, v)) {
		s.Landlock = v
	}
	if c, known := native(); known {
		fd, err := install(filter(c, true, false), true)
		s.Watch = note(err)
		_ = syscall.Close(fd)
		if s.Network == "" {
			if _, err := install(filter(c, false, true), false); note(err) {
				s.Network = ByFilter
			}
		}
	}
	var limit syscall.Rlimit
	s.Limits = note(syscall.Getrlimit(syscall.RLIMIT_DATA, &limit))
	return s
}
