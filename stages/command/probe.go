package command

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nbpipe/nbpipe/stages"
)

const (
	probeTimeout = time.Minute // importing a large framework from a cold disk
	probeMax     = 64 << 10    // bytes of output
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

// Probe runs a tool's probe in the environment that commands get, without
// scratch folder and inputs, and returns its standard output, trimmed. environ is
// nbpipe's environment, as os.Environ gives it.
func Probe(ctx context.Context, probe stages.Probe, environ []string) (string, error) {
	argv := probe.Argv
	environ = Environ(environ, probe.Path)
	if len(argv) == 0 {
		return "", fmt.Errorf("the probe is empty")
	}
	program, err := LookPath(argv[0], environ)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, probeTimeout, &timeoutError{probeTimeout.String()})
	defer cancel()
	env := plainEnvironment(environ)
	env["HOME"] = "/nonexistent" // no settings of one user
	for _, name := range probe.Pass {
		if v, ok := lookup(environ, name); ok {
			env[name] = v
		}
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Args, cmd.Env, cmd.Dir, cmd.SysProcAttr = argv, list(env), "/", &syscall.SysProcAttr{Setsid: true}
	cmd.WaitDelay = drain
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, last := &Beginning{Most: probeMax}, newCapture(nil)
	cmd.Stdout, cmd.Stderr = out, last
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s: %w", shown(argv, ""), context.Cause(ctx))
	case err != nil:
		return "", fmt.Errorf("%s: %w%s", shown(argv, ""), err, last.lastLines())
	case out.Over:
		return "", fmt.Errorf("%s: it prints more than %d bytes, and should print a version", shown(argv, ""), probeMax)
	}
	return strings.TrimSpace(strings.ToValidUTF8(out.String(), "?")), nil
}
