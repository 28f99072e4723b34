package worker_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/pipeline/executor/worker"
)

// use runs a shell script between two looks at what was used.
func use(t *testing.T, u *worker.Usage, script string) (cpu float64, rss int64) {
	t.Helper()
	u.Begin()
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return u.So()
}

// What an action uses is its own: memory is that of its largest process, and neither
// the CPU time nor the memory of an earlier action counts.
func TestUsage(t *testing.T) {
	// A program counts as being as large as the process that starts it: this one is not
	// to have grown in other tests.
	const alone = "NBPIPE_TEST_USAGE_ALONE"
	if os.Getenv(alone) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestUsage$")
		cmd.Env = append(os.Environ(), alone+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	u := &worker.Usage{Processes: func() []int64 { return nil }} // as between two signs of life
	const large = 300 << 20
	hold := func(size string) string { return "head -c " + size + " /dev/zero | tail -c " + size + " >/dev/null" }
	if _, rss := use(t, u, hold("300M")); rss < large || rss > 2*large {
		t.Errorf("%d MiB for a program that holds 300", rss>>20)
	}
	if _, rss := use(t, u, hold("100M")); rss >= large {
		t.Errorf("%d MiB for a program that holds 100, after one that held 300", rss>>20)
	}
	busy, _ := use(t, u, "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done")
	idle, _ := use(t, u, "sleep 0.2")
	if busy < 0.05 || idle > busy {
		t.Errorf("%.2f s of CPU for a program that computes, %.2f for one that sleeps", busy, idle)
	}
	if cpu, rss := (*worker.Usage)(nil).So(); cpu != 0 || rss != 0 {
		t.Errorf("nobody counts: %g, %d", cpu, rss)
	}
}

// The processes that count are this one and those below it, whatever they are called.
func TestProcessSizes(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("SKIPPED: this system has no /proc")
	}
	program := filepath.Join(t.TempDir(), "a) R 1 (b")
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(sleep, program); err != nil {
		t.Fatal(err)
	}
	before := len(worker.ProcessSizes(os.Getpid()))
	cmd := exec.Command("sh", "-c", `"$0" 1000 & wait`, program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); _ = cmd.Wait() }()
	want := before + 2
	for deadline := time.Now().Add(time.Minute); len(worker.ProcessSizes(os.Getpid())) != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d processes, want %d", len(worker.ProcessSizes(os.Getpid())), want)
		}
	}
	below := worker.ProcessSizes(cmd.Process.Pid)
	if len(below) != 2 || slices.Min(below) <= 0 {
		t.Errorf("the shell and what it started: %v", below)
	}
	if got := worker.ProcessSizes(-1); len(got) != 0 {
		t.Errorf("nobody's: %v", got)
	}
}

// A record tells what was used, and on which machine.
func TestUsageFacts(t *testing.T) {
	u := &worker.Usage{Processes: func() []int64 { return []int64{5, 7, 3} }}
	u.Begin()
	got := u.Facts(queue.Used{Host: "ant", System: "Linux 6", GPU: "A100", GPUDriver: "550"})
	for name, want := range map[string]string{"machine.system": "Linux 6", "machine.gpu": "A100", "machine.gpu_driver": "550", "machine.host": "ant", "used.max_rss": "7"} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if _, ok := got["used.cpu_seconds"]; !ok || len(got) != 6 {
		t.Errorf("%v", got)
	}
	if got := u.Facts(queue.Used{}); len(got) != 3 {
		t.Errorf("of a machine without GPU: %v", got)
	}
}
