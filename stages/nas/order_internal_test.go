package nas

import "testing"

// TestTwister checks the generator against CPython 3.11:
// random.seed(88); [random.getrandbits(32) for _ in range(5)].
func TestTwister(t *testing.T) {
	r := newTwister(88)
	for i, want := range []uint32{1707201716, 4182107318, 813946014, 1429399738, 3875947387} {
		if got := r.uint32(); got != want {
			t.Errorf("word %d is %d, want %d", i, got, want)
		}
	}
}

// BenchmarkOrder times what the first call of At or Index costs.
func BenchmarkOrder(b *testing.B) {
	for range b.N {
		var numbers [Size]uint16
		for i := range numbers {
			numbers[i] = uint16(i)
		}
		shuffle(numbers[:], newTwister(88))
	}
}

func BenchmarkClasses(b *testing.B) {
	official()
	for range b.N {
		partitionBy(Cell.UniqueString)
	}
}
