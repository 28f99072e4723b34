package figure

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestTicksAndLabels(t *testing.T) {
	cases := []struct {
		low, high float64
		n         int
		want      []string
	}{
		{0, 15625, 4, []string{"0", "5k", "10k", "15k"}},
		{-0.012, 0.041, 5, []string{"0.00", "0.02", "0.04"}},
		{-0.012, 0.041, 3, []string{"0.00", "0.02", "0.04"}},
		{0, 8, 4, []string{"0", "2", "4", "6", "8"}},
		{1, 1, 4, []string{}},
		{0, math.Inf(1), 4, []string{}},
	}
	for _, c := range cases {
		if got := Labels(Ticks(c.low, c.high, c.n)); !slices.Equal(got, c.want) {
			t.Errorf("ticks from %v to %v: %q, want %q", c.low, c.high, got, c.want)
		}
	}
}

func TestMinus(t *testing.T) {
	for in, want := range map[string]string{"-0.00": "0.00", "-1.5": "\u22121.5", "2": "2"} {
		if got := Minus(in); got != want {
			t.Errorf("Minus(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestLevel(t *testing.T) {
	for count, want := range map[int]int{1: 0, 2: 1, 3: 1, 4: 2, 63: 5, 64: 6, 10000: 6} {
		if got := Level(count); got != want {
			t.Errorf("Level(%d) = %d, want %d", count, got, want)
		}
	}
}

// TestEveryPointHasItsNearestHexagon compares with a search over all centres.
func TestEveryPointHasItsNearestHexagon(t *testing.T) {
	const width = 7.0
	for i := range 500 {
		px, py := math.Mod(float64(i)*13.37, 60), math.Mod(float64(i)*7.91, 60)
		gx, gy := hexCentre(hexAt(px, py, width), width)
		got, best := math.Hypot(px-gx, py-gy), math.Inf(1)
		for row := -1; row < 14; row++ {
			for col := -2; col < 24; col++ {
				if (col+row)%2 == 0 {
					x, y := hexCentre([2]int{col, row}, width)
					best = min(best, math.Hypot(px-x, py-y))
				}
			}
		}
		if got > best+1e-9 {
			t.Fatalf("point %v %v: hexagon at distance %v, another at %v", px, py, got, best)
		}
	}
}

func TestFieldsJoinEqualNeighbours(t *testing.T) {
	c := New(100, 100, "", "")
	values := make([]float64, 32*32)
	for i := range values {
		values[i] = float64(i / 32 / 16)
	}
	c.Field(0, 0, 96, 96, values, 32, 0, 1)
	doc := string(c.Bytes())
	if n := strings.Count(doc, "M"); n != 32 {
		t.Errorf("%d rectangles for 32 rows of one value each", n)
	}
	if low, high := Range([]float64{math.NaN(), 2, -1, math.Inf(1)}); low != -1 || high != 2 {
		t.Errorf("range %v to %v", low, high)
	}
}

func TestDocumentIsWellFormedAndPlain(t *testing.T) {
	c := New(100, 100, "a <b> & \x00\xff", "alt")
	p := Panel{X: 10, Y: 10, W: 80, H: 80, MaxX: 1, MaxY: 1}
	p.Plate(c)
	p.Hexbin(c, []float64{0, 0.5, 1, 2, math.NaN()}, []float64{0, 0.5, 1, 0, 0}, 10)
	p.Box(c, 50, 10, Box{0.1, 0.2, 0.3, 0.4, 0.5}, "#123456")
	p.Box(c, 50, 10, Box{0.1, 0.2, math.NaN(), 0.4, 0.5}, "#123456")
	p.Band(c, -1, 0.2, "#cccccc")
	c.Field(10, 10, 40, 40, []float64{0, 0, 1, math.NaN(), math.Inf(1), 2}, 3, 0, 2)
	c.Field(10, 10, 40, 40, []float64{1, 1}, 2, 1, 1)
	p.Curve(c, []float64{0, 0.5, 1, 1, 9}, []float64{0, math.NaN(), 1, math.Inf(1), 0}, "#123456", 2, "4 2")
	p.Ribbon(c, []float64{0, 0.5, 1}, []float64{0, math.NaN(), 1}, []float64{1, 1, 2}, "#123456", 0.2)
	c.Disc(1, 2, 3, "#123456")
	c.SmallUpright(5, 50, "label")
	doc := string(c.Bytes())
	for _, word := range []string{"<style", "<script", "class=", "NaN", "Inf"} {
		if strings.Contains(doc, word) {
			t.Errorf("the figure holds %q", word)
		}
	}
	d := xml.NewDecoder(strings.NewReader(doc))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestLogTicks(t *testing.T) {
	cases := []struct {
		low, high float64
		n         int
		want      []string
	}{
		{0.4, 12, 6, []string{"0.5", "1", "2", "5", "10"}},
		{0.002, 12, 6, []string{"0.01", "0.1", "1", "10"}},
		{0.01, 12, 8, []string{"0.01", "0.03", "0.1", "0.3", "1", "3", "10"}},
		{0, 1, 6, nil},
		{1, 1, 6, nil},
	}
	for _, c := range cases {
		if _, got := LogTicks(c.low, c.high, c.n); !slices.Equal(got, c.want) {
			t.Errorf("ticks from %v to %v: %q, want %q", c.low, c.high, got, c.want)
		}
	}
}

func TestRibbonAndCurveStayInside(t *testing.T) {
	c := New(100, 100, "", "")
	p := Panel{X: 10, Y: 10, W: 80, H: 80, MaxX: 1, MaxY: 1}
	p.Curve(c, []float64{0, 1}, []float64{-5, 7}, "#123456", 2, "")
	if doc := string(c.Bytes()); !strings.Contains(doc, "M10.0 90.0L90.0 10.0") {
		t.Errorf("the curve leaves the panel: %s", doc)
	}
}

func TestHeatmap(t *testing.T) {
	c := New(60, 60, "t", "a")
	steps := []Step{{0, "#111111"}, {0.5, "#222222"}, {0.9, "#333333"}}
	c.Heatmap(0, 0, 26, [][]float64{{1, 0.5}, {math.NaN(), -1}}, steps)
	doc := string(c.Bytes())
	for want, n := range map[string]int{"#111111": 0, "#222222": 1, "#333333": 1, "M1 1h24v24h-24z": 1, "M27 1h24": 1, "NaN": 0} {
		if got := strings.Count(doc, want); got != n {
			t.Errorf("%q stands there %d times, want %d:\n%s", want, got, n, doc)
		}
	}
	c.Heatmap(0, 0, 10, nil, steps)
}
