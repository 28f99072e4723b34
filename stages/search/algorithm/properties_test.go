package algorithm

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/search/objective"
)

// all are the algorithms, with what they look at.
func all(t *testing.T) map[string]Plan {
	values := made(t)
	single, both := tableOf(t, values[0]), tableOf(t, values[0], values[1])
	plans := map[string]Plan{
		"random":                  {Algorithm: Random{}, Objective: single},
		"random with replacement": {Algorithm: Random{Replacement: true}, Objective: single},
		"evolution":               {Algorithm: Evolution{Population: 10, Sample: 3}, Objective: single},
		"local search":            {Algorithm: LocalSearch{}, Objective: single},
		"reinforce":               {Algorithm: Reinforce{LearningRate: 0.01, Momentum: 0.9}, Objective: single},
		"hyperband":               {Algorithm: Hyperband{Eta: 3}, Objective: both},
		"asha":                    {Algorithm: ASHA{Eta: 3}, Objective: both},
		"bohb":                    {Algorithm: BOHB{Eta: 3, Samples: 4, MinBandwidth: 0.3, RandomFraction: 0.2, TopPercent: 15}, Objective: both},
		"bananas its":             {Algorithm: Bananas{Initial: 10, Batch: 10, Candidates: 50, Parents: 10}, Objective: single},
		"bananas ucb":             {Algorithm: Bananas{Initial: 3, Batch: 7, Candidates: 50, Parents: 5, UCB: 0.5}, Objective: single},
		"lissnas":                 {Algorithm: LISSNAS{Sample: 20, Seeds: 4, Radius: 1, Rounds: 5}, Objective: single},
		"pruning":                 {Algorithm: Pruning{Sample: 20, Size: 250}, Objective: single},
		"pruning edges":           {Algorithm: Pruning{PerEdge: true, Sample: 20, Size: 250}, Objective: single},
		"autoshrink":              {Algorithm: AutoShrink{}, Objective: single},
		"autoshrink drawn":        {Algorithm: AutoShrink{Drawn: true}, Objective: single},
	}
	for name, p := range plans {
		p.Seed, p.Budget, p.Runs = 777, 100, 12
		plans[name] = p
	}
	return plans
}

func histories(runs []*Run) [][]Step {
	var out [][]Step
	for _, r := range runs {
		out = append(out, r.Steps())
	}
	return out
}

