package nas

import (
	"fmt"
	"math/bits"
	"sync"
)

// Size is the number of cells in the space.
const Size = 15625

// At returns the cell with number i in the benchmark's order. It panics unless
// 0 <= i < Size; CheckIndex tells beforehand.
func At(i int) Cell { return official().cells[i] }

// Index returns the number of a cell in the benchmark's order, 0 to Size-1. It
// panics on a cell that Validate refuses.
func Index(c Cell) int {
	if err := c.Validate(); err != nil {
		panic("nas.Index: " + err.Error())
	}
	return int(official().index[lexical(c)])
}

// CheckIndex reports whether i is the number of a cell.
func CheckIndex(i int64) error {
	if i < 0 || i >= Size {
		return fmt.Errorf("architecture %d is outside 0 to %d", i, Size-1)
	}
	return nil
}

type order struct {
	cells [Size]Cell
	index [Size]uint16 // by lexical number
}

// official is the order of the benchmark's own list (meta_archs of the NATS
// files): all cells, the first edge slowest, then CPython 3's
// random.seed(88); random.shuffle(list).
var official = sync.OnceValue(func() *order {
	o := new(order)
	var numbers [Size]uint16
	for i := range numbers {
		numbers[i] = uint16(i)
	}
	shuffle(numbers[:], newTwister(88))
	for i, n := range numbers {
		o.cells[i] = fromLexical(int(n))
		o.index[n] = uint16(i)
	}
	return o
})

// lexical is the number of a cell before the shuffle: base 5, edge 0-1 first.
func lexical(c Cell) int {
	n := 0
	for _, op := range c {
		n = n*NumOps + int(op)
	}
	return n
}

func fromLexical(n int) Cell {
	var c Cell
	for i := NumEdges - 1; i >= 0; i-- {
		c[i] = Op(n % NumOps)
		n /= NumOps
	}
	return c
}

// shuffle is CPython's random.shuffle since 3.2 (Lib/random.py): Fisher-Yates
// from the end, with _randbelow_with_getrandbits.
func shuffle(x []uint16, r *twister) {
	for i := len(x) - 1; i > 0; i-- {
		j := r.below(uint32(i + 1))
		x[i], x[j] = x[j], x[i]
	}
}

// twister is MT19937 (Matsumoto and Nishimura, 1998) as CPython seeds and
// draws it (Modules/_randommodule.c).
type twister struct {
	state [624]uint32
	next  int
}

// newTwister is random.seed(seed): init_by_array with the one word.
func newTwister(seed uint32) *twister {
	r := &twister{next: 624}
	r.state[0] = 19650218
	for i := 1; i < len(r.state); i++ {
		r.state[i] = 1812433253*(r.state[i-1]^r.state[i-1]>>30) + uint32(i)
	}
	i := 1
	step := func() {
		if i++; i == len(r.state) {
			r.state[0], i = r.state[len(r.state)-1], 1
		}
	}
	for range r.state {
		p := r.state[i-1]
		r.state[i] = (r.state[i] ^ (p^p>>30)*1664525) + seed
		step()
	}
	for range len(r.state) - 1 {
		p := r.state[i-1]
		r.state[i] = (r.state[i] ^ (p^p>>30)*1566083941) - uint32(i)
		step()
	}
	r.state[0] = 1 << 31
	return r
}

func (r *twister) uint32() uint32 {
	if r.next == len(r.state) {
		r.refill()
	}
	y := r.state[r.next]
	r.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (r *twister) refill() {
	const n, m = 624, 397
	for k := range n {
		y := r.state[k]&(1<<31) | r.state[(k+1)%n]&(1<<31-1)
		v := r.state[(k+m)%n] ^ y>>1
		if y&1 != 0 {
			v ^= 0x9908b0df
		}
		r.state[k] = v
	}
	r.next = 0
}

// below draws from 0 to n-1: getrandbits(n.bit_length()) until it is below n.
func (r *twister) below(n uint32) uint32 {
	k := bits.Len32(n)
	for {
		if v := r.uint32() >> (32 - k); v < n {
			return v
		}
	}
}
