package lease

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/gpu"
)

// TestMain is a second process, too: this program started with what it is to do.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || !strings.HasPrefix(os.Args[1], "as-") {
		os.Exit(m.Run())
	}
	if err := act(os.Args[1], os.Args[2:]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func act(what string, args []string) error {
	switch what {
	case "as-holder":
		return hold(args[0], args[1])
	case "as-crowd":
		return crowd(args[0], args[1])
	}
	return errors.New("nothing to do")
}

// hold takes a GPU, starts a program on it that starts another one, says the latter's
// number, and keeps the GPU until it is told to end.
func hold(dir, scratch string) error {
	leases, err := New(dir, scratch, time.Now).Take(1, gpus(1))
	if err != nil {
		return err
	}
	stage := exec.Command("sh", "-c", "sleep 1000 & echo $!; exec sleep 1000")
	stage.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := stage.StdoutPipe()
	if err != nil {
		return err
	}
	if err := stage.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return err
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", stage.Process.Pid))
	if err != nil {
		return err
	}
	started := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))[19]
	note := fmt.Sprintf("%d %s\n", stage.Process.Pid, started) // as package command writes it
	if err := errors.Join(os.MkdirAll(filepath.Join(scratch, "1"), 0o700), os.WriteFile(filepath.Join(scratch, "1", "process"), []byte(note), 0o600)); err != nil {
		return err
	}
	fmt.Println(stage.Process.Pid, strings.TrimSpace(line))
	_, _ = io.Copy(io.Discard, os.Stdin)
	leases[0].Release()
	_ = syscall.Kill(-stage.Process.Pid, syscall.SIGKILL)
	return nil
}

type other struct {
	cmd          *exec.Cmd
	stdin        io.Closer
	stage, child int
}

func startHolder(t *testing.T, dir, scratch string) *other {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := &other{cmd: exec.Command(self, "as-holder", dir, scratch)}
	in, err := o.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := o.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	o.stdin = in
	t.Cleanup(func() {
		_ = o.cmd.Process.Kill()
		_ = o.cmd.Wait()
		if o.stage > 1 {
			_ = syscall.Kill(-o.stage, syscall.SIGKILL)
		}
	})
	line, _ := bufio.NewReader(out).ReadString('\n')
	if _, err := fmt.Sscan(line, &o.stage, &o.child); err != nil {
		t.Fatalf("the holder says %q", line)
	}
	return o
}

func TestAnotherProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gpus")
	o := startHolder(t, dir, t.TempDir())
	f := New(dir, "", time.Now)
	if b := busy(t, f, 1, gpus(1)); len(b.PIDs) != 1 || b.PIDs[0] != o.cmd.Process.Pid {
		t.Errorf("held by %v, and its number is %d", b.PIDs, o.cmd.Process.Pid)
	}
	_ = o.stdin.Close()
	if err := o.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	take(t, f, 1, gpus(1)) // at once: it was given back
}

// A process that is killed loses its GPU, although programs that it started live on:
// they have no part in the lock, and are ended before anybody else has the GPU.
func TestKilledHolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gpus")
	o := startHolder(t, dir, t.TempDir())
	f := New(dir, "", time.Now)
	busy(t, f, 1, gpus(1))
	_ = o.cmd.Process.Kill()
	_ = o.cmd.Wait()
	for _, pid := range []int{o.stage, o.child} {
		if !running(pid) {
			t.Fatalf("%d ended too early for this test", pid)
		}
	}
	busy(t, f, 1, gpus(1)) // what is left on it is ended first
	take(t, f, 1, gpus(1))
	for _, pid := range []int{o.stage, o.child} {
		for tries := 0; running(pid); tries++ {
			if tries == 500 {
				t.Fatalf("%d lives on, on a GPU that was given to another", pid)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// running reports whether a process is there and no zombie.
func running(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	return len(fields) > 0 && fields[0] != "Z"
}

const (
	crowdGPUs   = 3
	crowdRounds = 60
)

// fast is a clock for which a rest is short.
func fast() func() time.Time {
	began := time.Now()
	return func() time.Time { return began.Add(200 * time.Since(began)) }
}

// crowd takes and gives back GPUs, one to all of them at a time, and checks by files
// beside that nobody else has them.
func crowd(dir, marks string) error {
	f, all := New(dir, "", fast()), gpus(crowdGPUs)
	for round := 0; round < crowdRounds; {
		order := rand.Perm(crowdGPUs)
		var among []gpu.Device
		for _, i := range order {
			among = append(among, all[i])
		}
		leases, err := f.Take(1+rand.IntN(crowdGPUs), among)
		if errors.As(err, new(*Busy)) {
			time.Sleep(rand.N(4 * time.Millisecond))
			continue
		}
		if err != nil {
			return err
		}
		for _, l := range leases {
			if err := mark(filepath.Join(marks, l.ID)); err != nil {
				return err
			}
		}
		time.Sleep(rand.N(2 * time.Millisecond))
		for _, l := range leases {
			if err := os.Remove(filepath.Join(marks, l.ID)); err != nil {
				return err
			}
			l.Release()
		}
		round++
	}
	return nil
}

// mark says by a file that a GPU is in use. One that a killed process left counts for
// nothing.
func mark(path string) error {
	b, err := os.ReadFile(path)
	if err == nil {
		pid, _ := strconv.Atoi(string(b))
		if pid == 0 || running(pid) {
			return fmt.Errorf("GPU %s is used by %q, too", filepath.Base(path), b)
		}
		_ = os.Remove(path)
	}
	// In one step with its content: whoever sees it sees whose it is.
	own := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.WriteFile(own, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return err
	}
	defer os.Remove(own)
	if err := os.Link(own, path); err != nil {
		return fmt.Errorf("GPU %s is used by another, too: %w", filepath.Base(path), err)
	}
	return nil
}

// Whatever several processes do, and however some of them end, no GPU is used by two at
// a time, and all get their turns.
func TestCrowd(t *testing.T) {
	dir, marks := filepath.Join(t.TempDir(), "gpus"), t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const processes, killed = 6, 3
	var all []*exec.Cmd
	for range processes + killed {
		c := exec.Command(self, "as-crowd", dir, marks)
		c.Stdout = &strings.Builder{}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Minute, func() { _ = c.Process.Kill() })
		t.Cleanup(func() { timer.Stop() })
		all = append(all, c)
	}
	for _, c := range all[:killed] {
		time.Sleep(50 * time.Millisecond)
		_ = c.Process.Kill()
	}
	for i, c := range all {
		if err := c.Wait(); err != nil && i >= killed || c.ProcessState.ExitCode() == 1 {
			t.Errorf("process %d: %v: %s", i, err, c.Stdout)
		}
	}
}
