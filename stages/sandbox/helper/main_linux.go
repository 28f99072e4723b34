package helper

import (
	"runtime"
	"syscall"
	"unsafe"
)

// init makes any program that imports this package able to be the helper, tests, too.
func init() {
	if args := commandLine(); len(args) > 1 && args[0] == Name {
		syscall.Exit(help(args))
	}
}

// help does as it was ordered. It returns before a program runs only: then the
// helper ends with it.
func help(args []string) int {
	o, program, argv, ok := parse(args)
	if !ok {
		return fail(&setupError{"reading the order", syscall.EINVAL})
	}
	// From here on, this thread is not used for anything else; threads that are made
	// from now on have what it has now.
	runtime.LockOSThread()
	syscall.CloseOnExec(reportFd)
	if o.Probe {
		return try(&o).send()
	}
	s := newSupervisor()
	if err := s.adopt(); err != nil {
		return fail(err)
	}
	if err := confine(&o); err != nil {
		return fail(err)
	}
	return s.run(&o, program, argv)
}

// confine does all that needs no other process.
func confine(o *Order) *setupError {
	syscall.Umask(0o022)
	_, _, _ = syscall.RawSyscall(sysCloseRange, reportFd, uintptr(^uint32(0)), closeRangeCloexec) // kernels before 5.11 cannot
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return &setupError{"setrlimit", number(err)}
	}
	if len(o.Cores) > 0 {
		if err := pin(o.Cores); err != nil {
			return err
		}
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
		if err := restrict(o, o.Landlock); err != nil {
			return err
		}
	}
	return watchOrFilter(o)
}

func watchOrFilter(o *Order) *setupError {
	c, known := Native()
	if !known || !o.Watch && !o.Offline {
		return nil
	}
	fd, err := install(filter(c, o.Watch, o.Offline), o.Watch)
	if err != nil || fd < 0 {
		return err
	}
	if err := syscall.Sendmsg(reportFd, []byte{0}, syscall.UnixRights(fd), nil, 0); err != nil {
		return &setupError{"sendmsg", number(err)}
	}
	_ = syscall.Close(fd) // it was sent
	return nil
}

const (
	sysCloseRange     = 436 // on every architecture
	closeRangeCloexec = 1 << 2

	prSetDumpable       = 4
	prCapBoundDrop      = 24
	prSetChildSubreaper = 36
	prSetNoNewPrivs     = 38
	prCapAmbient        = 47
	capAmbientClear     = 4
)

// kept are the capabilities that a root user's programs keep: those about owners
// and modes of files, numbers of users, locked memory and priorities. With others
// root could look into processes outside, or raise limits again.
func kept(capability uintptr) bool { return capability <= 8 || capability == 14 || capability == 23 }

// renounce gives up what set-user-ID programs give, and what the loopback needed.
func renounce() *setupError {
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
	return nil
}

// loopback brings up lo, by which processes of one machine talk to each other.
func loopback() *setupError {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return &setupError{"socket", number(err)}
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

const mostCores = 8192 // that Linux can have

// pin keeps this thread, and what it starts, to some cores.
func pin(cores []int) *setupError {
	var mask [mostCores / 64]uint64
	for _, c := range cores {
		if c >= 0 && c < mostCores {
			mask[c/64] |= 1 << (c % 64)
		}
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask))); errno != 0 {
		return &setupError{"sched_setaffinity", errno}
	}
	return nil
}

// try finds out what works, in this process.
func try(o *Order) *Support {
	s := &Support{}
	note := func(err *setupError) bool {
		if err != nil {
			s.Why = err.Error()
		}
		return err == nil
	}
	_, s.Whole = readFile(tasks + decimal(int64(syscall.Getpid())) + "/children")
	s.Loopback = o.Loopback && note(loopback())
	if !note(renounce()) {
		return s
	}
	if v, err := landlockVersion(); note(err) && note(restrict(&Order{Read: []string{"/"}}, v)) {
		s.Landlock = v
	}
	if c, known := Native(); known {
		fd, err := install(filter(c, true, false), true)
		s.Watch = note(err)
		_ = syscall.Close(fd)
		if !s.Loopback {
			_, err := install(filter(c, false, true), false)
			s.Filter = note(err)
		}
	}
	var limit syscall.Rlimit
	s.Limits = syscall.Getrlimit(syscall.RLIMIT_DATA, &limit) == nil
	s.Cores = pin(o.Cores) == nil
	return s
}
