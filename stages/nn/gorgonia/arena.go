package gorgonia

import (
	"sync"

	"github.com/nbpipe/nbpipe/stages/nn/kernel"
)

// arena keeps buffers for reuse: a step needs what the step before it needed,
// in the same order, so memory stays what the first step took.
type arena[T kernel.Float] struct {
	free map[int][][]T // by length
}

func (a *arena[T]) get(n int) []T {
	list := a.free[n]
	if len(list) == 0 {
		return make([]T, n)
	}
	buf := list[len(list)-1]
	a.free[n] = list[:len(list)-1]
	return buf
}

func (a *arena[T]) put(buf []T) { a.free[len(buf)] = append(a.free[len(buf)], buf) }

// parts is the number of parts that a batch is cut into. Sums over a batch are
// sums over parts, added in order: parts may run at once, and the bits do not
// depend on which do.
const parts = 8

// crew runs the parts of an operation on some threads.
type crew[T kernel.Float] struct {
	threads int
	buffers []kernel.Buffers[T] // one a thread
}

func newCrew[T kernel.Float](threads int) *crew[T] {
	threads = max(1, min(threads, parts))
	return &crew[T]{threads: threads, buffers: make([]kernel.Buffers[T], threads)}
}

// batch calls work for each part of n images, with the range of its images.
func (c *crew[T]) batch(n int, work func(part, lo, hi int, b *kernel.Buffers[T])) {
	if c.threads == 1 {
		for p := range parts {
			if lo, hi := p*n/parts, (p+1)*n/parts; lo < hi {
				work(p, lo, hi, &c.buffers[0])
			}
		}
		return
	}
	next := make(chan int, parts)
	for p := range parts {
		next <- p
	}
	close(next)
	var all sync.WaitGroup
	for t := range c.threads {
		all.Go(func() {
			for p := range next {
				if lo, hi := p*n/parts, (p+1)*n/parts; lo < hi {
					work(p, lo, hi, &c.buffers[t])
				}
			}
		})
	}
	all.Wait()
}
