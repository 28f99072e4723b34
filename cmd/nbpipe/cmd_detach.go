package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/nbpipe/nbpipe/cache"
)

// detached is a run that goes on without its terminal. Its folder holds
//
//	lock   locked by the run for its life
//	log    what it prints
//	run    its process and host
//	code   the code that it ended with; not there while it runs, or where it was killed
type detached struct {
	experiment string // as given
	dir        string
}

// detachedRun finds the place of the experiment's detached run; there is one at a time.
func (a *app) detachedRun(experiment string) (*detached, error) {
	path, err := filepath.Abs(experiment)
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	name := cache.DigestOf([]byte(path)).Short()
	return &detached{experiment: experiment, dir: filepath.Join(a.settings.Cache, "detached", name)}, nil
}

func (d *detached) file(name string) string { return filepath.Join(d.dir, name) }

// lock locks the run's place. The lock is the file's: a process that inherits it
// holds it as long as it lives.
func (d *detached) lock() (*os.File, error) {
	f, err := os.OpenFile(d.file("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// ended reports whether the run has.
func (d *detached) ended() (bool, error) {
	f, err := d.lock()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.Close()
}

// where is the process and the host of the run.
func (d *detached) where() (pid int, host string) {
	text, err := os.ReadFile(d.file("run"))
	if err != nil {
		return 0, ""
	}
	number, host, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	pid, _ = strconv.Atoi(number)
	return pid, host
}

// detach starts the same command again without a terminal. What ends at once, such
// as a run with mistakes in its files, is shown like any other.
func (a *app) detach(ctx context.Context, args []string) error {
	d, err := a.detachedRun(parseTarget(args).experiment)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return withCode(exitStore, err)
	}
	lock, err := d.lock()
	if errors.Is(err, unix.EWOULDBLOCK) {
		pid, host := d.where()
		return withCode(exitUsage, fmt.Errorf("a detached run of %s is going on, process %d on %s: nbpipe attach %s shows it, nbpipe cancel %s ends it", d.experiment, pid, host, d.experiment, d.experiment))
	}
	if err != nil {
		return withCode(exitStore, err)
	}
	defer lock.Close()
	pid, err := d.start(lock)
	if err != nil {
		return withCode(exitStore, fmt.Errorf("starting a detached run: %w", err))
	}
	_ = lock.Close() // the run's own is what counts now
	const moment = 2 * time.Second
	soon, cancel := context.WithTimeout(ctx, moment)
	defer cancel()
	if code, err := d.follow(soon, io.Discard); err == nil {
		_, _ = d.follow(ctx, a.stderr)
		return silently(code)
	}
	a.note("detached, process %d: nbpipe attach %s shows it, nbpipe cancel %s ends it", pid, d.experiment, d.experiment)
	return nil
}

// start runs this command once more, in a session of its own, and hands it the lock.
func (d *detached) start(lock *os.File) (pid int, err error) {
	log, err := os.Create(d.file("log"))
	if err != nil {
		return 0, err
	}
	defer log.Close()
	_ = os.Remove(d.file("code"))
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	args := slices.DeleteFunc(slices.Clone(os.Args[1:]), func(s string) bool { return s == "--detach" || s == "--detach=true" })
	c := exec.Command(self, append(args, "--detached-in", d.dir)...)
	c.Stdout, c.Stderr, c.ExtraFiles = log, log, []*os.File{lock}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return 0, err
	}
	host, _ := os.Hostname()
	pid = c.Process.Pid
	if err := os.WriteFile(d.file("run"), fmt.Appendf(nil, "%d %s\n", pid, host), 0o600); err != nil {
		return pid, err
	}
	return pid, c.Process.Release()
}

// runDetached is the run that start started: it leaves its code in the folder.
func runDetached(dir string, run func() error) error {
	const lockFile = 3
	unix.CloseOnExec(lockFile) // what the run starts must not hold the lock
	err := run()
	code := 0
	if err != nil {
		code = exitCode(err)
	}
	return errors.Join(err, os.WriteFile(filepath.Join(dir, "code"), fmt.Appendln(nil, code), 0o600))
}

// follow copies what the run prints until it has ended, and returns its code.
func (d *detached) follow(ctx context.Context, w io.Writer) (code int, err error) {
	log, err := os.Open(d.file("log"))
	if err != nil {
		return 0, err
	}
	defer log.Close()
	for {
		ended, err := d.ended() // before the last look
		if err != nil {
			return 0, err
		}
		if _, err := io.Copy(w, log); err != nil {
			return 0, err
		}
		if ended {
			return d.code()
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (d *detached) code() (int, error) {
	text, err := os.ReadFile(d.file("code"))
	if err != nil {
		return exitStage, errors.New("the detached run was killed; run it again: it goes on where it was")
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func (a *app) attachCommand() *cobra.Command {
	var node string
	cmd := &cobra.Command{
		Use:   "attach [EXPERIMENT]",
		Short: "Show a detached run until it ends; Ctrl-C leaves it alone",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if node != "" {
				d, err := a.detachedRun(parseTarget(args).experiment)
				if err != nil {
					return err
				}
				return a.followLog(cmd.Context(), d, node)
			}
			d, err := a.knownRun(args)
			if err != nil {
				return err
			}
			a.leaves("the run goes on: nbpipe attach %s shows it again, nbpipe cancel %s ends it", d.experiment, d.experiment)
			code, err := d.follow(cmd.Context(), a.stdout)
			if cmd.Context().Err() != nil {
				return silently(exitInterrupted)
			}
			if err != nil {
				return withCode(max(code, exitStage), err)
			}
			return silently(code)
		},
	}
	cmd.Flags().StringVar(&node, "log", "", "show instead what this node prints on its executor, as it comes, also of a run in another terminal")
	return cmd
}

// knownRun is the detached run that a command is about.
func (a *app) knownRun(args []string) (*detached, error) {
	d, err := a.detachedRun(parseTarget(args).experiment)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(d.file("log")); err != nil {
		return nil, withCode(exitUsage, fmt.Errorf("no run of %s was detached (nbpipe run %s --detach) with this cache, %s", d.experiment, d.experiment, a.settings.Cache))
	}
	return d, nil
}

func (a *app) cancelCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cancel [EXPERIMENT]",
		Short: "End a detached run, with what it has started on other machines",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.knownRun(args)
			if err != nil {
				return err
			}
			return a.cancel(cmd.Context(), d)
		},
	}
}

func (a *app) cancel(ctx context.Context, d *detached) error {
	if ended, err := d.ended(); err != nil || ended {
		if err == nil {
			err = fmt.Errorf("the detached run of %s has ended", d.experiment)
		}
		return withCode(exitUsage, err)
	}
	pid, host := d.where()
	if here, _ := os.Hostname(); host != here {
		return withCode(exitUsage, fmt.Errorf("the run is process %d on %s: cancel it there", pid, host))
	}
	if pid <= 0 {
		return withCode(exitStore, fmt.Errorf("%s does not say which process it is", d.file("run")))
	}
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
		return withCode(exitStore, fmt.Errorf("process %d cannot be told to end: %w", pid, err))
	}
	a.leaves("the run is ending: nbpipe attach %s shows how", d.experiment)
	_, err := d.follow(ctx, a.stdout)
	if ctx.Err() != nil {
		return silently(exitInterrupted)
	}
	return err
}
