package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nbpipe/nbpipe/cache/s3test"
	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/stages/sandbox"
)

func TestMain(m *testing.M) {
	executortest.Patient()
	testscript.Main(suite{m}, map[string]func(){"nbpipe": main})
}

// suite removes what its tests have built.
type suite struct{ *testing.M }

func (s suite) Run() int {
	defer func() { _ = os.RemoveAll(built.dir) }()
	return s.M.Run()
}

// TestScript specifies the whole command line: see testdata/script.
func TestScript(t *testing.T) {
	t.Parallel()
	server := s3test.Fake(t)
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, ".home")
			e.Setenv("HOME", home)
			e.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
			e.Setenv("NBPIPE_CACHE", filepath.Join(e.WorkDir, ".cache"))
			e.Setenv("NBPIPE_GPU_LEASES", filepath.Join(e.WorkDir, ".gpus"))
			e.Setenv("S3_ENDPOINT", server.Endpoint)
			e.Setenv("AWS_ACCESS_KEY_ID", server.AccessKey)
			e.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretKey)
			return os.MkdirAll(home, 0o755)
		},
		Condition: func(name string) (bool, error) {
			if name == "sandbox" {
				return len((&sandbox.Sandbox{}).Support().Missing()) == 0, nil
			}
			return false, fmt.Errorf("no condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":       exits,
			"interrupted": interrupted,
			"corrupt":     corrupt,
			"put-object":  putObject(t, server),
		},
	})
}

// exits CODE COMMAND... runs a command and checks its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit := new(exec.ExitError); err != nil {
		if !asExit(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s exits with %d, want %d\n%s%s", args[1], got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

func asExit(err error, out **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError) //nolint:errorlint // testscript does not wrap it
	*out = e
	return ok
}

// interrupted SIGNAL GLOB COMMAND... starts a command, sends it the signal once
// a file matches GLOB, and checks that it ends within ten seconds: with 130 after INT,
// killed after KILL.
func interrupted(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: interrupted INT|KILL GLOB COMMAND [ARG...]")
	}
	signal, want := syscall.SIGINT, exitInterrupted
	if args[0] == "KILL" {
		signal, want = syscall.SIGKILL, -1
	}
	path, err := exec.LookPath(args[2])
	ts.Check(err)
	cmd := exec.Command(path, args[3:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "NBPIPE_CACHE", "NBPIPE_GPU_LEASES", "PATH", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	ts.Check(cmd.Start())
	const patience = 10 * time.Second
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if found, err := filepath.Glob(ts.MkAbs(args[1])); err == nil && len(found) > 0 {
			break
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			ts.Fatalf("%s never appeared\n%s", args[1], said.String())
		}
	}
	ts.Check(cmd.Process.Signal(signal))
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait()
	if !timer.Stop() {
		ts.Fatalf("it did not end within %s", patience)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("it exits with %d, want %d", got, want)
	}
}

// corrupt GLOB flips a bit in the middle of every file that matches.
func corrupt(ts *testscript.TestScript, neg bool, args []string) {
	found, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(found) == 0 {
		ts.Fatalf("nothing matches %s", args[0])
	}
	for _, name := range found {
		b, err := os.ReadFile(name)
		ts.Check(err)
		b[len(b)/2] ^= 1
		ts.Check(os.Chmod(name, 0o644))
		ts.Check(os.WriteFile(name, b, 0o644))
	}
}
