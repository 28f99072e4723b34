package landscape

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/nbpipe/nbpipe/hypotheses/figure"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages/nas"
)

// Sizes of the figures, in their own units.
const (
	width, left, above    = 600.0, 84.0, 24.0
	plotHeight            = 280.0
	rowHeight             = 26.0
	smallWidth            = 216.0 // of a panel of basins
	smallHeight           = 170.0
	columnStep, panelStep = smallWidth + 84, smallHeight + 104
)

// drawWalks draws the autocorrelation of the random walk by lag, with the bands of
// intervals, and below it the key with the first lag and the correlation length.
func (a *atlas) drawWalks() []byte {
	low := 0.0
	for _, task := range a.Tasks {
		for _, i := range a.of[task].walk {
			low = math.Min(low, i.Low)
		}
	}
	if math.IsNaN(low) {
		low = 0
	}
	c := figure.New(width, above+plotHeight+76+float64(len(a.Tasks)+1)*rowHeight, "Autocorrelation of a random walk", a.walkWords())
	p := figure.Panel{X: left, Y: above, W: width - left - 24, H: plotHeight, MinX: 0, MaxX: float64(a.Lags), MinY: low, MaxY: 1}
	p.Plate(c)
	p.AxisX(c, figure.Ticks(0, float64(a.Lags), min(a.Lags, 10)))
	p.AxisY(c, figure.Ticks(low, 1, 5))
	exact := stats.Interval{Value: 1, Low: 1, High: 1}
	for i, task := range a.Tasks {
		curve(c, p, 0, append([]stats.Interval{exact}, a.of[task].walk...), colour(i))
	}
	c.Small(p.X+p.W/2, p.Y+p.H+40, figure.Middle, "steps of the walk, one edit each")
	c.SmallUpright(p.X-54, p.Y+p.H/2, "autocorrelation")
	a.key(c, p.Y+p.H+72, "", []string{"at lag 1", "length, steps"}, func(l *landscape) []string {
		return []string{decimals(l.walk[0].Value, 3), decimals(l.length.Value, 2)}
	})
	return c.Bytes()
}

// drawDifferences draws the mean difference by distance, over that of any two
// cells; at distance 0 stand two trainings of one function.
func (a *atlas) drawDifferences() []byte {
	most := 1.0
	for _, task := range a.Tasks {
		for _, i := range a.of[task].locality {
			most = math.Max(most, i.High)
		}
	}
	if math.IsNaN(most) || math.IsInf(most, 0) {
		most = 1
	}
	c := figure.New(width, above+plotHeight+76+float64(len(a.Tasks)+1)*rowHeight, "Difference of two cells by edit distance", a.differenceWords())
	p := figure.Panel{X: left, Y: above, W: width - left - 24, H: plotHeight, MinX: -0.25, MaxX: nas.NumEdges + 0.25, MinY: 0, MaxY: 1.05 * most}
	p.Plate(c)
	p.LabelX(c, []float64{0, 1, 2, 3, 4, 5, 6}, []string{"same", "1", "2", "3", "4", "5", "6"})
	p.AxisY(c, figure.Ticks(0, p.MaxY, 5))
	c.Line(p.X, p.AtY(1), p.X+p.W, p.AtY(1), figure.Ink, 1)
	for i, task := range a.Tasks {
		l := a.of[task]
		curve(c, p, 1, l.locality, colour(i))
		if y := l.noise.Value / l.anywhere.Value; !math.IsNaN(y) && y <= p.MaxY {
			c.Disc(p.AtX(0)+float64(2*i-len(a.Tasks)+1)*4, p.AtY(y), 5, colour(i))
		}
	}
	c.Small(p.X+p.W/2, p.Y+p.H+40, figure.Middle, "edits between two cells; same: one function, trained twice")
	c.SmallUpright(p.X-54, p.Y+p.H/2, "mean difference, any two = 1")
	a.key(c, p.Y+p.H+72, "as in the table:", []string{"neighbours", "any two"}, func(l *landscape) []string {
		return []string{short(l.difference[0].Value), short(l.anywhere.Value)}
	})
	return c.Bytes()
}

// curve draws values at first, first+1 .., with their intervals as a band.
func curve(c *figure.Canvas, p figure.Panel, first int, points []stats.Interval, colour string) {
	var x, y, low, high []float64
	for i, v := range points {
		x, y, low, high = append(x, float64(first+i)), append(y, v.Value), append(low, v.Low), append(high, v.High)
	}
	p.Ribbon(c, x, low, high, colour, 0.2)
	p.Curve(c, x, y, colour, 2.2, "")
	for i := range x {
		if !math.IsNaN(y[i]) {
			c.Disc(p.AtX(x[i]), min(max(p.AtY(y[i]), p.Y), p.Y+p.H), 3.4, colour)
		}
	}
}

