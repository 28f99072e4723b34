package torch

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// fake is an interpreter that answers a probe, and does as the shell script
// says with a job. The job's folder is the working folder.
func fake(t *testing.T, behaviour string) string {
	t.Helper()
	return program(t, `if [ "$2" = "-" ]; then
  cat > /dev/null
  echo '{"type":"probe","python":"3.11.2","torch":"1.13.0","numpy":"1.24.2","cpu":"fake"}'
  exit 0
fi
`+behaviour)
}

func program(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "python3")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFailuresOfPython(t *testing.T) {
	long := "i=0; while [ $i -lt 17 ]; do printf '%065536d' 0; i=$((i+1)); done; echo; sleep 60"
	for _, c := range []struct {
		name, python string
		kind         Kind
		want         []string
	}{
		{"no program", filepath.Join(t.TempDir(), "python3"), NoPython, []string{"is no program", "apt install python3 python3-torch", `engine = "gorgonia"`}},
		{"not in PATH", "python-that-is-nowhere", NoPython, []string{"there is no program python-that-is-nowhere in PATH"}},
		{"no interpreter of the first line", func() string {
			p := program(t, "")
			os.WriteFile(p, []byte("#!/nowhere/python\n"), 0o755)
			return p
		}(), NoPython, []string{"starting", "no such file"}},
		{"no torch", program(t, `cat > /dev/null; echo '{"type":"error","kind":"no_torch","message":"No module named '"'torch'"'"}'`), NoTorch,
			[]string{"No module named 'torch'", "apt install python3-torch", "pip install torch", `engine = "gorgonia"`}},
		{"probe without an answer", program(t, `cat > /dev/null; echo "Illegal instruction" >&2; exit 132`), Died, []string{"exit status 132", "Illegal instruction"}},
		{"probe that answers nothing", program(t, `cat > /dev/null`), Malformed, []string{"without an answer"}},
		{"a wrapper that prints", program(t, `cat > /dev/null; echo "Activating environment base"`), Malformed, []string{`"Activating environment base"`, "does something wrap the interpreter"}},
		{"dies half way", fake(t, `echo '{"type":"step","done":1,"total":16}'; echo "Traceback: something broke" >&2; exit 1`), Died, []string{"exit status 1", "Traceback: something broke"}},
		{"ends without a word", fake(t, `exit 0`), Died, []string{"ended before the job was done"}},
		{"killed", fake(t, `kill -9 $$`), OutOfMemory, []string{"killed (signal 9)", "out of memory", "batch_size"}},
		{"crashes", fake(t, `kill -11 $$`), Died, []string{"signal 11 (segmentation fault)"}},
		{"CUDA out of memory", fake(t, `echo '{"type":"error","kind":"out_of_memory","message":"OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"}'; exit 1`), OutOfMemory, []string{"CUDA out of memory", "a smaller batch_size"}},
		{"an exception", fake(t, `echo '{"type":"error","kind":"failed","message":"ValueError: no","detail":"File x, line 3"}'; exit 1`), Failed, []string{"ValueError: no", "File x, line 3"}},
		{"no JSON", fake(t, `echo 'hello'; sleep 60`), Malformed, []string{`"hello"`}},
		{"a line without an end", fake(t, long), Malformed, []string{"a line of over 1048576 bytes"}},
		{"a message of another kind", fake(t, `echo '{"type":"greeting"}'; sleep 60`), Malformed, []string{`"greeting"`}},
		{"steps that cannot be", fake(t, `echo '{"type":"step","done":3,"total":2}'; sleep 60`), Malformed, []string{`"step"`}},
		{"an epoch out of turn", fake(t, `echo '{"type":"want","epoch":3}'; sleep 60`), Malformed, []string{"epoch 3 after 0 epochs"}},
		{"done too early", fake(t, `echo '{"type":"done"}'`), Malformed, []string{"told of 0 epochs of 4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEngine(t, Options{Python: c.python})
			start := time.Now()
			_, err := e.Train(context.Background(), pointJob(t), nn.Hooks{})
			if time.Since(start) > 30*time.Second {
				t.Errorf("it took %v", time.Since(start))
			}
			var failure *Error
			if !errors.As(err, &failure) || failure.Kind != c.kind {
				t.Fatalf("error %v, want one of kind %s", err, c.kind)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the error does not say %q:\n%v", w, err)
				}
			}
		})
	}
}

func TestDivergedMessage(t *testing.T) {
	e := newEngine(t, Options{Python: fake(t, `echo '{"type":"diverged","epoch":1,"step":2,"loss":"inf"}'; exit 1`)})
	_, err := e.Train(context.Background(), pointJob(t), nn.Hooks{})
	var diverged *nn.DivergedError
	if !errors.As(err, &diverged) || *diverged != (nn.DivergedError{Epoch: 1, Step: 2, Loss: math.Inf(1)}) {
		t.Errorf("error %v", err)
	}
}

func TestCancelEndsPythonAndWhatItStarted(t *testing.T) {
	note := filepath.Join(t.TempDir(), "pid")
	e := newEngine(t, Options{Python: fake(t, `sleep 300 & echo $! > `+note+`; echo '{"type":"step","done":1,"total":16}'; wait`)})
	ctx, cancel := context.WithCancelCause(context.Background())
	asked := errors.New("asked to stop")
	_, err := e.Train(ctx, pointJob(t), nn.Hooks{Step: func(int, int) { cancel(asked) }})
	if !errors.Is(err, asked) {
		t.Errorf("error %v", err)
	}
	pid, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	if !gone(strings.TrimSpace(string(pid))) {
		t.Errorf("process %s is still there", pid)
	}
}

// gone waits a little for a process to end.
func gone(pid string) bool {
	for range 200 {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// A GPU that is asked for and not there is told before a job starts.
func TestNoGPU(t *testing.T) {
	e := newEngine(t, Options{Python: fake(t, ""), Device: CUDA})
	_, err := e.Version(context.Background())
	var failure *Error
	if !errors.As(err, &failure) || failure.Kind != NoCUDA || !strings.Contains(err.Error(), `device = "cpu"`) {
		t.Errorf("error %v", err)
	}
}

func TestVersionIsProbedOnce(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	e := newEngine(t, Options{Python: program(t, `cat > /dev/null; echo >> `+count+`
echo '{"type":"probe","python":"3.12.1","torch":"2.9.0","numpy":"2.1.0","cpu":"x","gpus":8,"gpu":"NVIDIA H100","cuda":"13.0","cudnn":"91002","driver":"580.65"}'`), Device: Auto})
	for range 2 {
		v, err := e.Version(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"Python 3.12.1", "PyTorch 2.9.0", "NumPy 2.1.0", "GPU NVIDIA H100, CUDA 13.0, cuDNN 91002, driver 580.65"} {
			if !strings.Contains(v, want) {
				t.Errorf("the version %q does not name %q", v, want)
			}
		}
	}
	if text, _ := os.ReadFile(count); len(text) != 1 {
		t.Errorf("Python was asked %d times", len(text))
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{Device: "tpu"}, {Threads: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
