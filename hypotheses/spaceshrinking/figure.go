package spaceshrinking

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/nbpipe/nbpipe/hypotheses/figure"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
)

// Sizes of the figure, in its own units.
const (
	nameWidth  = 184.0 // of the methods' names
	plotWidth  = 196.0
	gap        = 36.0
	rowHeight  = 26.0
	panelSpace = 76.0 // above and below a panel
)

// draw makes a row of two panels a task: mean gain and recall of each method at
// equal size, with intervals.
func (c *comparison) draw() []byte {
	step := float64(len(c.methods))*rowHeight + panelSpace
	canvas := figure.New(16+nameWidth+2*plotWidth+gap+28, 44+float64(len(c.names))*step, "Shrunk spaces at equal size", c.words())
	left, right := 16+nameWidth, 16+nameWidth+plotWidth+gap
	canvas.Small(left+plotWidth/2, 24, figure.Middle, "mean gain, table's unit")
	canvas.Small(right+plotWidth/2, 24, figure.Middle, fmt.Sprintf("share kept of the top %g %%", 100*c.Top))
	for i, name := range c.names {
		y := 44 + float64(i)*step + 36
		o := c.of[name]
		canvas.Heading(16, y-12, figure.Start, c.label(name))
		canvas.Small(right+plotWidth, y-12, figure.End, fmt.Sprintf("%.2f %% of the space", 100*o.equalSize.Value))
		for k, method := range c.methods {
			canvas.Small(left-10, y+(float64(k)+0.5)*rowHeight+5.5, figure.End, c.label(method))
		}
		c.panel(canvas, o, left, y, 0)
		c.panel(canvas, o, right, y, 1)
	}
	return canvas.Bytes()
}

// panel draws a measure, a row a method.
func (c *comparison) panel(canvas *figure.Canvas, o *outcome, x, y float64, measure int) {
	values := []float64{0}
	for _, method := range c.methods {
		i := o.value[method][measure]
		values = append(values, i.Value, i.Low, i.High)
	}
	low, high := figure.Range(values)
	margin := math.Max((high-low)/20, 1e-12)
	p := figure.Panel{X: x, Y: y, W: plotWidth, H: float64(len(c.methods)) * rowHeight, MinX: low - margin, MaxX: high + margin, MinY: 0, MaxY: 1}
	p.Plate(canvas)
	p.AxisX(canvas, figure.Ticks(low, high, 4))
	canvas.Line(p.AtX(0), p.Y, p.AtX(0), p.Y+p.H, figure.Ink, 1)
	for k, method := range c.methods {
		dot(canvas, p, y+(float64(k)+0.5)*rowHeight, o.value[method][measure], c.colour(method))
	}
}

// dot draws a value with its interval.
func dot(canvas *figure.Canvas, p figure.Panel, y float64, i stats.Interval, colour string) {
	if math.IsNaN(i.Value) {
		return
	}
	if !math.IsNaN(i.Low) {
		canvas.Line(p.AtX(i.Low), y, p.AtX(i.High), y, colour, 2.4)
	}
	canvas.Disc(p.AtX(i.Value), y, 5, colour)
}

// colour of a method; what is drawn at random is grey.
func (c *comparison) colour(method string) string {
	i := slices.Index(c.methods, method)
	if method == drawn {
		return figure.Categories[0]
	}
	return figure.Categories[1+i%(len(figure.Categories)-1)]
}

func (c *comparison) label(name string) string {
	return cmp.Or(c.Labels[name], name)
}

// words says what the figure shows to those who do not see it.
func (c *comparison) words() string {
	var parts []string
	for _, name := range c.names {
		var values []string
		for _, method := range c.methods {
			values = append(values, fmt.Sprintf("%s %.3g and %.3g", c.label(method), c.of[name].value[method][0].Value, c.of[name].value[method][1].Value))
		}
		parts = append(parts, c.label(name)+": "+strings.Join(values, ", "))
	}
	return fmt.Sprintf("Mean gain and recall of the true top of shrunk spaces, over %d runs, with 95 %% intervals. %s.", c.runs, strings.Join(parts, "; "))
}
