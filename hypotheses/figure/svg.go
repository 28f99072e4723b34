package figure

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// The colours of figures: text, paper, plot areas, grid lines.
const (
	Ink   = "#1c2530"
	Paper = "#ffffff"
	Plate = "#f3f5f7"
	Grid  = "#d5dae0"
)

// fonts are those of the reader's system.
const fonts = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"

// size of the type, in the canvas's units.
const size = 18

// Canvas collects the elements of a figure. Units are those of its view box.
type Canvas struct {
	width, height float64
	title, alt    string
	body          bytes.Buffer
}

// New makes an empty figure. alt says in words what it shows.
func New(width, height float64, title, alt string) *Canvas {
	return &Canvas{width: width, height: height, title: title, alt: alt}
}

// Bytes returns the figure as a document that may also be put into HTML.
func (c *Canvas) Bytes() []byte {
	var b bytes.Buffer
	w, h := num(c.width), num(c.height)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s" role="img" font-family="%s" font-size="%d">`,
		w, h, w, h, fonts, size)
	fmt.Fprintf(&b, "\n<title>%s</title>\n<desc>%s</desc>\n", escape(c.title), escape(c.alt))
	fmt.Fprintf(&b, "<rect width=\"%s\" height=\"%s\" rx=\"8\" fill=\"%s\"/>\n", w, h, Paper)
	b.Write(c.body.Bytes())
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// Rect draws a filled rectangle; stroke may be empty.
func (c *Canvas) Rect(x, y, w, h float64, fill, stroke string) {
	fmt.Fprintf(&c.body, `<rect x="%s" y="%s" width="%s" height="%s" fill="%s"`, num(x), num(y), num(w), num(h), fill)
	if stroke != "" {
		fmt.Fprintf(&c.body, ` stroke="%s"`, stroke)
	}
	c.body.WriteString("/>\n")
}

// Line draws a straight line.
func (c *Canvas) Line(x1, y1, x2, y2 float64, stroke string, width float64) {
	fmt.Fprintf(&c.body, "<path d=\"M%s %sL%s %s\" stroke=\"%s\" stroke-width=\"%s\" fill=\"none\"/>\n",
		num(x1), num(y1), num(x2), num(y2), stroke, num(width))
}

// Path draws path data, filled.
func (c *Canvas) Path(data, fill string) {
	fmt.Fprintf(&c.body, "<path d=\"%s\" fill=\"%s\"/>\n", data, fill)
}

// Stroke draws path data as a line with round joins; dash may be empty, or lengths
// of dashes and gaps such as "6 4".
func (c *Canvas) Stroke(data, stroke string, width float64, dash string) {
	fmt.Fprintf(&c.body, "<path d=\"%s\" stroke=\"%s\" stroke-width=\"%s\" stroke-linejoin=\"round\"", data, stroke, num(width))
	if dash != "" {
		fmt.Fprintf(&c.body, " stroke-dasharray=\"%s\"", dash)
	}
	c.body.WriteString(" fill=\"none\"/>\n")
}

// Shade draws path data, filled and translucent.
func (c *Canvas) Shade(data, fill string, opacity float64) {
	fmt.Fprintf(&c.body, "<path d=\"%s\" fill=\"%s\" fill-opacity=\"%s\"/>\n", data, fill, num(opacity))
}

// Disc draws a filled circle.
func (c *Canvas) Disc(x, y, radius float64, fill string) {
	fmt.Fprintf(&c.body, "<circle cx=\"%s\" cy=\"%s\" r=\"%s\" fill=\"%s\"/>\n", num(x), num(y), num(radius), fill)
}

// Spot draws a translucent circle, so that several at one place are darker.
func (c *Canvas) Spot(x, y, radius float64, fill string, opacity float64) {
	fmt.Fprintf(&c.body, "<circle cx=\"%s\" cy=\"%s\" r=\"%s\" fill=\"%s\" fill-opacity=\"%s\"/>\n", num(x), num(y), num(radius), fill, num(opacity))
}

// Anchor says which point of a text stands at its position.
type Anchor string

// The anchors of a text.
const (
	Start  Anchor = "start"
	Middle Anchor = "middle"
	End    Anchor = "end"
)

// Text writes a label.
func (c *Canvas) Text(x, y float64, anchor Anchor, text string) { c.text(x, y, anchor, "", text) }

// Heading writes an emphasised label.
func (c *Canvas) Heading(x, y float64, anchor Anchor, text string) {
	c.text(x, y, anchor, ` font-weight="600"`, text)
}

// Small writes a label in smaller type.
func (c *Canvas) Small(x, y float64, anchor Anchor, text string) {
	c.text(x, y, anchor, ` font-size="16"`, text)
}

// SmallUpright writes a small label that is turned to be read from below.
func (c *Canvas) SmallUpright(x, y float64, text string) {
	c.text(x, y, Middle, fmt.Sprintf(` font-size="16" transform="rotate(-90 %s %s)"`, num(x), num(y)), text)
}

func (c *Canvas) text(x, y float64, anchor Anchor, more, text string) {
	fmt.Fprintf(&c.body, "<text x=\"%s\" y=\"%s\" text-anchor=\"%s\" fill=\"%s\"%s>%s</text>\n",
		num(x), num(y), anchor, Ink, more, escape(text))
}

// num writes a coordinate with at most two decimals.
func num(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "0"
	}
	s := strconv.FormatFloat(v, 'f', 2, 64)
	s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	if s == "-0" {
		return "0"
	}
	return s
}

// escape makes text safe inside elements; what XML cannot hold is replaced.
func escape(s string) string {
	clean := strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0xfffe || r == 0xffff {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return html.EscapeString(clean)
}
