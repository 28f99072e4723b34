package methodranking

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/nbpipe/nbpipe/hypotheses/figure"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
)

// Sizes of the figures, in their own units.
const (
	panelsWidth = 424.0
	letter      = 10.2 // width of a letter, with room for wide fonts
	rowHeight   = 34.0
	above       = 40.0
	dotColour   = "#9aa4ae"
)

// draw makes a row a method, best first: the ranks on its tasks as dots that grow
// with the number of tasks, the median rank and the median improvement with their
// intervals.
func (r *ranking) draw() []byte {
	order := r.order()
	names := r.namesWidth(order, 24)
	height := float64(len(order)) * rowHeight
	c := figure.New(names+panelsWidth, above+height+58, "Ranks of methods over tasks", r.words(order))
	most := float64(len(order))
	low, high := r.improvements()
	ranks := figure.Panel{X: names, Y: above, W: 196, H: height, MinX: 0.6, MaxX: most + 0.4, MinY: 0, MaxY: 1}
	gains := figure.Panel{X: names + 224, Y: above, W: 184, H: height, MinX: low, MaxX: high, MinY: 0, MaxY: 1}
	ranks.Plate(c)
	gains.Plate(c)
	ranks.AxisX(c, wholes(figure.Ticks(1, most, min(len(order), 8))))
	gains.AxisX(c, figure.Ticks(low, high, 4))
	c.Line(gains.AtX(0), gains.Y, gains.AtX(0), gains.Y+gains.H, figure.Ink, 1)
	c.Heading(ranks.X, above-14, figure.Start, "rank by "+r.Unit)
	c.Heading(gains.X, above-14, figure.Start, "improvement, %")
	c.Small(ranks.X, above+height+46, figure.Start, "dots: tasks; bar: median")
	c.Small(gains.X, above+height+46, figure.Start, "on "+r.label(r.Baseline))
	for i, m := range order {
		y := above + (float64(i)+0.5)*rowHeight
		c.Small(12, y+5.5, figure.Start, r.label(r.Table.Methods[m]))
		r.drawRanks(c, ranks, m, y)
		mark(c, ranks, r.medianRank[m], y, figure.Categories[1])
		mark(c, gains, r.medianImprovement[m], y, figure.Categories[2])
	}
	return c.Bytes()
}

// namesWidth is the room that the methods' names take, with some more.
func (r *ranking) namesWidth(methods []int, more float64) float64 {
	longest := 10
	for _, m := range methods {
		longest = max(longest, utf8.RuneCountInString(r.label(r.Table.Methods[m])))
	}
	return letter*float64(min(longest, 40)) + more
}

// drawRanks puts a dot at each rank that the method has on some task.
func (r *ranking) drawRanks(c *figure.Canvas, p figure.Panel, m int, y float64) {
	count := map[float64]int{}
	for _, rank := range defined(r.ranks.Row(m)) {
		count[rank]++
	}
	for _, rank := range slices.Sorted(slices.Values(defined(r.ranks.Row(m)))) {
		if n := count[rank]; n > 0 {
			c.Disc(p.AtX(rank), y, 3*math.Sqrt(float64(n)), dotColour)
			count[rank] = 0
		}
	}
}

// mark draws a value as an upright bar, and its interval as a line.
func mark(c *figure.Canvas, p figure.Panel, i stats.Interval, y float64, colour string) {
	if math.IsNaN(i.Value) {
		return
	}
	at := func(v float64) float64 { return p.AtX(min(max(v, p.MinX), p.MaxX)) }
	if !math.IsNaN(i.Low) {
		c.Line(at(i.Low), y, at(i.High), y, colour, 2.4)
	}
	c.Line(at(i.Value), y-9, at(i.Value), y+9, colour, 4)
}

// order sorts the methods by median rank, ties by improvement.
func (r *ranking) order() []int {
	order := make([]int, len(r.Table.Methods))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(last(r.medianRank[a].Value, r.medianRank[b].Value), last(-r.medianImprovement[a].Value, -r.medianImprovement[b].Value))
	})
	return order
}

// last compares numbers with NaN as the greatest.
func last(a, b float64) int {
	switch {
	case math.IsNaN(a) || math.IsNaN(b):
		return -cmp.Compare(a, b)
	default:
		return cmp.Compare(a, b)
	}
}

// improvements is the range of the right panel: intervals and 0, with a margin.
func (r *ranking) improvements() (low, high float64) {
	for _, i := range r.medianImprovement {
		for _, v := range []float64{i.Value, i.Low, i.High} {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	margin := max((high-low)/20, 1e-9)
	return low - margin, high + margin
}

func wholes(ticks []float64) []float64 {
	return slices.DeleteFunc(ticks, func(v float64) bool { return v != math.Trunc(v) })
}

// words says what the figure shows to those who do not see it.
func (r *ranking) words(order []int) string {
	var parts []string
	for _, m := range order {
		if i := r.medianRank[m]; !math.IsNaN(i.Value) {
			parts = append(parts, fmt.Sprintf("%s %.4g", r.label(r.Table.Methods[m]), i.Value))
		}
	}
	return fmt.Sprintf("Ranks of %d methods on %s, with 95 %% intervals over redrawn means. Median ranks, 1 the best: %s.", len(order), r.taskCount(), strings.Join(parts, ", "))
}

func (s *Stage) label(name string) string {
	return cmp.Or(s.Labels[name], strings.ReplaceAll(name, "_", " "))
}
