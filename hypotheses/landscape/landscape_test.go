package landscape

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages/nas"
)

// everyCell is a value of each cell.
func everyCell(of func(c nas.Cell) float64) []float64 {
	out := make([]float64, nas.Size)
	for i := range out {
		out[i] = of(nas.At(i))
	}
	return out
}

func theGraph() *graph {
	classOf, representatives := nas.Classes()
	classes := make([][]int, len(representatives))
	for i, c := range classOf {
		classes[c] = append(classes[c], i)
	}
	return newGraph(classOf[:], classes)
}

func near(t *testing.T, name string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %v, want %v", name, got, want)
	}
}

// TestOneEdgeDecides: a walk changes the deciding edge with every sixth edit, and
// any other value there has the mean -1/4 of it: the correlation falls by 5/24 a
// step. Of two cells at distance d the edge differs with probability d/6, and one
// of two different operations is none with probability 2/5.
func TestOneEdgeDecides(t *testing.T) {
	g := theGraph()
	values := everyCell(func(c nas.Cell) float64 {
		if c[0] == nas.None {
			return 1
		}
		return 0
	})
	for lag, s := range g.autocorrelations(values, 4) {
		near(t, "autocorrelation", s.value, math.Pow(19.0/24, float64(lag+1)), 1e-12)
	}
	s := g.newShells(values)
	for d := 1; d <= nas.NumEdges; d++ {
		near(t, "difference", s[d].mean().value, float64(d)/15, 1e-12)
	}
	near(t, "any two", s.anywhere().mean().value, 0.4*0.8*nas.Size/(nas.Size-1), 1e-12)
	length := correlationLength(stats.Interval{Value: 19.0 / 24, Low: 0.5, High: 1.2})
	near(t, "length", length.Value, 4.280549781, 1e-8)
	near(t, "its lower end", length.Low, 1/math.Ln2, 1e-12)
	if !math.IsNaN(length.High) {
		t.Errorf("upper end %v of a correlation above 1", length.High)
	}
}

// TestAllEdgesDecide: the product of six factors of mean 0. A step replaces one
// factor by a mean of -1/4 of it.
func TestAllEdgesDecide(t *testing.T) {
	values := everyCell(func(c nas.Cell) float64 {
		out := 1.0
		for _, op := range c {
			if op != nas.SkipConnect {
				out *= -0.25
			}
		}
		return out
	})
	for lag, s := range theGraph().autocorrelations(values, 3) {
		near(t, "autocorrelation", s.value, math.Pow(-0.25, float64(lag+1)), 1e-12)
	}
	if l := correlationLength(stats.Interval{Value: -0.25, Low: -0.3, High: 0.1}); !math.IsNaN(l.Value) || !math.IsNaN(l.High) {
		t.Errorf("correlation length %+v of neighbours that differ", l)
	}
}

// TestShellsAgainstPairs visits all pairs of some cells.
func TestShellsAgainstPairs(t *testing.T) {
	g := theGraph()
	random := rand.New(rand.NewPCG(1, 2))
	values := everyCell(func(nas.Cell) float64 { return math.Round(random.NormFloat64()*8) / 8 })
	s := g.newShells(values)
	for _, i := range []int{0, 77, 9930, 15624} {
		var all, kin, n, kinN [nas.NumEdges + 1]float64
		for j := range values {
			d := nas.Distance(nas.At(i), nas.At(j))
			all[d] += math.Abs(values[i] - values[j])
			n[d]++
			if g.class[i] == g.class[j] {
				kin[d] += math.Abs(values[i] - values[j])
				kinN[d]++
			}
		}
		for d := range all {
			near(t, "sum", s[d].sum[i], all[d], 1e-8)
			near(t, "count", s[d].count[i], n[d], 0)
			near(t, "sum within the class", s[d].inner[i], kin[d], 1e-9)
			near(t, "sum without the class", s[d].distinct().sum[i], all[d]-kin[d], 1e-8)
			near(t, "count without the class", s[d].distinct().count[i], n[d]-kinN[d], 0)
		}
	}
}

