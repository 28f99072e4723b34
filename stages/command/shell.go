package command

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/sandbox"
)

// Shell runs a shell, or any program at an absolute path, where the stage's own
// would run: with its inputs, its environment and its sandbox. Unlike a stage it
// has the caller's terminal and standard files. The error of the program itself is
// an *exec.ExitError; what the sandbox refused is told with ok or without.
func (s *Stage) Shell(ctx context.Context, in *stages.Input, program string, files [3]*os.File) (refused string, err error) {
	r := &runner{s: s, in: in, out: stages.NewOutput(), work: filepath.Join(in.Scratch, "work"), declared: s.declared()}
	defer func() { r.tidy(false) }()
	if err := r.prepare(ctx); err != nil {
		return "", explain(err)
	}
	if s.Script != "" {
		if _, err := r.argv(); err != nil {
			return "", err
		}
	}
	env := append(r.environment(), "PS1=[nbpipe] \\w $ ")
	if term, ok := lookup(in.Services.Environment, "TERM"); ok {
		env = append(env, "TERM="+term)
	}
	cmd := &exec.Cmd{Path: program, Args: []string{program}, Env: env, Dir: r.work, Stdin: files[0], Stdout: files[1], Stderr: files[2]}
	cmd.SysProcAttr = newSession()
	cmd.SysProcAttr.Setsid = false // it keeps the terminal
	sealDescriptors()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := r.confined(program, "/dev/tty")
	if start == nil {
		return "", cmd.Run()
	}
	running, err := start(cmd)
	if err != nil {
		return "", fmt.Errorf("starting %s: %w", program, err)
	}
	err = cmd.Wait()
	r.end = running.End()
	r.end.List = slices.DeleteFunc(r.end.List, func(d sandbox.Denial) bool { return d.Path == program })
	return r.denied(), err
}
