package remote_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/stages"
)

// slowWay passes connections on to a server, and on each a kilobyte a millisecond.
func slowWay(t *testing.T, server string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer from.Close()
				to, err := net.Dial("tcp", server)
				if err != nil {
					return
				}
				defer to.Close()
				go func() { _, _ = io.Copy(from, to) }()
				for err == nil {
					time.Sleep(10 * time.Millisecond)
					_, err = io.CopyN(to, from, 10<<10)
				}
			}()
		}
	}()
	return l.Addr().String()
}

// begin executes an action, and returns how it ends.
func begin(ctx context.Context, x executor.Executor, a *executor.Action) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := x.Execute(ctx, a, &notes{})
		done <- err
	}()
	return done
}

// stop cancels an action, which must end at once.
func stop(t *testing.T, cancel func(), done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		t.Fatalf("it has ended: %v", err)
	default:
	}
	began := time.Now()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || time.Since(began) > 2*time.Second {
		t.Errorf("%v, %s after it was cancelled", err, time.Since(began))
	}
}

// While large inputs of one action are on their way, others are run; and nobody waits
// for the way once the action is not wanted any more.
func TestInputsOnTheirWay(t *testing.T) {
	t.Parallel()
	p := fakePlace(t)
	p.config.Endpoint = slowWay(t, p.file.Endpoint)
	u := newUser(t, p)
	own := filepath.Join(t.TempDir(), "own")
	content := make([]byte, 64<<20)
	_, _ = rand.Read(content)
	if err := os.WriteFile(own, content, 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := u.config.Local.HashPath(t.Context(), own)
	if err != nil {
		t.Fatal(err)
	}
	x := u.open(t, u.processes(t, 2))
	ctx, cancel := context.WithCancel(t.Context())
	told := make(chan string, 10)
	large := make(chan error, 1)
	go func() {
		a := executortest.Script(t, "cp in/x out", map[string]stages.File{"x": {Object: o, Name: "own", Source: own}})
		_, err := x.Execute(ctx, a, &notes{told: func(m string) { told <- m }})
		large <- err
	}()
	if m := <-told; m != "its inputs are on their way to the cache" {
		t.Errorf("told %q", m)
	}
	if err := executeOne(t, x, executortest.Script(t, "echo > out", nil)); err != nil {
		t.Error(err)
	}
	stop(t, cancel, large)
	began := time.Now()
	if err := x.Close(); err != nil || time.Since(began) > 10*time.Second {
		t.Errorf("%v, closed after %s", err, time.Since(began))
	}
}

// hanging is a launcher that answers nothing more once it was told to hang.
type hanging struct {
	launch.Launcher
	once sync.Once
	hung chan struct{} // closed when it hangs
	hang func(call string) bool
}

func (h *hanging) wait(ctx context.Context, call string) error {
	if !h.hang(call) {
		return nil
	}
	h.once.Do(func() { close(h.hung) })
	<-ctx.Done()
	return ctx.Err()
}

func (h *hanging) Check(ctx context.Context, needs []stages.Resources) error {
	return errors.Join(h.wait(ctx, "check"), h.Launcher.Check(ctx, needs))
}

func (h *hanging) Start(ctx context.Context, workers []launch.Worker) error {
	if err := h.wait(ctx, "start"); err != nil {
		return err
	}
	return h.Launcher.Start(ctx, workers)
}

func (h *hanging) Poll(ctx context.Context) ([]launch.Status, error) {
	if err := h.wait(ctx, "poll"); err != nil {
		return nil, err
	}
	return h.Launcher.Poll(ctx)
}

// Whatever the launcher hangs in, an action can be cancelled, and the executor closed.
func TestLauncherHangs(t *testing.T) {
	for _, call := range []string{"check", "start", "poll"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			u := newUser(t, folderPlace(t))
			h := &hanging{Launcher: u.processes(t, 2), hung: make(chan struct{}), hang: func(c string) bool { return c == call }}
			x := u.open(t, h)
			ctx, cancel := context.WithCancel(t.Context())
			done := begin(ctx, x, executortest.Script(t, "echo > out", nil))
			<-h.hung
			stop(t, cancel, done)
			began := time.Now()
			if err := x.Close(); err != nil || time.Since(began) > 18*time.Second {
				t.Errorf("%v, closed after %s", err, time.Since(began))
			}
		})
	}
}

// What ends while the launcher hangs is taken.
func TestResultsWhileTheLauncherHangs(t *testing.T) {
	t.Parallel()
	u := newUser(t, folderPlace(t))
	go2 := filepath.Join(t.TempDir(), "go")
	h := &hanging{Launcher: u.processes(t, 2), hung: make(chan struct{})}
	h.hang = func(call string) bool {
		_, err := os.Stat(go2)
		return err == nil && call == "poll"
	}
	x := u.open(t, h)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	mark := filepath.Join(t.TempDir(), "mark")
	done := begin(ctx, x, executortest.Script(t, "echo >> "+mark+"; while [ ! -e "+go2+" ]; do sleep 0.1; done; sleep 1; echo > out", nil))
	executortest.Await(t, mark, 1)
	if err := os.WriteFile(go2, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	<-h.hung
	if err := <-done; err != nil {
		t.Error(err)
	}
}
