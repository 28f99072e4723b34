package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nbpipe/nbpipe/stages/command"
)

const (
	// connectTimeout is how long a host may take to answer.
	connectTimeout = 10 * time.Second
	// callLimit is how long a call may take that only looks or starts something.
	callLimit = 30 * time.Second
	// slowest is the slowest line over which the program is copied, in bytes a second.
	slowest = 100 << 10
	// most is how much of what a host prints is read, in bytes.
	most = 4 << 20
)

// line is the way to a host: the user's ssh program, with one connection for all
// calls.
type line struct {
	host    string
	socket  string
	environ []string
	connect time.Duration // for the host to answer
	limit   time.Duration // for a call
}

// options are those of each call. Host keys and everything else are as the user's ssh
// has them.
func (l *line) options() []string {
	return []string{
		"-T", "-o", "BatchMode=yes", "-o", fmt.Sprintf("ConnectTimeout=%d", int(l.connect.Seconds())),
		"-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3",
		"-o", "ControlMaster=auto", "-o", "ControlPath=" + l.socket, "-o", "ControlPersist=2m",
		"-o", "ForwardAgent=no", "-o", "ForwardX11=no", "-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no", "-o", "RemoteCommand=none",
	}
}

// script runs a script of the Bourne shell, whatever the user's login shell is, and
// returns what it said (see say).
func (l *line) script(ctx context.Context, text string) ([]string, error) {
	out, err := l.run(ctx, l.limit, strings.NewReader(text), append(l.options(), "--", l.host, "exec /bin/sh -s")...)
	return said(out), err
}

// put writes a file of a folder that is there; size is the number of bytes, and path has no
// character that a shell would take for anything else.
func (l *line) put(ctx context.Context, path string, r io.Reader, size int64) error {
	return l.send(ctx, "exec cat >"+path, r, size)
}

// add writes at the end of a file.
func (l *line) add(ctx context.Context, path string, r io.Reader, size int64) error {
	return l.send(ctx, "exec cat >>"+path, r, size)
}

func (l *line) send(ctx context.Context, command string, r io.Reader, size int64) error {
	limit := l.limit + time.Duration(size/slowest)*time.Second
	_, err := l.run(ctx, limit, r, append(l.options(), "--", l.host, command)...)
	return err
}

// hangUp ends the connection; the next call makes another one.
func (l *line) hangUp(ctx context.Context) {
	_, _ = l.run(ctx, 5*time.Second, nil, "-o", "ControlPath="+l.socket, "-O", "exit", "--", l.host)
}

// away says that a host does not answer, or refuses to talk to the user.
type away struct{ detail string }

func (a *away) Error() string { return a.detail }

// run calls ssh. It ends in time, with all that it started.
func (l *line) run(ctx context.Context, limit time.Duration, in io.Reader, args ...string) (string, error) {
	path, err := command.LookPath("ssh", l.environ)
	if err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(limited, path, args...)
	cmd.Env, cmd.Stdin = append(slices.Clone(l.environ), "LC_ALL=C"), in
	out, complaint := &command.Beginning{Most: most}, &command.Beginning{Most: 4 << 10}
	cmd.Stdout, cmd.Stderr = out, complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the terminal's signals are nbpipe's
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	// A master of some versions keeps the pipes of the call that started it.
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return out.String(), nil
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case limited.Err() != nil:
		return "", &away{fmt.Sprintf("it does not answer within %v", limit)}
	}
	return out.String(), explain(complaint.String(), err)
}

// explain is what ssh complained about, with a remedy where there is one.
func explain(complaint string, err error) error {
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(complaint, "?")), "\n")
	detail := strings.TrimSpace(lines[len(lines)-1])
	if detail == "" {
		detail = err.Error()
	}
	switch {
	case strings.Contains(complaint, "Host key verification failed"):
		detail += ": connect to it by hand once, so that ssh knows its key"
	case strings.Contains(complaint, "Permission denied"):
		detail += ": ssh has to get in without a password, by a key in your ssh agent or without a passphrase"
	}
	return &away{detail}
}
