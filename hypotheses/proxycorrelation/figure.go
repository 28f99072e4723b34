package proxycorrelation

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/nbpipe/nbpipe/hypotheses/figure"
)

// Sizes of the figure, in its own units.
const (
	nameWidth = 178.0
	plotWidth = 400.0
	above     = 20.0
	lineStep  = 27.0
	taskGap   = 14.0
)

// draw makes a row for each task and proxy: Spearman's rho with its interval, and the
// published value where there is one.
func (s *Stage) draw(found map[[2]string]cell) []byte {
	height := float64(len(s.Tasks))*(lineStep+taskGap) + float64(len(s.Tasks)*len(s.Proxies))*lineStep
	c := figure.New(nameWidth+plotWidth+32, above+height+98, "Zero-cost proxies and accuracy", s.words(found))
	p := figure.Panel{X: nameWidth, Y: above, W: plotWidth, H: height, MinX: s.lowest(found), MaxX: 1.02}
	p.Plate(c)
	p.AxisX(c, figure.Ticks(p.MinX, 1, 6))
	if p.MinX < 0 {
		c.Line(p.AtX(0), p.Y, p.AtX(0), p.Y+p.H, figure.Ink, 1.2)
	}
	y := above
	published := false
	for i, task := range s.Tasks {
		y += lineStep
		c.Heading(14, y-4, figure.Start, label(s.Labels, task))
		for _, proxy := range s.Proxies {
			y += lineStep
			c.Small(nameWidth-10, y-6, figure.End, label(s.ProxyLabels, proxy))
			s.row(c, p, y-11, found[[2]string{task, proxy}][0], figure.Categories[1+i%(len(figure.Categories)-1)])
			if v, ok := s.Published[task][proxy]; ok {
				published = true
				diamond(c, p.AtX(v), y-11)
			}
		}
		y += taskGap
	}
	c.Small(p.X+p.W/2, p.Y+p.H+40, figure.Middle, "Spearman's ρ with 95 % interval")
	if published {
		diamond(c, p.X+p.W/2-60, p.Y+p.H+64)
		c.Small(p.X+p.W/2-46, p.Y+p.H+70, figure.Start, "as published")
	}
	return c.Bytes()
}

func (s *Stage) row(c *figure.Canvas, p figure.Panel, y float64, e coefficient, colour string) {
	if math.IsNaN(e.Value) {
		c.Small(p.X+8, y+5, figure.Start, "undefined")
		return
	}
	if !math.IsNaN(e.interval.Low) {
		low, high := p.AtX(e.interval.Low), p.AtX(e.interval.High)
		c.Line(low, y, high, y, colour, 3)
		c.Line(low, y-5, low, y+5, colour, 1.6)
		c.Line(high, y-5, high, y+5, colour, 1.6)
	}
	c.Disc(p.AtX(e.Value), y, 4.5, colour)
}

// diamond marks a published value.
func diamond(c *figure.Canvas, x, y float64) {
	c.Stroke(fmt.Sprintf("M%.1f %.1fl7 7l-7 7l-7 -7z", x, y-7), figure.Ink, 1.8, "")
}

// lowest is the left end of the axis: 0, or what all intervals need.
func (s *Stage) lowest(found map[[2]string]cell) float64 {
	low := 0.0
	for _, e := range found {
		for _, v := range []float64{e[0].Value, e[0].interval.Low} {
			if v < low {
				low = v
			}
		}
	}
	for _, values := range s.Published {
		for _, v := range values {
			low = min(low, v)
		}
	}
	if low < 0 {
		low -= 0.04
	}
	return low
}

// words says what the figure shows to those who do not see it.
func (s *Stage) words(found map[[2]string]cell) string {
	var parts []string
	for _, task := range s.Tasks {
		for _, proxy := range s.Proxies {
			text := fmt.Sprintf("%s on %s %s", label(s.ProxyLabels, proxy), label(s.Labels, task), coefficientText(found[[2]string{task, proxy}][0].Value))
			if v, ok := s.Published[task][proxy]; ok {
				text += ", published " + coefficientText(v)
			}
			parts = append(parts, text)
		}
	}
	return "Spearman's rho of proxies with how good architectures are: " + strings.Join(parts, "; ") + "."
}

func coefficientText(v float64) string {
	if math.IsNaN(v) {
		return "undefined"
	}
	return figure.Minus(fmt.Sprintf("%.3f", v))
}

func label(labels map[string]string, name string) string {
	return cmp.Or(labels[name], name)
}
