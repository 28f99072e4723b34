package landscape

import "github.com/nbpipe/nbpipe/stages/nas"

// optima counts architectures that no neighbour beats.
type optima struct{ weak, strict, aboveNoise int }

// countOptima compares each architecture with its best neighbour.
func (g *graph) countOptima(values []float64, noise float64) optima {
	var out optima
	for i, neighbours := range g.neighbours {
		best := values[neighbours[0]]
		for _, n := range neighbours[1:] {
			best = max(best, values[n])
		}
		if values[i] >= best {
			out.weak++
		}
		if values[i] > best {
			out.strict++
		}
		if values[i] > best && values[i]-best > noise {
			out.aboveNoise++
		}
	}
	return out
}

// basins say where best improvement leads from each architecture.
type basins struct {
	end   []int // weak local optimum
	steps []int // to get there
	size  []int // by architecture: how many end there; 0 where it is no optimum
}

// ascend goes from every architecture to its best neighbour while that is better.
// Of equal neighbours it takes that with the lowest number, or the highest.
func (g *graph) ascend(values []float64, highest bool) basins {
	n := len(g.neighbours)
	b := basins{make([]int, n), make([]int, n), make([]int, n)}
	for i := range b.end {
		b.end[i] = -1
	}
	path := make([]int, 0, n)
	for start := range g.neighbours {
		path = path[:0]
		at := start
		for b.end[at] < 0 {
			next := best(values, g.neighbours[at], highest)
			if !(values[next] > values[at]) {
				b.end[at] = at
				break
			}
			path = append(path, at)
			at = next
		}
		for i := len(path) - 1; i >= 0; i-- {
			b.end[path[i]], b.steps[path[i]] = b.end[at], b.steps[at]+1
			at = path[i]
		}
	}
	for _, e := range b.end {
		b.size[e]++
	}
	return b
}

// best is the neighbour of the highest value.
func best(values []float64, neighbours [nas.NumNeighbours]int, highest bool) int {
	out := neighbours[0]
	for _, n := range neighbours[1:] {
		if values[n] > values[out] || values[n] == values[out] && (n < out) != highest {
			out = n
		}
	}
	return out
}

// summary describes basins: how many there are, and as shares of all starts the
// largest one and those that end at a best value, and among the best 1 % by
// value, ties by number; the mean of steps.
type summary struct {
	count                        int
	largest, optimum, top, steps float64
}

// summarise takes the architectures in descending order of their values.
func (b basins) summarise(values []float64, falling []int) summary {
	top := make([]bool, len(values))
	for _, i := range falling[:topSize(len(values))] {
		top[i] = true
	}
	var count, largest, atOptimum, inTop, steps int
	for i, e := range b.end {
		if b.size[i] > 0 {
			count++
			largest = max(largest, b.size[i])
		}
		if values[e] == values[falling[0]] {
			atOptimum++
		}
		if top[e] {
			inTop++
		}
		steps += b.steps[i]
	}
	share := func(k int) float64 { return float64(k) / float64(len(values)) }
	return summary{count, share(largest), share(atOptimum), share(inTop), share(steps)}
}

// topSize is how many the best 1 % are.
func topSize(n int) int { return (n + 50) / 100 }
