package algorithm

import "github.com/nbpipe/nbpipe/stages/nas"

// randomCell draws every operation uniformly: each architecture is as likely.
func randomCell(random *Source) nas.Cell {
	n := random.Below(nas.Size)
	var c nas.Cell
	for i := range c {
		c[i] = nas.Op(n % nas.NumOps)
		n /= nas.NumOps
	}
	return c
}

// mutate changes one operation as NATS-Bench does: a node is drawn, then one of
// the edges into it, then another operation. So edge 0-1 changes with probability
// 1/3, the others less often.
func mutate(random *Source, c nas.Cell) nas.Cell {
	node := 1 + random.Below(nas.NumNodes-1)
	edge := node*(node-1)/2 + random.Below(node)
	other := nas.Op(random.Below(nas.NumOps - 1))
	if other >= c[edge] {
		other++
	}
	c[edge] = other
	return c
}

// seen remembers a set of architectures.
type seen [nas.Size]bool

// sample draws the numbers below left without replacement: they are shuffled step by
// step (Fisher and Yates), and what was moved is kept aside, so that the first draws of
// a large space cost little.
type sample struct {
	left  int
	moved map[int]int
}

// everything is a sample of the whole space.
func everything() *sample { return newSample(nas.Size) }

func newSample(n int) *sample { return &sample{n, map[int]int{}} }

// draw takes one; ok is false where none is left.
func (s *sample) draw(random *Source) (one int, ok bool) {
	if s.left == 0 {
		return 0, false
	}
	i := random.Below(s.left)
	one = s.at(i)
	s.left--
	s.moved[i] = s.at(s.left)
	return one, true
}

func (s *sample) at(i int) int {
	if v, ok := s.moved[i]; ok {
		return v
	}
	return i
}

// wholeSpace lists all architectures.
func wholeSpace() []int {
	out := make([]int, nas.Size)
	for i := range out {
		out[i] = i
	}
	return out
}
