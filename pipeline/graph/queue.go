package graph

import (
	"container/heap"
	"slices"
)

// Queue hands out nodes whose dependencies are done, lowest index first. It is
// not safe for concurrent use.
type Queue struct {
	g       *Graph
	pending []int  // dependencies not done yet
	member  []bool // the node takes part
	out     []bool // handed out and neither done nor put back
	ready   intHeap
	left    int
}

// NewQueue makes a queue over the nodes for which member is true (nil: all).
// Dependencies outside count as done.
func NewQueue(g *Graph, member []bool) *Queue {
	q := &Queue{g: g, pending: make([]int, g.Len()), member: make([]bool, g.Len()), out: make([]bool, g.Len())}
	for i := range q.member {
		q.member[i] = member == nil || member[i]
	}
	for i := range q.member {
		if !q.member[i] {
			continue
		}
		q.left++
		if q.pending[i] = q.unfinished(i); q.pending[i] == 0 {
			q.ready = append(q.ready, i)
		}
	}
	heap.Init(&q.ready)
	return q
}

// Next hands out a ready node.
func (q *Queue) Next() (int, bool) {
	if len(q.ready) == 0 {
		return 0, false
	}
	i := heap.Pop(&q.ready).(int)
	q.out[i] = true
	return i, true
}

// PutBack returns a node that was handed out, unfinished: to the ready ones, or,
// if a dependency is done again meanwhile, to those that wait.
func (q *Queue) PutBack(i int) {
	q.out[i] = false
	if q.pending[i] == 0 {
		heap.Push(&q.ready, i)
	}
}

// Done says that node i, handed out before, is finished.
func (q *Queue) Done(i int) {
	q.out[i], q.member[i] = false, false
	q.left--
	for _, j := range q.g.Dependents(i) {
		if !q.member[j] {
			continue
		}
		if q.pending[j]--; q.pending[j] == 0 && !q.out[j] {
			heap.Push(&q.ready, j)
		}
	}
}

// Fail says that node i, handed out before, has failed: it and everything that
// depends on it leave the queue. It returns those dependents, sorted.
func (q *Queue) Fail(i int) []int {
	q.out[i] = false
	var victims []int
	for j, below := range q.g.Downstream(i) {
		if below && q.member[j] {
			q.member[j] = false
			q.left--
			if j != i {
				victims = append(victims, j)
			}
		}
	}
	return victims
}

// Again says that node i, handed out before, cannot go on before nodes first,
// direct dependencies done before, were done once more. Those become ready; i
// and what else is not finished and depends on them waits.
func (q *Queue) Again(i int, first []int) {
	q.out[i] = false
	for _, j := range first {
		if q.member[j] {
			continue // already on its way, and counted
		}
		q.member[j], q.pending[j] = true, q.unfinished(j)
		q.left++
		if q.pending[j] == 0 {
			heap.Push(&q.ready, j)
		}
		for _, k := range q.g.Dependents(j) {
			if q.member[k] {
				q.wait(k)
			}
		}
	}
}

func (q *Queue) unfinished(j int) (n int) {
	for _, d := range q.g.Deps(j) {
		if q.member[d] {
			n++
		}
	}
	return n
}

// wait counts one more unfinished dependency of k, which may be ready.
func (q *Queue) wait(k int) {
	q.pending[k]++
	if at := slices.Index(q.ready, k); at >= 0 {
		heap.Remove(&q.ready, at)
	}
}

// Left is the number of nodes neither done nor failed.
func (q *Queue) Left() int { return q.left }

type intHeap []int

func (h intHeap) Len() int           { return len(h) }
func (h intHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h intHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *intHeap) Push(x any)        { *h = append(*h, x.(int)) }
func (h *intHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
