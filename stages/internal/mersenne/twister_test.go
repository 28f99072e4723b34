package mersenne

import (
	"slices"
	"testing"
)

// TestCPython checks the generator against CPython 3.11:
// random.seed(88); [random.getrandbits(32) for _ in range(5)].
func TestCPython(t *testing.T) {
	r := CPython(88)
	for i, want := range []uint32{1707201716, 4182107318, 813946014, 1429399738, 3875947387} {
		if got := r.Uint32(); got != want {
			t.Errorf("word %d is %d, want %d", i, got, want)
		}
	}
}

// TestNumPy checks against NumPy 1.24: numpy.random.RandomState(seed).permutation(n).
func TestNumPy(t *testing.T) {
	for _, c := range []struct {
		seed uint32
		want []int
	}{
		{0, []int{18, 1, 19, 8, 10, 17, 6, 13, 4, 2, 5, 14, 9, 7, 16, 11, 3, 0, 15, 12}},
		{0, []int{0}},
		{1, []int{3, 13, 7, 2, 6, 10, 4, 1, 14, 0, 16, 15, 9, 8, 12, 11, 5}},
		{4294967295, []int{24, 15, 19, 3, 21, 2, 28, 30, 1, 6, 8, 31, 27, 4, 32, 16, 17, 9, 5, 14, 13, 10, 23, 11, 18, 29, 25, 26, 22, 0, 20, 7, 12}},
	} {
		if got := NumPy(c.seed).Permutation(len(c.want)); !slices.Equal(got, c.want) {
			t.Errorf("seed %d: %v, want %v", c.seed, got, c.want)
		}
	}
	r := NumPy(0)
	r.Permutation(1000)
	if got := r.Permutation(8); !slices.Equal(got, []int{2, 1, 5, 6, 4, 3, 0, 7}) {
		t.Errorf("after 1,000: %v", got)
	}
}
