//go:build !linux

package sandbox

import (
	"os/exec"
	"runtime"
)

func probe() Support { return Support{Why: "there is no sandbox on " + runtime.GOOS} }

// Running is a program that was started.
type Running struct{ cmd *exec.Cmd }

// Pid is the program's number.
func (r *Running) Pid() int { return r.cmd.Process.Pid }

// Terminate does nothing: see Supervised.
func (*Running) Terminate() {}

// Kill does nothing: see Supervised.
func (*Running) Kill() {}

// End says that nothing was refused: nothing is withheld.
func (*Running) End() End { return End{} }

// Supervised reports whether Terminate and Kill reach the program, and all that it
// starts.
func (*Running) Supervised() bool { return false }

// Start starts cmd, and withholds nothing from it.
func (s *Sandbox) Start(cmd *exec.Cmd, _ Policy) (*Running, error) {
	s.complain()
	return &Running{cmd}, cmd.Start()
}

type limits struct{}

func newLimits(Support) limits { return limits{} }
