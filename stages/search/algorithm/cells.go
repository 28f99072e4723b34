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

// sample draws architectures without replacement: the rest is shuffled step by
// step (Fisher and Yates).
type sample struct{ rest []int }

// everything is a sample of the whole space.
func everything() *sample {
	rest := make([]int, nas.Size)
	for i := range rest {
		rest[i] = i
	}
	return &sample{rest}
}

// draw takes one; ok is false where none is left.
func (s *sample) draw(random *Source) (architecture int, ok bool) {
	if len(s.rest) == 0 {
		return 0, false
	}
	i := random.Below(len(s.rest))
	architecture = s.rest[i]
	s.rest[i] = s.rest[len(s.rest)-1]
	s.rest = s.rest[:len(s.rest)-1]
	return architecture, true
}
