package s3test

import "syscall"

// childAttributes has the kernel end the child when this process ends, however
// that happens, and keeps an interrupt of the terminal for the test.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
