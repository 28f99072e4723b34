package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/run"
	"github.com/nbpipe/nbpipe/stages/command"
)

func main() { os.Exit(Main()) }

// How much may be allocated before the collector runs again, in percent of what is
// in use. Parsing and evaluating allocate fast and little lives on: with Go's default of
// 100 the collector took a third of the time of a plan of 10,000 blocks. Stages hold
// much: with 400 a run over tables takes half as much memory again, and no less time.
const (
	planning = 400
	running  = 200
)

// collectAt sets it, unless the user has.
func collectAt(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// Main runs nbpipe and returns its exit code. It is apart from main so that
// the tests of the command line can run it in a process of their own.
func Main() int {
	collectAt(planning)
	syscall.Umask(0o022) // modes of what stages make must not depend on the user
	a := &app{stdout: os.Stdout, stderr: os.Stderr}
	ctx, stop := interruptible(func() { a.tell(a.parting()) })
	defer stop()
	cmd := newRoot(a)
	cmd.SetArgs(dashes(os.Args[1:]))
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(os.Stderr, "nbpipe: "+text)
	}
	return exitCode(err)
}

// oneSignal is how long the same signal may come twice: a terminal that is closed sends
// SIGHUP by the kernel and by the shell, timeout(1) sends to a process and to its group.
const oneSignal = time.Second

// interruptible gives a context that the first Ctrl-C ends; a second one ends
// the program at once.
func interruptible(told func()) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	// What is ignored stays so: nohup ignores SIGHUP, a shell's & SIGINT.
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	go func() {
		first, at := <-signals, time.Now()
		cancel(run.ErrInterrupted)
		told()
		for again := range signals {
			if again != first || again == os.Interrupt || time.Since(at) > oneSignal {
				break
			}
		}
		command.KillAll()
		os.Exit(exitInterrupted)
	}()
	return ctx, func() { signal.Stop(signals) }
}

// dashes lets -check and -diff be written as gofmt does.
func dashes(args []string) []string {
	out := append([]string(nil), args...)
	for i, a := range out {
		switch a {
		case "--":
			return out
		case "-check", "-diff", "-json", "-version", "-help":
			out[i] = "-" + a
		}
	}
	return out
}

// The exit codes. Where several apply, the first of 2, 4, 1, 5, 3 is given.
const (
	exitOK          = 0
	exitStage       = 1
	exitUsage       = 2
	exitExpectation = 3
	exitStore       = 4
	exitDifference  = 5
	exitInterrupted = 130
)

// exitError is an error with an exit code. Its text may be empty where
// everything was said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func withCode(code int, err error) error {
	var coded *exitError
	if err == nil || errors.As(err, &coded) {
		return err
	}
	return &exitError{code, err}
}

// silently ends with a code after everything was said.
func silently(code int) error {
	if code == 0 {
		return nil
	}
	return &exitError{code: code}
}

func exitCode(err error) int {
	var coded *exitError
	switch {
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, run.ErrInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitUsage // cobra's own: unknown command or flag, wrong number of arguments
}

// worst picks the code to exit with among those that apply.
func worst(codes ...int) int {
	for _, c := range []int{exitInterrupted, exitUsage, exitStore, exitStage, exitDifference, exitExpectation} {
		for _, have := range codes {
			if have == c {
				return c
			}
		}
	}
	return exitOK
}
