package latencymonotonicity

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/figure"
	"github.com/nbpipe/nbpipe/hypotheses/pareto"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/hypotheses/tasks"
)

// Sizes of the figures, in their own units.
const (
	nameWidth             = 206.0
	matrixWidth           = 468.0
	matrixTop             = 40.0
	plotWidth, plotHeight = 226.0, 190.0
	left, above           = 84.0, 70.0
	columnStep            = plotWidth + 104
	rowStep               = plotHeight + 96
)

// strongColour marks what is at least strong; the blues below it go by tenths.
const strongColour = "#d55e00"

var blues = []string{"#dfe8f2", "#bcd0e5", "#8fb0d3", "#5e8cbd", "#33659c"}

// steps is the colour scale: below the limit of strong monotonicity four steps of a
// tenth, and all that is lower.
func (c *comparison) steps() []figure.Step {
	out := []figure.Step{{From: math.Inf(-1), Colour: blues[0]}}
	for i := 1; i < len(blues); i++ {
		out = append(out, figure.Step{From: c.Strong - 0.1*float64(len(blues)-i), Colour: blues[i]})
	}
	return append(out, figure.Step{From: c.Strong, Colour: strongColour})
}

// draw makes the matrix of SRCC, devices by cluster: what one proxy serves forms a
// square along the diagonal. Columns are numbered as the rows are.
func (c *comparison) draw() []byte {
	order := slices.Concat(c.clusters...)
	n := len(order)
	side := min(matrixWidth/float64(n), 60)
	height := matrixTop + side*float64(n)
	canvas := figure.New(nameWidth+matrixWidth+16, height+92, "SRCC of latencies between devices", c.words())
	values := make([][]float64, n)
	for r, i := range order {
		values[r] = make([]float64, n)
		for k, j := range order {
			values[r][k] = 1
			if i != j {
				values[r][k] = c.rho(i, j)
			}
		}
	}
	canvas.Rect(nameWidth, matrixTop, side*float64(n), side*float64(n), figure.Plate, "")
	canvas.Heatmap(nameWidth, matrixTop, side, values, c.steps())
	for r, i := range order {
		y := matrixTop + (float64(r)+0.5)*side + 5.5
		canvas.Small(nameWidth-34, y, figure.End, c.label(c.Devices[i]))
		canvas.Small(nameWidth-6, y, figure.End, fmt.Sprint(r+1))
		canvas.Small(nameWidth+(float64(r)+0.5)*side, matrixTop-8, figure.Middle, fmt.Sprint(r+1))
	}
	c.outline(canvas, side)
	c.legend(canvas, height+26)
	return canvas.Bytes()
}

// outline frames the clusters of more than one device.
func (c *comparison) outline(canvas *figure.Canvas, side float64) {
	at := 0.0
	for _, members := range c.clusters {
		w := float64(len(members)) * side
		if len(members) > 1 {
			canvas.Stroke(fmt.Sprintf("M%.1f %.1fh%.1fv%.1fh-%.1fz", nameWidth+at, matrixTop+at, w, w, w), figure.Ink, 2.4, "")
		}
		at += w
	}
}

func (c *comparison) legend(canvas *figure.Canvas, y float64) {
	canvas.Small(16, y+13, figure.Start, "SRCC")
	x := 78.0
	steps := c.steps()
	for i, s := range steps {
		text := figure.Minus(fmt.Sprintf("%.2g", s.From)) + " on"
		if i == 0 {
			text = "below " + figure.Minus(fmt.Sprintf("%.2g", steps[1].From))
		}
		canvas.Rect(x, y, 16, 16, s.Colour, "")
		canvas.Small(x+22, y+13, figure.Start, text)
		x += 36 + 9*float64(len(text))
	}
	canvas.Small(16, y+44, figure.Start, fmt.Sprintf("Framed: groups of devices with %.2g or more among all of them.", c.Strong))
}

