package slurmtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Cluster is a Slurm cluster that runs.
type Cluster struct {
	Dir string

	options Options
	host    string
	mu      sync.Mutex
	daemons map[string]*daemon // by name: munged, slurmctld, n1, n2, ...
}

// Programs are what a cluster needs on the PATH; Debian has them in Packages.
var (
	programs = []string{"munged", "slurmctld", "slurmd", "sbatch", "squeue", "sinfo", "scancel", "scontrol"}
	packages = "slurm-wlm and munge"
)

// Missing says what a cluster cannot be brought up without, or nil.
func Missing() error {
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			return fmt.Errorf("%s is not on the PATH: install Debian's packages %s", p, packages)
		}
	}
	if os.Geteuid() != 0 {
		return errors.New("only root can run slurmd")
	}
	return nil
}

// Up brings a cluster up that ends with the test. It takes minutes, and needs Slurm
// on this machine: without NBPIPE_CI the test is skipped.
func Up(t testing.TB, o Options) *Cluster {
	t.Helper()
	if os.Getenv("NBPIPE_CI") == "" {
		t.Skip("SKIPPED: tests on a Slurm cluster run where NBPIPE_CI is set")
	}
	if err := Missing(); err != nil {
		t.Fatalf("slurmtest: %v", err)
	}
	_ = t.TempDir()                       // the test's folders are removed after the cluster has ended, and its jobs
	dir, err := os.MkdirTemp("", "slurm") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c, err := Start(context.Background(), dir, o)
	if err != nil {
		t.Fatalf("slurmtest: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("slurmctld said:\n%s", tail(c.path("log/slurmctld")))
		}
		c.Stop()
	})
	return c
}

// Start brings a cluster up in an existing folder.
func Start(ctx context.Context, dir string, o Options) (*Cluster, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	c := &Cluster{Dir: dir, options: o.filled(), host: strings.SplitN(host, ".", 2)[0], daemons: map[string]*daemon{}}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	for _, d := range []string{"state", "log", "munge", "spool"} {
		if err := os.MkdirAll(c.path(d), 0o755); err != nil {
			return nil, err
		}
	}
	ports, err := freePorts(c.options.Machines + 1)
	if err != nil {
		return nil, err
	}
	if err := c.configure(ports); err != nil {
		return nil, err
	}
	if err := c.startAll(ctx); err != nil {
		c.Stop()
		return nil, fmt.Errorf("%w\n%s", err, tail(c.path("log/slurmctld")))
	}
	return c, nil
}

func (c *Cluster) startAll(ctx context.Context) error {
	if err := c.startMunge(ctx); err != nil {
		return err
	}
	if err := c.StartController(); err != nil {
		return err
	}
	for i := range c.options.Machines {
		if err := c.StartMachine(i); err != nil {
			return err
		}
	}
	return c.WaitIdle(ctx, c.options.Machines)
}

// startMunge runs a munge of the cluster's own: key, socket and seed in its folder.
func (c *Cluster) startMunge(ctx context.Context) error {
	private := c.path("munge/private")
	if err := os.MkdirAll(private, 0o700); err != nil {
		return err
	}
	key := make([]byte, 1024)
	_, _ = rand.Read(key) // never fails
	if err := os.WriteFile(filepath.Join(private, "key"), key, 0o600); err != nil {
		return err
	}
	socket := c.path("munge/socket")
	err := c.start("munged", "munged", "--foreground", "--force", "--num-threads=2", "--key-file="+filepath.Join(private, "key"), "--socket="+socket,
		"--pid-file="+filepath.Join(private, "pid"), "--log-file="+filepath.Join(private, "log"), "--seed-file="+filepath.Join(private, "seed"))
	if err != nil {
		return err
	}
	return until(ctx, "munged answers", func() bool { return exec.Command("munge", "-n", "-S", socket).Run() == nil })
}

// StartController starts slurmctld, with the state that an earlier one left.
func (c *Cluster) StartController() error {
	return c.start("slurmctld", "slurmctld", "-D", "-f", c.path("slurm.conf"))
}

// StartMachine starts the i-th machine's slurmd, from 0.
func (c *Cluster) StartMachine(i int) error {
	words := []string{"slurmd", "-D", "-f", c.path("slurm.conf"), "-N", machine(i)}
	if c.options.Hidden != "" { // in a mount namespace of its own
		words = append([]string{"unshare", "--mount", "sh", "-c", `mount -t tmpfs none "$0" && exec "$@"`, c.options.Hidden}, words...)
	}
	return c.start(machine(i), words[0], words[1:]...)
}

// WaitIdle waits until n machines have nothing to do.
func (c *Cluster) WaitIdle(ctx context.Context, n int) error {
	return until(ctx, fmt.Sprintf("%d machines are idle", n), func() bool {
		out, err := c.Command(ctx, "sinfo", "-h", "-N", "-p", Partition, "-o", "%T").Output()
		return err == nil && strings.Count(string(out), "idle\n") >= n
	})
}

// KillController kills slurmctld as a crash would.
func (c *Cluster) KillController() { c.kill("slurmctld") }

