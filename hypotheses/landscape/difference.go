package landscape

import (
	"math"
	"math/bits"
	"slices"

	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages/nas"
)

// shells hold, by edit distance, the absolute differences of pairs of
// architectures that far apart.
type shells [nas.NumEdges + 1]pairs

// newShells sums over all 122 million pairs without visiting them. Cells that
// agree on some edges form a group; in ascending order of values, the differences
// within groups are sums of what has passed. The groups of all choices of t edges
// that may differ count a pair at distance d <= t once for each choice that holds
// its d edges, so that inclusion and exclusion give those at exactly d.
func (g *graph) newShells(values []float64) shells {
	n := len(values)
	var grouped [nas.NumEdges + 1][]float64 // by number of edges that may differ
	for t := range grouped {
		grouped[t] = make([]float64, n)
	}
	order := tasks.Order(values)
	for mask := range 1 << nas.NumEdges {
		addWithinGroups(grouped[bits.OnesCount(uint(mask))], values, order, groupsOf(mask))
	}
	var s shells
	for d := range s {
		s[d] = pairs{make([]float64, n), ones(n), make([]float64, n), make([]float64, n)}
		for i := range n {
			s[d].count[i] = shellSize(d)
		}
		for t := 0; t <= d; t++ {
			factor := binomial(nas.NumEdges-t, d-t)
			if (d-t)%2 == 1 {
				factor = -factor
			}
			for i := range n {
				s[d].sum[i] += factor * grouped[t][i]
			}
		}
	}
	for i := range n {
		for _, k := range g.kin[i] {
			s[k.distance].inner[i] += math.Abs(values[i] - values[k.architecture])
			s[k.distance].innerCount[i]++
		}
	}
	return s
}

// groupsOf numbers the groups of cells that agree on the edges not in the mask.
func groupsOf(mask int) []int {
	out := make([]int, nas.Size)
	for i := range out {
		for e, op := range nas.At(i) {
			out[i] *= nas.NumOps
			if mask>>e&1 == 0 {
				out[i] += int(op)
			}
		}
	}
	return out
}

// addWithinGroups adds to each architecture the sum of its absolute differences to
// the others of its group.
func addWithinGroups(sums, values []float64, order, group []int) {
	var passed, total [nas.Size]float64
	for _, sign := range []float64{1, -1} {
		clear(passed[:])
		clear(total[:])
		for _, i := range order {
			g := group[i]
			sums[i] += sign * (values[i]*passed[g] - total[g])
			passed[g]++
			total[g] += values[i]
		}
		order = slices.Clone(order)
		slices.Reverse(order)
	}
}

// distinct are the pairs of different classes.
func (p pairs) distinct() pairs {
	n := len(p.sum)
	out := pairs{slices.Clone(p.sum), slices.Clone(p.count), make([]float64, n), make([]float64, n)}
	for i := range n {
		out.sum[i] -= p.inner[i]
		out.count[i] -= p.innerCount[i]
	}
	return out
}

// anywhere are the pairs of any two architectures.
func (s shells) anywhere() pairs {
	n := len(s[0].sum)
	out := pairs{make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)}
	for _, p := range s[1:] {
		for i := range n {
			out.sum[i] += p.sum[i]
			out.count[i] += p.count[i]
			out.inner[i] += p.inner[i]
			out.innerCount[i] += p.innerCount[i]
		}
	}
	return out
}

// noise compares the two smallest numbers of each class that has two: one function
// trained twice.
type noise struct {
	difference statistic // mean absolute difference
	signal     statistic // share of the variance that repeats do not have
	pairs      int
}

func newNoise(values []float64, classes [][]int) noise {
	n := len(values)
	absolute, square, count := make([]float64, n), make([]float64, n), make([]float64, n)
	var out noise
	for _, m := range classes {
		if len(m) > 1 {
			d := values[m[0]] - values[m[1]]
			absolute[m[0]], square[m[0]], count[m[0]] = math.Abs(d), d*d/2, 1
			out.pairs++
		}
	}
	variance := make([]float64, n)
	for i, d := range deviations(values) {
		variance[i] = d * d
	}
	out.difference = meanWhere(absolute, count)
	share := meanWhere(square, count).over(meanOf(variance))
	out.signal = statistic{1, make([]float64, n)}.minus(share)
	return out
}
