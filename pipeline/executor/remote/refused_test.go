package remote_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/executor/process"
)

// account is a launcher that takes only so many workers at a time, as a cluster does
// whose accounts may have only so many jobs.
type account struct {
	launch.Launcher
	most int

	mu      sync.Mutex
	refused int
	largest int
}

var errLimit = errors.New("sbatch: AssocMaxSubmitJobLimit: job submit limit")

func (a *account) Start(ctx context.Context, workers []launch.Worker) error {
	found, err := a.Poll(ctx)
	if err != nil {
		return err
	}
	alive := 0
	for _, s := range found {
		if s.State != launch.Ended {
			alive++
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if alive+len(workers) > a.most {
		a.refused++
		return errLimit
	}
	a.largest = max(a.largest, alive+len(workers))
	return a.Launcher.Start(ctx, workers)
}

// More workers than the account may have are refused: the ones that there are go on,
// it is tried with fewer, and the user is told once.
func TestRefusedWorkersDoNotEndTheOthers(t *testing.T) {
	u := newUser(t, folderPlace(t))
	var mu sync.Mutex
	told := 0
	u.config.Tell = func(m string) {
		mu.Lock()
		defer mu.Unlock()
		t.Log(m)
		if strings.Contains(m, errLimit.Error()) {
			told++
		}
	}
	p, err := (&process.Settings{Slots: 8}).Launcher(u.site)
	if err != nil {
		t.Fatal(err)
	}
	l := &account{Launcher: p, most: 3}
	x := u.open(t, l)
	errs := make([]error, 12)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			errs[i] = executeOne(t, x, executortest.Script(t, fmt.Sprintf("sleep 1.5; echo %d > out", i), nil))
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if l.refused < 4 || l.largest != 3 || told != 1 {
		t.Errorf("refused %d times, %d workers at most, told %d times", l.refused, l.largest, told)
	}
}

// So it is for an action that was handed on to another machine: its workers are refused
// as long as others have all jobs, and come then.
func TestRefusedWhileHandedOn(t *testing.T) {
	u := newUser(t, folderPlace(t))
	l := &account{Launcher: newFarm(t, u.site, 4, "ant", "bee"), most: 2}
	u.config.Tell = func(m string) {
		t.Log(m)
		if strings.Contains(m, "handed on") {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.most = 1
		}
	}
	x := u.open(t, l)
	mark := filepath.Join(t.TempDir(), "mark")
	long := make(chan error)
	go func() { long <- executeOne(t, x, executortest.On(t, "ant", "echo > "+mark+"; sleep 6; echo > out")) }()
	executortest.Await(t, mark, 1)
	if err := executeOne(t, x, executortest.On(t, "bee", "echo > out")); err != nil {
		t.Error(err)
	}
	if err := <-long; err != nil {
		t.Error(err)
	}
	const most = 3 // after which an action used to fail
	if l.refused < most {
		t.Errorf("refused %d times", l.refused)
	}
}

// Where there is no worker and none is taken, that is said soon.
func TestRefusedWithoutWorkers(t *testing.T) {
	u := newUser(t, folderPlace(t))
	p, err := (&process.Settings{Slots: 8}).Launcher(u.site)
	if err != nil {
		t.Fatal(err)
	}
	l := &account{Launcher: p}
	began := time.Now()
	err = executeOne(t, u.open(t, l), executortest.Script(t, "echo > out", nil))
	if !errors.Is(err, errLimit) || l.refused != 3 || time.Since(began) > 10*time.Second {
		t.Errorf("%v, refused %d times, after %s", err, l.refused, time.Since(began))
	}
}

func lines(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), "\n")
}
