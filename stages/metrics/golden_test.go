package metrics

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"
)

// golden is testdata/golden.json, which testdata/golden.py writes with scikit-learn.
type golden struct {
	ZeroOne []struct {
		Seed, N, Classes, Levels int
		Value                    float64
	} `json:"zero_one"`
	RelativeL2 []struct {
		Seed, N, Size int
		Value         float64
	} `json:"relative_l2"`
	Ranking []struct {
		Seed, N, Levels, Share int
		AUROC, AP              float64
	}
	Multilabel []struct {
		Seed, N, Labels, Constant int
		AUROC                     []*float64
		AP                        []float64
		MeanAUROC                 float64 `json:"mean_auroc"`
		MeanAP                    float64 `json:"mean_ap"`
	}
	Clips struct {
		Seed, N, Labels, Many int
		Scores                []float64
		Value                 float64
	}
	Mask []struct {
		Seed, N, Share int
		Threshold      float32
		Ignore         bool
		FNR, AUROC     float64
	}
	Distance struct {
		Seed, Side      int
		Lengths         []int
		MAE, Repository float64
		PerProtein      []*float64 `json:"per_protein"`
	}
	ECG []struct {
		Seed, N, Records, Levels, Ties int
		F1                             []float64
		Voted                          []int32
		Value, Three                   float64
	}
}

func read(t *testing.T) *golden {
	t.Helper()
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	g := new(golden)
	if err := json.Unmarshal(text, g); err != nil {
		t.Fatal(err)
	}
	return g
}

// draws is the generator of golden.py.
func draws(seed, n, levels int) []int32 {
	state := uint64(seed)
	out := make([]int32, n)
	for i := range out {
		state = state*6364136223846793005 + 1442695040888963407
		out[i] = int32((state >> 33) % uint64(levels))
	}
	return out
}

func scores(seed, n, levels, unit int) []float32 {
	out := make([]float32, n)
	for i, d := range draws(seed, n, levels) {
		out[i] = float32(float64(d)/float64(unit) - float64(levels)/float64(unit)/2)
	}
	return out
}

// zeros is 1 where a draw is 0.
func zeros(seed, n, share int) []float32 {
	out := make([]float32, n)
	for i, d := range draws(seed, n, share) {
		if d == 0 {
			out[i] = 1
		}
	}
	return out
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-13*math.Max(1, math.Abs(want))) {
		t.Errorf("%s: %.17g, want %.17g", what, got, want)
	}
}

// must stops at an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestPointMetrics(t *testing.T) {
	g := read(t)
	for _, c := range g.ZeroOne {
		near(t, "error", must(ZeroOne(scores(c.Seed, c.N*c.Classes, c.Levels, 8), draws(c.Seed+100, c.N, c.Classes))), c.Value)
	}
	for _, c := range g.RelativeL2 {
		near(t, "relative l2", must(RelativeL2(scores(c.Seed, c.N*c.Size, 97, 8), scores(c.Seed+100, c.N*c.Size, 89, 8), c.N)), c.Value)
	}
	for _, c := range g.Ranking {
		s, y := scores(c.Seed, c.N, c.Levels, 64), zeros(c.Seed+100, c.N, c.Share)
		near(t, "AUROC", must(AUROC(s, y)), c.AUROC)
		near(t, "average precision", must(AveragePrecision(s, y)), c.AP)
	}
}

func TestMultilabel(t *testing.T) {
	for _, c := range read(t).Multilabel {
		s, y := scores(c.Seed, c.N*c.Labels, 50, 64), zeros(c.Seed+100, c.N*c.Labels, 4)
		if c.Constant >= 0 {
			for i := range c.N {
				y[i*c.Labels+2] = float32(c.Constant)
			}
		}
		auroc, ap := must(MeanAUROC(s, y, c.Labels)), must(MeanAveragePrecision(s, y, c.Labels))
		near(t, "1 - mean AUROC", auroc.Error, c.MeanAUROC)
		near(t, "1 - mAP", ap.Error, c.MeanAP)
		for l, want := range c.AUROC {
			near(t, "average precision of a label", ap.PerLabel[l], c.AP[l])
			if want == nil {
				if !math.IsNaN(auroc.PerLabel[l]) || !slices.Equal(auroc.OneClass, []int{l}) || !slices.Equal(ap.OneClass, []int{l}) {
					t.Errorf("label %d with one class: %v, listed %v and %v", l, auroc.PerLabel[l], auroc.OneClass, ap.OneClass)
				}
				continue
			}
			near(t, "AUROC of a label", auroc.PerLabel[l], *want)
		}
	}
}

