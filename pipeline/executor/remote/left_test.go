package remote_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/executor/process"
	"github.com/nbpipe/nbpipe/pipeline/executor/remote"
)

// leaveRunning has n long actions begun, and then leaves them, as a controller that is
// killed does. Each wrote a line to the file that it returns.
func (u *user) leaveRunning(t *testing.T, slots, n int, cpus float64) (mark string) {
	t.Helper()
	mark = filepath.Join(t.TempDir(), "mark")
	x := u.open(t, u.processes(t, slots))
	ctx, leave := context.WithCancelCause(t.Context())
	var all sync.WaitGroup
	for i := range n {
		a := executortest.Script(t, fmt.Sprintf("echo %d >> %s; sleep 25; echo end >> %s; echo > out", i, mark, mark), nil)
		a.Resources.CPUs = cpus
		all.Go(func() { _, _ = x.Execute(ctx, a, &notes{}) })
	}
	executortest.Await(t, mark, n)
	leave(remote.ErrDetached)
	all.Wait()
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	return mark
}

func (u *user) processes(t *testing.T, slots int) launch.Launcher {
	t.Helper()
	l, err := (&process.Settings{Slots: slots}).Launcher(u.site)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// soon runs a new action, which must not wait for what was left.
func (u *user) soon(t *testing.T, slots int) {
	t.Helper()
	began := time.Now()
	if err := executeOne(t, u.open(t, u.processes(t, slots)), executortest.Script(t, "echo > out", nil)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 12*time.Second {
		t.Errorf("it took %s", took)
	}
}

// What an earlier run has left has its slots; those that are free are used.
func TestLeftTakesNoMoreThanItsSlots(t *testing.T) {
	t.Parallel()
	u := newUser(t, folderPlace(t))
	u.leaveRunning(t, 4, 3, 0)
	u.soon(t, 4)
}

// What the run does not contain is called off, be its queue used by the run or not.
func TestLeftAndNotWanted(t *testing.T) {
	for name, cpus := range map[string]float64{"the same queue": 0, "another queue": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t, folderPlace(t))
			mark := u.leaveRunning(t, 2, 2, cpus)
			u.config.Wanted = func(k cache.Key, address string) bool { return false }
			u.soon(t, 2)
			if n := lines(t, mark); n != 2 {
				t.Errorf("what was called off has ended: %d lines", n)
			}
		})
	}
}

// What ran under a key that its node no longer has is called off once the new one is
// known.
func TestLeftIsSuperseded(t *testing.T) {
	t.Parallel()
	u := newUser(t, folderPlace(t))
	u.leaveRunning(t, 1, 1, 0)
	u.config.Wanted = func(_ cache.Key, address string) bool { return address == "command.test" }
	u.soon(t, 1)
}