// Undrain does until ctx ends what an administrator does after a crash: slurmctld drains
// machines that run jobs which it had not written down.
func (c *Cluster) Undrain(ctx context.Context) {
	for ctx.Err() == nil {
		out, _ := c.Command(ctx, "sinfo", "-h", "-N", "-p", Partition, "-t", "drain", "-o", "%N").Output() // it may not answer yet
		for _, name := range strings.Fields(string(out)) {
			_ = c.Command(ctx, "scontrol", "update", "NodeName="+name, "State=RESUME").Run() // it is tried again
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// KillDaemon kills the i-th machine's slurmd; the jobs that it started go on.
func (c *Cluster) KillDaemon(i int) { c.kill(machine(i)) }

// KillMachine kills everything that runs on the i-th machine, as when its power
// fails.
func (c *Cluster) KillMachine(i int) {
	c.kill(machine(i))
	c.killProcesses("SLURMD_NODENAME=" + machine(i) + "\x00")
}

// Stop ends everything that the cluster started.
func (c *Cluster) Stop() {
	c.mu.Lock()
	names := make([]string, 0, len(c.daemons))
	for n := range c.daemons {
		names = append(names, n)
	}
	c.mu.Unlock()
	for _, n := range names {
		if n != "munged" {
			c.kill(n)
		}
	}
	c.killProcesses("")
	c.kill("munged")
}

// Environment is this process's, with what makes Slurm's programs talk to the
// cluster.
func (c *Cluster) Environment() []string {
	return append(os.Environ(), "SLURM_CONF="+c.path("slurm.conf"))
}

// Command is one of Slurm's programs.
func (c *Cluster) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = c.Environment()
	return cmd
}

// freePorts finds ports that nobody listens on, below those that the system gives to
// outgoing connections: a daemon that was killed finds its own free when it is started
// again, whatever else this machine does meanwhile.
func freePorts(n int) ([]int, error) {
	const lowest, many = 10000, 22000
	var out []int
	var err error
	for range 100 + 2*n {
		var l net.Listener
		port := lowest + mathrand.IntN(many)
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err != nil {
			continue
		}
		defer func() { _ = l.Close() }() // after all are chosen: no port twice
		if out = append(out, port); len(out) == n {
			return out, nil
		}
	}
	return nil, fmt.Errorf("there are no %d free ports: %w", n, err)
}

// startLimit is how long a cluster may take to come up, on a machine that has other
// things to do.
const startLimit = time.Minute

func until(ctx context.Context, what string, is func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for !is() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %v", what, startLimit)
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-4096):])
}

type daemon struct {
	cmd *exec.Cmd
	end chan struct{}
}

func (c *Cluster) start(name, program string, args ...string) error {
	log, err := os.OpenFile(c.path("log/"+name+".out"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = c.Environment(), c.Dir, log, log
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		return err
	}
	d := &daemon{cmd, make(chan struct{})}
	go func() { _ = cmd.Wait(); close(d.end) }()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.daemons[name] = d
	return nil
}

func (c *Cluster) kill(name string) {
	c.mu.Lock()
	d := c.daemons[name]
	delete(c.daemons, name)
	c.mu.Unlock()
	if d != nil {
		_ = d.cmd.Process.Kill()
		<-d.end
	}
}

// killProcesses kills what jobs of the cluster left running: processes with the
// cluster's slurm.conf and a job in their environment, and with mark if there is
// one; their keepers, slurmstepd, first, so that nobody tells how they ended.
func (c *Cluster) killProcesses(mark string) {
	keepers, jobs := c.find(mark)
	for _, pid := range append(keepers, jobs...) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func (c *Cluster) find(mark string) (keepers, jobs []int) {
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range procs {
		pid, err := strconv.Atoi(filepath.Base(p))
		if err != nil {
			continue
		}
		env, err := os.ReadFile(filepath.Join(p, "environ"))
		if err != nil || !bytes.Contains(env, []byte("SLURM_CONF="+c.path("slurm.conf"))) {
			continue
		}
		switch {
		case isKeeper(pid) && mark == "":
			keepers = append(keepers, pid)
		case bytes.Contains(env, []byte("SLURM_JOB_ID=")) && bytes.Contains(env, []byte(mark)):
			jobs = append(jobs, pid)
			if parent := parentOf(pid); isKeeper(parent) {
				keepers = append(keepers, parent)
			}
		}
	}
	return keepers, jobs
}

func isKeeper(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return err == nil && strings.TrimSpace(string(b)) == "slurmstepd"
}

func parentOf(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

// ForgetState removes what a killed slurmctld has saved, so that the next one counts
// jobs from 1.
func (c *Cluster) ForgetState() {
	_ = os.RemoveAll(c.path("state"))
	_ = os.Mkdir(c.path("state"), 0o755)
}

// KillJobs kills up to n processes that jobs started, as the kernel does when there is
// no memory left.
func (c *Cluster) KillJobs(n int) {
	jobs := c.Jobs()
	for _, pid := range jobs[:min(n, len(jobs))] {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// Jobs are the process IDs of all that jobs started.
func (c *Cluster) Jobs() []int {
	_, jobs := c.find("")
	return jobs
}
