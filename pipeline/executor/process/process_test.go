package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/stages"
)

func TestSettings(t *testing.T) {
	for name, c := range map[string]struct {
		attrs stages.Attrs
		want  string // the attribute of the problem; "" for none
	}{
		"as many as there may be": {stages.Attrs{"slots": cty.NumberIntVal(maxSlots), "gpus": cty.NumberIntVal(8)}, ""},
		"one":                     {stages.Attrs{"slots": cty.NumberIntVal(1)}, ""},
		"no slot":                 {stages.Attrs{"slots": cty.Zero}, "slots"},
		"too many":                {stages.Attrs{"slots": cty.NumberIntVal(maxSlots + 1)}, "slots"},
		"fewer than none":         {stages.Attrs{"slots": cty.NumberIntVal(1), "gpus": cty.NumberIntVal(-1)}, "gpus"},
	} {
		s, err := Kind.Fill(c.attrs)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, p := range s.Check() {
			got += p.Attribute
			if p.Summary == "" || p.Detail == "" || p.Warning {
				t.Errorf("%s: %+v", name, p)
			}
		}
		if got != c.want {
			t.Errorf("%s: problems with %q, want %q", name, got, c.want)
		}
	}
	if _, err := Kind.Fill(stages.Attrs{"slots": cty.StringVal("many")}); err == nil {
		t.Error("slots is a text")
	}
}

