package adaproxy

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/nbpipe/nbpipe/hypotheses/figure"
)

// Sizes of the figure, in its own units.
const (
	nameWidth  = 172.0
	plotWidth  = 460.0
	above      = 24.0
	lineHeight = 26.0
)

const (
	beforeColour  = "#8a939d"
	adaptedColour = "#0072b2"
	ceilingColour = "#d55e00"
)

// draw makes a row a target, the best first: SRCC before, after with its interval,
// and the ceiling.
func (e *experiment) draw() []byte {
	ranked := e.ranked()
	low := 1.0
	for _, o := range e.outcomes {
		for _, v := range []float64{o.before.Value, o.adapted.Value, o.adapted.Low, e.Strong} {
			if !math.IsNaN(v) {
				low = min(low, v)
			}
		}
	}
	low = max(-1, math.Floor(low*10-0.2)/10)
	height := float64(len(ranked)) * lineHeight
	c := figure.New(nameWidth+plotWidth+28, above+height+152, "SRCC before and after AdaProxy", e.words(ranked))
	p := figure.Panel{X: nameWidth, Y: above, W: plotWidth, H: height, MinX: low, MaxX: 1, MinY: 0, MaxY: 1}
	p.Plate(c)
	p.AxisX(c, figure.Ticks(low, 1, 6))
	c.Stroke(fmt.Sprintf("M%.1f %.1fv%.1f", p.AtX(e.Strong), p.Y, p.H), figure.Ink, 1.4, "5 4")
	for i, target := range ranked {
		e.row(c, p, target, above+(float64(i)+0.5)*lineHeight)
	}
	c.Small(p.X+p.W/2, p.Y+p.H+40, figure.Middle, "SRCC with the target's latencies, unseen cells")
	e.legend(c, p.Y+p.H+76)
	return c.Bytes()
}

func (e *experiment) row(c *figure.Canvas, p figure.Panel, target string, y float64) {
	o := e.outcomes[target]
	c.Small(p.X-10, y+5.5, figure.End, e.label(target))
	inside := func(v float64) float64 { return p.AtX(min(max(v, p.MinX), p.MaxX)) }
	c.Line(inside(o.before.Value), y, inside(o.adapted.Value), y, figure.Grid, 2)
	c.Disc(inside(o.before.Value), y, 5, beforeColour)
	if !math.IsNaN(o.adapted.Low) {
		c.Line(inside(o.adapted.Low), y, inside(o.adapted.High), y, adaptedColour, 3)
	}
	c.Disc(inside(o.adapted.Value), y, 5, adaptedColour)
	c.Line(inside(o.ceiling), y-8, inside(o.ceiling), y+8, ceilingColour, 3)
}

func (e *experiment) legend(c *figure.Canvas, y float64) {
	c.Disc(24, y-5, 5, beforeColour)
	c.Small(40, y, figure.Start, "predictor of "+e.label(e.Proxy)+" as it is")
	c.Line(12, y+23, 36, y+23, adaptedColour, 3)
	c.Disc(24, y+23, 5, adaptedColour)
	c.Small(46, y+28, figure.Start, fmt.Sprintf("adapted with %d + %d latencies, mean and interval of %d draws", e.Train, e.Validation, e.Runs))
	c.Line(24, y+43, 24, y+59, ceilingColour, 3)
	c.Small(40, y+56, figure.Start, "ceiling: the linear model fitted to all latencies")
	c.Stroke(fmt.Sprintf("M400 %.1fv16", y-13), figure.Ink, 1.4, "5 4")
	c.Small(412, y, figure.Start, fmt.Sprintf("strong: %v", e.Strong))
}

// words says what the figure shows to those who do not see it.
func (e *experiment) words(ranked []string) string {
	var parts []string
	for _, target := range ranked {
		o := e.outcomes[target]
		parts = append(parts, fmt.Sprintf("%s %.3f, %.3f, %.3f", e.label(target), o.before.Value, o.adapted.Value, o.ceiling))
	}
	return "Spearman's rho before and after adaptation, and the ceiling, for each target: " + strings.Join(parts, "; ") + "."
}

func (e *experiment) label(device string) string {
	return cmp.Or(e.Labels[device], device)
}
