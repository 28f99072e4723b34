package adaproxy

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"gonum.org/v1/gonum/mat"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/latencytable"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

// golden is testdata/golden.json, which testdata/golden.py writes.
type golden struct {
	Problems []struct {
		Cells      []nas.Cell
		W, Y       []float64
		Lambda     float64
		Norm       int
		Objective  float64
		Prediction []float64
	}
	Real struct {
		W           []float64
		ProxyFit    float64 `json:"proxy_fit"`
		Adaptations []struct {
			Target            string
			Train, Validation []int
			Lambda            float64
			ValidationRho     float64 `json:"validation_rho"`
			TrainRho          float64 `json:"train_rho"`
			Adapted           float64
			Before            float64
			Ceiling           float64
		}
	}
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

func encodeCells(cells []nas.Cell) *mat.Dense {
	numbers := make([]int, len(cells))
	for i, c := range cells {
		numbers[i] = nas.Index(c)
	}
	return encode(numbers)
}

// objective is what an adaptation minimises; b is seen in the weights and a only
// through their sum, so that it is given.
func (p *problem) objective(predicted, b []float64, lambda float64, norm int) float64 {
	squares, length := 0.0, 0.0
	for i, v := range predicted {
		squares += (v - p.y[i]) * (v - p.y[i])
	}
	for _, v := range b {
		length += math.Pow(math.Abs(v), float64(norm))
	}
	return squares/float64(len(p.y)) + lambda*math.Pow(length, 1/float64(norm))
}

// TestSolversAgainstSciPy compares objectives and predictions, which are unique where
// b is not.
func TestSolversAgainstSciPy(t *testing.T) {
	for i, g := range readGolden(t).Problems {
		x := encodeCells(g.Cells)
		p := newProblem(x, g.W, g.Y)
		b := make([]float64, width)
		var err error
		if g.Norm == 1 {
			err = p.absolute(g.Lambda, b)
		} else {
			b, err = p.euclidean(g.Lambda)
		}
		if err != nil {
			t.Errorf("problem %d: %v", i, err)
			continue
		}
		weights, c := p.predictor(g.W, b)
		predicted := predict(x, weights, c)
		value := p.objective(predicted, b, g.Lambda, g.Norm)
		// SciPy's own solution for l1 is not exact: lower is better, never higher.
		slack, near := 1e-10, 1e-7
		if g.Norm == 1 {
			slack, near = 1e-7, 1e-3
		}
		if value > g.Objective*(1+slack)+1e-9 || value < g.Objective*(1-1e-5)-1e-6 || g.Norm == 2 && value < g.Objective*(1-slack)-1e-12 {
			t.Errorf("problem %d, l%d, lambda %v: objective %.12g, want %.12g", i, g.Norm, g.Lambda, value, g.Objective)
		}
		for k, want := range g.Prediction {
			if math.Abs(predicted[k]-want) > near {
				t.Errorf("problem %d, l%d, lambda %v: prediction %d is %v, want %v", i, g.Norm, g.Lambda, k, predicted[k], want)
				break
			}
		}
	}
}

// TestAdaptationsAgainstNumPy adapts to the real latencies with the draws of NumPy.
func TestAdaptationsAgainstNumPy(t *testing.T) {
	store := stagetest.Store{}
	latencies := map[string]cty.Value{}
	for _, device := range []string{"true_vpu", "rice_pixel3", "rice_edgetpu", "true_630"} {
		latencies[device] = stages.FileValue(store.Mirror(t, "oneproxy/"+device+".pickle"))
	}
	r, err := stagetest.Run(t, latencytable.Kind, store, map[string]cty.Value{
		"latencies": cty.MapVal(latencies), "encoding": stages.FileValue(store.Mirror(t, "oneproxy/encode.pickle")),
		"not_measurable": cty.ListVal([]cty.Value{cty.NumberIntVal(-1)}),
	})
	if err != nil {
		t.Fatal(err)
	}
	tb := r.Table(t, "table")
	x, latency := realCells(t, tb)
	proxy := latency("true_vpu")
	g := readGolden(t).Real
	w, err := fit(x, proxy)
	if err != nil {
		t.Fatal(err)
	}
	for j, want := range g.W {
		if math.Abs(w[j]-want) > 1e-10 {
			t.Errorf("w[%d] is %v, want %v", j, w[j], want)
		}
	}
	if got := srcc(predict(x, w, 0), proxy); math.Abs(got-g.ProxyFit) > 1e-9 {
		t.Errorf("the proxy's fit is %v, want %v", got, g.ProxyFit)
	}
	for _, want := range g.Adaptations {
		y := latency(want.Target)
		drawn := map[int]bool{}
		for _, i := range append(append([]int(nil), want.Train...), want.Validation...) {
			drawn[i] = true
		}
		var unseen, seen []int
		for i, v := range y {
			if v == v {
				seen = append(seen, i)
			}
			if v == v && !drawn[i] {
				unseen = append(unseen, i)
			}
		}
		a, err := adapt(x, w, y, want.Train, want.Validation, unseen, euclideanPenalty, defaultLambdas(t))
		if err != nil {
			t.Fatal(err)
		}
		top, err := ceiling(x, y, seen)
		if err != nil {
			t.Fatal(err)
		}
		for name, pair := range map[string][2]float64{
			"lambda": {a.lambda, want.Lambda}, "validation": {a.validation, want.ValidationRho}, "train": {a.train, want.TrainRho},
			"adapted": {a.adapted, want.Adapted}, "before": {a.before, want.Before}, "ceiling": {top, want.Ceiling},
		} {
			if math.Abs(pair[0]-pair[1]) > 1e-6 {
				t.Errorf("%s: %s is %v, want %v", want.Target, name, pair[0], pair[1])
			}
		}
	}
}

func realCells(t *testing.T, tb *table.Table) (*mat.Dense, func(string) []float64) {
	t.Helper()
	numbers, err := tb.Int64s(table.Architecture)
	if err != nil {
		t.Fatal(err)
	}
	cells := make([]int, len(numbers))
	for i, n := range numbers {
		cells[i] = int(n)
	}
	return encode(cells), func(device string) []float64 {
		y, err := tb.Float64s(device)
		if err != nil {
			t.Fatal(err)
		}
		return y
	}
}

// defaultLambdas are those of the attribute's default, descending.
func defaultLambdas(t *testing.T) []float64 {
	t.Helper()
	a, ok := Kind.Attribute("lambdas")
	if !ok {
		t.Fatal("no lambdas")
	}
	list := numbers(a.Default)
	for i := range len(list) / 2 {
		list[i], list[len(list)-1-i] = list[len(list)-1-i], list[i]
	}
	for i, v := range list {
		if want := math.Pow(10, -5*float64(i)/8); math.Abs(v/want-1) > 1e-12 {
			t.Errorf("lambda %d is %v, want %v", i, v, want)
		}
	}
	return list
}
