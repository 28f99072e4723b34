package algorithmcomparison

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/figure"
)

// Sizes of the figure, in its own units.
const (
	plotWidth, plotHeight = 226.0, 190.0
	left, above           = 84.0, 44.0
	columnStep            = plotWidth + 100
	rowStep               = plotHeight + 104
	lineHeight            = 26.0
	nameWidth             = 238.0
)

// draw makes a panel a task, with the mean regret of the incumbents against what
// was spent, and below them the mean ranks, which are the key to the colours.
func (c *comparison) draw() []byte {
	columns := min(2, len(c.tasks))
	rows := (len(c.tasks) + columns - 1) / columns
	width := left + columnStep + plotWidth + 24
	ranksAt := above + float64(rows)*rowStep
	canvas := figure.New(width, ranksAt+float64(len(c.algorithms))*lineHeight+66, "Search algorithms: regret of the incumbent", c.words())
	for i, task := range c.tasks {
		c.drawTask(canvas, task, left+float64(i%columns)*columnStep, above+float64(i/columns)*rowStep)
	}
	c.drawRanks(canvas, ranksAt, width)
	return canvas.Bytes()
}

// drawTask draws the curves, the reference first so that others lie above it.
func (c *comparison) drawTask(canvas *figure.Canvas, task string, x, y float64) {
	low, high, most := math.Inf(1), 0.0, 0.0
	for _, o := range c.outcomes[task] {
		most = max(most, o.at[len(o.at)-1])
		for i, v := range o.curve {
			high = max(high, v)
			if v > 0 {
				low = min(low, v)
			}
			if l := o.low[i]; l > v/2 {
				low = min(low, l)
			}
		}
	}
	if !(high > low) {
		low, high = high/2, 2*max(high, 1e-12)
	}
	p := figure.Panel{X: x, Y: y, W: plotWidth, H: plotHeight, MinX: 0, MaxX: most, MinY: math.Log10(low) - 0.03, MaxY: math.Log10(high) + 0.03}
	p.Plate(canvas)
	p.AxisX(canvas, figure.Ticks(0, most, 5))
	ticks, labels := figure.LogTicks(low, high, 6)
	p.LabelY(canvas, ticks, labels)
	for _, ribbons := range []bool{true, false} {
		for _, a := range c.order() {
			o := c.outcomes[task][a]
			colour, dash, thick := c.style(a)
			if ribbons {
				p.Ribbon(canvas, thinned(o.at), logs(thinned(o.low)), logs(thinned(o.high)), colour, 0.16)
			} else {
				p.Curve(canvas, thinned(o.at), logs(thinned(o.curve)), colour, thick, dash)
			}
		}
	}
	canvas.Heading(x, y-14, figure.Start, c.label(task))
	canvas.Small(x+plotWidth/2, y+plotHeight+38, figure.Middle, c.outcomes[task][c.Reference].unit+" spent")
	canvas.SmallUpright(x-68, y+plotHeight/2, "regret, log scale")
}

// drawRanks draws a row an algorithm, best first: its colour, name, mean rank and
// interval.
func (c *comparison) drawRanks(canvas *figure.Canvas, y, width float64) {
	n := len(c.algorithms)
	p := figure.Panel{X: left + nameWidth, Y: y + 26, W: width - left - nameWidth - 40, H: float64(n) * lineHeight, MinX: 0.8, MaxX: float64(n) + 0.2, MinY: 0, MaxY: 1}
	canvas.Heading(16, y+12, figure.Start, "Mean rank at the end"+c.overTasks())
	p.Plate(canvas)
	p.AxisX(canvas, figure.Ticks(1, float64(n), min(n, 9)))
	order := slices.Clone(c.algorithms)
	slices.SortStableFunc(order, func(a, b string) int {
		switch x, y := c.meanRank[a].Value, c.meanRank[b].Value; {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	for i, a := range order {
		at := p.Y + (float64(i)+0.5)*lineHeight
		colour, dash, thick := c.style(a)
		canvas.Stroke(fmt.Sprintf("M16 %.1fL52 %.1f", at, at), colour, thick+0.6, dash)
		canvas.Small(62, at+5.5, figure.Start, c.label(a))
		r := c.meanRank[a]
		if !math.IsNaN(r.Low) {
			canvas.Line(p.AtX(r.Low), at, p.AtX(r.High), at, colour, 2.4)
		}
		canvas.Disc(p.AtX(r.Value), at, 5, colour)
	}
}

func (c *comparison) overTasks() string {
	if len(c.tasks) == 1 {
		return ""
	}
	return fmt.Sprintf(", over %d tasks", len(c.tasks))
}

// order lists the reference first, then the others by name.
func (c *comparison) order() []string {
	return append([]string{c.Reference}, estimate.Without(c.algorithms, c.Reference)...)
}

// style gives each algorithm its colour; dashes tell those apart that share one.
func (c *comparison) style(algorithm string) (colour, dash string, width float64) {
	i := slices.Index(c.order(), algorithm)
	colour = figure.Categories[i%len(figure.Categories)]
	dash = []string{"", "7 4", "2 4"}[i/len(figure.Categories)%3]
	if algorithm == c.Reference {
		return colour, "6 4", 2.4
	}
	return colour, dash, 2
}

// words says what the figure shows to those who do not see it.
func (c *comparison) words() string {
	var parts []string
	for _, a := range c.algorithms {
		parts = append(parts, fmt.Sprintf("%s %.2f", c.label(a), c.meanRank[a].Value))
	}
	return fmt.Sprintf("Curves of the mean regret of incumbents over %d runs, with 95 %% intervals. Mean ranks at the end, 1 the best: %s.", c.runs, strings.Join(parts, ", "))
}

func (c *comparison) label(name string) string {
	return cmp.Or(c.Labels[name], strings.ReplaceAll(name, "_", " "))
}

// thinned keeps about a point a unit of the plot's width, and the last.
func thinned(values []float64) []float64 {
	stride := 1 + (len(values)-1)/int(plotWidth)
	var out []float64
	for i := 0; i < len(values); i += stride {
		out = append(out, values[i])
	}
	if (len(values)-1)%stride != 0 {
		out = append(out, values[len(values)-1])
	}
	return out
}

func logs(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = math.Log10(max(v, 1e-300))
	}
	return out
}
