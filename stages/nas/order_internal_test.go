package nas

import (
	"testing"

	"github.com/nbpipe/nbpipe/stages/internal/mersenne"
)

// BenchmarkOrder times what the first call of At or Index costs.
func BenchmarkOrder(b *testing.B) {
	for range b.N {
		var numbers [Size]uint16
		for i := range numbers {
			numbers[i] = uint16(i)
		}
		shuffle(numbers[:], mersenne.CPython(88))
	}
}

func BenchmarkClasses(b *testing.B) {
	official()
	for range b.N {
		partitionBy(Cell.UniqueString)
	}
}
