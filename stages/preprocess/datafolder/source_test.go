package datafolder

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/nbpipe/nbpipe/stages/npy"
)

// Samples are the same in both of NumPy's orders.
func TestEach(t *testing.T) {
	shape := []int{5, 2, 3}
	at := func(i, j, k int) float64 { return float64(100*i + 10*j + k) }
	var c, fortran []float64
	for i := range 5 {
		for j := range 2 {
			for k := range 3 {
				c = append(c, at(i, j, k))
			}
		}
	}
	for k := range 3 {
		for j := range 2 {
			for i := range 5 {
				fortran = append(fortran, at(i, j, k))
			}
		}
	}
	for _, order := range []bool{false, true} {
		values := c
		if order {
			values = fortran
		}
		h := npy.Header{Type: npy.Float32, Shape: shape, Fortran: order}
		var b bytes.Buffer
		if err := npy.Write(&b, h, values); err != nil {
			t.Fatal(err)
		}
		for _, part := range [][2]int{{0, 5}, {1, 3}, {4, 1}, {5, 0}} {
			r, err := npy.NewReader("x", bytes.NewReader(b.Bytes()), npy.UnknownSize)
			if err != nil {
				t.Fatal(err)
			}
			var got []float64
			err = Each(r, t.TempDir(), part[0], part[1], func(i int, sample []float64) error {
				if i != len(got)/6 {
					t.Errorf("sample %d comes as %d", len(got)/6, i)
				}
				got = append(got, sample...)
				return nil
			})
			if want := c[6*part[0] : 6*(part[0]+part[1])]; err != nil || !slices.Equal(got, want) {
				t.Errorf("Fortran order %t, %v: %v, want %v: %v", order, part, got, want, err)
			}
		}
	}
}

func TestEachRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		shape []int
		count int
	}{
		"a number": {nil, 1}, "more than there are": {[]int{3, 2}, 4}, "empty samples": {[]int{3, 0}, 3}, "an enormous sample": {[]int{1, 1 << 20, 1 << 20}, 1},
	} {
		r, err := npy.NewElements("x", npy.Header{Type: npy.Float32, Shape: c.shape}, false, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		if err := Each(r, t.TempDir(), 0, c.count, func(int, []float64) error { return nil }); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

func TestStandardise(t *testing.T) {
	out := make([]float32, 4)
	if ok, err := Standardise([]float64{1, 2, 3, 4}, out); !ok || err != nil || math.Abs(float64(out[3])-1.5/math.Sqrt(1.25)) > 1e-7 {
		t.Errorf("%v, %t, %v", out, ok, err)
	}
	if ok, err := Standardise([]float64{0.1, 0.1, 0.1, 0.1}, out); ok || err != nil || !slices.Equal(out, make([]float32, 4)) {
		t.Errorf("a constant series: %v, %t, %v", out, ok, err)
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), 1e200} {
		if _, err := Standardise([]float64{1, v, 0, 0}, out); err == nil {
			t.Errorf("%v was taken", v)
		}
	}
}

func TestLabel(t *testing.T) {
	if l, err := Label(24, 1, 24); l != 23 || err != nil {
		t.Errorf("%d, %v", l, err)
	}
	for _, v := range []float64{0, 25, 1.5, math.NaN(), math.Inf(1)} {
		if _, err := Label(v, 1, 24); err == nil {
			t.Errorf("%v was taken", v)
		}
	}
}
