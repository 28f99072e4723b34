package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The script starts processes in sessions of their own, one of them an orphan at once,
// and writes their numbers to a file. Then it ends as its argument says.
const leaves = `
setsid sh -c 'echo $$ >> pids; trap "" TERM; exec sleep 300' &
(setsid sh -c 'echo $$ >> pids; sleep 301 & echo $! >> pids; wait' &)
while test $(wc -l < pids 2> /dev/null || echo 0) -lt 3; do sleep 0.01; done
touch ready
case $1 in exit) exit 3;; signal) kill -SEGV $$;; esac
sleep 302
`

// startLeaving starts the script in dir.
func startLeaving(t testing.TB, dir, how string) (*exec.Cmd, *Running) {
	t.Helper()
	cmd := &exec.Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", leaves, "sh", how}, Dir: dir, Env: []string{"PATH=/usr/bin:/bin"}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	running, err := (&Sandbox{}).Start(cmd, Policy{Write: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	within(t, func() bool { _, err := os.Stat(filepath.Join(dir, "ready")); return err == nil })
	return cmd, running
}

func within(t testing.TB, f func() bool) {
	t.Helper()
	for range 2000 {
		if f() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it did not happen")
}

// gone reports whether none of the script's processes is there, and how many were.
func gone(t testing.TB, dir string) (bool, int) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "pids"))
	if err != nil {
		t.Fatal(err)
	}
	numbers := strings.Fields(string(b))
	for _, n := range numbers {
		pid, err := strconv.Atoi(n)
		if err != nil || pid < 2 {
			t.Fatalf("pids: %q", b)
		}
		if syscall.Kill(pid, 0) == nil {
			return false, len(numbers)
		}
	}
	return true, len(numbers)
}

// What a program starts ends with it, in whatever session it is.
func TestWhole(t *testing.T) {
	for name, tt := range map[string]struct {
		stop func(*Running)
		want func(syscall.WaitStatus) bool
	}{
		"exit":    {func(*Running) {}, func(w syscall.WaitStatus) bool { return w.ExitStatus() == 3 }},
		"signal":  {func(*Running) {}, func(w syscall.WaitStatus) bool { return w.Signal() == syscall.SIGSEGV }},
		"term":    {(*Running).Terminate, func(w syscall.WaitStatus) bool { return w.Signal() == syscall.SIGTERM }},
		"kill":    {(*Running).Kill, func(w syscall.WaitStatus) bool { return w.Signal() == syscall.SIGKILL }},
		"stopped": {func(r *Running) { _ = r.helper.Signal(syscall.SIGSTOP); r.Kill() }, func(w syscall.WaitStatus) bool { return w.Signal() == syscall.SIGKILL }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cmd, running := startLeaving(t, dir, name)
			tt.stop(running)
			_ = cmd.Wait()
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !tt.want(status) {
				t.Errorf("it ended with %v", cmd.ProcessState)
			}
			if all, n := gone(t, dir); !all || n != 3 {
				t.Errorf("some of %d processes are still there", n)
			}
			if end := running.End(); end.Left != (name != "kill" && name != "stopped") {
				t.Errorf("left behind: %v", end.Left)
			}
		})
	}
}

// TestOrphaned is nbpipe, killed, in a process of its own.
func TestOrphaned(t *testing.T) {
	const variable = "NBPIPE_TEST_ORPHANED"
	if dir := os.Getenv(variable); dir != "" {
		startLeaving(t, dir, "stay")
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestOrphaned$")
	cmd.Env = append(os.Environ(), variable+"="+dir)
	if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("%v: %s", err, out)
	}
	within(t, func() bool { all, _ := gone(t, dir); return all })
}