// rig is a launcher whose workers are shell scripts: the first argument is what to run.
type rig struct {
	launch.Launcher
	t    *testing.T
	site launch.Site

	mu    sync.Mutex
	speed time.Duration // of its clock
	began time.Time
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "nbpipe")
	if err := os.WriteFile(program, []byte("#!/bin/sh\neval \"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, speed: 1, began: time.Now()}
	r.site = launch.Site{ID: "0123456789abcdef", Name: "here", Program: program, Dir: filepath.Join(dir, "site"), Environment: []string{"PATH=/usr/bin:/bin", "OWN=mine"}, Now: r.now}
	r.open()
	t.Cleanup(func() {
		found, _ := os.ReadDir(r.workers())
		for _, f := range found {
			if pid := r.pid(f.Name()); pid > 1 && alive(filepath.Join(r.workers(), f.Name())) {
				_ = syscall.Kill(-pid, syscall.SIGKILL)
			}
		}
	})
	return r
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.began.Add(r.speed * time.Since(r.began))
}

// open begins anew with the same site, as a controller does that follows a dead one.
func (r *rig) open() {
	r.t.Helper()
	l, err := (&Settings{Slots: 3, GPUs: 2}).Launcher(r.site)
	if err != nil {
		r.t.Fatal(err)
	}
	r.Launcher = l
}

func (r *rig) workers() string { return filepath.Join(r.site.Dir, "workers") }

func (r *rig) start(id, script string) {
	r.t.Helper()
	if err := r.Start(r.t.Context(), []launch.Worker{{ID: id, Args: []string{script}}}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) poll() map[string]launch.Status {
	r.t.Helper()
	found, err := r.Poll(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]launch.Status{}
	for _, s := range found {
		out[s.ID] = s
	}
	return out
}

// ended polls until a worker has ended.
func (r *rig) ended(id string) launch.Status {
	r.t.Helper()
	for range 1000 {
		switch s, told := r.poll()[id]; {
		case !told:
			r.t.Fatalf("%s is not told about", id)
		case s.State == launch.Ended:
			return s
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("%s has not ended in 10 s", id)
	return launch.Status{}
}

func (r *rig) pid(id string) int {
	b, _ := os.ReadFile(filepath.Join(r.workers(), id, pidName))
	pid, _ := strconv.Atoi(string(b))
	return pid
}

// await waits for a file in the worker's folder, and returns what is in it.
func (r *rig) await(id, name string) string {
	r.t.Helper()
	for range 1000 {
		if b, err := os.ReadFile(filepath.Join(r.workers(), id, name)); err == nil && len(b) > 0 {
			return string(b)
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("there is no %s of %s after 10 s", name, id)
	return ""
}

func TestCheck(t *testing.T) {
	r := newRig(t)
	if err := r.Check(t.Context(), []stages.Resources{{}, {GPUs: 2}}); err != nil {
		t.Error(err)
	}
	if err := r.Check(t.Context(), []stages.Resources{{GPUs: 3}}); err == nil || !strings.Contains(err.Error(), `executor "here": a stage asks for 3 GPUs and this machine has 2; say gpus = 3`) {
		t.Error(err)
	}
	if err := r.Check(t.Context(), []stages.Resources{{Exclusive: true}}); err == nil || !strings.Contains(err.Error(), `executor "here": a stage asks for a machine of its own (exclusive), and 3 workers share one here: say slots = 1`) {
		t.Error(err)
	}
	if r.Slots() != 3 {
		t.Errorf("%d slots", r.Slots())
	}
	if err := os.Remove(r.site.Program); err != nil {
		t.Fatal(err)
	}
	if err := r.Check(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "cannot be started") {
		t.Error(err)
	}
	if err := r.Start(t.Context(), []launch.Worker{{ID: "w", Args: []string{"true"}}}); err == nil || !strings.Contains(err.Error(), "starting worker w") {
		t.Error(err)
	}
	if s := r.poll()["w"]; s.State == launch.Running { // its folder is there
		t.Errorf("%+v", s)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (&Settings{Slots: 1}).Launcher(launch.Site{Name: "here", Dir: file}); err == nil || !strings.Contains(err.Error(), `executor "here"`) {
		t.Error(err)
	}
	r := newRig(t)
	if err := os.RemoveAll(r.workers()); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Poll(t.Context()); err == nil {
		t.Errorf("%v is known without a folder", got)
	}
}

func TestWorkerRunsAndEnds(t *testing.T) {
	r := newRig(t)
	r.start("w1", `echo $OWN $HOME >own; pwd; exec sleep 1000`)
	r.start("w2", `echo first; echo "good bye"; exit 3`)
	if err := r.Start(t.Context(), []launch.Worker{{ID: "w1", Args: []string{"true"}}}); !errors.Is(err, os.ErrExist) {
		t.Errorf("two of one name: %v", err)
	}
	if got := r.await("w1", "own"); got != "mine\n" {
		t.Errorf("its environment has %q", got)
	}
	if s := r.ended("w2"); s.Reason != "good bye" {
		t.Errorf("%+v", s)
	}
	again := r.poll()
	host, _ := os.Hostname()
	if s := again["w1"]; len(again) != 1 || s.State != launch.Running || s.Host != host || s.Reason != "" {
		t.Errorf("%v", again) // an end is told once
	}
	info, err := os.Stat(filepath.Join(r.workers(), "w1"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := r.Cancel(t.Context(), []string{"w1", "w2", "never"}); err != nil {
		t.Error(err)
	}
	r.ended("w1")
}

// Another controller finds what a dead one has started, and sees it end.
func TestKilledWorker(t *testing.T) {
	r := newRig(t)
	r.start("w", `echo working; echo $$ >up; exec sleep 1000`)
	r.await("w", "up")
	r.open()
	if s := r.poll()["w"]; s.State != launch.Running {
		t.Fatalf("%+v", s)
	}
	if err := syscall.Kill(r.pid("w"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if s := r.ended("w"); s.Reason != "working" {
		t.Errorf("%+v", s)
	}
	if _, err := os.Stat(filepath.Join(r.workers(), "w")); !os.IsNotExist(err) {
		t.Errorf("its folder is left: %v", err)
	}
}

// A worker has not ended before all that it started has.
func TestWorkerWithChildren(t *testing.T) {
	r := newRig(t)
	r.start("w", `sleep 1000 & echo $! >child; wait`)
	child, err := strconv.Atoi(strings.TrimSpace(r.await("w", "child")))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(r.pid("w"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if s := r.poll()["w"]; s.State != launch.Running {
		t.Errorf("%+v while a process of it runs", s)
	}
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.ended("w")
}

// What a worker has printed is shown, whatever it is, and never acted upon.
func TestHostileLogs(t *testing.T) {
	r := newRig(t)
	for id, c := range map[string]struct{ script, want string }{
		"nothing":   {`true`, ""},
		"cursor":    {`printf 'fine\033[2J\033]0;title\007\n'`, "fine[2J]0;title"},
		"binary":    {`printf 'a\377\376\000b\n'`, "a?b"},
		"no-line":   {`head -c 1000000 /dev/zero | tr '\0' x`, strings.Repeat("x", 1000) + "..."},
		"a-link":    {`rm log; ln -s /etc/passwd log`, ""},
		"a-pipe":    {`rm log; mkfifo log`, ""},
		"a-folder":  {`rm log; mkdir log`, ""},
		"gone":      {`rm log`, ""},
		"all-gone":  {`rm -r ../all-gone/log ../all-gone/pid`, ""},
		"wrong-pid": {`echo 1 >pid; echo done`, "done"},
	} {
		r.start(id, "sleep 0.1; "+c.script) // the number is written meanwhile
		if s := r.ended(id); s.Reason != c.want {
			t.Errorf("%s: %.80q, want %.80q", id, s.Reason, c.want)
		}
	}
}

// A worker that is told to end has some seconds, and is killed with its session then.
func TestCancel(t *testing.T) {
	r := newRig(t)
	r.start("tidy", `trap 'echo tidied >../tidied; exit' TERM; echo up >up; while :; do sleep 0.05; done`)
	r.start("deaf", `trap '' TERM; sleep 1000 & echo $! >child; echo up >up; while :; do sleep 0.05; done`)
	for _, id := range []string{"tidy", "deaf"} {
		r.await(id, "up")
	}
	began := time.Now()
	if err := r.Cancel(t.Context(), []string{"tidy"}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > grace*4/5 {
		t.Errorf("one that ends at once took %s", took)
	}
	if _, err := os.Stat(filepath.Join(r.workers(), "tidied")); err != nil {
		t.Errorf("it had no time: %v", err)
	}
	_ = os.Remove(filepath.Join(r.workers(), "tidied"))
	r.ended("tidy")

	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, syscall.ETIMEDOUT)
	defer cancel()
	if err := r.Cancel(ctx, []string{"deaf"}); !errors.Is(err, syscall.ETIMEDOUT) || r.poll()["deaf"].State != launch.Running {
		t.Errorf("%v: nobody waits, and it had no time", err)
	}
	r.mu.Lock()
	r.speed = 20
	r.mu.Unlock()
	began = time.Now()
	if err := r.Cancel(t.Context(), []string{"deaf"}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < grace/20 || took > grace {
		t.Errorf("it had %s of a clock that is 20 times as fast", took)
	}
	r.ended("deaf")
}

// A process ID is believed only while the worker lives, and only if it is one.
func TestCancelBelievesNoNumber(t *testing.T) {
	r := newRig(t)
	bystander, err := os.StartProcess("/bin/sleep", []string{"sleep", "1000"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = bystander.Kill()
		_, _ = bystander.Wait()
	}()
	r.start("dead", `true`)
	for range 500 {
		if !alive(filepath.Join(r.workers(), "dead")) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.start("odd", `echo up >up; exec sleep 1000`)
	r.await("odd", "up")
	odd := r.pid("odd")
	for _, c := range []struct{ id, text string }{
		{"dead", fmt.Sprint(bystander.Pid)}, {"odd", "-1"}, {"odd", "0"}, {"odd", "1"}, {"odd", "all"}, {"odd", ""},
	} {
		if err := os.WriteFile(filepath.Join(r.workers(), c.id, pidName), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := r.Cancel(t.Context(), []string{c.id}); err != nil {
			t.Errorf("%s %q: %v", c.id, c.text, err)
		}
	}
	if ended, err := syscall.Wait4(bystander.Pid, nil, syscall.WNOHANG, nil); ended != 0 || err != nil {
		t.Errorf("a process that took a dead worker's number was ended (%v)", err)
	}
	if err := syscall.Kill(odd, 0); err != nil {
		t.Errorf("a worker whose number is not known: %v", err)
	}
	_ = syscall.Kill(odd, syscall.SIGKILL)
}
