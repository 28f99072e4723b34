package operationimportance

import (
	"fmt"
	"math"
	"strings"

	"github.com/nbpipe/nbpipe/hypotheses/figure"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages/nas"
)

// Sizes of the figure, in its own units.
const (
	plotWidth, plotHeight = 196.0, 190.0
	left, above           = 76.0, 40.0
	columnStep            = plotWidth + 92
	rowStep               = plotHeight + 76
)

// band is the colour of the noise band.
const band = "#c9ced5"

var colours = map[nas.Op]string{
	nas.NorConv1x1: "#4e79a7", nas.NorConv3x3: "#f28e2b", nas.SkipConnect: "#59a14f", nas.AvgPool3x3: "#d37295",
}

var short = map[nas.Op]string{
	nas.NorConv1x1: "1x1", nas.NorConv3x3: "3x3", nas.SkipConnect: "skip", nas.AvgPool3x3: "pool",
}

// draw makes Figure 4 of NAS-Bench-360: box plots of operation importance, a
// panel a task, with the task's noise band in grey.
func (a *analysis) draw() []byte {
	columns := min(2, len(a.Tasks)+1) // one place for the legend
	rows := (len(a.Tasks) + columns) / columns
	width := left + float64(columns-1)*columnStep + plotWidth + 20
	height := above + float64(rows)*rowStep - 36
	c := figure.New(width, height, "Operation importance by task", a.words())
	for i, task := range a.Tasks {
		a.panel(c, task, left+float64(i%columns)*columnStep, above+float64(i/columns)*rowStep)
	}
	n := len(a.Tasks)
	legend(c, left-40+float64(n%columns)*columnStep, above+float64(n/columns)*rowStep)
	return c.Bytes()
}

func (a *analysis) panel(c *figure.Canvas, task string, x, y float64) {
	boxes := a.box[task]
	low, high := extent(boxes, a.NoiseBand[task])
	p := figure.Panel{X: x, Y: y, W: plotWidth, H: plotHeight, MinX: 0, MaxX: float64(len(operations)), MinY: low, MaxY: high}
	p.Plate(c)
	if b := a.NoiseBand[task]; b > 0 {
		p.Band(c, -b, b, band)
	}
	p.AxisY(c, figure.Ticks(low, high, 5))
	c.Line(p.X, p.AtY(0), p.X+p.W, p.AtY(0), figure.Ink, 1)
	for i, op := range operations {
		at := p.AtX(float64(i) + 0.5)
		b := boxes[i]
		p.Box(c, at, 26, figure.Box{WhiskerLow: b.WhiskerLow, Q1: b.Q1, Median: b.Median, Q3: b.Q3, WhiskerHigh: b.WhiskerHigh}, colours[op])
		c.Small(at, p.Y+p.H+17, figure.Middle, short[op])
	}
	label := a.Labels[task]
	if label == "" {
		label = task
	}
	c.Heading(p.X, p.Y-12, figure.Start, label)
}

// extent is the range that holds all whiskers, zero and the noise band.
func extent(boxes [4]stats.Box, band float64) (low, high float64) {
	low, high = -band, band
	for _, b := range boxes {
		for _, v := range []float64{b.WhiskerLow, b.WhiskerHigh} {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if low == high {
		return low - 1, high + 1
	}
	margin := 0.05 * (high - low)
	return low - margin, high + margin
}

// legend names the operations.
func legend(c *figure.Canvas, x, y float64) {
	for i, op := range operations {
		top := y + 8 + float64(i)*27
		c.Rect(x, top, 18, 16, colours[op], figure.Ink)
		c.Small(x+28, top+13, figure.Start, op.String())
	}
	top := y + 8 + float64(len(operations))*27
	c.Rect(x, top, 18, 16, band, "")
	c.Small(x+28, top+13, figure.Start, "noise band")
	c.Small(x, top+48, figure.Start, "Importance: by how much the")
	c.Small(x, top+66, figure.Start, "error rises, on average, when")
	c.Small(x, top+84, figure.Start, "another operation is there.")
}

// words says what the figure shows to those who do not see it.
func (a *analysis) words() string {
	var parts []string
	for _, task := range a.Tasks {
		var medians []string
		for i, op := range operations {
			medians = append(medians, fmt.Sprintf("%s %.5f", op, a.box[task][i].Median))
		}
		parts = append(parts, task+": "+strings.Join(medians, ", "))
	}
	return "Box plots of operation importance. Medians: " + strings.Join(parts, "; ") + "."
}
