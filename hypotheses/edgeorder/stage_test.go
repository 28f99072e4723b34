package edgeorder

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

func stored(t *testing.T, store stagetest.Store, columns ...table.Column) cty.Value {
	t.Helper()
	made, err := table.New(columns...)
	if err != nil {
		t.Fatal(err)
	}
	return store.Table(t, made)
}

// accuracies are random; chosen are the numbers of the n best.
func accuracies(n int) (all table.Column, chosen []int64) {
	random := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, nas.Size)
	order := make([]int64, nas.Size)
	for i := range values {
		values[i], order[i] = random.Float64(), int64(i)
	}
	slices.SortFunc(order, func(a, b int64) int {
		if values[a] > values[b] {
			return -1
		}
		return 1
	})
	return table.FloatColumn("accuracy", values), order[:n]
}

func every() table.Column {
	numbers := make([]int64, nas.Size)
	for i := range numbers {
		numbers[i] = int64(i)
	}
	return table.IntColumn(table.Architecture, numbers)
}

// block has cells that were chosen by accuracy, and latencies that follow the work on
// live edges, if decoded by `edges`.
func block(t *testing.T, store stagetest.Store, edges []int) map[string]cty.Value {
	all, chosen := accuracies(400)
	numbers := make([]int64, len(chosen))
	latency, constant := make([]float64, len(chosen)), make([]float64, len(chosen))
	for i, a := range chosen {
		right := nas.At(int(a))
		numbers[i] = int64(nas.Index(again(right, edges, nil)))
		latency[i] = float64(nas.FLOPs(live(right), nas.CIFAR10)) + 1000*float64(i%3)
		constant[i] = 7
	}
	latency[5] = math.NaN()
	return map[string]cty.Value{
		"tables": cty.ListVal([]cty.Value{
			stored(t, store, table.IntColumn(table.Architecture, numbers), table.FloatColumn("phone", latency), table.FloatColumn("constant", constant)),
			stored(t, store, every(), all),
		}),
		"devices": cty.ListVal([]cty.Value{cty.StringVal("phone"), cty.StringVal("constant")}), "accuracy": cty.StringVal("accuracy"),
	}
}

func TestRightAndWrongOrder(t *testing.T) {
	store := stagetest.Store{}
	right, err := stagetest.Run(t, Kind, store, block(t, store, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want    float64
		members []string
	}{
		{1, []string{"edges", "value"}}, {1, []string{"edges", "rank"}}, {720, []string{"edges", "orders"}},
		{1, []string{"operations", "value"}}, {1, []string{"operations", "rank"}}, {120, []string{"operations", "orders"}},
		{1, []string{"work", "phone", "rank"}}, {1, []string{"work_first"}}, {400. / 15625, []string{"chance"}},
	} {
		if got, _ := right.Number(t, c.members[0], c.members[1:]...); got != c.want {
			t.Errorf("%v is %v, want %v", c.members, got, c.want)
		}
	}
	if other, _ := right.Number(t, "edges", "best_other"); other > 0.3 {
		t.Errorf("another order finds %v of the best", other)
	}
	// Read backwards, every edge that was live is live: at least one order is equal.
	if equal, _ := right.Number(t, "work", "phone", "equal"); equal < 1 {
		t.Errorf("%v other orders are equal by work", equal)
	}
	wrong, err := stagetest.Run(t, Kind, store, block(t, store, []int{1, 0, 2, 3, 4, 5}))
	if err != nil {
		t.Fatal(err)
	}
	for _, members := range [][]string{{"edges", "rank"}, {"work", "phone", "rank"}} {
		if rank, _ := wrong.Number(t, members[0], members[1:]...); rank == 1 {
			t.Errorf("a wrong order is first by %v", members)
		}
	}
	if best, _ := wrong.Number(t, "edges", "best_other"); best != 1 {
		t.Errorf("the best order finds %v of the best cells", best)
	}
}

func TestLive(t *testing.T) {
	for _, c := range [][2]nas.Cell{
		{{3, 3, 3, 3, 3, 3}, {3, 3, 3, 3, 3, 3}},
		{{0, 3, 3, 0, 3, 3}, {0, 3, 0, 0, 0, 3}}, // node 1 is not reached
		{{3, 3, 3, 3, 3, 0}, {3, 0, 0, 3, 3, 0}}, // node 2 leads nowhere
		{{3, 3, 3, 0, 0, 0}, {}},
	} {
		if got := live(c[0]); got != c[1] {
			t.Errorf("%v has %v, want %v", c[0], got, c[1])
		}
	}
}

func TestPermutations(t *testing.T) {
	all := permutations(4)
	seen := map[string]bool{}
	for _, p := range all {
		seen[string([]byte{byte(p[0]), byte(p[1]), byte(p[2]), byte(p[3])})] = true
	}
	if len(all) != 24 || len(seen) != 24 || !slices.Equal(all[0], []int{0, 1, 2, 3}) {
		t.Errorf("%v", all)
	}
}

func TestCosineIsSpearman(t *testing.T) {
	x, y := []float64{3, 1, 4, 1, 5, 9}, []float64{2, 7, 1, 8, 2, 8}
	want, err := stats.Spearman(x, y)
	if err != nil {
		t.Fatal(err)
	}
	if got := cosine(stats.Ranks(x), stats.Ranks(y)); math.Abs(got-want.Value) > 1e-15 {
		t.Errorf("%v, want %v", got, want.Value)
	}
}

func TestBadInput(t *testing.T) {
	store := stagetest.Store{}
	good := block(t, store, nil)
	few := stored(t, store, table.IntColumn(table.Architecture, []int64{1, 2}), table.FloatColumn("accuracy", []float64{1, 2}))
	one := stored(t, store, table.IntColumn(table.Architecture, []int64{1}), table.FloatColumn("phone", []float64{1}), table.FloatColumn("constant", []float64{1}))
	tables := good["tables"].AsValueSlice()
	for name, c := range map[string]struct {
		attribute string
		value     cty.Value
		want      string
	}{
		"unknown device": {"devices", cty.ListVal([]cty.Value{cty.StringVal("watch")}), `no column "watch"`},
		"device twice":   {"devices", cty.ListVal([]cty.Value{cty.StringVal("phone"), cty.StringVal("phone")}), "more than once"},
		"no device":      {"devices", cty.ListValEmpty(cty.String), "at least one"},
		"few accuracies": {"tables", cty.ListVal([]cty.Value{tables[0], few}), "all 15625 are needed"},
		"one cell":       {"tables", cty.ListVal([]cty.Value{one, tables[1]}), "1 architectures have a latency"},
	} {
		attrs := map[string]cty.Value{}
		for k, v := range good {
			attrs[k] = v
		}
		attrs[c.attribute] = c.value
		if _, err := stagetest.Run(t, Kind, store, attrs); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
