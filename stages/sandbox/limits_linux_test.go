package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Programs are kept to different cores as long as there are enough, whichever nbpipe
// starts them, and to no others than this process has.
func TestCores(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cores")
	one, two := newCores(path), newCores(path) // locks are those of an open file: as of two processes
	one.own, two.own = []int{2, 3, 5, 7}, []int{2, 3, 5, 7}
	one.used, two.used = make([]int, 4), make([]int, 4)
	want := func(got, want []int) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("cores %v, want %v", got, want)
		}
	}
	a, giveA := one.take(2)
	want(a, []int{2, 3})
	b, giveB := two.take(1)
	want(b, []int{5})
	c, giveC := one.take(1)
	want(c, []int{7})
	d, giveD := two.take(3) // those with fewest programs: 5 of its own, others of the other
	if len(d) != 3 {
		t.Errorf("three cores are %v", d)
	}
	giveD()
	giveA()
	e, giveE := two.take(2)
	want(e, []int{2, 3})
	for _, give := range []func(){giveB, giveC, giveE} {
		give()
	}
	want(one.used, make([]int, 4))
	f, giveF := one.take(3)
	want(f, []int{2, 3, 5})
	giveF()
	for _, n := range []int{0, 4, 9} {
		if all, _ := one.take(n); all != nil {
			t.Errorf("%d cores: kept to %v", n, all)
		}
	}
	// Without the file there is no agreement with others, and all else works.
	alone := newCores(filepath.Join(path, "none"))
	alone.own, alone.used = []int{0, 1}, make([]int, 2)
	g, _ := alone.take(1)
	h, _ := alone.take(1)
	want(append(g, h...), []int{0, 1})
}

// ungrouped makes no cgroups.
func ungrouped() *Sandbox {
	return &Sandbox{Probe: func() Support { s := probe(); s.Group, s.GroupCPU = "", false; return s }}
}

// A program can use as many cores as it asked for, rounded up.
func TestAffinity(t *testing.T) {
	own := ownCores()
	if len(own) < 2 {
		t.Skip("there is one core")
	}
	for cpus, want := range map[float64]int{0: len(own), 0.5: 1, 1: 1, 1.5: 2, float64(len(own)): len(own), 1e6: len(own)} {
		out := started(t, ungrouped(), Policy{CPUs: cpus}, "unset OMP_NUM_THREADS; nproc")
		if got := strings.TrimSpace(out); got != strconv.Itoa(want) {
			t.Errorf("%v cores: it has %s, want %d", cpus, got, want)
		}
	}
}

// started is what a script prints.
func started(t *testing.T, s *Sandbox, p Policy, script string) string {
	t.Helper()
	out, _, _ := ended(t, s, p, script)
	return out
}

func ended(t *testing.T, s *Sandbox, p Policy, script string) (string, *os.ProcessState, End) {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := &exec.Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Dir: "/", Env: []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin"}, Stdout: out, Stderr: out}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	running, err := s.Start(cmd, p)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	b, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b), cmd.ProcessState, running.End()
}

// insideVariable is set in the kernel that TestOwnKernel starts.
const insideVariable = "NBPIPE_TEST_INSIDE"

