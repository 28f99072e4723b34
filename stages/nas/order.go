package nas

import (
	"fmt"
	"sync"

	"github.com/nbpipe/nbpipe/stages/internal/mersenne"
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
	shuffle(numbers[:], mersenne.CPython(88))
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
func shuffle(x []uint16, r *mersenne.Twister) {
	for i := len(x) - 1; i > 0; i-- {
		j := r.Below(uint32(i + 1))
		x[i], x[j] = x[j], x[i]
	}
}
