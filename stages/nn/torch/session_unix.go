//go:build unix && !linux

package torch

import (
	"os/exec"
	"syscall"
)

// newSession gives a program a session and group of its own, without a terminal.
func newSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// awaitExit waits for the process, which then is gone: the signal to its group
// that follows reaches only what it left behind.
func awaitExit(cmd *exec.Cmd) { _ = cmd.Wait() }

// sealDescriptors keeps files that nbpipe itself inherited open from programs
// that it starts: the shells and schedulers that start it leave none there.
func sealDescriptors() {}
