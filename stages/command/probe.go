package command

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/sandbox"
)

const (
	probeTimeout = time.Minute // importing a large framework from a cold disk
	probeMax     = 64 << 10    // bytes of output
	probeMemory  = 16 << 30    // bytes; a framework with its GPU libraries takes some
)

// LookPath returns the absolute path of a program as commands and probes find
// it: environ is nbpipe's environment, as os.Environ gives it.
func LookPath(name string, environ []string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			return "", fmt.Errorf("%s: a tool is found in PATH or by an absolute path", name)
		}
		return name, executable(name, name)
	}
	dirs := searchPath(environ)
	if p, ok := findIn(dirs, name); ok {
		return p, nil
	}
	return "", fmt.Errorf("there is no program %q in PATH (%s)", name, strings.Join(dirs, string(filepath.ListSeparator)))
}

// Environ is nbpipe's environment with another PATH, if one is given.
func Environ(environ []string, path string) []string {
	if path == "" {
		return environ
	}
	return append([]string{"PATH=" + path}, environ...) // the first one counts
}

// Constant reports whether what a probe prints depends on nothing but its
// program's file, as far as one can tell: `tool` alone, or asked for its version.
func Constant(argv []string) bool {
	if len(argv) == 1 {
		return true
	}
	return len(argv) == 2 && slices.Contains([]string{"--version", "-version", "version", "-V", "-v", "--help"}, argv[1])
}

// Probe runs a tool's probe in the environment that commands get, without inputs, and
// returns its standard output, trimmed. environ is nbpipe's environment, as os.Environ
// gives it. In box, which may be nil, it reads what the stage's programs may, has no
// network, and writes nothing but a folder that is removed.
func Probe(ctx context.Context, probe stages.Probe, environ []string, box *sandbox.Sandbox) (string, error) {
	argv := probe.Argv
	environ = Environ(environ, probe.Path)
	if len(argv) == 0 {
		return "", fmt.Errorf("the probe is empty")
	}
	program, err := LookPath(argv[0], environ)
	if err != nil {
		return "", err
	}
	scratch, err := os.MkdirTemp("", "nbpipe-probe-")
	if err != nil {
		return "", fmt.Errorf("making a folder for a probe: %w", err)
	}
	defer forceRemove(scratch)
	ctx, cancel := context.WithTimeoutCause(ctx, probeTimeout, &timeoutError{probeTimeout.String()})
	defer cancel()
	// Answers are parts of keys: so it starts where all do, and not in a folder of its own.
	cmd := &exec.Cmd{Path: program, Args: argv, Dir: "/", WaitDelay: drain, SysProcAttr: newSession()}
	cmd.Env = probeEnvironment(probe, environ, scratch)
	out, last := &Beginning{Most: probeMax}, newCapture(nil)
	cmd.Stdout, cmd.Stderr = out, last
	end, err := runProbe(ctx, cmd, probePolicy(probe, program, environ, scratch, box), box)
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s: %w", shown(argv, ""), context.Cause(ctx))
	case err != nil:
		return "", fmt.Errorf("%s: %w%s%s", shown(argv, ""), err, last.lastLines(), probeDenials(probe, end))
	case out.Over:
		return "", fmt.Errorf("%s: it prints more than %d bytes, and should print a version", shown(argv, ""), probeMax)
	}
	return strings.TrimSpace(strings.ToValidUTF8(out.String(), "?")), nil
}

// runProbe runs cmd to its end, or until ctx is done.
func runProbe(ctx context.Context, cmd *exec.Cmd, policy sandbox.Policy, box *sandbox.Sandbox) (sandbox.End, error) {
	sealDescriptors()
	runtime.LockOSThread() // without a sandbox, the program ends with this thread
	defer runtime.UnlockOSThread()
	var running *sandbox.Running
	var err error
	if box == nil {
		err = cmd.Start()
	} else {
		running, err = box.Start(cmd, policy)
	}
	if err != nil {
		return sandbox.End{}, err
	}
	stop := context.AfterFunc(ctx, func() {
		if running.Supervised() {
			running.Kill()
			return
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	})
	err = cmd.Wait()
	stop()
	return running.End(), err
}

func probeEnvironment(probe stages.Probe, environ []string, scratch string) []string {
	env := plainEnvironment(environ)
	env["HOME"] = "/nonexistent" // no settings of one user
	for _, name := range probe.Pass {
		if v, ok := lookup(environ, name); ok {
			env[name] = v
		}
	}
	env["TMPDIR"] = scratch
	return list(env)
}

// probePolicy is what a probe may do: what the stage's programs may, as far as it is
// known before there is one, and what the variables name that it is given.
func probePolicy(probe stages.Probe, program string, environ []string, scratch string, box *sandbox.Sandbox) sandbox.Policy {
	if box == nil {
		return sandbox.Policy{}
	}
	read := append(box.Programs([]string{program}, searchPath(environ)), expand(probe.Read, environ)...)
	for _, name := range probe.Pass {
		v, _ := lookup(environ, name)
		if name == "HOME" { // what pip installs for one user
			v = filepath.Join(v, ".local", "lib")
		}
		for _, p := range filepath.SplitList(v) {
			if filepath.IsAbs(p) && !box.IsPrivate(p) {
				read = append(read, p)
			}
		}
	}
	return sandbox.Policy{Read: read, Write: []string{scratch}, Memory: probeMemory}
}

// probeDenials says what the sandbox may have to do with a probe's failure.
func probeDenials(probe stages.Probe, end sandbox.End) string {
	end.List = slices.DeleteFunc(end.List, func(d sandbox.Denial) bool { return d.Path == "/" }) // Python looks around where it starts
	text := refusals(end.Denials, func(d sandbox.Denial) string {
		switch {
		case d.Kind == sandbox.ToWrite:
			return d.Path + ": a probe writes to $TMPDIR only"
		case slices.Contains(probe.Pass, "PYTHONPATH"): // an engine's, which has no sandbox_read
			return d.Path + ": name its folder in PYTHONPATH"
		}
		return fmt.Sprintf("%s: allow it by sandbox_read = [%q]", d.Path, d.Path)
	})
	if text == "" {
		return ""
	}
	return "\nPerhaps because " + text
}