func execute(t *testing.T, p Plan) []*Run {
	t.Helper()
	runs, err := p.Execute(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

// TestRunsAreTheSameAlone holds run 7 of 12 against run 7 alone, and one worker
// against several.
func TestRunsAreTheSameAlone(t *testing.T) {
	for name, p := range all(t) {
		t.Run(name, func(t *testing.T) {
			p.Workers = 5
			many := execute(t, p)
			p.Workers = 1
			if one := execute(t, p); !slices.EqualFunc(histories(many), histories(one), slices.Equal) {
				t.Error("the number of workers changes the histories")
			}
			p.First, p.Runs = 7, 1
			alone := execute(t, p)[0]
			if alone.Number != 7 || !slices.Equal(alone.Steps(), many[7].Steps()) || !slices.Equal(alone.Space, many[7].Space) {
				t.Error("run 7 alone differs from run 7 of 12")
			}
			p.First = 8
			if other := execute(t, p)[0]; slices.Equal(other.Steps(), alone.Steps()) {
				t.Error("runs 7 and 8 are equal")
			}
		})
	}
}

// counting is an objective that counts what it is asked, and costs differ.
type counting struct {
	objective.Objective
	spent      float64
	fidelities []objective.Fidelity
}

func (c *counting) Fidelities() []objective.Fidelity { return c.fidelities }

func (c *counting) Evaluate(ctx context.Context, trials []objective.Trial, values []float64) error {
	for _, t := range trials {
		c.spent += c.fidelities[t.Fidelity].Cost
	}
	return c.Objective.Evaluate(ctx, trials, values)
}

func TestBudgetIsKept(t *testing.T) {
	for name, p := range all(t) {
		t.Run(name, func(t *testing.T) {
			for _, budget := range []float64{0, 1, 9, 12, 13, 100, 457} {
				costs := []objective.Fidelity{{Cost: 12}, {Cost: 200}}[:len(p.Objective.Fidelities())]
				c := &counting{Objective: p.Objective, fidelities: costs}
				r := NewRun(c, budget, 1, "run", 3)
				err := p.Algorithm.Search(t.Context(), r)
				if err != nil && !errors.Is(err, ErrSpent) {
					t.Fatal(err)
				}
				spent := 0.0
				for _, s := range r.Steps() {
					spent += costs[s.Fidelity].Cost
				}
				if c.spent > budget || c.spent != spent {
					t.Errorf("budget %v: %v spent, %v in the history", budget, c.spent, spent)
				}
			}
		})
	}
}

func TestHistoriesAreConsistent(t *testing.T) {
	repeats := map[string]bool{"random with replacement": true, "evolution": true, "reinforce": true, "hyperband": true, "asha": true, "bohb": true}
	values := made(t)
	for name, p := range all(t) {
		t.Run(name, func(t *testing.T) {
			for _, r := range execute(t, p) {
				seen := map[int32]bool{}
				for i, s := range r.Steps() {
					if s.Value != values[s.Fidelity][s.Architecture] {
						t.Fatalf("run %d, step %d: value %v, the table has %v", r.Number, i, s.Value, values[s.Fidelity][s.Architecture])
					}
					if seen[s.Architecture] && !repeats[name] {
						t.Fatalf("run %d evaluates architecture %d twice", r.Number, s.Architecture)
					}
					seen[s.Architecture] = true
				}
				if name == "autoshrink" || name == "autoshrink drawn" {
					continue // it ends by itself
				}
				if len(r.Steps()) != 100 {
					t.Errorf("run %d has %d steps", r.Number, len(r.Steps()))
				}
			}
		})
	}
}

func TestSpaceCanBeExhausted(t *testing.T) {
	o := tableOf(t, made(t)[0])
	for name, a := range map[string]Algorithm{"random": Random{}, "local search": LocalSearch{}} {
		runs := execute(t, Plan{Algorithm: a, Objective: o, Budget: nas.Size + 1, Runs: 1})
		if n := len(runs[0].Steps()); n != nas.Size {
			t.Errorf("%s evaluates %d architectures", name, n)
		}
		s := runs[0].Steps()
		at := Incumbents(s)
		if best := slices.Max(made(t)[0]); s[at[len(at)-1]].Value != best {
			t.Errorf("%s ends with %v, the best is %v", name, s[at[len(at)-1]].Value, best)
		}
	}
}

func TestIncumbents(t *testing.T) {
	steps := []Step{{1, 0, 5}, {2, 0, 5}, {3, 0, 7}, {4, 1, 1}, {5, 0, 9}, {6, 1, 2}}
	if got := Incumbents(steps); !slices.Equal(got, []int{0, 0, 2, 3, 3, 5}) {
		t.Errorf("incumbents %v", got)
	}
}

func TestMutationFollowsTheProtocol(t *testing.T) {
	random := NewSource(1, "test", 0)
	counts := [nas.NumEdges]int{}
	const n = 60000
	for range n {
		c := nas.At(random.Below(nas.Size))
		m := mutate(random, c)
		if nas.Distance(c, m) != 1 {
			t.Fatalf("%v became %v", c, m)
		}
		for e := range c {
			if c[e] != m[e] {
				counts[e]++
			}
		}
	}
	for e, want := range []float64{1. / 3, 1. / 6, 1. / 6, 1. / 9, 1. / 9, 1. / 9} {
		if got := float64(counts[e]) / n; math.Abs(got-want) > 0.01 {
			t.Errorf("edge %d changes with %v, want %v", e, got, want)
		}
	}
}

func TestRandomCellsAreUniform(t *testing.T) {
	random := NewSource(1, "test", 0)
	var counts [nas.NumEdges][nas.NumOps]int
	for range 50000 {
		for e, op := range randomCell(random) {
			counts[e][op]++
		}
	}
	for e := range counts {
		for op, n := range counts[e] {
			if math.Abs(float64(n)-10000) > 500 {
				t.Errorf("edge %d, operation %d: %d of 50000", e, op, n)
			}
		}
	}
}

func TestPockets(t *testing.T) {
	one := Pockets([]int{5}, 1)
	if len(one) != 1+nas.NumNeighbours || !slices.IsSorted(one) || !slices.Contains(one, 5) {
		t.Errorf("a pocket of %d", len(one))
	}
	// Within two edits: 1 + 6*4 + 15*16.
	if two := Pockets([]int{5}, 2); len(two) != 265 {
		t.Errorf("two edits reach %d", len(two))
	}
	if whole := Pockets([]int{5, 5}, 6); len(whole) != nas.Size {
		t.Errorf("six edits reach %d", len(whole))
	}
}

func TestShrinkingImproves(t *testing.T) {
	values := made(t)[0]
	runs := execute(t, Plan{Algorithm: LISSNAS{Sample: 50, Seeds: 10, Radius: 1, Rounds: 5}, Objective: tableOf(t, values), Budget: 300, Seed: 1, Runs: 5})
	all := mean(values)
	for _, r := range runs {
		var inside []float64
		for _, n := range r.Space {
			inside = append(inside, values[n])
		}
		if len(r.Space) > 260 || mean(inside) < all+5 {
			t.Errorf("run %d: %d architectures of mean %v, all have %v", r.Number, len(r.Space), mean(inside), all)
		}
	}
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

func TestAutoShrinkRemovesEdgeByEdge(t *testing.T) {
	starts := map[nas.Cell]bool{}
	for n := range NumStarts {
		c := Start(n)
		if slices.Contains(c[:], nas.None) {
			t.Fatalf("start %d is %v", n, c)
		}
		starts[c] = true
	}
	if len(starts) != NumStarts {
		t.Errorf("%d starts", len(starts))
	}
	// With value 1 for each edge that is none, every removal is equal: the first
	// edge goes, and with edge 0-1 those from node 1.
	values := make([]float64, nas.Size)
	r := execute(t, Plan{Algorithm: AutoShrink{}, Objective: tableOf(t, values), Budget: 100, Runs: 1})[0]
	var sizes []int
	for _, s := range r.Steps() {
		n := 0
		for _, op := range nas.At(int(s.Architecture)) {
			if op != nas.None {
				n++
			}
		}
		sizes = append(sizes, n)
	}
	// Start; without 0-1 also without 1-2 and 1-3; of the three that are left, 0-2
	// takes 2-3 along.
	if want := []int{6, 3, 5, 5, 5, 5, 5, 1, 2, 2, 0}; !slices.Equal(sizes, want) {
		t.Errorf("edges left %v, want %v", sizes, want)
	}
}

type failing struct{ objective.Objective }

var errBroken = errors.New("it broke")

func (f failing) Evaluate(context.Context, []objective.Trial, []float64) error { return errBroken }

type undefined struct{ objective.Objective }

func (u undefined) Evaluate(_ context.Context, _ []objective.Trial, values []float64) error {
	values[0] = math.NaN()
	return nil
}

func TestFailuresEndTheSearch(t *testing.T) {
	for name, p := range all(t) {
		p.Objective = failing{p.Objective}
		if _, err := p.Execute(t.Context()); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", name, err)
		}
		p.Objective = undefined{p.Objective.(failing).Objective}
		if _, err := p.Execute(t.Context()); err == nil || !strings.Contains(err.Error(), "NaN") {
			t.Errorf("%s: %v", name, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := p.Execute(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: %v", name, err)
		}
	}
}

// TestFailedNetworksAreBorne gives minus infinity to every third architecture.
func TestFailedNetworksAreBorne(t *testing.T) {
	values := made(t)
	for i := 0; i < nas.Size; i += 3 {
		values[0][i], values[1][i] = math.Inf(-1), math.Inf(-1)
	}
	single, both := tableOf(t, values[0]), tableOf(t, values[0], values[1])
	for name, p := range all(t) {
		if p.Objective = single; strings.Contains(" hyperband asha bohb ", " "+name+" ") {
			p.Objective = both
		}
		for _, r := range execute(t, p) {
			s := r.Steps()
			if at := Incumbents(s); math.IsInf(s[at[len(at)-1]].Value, 0) && len(s) > 20 {
				t.Errorf("%s ends with a failure", name)
			}
		}
	}
}

// parallel evaluates the trials of a batch at the same time, as training may.
type parallel struct{ objective.Objective }

func (p parallel) Evaluate(ctx context.Context, trials []objective.Trial, values []float64) error {
	var group sync.WaitGroup
	errs := make([]error, len(trials))
	for i := range trials {
		group.Go(func() { errs[i] = p.Objective.Evaluate(ctx, trials[i:i+1], values[i:i+1]) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// TestBatchesMayBeEvaluatedAtTheSameTime sees that a search by an objective that
// does so is the same search.
func TestBatchesMayBeEvaluatedAtTheSameTime(t *testing.T) {
	for name, p := range all(t) {
		want := histories(execute(t, p))
		p.Objective = parallel{p.Objective}
		if got := histories(execute(t, p)); !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("%s goes another way", name)
		}
	}
}

// BenchmarkEvolution makes runs of 170 evaluations; an iteration is an evaluation.
func BenchmarkEvolution(b *testing.B) {
	o := tableOf(b, made(b)[0])
	b.ReportAllocs()
	for n := 0; n < b.N; n += 170 {
		r := NewRun(o, 170, 1, "run", n)
		if err := (Evolution{Population: 10, Sample: 3}).Search(b.Context(), r); !errors.Is(err, ErrSpent) {
			b.Fatal(err)
		}
	}
}

func BenchmarkBananas(b *testing.B) {
	o := tableOf(b, made(b)[0])
	for n := range b.N {
		r := NewRun(o, 170, 1, "run", n)
		if err := (Bananas{Initial: 10, Batch: 10, Candidates: 100, Parents: 10}).Search(b.Context(), r); !errors.Is(err, ErrSpent) {
			b.Fatal(err)
		}
	}
}
