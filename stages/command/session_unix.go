//go:build unix && !linux

package command

import (
	"os/exec"
	"runtime"
	"syscall"
)

// newSession gives a program a session and group of its own, without a terminal.
func newSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// awaitExit waits for the process, which then is gone: the signal to its group
// that follows reaches only what it left behind.
func awaitExit(cmd *exec.Cmd) { _ = cmd.Wait() }

// maxRSS is in bytes, which is what Darwin reports; the others report KiB.
func maxRSS(use *syscall.Rusage) int64 {
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return use.Maxrss
	}
	return use.Maxrss << 10
}

// sealDescriptors keeps files that nbpipe itself inherited open from programs
// that it starts: the shells and schedulers that start it leave none there.
func sealDescriptors() {}
