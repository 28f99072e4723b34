package ranktransfer

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/nbpipe/nbpipe/hypotheses/figure"
)

// Sizes of the figure, in its own units.
const (
	plot        = 212.0 // side of a plot area
	left        = 72.0  // of the first plot area
	above       = 52.0  // of the first plot area
	columnStep  = plot + 84
	rowStep     = plot + 106
	hexagons    = 30 // from left to right of a plot area
	legendWidth = 600.0
)

// draw makes Figure 3 of NAS-Bench-360: rank on from against rank on each other
// task, a panel a task. Points are binned in hexagons, so that 15,625 of them
// stay light and their density can be seen.
func (s *Stage) draw(ranks map[string][]float64, pairs map[[2]string]pair) []byte {
	n := len(ranks[s.From])
	columns := min(2, len(s.To))
	rows := (len(s.To) + columns - 1) / columns
	width := left + float64(columns-1)*columnStep + plot + 24
	height := above + float64(rows)*rowStep + 18
	c := figure.New(max(width, legendWidth), height, "Ranks of architectures on "+s.label(s.From)+" and on other tasks", s.words(pairs))
	for i, to := range s.To {
		p := figure.Panel{
			X: left + float64(i%columns)*columnStep, Y: above + float64(i/columns)*rowStep, W: plot, H: plot,
			MinX: 0, MaxX: float64(n) + 1, MinY: 0, MaxY: float64(n) + 1,
		}
		ticks := figure.Ticks(0, float64(n), 4)
		p.Plate(c)
		p.AxisX(c, ticks)
		p.AxisY(c, ticks)
		p.Hexbin(c, ranks[s.From], ranks[to], hexagons)
		pair := pairs[[2]string{s.From, to}]
		c.Heading(p.X, p.Y-30, figure.Start, s.label(to))
		c.Small(p.X, p.Y-11, figure.Start, coefficient("Spearman ρ ", pair.rho.Value)+coefficient(", τ ", pair.tau.Value))
		c.Small(p.X+plot/2, p.Y+plot+37, figure.Middle, "rank on "+s.label(s.From))
		c.SmallUpright(p.X-50, p.Y+plot/2, "rank on "+s.label(to))
	}
	s.legend(c, above+float64(rows)*rowStep-14)
	return c.Bytes()
}

// legend explains the colours: each stands for twice as many architectures as
// the one before.
func (s *Stage) legend(c *figure.Canvas, y float64) {
	c.Small(16, y+12, figure.Start, "architectures in a hexagon")
	x := 238.0
	for i, colour := range figure.Density {
		c.Rect(x, y, 16, 14, colour, "")
		text := fmt.Sprint(1 << i)
		if i == len(figure.Density)-1 {
			text += "+"
		}
		c.Small(x+20, y+12, figure.Start, text)
		x += 33 + 9*float64(len(text))
	}
}

// words says what the figure shows to those who do not see it.
func (s *Stage) words(pairs map[[2]string]pair) string {
	var parts []string
	for _, to := range s.To {
		parts = append(parts, fmt.Sprintf("%s %s", s.label(to), coefficient("", pairs[[2]string{s.From, to}].rho.Value)))
	}
	return fmt.Sprintf("Scatter of the architectures' ranks, 1 the best. Spearman's rho with %s: %s.", s.label(s.From), strings.Join(parts, ", "))
}

func (s *Stage) label(task string) string {
	return cmp.Or(s.Labels[task], task)
}

func coefficient(name string, v float64) string {
	if math.IsNaN(v) {
		return name + "undefined"
	}
	return name + figure.Minus(fmt.Sprintf("%.3f", v))
}
