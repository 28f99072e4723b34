package algorithm

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/search/objective"
)

// golden is what testdata/golden.py computes, independently.
type golden struct {
	Evolution, Hyperband, ASHA, BOHB, Reinforce map[string][][2]int
	LocalSearch                                 map[string][][2]int `json:"local_search"`
	Logits                                      map[string]matrix
	Brackets                                    map[string][][]int
	Kernel                                      struct {
		Cells, Tests   []int
		Bandwidth, PDF []float64
	}
	Process struct {
		Likelihoods []float64
		Predictions [][2]float64
	}
	Values [][3]float64
}

func readGolden(t *testing.T) golden {
	t.Helper()
	raw, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(raw, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// made are the values of golden.py: after 12 and after 200 epochs.
func made(tb testing.TB) [2][]float64 {
	tb.Helper()
	gain := [nas.NumOps]float64{0, 3, 4, 6, 1}
	var out [2][]float64
	for i := range nas.Size {
		sum := 0.0
		for e, op := range nas.At(i) {
			sum += gain[op] * (1 + float64(e)/8)
		}
		out[0] = append(out[0], sum+4*float64(uint32(i*2654435761))/(1<<32))
		out[1] = append(out[1], sum+4*float64(uint16(i*40503))*65536/(1<<32)+20)
	}
	return out
}

func tableOf(tb testing.TB, columns ...[]float64) *objective.Table {
	tb.Helper()
	fidelities := make([]objective.Fidelity, len(columns))
	for i := range fidelities {
		fidelities[i].Cost = 1
	}
	o, err := objective.NewTable(fidelities, columns)
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

func TestValuesAreThoseOfTheGoldenScript(t *testing.T) {
	values := made(t)
	for _, v := range readGolden(t).Values {
		if i := int(v[0]); values[0][i] != v[1] || values[1][i] != v[2] {
			t.Errorf("architecture %d: %v and %v, want %v", i, values[0][i], values[1][i], v[1:])
		}
	}
}

func TestHistoriesAgainstPython(t *testing.T) {
	values := made(t)
	single, both := tableOf(t, values[0]), tableOf(t, values[0], values[1])
	g := readGolden(t)
	cases := map[string]struct {
		algorithm Algorithm
		objective objective.Objective
		want      map[string][][2]int
	}{
		"regularized evolution": {Evolution{Population: 10, Sample: 3}, single, g.Evolution},
		"local search":          {LocalSearch{}, single, g.LocalSearch},
		"reinforce":             {Reinforce{LearningRate: 0.01, Momentum: 0.9}, single, g.Reinforce},
		"hyperband":             {Hyperband{Eta: 3}, both, g.Hyperband},
		"asha":                  {ASHA{Eta: 3}, both, g.ASHA},
		"bohb":                  {BOHB{Eta: 3, Samples: 4, MinBandwidth: 0.3, TopPercent: 15}, both, g.BOHB},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for run, number := range map[string]int{"0": 0, "7": 7} {
				runs, err := Plan{Algorithm: c.algorithm, Objective: c.objective, Budget: 170, Seed: 777, First: number, Runs: 1}.Execute(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var got [][2]int
				for _, s := range runs[0].Steps() {
					got = append(got, [2]int{int(s.Architecture), int(s.Fidelity)})
				}
				if len(got) != 170 || !slices.Equal(got, c.want[run]) {
					for i := range got {
						if got[i] != c.want[run][i] {
							t.Fatalf("run %s, step %d: %v, want %v", run, i, got[i], c.want[run][i])
						}
					}
					t.Fatalf("run %s has %d steps", run, len(got))
				}
			}
		})
	}
}

// TestReinforceStepsAgainstPython compares the logits after 170 steps of Adam
// with those of numerical differentiation.
func TestReinforceStepsAgainstPython(t *testing.T) {
	values := made(t)[0]
	for run, number := range map[string]int{"0": 0, "7": 7} {
		random := NewSource(777, "run", number)
		p := newPolicy(random)
		baseline := movingAverage{momentum: 0.9}
		for range 170 {
			cell := p.draw(random)
			reward := values[nas.Index(cell)]
			baseline.add(reward)
			p.step(cell, reward-baseline.value(), 0.01)
		}
		want := readGolden(t).Logits[run]
		for e := range want {
			for o := range want[e] {
				// The numerical gradient is good to some 1e-9, Adam's step is 0.01.
				if math.Abs(p.logits[e][o]-want[e][o]) > 1e-6 {
					t.Errorf("run %s, edge %d, operation %d: %v, want %v", run, e, o, p.logits[e][o], want[e][o])
				}
			}
		}
	}
}

func TestBracketsAgainstHpBandSter(t *testing.T) {
	for name, want := range readGolden(t).Brackets {
		levels := len(want)
		for i, sizes := range want {
			if got := Bracket(levels, levels-1-i, 3); !slices.Equal(got, sizes) {
				t.Errorf("%s, bracket %d: %v, want %v", name, levels-1-i, got, sizes)
			}
		}
	}
}

func TestDensityAgainstPython(t *testing.T) {
	g := readGolden(t).Kernel
	d := newDensity(cellsOf(g.Cells), 0.3)
	for e, want := range g.Bandwidth {
		if math.Abs(d.bandwidth[e]-want) > 1e-14 {
			t.Errorf("bandwidth of edge %d: %v, want %v", e, d.bandwidth[e], want)
		}
	}
	for i, c := range cellsOf(g.Tests) {
		if got := d.at(c); math.Abs(got/g.PDF[i]-1) > 1e-12 {
			t.Errorf("density at %v: %v, want %v", c, got, g.PDF[i])
		}
	}
}

func TestGaussianProcessAgainstPython(t *testing.T) {
	g := readGolden(t)
	values := made(t)[0]
	p := newProcess()
	for i, n := range g.Kernel.Cells {
		p.add([]nas.Cell{nas.At(n)}, []float64{values[g.Kernel.Cells[i]]})
	}
	p.fit()
	offset := math.NaN()
	for i, f := range p.factors {
		l := 0.0
		for j, w := range f.weights {
			l -= w*w/2 + math.Log(f.rows[j][j])
		}
		if i == 0 {
			offset = l - g.Process.Likelihoods[0]
		}
		if math.Abs(l-g.Process.Likelihoods[i]-offset) > 1e-9 || math.Abs(offset) > 1e-9 {
			t.Errorf("hyperparameters %d: log likelihood %v, want %v", i, l, g.Process.Likelihoods[i])
		}
	}
	for i, c := range cellsOf(g.Kernel.Tests) {
		mean, deviation := p.predict(c)
		if want := g.Process.Predictions[i]; math.Abs(mean-want[0]) > 1e-9 || math.Abs(deviation-want[1]) > 1e-9 {
			t.Errorf("prediction %d: %v and %v, want %v", i, mean, deviation, want)
		}
	}
}

func cellsOf(numbers []int) []nas.Cell {
	out := make([]nas.Cell, len(numbers))
	for i, n := range numbers {
		out[i] = nas.At(n)
	}
	return out
}
