package metrics

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// What a metric cannot be of is an error, not a number.
func TestRefused(t *testing.T) {
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"no samples":             {second(ZeroOne(nil, nil)), "0 values cannot be those of 0 samples"},
		"ragged":                 {second(ZeroOne([]float32{1, 2, 3}, []int32{0, 0})), "3 values cannot be those of 2 samples"},
		"NaN score":              {second(ZeroOne([]float32{1, nan}, []int32{0})), "value 1 of sample 0 is not a number"},
		"unknown label":          {second(ZeroOne([]float32{1, 2}, []int32{2})), "the classes are 0 to 1"},
		"zero target":            {second(RelativeL2([]float32{1, 2}, []float32{0, 0}, 1)), "a relative error of it is not defined"},
		"NaN target":             {second(RelativeL2([]float32{1}, []float32{nan}, 1)), "a relative error of it is not defined"},
		"targets of other size":  {second(RelativeL2([]float32{1}, []float32{1, 2}, 1)), "1 predicted values and 2 targets"},
		"half a target":          {second(AUROC([]float32{1, 2}, []float32{0.5, 1})), "targets are 0 or 1"},
		"NaN rank":               {second(AUROC([]float32{1, nan}, []float32{0, 1})), "not a number"},
		"no labels":              {second(MeanAUROC([]float32{1}, []float32{1}, 0)), "for 0 labels"},
		"NaN of a label":         {second(MeanAUROC([]float32{1, 2, 3, nan}, []float32{0, 1, 1, 0}, 2)), "label 1: value 0 of sample 1"},
		"mask of greys":          {second(Mask([]float32{1}, []float32{0.5}, nil, 0)), "it must be 0 or 1"},
		"NaN pixel":              {second(Mask([]float32{nan}, []float32{1}, nil, 0)), "output 0 is not a number"},
		"ignore of another size": {second(Mask([]float32{1}, []float32{1}, []float32{}, 0)), "0 of them with ignore"},
		"too long a protein":     {second(MAE8(make([]float32, 4), make([]float32, 4), 2, []int{3})), "3 residues and a square of 2"},
		"no protein":             {second(MAE8(nil, nil, 2, nil)), "for 0 proteins"},
		"no pair":                {second(MAE8(make([]float32, 4), make([]float32, 4), 2, []int{2})), "none of 1 proteins has a pair"},
		"record of two labels":   {second(Vote([]float32{1, 0, 1, 0}, []int32{0, 1}, []int32{7, 7})), "windows of record 7 have labels 0 and 1"},
		"unknown class":          {second(F1([]int32{4}, []int32{0}, 4)), "they are 0 to 3"},
		"three classes of ECG":   {second(ECG(make([]float32, 3), []int32{0}, []int32{0})), "windows of 4 classes"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, c.err, c.want)
		}
	}
	for name, err := range map[string]error{
		"AUROC":      second(AUROC([]float32{1, 2}, []float32{1, 1})),
		"mean AUROC": second(MeanAUROC([]float32{1, 2}, []float32{1, 0}, 2)),
		"FNR":        second(Confusion{TrueNegatives: 3}.FNR()),
		"mask AUROC": second(Confusion{TruePositives: 3}.AUROCError()),
	} {
		if !errors.Is(err, ErrOneClass) {
			t.Errorf("%s of one class: %v", name, err)
		}
	}
	if _, _, err := Clips([]float32{1, 2}, []float32{1}, 2, []int32{0}); err == nil {
		t.Error("fewer targets than logits")
	}
	if _, _, err := Clips([]float32{float32(math.Inf(1)), float32(math.Inf(-1))}, []float32{1, 1}, 1, []int32{0, 0}); err == nil {
		t.Error("a mean of both infinities")
	}
}

func second[T any](_ T, err error) error { return err }

// Infinite scores have an order, and equal ones tie.
func TestInfiniteScores(t *testing.T) {
	inf := float32(math.Inf(1))
	if v := must(AUROC([]float32{-inf, 0, inf, inf}, []float32{0, 0, 1, 0})); v != 2.5/3 {
		t.Errorf("AUROC %v", v)
	}
}
