package graph

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// diamond: 3 depends on 1 and 2, which depend on 0; 4 stands alone.
var diamond = [][]int{{}, {0}, {0}, {1, 2, 1}, {}}

func TestOrder(t *testing.T) {
	order, cycle := New(diamond).Order()
	if cycle != nil || !cmp.Equal(order, []int{0, 1, 2, 3, 4}) {
		t.Errorf("order %v, cycle %v", order, cycle)
	}
}

func TestOrderNamesAWholeCycle(t *testing.T) {
	_, cycle := New([][]int{{}, {0, 3}, {1}, {2}, {3}}).Order()
	slices.Sort(cycle)
	if !cmp.Equal(cycle, []int{1, 2, 3}) {
		t.Errorf("cycle %v", cycle)
	}
}

func TestClosures(t *testing.T) {
	g := New(diamond)
	if got := g.Upstream(3); !cmp.Equal(got, []bool{true, true, true, true, false}) {
		t.Error("upstream", got)
	}
	if got := g.Downstream(1); !cmp.Equal(got, []bool{false, true, false, true, false}) {
		t.Error("downstream", got)
	}
	if got := g.Levels(); !cmp.Equal(got, []int{0, 1, 1, 2, 0}) {
		t.Error("levels", got)
	}
}

func TestQueueFailStopsOnlyDependents(t *testing.T) {
	q := NewQueue(New(diamond), nil)
	take(t, q, 0)
	q.Done(0)
	take(t, q, 1)
	if victims := q.Fail(1); !cmp.Equal(victims, []int{3}) {
		t.Error("victims", victims)
	}
	take(t, q, 2)
	q.Done(2)
	take(t, q, 4)
	q.Done(4)
	if _, ok := q.Next(); ok || q.Left() != 0 {
		t.Errorf("left %d", q.Left())
	}
}

func TestQueueAgain(t *testing.T) {
	q := NewQueue(New(diamond), nil)
	take(t, q, 0)
	q.Done(0)
	take(t, q, 1)
	take(t, q, 2)
	q.Again(1, []int{0}) // 1 needs 0 once more while 2 is running
	q.Again(2, []int{0}) // and so does 2
	take(t, q, 0)
	q.Done(0)
	take(t, q, 1)
	take(t, q, 2)
	q.Done(1)
	q.Done(2)
	take(t, q, 3)
	q.Done(3)
	take(t, q, 4)
	q.Done(4)
	if q.Left() != 0 {
		t.Error("left", q.Left())
	}
}

func TestQueuePutBack(t *testing.T) {
	q := NewQueue(New(diamond), nil)
	take(t, q, 0)
	q.PutBack(0)
	take(t, q, 0)
}

// A node that is put back while its dependency is done once more waits for that.
func TestQueuePutBackWhileADependencyIsDoneAgain(t *testing.T) {
	q := NewQueue(New([][]int{{}, {0}, {0}, {1, 2, 4}, {2}}), nil)
	take(t, q, 0)
	q.Done(0)
	take(t, q, 1)
	take(t, q, 2)
	q.Again(1, []int{0})
	q.PutBack(2)
	take(t, q, 0)
	q.Done(0)
	for _, i := range []int{1, 2, 4, 3} {
		take(t, q, i)
		q.Done(i)
	}
	if q.Left() != 0 {
		t.Error("left", q.Left())
	}
}

func TestQueueRespectsEdgesOnRandomGraphs(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		deps := make([][]int, 60)
		for i := range deps {
			for range rng.IntN(4) {
				if i > 0 {
					deps[i] = append(deps[i], rng.IntN(i))
				}
			}
		}
		checkRandomWalk(t, New(deps), rng)
	}
}

func checkRandomWalk(t *testing.T, g *Graph, rng *rand.Rand) {
	t.Helper()
	q, done, running := NewQueue(g, nil), make([]bool, g.Len()), []int{}
	for q.Left() > 0 {
		if i, ok := q.Next(); ok {
			running = append(running, i)
		}
		if len(running) == 0 {
			t.Fatal("stuck")
		}
		at := rng.IntN(len(running))
		i := running[at]
		running = slices.Delete(running, at, at+1)
		again := slices.DeleteFunc(slices.Clone(g.Deps(i)), func(j int) bool { return rng.IntN(8) > 0 })
		if len(again) > 0 {
			for _, j := range again {
				done[j] = false
			}
			q.Again(i, again)
			continue
		}
		q.Done(i)
		done[i] = true
	}
}

func take(t *testing.T, q *Queue, want int) {
	t.Helper()
	if got, ok := q.Next(); !ok || got != want {
		t.Fatalf("next is %d, %v; want %d", got, ok, want)
	}
}
