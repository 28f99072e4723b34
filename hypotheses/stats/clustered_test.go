package stats

import (
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// clusteredSample draws classes of 1 to 5 points that share most of their
// values, rounded so that there are ties within and between classes.
func clusteredSample(seed uint64, classes int, noise float64) (x, y []float64, class []int) {
	random := rand.New(rand.NewPCG(seed, 0))
	for c := range classes {
		centerX := random.NormFloat64()
		centerY := 0.7*centerX + 0.7*random.NormFloat64()
		for range 1 + random.IntN(5) {
			x = append(x, math.Round(20*(centerX+noise*random.NormFloat64())))
			y = append(y, math.Round(20*(centerY+noise*random.NormFloat64())))
			class = append(class, 1000-7*c) // any labels will do
		}
	}
	return x, y, class
}

// pick gathers the sampled values.
func pick(x []float64, sample []int) []float64 {
	out := make([]float64, len(sample))
	for j, i := range sample {
		out[j] = x[i]
	}
	return out
}

func TestSpearmanClusteredIsTheClusterBootstrap(t *testing.T) {
	for _, classes := range []int{2, 3, 80} {
		x, y, class := clusteredSample(uint64(classes), classes, 0.2)
		got, err := SpearmanClustered(x, y, class, 200, 42)
		if err != nil {
			t.Fatal(err)
		}
		want, err := ClusterBootstrap(class, 200, 42, func(sample []int) float64 {
			rho, err := Spearman(pick(x, sample), pick(y, sample))
			if err != nil {
				panic(err)
			}
			return rho.Value
		})
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%d classes: %+v, cluster bootstrap %+v", classes, got, want)
		}
		if rho, _ := Spearman(x, y); got.Value != rho.Value {
			t.Errorf("%d classes: value %v, Spearman %v", classes, got.Value, rho.Value)
		}
	}
}

func TestKendallClusteredAgainstTheClusterBootstrap(t *testing.T) {
	for _, test := range []struct {
		name    string
		classes int
		noise   float64
	}{
		{"tight classes", 250, 0.02},
		{"loose classes", 250, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			x, y, class := clusteredSample(9, test.classes, test.noise)
			got, err := KendallClustered(x, y, class)
			if err != nil {
				t.Fatal(err)
			}
			want, err := ClusterBootstrap(class, 1000, 1, func(sample []int) float64 {
				tau, _ := KendallTauB(pick(x, sample), pick(y, sample))
				return tau.Value
			})
			if err != nil {
				t.Fatal(err)
			}
			if got.Value != want.Value || got.Units != test.classes || want.Units != test.classes {
				t.Errorf("%+v, cluster bootstrap %+v", got, want)
			}
			// 1000 resamples know their own s.d. to 2.2 % and the ends to 0.08 s.d.
			if !relative(got.StdErr, want.StdErr, 0.08) {
				t.Errorf("standard error %g, cluster bootstrap %g", got.StdErr, want.StdErr)
			}
			tolerance := 0.3 * want.StdErr
			if math.Abs(got.Low-want.Low) > tolerance || math.Abs(got.High-want.High) > tolerance {
				t.Errorf("[%g, %g], cluster bootstrap [%g, %g]", got.Low, got.High, want.Low, want.High)
			}
		})
	}
}

// The influence function is the derivative of tau-b by the weight of a class:
// doubling the data of class c to weight 1+h changes tau-b by h times it.
func TestTauInfluenceIsTheDerivative(t *testing.T) {
	x, y, _ := clusteredSample(4, 30, 0.5)
	p := countPairs(x, y)
	influence := tauInfluence(newOrdering(x), newOrdering(y), p)
	var total float64
	for i := range x {
		total += influence[i]
		const h = 1e-5
		slope := (weightedTau(x, y, i, 1+h) - weightedTau(x, y, i, 1-h)) / (2 * h)
		checkNear(t, "influence", influence[i], slope, 1e-8)
	}
	checkNear(t, "sum of influences", total, 0, 1e-12)
}