// words says what the figure shows to those who do not see it.
func (c *comparison) words() string {
	var parts []string
	for _, members := range c.clusters {
		var names []string
		for _, d := range members {
			names = append(names, c.label(c.Devices[d]))
		}
		parts = append(parts, strings.Join(names, ", "))
	}
	return fmt.Sprintf("Matrix of Spearman's rho of the latencies of %d cells on %d devices, in clusters within which it is at least %v: %s.",
		len(c.cells), len(c.Devices), c.Strong, strings.Join(parts, "; "))
}

// drawPareto makes a panel a target: its own Pareto-optimal cells as a line, and
// the proxy's, as measured on the target.
func (c *comparison) drawPareto(pairs []pair) []byte {
	var shown []pair
	for _, target := range c.shown() {
		for _, p := range pairs {
			if c.Devices[p.proxy] == c.proxy && c.Devices[p.target] == target {
				shown = append(shown, p)
			}
		}
	}
	columns := min(2, len(shown))
	rows := (len(shown) + columns - 1) / columns
	title := fmt.Sprintf("Pareto-optimal cells of %s on other devices", c.label(c.proxy))
	canvas := figure.New(max(left+float64(columns-1)*columnStep+plotWidth+24, 640), above+float64(rows)*rowStep+90, title, c.paretoWords(shown))
	for i, p := range shown {
		c.panel(canvas, p, left+float64(i%columns)*columnStep, above+float64(i/columns)*rowStep)
	}
	c.paretoLegend(canvas, above+float64(rows)*rowStep-14, c.hidden(shown))
	return canvas.Bytes()
}

func (c *comparison) shown() []string {
	if len(c.Shown) > 0 {
		return c.Shown
	}
	others := estimate.Without(c.Devices, c.proxy)
	return others[:min(4, len(others))]
}

// The colours of the panels: the target's own cells, what is left of the proxy's,
// what was dropped.
const (
	ownColour     = "#5b6570"
	leftColour    = "#0072b2"
	droppedColour = "#e69f00"
)

func (c *comparison) panel(canvas *figure.Canvas, p pair, x, y float64) {
	cost := c.latency[p.target]
	best, chosen := c.optimal(p)
	remain := pareto.FrontOf(cost, c.accuracy, chosen)
	minX, maxX := extent(cost, slices.Concat(best, chosen))
	accuracy := c.shownAccuracy()
	minY, maxY := c.accuracies(p)
	panel := figure.Panel{X: x, Y: y, W: plotWidth, H: plotHeight, MinX: minX, MaxX: maxX, MinY: minY, MaxY: maxY}
	panel.Plate(canvas)
	panel.AxisX(canvas, figure.Ticks(minX, maxX, 4))
	panel.AxisY(canvas, figure.Ticks(minY, maxY, 4))
	var lx, ly []float64
	for _, i := range best {
		if len(lx) > 0 { // a step: nothing is gained before the next cell
			lx, ly = append(lx, cost[i]), append(ly, ly[len(ly)-1])
		}
		lx, ly = append(lx, cost[i]), append(ly, accuracy[i])
	}
	panel.Curve(canvas, lx, ly, ownColour, 2, "")
	for _, i := range chosen {
		colour := droppedColour
		if slices.Contains(remain, i) {
			colour = leftColour
		}
		if accuracy[i] >= minY && accuracy[i] <= maxY {
			canvas.Disc(panel.AtX(cost[i]), panel.AtY(accuracy[i]), 4, colour)
		}
	}
	canvas.Heading(x, y-28, figure.Start, c.label(c.Devices[p.target]))
	canvas.Small(x, y-9, figure.Start, fmt.Sprintf("SRCC %s, hypervolume %s", shorter(p.rho.Value), shorter(p.quality.Hypervolume)))
	canvas.Small(x+plotWidth/2, y+plotHeight+38, figure.Middle, "latency, "+c.Unit)
	canvas.SmallUpright(x-60, y+plotHeight/2, c.label(c.Accuracy))
}

