package landscape

import "github.com/nbpipe/nbpipe/stages/nas"

// graph joins each architecture to those one edit away, and knows the others of
// its isomorphism class, which may lie anywhere.
type graph struct {
	neighbours [][nas.NumNeighbours]int
	class      []int   // of each architecture
	classes    [][]int // architectures of each class, ascending
	kin        [][]kin
}

// kin is another architecture of a class, or the same, and how far away it is.
type kin struct{ architecture, distance int32 }

func newGraph(class []int, classes [][]int) *graph {
	g := &graph{make([][nas.NumNeighbours]int, len(class)), class, classes, make([][]kin, len(class))}
	for i := range g.neighbours {
		g.neighbours[i] = nas.NeighbourIndices(i)
	}
	for _, members := range classes {
		for _, i := range members {
			g.kin[i] = make([]kin, len(members))
			for k, j := range members {
				g.kin[i][k] = kin{int32(j), int32(nas.Distance(nas.At(i), nas.At(j)))}
			}
		}
	}
	return g
}

// step is the mean of the neighbours' values at each architecture: what a walker
// expects to find one step on.
func (g *graph) step(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, neighbours := range g.neighbours {
		sum := 0.0
		for _, n := range neighbours {
			sum += values[n]
		}
		out[i] = sum / nas.NumNeighbours
	}
	return out
}

// shellSize is how many architectures lie at an edit distance from any one.
func shellSize(distance int) float64 {
	size := binomial(nas.NumEdges, distance)
	for range distance {
		size *= nas.NumOps - 1
	}
	return size
}

// arrivals are, by distance, the probability that a walk is at a given architecture
// there after 1, 2 .. steps. From distance d, a step comes nearer with d of the 24
// edits, keeps the distance with 3 d, and goes farther with the others.
func arrivals(steps int) [][nas.NumEdges + 1]float64 {
	out := make([][nas.NumEdges + 1]float64, steps)
	at := [nas.NumEdges + 1]float64{1}
	for s := range out {
		var next [nas.NumEdges + 1]float64
		for d, p := range at {
			near, same := float64(d), float64(d*(nas.NumOps-2))
			if d > 0 {
				next[d-1] += p * near / nas.NumNeighbours
			}
			next[d] += p * same / nas.NumNeighbours
			if d < nas.NumEdges {
				next[d+1] += p * (nas.NumNeighbours - near - same) / nas.NumNeighbours
			}
		}
		at = next
		for d := range at {
			out[s][d] = at[d] / shellSize(d)
		}
	}
	return out
}

// binomial is the number of k-subsets of n.
func binomial(n, k int) float64 {
	out := 1.0
	for i := range k {
		out = out * float64(n-i) / float64(i+1)
	}
	return out
}
