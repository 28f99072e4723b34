package sizecorrelation

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/nbpipe/nbpipe/hypotheses/figure"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
)

// Sizes of the figure, in its own units.
const (
	plot       = 212.0 // side of a plot area
	left       = 78.0  // of the first plot area
	above      = 74.0  // of the first plot area
	columnStep = plot + 96
	rowStep    = plot + 140
)

// draw makes Figure 5 of NAS-Bench-360: size against score, a panel a sample.
// Architectures that share a point darken it.
func (s *Stage) draw(names []string, found map[string]relation) []byte {
	columns := min(2, len(names))
	rows := (len(names) + columns - 1) / columns
	width := left + float64(columns-1)*columnStep + plot + 30
	height := above + float64(rows-1)*rowStep + plot + 58
	c := figure.New(width, height, "Size and score of architectures", s.words(names, found))
	for i, name := range names {
		x := left + float64(i%columns)*columnStep
		y := above + float64(i/columns)*rowStep
		s.panel(c, x, y, name, found[name])
	}
	return c.Bytes()
}

func (s *Stage) panel(c *figure.Canvas, x, y float64, name string, r relation) {
	sample := s.Samples[name]
	p := figure.Panel{X: x, Y: y, W: plot, H: plot}
	p.MinX, p.MaxX = margins(sample.Sizes)
	p.MinY, p.MaxY = margins(sample.Scores)
	p.Plate(c)
	p.AxisX(c, figure.Ticks(p.MinX, p.MaxX, 5))
	p.AxisY(c, figure.Ticks(p.MinY, p.MaxY, 5))
	for i := range sample.Sizes {
		c.Spot(p.AtX(sample.Sizes[i]), p.AtY(sample.Scores[i]), 5, figure.Categories[1], 0.45)
	}
	c.Heading(x, y-48, figure.Start, s.label(name))
	c.Small(x, y-28, figure.Start, interval("r ", r.fisher))
	c.Small(x, y-9, figure.Start, interval("ρ ", r.rhoBCa))
	c.Small(x+plot/2, y+plot+40, figure.Middle, s.Unit)
	score := sample.Score
	if score == "" {
		score = "score"
	}
	c.SmallUpright(x-56, y+plot/2, score)
}

// margins are the ends of an axis, a little beyond the values.
func margins(values []float64) (low, high float64) {
	low, high = figure.Range(values)
	margin := max((high-low)/12, math.Abs(high)*1e-6, 1e-12)
	return low - margin, high + margin
}

// interval writes a coefficient and its interval.
func interval(name string, i stats.Interval) string {
	if math.IsNaN(i.Value) {
		return name + "undefined"
	}
	text := name + figure.Minus(fmt.Sprintf("%.2f", i.Value))
	if math.IsNaN(i.Low) {
		return text
	}
	return text + fmt.Sprintf(" [%s, %s]", figure.Minus(fmt.Sprintf("%.2f", i.Low)), figure.Minus(fmt.Sprintf("%.2f", i.High)))
}

// words says what the figure shows to those who do not see it.
func (s *Stage) words(names []string, found map[string]relation) string {
	var parts []string
	for _, name := range names {
		parts = append(parts, s.label(name)+": "+interval("", found[name].fisher))
	}
	return "Scatter of size and score of architectures, with Pearson's r (Fisher's interval) and Spearman's rho (BCa interval). r: " + strings.Join(parts, ", ") + "."
}

func (s *Stage) label(name string) string {
	return cmp.Or(s.Samples[name].Label, name)
}
