package stats

import (
	"cmp"
	"math"
	"slices"
)

// entry is one value to be sorted: a key whose unsigned order is the order of
// the values, and a payload that travels with it.
type entry struct {
	key uint64
	at  int32
}

// sortKey maps a float64 that is not NaN to an unsigned integer of the same
// order. Adding zero turns negative zero into zero, so that they tie.
func sortKey(v float64) uint64 {
	bits := math.Float64bits(v + 0)
	if bits>>63 != 0 {
		return ^bits
	}
	return bits | 1<<63
}

const (
	digitBits   = 11
	digitValues = 1 << digitBits
	digits      = (64 + digitBits - 1) / digitBits
	// radixFrom is the length from which six counting passes, and the clearing
	// of their 48 kB of counters, beat a comparison sort: at 200 values they
	// took 17 us against 13 us, at 400 values 20 us against 37 us.
	radixFrom = 256
)

// sortEntries sorts stably by key. The result is either entries or spare,
// which must be as long; both are overwritten.
func sortEntries(entries, spare []entry) []entry {
	if len(entries) < radixFrom {
		slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
		return entries
	}
	return radixSort(entries, spare)
}

// radixSort is a least-significant-digit radix sort that skips digits on which
// all keys agree.
func radixSort(from, to []entry) []entry {
	var counts [digits][digitValues]int32
	for i := range from {
		key := from[i].key
		for d := range counts {
			counts[d][key>>(d*digitBits)%digitValues]++
		}
	}
	for d := range counts {
		shift := d * digitBits
		if counts[d][from[0].key>>shift%digitValues] == int32(len(from)) {
			continue
		}
		scatter(from, to[:len(from)], &counts[d], shift)
		from, to = to, from
	}
	return from
}

// scatter moves the entries to their places by one digit; counts holds how
// often each digit occurs and is used up.
func scatter(from, to []entry, counts *[digitValues]int32, shift int) {
	var next int32
	for d, count := range counts {
		counts[d] = next
		next += count
	}
	for _, e := range from {
		slot := &counts[e.key>>shift%digitValues]
		to[*slot] = e
		*slot++
	}
}

// ordering is a sample in ascending order, with its groups of tied values.
type ordering struct {
	// at[p] is the index of the value at position p; ties keep index order.
	at []int32
	// group[i] numbers the distinct value of x[i], from 0 for the smallest.
	group []int32
	// start[g] is the first position of group g; start[groups()] is n.
	start []int32
}

// groups is the number of distinct values.
func (o ordering) groups() int { return len(o.start) - 1 }

// size is the number of values in group g.
func (o ordering) size(g int32) int32 { return o.start[g+1] - o.start[g] }

// newOrdering sorts x, which must hold no NaN.
func newOrdering(x []float64) ordering {
	n := len(x)
	buffer := make([]entry, 2*n)
	for i, v := range x {
		buffer[i] = entry{sortKey(v), int32(i)}
	}
	sorted := sortEntries(buffer[:n], buffer[n:])
	o := ordering{at: make([]int32, n), group: make([]int32, n), start: make([]int32, 0, n+1)}
	for p, e := range sorted {
		if p == 0 || e.key != sorted[p-1].key {
			o.start = append(o.start, int32(p))
		}
		o.at[p] = e.at
		o.group[e.at] = int32(len(o.start) - 1)
	}
	o.start = append(o.start, int32(n))
	return o
}
