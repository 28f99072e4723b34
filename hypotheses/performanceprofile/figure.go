package performanceprofile

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/nbpipe/nbpipe/hypotheses/figure"
)

// Sizes of the figure, in its own units.
const (
	plotLeft   = 70.0
	plotWidth  = 330.0
	plotHeight = 220.0
	above      = 44.0
	panelStep  = plotHeight + 118
	lineHeight = 28.0
	letter     = 10.2 // width of a letter, with room for wide fonts
)

// figure makes a panel a profile, one below the other, each with its key.
func (s *Stage) figure(all []*profile) []byte {
	longest := 10
	for _, p := range all {
		for _, m := range p.methods {
			longest = max(longest, utf8.RuneCountInString(s.label(m)))
		}
	}
	width := plotLeft + plotWidth + 62 + letter*float64(min(longest, 40))
	c := figure.New(width, above+panelStep*float64(len(all))-56, "Performance profiles", words(all))
	colours := colours(all)
	for i, p := range all {
		p.panel(c, above+panelStep*float64(i), colours)
	}
	return c.Bytes()
}

// colours gives a method the same colour in every panel.
func colours(all []*profile) map[string]string {
	out := map[string]string{}
	for _, p := range all {
		for _, m := range p.kept {
			if out[m] == "" {
				out[m] = figure.Categories[len(out)%len(figure.Categories)]
			}
		}
	}
	return out
}

// panel draws the curves over their bands. Where some coincide, the ones below show
// at the edges, since each is thinner than the one before.
func (p *profile) panel(c *figure.Canvas, y float64, colours map[string]string) {
	plot := figure.Panel{X: plotLeft, Y: y, W: plotWidth, H: plotHeight, MinX: 1, MaxX: p.axisEnd(), MinY: -0.05, MaxY: 1.02}
	plot.Plate(c)
	plot.AxisX(c, figure.Ticks(1, plot.MaxX, 5))
	plot.AxisY(c, figure.Ticks(0, 1, 5))
	for i, m := range p.kept {
		k := p.curves[i]
		plot.Ribbon(c, k.tau, k.low, k.high, colours[m], 0.13)
	}
	for i, m := range p.kept {
		x, rho := staircase(p.curves[i].tau, p.curves[i].rho)
		plot.Curve(c, append(x, plot.MaxX), append(rho, rho[len(rho)-1]), colours[m], thickness(i, len(p.kept)), "")
	}
	c.Heading(plot.X, y-14, figure.Start, p.label(p.name))
	c.Small(plot.X+plot.W/2, y+plotHeight+42, figure.Middle, "within this factor τ of the lowest error")
	c.SmallUpright(22, y+plotHeight/2, fmt.Sprintf("share of %d tasks", len(p.tasks)))
	row := y + 10
	for i, m := range p.kept {
		c.Line(plot.X+plot.W+12, row, plot.X+plot.W+40, row, colours[m], thickness(i, len(p.kept)))
		c.Small(plot.X+plot.W+48, row+5.5, figure.Start, p.label(m))
		row += lineHeight
	}
	for _, m := range p.left() {
		c.Small(plot.X+plot.W+48, row+5.5, figure.Start, p.label(m)+": n/a")
		row += lineHeight
	}
}

func thickness(i, of int) float64 { return 2 + 0.8*float64(min(of-1-i, 4)) }

// words says what the figure shows to those who do not see it.
func words(all []*profile) string {
	var parts []string
	for _, p := range all {
		var areas []string
		for i, m := range p.kept {
			areas = append(areas, fmt.Sprintf("%s %.2f", p.label(m), p.rho[i].rho(1)))
		}
		parts = append(parts, fmt.Sprintf("%s, on %d tasks: %s", p.label(p.name), len(p.tasks), strings.Join(areas, ", ")))
	}
	return "Step functions: on which share of tasks a method's error is within a factor of the lowest, with 95 % bands over redrawn means. Shares at factor 1. " + strings.Join(parts, ". ") + "."
}
