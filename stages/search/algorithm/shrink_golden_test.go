package algorithm

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nas"
)

// TestShrinkingAgainstPython compares histories and kept spaces with shrink.py.
func TestShrinkingAgainstPython(t *testing.T) {
	raw, err := os.ReadFile("testdata/shrink.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]map[string]struct{ Steps, Space []int }
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	o := tableOf(t, made(t)[0])
	for name, c := range map[string]struct {
		algorithm Algorithm
		budget    float64
	}{
		"lissnas":            {LISSNAS{Sample: 50, Seeds: 10, Radius: 1, Rounds: 5}, 170},
		"pruning":            {Pruning{Sample: 50, Size: 250}, 170},
		"pruning edges":      {Pruning{PerEdge: true, Sample: 40, Size: 250}, 170},
		"pruning edges, all": {Pruning{PerEdge: true, Sample: 40, Size: 20}, 400},
		"autoshrink":         {AutoShrink{}, 170},
	} {
		for run, number := range map[string]int{"0": 0, "7": 7} {
			r := execute(t, Plan{Algorithm: c.algorithm, Objective: o, Budget: c.budget, Seed: 777, First: number, Runs: 1})[0]
			var steps []int
			for _, s := range r.Steps() {
				steps = append(steps, int(s.Architecture))
			}
			want := golden[name][run]
			if len(want.Steps) == 0 || !slices.Equal(steps, want.Steps) {
				t.Errorf("%s, run %s: steps %v, want %v", name, run, steps, want.Steps)
			}
			if len(r.Space) != nas.Size && !slices.Equal(r.Space, want.Space) {
				t.Errorf("%s, run %s: %d architectures are left, want %d", name, run, len(r.Space), len(want.Space))
			}
		}
	}
}