// Memory and time are limited for all processes of a program together, by a cgroup
// that goes with it.
func TestGroup(t *testing.T) {
	s := &Sandbox{}
	parent := s.Support().Group
	switch {
	case parent == "" && os.Getenv(insideVariable) != "":
		t.Fatalf("no cgroup can be made: %v", s.Support())
	case parent == "":
		t.Skip("this user can make no cgroups with a memory limit here; TestOwnKernel has a kernel where one can")
	}
	// Each of three processes stays below the limit, all together do not: one left the session.
	const take = "sh -c '(head -c 24000000 /dev/zero; sleep 3) | tail -c 24000000 | wc -c'"
	const script = take + " & setsid " + take + " & " + take + "; wait; echo survived"
	out, state, end := ended(t, s, Policy{Memory: 48 << 20}, script)
	if !end.OutOfMemory || state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL || strings.Contains(out, "survived") {
		t.Errorf("with too little memory: %v, %+v: %s", state, end, out)
	}
	if out, state, end := ended(t, s, Policy{Memory: 200 << 20}, script); end.OutOfMemory || !state.Success() || !strings.HasSuffix(out, "survived\n") {
		t.Errorf("with enough: %v, %+v: %s", state, end, out)
	}
	if out, state, end := ended(t, s, Policy{Memory: 200 << 20}, "kill -KILL $$"); end.OutOfMemory {
		t.Errorf("a signal is taken for memory: %v, %s", state, out)
	}
	if s.Support().GroupCPU {
		began := time.Now()
		_, state, _ := ended(t, s, Policy{CPUs: 0.25}, "timeout 2 sh -c 'while :; do :; done' & timeout 2 sh -c 'while :; do :; done'; wait")
		if used, most := state.UserTime()+state.SystemTime(), time.Since(began)*2/5; used > most {
			t.Errorf("two loops used %v of %v, and may use a quarter", used, time.Since(began))
		}
	} else if os.Getenv(insideVariable) != "" {
		t.Error("processor time is not limited")
	}
	if left, _ := filepath.Glob(filepath.Join(parent, groupPrefix+"*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What a killed nbpipe leaves behind is removed by the next one, and what another
// works with is not.
func TestClearGroups(t *testing.T) {
	parent := (&Sandbox{}).Support().Group
	if parent == "" {
		t.Skip("this user can make no cgroups with a memory limit here")
	}
	g, err := newGroup(parent)
	if err != nil {
		t.Fatal(err)
	}
	sleep := &exec.Cmd{Path: "/bin/sleep", Args: []string{"sleep", "300"}, SysProcAttr: &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(g.f.Fd())}}
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	clearGroups(parent)
	if _, err := os.Stat(g.dir); err != nil || syscall.Kill(sleep.Process.Pid, 0) != nil {
		t.Errorf("one that is in use was removed: %v", err)
	}
	_ = g.f.Close()
	clearGroups(parent)
	_ = sleep.Wait()
	if _, err := os.Stat(g.dir); err == nil {
		t.Error("it is still there")
	}
}

// TestLimited: what limits nbpipe itself is not got around.
func TestLimited(t *testing.T) {
	for name, want := range map[string]bool{"": false, "memory.max=max": false, "memory.max=1000": true, "cpu.max=max 100000": false, "cpu.max=5 100000": true, "cpuset.cpus=0-3": true, "cpuset.cpus=": false} {
		dir := t.TempDir()
		if file, text, ok := strings.Cut(name, "="); ok {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := limited(dir); got != want {
			t.Errorf("%q: limited %v", name, got)
		}
	}
}

// TestOwnKernel runs the tests above in a kernel of its own (user-mode Linux), where
// cgroups are as they are for a user of a systemd session: a folder that belongs to
// the user, with controllers switched on for what is in it.
func TestOwnKernel(t *testing.T) {
	kernel, err := exec.LookPath("linux.uml")
	switch {
	case os.Getenv("NBPIPE_CI") == "":
		t.Skip("NOT TESTED: limits by cgroups; with NBPIPE_CI set they are, in a minute")
	case err != nil:
		t.Fatalf("%v: Debian's package user-mode-linux has it", err)
	}
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	start := filepath.Join(t.TempDir(), "start")
	script := fmt.Sprintf(`#!/bin/sh
exec 2>&1
mount -t proc proc /proc && mount -t sysfs sysfs /sys && mount -t cgroup2 cgroup2 /sys/fs/cgroup && mount -t tmpfs -o mode=1777 tmpfs /run
cd /sys/fs/cgroup
echo '+memory +cpu' > cgroup.subtree_control
mkdir user user/app user/session
echo '+memory +cpu' > user/cgroup.subtree_control
echo '+memory +cpu' > user/app/cgroup.subtree_control
mkdir user/app/terminal
chown -R 1000:1000 user/app
mkdir -p /dev/shm && mount -t tmpfs -o mode=1777 tmpfs /dev/shm
test() {
  echo 0 > /sys/fs/cgroup/$1/cgroup.procs
  cd /run
  TMPDIR=/run HOME=/run %[1]s=1 setpriv --reuid=$2 --regid=$2 --clear-groups %[2]q -test.v -test.run "$3"
  echo "status of $2: $?"
}
(test user/app/terminal 1000 '^Test(Group|ClearGroups|Whole)$')
(test user/app/terminal 0 '^Test(Group|ClearGroups)$')
(test user/session 1000 '^TestNoGroup$')
echo 2 > /proc/sys/kernel/yama/ptrace_scope # no program may be stopped at its beginning
(test user/session 1000 '^TestNoGroup$')
echo o > /proc/sysrq-trigger
sleep 60
`, insideVariable, self)
	if err := os.WriteFile(start, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(kernel, "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "init="+start, "mem=512M", "con=null", "con0=null,fd:1", "quiet", "panic=-1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(slices.Clone(os.Environ()), "TMPDIR="+t.TempDir())
	timer := time.AfterFunc(8*time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Run(); err != nil {
		t.Logf("the kernel ended with %v", err)
	}
	if n := strings.Count(out.String(), ": 0\r\n") + strings.Count(out.String(), ": 0\n"); n != 4 || strings.Contains(out.String(), "SKIP") {
		t.Errorf("%d of 4 passed:\n%s", n, out.String())
	}
}

// TestNoGroup: where the user owns no cgroup, none is made, and nothing fails.
func TestNoGroup(t *testing.T) {
	if os.Getenv(insideVariable) == "" {
		t.Skip("it is about the kernel that TestOwnKernel starts")
	}
	s := &Sandbox{}
	if able := s.Support(); able.Group != "" || !strings.Contains(able.String(), "memory (rlimit, of each process)") {
		t.Errorf("there is %v", able)
	}
	if out := started(t, s, Policy{Memory: 100 << 20, CPUs: 1}, "sleep 0.5; ulimit -d"); strings.TrimSpace(out) != strconv.Itoa(100<<10) {
		t.Errorf("limit %s", out)
	}
}
