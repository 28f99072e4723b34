package torch

import (
	"math"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// newSession gives a program a session and group of its own, without a
// terminal; it is ended should nbpipe be killed.
func newSession() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit returns when the process has ended, and leaves it to be waited for:
// until then its number is not given to another.
func awaitExit(cmd *exec.Cmd) {
	for unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}

// sealDescriptors keeps files that nbpipe itself inherited open from programs
// that it starts. Kernels before 5.11 cannot, and there is nothing to be done
// about it.
func sealDescriptors() { _ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) }
