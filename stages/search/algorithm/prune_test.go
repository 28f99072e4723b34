package algorithm

import (
	"math"
	"slices"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nas"
)

// TestPruningRemovesTheWorst: an operation is worth 0, 3, 4, 6, 1 on edge 0-1, and up
// to 13/8 of that on 2-3. With all architectures known, none goes first and then
// pooling, 729 are left, and 64 would be too few.
func TestPruningRemovesTheWorst(t *testing.T) {
	gain := [nas.NumOps]float64{0, 3, 4, 6, 1}
	values := make([]float64, nas.Size)
	for i := range values {
		for e, op := range nas.At(i) {
			values[i] += gain[op] * (1 + float64(e)/8)
		}
	}
	r := execute(t, Plan{Algorithm: Pruning{Sample: nas.Size, Size: 250}, Objective: tableOf(t, values), Budget: nas.Size, Runs: 1})[0]
	var want []int
	for i := range values {
		if c := nas.At(i); !slices.Contains(c[:], nas.None) && !slices.Contains(c[:], nas.AvgPool3x3) {
			want = append(want, i)
		}
	}
	if !slices.Equal(r.Space, want) {
		t.Errorf("%d architectures are left, want the %d without none and pooling", len(r.Space), len(want))
	}
	// Edge by edge, the lowest average is that of the lowest (gain - mean gain of the
	// edge) (1 + e/8): -2.8 (1 + e/8) for none, and, once that is gone, -2.5 (1 + e/8)
	// for pooling.
	left := allOperations()
	sample := make([]valued, nas.Size)
	for i, v := range values {
		sample[i] = valued{nas.At(i), v}
	}
	for i, want := range []removal{{5, nas.None}, {4, nas.None}, {5, nas.AvgPool3x3}, {3, nas.None}, {4, nas.AvgPool3x3}, {2, nas.None}} {
		m, ok := left.worst(left.removals(true, 1), sample)
		if !ok || m != want {
			t.Fatalf("step %d removes %v, want %v", i, m, want)
		}
		left = left.without(m)
		sample = slices.DeleteFunc(sample, func(v valued) bool { return !left.holds(v.cell) })
		if n := len(left.members()); n != left.size() || n != len(sample) {
			t.Fatalf("%d members, %d architectures in a space of %d", n, len(sample), left.size())
		}
	}
}

// TestPruningKeepsItsSize: as small as it may be, an operation a edge, and not
// smaller; and what the budget does not reach is not removed.
func TestPruningKeepsItsSize(t *testing.T) {
	o := tableOf(t, made(t)[0])
	for _, c := range []struct {
		a           Pruning
		budget      float64
		least, most int
	}{
		{Pruning{Sample: 30, Size: 1}, 1000, 1, 1}, {Pruning{PerEdge: true, Sample: 30, Size: 1}, 1000, 1, 1},
		{Pruning{PerEdge: true, Sample: 30, Size: 250}, 1000, 250, 499}, {Pruning{Sample: 30, Size: 65}, 1000, 729, 729},
		{Pruning{Sample: 30, Size: nas.Size}, 1000, nas.Size, nas.Size}, {Pruning{Sample: 30, Size: 1}, 29, nas.Size, nas.Size},
		{Pruning{Sample: 30, Size: 1}, 30, 4096, 4096},
	} {
		for _, r := range execute(t, Plan{Algorithm: c.a, Objective: o, Budget: c.budget, Seed: 3, Runs: 5}) {
			if n := len(r.Space); n < c.least || n > c.most {
				t.Errorf("%+v with a budget of %v leaves %d, want %d to %d", c.a, c.budget, n, c.least, c.most)
			}
		}
	}
}

// TestPruningWithoutSample: what nobody has seen is not judged.
func TestPruningWithoutSample(t *testing.T) {
	o := allOperations()
	m, ok := o.worst(o.removals(false, 1), []valued{{nas.Cell{1, 1, 1, 1, 1, 1}, 5}})
	if want := (removal{-1, nas.SkipConnect}); !ok || m != want {
		t.Errorf("removes %v (%v), the only operation that was seen is skip_connect", m, ok)
	}
	if _, ok := o.worst(o.removals(true, 1), nil); ok {
		t.Error("something is removed without a sample")
	}
}

// TestFailuresInAverages: what failed counts as the lowest of the others, so that it
// does not take all operations of its cell with it.
func TestFailuresInAverages(t *testing.T) {
	failed := math.Inf(-1)
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3, failed, 2}, 2}, {[]float64{failed, failed}, failed}, {nil, failed}, {[]float64{-1}, -1}} {
		if got := lowestFinite(c.values); got != c.want {
			t.Errorf("lowest of %v is %v, want %v", c.values, got, c.want)
		}
	}
	// Convolutions are good, and fail once; pooling is bad.
	good, mixed, bad := nas.Cell{3, 3, 3, 3, 3, 3}, nas.Cell{2, 3, 3, 3, 3, 3}, nas.Cell{4, 4, 4, 4, 4, 4}
	left := allOperations()
	worst, ok := left.worst(left.removals(false, 1), []valued{{good, 9}, {good, 9}, {mixed, failed}, {mixed, 8}, {bad, 1}})
	if !ok || worst.op != nas.AvgPool3x3 {
		t.Errorf("%v is removed", worst)
	}
	// The first sample of the space has one failure: its average is beaten all the same.
	values := made(t)[0]
	r := execute(t, Plan{Algorithm: LISSNAS{Sample: nas.Size, Seeds: 10, Radius: 1, Rounds: 1}, Objective: tableOf(t, values), Budget: nas.Size, Runs: 1})[0]
	pockets := r.Space
	values = slices.Clone(values)
	values[pockets[0]] = failed
	r = execute(t, Plan{Algorithm: LISSNAS{Sample: nas.Size, Seeds: 10, Radius: 1, Rounds: 1}, Objective: tableOf(t, values), Budget: nas.Size, Runs: 1})[0]
	if len(pockets) == nas.Size || len(r.Space) == nas.Size {
		t.Errorf("pockets of %d, and of %d with a failure among them", len(pockets), len(r.Space))
	}
}