func TestArrivals(t *testing.T) {
	a := arrivals(2)
	// Back after two steps by the same edge: 1 in 24. At distance 1: either of the
	// other three operations first; at distance 2: two orders.
	for d, want := range []float64{1. / 24, 3. / 576, 2. / 576, 0, 0, 0, 0} {
		near(t, "two steps", a[1][d], want, 1e-15)
	}
	near(t, "one step", a[0][1], 1./24, 1e-15)
}

// TestPeaks: two cells that differ everywhere, and a value that falls with the
// distance to the nearer. Every ascent ends at one of them.
func TestPeaks(t *testing.T) {
	g := theGraph()
	one, other := nas.Cell{}, nas.Cell{1, 1, 1, 1, 1, 1}
	distance := func(c nas.Cell) int { return min(nas.Distance(c, one), nas.Distance(c, other)) }
	values := everyCell(func(c nas.Cell) float64 { return -float64(distance(c)) })
	steps := 0
	for i := range nas.Size {
		steps += distance(nas.At(i))
	}
	sizes := map[bool][2]int{}
	for _, highest := range []bool{false, true} {
		b := g.ascend(values, highest)
		order := []int{nas.Index(one), nas.Index(other)}
		s := b.summarise(values, append(order, make([]int, 200)...))
		if s.count != 2 || s.optimum != 1 || s.top != 1 {
			t.Errorf("%+v", s)
		}
		near(t, "steps", s.steps, float64(steps)/nas.Size, 1e-12)
		sizes[highest] = [2]int{b.size[order[0]], b.size[order[1]]}
		if sizes[highest][0]+sizes[highest][1] != nas.Size {
			t.Errorf("basins of %v", sizes[highest])
		}
	}
	if sizes[false] == sizes[true] {
		t.Error("the tie rule changes nothing")
	}
	if o := g.countOptima(values, 0.5); o != (optima{2, 2, 2}) {
		t.Errorf("%+v", o)
	}
	if o := g.countOptima(values, 1); o != (optima{2, 2, 0}) {
		t.Errorf("a lead of 1 above a noise of 1: %+v", o)
	}
}

// TestTiesOfAnAscent: of two best neighbours the rule says which.
func TestTiesOfAnAscent(t *testing.T) {
	g := theGraph()
	values := make([]float64, nas.Size)
	around := nas.NeighbourIndices(123)
	low, high := slices.Min(around[:]), slices.Max(around[:])
	values[low], values[high] = 1, 1
	if got := g.ascend(values, false).end[123]; got != low {
		t.Errorf("lowest: %d, want %d", got, low)
	}
	if got := g.ascend(values, true).end[123]; got != high {
		t.Errorf("highest: %d, want %d", got, high)
	}
}

// TestPlain: where all is equal every cell is a weak optimum and a basin of its own,
// and nothing correlates.
func TestPlain(t *testing.T) {
	g := theGraph()
	values := everyCell(func(nas.Cell) float64 { return 0.1 })
	if o := g.countOptima(values, 0); o != (optima{nas.Size, 0, 0}) {
		t.Errorf("%+v", o)
	}
	for i, size := range g.ascend(values, false).size {
		if size != 1 {
			t.Fatalf("basin %d has %d cells", i, size)
		}
	}
	if s := g.autocorrelations(values, 1)[0]; !math.IsNaN(s.value) {
		t.Errorf("autocorrelation %v of a constant", s.value)
	}
	if s := pearson(values, distancesTo(3)); !math.IsNaN(s.value) {
		t.Errorf("fitness-distance correlation %v of a constant", s.value)
	}
}

