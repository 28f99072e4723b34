package estimates

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/nbpipe/nbpipe/hypotheses/figure"
)

// Sizes of the figure, in its own units.
const (
	nameWidth = 200.0
	plotWidth = 360.0
	rowHeight = 30.0
)

// draw makes a row a value: the number, its interval, and the line of 0.
func (s *Stage) draw(names []string) []byte {
	values := []float64{0}
	for _, name := range names {
		e := s.Values[name]
		for _, v := range []*float64{e.Value, e.Low, e.High} {
			if v != nil {
				values = append(values, *v)
			}
		}
	}
	low, high := figure.Range(values)
	margin := math.Max((high-low)/20, 1e-12)
	c := figure.New(nameWidth+plotWidth+40, float64(len(names))*rowHeight+82, s.Unit, s.words(names))
	p := figure.Panel{X: nameWidth + 10, Y: 16, W: plotWidth, H: float64(len(names)) * rowHeight, MinX: low - margin, MaxX: high + margin, MinY: 0, MaxY: 1}
	p.Plate(c)
	p.AxisX(c, figure.Ticks(low, high, 5))
	c.Line(p.AtX(0), p.Y, p.AtX(0), p.Y+p.H, figure.Ink, 1)
	for i, name := range names {
		y := p.Y + (float64(i)+0.5)*rowHeight
		c.Small(nameWidth, y+5.5, figure.End, s.label(name))
		e := s.Values[name]
		if e.Low != nil && e.High != nil {
			c.Line(p.AtX(*e.Low), y, p.AtX(*e.High), y, figure.Categories[1], 2.4)
		}
		if e.Value != nil {
			c.Disc(p.AtX(*e.Value), y, 5, figure.Categories[1])
		}
	}
	c.Small((nameWidth+plotWidth+40)/2, p.Y+p.H+42, figure.Middle, s.Unit)
	return c.Bytes()
}

func (s *Stage) label(name string) string {
	return cmp.Or(s.Labels[name], name)
}

// words says what the figure shows to those who do not see it.
func (s *Stage) words(names []string) string {
	var parts []string
	for _, name := range names {
		if v := s.Values[name].Value; v != nil {
			parts = append(parts, fmt.Sprintf("%s %.4g", s.label(name), *v))
		}
	}
	return s.Unit + ", with 95 % intervals: " + strings.Join(parts, ", ") + "."
}
