package methodranking

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/nbpipe/nbpipe/hypotheses/figure"
)

// Sizes of the critical-difference diagram, in its own units.
const (
	axisWidth = 240.0
	axisY     = 116.0
	groupStep = 11.0
	nameStep  = 28.0
)

// drawDifferences makes the critical-difference diagram (Demšar, 2006, Figure 1):
// mean ranks on an axis, bars below it that join methods whose mean ranks are less
// than the critical difference apart, and the names, better ones on the left.
func (r *ranking) drawDifferences() []byte {
	if r.friedmanRank == nil {
		c := figure.New(480, 60, "Critical differences", "Fewer than three methods have a value on every task, so there is no test of all together.")
		c.Small(16, 36, figure.Start, "Fewer than three methods have a value on every task.")
		return c.Bytes()
	}
	order := make([]int, len(r.complete))
	for i := range order {
		order[i] = i
	}
	ranks := r.friedman.MeanRanks
	slices.SortStableFunc(order, func(a, b int) int { return last(ranks[a], ranks[b]) })
	sorted := make([]float64, len(order))
	for i, m := range order {
		sorted[i] = ranks[m]
	}
	joined := groups(sorted, r.nemenyi.CriticalDifference)
	firstName := axisY + 22 + groupStep*float64(len(joined))
	height := firstName + nameStep*float64((len(order)+1)/2) + 34
	side := r.namesWidth(r.complete, 6*letter+14) // a name, a mean rank and a gap
	c := figure.New(2*side+axisWidth, height, "Critical differences of mean ranks", r.differencesInWords(order))
	p := figure.Panel{X: side, Y: axisY, W: axisWidth, H: 0, MinX: 1, MaxX: float64(len(order))}
	r.drawAxis(c, p)
	for i, g := range joined {
		y := axisY + 12 + groupStep*float64(i)
		c.Line(p.AtX(sorted[g[0]])-4, y, p.AtX(sorted[g[1]])+4, y, figure.Categories[1], 5)
	}
	for i, m := range order {
		r.drawName(c, p, m, i, len(order), firstName)
	}
	c.Small(16, height-14, figure.Start, r.finding())
	return c.Bytes()
}

// drawAxis draws the axis of ranks, and the critical difference above it.
func (r *ranking) drawAxis(c *figure.Canvas, p figure.Panel) {
	c.Heading(16, 26, figure.Start, "Mean rank on "+r.taskCount())
	c.Line(p.X, axisY, p.X+p.W, axisY, figure.Ink, 1.6)
	for _, v := range wholes(figure.Ticks(p.MinX, p.MaxX, 8)) {
		c.Line(p.AtX(v), axisY-6, p.AtX(v), axisY, figure.Ink, 1.6)
		c.Small(p.AtX(v), axisY-12, figure.Middle, fmt.Sprint(v))
	}
	end := min(p.AtX(1+r.nemenyi.CriticalDifference), 2*p.X+p.W-16)
	c.Line(p.X, 72, end, 72, figure.Ink, 2)
	c.Line(p.X, 67, p.X, 77, figure.Ink, 2)
	c.Line(end, 67, end, 77, figure.Ink, 2)
	c.Small(p.X, 60, figure.Start, fmt.Sprintf("critical difference %.2f", r.nemenyi.CriticalDifference))
}

// drawName writes a method's name and mean rank, the better half on the left, and
// joins it to its place on the axis.
func (r *ranking) drawName(c *figure.Canvas, p figure.Panel, m, place, of int, first float64) {
	x := p.AtX(r.friedman.MeanRanks[m])
	name := fmt.Sprintf("%s %.2f", r.label(r.Table.Methods[r.complete[m]]), r.friedman.MeanRanks[m])
	left := place < (of+1)/2
	row, edge, anchor := place, p.X-14, figure.End
	if !left {
		row, edge, anchor = of-1-place, p.X+p.W+14, figure.Start
	}
	y := first + nameStep*float64(row)
	c.Stroke(fmt.Sprintf("M%.1f %.1fL%.1f %.1fL%.1f %.1f", x, axisY, x, y, edge, y), figure.Ink, 1.2, "")
	text := edge - 4
	if !left {
		text = edge + 4
	}
	c.Small(text, y+5.5, anchor, name)
}

// groups are the longest runs of sorted mean ranks that are less than the critical
// difference apart, as first and last place.
func groups(sorted []float64, critical float64) [][2]int {
	var out [][2]int
	reached := 0
	for i := range sorted {
		j := i
		for j+1 < len(sorted) && sorted[j+1]-sorted[i] < critical {
			j++
		}
		if j > i && (len(out) == 0 || j > reached) {
			out = append(out, [2]int{i, j})
			reached = j
		}
	}
	return out
}

// finding says what Friedman's test found.
func (r *ranking) finding() string {
	f := r.friedman
	switch {
	case math.IsNaN(f.P):
		return "All methods tie on every task."
	case f.P < r.Alpha:
		return fmt.Sprintf("Friedman p = %.2g: some methods differ.", f.P)
	}
	return fmt.Sprintf("Friedman p = %.2g: no difference shown on %s.", f.P, r.taskCount())
}

func (r *ranking) taskCount() string {
	if n := len(r.Table.Tasks); n != 1 {
		return fmt.Sprintf("%d tasks", n)
	}
	return "1 task"
}

func (r *ranking) differencesInWords(order []int) string {
	var parts []string
	for _, m := range order {
		parts = append(parts, fmt.Sprintf("%s %.2f", r.label(r.Table.Methods[r.complete[m]]), r.friedman.MeanRanks[m]))
	}
	return fmt.Sprintf("Mean ranks of the methods that have a value on every one of %s: %s. Two that are less than %.2f apart do not differ by Nemenyi's test at level %v. %s",
		r.taskCount(), strings.Join(parts, ", "), r.nemenyi.CriticalDifference, r.Alpha, r.finding())
}
