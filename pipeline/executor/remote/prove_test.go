package remote_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/executor/process"
	"github.com/nbpipe/nbpipe/stages"
)

// counting tells how many workers were asked for at a time.
type counting struct {
	launch.Launcher
	mu      sync.Mutex
	batches []int
}

func (c *counting) Start(ctx context.Context, workers []launch.Worker) error {
	c.mu.Lock()
	c.batches = append(c.batches, len(workers))
	c.mu.Unlock()
	return c.Launcher.Start(ctx, workers)
}

func (c *counting) first() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.batches[0]
}

// barren is a launcher whose workers end at once, on one machine after the other.
type barren struct {
	mu       sync.Mutex
	slots    int
	hosts    []string
	why      string
	state    launch.State // Ended, if it says nothing else
	started  []launch.Worker
	batches  []int
	statuses []launch.Status
}

func (b *barren) Slots() int                                      { return b.slots }
func (b *barren) Check(context.Context, []stages.Resources) error { return nil }
func (b *barren) Cancel(context.Context, []string) error          { return nil }
func (b *barren) Close() error                                    { return nil }

func (b *barren) Start(_ context.Context, workers []launch.Worker) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.batches = append(b.batches, len(workers))
	for _, w := range workers {
		host := b.hosts[len(b.started)%len(b.hosts)]
		b.started = append(b.started, w)
		b.statuses = append(b.statuses, launch.Status{ID: w.ID, State: cmp.Or(b.state, launch.Ended), Reason: b.why, Host: host})
	}
	return nil
}

func (b *barren) Poll(context.Context) ([]launch.Status, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.statuses), nil
}

func (b *barren) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.started)
}

// notes is a watcher that passes on why an action has not begun.
type notes struct{ told func(string) }

func (*notes) Report(int64, int64, string) {}
func (*notes) Begun(string)                {}
func (*notes) Logged([]byte)               {}
func (n *notes) Note(text string) {
	if n.told != nil {
		n.told(text)
	}
}

// executeAll runs n actions at once, and returns their errors.
func executeAll(t *testing.T, x executor.Executor, n int, script string) []error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		a := executortest.Script(t, fmt.Sprintf("%s; echo %d > out", script, i), nil)
		if i%2 == 1 { // of another queue
			a.Resources.CPUs = 2
		}
		all.Go(func() { _, errs[i] = x.Execute(ctx, a, &notes{}) })
	}
	all.Wait()
	return errs
}

// The first run against a store has one worker until that has begun something; later
// ones do not wait, until something is another one.
func TestFirstWorkerProves(t *testing.T) {
	u := newUser(t, folderPlace(t))
	for i, c := range []struct {
		setup string
		alone bool
	}{{"a", true}, {"a", false}, {"b", true}, {"b", false}} {
		l, err := (&process.Settings{Slots: 8}).Launcher(u.site)
		if err != nil {
			t.Fatal(err)
		}
		counted := &counting{Launcher: l}
		u.config.Setup = c.setup
		x := u.open(t, counted)
		if err := errors.Join(executeAll(t, x, 8, fmt.Sprintf(": run %d; sleep 0.3", i))...); err != nil {
			t.Fatal(err)
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		if alone := counted.first() == 1; alone != c.alone {
			t.Errorf("run %d, setup %s: workers were asked for like this: %v", i, c.setup, counted.batches)
		}
	}
}

// A store that no worker reaches costs three of them, one after the other, and the
// error says where, on what machines and why. What comes later hears it at once.
func TestNobodyReachesTheStore(t *testing.T) {
	u := newUser(t, folderPlace(t))
	l := &barren{slots: 1000, hosts: []string{"n1", "n2"}, why: "it ended with an error: the team cache is not there on this machine"}
	x := u.open(t, l)
	for _, err := range executeAll(t, x, 20, ":") {
		if err == nil || !strings.HasPrefix(err.Error(), `executor "test": no worker has reached the cache `+u.place.config.Folder+": 3 were started, one after the other") ||
			!strings.Contains(err.Error(), ". On n1, n2: it ended with an error: the team cache is not there on this machine. Their machines need") {
			t.Fatal(err)
		}
	}
	if !slices.Equal(l.batches, []int{1, 1, 1}) {
		t.Errorf("workers were asked for like this: %v", l.batches)
	}
	for i, want := range []string{"", "n1", "n1,n2"} {
		if got := strings.Join(l.started[i].Avoid, ","); got != want {
			t.Errorf("worker %d avoided %q, want %q", i, got, want)
		}
	}
	began := time.Now()
	if err := executeAll(t, x, 1, ": later")[0]; err == nil || time.Since(began) > time.Second || l.count() != 3 {
		t.Errorf("%v after %v, with %d workers", err, time.Since(began), l.count())
	}
}

// Where it was proven and holds no more, that is noticed, and proven anew next time.
func TestProofIsGivenUp(t *testing.T) {
	u := newUser(t, folderPlace(t))
	p, err := (&process.Settings{Slots: 1}).Launcher(u.site)
	if err != nil {
		t.Fatal(err)
	}
	x := u.open(t, p)
	if err := errors.Join(executeAll(t, x, 1, ":")...); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(u.config.Proof); err != nil {
		t.Fatal(err)
	}
	l := &barren{slots: 5, hosts: []string{"n1"}}
	if err := executeAll(t, u.open(t, l), 10, ": more")[0]; err == nil || !strings.Contains(err.Error(), "On n1: nothing is known of why") {
		t.Error(err)
	}
	if l.count() > 8 {
		t.Errorf("%d workers", l.count())
	}
	if _, err := os.Stat(u.config.Proof); !errors.Is(err, os.ErrNotExist) {
		t.Error("the proof is left")
	}
}

// Who waits is told that more waits for the first worker, and where that one stands.
func TestNotesTellOfTheProof(t *testing.T) {
	u := newUser(t, folderPlace(t))
	x := u.open(t, &barren{slots: 5, hosts: []string{"n1"}, state: launch.Pending, why: "other jobs are ahead of it"})
	const want = "waiting for the first worker, which shows whether jobs reach the cache before more are asked for: other jobs are ahead of it"
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	seen := &notes{told: func(text string) {
		if text == want {
			cancel()
		}
	}}
	if _, err := x.Execute(ctx, executortest.Script(t, "echo > out", nil), seen); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
