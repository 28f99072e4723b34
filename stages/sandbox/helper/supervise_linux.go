package helper

import (
	"sync"
	"syscall"
	"unsafe"
)

// supervisor starts the program, and ends with all that it has started.
type supervisor struct {
	mu      sync.Mutex
	program int                // its number while it is ours; else 0
	status  syscall.WaitStatus // the program's

	once   sync.Once
	enough chan struct{} // closed when everything is to end
}

// newSupervisor must be called before the thread is confined.
func newSupervisor() *supervisor {
	s := &supervisor{enough: make(chan struct{}), status: syscall.WaitStatus(syscall.SIGKILL)}
	go s.listen()
	go s.clear()
	return s
}

// adopt makes this process the parent of orphans, and closed to the program.
func (s *supervisor) adopt() *setupError {
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0, 0, 0, 0); errno != 0 {
		return &setupError{"subreaper", errno}
	}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetDumpable, 0, 0, 0, 0, 0); errno != 0 {
		return &setupError{"dumpable", errno}
	}
	return nil
}

// run starts the program and waits for it. It does not return once it runs.
func (s *supervisor) run(o *Order, program string, argv []string) int {
	attr := &syscall.ProcAttr{Env: syscall.Environ(), Files: []uintptr{0, 1, 2}}
	attr.Sys = &syscall.SysProcAttr{Setsid: o.Session, Pdeathsig: syscall.SIGKILL, Ptrace: o.Memory > 0}
	if o.Group > 0 {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, o.Group
	}
	pid, err := syscall.ForkExec(program, argv, attr)
	if err == syscall.EPERM && attr.Sys.Ptrace { //nolint:errorlint // it is an Errno
		attr.Sys.Ptrace = false // some administrators forbid it
		pid, err = syscall.ForkExec(program, argv, attr)
	}
	if err != nil {
		return fail(&setupError{OpExec, number(err)})
	}
	if o.Memory > 0 {
		if err := bound(pid, o.Memory, attr.Sys.Ptrace); err != nil {
			return fail(err)
		}
	}
	s.set(pid, s.status)
	send(string(rune(started)) + decimal(int64(pid)) + ",")
	s.await(pid)
	return 0
}

// bound limits what a process may allocate. It cannot be done to this process before
// it starts another, since it goes on allocating. So the program is stopped at its
// beginning, or else has had a moment without the limit.
func bound(pid int, memory int64, stopped bool) *setupError {
	if stopped {
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(pid, &status, waitAll, nil); err != nil || !status.Stopped() {
			return &setupError{"starting: the program was ended", syscall.ESRCH}
		}
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_DATA, &limit); err != nil {
		return &setupError{"getrlimit", number(err)}
	}
	limit.Max = min(uint64(memory), limit.Max)
	limit.Cur = limit.Max
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_DATA, uintptr(unsafe.Pointer(&limit)), 0, 0, 0); errno != 0 {
		return &setupError{"prlimit", errno}
	}
	if stopped {
		if err := syscall.PtraceDetach(pid); err != nil {
			return &setupError{"letting the program run", number(err)}
		}
	}
	return nil
}

func (s *supervisor) set(pid int, status syscall.WaitStatus) {
	s.mu.Lock()
	s.program, s.status = pid, status
	s.mu.Unlock()
}

const waitAll = 0x40000000 // __WALL: children that were made by clone, too

// await waits for the program, then for all that it left behind, and ends.
func (s *supervisor) await(program int) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, waitAll, nil)
		switch {
		case pid == program:
			s.set(0, status)
			s.others()
			s.end()
		case err == syscall.ECHILD: //nolint:errorlint // it is an Errno
			s.end()
		}
	}
}

// others ends what the program left behind.
func (s *supervisor) others() {
	pid, err := 1, error(nil)
	for pid > 0 { // what has ended by itself is no news
		pid, err = syscall.Wait4(-1, nil, waitAll|syscall.WNOHANG, nil)
	}
	if err != nil { // there are none
		return
	}
	select {
	case <-s.enough: // it did not end by itself
	default:
		send(string(rune(left)))
	}
	s.stop()
	for err == nil || err == syscall.EINTR { //nolint:errorlint // it is an Errno
		_, err = syscall.Wait4(-1, nil, waitAll, nil)
	}
}

// end ends this process as the program ended.
func (s *supervisor) end() {
	s.mu.Lock()
	status := s.status
	s.mu.Unlock()
	if status.Signaled() {
		var usual [4]uintptr // the kernel's way with the signal, not that of Go
		sig := status.Signal()
		_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&usual)), 0, 8, 0, 0)
		_ = syscall.Kill(syscall.Getpid(), sig)
		pause(1000)
		syscall.Exit(128 + int(sig))
	}
	syscall.Exit(status.ExitStatus())
}

// listen does what nbpipe asks for: a message is for the program to end, and the end
// of the socket is for all to be ended.
func (s *supervisor) listen() {
	var b [1]byte
	for {
		n, err := syscall.Read(reportFd, b[:])
		if err == syscall.EINTR { //nolint:errorlint // it is an Errno
			continue
		}
		if err != nil || n == 0 {
			s.stop()
			return
		}
		s.mu.Lock()
		if s.program > 0 {
			_ = syscall.Kill(-s.program, syscall.SIGTERM)
		}
		s.mu.Unlock()
	}
}

func (s *supervisor) stop() { s.once.Do(func() { close(s.enough) }) }

// clear kills children, whose children become ours, until this process ends. What
// the kernel does not let go of is left behind after a while.
func (s *supervisor) clear() {
	<-s.enough
	const patience = 2000
	for range patience {
		for _, pid := range children() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		pause(1)
	}
	s.end()
}

// pause waits for some milliseconds.
func pause(ms int64) {
	t := syscall.NsecToTimespec(ms * 1e6)
	_ = syscall.Nanosleep(&t, nil)
}

// tasks is a folder of all threads of this process; each has a list of children, where
// the kernel was built with it (CONFIG_PROC_CHILDREN).
const tasks = "/proc/self/task/"

// children are those of all threads of this process.
func children() []int {
	dir, err := syscall.Open(tasks, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = syscall.Close(dir) }()
	buf := make([]byte, 8<<10)
	n, err := syscall.ReadDirent(dir, buf) // few threads: it is read at once
	if err != nil {
		return nil
	}
	var out []int
	_, _, names := syscall.ParseDirent(buf[:n], -1, nil)
	for _, name := range names {
		text, ok := readFile(tasks + name + "/children")
		if !ok {
			continue
		}
		for i := range text { // numbers, each with a blank behind
			if text[i] == ' ' {
				text[i] = ','
			}
		}
		for _, pid := range decimals(string(text)) {
			out = append(out, int(pid))
		}
	}
	return out
}

// readFile reads the beginning of a file: children that do not fit are read again
// when the first ones are gone.
func readFile(path string) ([]byte, bool) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, false
	}
	defer func() { _ = syscall.Close(fd) }()
	buf := make([]byte, 64<<10)
	n, err := syscall.Read(fd, buf)
	if err != nil {
		return nil, false
	}
	return buf[:n], true
}
