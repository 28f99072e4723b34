package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/stages"
)

// Kind is the block `executor "process" "NAME"`.
var Kind = launch.Define[Settings](launch.Kind{
	Type: "process",
	Doc:  "Workers are processes of this machine: to try out, without a cluster, what goes over the shared store.",
})

// Settings are the block's attributes.
type Settings struct {
	Slots int `attr:"slots,optional" default:"2" doc:"How many workers there are at a time."`
	GPUs  int `attr:"gpus,optional" default:"0" doc:"How many GPUs a stage may ask for."`
}

const maxSlots = 1024

// Check implements launch.Settings.
func (s *Settings) Check() []stages.Problem {
	var out []stages.Problem
	if s.Slots < 1 || s.Slots > maxSlots {
		out = append(out, stages.Problem{Attribute: "slots", Summary: "Wrong number of slots", Detail: fmt.Sprintf("slots is a whole number from 1 to %d, not %d.", maxSlots, s.Slots)})
	}
	if s.GPUs < 0 {
		out = append(out, stages.Problem{Attribute: "gpus", Summary: "Wrong number of GPUs", Detail: fmt.Sprintf("gpus is a whole number that is not negative, not %d.", s.GPUs)})
	}
	return out
}

// Launcher implements launch.Settings.
func (s *Settings) Launcher(site launch.Site) (launch.Launcher, error) {
	dir := filepath.Join(site.Dir, "workers")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("executor %q: making the workers' folder: %w", site.Name, err)
	}
	return &launcher{Settings: *s, site: site, dir: dir}, nil
}

type launcher struct {
	Settings
	site launch.Site
	dir  string
	mu   sync.Mutex
}

// Slots implements launch.Launcher.
func (l *launcher) Slots() int { return l.Settings.Slots }

// Check implements launch.Launcher.
func (l *launcher) Check(_ context.Context, needs []stages.Resources) error {
	if err := launch.OneSlot(l.site.Name, l.Settings.Slots, needs); err != nil {
		return err
	}
	for _, n := range needs {
		if n.GPUs > l.GPUs {
			return fmt.Errorf("executor %q: a stage asks for %d GPUs and this machine has %d; say gpus = %d in the executor's block if there are as many", l.site.Name, n.GPUs, l.GPUs, n.GPUs)
		}
	}
	if _, err := os.Stat(l.site.Program); err != nil {
		return fmt.Errorf("executor %q: the nbpipe program cannot be started: %w", l.site.Name, err)
	}
	return nil
}

// Names of what is in a worker's folder.
const (
	lockName = "lock" // held by the worker for as long as it lives
	pidName  = "pid"  // believed only while the lock is held
	logName  = "log"
)

// Start implements launch.Launcher.
func (l *launcher) Start(_ context.Context, workers []launch.Worker) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range workers {
		if slices.Contains(w.Avoid, hostname()) {
			return fmt.Errorf("executor %q: %w", l.site.Name, &launch.NoMachine{Detail: "an executor \"process\" has this one only"})
		}
		if err := l.start(w); err != nil {
			return fmt.Errorf("executor %q: starting worker %s: %w", l.site.Name, w.ID, err)
		}
	}
	return nil
}

// start gives the worker a lock that it inherits: the kernel lets go of it when the
// worker and all that it started have ended.
func (l *launcher) start(w launch.Worker) error {
	dir := filepath.Join(l.dir, w.ID)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(dir, logName), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(l.site.Program, w.Args...)
	cmd.Env, cmd.Dir = append(slices.Clone(l.site.Environment), launch.HostVariable+"="+hostname()), dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{lock}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // the terminal's signals are the controller's
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // so that it leaves no zombie; how it ended says nothing
	return os.WriteFile(filepath.Join(dir, pidName), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600)
}

// Poll implements launch.Launcher.
func (l *launcher) Poll(context.Context) ([]launch.Status, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, err
	}
	host := hostname()
	var out []launch.Status
	for _, f := range found {
		dir := filepath.Join(l.dir, f.Name())
		if alive(dir) {
			out = append(out, launch.Status{ID: f.Name(), State: launch.Running, Host: host})
			continue
		}
		out = append(out, launch.Status{ID: f.Name(), State: launch.Ended, Reason: launch.LastWordsIn(filepath.Join(dir, logName)), Host: host})
		_ = os.RemoveAll(dir)
	}
	return out, nil
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}

func alive(dir string) bool {
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer lock.Close()
	return errors.Is(unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// grace is how long a worker has to end what it does after it was told to.
const grace = 5 * time.Second

// Cancel implements launch.Launcher.
func (l *launcher) Cancel(ctx context.Context, ids []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, id := range ids {
		dir := filepath.Join(l.dir, id)
		b, err := os.ReadFile(filepath.Join(dir, pidName))
		if err != nil || !alive(dir) {
			continue
		}
		pid, err := strconv.Atoi(string(b))
		if err != nil || pid <= 1 {
			continue
		}
		errs = append(errs, l.end(ctx, dir, pid))
	}
	return errors.Join(errs...)
}

func (l *launcher) end(ctx context.Context, dir string, pid int) error {
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	for deadline := l.site.Now().Add(grace); l.site.Now().Before(deadline) && alive(dir); {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	if alive(dir) {
		_ = syscall.Kill(-pid, syscall.SIGKILL) // its session
	}
	return nil
}

// Close implements launch.Launcher.
func (l *launcher) Close() error { return nil }
