package slurmtest

import "syscall"

// childAttributes has the kernel end a daemon when this process ends, however that
// happens, and keeps an interrupt of the terminal for the test.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
