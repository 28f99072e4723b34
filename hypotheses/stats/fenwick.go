package stats

import "slices"

// fenwick counts small integers and tells how many of those counted lie below
// a bound, both in O(log n) (Fenwick, Softw. Pract. Exp. 1994). Its length is
// one more than the number of distinct integers.
type fenwick []int32

// add counts v once.
func (f fenwick) add(v int32) {
	for i := v + 1; int(i) < len(f); i += i & -i {
		f[i]++
	}
}

// below is how many counted integers are smaller than bound.
func (f fenwick) below(bound int32) int64 {
	var count int64
	for i := bound; i > 0; i &= i - 1 {
		count += int64(f[i])
	}
	return count
}

// countBelow is how many values of a sorted slice are smaller than bound.
func countBelow(sorted []int32, bound int32) int64 {
	at, _ := slices.BinarySearch(sorted, bound)
	return int64(at)
}
