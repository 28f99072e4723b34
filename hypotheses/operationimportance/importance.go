package operationimportance

import (
	"cmp"
	"math"
	"slices"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages/nas"
)

// operations are those with a pool, in the figure's order.
var operations = []nas.Op{nas.NorConv1x1, nas.NorConv3x3, nas.SkipConnect, nas.AvgPool3x3}

// edgeImportance is the importance of the operation on each edge of an
// architecture; NaN where the edge holds none or lacks an alternative.
type edgeImportance [nas.NumEdges]float64

// profile is a task's importances.
type profile struct {
	order []int            // positions by ascending error, ties by number
	edges []edgeImportance // by position; computed when first needed
	known []bool
	value func(architecture int) (float64, bool)
	set   *tasks.Set
}

// newProfile prepares a task of the set.
func newProfile(set *tasks.Set, task string) *profile {
	values := set.Values[task]
	byNumber := make([]float64, nas.Size)
	for i := range byNumber {
		byNumber[i] = math.NaN()
	}
	for i, a := range set.Architectures {
		byNumber[a] = values[i]
	}
	return &profile{
		order: tasks.Order(values),
		edges: make([]edgeImportance, len(values)),
		known: make([]bool, len(values)),
		set:   set,
		value: func(a int) (float64, bool) { return byNumber[a], !math.IsNaN(byNumber[a]) },
	}
}

// at returns the importances of the architecture at a position.
func (p *profile) at(position int) *edgeImportance {
	if !p.known[position] {
		p.edges[position] = p.compute(p.set.Architectures[position])
		p.known[position] = true
	}
	return &p.edges[position]
}

func (p *profile) compute(architecture int) edgeImportance {
	cell := nas.At(architecture)
	original, _ := p.value(architecture)
	var out edgeImportance
	for e, op := range cell {
		out[e] = math.NaN()
		if op == nas.None {
			continue
		}
		sum, found := 0.0, 0
		for _, other := range nas.Ops() {
			if other == op {
				continue
			}
			changed := cell
			changed[e] = other
			if v, ok := p.value(nas.Index(changed)); ok {
				sum += v - original
				found++
			}
		}
		if found == nas.NumOps-1 {
			out[e] = sum / float64(found)
		}
	}
	return out
}

// pools are importances by operation, in the order of operations.
type pools [4][]float64

// top pools the importances of the first k architectures, where a position
// counts as often as times says; nil counts each once.
func (p *profile) top(k int, times []int32) (out pools, leftOut int) {
	taken := 0
	for _, position := range p.order {
		n := 1
		if times != nil {
			n = int(times[position])
		}
		n = min(n, k-taken)
		if n == 0 {
			continue
		}
		cell := nas.At(p.set.Architectures[position])
		edges := p.at(position)
		for e, op := range cell {
			i := poolOf(op)
			switch {
			case i < 0:
			case math.IsNaN(edges[e]):
				leftOut += n
			default:
				for range n {
					out[i] = append(out[i], edges[e])
				}
			}
		}
		if taken += n; taken == k {
			break
		}
	}
	return out, leftOut
}

func poolOf(op nas.Op) int {
	for i, o := range operations {
		if o == op {
			return i
		}
	}
	return -1
}

// entry is the importance of one edge of a top architecture.
type entry struct {
	rank      int32 // place of the architecture in the order
	operation int8
	value     float64
}

// sampler chooses tops of resamples. Its entries are in ascending order, so
// that the pools of a resample come out sorted.
type sampler struct {
	*profile
	entries []entry
	depth   int // architectures, by order, whose entries there are
}

// newSampler prepares for tops of about k architectures. Deeper ones, which
// take more than three times the place in the order, are pooled and sorted.
func newSampler(p *profile, k int) *sampler {
	s := &sampler{profile: p, depth: min(3*k, len(p.order))}
	for rank, position := range p.order[:s.depth] {
		edges := p.at(position)
		for e, op := range nas.At(p.set.Architectures[position]) {
			if i := poolOf(op); i >= 0 && !math.IsNaN(edges[e]) {
				s.entries = append(s.entries, entry{int32(rank), int8(i), edges[e]})
			}
		}
	}
	slices.SortStableFunc(s.entries, func(a, b entry) int { return cmp.Compare(a.value, b.value) })
	for _, position := range p.order {
		p.at(position) // from here on read by several goroutines
	}
	return s
}

// scaledTop is top followed by scaled.
func (s *sampler) scaledTop(k int, times []int32) pools {
	weight := make([]int32, s.depth)
	taken := 0
	for rank, position := range s.order[:s.depth] {
		weight[rank] = min(times[position], int32(k-taken))
		taken += int(weight[rank])
	}
	if taken < k {
		deep, _ := s.top(k, times)
		return deep.scaled()
	}
	var out pools
	union := make([]float64, 0, k*nas.NumEdges)
	for i := range out {
		out[i] = make([]float64, 0, k)
	}
	for _, e := range s.entries {
		for range weight[e.rank] {
			out[e.operation] = append(out[e.operation], e.value)
			union = append(union, e.value)
		}
	}
	iqr := stats.IQR(union)
	for _, pool := range out {
		for j := range pool {
			pool[j] /= iqr
		}
	}
	return out
}

// scaled divides all pools by the interquartile range of their union.
func (p pools) scaled() pools {
	var union []float64
	for _, pool := range p {
		union = append(union, pool...)
	}
	iqr := stats.IQR(union)
	var out pools
	for i, pool := range p {
		out[i] = make([]float64, len(pool))
		for j, v := range pool {
			out[i][j] = v / iqr
		}
	}
	return out
}

// distance is the mean Wasserstein-1 distance of scaled pools. It is NaN when
// an operation is on no edge of one of the tops, or a task has no spread.
func distance(a, b pools) float64 {
	sum := 0.0
	for i := range a {
		for _, v := range [][]float64{a[i], b[i]} {
			if len(v) > 0 && (math.IsInf(v[0], 0) || math.IsNaN(v[0])) {
				return math.NaN()
			}
		}
		sum += stats.Wasserstein1(a[i], b[i])
	}
	return sum / float64(len(a))
}