// TestNoise: the smallest of each class is higher by 1 than the others, which are 0.
func TestNoise(t *testing.T) {
	g := theGraph()
	values := make([]float64, nas.Size)
	pairs := 0
	for _, members := range g.classes {
		values[members[0]] = 1
		if len(members) > 1 {
			pairs++
		}
	}
	n := newNoise(values, g.classes)
	near(t, "difference", n.difference.value, 1, 1e-12)
	p := 6466.0 / nas.Size
	near(t, "signal", n.signal.value, 1-0.5/(p*(1-p)), 1e-10)
	if n.pairs != pairs || n.pairs != 1350 {
		t.Errorf("%d pairs, want %d", n.pairs, pairs)
	}
}

// TestIntervalsAgainstResamples draws classes: a class that comes twice is two
// classes, each with its inner pairs and none between them.
func TestIntervalsAgainstResamples(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED, NOT CHECKED: -short")
	}
	g := theGraph()
	random := rand.New(rand.NewPCG(5, 6))
	ofClass := make([]float64, len(g.classes))
	for c := range ofClass {
		ofClass[c] = random.NormFloat64()
	}
	values := make([]float64, nas.Size)
	for i := range values {
		c := nas.At(i)
		values[i] = ofClass[g.class[i]] + float64(c[0])/2 - float64(c[4])/3 + 0.2*random.NormFloat64()
	}
	v := &intervals{class: g.class}
	walk, toBest := v.of(g.autocorrelations(values, 1)[0]), v.of(pearson(values, distancesTo(9)))
	shells := g.newShells(values)
	difference, locality := v.of(shells[1].mean()), v.of(shells[1].mean().over(shells.anywhere().mean()))
	if v.err != nil {
		t.Fatal(v.err)
	}
	weights := func(sample []int) []float64 {
		w := make([]float64, nas.Size)
		for _, i := range sample {
			w[i]++
		}
		return w
	}
	check := func(name string, got stats.Interval, statistic func(w []float64) float64) {
		want, err := stats.ClusterBootstrap(g.class, 200, 7, func(sample []int) float64 { return statistic(weights(sample)) })
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %v, standard error %.4g, of resamples %.4g", name, got.Value, got.StdErr, want.StdErr)
		if r := got.StdErr / want.StdErr; r < 0.8 || r > 1.25 { // 200 resamples know theirs to 5 %
			t.Errorf("%s: standard error %v, of resamples %v", name, got.StdErr, want.StdErr)
		}
	}
	// neighbourly is the weighted mean over pairs of neighbours.
	neighbourly := func(w []float64, of func(i, j int) float64) float64 {
		sum, n := 0.0, 0.0
		for i, around := range g.neighbours {
			for _, j := range around {
				both := w[i] * w[j]
				if g.class[i] == g.class[j] {
					both = w[i]
				}
				sum += both * of(i, j)
				n += both
			}
		}
		return sum / n
	}
	check("autocorrelation", walk, func(w []float64) float64 {
		mean, n, variance := 0.0, 0.0, 0.0
		for i, x := range values {
			mean += w[i] * x
			n += w[i]
		}
		mean /= n
		for i, x := range values {
			variance += w[i] * (x - mean) * (x - mean) / n
		}
		return neighbourly(w, func(i, j int) float64 { return (values[i] - mean) * (values[j] - mean) }) / variance
	})
	difference1 := func(w []float64) float64 {
		return neighbourly(w, func(i, j int) float64 { return math.Abs(values[i] - values[j]) })
	}
	check("difference", difference, difference1)
	distances := distancesTo(9)
	check("fitness-distance", toBest, func(w []float64) float64 {
		var x, y []float64
		for i, n := range w {
			for range int(n) {
				x, y = append(x, values[i]), append(y, distances[i])
			}
		}
		c, err := stats.Pearson(x, y)
		if err != nil {
			t.Error(err)
		}
		return c.Value
	})
	if !(locality.StdErr < difference.StdErr/difference.Value*locality.Value) {
		t.Errorf("locality %+v is not better known than the difference %+v", locality, difference)
	}
}
