package pareto

import (
	"cmp"
	"math"
	"slices"
)

// Front lists the positions of the Pareto-optimal points: those that no other point
// matches in both coordinates and beats in one. Equal points are optimal together.
// They come by ascending cost, equal ones by position.
func Front(cost, value []float64) []int {
	at := make([]int, 0, len(cost))
	for i := range cost {
		at = append(at, i)
	}
	return FrontOf(cost, value, at)
}

// FrontOf is Front among the points at the positions.
func FrontOf(cost, value []float64, at []int) []int {
	order := slices.DeleteFunc(slices.Clone(at), func(i int) bool { return math.IsNaN(cost[i]) || math.IsNaN(value[i]) })
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(cost[a], cost[b]), cmp.Compare(value[b], value[a]), cmp.Compare(a, b))
	})
	var front []int
	for _, i := range order {
		if len(front) > 0 {
			last := front[len(front)-1]
			equal := cost[i] == cost[last] && value[i] == value[last]
			if value[i] <= value[last] && !equal {
				continue
			}
		}
		front = append(front, i)
	}
	return front
}

// Hypervolume is the area that the points at the positions, a front by ascending
// cost, dominate down to the reference: what costs at most referenceCost and has at
// least referenceValue (Zitzler and Thiele, 1998).
func Hypervolume(cost, value []float64, front []int, referenceCost, referenceValue float64) float64 {
	area := 0.0
	for k, i := range front {
		next := referenceCost
		if k+1 < len(front) {
			next = cost[front[k+1]]
		}
		area += max(0, min(next, referenceCost)-cost[i]) * max(0, value[i]-referenceValue)
	}
	return area
}

// Quality says how good the points chosen by a proxy's cost are by the target's.
type Quality struct {
	Proxy  int // Pareto-optimal points by the proxy's cost
	Target int // by the target's
	// Kept is the share of the proxy's optimal points that are optimal on the
	// target; Found the share of the target's that the proxy found.
	Kept, Found float64
	// After is how many of the proxy's are left when those are dropped that another
	// of them beats on the target.
	After int
	// Hypervolume is that of what is left, relative to the target's own; the
	// reference is the largest cost and the smallest value of all points. NaN if the
	// target's own is zero.
	Hypervolume float64
	// Regret is the mean loss of value at equal cost: for the cost of each of the
	// target's optimal points, its value minus the best value among what is left at
	// that cost or less. MaxRegret is the largest loss. Both are in the value's unit,
	// and over the costs at which something is left; Uncovered is the share of the
	// others.
	Regret, MaxRegret, Uncovered float64
}

// Transfer compares the points that are optimal by the proxy's cost with those that
// are by the target's, among the points that have both.
func Transfer(proxy, target, value []float64) Quality {
	var at []int
	worstCost, worstValue := math.Inf(-1), math.Inf(1)
	for i := range value {
		if !math.IsNaN(proxy[i]) && !math.IsNaN(target[i]) && !math.IsNaN(value[i]) {
			at = append(at, i)
			worstCost, worstValue = max(worstCost, target[i]), min(worstValue, value[i])
		}
	}
	chosen, best := FrontOf(proxy, value, at), FrontOf(target, value, at)
	left := FrontOf(target, value, chosen)
	q := Quality{Proxy: len(chosen), Target: len(best), After: len(left)}
	common := shared(chosen, best)
	q.Kept, q.Found = common/float64(len(chosen)), common/float64(len(best))
	q.Hypervolume = Hypervolume(target, value, left, worstCost, worstValue) / Hypervolume(target, value, best, worstCost, worstValue)
	q.regrets(target, value, best, left)
	return q
}

func shared(a, b []int) float64 {
	in := make(map[int]bool, len(a))
	for _, i := range a {
		in[i] = true
	}
	n := 0
	for _, i := range b {
		if in[i] {
			n++
		}
	}
	return float64(n)
}

// regrets walks both fronts by ascending cost.
func (q *Quality) regrets(cost, value []float64, best, left []int) {
	sum, covered, next := 0.0, 0, 0
	reached := math.NaN()
	for _, i := range best {
		for next < len(left) && cost[left[next]] <= cost[i] {
			reached = value[left[next]]
			next++
		}
		if math.IsNaN(reached) {
			continue
		}
		covered++
		sum += value[i] - reached
		q.MaxRegret = max(q.MaxRegret, value[i]-reached)
	}
	q.Regret = sum / float64(covered)
	q.Uncovered = 1 - float64(covered)/float64(len(best))
	if covered == 0 {
		q.MaxRegret = math.NaN()
	}
}
