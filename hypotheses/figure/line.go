package figure

import (
	"fmt"
	"strings"
)

// Series are the colours of lines and points, told apart also by those who do not
// see all colours (Okabe and Ito, 2008).
var Series = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"}

// Curve draws a line through points; a point that is no number parts it.
func (p Panel) Curve(c *Canvas, x, y []float64, stroke string, width float64) {
	var d strings.Builder
	pen := "M"
	for i := range x {
		if x[i] != x[i] || y[i] != y[i] {
			pen = "M"
			continue
		}
		fmt.Fprintf(&d, "%s%s %s", pen, num(p.AtX(x[i])), num(min(max(p.AtY(y[i]), p.Y), p.Y+p.H)))
		pen = "L"
	}
	if d.Len() > 0 {
		c.Stroke(d.String(), stroke, width)
	}
}

// Stroke draws path data as a line.
func (c *Canvas) Stroke(data, stroke string, width float64) {
	fmt.Fprintf(&c.body, "<path d=\"%s\" stroke=\"%s\" stroke-width=\"%s\" stroke-linejoin=\"round\" fill=\"none\"/>\n", data, stroke, num(width))
}

// Dot draws a filled circle.
func (c *Canvas) Dot(x, y, radius float64, fill string) {
	fmt.Fprintf(&c.body, "<circle cx=\"%s\" cy=\"%s\" r=\"%s\" fill=\"%s\"/>\n", num(x), num(y), num(radius), fill)
}
