package fidelity

import (
	"fmt"
	"math"
	"strings"

	"github.com/nbpipe/nbpipe/hypotheses/figure"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
)

// Sizes of the figure, in its own units.
const (
	plot       = 212.0 // side of a plot area
	left       = 72.0  // of the first plot area
	above      = 56.0  // of the first plot area
	columnStep = plot + 84
	rowStep    = plot + 116
	hexagons   = 30
	regretHigh = 240.0
)

// draw makes a panel a pair with the ranks at both fidelities, and below them one with
// the regret against k.
func (c *comparer) draw(names []string, found map[string]comparison) []byte {
	rows := float64((len(names) + 1) / 2)
	width := left + columnStep + plot + 24
	height := above + rows*rowStep + regretHigh + 66 + 24*float64(len(names))
	canvas := figure.New(width, height, "Ranks at low and at high fidelity, and regret", c.words(names, found))
	n := float64(len(c.set.Architectures))
	for i, name := range names {
		p := figure.Panel{
			X: left + float64(i%2)*columnStep, Y: above + float64(i/2)*rowStep, W: plot, H: plot,
			MinX: 0, MaxX: n + 1, MinY: 0, MaxY: n + 1,
		}
		p.Plate(canvas)
		p.AxisX(canvas, figure.Ticks(0, n, 4))
		p.AxisY(canvas, figure.Ticks(0, n, 4))
		pair := c.Pairs[name]
		p.Hexbin(canvas, stats.Ranks(c.values[pair.Low]), stats.Ranks(c.values[pair.High]), hexagons)
		canvas.Heading(p.X, p.Y-30, figure.Start, c.label(name))
		e := found[name].coefficients
		canvas.Small(p.X, p.Y-11, figure.Start, "ρ "+coefficientText(e[0].Value)+", τ "+coefficientText(e[1].Value))
		canvas.Small(p.X+plot/2, p.Y+plot+37, figure.Middle, "rank at low fidelity")
		canvas.SmallUpright(p.X-50, p.Y+plot/2, "rank at high fidelity")
	}
	c.drawRegret(canvas, above+rows*rowStep, width, names, found)
	return canvas.Bytes()
}

// drawRegret draws a curve a pair with its intervals, and dashed what chance gives.
func (c *comparer) drawRegret(canvas *figure.Canvas, y, width float64, names []string, found map[string]comparison) {
	canvas.Heading(left, y-14, figure.Start, "Regret of the k best by low fidelity")
	x := make([]float64, len(c.top))
	for i, k := range c.top {
		x[i] = math.Log10(float64(k))
	}
	high := 0.0
	for _, name := range names {
		for i, r := range found[name].regret {
			high = max(high, r.Value, found[name].chance[i])
			if !math.IsNaN(r.High) {
				high = max(high, r.High)
			}
		}
	}
	p := figure.Panel{X: left, Y: y, W: width - left - 24, H: regretHigh, MinX: x[0] - 0.05, MaxX: x[len(x)-1] + 0.05, MinY: 0, MaxY: max(high*1.05, 1e-12)}
	p.Plate(canvas)
	labels := make([]string, len(c.top))
	for i, k := range c.top {
		labels[i] = fmt.Sprint(k)
	}
	p.LabelX(canvas, x, labels)
	p.AxisY(canvas, figure.Ticks(0, p.MaxY, 5))
	for i, name := range names {
		colour := figure.Categories[1+i%(len(figure.Categories)-1)]
		value, low, top := make([]float64, len(x)), make([]float64, len(x)), make([]float64, len(x))
		for j, r := range found[name].regret {
			value[j], low[j], top[j] = r.Value, r.Low, r.High
		}
		p.Ribbon(canvas, x, low, top, colour, 0.15)
		p.Curve(canvas, x, found[name].chance, colour, 1.4, "5 5")
		p.Curve(canvas, x, value, colour, 2.6, "")
		for j := range x {
			canvas.Disc(p.AtX(x[j]), p.AtY(value[j]), 3.5, colour)
		}
		line := y + regretHigh + 68 + 24*float64(i)
		canvas.Line(left, line-5, left+34, line-5, colour, 2.6)
		canvas.Small(left+44, line, figure.Start, c.label(name)+regretText(c.top[0], found[name].regret[0]))
	}
	canvas.Small(left+p.W/2, y+regretHigh+40, figure.Middle, "k architectures looked at again; dashed: drawn at random")
	canvas.SmallUpright(left-54, y+regretHigh/2, "regret, "+c.Unit)
}

func regretText(k int, r stats.Interval) string {
	if math.IsNaN(r.Low) {
		return ""
	}
	return fmt.Sprintf(": %.4f [%.4f, %.4f] at k = %d", r.Value, r.Low, r.High, k)
}

// words says what the figure shows to those who do not see it.
func (c *comparer) words(names []string, found map[string]comparison) string {
	var parts []string
	for _, name := range names {
		e := found[name].coefficients
		parts = append(parts, fmt.Sprintf("%s rho %s, tau %s, regret at k = %d %.4f", c.label(name), coefficientText(e[0].Value), coefficientText(e[1].Value), c.top[0], found[name].regret[0].Value))
	}
	return "Scatter of ranks at low and at high fidelity, 1 the best, and curves of regret. " + strings.Join(parts, "; ") + "."
}

func coefficientText(v float64) string {
	if math.IsNaN(v) {
		return "undefined"
	}
	return figure.Minus(fmt.Sprintf("%.3f", v))
}
