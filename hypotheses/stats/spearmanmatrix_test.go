package stats

import (
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// matrixSamples are correlated samples with ties, in classes of one to four points.
func matrixSamples(n int) (samples [][]float64, class []int) {
	random := rand.New(rand.NewPCG(3, 4))
	samples = make([][]float64, 4)
	for range n {
		class = append(class, random.IntN(n/2))
		base := random.NormFloat64()
		for s := range samples {
			samples[s] = append(samples[s], math.Round(8*(base+random.NormFloat64()*float64(s+1)/3)))
		}
	}
	return samples, class
}

// TestSpearmanMatrixIsSpearmanClustered compares pair by pair, bit by bit.
func TestSpearmanMatrixIsSpearmanClustered(t *testing.T) {
	samples, class := matrixSamples(300)
	m, err := NewSpearmanMatrix(samples, class, 400, 7)
	if err != nil {
		t.Fatal(err)
	}
	strong := 0
	for i := range samples {
		for j := range samples {
			if i == j {
				continue
			}
			want, err := SpearmanClustered(samples[i], samples[j], class, 400, 7)
			if err != nil {
				t.Fatal(err)
			}
			c, got := m.At(i, j)
			if got != want || c.N != 300 || c.Value != want.Value {
				t.Errorf("%d and %d: %+v, want %+v", i, j, got, want)
			}
			if i < j && c.Value >= 0.8 {
				strong++
			}
		}
	}
	s := m.Share(0.8)
	if s.Value != float64(strong)/6 || s.Low > s.Value || s.High < s.Value || s.Units != 6 {
		t.Errorf("share %+v, want %d of 6", s, strong)
	}
}

// A value that is missing takes its point out of the sample's own pairs only.
func TestSpearmanMatrixWithMissingValues(t *testing.T) {
	samples, class := matrixSamples(200)
	whole, err := NewSpearmanMatrix(samples, class, 200, 7)
	if err != nil {
		t.Fatal(err)
	}
	lacking := append(samples[:3:3], slices.Clone(samples[3]))
	var x, y []float64
	for i := range lacking[3] {
		if i%3 == 0 {
			lacking[3][i] = math.NaN()
			continue
		}
		x, y = append(x, samples[0][i]), append(y, samples[3][i])
	}
	m, err := NewSpearmanMatrix(lacking, class, 200, 7)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range [][2]int{{0, 1}, {0, 2}, {1, 2}} {
		_, want := whole.At(p[0], p[1])
		if _, got := m.At(p[0], p[1]); got != want {
			t.Errorf("%v: %+v, want %+v", p, got, want)
		}
	}
	want, err := Spearman(x, y)
	if err != nil {
		t.Fatal(err)
	}
	if c, i := m.At(3, 0); c != want || i.Value != want.Value || !(i.Low < i.Value && i.Value < i.High) {
		t.Errorf("%+v %+v, want %+v", c, i, want)
	}
}

func TestSpearmanMatrixSameBitsOnAnyNumberOfCores(t *testing.T) {
	samples, class := matrixSamples(120)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var first []float64
	for _, cores := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(cores)
		m, err := NewSpearmanMatrix(samples, class, 100, 1)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = m.resampled
		}
		if !slices.Equal(first, m.resampled) {
			t.Errorf("%d cores give other resamples", cores)
		}
	}
}

func TestSpearmanMatrixOfNothing(t *testing.T) {
	nan := math.NaN()
	m, err := NewSpearmanMatrix([][]float64{{1, 2, 3}, {4, 4, 4}, {nan, nan, nan}, {nan, 1, nan}}, []int{0, 1, 2}, 20, 1)
	if err != nil {
		t.Fatal(err)
	}
	for j := 1; j < 4; j++ {
		if c, i := m.At(0, j); c.Value == c.Value || i.Low == i.Low || i.High == i.High {
			t.Errorf("0 and %d: %+v %+v", j, c, i)
		}
	}
	if s := m.Share(0); s.Value != 0 || s.High != 0 {
		t.Errorf("share %+v", s)
	}
	if m, err = NewSpearmanMatrix(nil, nil, 20, 1); err != nil || m.Share(0).Value == m.Share(0).Value {
		t.Errorf("no samples: %v", err)
	}
	if m, err = NewSpearmanMatrix([][]float64{{}, {}}, nil, 20, 1); err != nil || m.Share(0).Value != 0 {
		t.Errorf("empty samples: %v", err)
	}
	if _, err := NewSpearmanMatrix([][]float64{{1}, {1, 2}}, []int{0}, 20, 1); !errors.Is(err, ErrLength) {
		t.Errorf("unequal: %v", err)
	}
	if _, err := NewSpearmanMatrix([][]float64{{1}, {1}}, []int{0}, 1<<26, 1); !errors.Is(err, ErrRange) {
		t.Errorf("too many resamples: %v", err)
	}
}
