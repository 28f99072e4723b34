package figure

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Categories are colours that people with any colour vision tell apart on Plate
// (after Okabe and Ito, 2008); the first is for what others are compared with.
var Categories = []string{"#5b6570", "#0072b2", "#d55e00", "#009e73", "#b5479a", "#e69f00", "#3aa5dc", "#7a4b1e", "#8a8f00", "#5a3fa0"}

// Curve draws a line through points. Points without a finite position break it;
// what is outside the panel is drawn at its edge.
func (p Panel) Curve(c *Canvas, x, y []float64, stroke string, width float64, dash string) {
	var d strings.Builder
	command := 'M'
	for i := range x {
		px, py, ok := p.place(x[i], y[i])
		if !ok {
			command = 'M'
			continue
		}
		fmt.Fprintf(&d, "%c%.1f %.1f", command, px, py)
		command = 'L'
	}
	if d.Len() > 0 {
		c.Stroke(d.String(), stroke, width, dash)
	}
}

// Ribbon shades what lies between two lines, such as the ends of intervals.
func (p Panel) Ribbon(c *Canvas, x, low, high []float64, fill string, opacity float64) {
	var there, back []string
	for i := range x {
		px, top, ok := p.place(x[i], high[i])
		_, bottom, also := p.place(x[i], low[i])
		if ok && also {
			there = append(there, fmt.Sprintf("%.1f %.1f", px, top))
			back = append(back, fmt.Sprintf("%.1f %.1f", px, bottom))
		}
	}
	if len(there) < 2 {
		return
	}
	var d strings.Builder
	d.WriteString("M" + strings.Join(there, "L"))
	for i := len(back) - 1; i >= 0; i-- {
		d.WriteString("L" + back[i])
	}
	c.Shade(d.String()+"z", fill, opacity)
}

// place is a point's position, moved to the panel's edge if it is outside.
func (p Panel) place(x, y float64) (px, py float64, ok bool) {
	px, py = p.AtX(x), p.AtY(y)
	if math.IsNaN(px) || math.IsNaN(py) {
		return 0, 0, false
	}
	return min(max(px, p.X), p.X+p.W), min(max(py, p.Y), p.Y+p.H), true
}

// LogTicks are the round values 1, 2, 5 times a power of ten from low to high, as
// decimal logarithms with their labels, at most n of them if powers of ten are
// enough.
func LogTicks(low, high float64, n int) (ticks []float64, labels []string) {
	if !(low > 0) || !(high > low) || math.IsInf(high, 0) {
		return nil, nil
	}
	for _, steps := range [][]float64{{1, 2, 5}, {1, 3}, {1}} {
		ticks, labels = nil, nil
		for power := math.Floor(math.Log10(low)); power <= math.Log10(high); power++ {
			for _, s := range steps {
				v := s * math.Pow(10, power)
				if v >= low*(1-1e-9) && v <= high*(1+1e-9) {
					ticks = append(ticks, math.Log10(v))
					labels = append(labels, strconv.FormatFloat(v, 'g', 1, 64))
				}
			}
		}
		if len(ticks) <= n {
			break
		}
	}
	for i, l := range labels {
		if v, err := strconv.ParseFloat(l, 64); err == nil && v >= 1e-4 && v < 1e6 {
			labels[i] = strconv.FormatFloat(v, 'f', -1, 64)
		}
	}
	return ticks, labels
}
