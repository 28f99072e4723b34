package figure

import (
	"math"
	"strconv"
	"strings"
)

// Panel is a plot area and the ranges of values that it shows.
type Panel struct {
	X, Y, W, H             float64 // of the plot area, in the canvas's units
	MinX, MaxX, MinY, MaxY float64 // values at its edges
}

// AtX is the position of a value on the horizontal axis.
func (p Panel) AtX(v float64) float64 { return p.X + p.W*(v-p.MinX)/(p.MaxX-p.MinX) }

// AtY is the position of a value on the vertical axis, which points upwards.
func (p Panel) AtY(v float64) float64 { return p.Y + p.H - p.H*(v-p.MinY)/(p.MaxY-p.MinY) }

// Plate draws the plot area.
func (p Panel) Plate(c *Canvas) { c.Rect(p.X, p.Y, p.W, p.H, Plate, "") }

// AxisX draws grid lines and labels at the values.
func (p Panel) AxisX(c *Canvas, ticks []float64) { p.LabelX(c, ticks, Labels(ticks)) }

// LabelX is AxisX with labels of the caller's.
func (p Panel) LabelX(c *Canvas, ticks []float64, labels []string) {
	for i, v := range ticks {
		x := p.AtX(v)
		c.Line(x, p.Y, x, p.Y+p.H, Grid, 1)
		c.Small(x, p.Y+p.H+18, Middle, labels[i])
	}
}

// AxisY draws grid lines and labels at the values.
func (p Panel) AxisY(c *Canvas, ticks []float64) { p.LabelY(c, ticks, Labels(ticks)) }

// LabelY is AxisY with labels of the caller's.
func (p Panel) LabelY(c *Canvas, ticks []float64, labels []string) {
	for i, v := range ticks {
		y := p.AtY(v)
		c.Line(p.X, y, p.X+p.W, y, Grid, 1)
		c.Small(p.X-6, y+5, End, labels[i])
	}
}

// Ticks chooses about n round values from low to high.
func Ticks(low, high float64, n int) []float64 {
	if !(high > low) || math.IsInf(high-low, 0) || n < 1 {
		return nil
	}
	raw := (high - low) / float64(n)
	step := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*step >= raw*0.999 {
			step *= m
			break
		}
	}
	var out []float64
	for i := math.Ceil(low/step - 1e-9); i*step <= high+step*1e-9; i++ {
		out = append(out, i*step)
	}
	return out
}

// Labels writes ticks with as many decimals as their step needs; whole
// thousands are written with k.
func Labels(ticks []float64) []string {
	out := make([]string, len(ticks))
	step := math.Inf(1)
	thousands := true
	for i, v := range ticks {
		if i > 0 {
			step = min(step, v-ticks[i-1])
		}
		thousands = thousands && math.Mod(v, 1000) == 0
	}
	decimals := 0
	if step < 1 {
		decimals = int(math.Ceil(-math.Log10(step) - 1e-9))
	}
	for i, v := range ticks {
		switch {
		case thousands && v != 0:
			out[i] = strconv.FormatFloat(v/1000, 'f', 0, 64) + "k"
		default:
			out[i] = Minus(strconv.FormatFloat(v+0, 'f', decimals, 64))
		}
	}
	return out
}

// Minus replaces a hyphen before a number by a minus sign, and drops the sign
// of a zero.
func Minus(s string) string {
	rest, negative := strings.CutPrefix(s, "-")
	if !negative {
		return s
	}
	if strings.Trim(rest, "0.") == "" {
		return rest
	}
	return "\u2212" + rest
}
