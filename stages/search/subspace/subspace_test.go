package subspace

import (
	"math"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nas"
)

// whole is the space, and a value of each: the number of its edges with nor_conv_3x3.
func whole() (space []int, values []float64) {
	for i := range nas.Size {
		n := 0.0
		for _, op := range nas.At(i) {
			if op == nas.NorConv3x3 {
				n++
			}
		}
		space, values = append(space, i), append(values, n)
	}
	return space, values
}

func near(t *testing.T, name string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-12) {
		t.Errorf("%s is %v, want %v", name, got, want)
	}
}

// TestPocket describes the cell of six nor_conv_3x3 with its neighbours: of 25 cells
// one has 6 and the others 5, of 6/5 on average; per edge 20 + 1 agree with it, and
// one has each other operation, so that 210 of 300 pairs agree.
func TestPocket(t *testing.T) {
	_, values := whole()
	top := nas.Index(nas.Cell{3, 3, 3, 3, 3, 3})
	around := nas.NeighbourIndices(top)
	space := append([]int{top}, around[:]...)
	d, err := NewJudge(nil, values, false, 1.0/nas.Size).Describe(space)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "size", d.SizeRatio, 25.0/nas.Size)
	near(t, "gain", d.MeanGain, 126.0/25-1.2)
	near(t, "recall", d.Recall, 1)
	near(t, "diversity", d.Diversity, 6*(1-210.0/300))
	near(t, "pockets", d.Pockets, 1)
	if !math.IsNaN(d.Tau) {
		t.Errorf("tau %v of one column", d.Tau)
	}
	if n := len(d.Values()); n != len(Names()) {
		t.Errorf("%d values, %d names", n, len(Names()))
	}
}

func TestWhole(t *testing.T) {
	space, values := whole()
	seen := make([]float64, len(values))
	for i, v := range values {
		seen[i] = -v
	}
	d, err := NewJudge(seen, values, true, 0.01).Describe(space)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "size", d.SizeRatio, 1)
	near(t, "gain", d.MeanGain, 0)
	near(t, "recall", d.Recall, 1)
	near(t, "diversity", d.Diversity, 4.8*nas.Size/(nas.Size-1))
	near(t, "pockets", d.Pockets, 1)
	near(t, "tau", d.Tau, -1)
}

// TestLowerIsBetter: the best are then those without the operation, ties by number.
func TestLowerIsBetter(t *testing.T) {
	_, values := whole()
	j := NewJudge(nil, values, true, 2.0/nas.Size)
	var best []int
	for i, v := range values {
		if v == 0 && len(best) < 2 {
			best = append(best, i)
		}
	}
	d, err := j.Describe(best)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "gain", d.MeanGain, 1.2)
	near(t, "recall", d.Recall, 1)
	d, _ = j.Describe(best[:1])
	near(t, "recall of half", d.Recall, 0.5)
}

func TestFewMembers(t *testing.T) {
	_, values := whole()
	j := NewJudge(values, values, false, 0.01)
	one, err := j.Describe([]int{5})
	if err != nil || !math.IsNaN(one.Diversity) || !math.IsNaN(one.Tau) || one.Pockets != 1 {
		t.Errorf("one member: %+v, %v", one, err)
	}
	none, err := j.Describe(nil)
	if err != nil || !math.IsNaN(none.MeanGain) || none.Recall != 0 || none.Pockets != 0 {
		t.Errorf("no member: %+v, %v", none, err)
	}
	far := []int{nas.Index(nas.Cell{}), nas.Index(nas.Cell{1, 1}), nas.Index(nas.Cell{1, 1, 1})}
	if d, _ := j.Describe(far); d.Pockets != 2 || math.Abs(d.Diversity-2) > 1e-12 {
		t.Errorf("edits of 2, 3 and 1: %+v", d)
	}
}

// TestValuesOfFew: without values of all there are size and shape.
func TestValuesOfFew(t *testing.T) {
	top := nas.Index(nas.Cell{3, 3, 3, 3, 3, 3})
	around := nas.NeighbourIndices(top)
	_, values := whole()
	for _, seen := range [][]float64{nil, values} {
		d, err := NewJudge(seen, nil, true, 0.01).Describe(append([]int{top}, around[:]...))
		if err != nil || !math.IsNaN(d.MeanGain) || !math.IsNaN(d.Recall) || !math.IsNaN(d.Tau) {
			t.Errorf("%+v, %v", d, err)
		}
		near(t, "size", d.SizeRatio, 25.0/nas.Size)
		near(t, "diversity", d.Diversity, 6*(1-210.0/300))
		near(t, "pockets", d.Pockets, 1)
	}
}