// optimal lists the cells that are Pareto-optimal on the target, and those that are on
// the proxy, as far as they were measured on the target.
func (c *comparison) optimal(p pair) (best, chosen []int) {
	best = pareto.Front(c.latency[p.target], c.accuracy)
	chosen = slices.DeleteFunc(pareto.Front(c.latency[p.proxy], c.accuracy), func(i int) bool { return math.IsNaN(c.latency[p.target][i]) })
	return best, chosen
}

// accuracies is the range of accuracies that a panel shows. Fast cells that compute
// next to nothing would squeeze all others: what lies further from the median than
// four times the best does is left out.
func (c *comparison) accuracies(p pair) (low, high float64) {
	best, chosen := c.optimal(p)
	at := slices.Concat(best, chosen)
	accuracy := c.shownAccuracy()
	median := stats.Quantile(tasks.Pick(accuracy, at), 0.5)
	top := accuracy[best[len(best)-1]]
	at = slices.DeleteFunc(at, func(i int) bool { return math.Abs(accuracy[i]-median) > 4*math.Abs(top-median) })
	return extent(accuracy, at)
}

// hidden counts the proxy's cells that lie outside of the panels.
func (c *comparison) hidden(shown []pair) int {
	out := map[int]bool{}
	for _, p := range shown {
		low, high := c.accuracies(p)
		_, chosen := c.optimal(p)
		for _, i := range chosen {
			if v := c.shownAccuracy()[i]; v < low || v > high {
				out[i] = true
			}
		}
	}
	return len(out)
}

// shownAccuracy is the accuracy as the table has it.
func (c *comparison) shownAccuracy() []float64 {
	if c.Better != "lower" {
		return c.accuracy
	}
	out := make([]float64, len(c.accuracy))
	for i, v := range c.accuracy {
		out[i] = -v
	}
	return out
}

// extent is the range of some values with a margin.
func extent(values []float64, at []int) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, i := range at {
		low, high = min(low, values[i]), max(high, values[i])
	}
	margin := (high - low) / 14
	if !(margin > 0) {
		margin = max(math.Abs(low)/10, 1e-9)
	}
	return low - margin, high + margin
}

func (c *comparison) paretoLegend(canvas *figure.Canvas, y float64, hidden int) {
	canvas.Line(16, y+8, 46, y+8, ownColour, 2)
	canvas.Small(54, y+13, figure.Start, "the target's own optimal cells, and what they reach")
	canvas.Disc(31, y+33, 4, leftColour)
	canvas.Small(54, y+38, figure.Start, "those of "+c.label(c.proxy)+", on the target")
	canvas.Disc(31, y+58, 4, droppedColour)
	canvas.Small(54, y+63, figure.Start, "dropped: another of them is better on the target")
	if hidden > 0 {
		canvas.Small(16, y+88, figure.Start, fmt.Sprintf("Cells of far lower accuracy, which are not shown: %d.", hidden))
	}
}

func (c *comparison) paretoWords(shown []pair) string {
	var parts []string
	for _, p := range shown {
		parts = append(parts, fmt.Sprintf("%s %s", c.label(c.Devices[p.target]), short(p.quality.Hypervolume)))
	}
	return fmt.Sprintf("Accuracy against latency of the cells that are Pareto-optimal on %s, measured on other devices. Share of the devices' own hypervolume: %s.",
		c.label(c.proxy), strings.Join(parts, ", "))
}

func (c *comparison) label(name string) string {
	return cmp.Or(c.Labels[name], name)
}

func shorter(v float64) string {
	if math.IsNaN(v) {
		return "undefined"
	}
	return figure.Minus(fmt.Sprintf("%.2f", v))
}

func short(v float64) string {
	if math.IsNaN(v) {
		return "undefined"
	}
	return figure.Minus(fmt.Sprintf("%.3f", v))
}
