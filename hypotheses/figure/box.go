package figure

// Box is a box plot in numbers: quartiles and whiskers.
type Box struct{ WhiskerLow, Q1, Median, Q3, WhiskerHigh float64 }

// Box draws a box plot of the given width around the position x of the canvas.
func (p Panel) Box(c *Canvas, x, width float64, b Box, fill string) {
	for _, v := range []float64{b.WhiskerLow, b.Q1, b.Median, b.Q3, b.WhiskerHigh} {
		if v != v {
			return
		}
	}
	low, q1, median, q3, high := p.AtY(b.WhiskerLow), p.AtY(b.Q1), p.AtY(b.Median), p.AtY(b.Q3), p.AtY(b.WhiskerHigh)
	c.Line(x, low, x, q1, Ink, 1.2)
	c.Line(x, q3, x, high, Ink, 1.2)
	c.Line(x-width/4, low, x+width/4, low, Ink, 1.2)
	c.Line(x-width/4, high, x+width/4, high, Ink, 1.2)
	c.Rect(x-width/2, q3, width, q1-q3, fill, Ink)
	c.Line(x-width/2, median, x+width/2, median, Ink, 2.4)
}

// Band shades the values from low to high across the panel.
func (p Panel) Band(c *Canvas, low, high float64, fill string) {
	low, high = max(low, p.MinY), min(high, p.MaxY)
	if high > low {
		c.Rect(p.X, p.AtY(high), p.W, p.AtY(low)-p.AtY(high), fill, "")
	}
}