// weightedTau is tau-b by all pairs, point special having the given weight.
func weightedTau(x, y []float64, special int, weight float64) float64 {
	var agree, untiedX, untiedY float64
	for i := range x {
		for j := range x {
			w := 1.0
			if i == special {
				w *= weight
			}
			if j == special {
				w *= weight
			}
			sx, sy := float64(sign(x[i]-x[j])), float64(sign(y[i]-y[j]))
			agree += w * sx * sy
			untiedX += w * sx * sx
			untiedY += w * sy * sy
		}
	}
	return agree / math.Sqrt(untiedX*untiedY)
}

// Without classes, the interval must cover as often as it says.
func TestKendallClusteredCovers(t *testing.T) {
	const trials, classes = 400, 60
	want := 2 / math.Pi * math.Asin(math.Sqrt(0.5)) // tau of a normal pair with this r
	covered := 0
	for trial := range trials {
		random := rand.New(rand.NewPCG(uint64(trial), 77))
		var x, y []float64
		var class []int
		for c := range classes {
			u := random.NormFloat64()
			v := u + random.NormFloat64()
			for range 3 {
				x, y, class = append(x, u), append(y, v), append(class, c)
			}
		}
		got, err := KendallClustered(x, y, class)
		if err != nil {
			t.Fatal(err)
		}
		if got.Low <= want && want <= got.High {
			covered++
		}
	}
	if share := float64(covered) / trials; share < 0.91 || share > 0.985 {
		t.Errorf("95 %% intervals cover %.3f of the time", share)
	}
}

func TestClusteredEdges(t *testing.T) {
	clustered := map[string]func(x, y []float64, class []int) (Interval, error){
		"Kendall": KendallClustered,
		"Spearman": func(x, y []float64, class []int) (Interval, error) {
			return SpearmanClustered(x, y, class, 50, 1)
		},
	}
	for _, test := range []struct {
		name   string
		x, y   []float64
		class  []int
		value  float64
		hasEnd bool
	}{
		{"empty", nil, nil, nil, nan, false},
		{"one point", []float64{1}, []float64{2}, []int{7}, nan, false},
		{"constant", []float64{1, 1, 1}, []float64{2, 3, 4}, []int{1, 2, 3}, nan, false},
		{"NaN", []float64{1, nan, 1}, []float64{2, 3, 4}, []int{1, 2, 3}, nan, false},
		{"perfect", []float64{1, 2, 3}, []float64{2, 3, 4}, []int{-1, 2, 3}, 1, true},
	} {
		for name, interval := range clustered {
			got, err := interval(test.x, test.y, test.class)
			if err != nil {
				t.Fatal(err)
			}
			ends := []float64{nan, nan}
			if test.hasEnd {
				ends = []float64{1, 1}
			}
			if !same(got.Value, test.value) || !near(got.Low, ends[0], 1e-15) || !near(got.High, ends[1], 1e-15) {
				t.Errorf("%s, %s: %+v", name, test.name, got)
			}
		}
	}
}

func TestSingleClass(t *testing.T) {
	x, y, class := []float64{1, 2, 3}, []float64{2, 1, 3}, []int{4, 4, 4}
	kendall, err := KendallClustered(x, y, class)
	if err != nil || !near(kendall.Value, 1.0/3, 1e-15) || !math.IsNaN(kendall.Low+kendall.High+kendall.StdErr) {
		t.Errorf("Kendall: %+v, %v", kendall, err)
	}
	spearman, err := SpearmanClustered(x, y, class, 20, 1)
	if err != nil || spearman.Value != 0.5 || spearman.Low != 0.5 || spearman.High != 0.5 {
		t.Errorf("Spearman: %+v, %v", spearman, err)
	}
}

func TestUndefinedResamplesAreCounted(t *testing.T) {
	// Two classes of one point: half of the resamples are constant.
	got, err := SpearmanClustered([]float64{1, 2}, []float64{1, 2}, []int{1, 2}, 1000, 5)
	if err != nil {
		t.Fatal(err)
	}
	if got.Undefined < 400 || got.Undefined > 600 || got.Low != 1 || got.High != 1 {
		t.Errorf("%+v", got)
	}
}

