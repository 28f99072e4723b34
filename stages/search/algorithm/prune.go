package algorithm

import (
	"context"
	"math"
	"slices"

	"github.com/nbpipe/nbpipe/stages/nas"
)

// Pruning shrinks the space by removing operations, which is what LISSNAS is
// compared with: in each step it looks at a uniform sample of what is left, averages
// the values of the architectures with each operation (an architecture counts once
// for each edge that has it), and removes the operation with the lowest average from
// all edges; or, with PerEdge, the one with the lowest average at its edge from that
// edge. It stops before a step would leave fewer than Size architectures. What is
// left of the budget samples the kept space. What was evaluated once in a run is
// remembered and costs nothing more: of a uniform sample, what lies in the smaller
// space is a uniform sample of that.
//
// It is nobody's exact procedure, but the plainest rule. An operation that no
// sampled architecture has is not removed; ties go to the first edge and operation.
// An evaluation that failed counts, in averages, as the lowest that did not.
type Pruning struct {
	PerEdge bool
	Sample  int // evaluated architectures that a step needs in the space
	Size    int // of the space, at least
}

// Search implements Algorithm and sets r.Space.
func (a Pruning) Search(ctx context.Context, r *Run) error {
	known := map[int]float64{}
	left := allOperations()
	defer func() { r.Space = left.members() }()
	var sample []valued // what is known of the space
	for {
		removals := left.removals(a.PerEdge, a.Size)
		if len(removals) == 0 {
			break
		}
		drawn := left.draw(&r.Random, known, min(a.Sample, left.size())-len(sample))
		if err := remember(ctx, r, known, drawn); err != nil {
			return err
		}
		for _, n := range drawn {
			sample = append(sample, valued{nas.At(n), known[n]})
		}
		worst, ok := left.worst(removals, sample)
		if !ok {
			break
		}
		left = left.without(worst)
		sample = slices.DeleteFunc(sample, func(v valued) bool { return !left.holds(v.cell) })
	}
	return remember(ctx, r, known, Pick(&r.Random, left.members(), left.size()))
}

type valued struct {
	cell  nas.Cell
	value float64
}

// operations says which are left on each edge.
type operations [nas.NumEdges][nas.NumOps]bool

func allOperations() operations {
	var o operations
	for e := range o {
		for op := range o[e] {
			o[e][op] = true
		}
	}
	return o
}

// removal takes an operation from an edge, or from all.
type removal struct {
	edge int // -1 for all
	op   nas.Op
}

func (m removal) touches(edge int) bool { return m.edge < 0 || m.edge == edge }

// removals are those that leave every edge an operation, and at least size cells.
func (o operations) removals(perEdge bool, size int) []removal {
	edges := []int{-1}
	if perEdge {
		edges = []int{0, 1, 2, 3, 4, 5}
	}
	var out []removal
	for _, e := range edges {
		for _, op := range nas.Ops() {
			m := removal{e, op}
			if next := o.without(m); next != o && next.size() >= max(1, size) {
				out = append(out, m)
			}
		}
	}
	return out
}

func (o operations) without(m removal) operations {
	for e := range o {
		if m.touches(e) {
			o[e][m.op] = false
		}
	}
	return o
}

func (o operations) size() int {
	size := 1
	for _, edge := range o {
		n := 0
		for _, left := range edge {
			if left {
				n++
			}
		}
		size *= n
	}
	return size
}

func (o operations) holds(c nas.Cell) bool {
	for e, op := range c {
		if !o[e][op] {
			return false
		}
	}
	return true
}

// members are the cells that are left, by ascending number.
func (o operations) members() []int {
	cells := []nas.Cell{{}}
	for e := range o {
		var longer []nas.Cell
		for _, c := range cells {
			for _, op := range nas.Ops() {
				if o[e][op] {
					c[e] = op
					longer = append(longer, c)
				}
			}
		}
		cells = longer
	}
	out := make([]int, len(cells))
	for i, c := range cells {
		out[i] = nas.Index(c)
	}
	slices.Sort(out)
	return out
}

// draw draws n cells that are not known, uniformly, an operation an edge; there must
// be as many. What is known already, or was just drawn, is drawn again.
func (o operations) draw(random *Source, known map[int]float64, n int) []int {
	var left [nas.NumEdges][]nas.Op
	for e := range o {
		for _, op := range nas.Ops() {
			if o[e][op] {
				left[e] = append(left[e], op)
			}
		}
	}
	fresh := map[int]bool{}
	var out []int
	for len(out) < n {
		var c nas.Cell
		for e := range c {
			c[e] = left[e][random.Below(len(left[e]))]
		}
		i := nas.Index(c)
		if _, ok := known[i]; !ok && !fresh[i] {
			fresh[i] = true
			out = append(out, i)
		}
	}
	return out
}

// worst is the removal whose operation has the lowest average; not ok where none has
// a sample.
func (o operations) worst(removals []removal, sample []valued) (out removal, ok bool) {
	values := make([]float64, len(sample))
	for i, s := range sample {
		values[i] = s.value
	}
	floor, lowest := lowestFinite(values), math.Inf(1)
	for _, m := range removals {
		sum, n := 0.0, 0.0
		for _, s := range sample {
			for e, op := range s.cell {
				if op == m.op && m.touches(e) {
					sum += max(s.value, floor)
					n++
				}
			}
		}
		if n > 0 && (!ok || sum/n < lowest) {
			out, lowest, ok = m, sum/n, true
		}
	}
	return out, ok
}