func TestClips(t *testing.T) {
	c := read(t).Clips
	clip, of := draws(c.Seed+200, c.N, c.Many), zeros(c.Seed+300, c.Many*c.Labels, 3)
	var targets []float32
	for _, k := range clip {
		targets = append(targets, of[int(k)*c.Labels:(int(k)+1)*c.Labels]...)
	}
	got, truth, err := Clips(scores(c.Seed, c.N*c.Labels, 4000, 64), targets, c.Labels, clip)
	if err != nil || len(got) != len(c.Scores) {
		t.Fatalf("%d scores, want %d: %v", len(got), len(c.Scores), err)
	}
	for i, want := range c.Scores {
		if math.Abs(float64(got[i])-want) > 1e-7 {
			t.Errorf("score %d: %v, want %v", i, got[i], want)
		}
	}
	near(t, "1 - mAP of clips", must(MeanAveragePrecision(got, truth, c.Labels)).Error, c.Value)
}

func TestMask(t *testing.T) {
	for _, c := range read(t).Mask {
		ignore := zeros(c.Seed+200, c.N, 9)
		if !c.Ignore {
			ignore = nil
		}
		m := must(Mask(scores(c.Seed, c.N, 33, 8), zeros(c.Seed+100, c.N, c.Share), ignore, c.Threshold))
		near(t, "FNR", must(m.FNR()), c.FNR)
		near(t, "1 - AUROC", must(m.AUROCError()), c.AUROC)
	}
}

func TestMAE8(t *testing.T) {
	c := read(t).Distance
	n := len(c.Lengths) * c.Side * c.Side
	p, y := scores(c.Seed, n, 200, 8), scores(c.Seed+100, n, 300, 8)
	for i := range p {
		p[i] += 8
		y[i] = float32(math.Abs(float64(y[i])))
	}
	d := must(MAE8(p, y, c.Side, c.Lengths))
	near(t, "MAE8", d.MAE, c.MAE)
	near(t, "MAE8 by the letter of the code", d.Repository, c.Repository)
	without := 0
	for k, want := range c.PerProtein {
		if want == nil {
			without++
			continue
		}
		near(t, "MAE8 of a protein", d.PerProtein[k], *want)
	}
	if without == 0 || d.Without != without {
		t.Errorf("%d proteins without a pair, want %d", d.Without, without)
	}
}

func TestECG(t *testing.T) {
	ties := 0
	for _, c := range read(t).ECG {
		s, record := scores(c.Seed, c.N*4, c.Levels, 8), draws(c.Seed+200, c.N, c.Records)
		slices.Sort(record)
		of := draws(c.Seed+100, c.Records, 4)
		var labels []int32
		for _, r := range record {
			labels = append(labels, of[r])
		}
		if v := must(Vote(s, labels, record)); !slices.Equal(v.Predicted, c.Voted) {
			t.Errorf("voted %v, want %v", v.Predicted, c.Voted)
		}
		r := must(ECG(s, labels, record))
		near(t, "1 - mean F1", r.Error, c.Value)
		near(t, "1 - mean F1 of three classes", r.ThreeClasses, c.Three)
		for k, want := range c.F1 {
			near(t, "F1 of a class", r.F1.PerClass[k], want)
		}
		if r.Ties != c.Ties || r.Records != len(c.Voted) {
			t.Errorf("%d ties among %d records, want %d and %d", r.Ties, r.Records, c.Ties, len(c.Voted))
		}
		ties += c.Ties
	}
	if ties == 0 {
		t.Error("no case has a tie")
	}
}