func TestIntervalsDoNotDependOnCores(t *testing.T) {
	x, y, class := clusteredSample(6, 120, 0.3)
	statistic := func(sample []int) float64 {
		r, _ := Pearson(pick(x, sample), pick(y, sample))
		return r.Value
	}
	measure := func(cores int) [3]Interval {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
		spearman, err1 := SpearmanClustered(x, y, class, 300, 11)
		points, err2 := Bootstrap(len(x), 300, 11, statistic)
		classes, err3 := ClusterBootstrap(class, 300, 11, statistic)
		if err1 != nil || err2 != nil || err3 != nil {
			t.Fatal(err1, err2, err3)
		}
		return [3]Interval{spearman, points, classes}
	}
	want := measure(1)
	for _, cores := range []int{2, 3, 8} {
		if got := measure(cores); got != want {
			t.Errorf("%d cores: %+v, one core: %+v", cores, got, want)
		}
	}
}

func TestSeedsAndStreamsDiffer(t *testing.T) {
	first := map[uint64]bool{}
	var random source
	for seed := range uint64(50) {
		for stream := range uint64(50) {
			random.restart(seed, stream)
			first[random.pcg.Uint64()] = true
		}
	}
	if len(first) != 2500 {
		t.Errorf("2500 streams begin with %d different numbers", len(first))
	}
}

func TestBootstrapOfTheMean(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 8))
	x := make([]float64, 400)
	for i := range x {
		x[i] = 3 + 2*random.NormFloat64()
	}
	got, err := Bootstrap(len(x), 4000, 3, func(sample []int) float64 { return mean(pick(x, sample)) })
	if err != nil {
		t.Fatal(err)
	}
	se := standardDeviation(x) / math.Sqrt(float64(len(x)))
	checkNear(t, "value", got.Value, mean(x), 0)
	checkNear(t, "standard error", got.StdErr/se, 1, 0.05)
	checkNear(t, "low", (got.Low-got.Value)/se, -1.96, 0.1)
	checkNear(t, "high", (got.High-got.Value)/se, 1.96, 0.1)
}

func TestBootstrapEdges(t *testing.T) {
	got, err := Bootstrap(0, 10, 1, func([]int) float64 { panic("called") })
	if err != nil || !math.IsNaN(got.Value+got.Low+got.High) {
		t.Errorf("no points: %+v, %v", got, err)
	}
	got, err = Bootstrap(3, 10, 1, func([]int) float64 { return nan })
	if err != nil || got.Undefined != 10 || !math.IsNaN(got.Low) {
		t.Errorf("undefined: %+v, %v", got, err)
	}
	got, err = Bootstrap(1, 1, 1, func(sample []int) float64 { return float64(len(sample)) })
	if err != nil || got.Value != 1 || got.Low != 1 || got.High != 1 || !math.IsNaN(got.StdErr) {
		t.Errorf("one point, one resample: %+v, %v", got, err)
	}
}

// TestBootstrapTimesIsTheClusterBootstrap: on the same seed the same samples are drawn.
func TestBootstrapTimesIsTheClusterBootstrap(t *testing.T) {
	x, _, class := clusteredNormal(40)
	got, err := ClusterBootstrapTimes(class, 2, 300, 9, func(times []int32, values []float64) {
		sum, n, largest := 0.0, 0.0, math.Inf(-1)
		for i, k := range times {
			sum += float64(k) * x[i]
			n += float64(k)
			if k > 0 {
				largest = max(largest, x[i])
			}
		}
		values[0], values[1] = sum/n, largest
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, statistic := range []func(sample []int) float64{
		func(sample []int) float64 { return mean(pick(x, sample)) },
		func(sample []int) float64 { return slices.Max(pick(x, sample)) },
	} {
		want, err := ClusterBootstrap(class, 300, 9, statistic)
		if err != nil {
			t.Fatal(err)
		}
		checkNear(t, "value", got[i].Value, want.Value, 1e-12)
		checkNear(t, "low", got[i].Low, want.Low, 1e-12)
		checkNear(t, "high", got[i].High, want.High, 1e-12)
	}
	if none, err := ClusterBootstrapTimes(nil, 1, 5, 1, nil); err != nil || !math.IsNaN(none[0].Value) {
		t.Errorf("of nothing: %+v, %v", none, err)
	}
	if _, err := ClusterBootstrapTimes([]int{1}, 1, 0, 1, nil); !errors.Is(err, ErrRange) {
		t.Errorf("no resamples: %v", err)
	}
}