// key is a row a task: its colour, name and two numbers.
func (a *atlas) key(c *figure.Canvas, y float64, title string, heads []string, numbers func(l *landscape) []string) {
	columns := []float64{width - 170, width - 24}
	c.Small(70, y, figure.Start, title)
	for i, h := range heads {
		c.Small(columns[i], y, figure.End, h)
	}
	for i, task := range a.Tasks {
		at := y + float64(i+1)*rowHeight
		c.Stroke(fmt.Sprintf("M24 %.1fL60 %.1f", at-5, at-5), colour(i), 3, "")
		c.Small(70, at, figure.Start, a.label(task))
		for k, text := range numbers(a.of[task]) {
			c.Small(columns[k], at, figure.End, text)
		}
	}
}

// drawBasins draws a panel a task, of rounded values where there are such: every
// local optimum by the place of its value among all cells and the share of
// architectures from which an ascent ends there.
func (a *atlas) drawBasins() []byte {
	columns := min(2, len(a.Tasks))
	rows := (len(a.Tasks) + columns - 1) / columns
	c := figure.New(left+columnStep+smallWidth+24, 46+float64(rows)*panelStep, "Local optima and their basins", a.basinWords())
	for i, task := range a.Tasks {
		a.basinPanel(c, i, task, left+float64(i%columns)*columnStep, 46+float64(i/columns)*panelStep)
	}
	return c.Bytes()
}

func (a *atlas) basinPanel(c *figure.Canvas, i int, task string, x, y float64) {
	h := a.of[task].tied()
	p := figure.Panel{X: x, Y: y, W: smallWidth, H: smallHeight, MinX: -0.1, MaxX: math.Log10(nas.Size) + 0.1, MinY: -0.15, MaxY: math.Log10(nas.Size)}
	p.Plate(c)
	p.LabelX(c, []float64{0, 1, 2, 3, 4}, []string{"1", "10", "100", "1k", "10k"})
	p.LabelY(c, []float64{0, 1, 2, 3, 4}, []string{"1", "10", "100", "1k", "10k"})
	place := make([]int, nas.Size)
	for k, architecture := range h.falling {
		place[architecture] = k + 1
	}
	optima := h.optimaOf()
	for k := len(optima) - 1; k >= 0; k-- { // the best on top
		at := optima[k]
		c.Disc(p.AtX(math.Log10(float64(place[at]))), p.AtY(math.Log10(float64(h.basins.size[at]))), 3, colour(i))
	}
	c.Heading(x, y-12, figure.Start, a.label(task))
	c.Small(x+smallWidth-6, y+20, figure.End, plural(h.summary.count, "optimum", "optima"))
	c.Small(x+smallWidth/2, y+smallHeight+38, figure.Middle, "place of the optimum")
	c.SmallUpright(x-44, y+smallHeight/2, "cells in the basin")
	c.Small(x, y+smallHeight+60, figure.Start, fmt.Sprintf("%.0f %% reach the top 1 %%", 100*h.summary.top))
}

// tied are the heights with honest ties.
func (l *landscape) tied() heights {
	if l.rounded != nil {
		return *l.rounded
	}
	return l.raw
}

func (a *atlas) walkWords() string {
	return "Autocorrelation of the values along a random walk, with 95 % bands. At lag 1: " + a.list(func(l *landscape) string { return decimals(l.walk[0].Value, 3) })
}

func (a *atlas) differenceWords() string {
	return "Mean absolute difference of two cells by edit distance, over that of any two. Neighbours: " + a.list(func(l *landscape) string { return decimals(l.locality[0].Value, 3) })
}

func (a *atlas) basinWords() string {
	return "Local optima by place and size of basin. How many there are: " + a.list(func(l *landscape) string { return fmt.Sprint(l.tied().summary.count) })
}

// list says something of each task.
func (a *atlas) list(of func(l *landscape) string) string {
	var parts []string
	for _, task := range a.Tasks {
		parts = append(parts, a.label(task)+" "+of(a.of[task]))
	}
	return strings.Join(parts, ", ") + "."
}

func (a *atlas) label(task string) string {
	return cmp.Or(a.Labels[task], task)
}

// colour is that of task number i; the first category is for references.
func colour(i int) string { return figure.Categories[1+i%(len(figure.Categories)-1)] }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func decimals(v float64, n int) string {
	if math.IsNaN(v) {
		return "undefined"
	}
	return figure.Minus(fmt.Sprintf("%.*f", n, v))
}

func short(v float64) string {
	if math.IsNaN(v) {
		return "undefined"
	}
	return figure.Minus(fmt.Sprintf("%#.3g", v))
}
