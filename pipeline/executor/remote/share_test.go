package remote_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/executor/remote"
)

func TestShares(t *testing.T) {
	for _, c := range []struct {
		open  []int
		slots int
		want  []int
	}{
		{[]int{1000}, 8, []int{8}}, {[]int{1000, 1}, 8, []int{7, 1}}, {[]int{1000, 10, 2}, 8, []int{3, 3, 2}},
		{[]int{3, 0, 3}, 1, []int{1, 0, 0}}, {[]int{1, 1}, 8, []int{1, 1}}, {nil, 8, []int{}}, {[]int{5}, 0, []int{0}},
	} {
		if got := remote.Shares(c.open, c.slots); !slices.Equal(got, c.want) {
			t.Errorf("%v on %d slots: %v, want %v", c.open, c.slots, got, c.want)
		}
	}
}

// An action whose queue has no worker does not wait for all that came before it:
// one of those that have all slots leaves.
func TestOneQueueDoesNotStarveAnother(t *testing.T) {
	t.Parallel()
	u := newUser(t, folderPlace(t))
	x := u.open(t, u.processes(t, 2))
	mark := filepath.Join(t.TempDir(), "mark")
	errs := make([]error, 10)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			errs[i] = executeOne(t, x, executortest.Script(t, fmt.Sprintf("echo begun >> %s; sleep 3; echo %d > out", mark, i), nil))
		})
	}
	executortest.Await(t, mark, 2)
	other := executortest.Script(t, "echo > out", nil)
	other.Resources.Memory = 1 << 30
	if err := executeOne(t, x, other); err != nil {
		t.Error(err)
	}
	if n := lines(t, mark); n > 7 {
		t.Errorf("%d of 10 were begun before it", n)
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

// queued is a launcher whose workers wait to begin until they are cancelled.
type queued struct {
	barren
	cancelled []string
}

func (q *queued) Cancel(_ context.Context, ids []string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.cancelled = append(q.cancelled, ids...)
	q.statuses = slices.DeleteFunc(q.statuses, func(s launch.Status) bool { return slices.Contains(ids, s.ID) })
	return nil
}

// queues counts the workers that there are, by what their actions ask for.
func (q *queued) queues() (plain, other int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, w := range q.started {
		switch {
		case slices.Contains(q.cancelled, w.ID):
		case w.Resources.Memory > 0:
			other++
		default:
			plain++
		}
	}
	return plain, other
}

// Workers that have not begun make room at once.
func TestWorkersThatWaitMakeRoom(t *testing.T) {
	t.Parallel()
	u := newUser(t, folderPlace(t))
	// That workers reach the store was seen before.
	x := u.open(t, u.processes(t, 1))
	if err := executeOne(t, x, executortest.Script(t, "echo first > out", nil)); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	l := &queued{barren: barren{slots: 4, hosts: []string{"n1"}, state: launch.Pending, why: "others are ahead"}}
	x = u.open(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range 10 {
		a := executortest.Script(t, fmt.Sprintf("echo %d > out", i), nil)
		all.Go(func() { _, _ = x.Execute(ctx, a, &notes{}) })
	}
	until(t, func() bool { plain, _ := l.queues(); return plain == 4 })
	other := executortest.Script(t, "echo > out", nil)
	other.Resources.Memory = 1 << 30
	all.Go(func() { _, _ = x.Execute(ctx, other, &notes{}) })
	until(t, func() bool { plain, other := l.queues(); return plain == 3 && other == 1 })
	time.Sleep(time.Second)
	if plain, other := l.queues(); plain != 3 || other != 1 {
		t.Errorf("later: %d and %d", plain, other)
	}
	cancel()
	all.Wait()
}

func until(t *testing.T, is func() bool) {
	t.Helper()
	for range 1500 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("not within 15 s")
}
