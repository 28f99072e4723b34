package figure

import (
	"fmt"
	"math"
	"strings"
)

// Step is a colour of a stepped scale: of values from From up to the next step's.
type Step struct {
	From   float64
	Colour string
}

// Heatmap draws a matrix as squares of the given side from (x, y), rows from above.
// Steps ascend; what lies below the first, and what is no number, stays blank. Each
// step is one path, so that the matrix is small.
func (c *Canvas) Heatmap(x, y, side float64, values [][]float64, steps []Step) {
	paths := make([]strings.Builder, len(steps))
	gap := side / 26
	for r, row := range values {
		for col, v := range row {
			step := -1
			for i, s := range steps {
				if !math.IsNaN(v) && v >= s.From {
					step = i
				}
			}
			if step >= 0 {
				w := num(side - 2*gap)
				fmt.Fprintf(&paths[step], "M%s %sh%sv%sh-%sz", num(x+float64(col)*side+gap), num(y+float64(r)*side+gap), w, w, w)
			}
		}
	}
	for i := range paths {
		if paths[i].Len() > 0 {
			c.Path(paths[i].String(), steps[i].Colour)
		}
	}
}
