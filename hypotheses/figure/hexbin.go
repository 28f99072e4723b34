package figure

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Density is the colour scale of hexagonal bins, from few points to many: each
// colour stands for twice as many points as the one before.
var Density = []string{"#b9cfe6", "#8fb4d9", "#6497c9", "#3f79b3", "#265c97", "#173f75", "#0d2550"}

// Level is the index in Density of a bin with that many points.
func Level(count int) int {
	level := 0
	for count > 1 && level < len(Density)-1 {
		count /= 2
		level++
	}
	return level
}

// Hexbin draws points as hexagons coloured by the number of points in them
// (Carr et al., J. Amer. Statist. Assoc. 1987), across of them from left to
// right. Points outside the panel are left out.
func (p Panel) Hexbin(c *Canvas, x, y []float64, across int) {
	width := p.W / float64(across) // flat to flat
	counts := map[[2]int]int{}
	for i := range x {
		px, py := p.AtX(x[i])-p.X, p.AtY(y[i])-p.Y
		if px < 0 || py < 0 || px > p.W || py > p.H || px != px || py != py {
			continue
		}
		counts[hexAt(px, py, width)]++
	}
	levels := make([][][2]int, len(Density))
	for h, n := range counts {
		levels[Level(n)] = append(levels[Level(n)], h)
	}
	outline := hexOutline(width)
	for level, hexes := range levels {
		if len(hexes) == 0 {
			continue
		}
		slices.SortFunc(hexes, func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
		var d strings.Builder
		for _, h := range hexes {
			hx, hy := hexCentre(h, width)
			fmt.Fprintf(&d, "M%.1f %.1f%s", p.X+hx, p.Y+hy-width/math.Sqrt(3), outline)
		}
		c.Path(d.String(), Density[level])
	}
}

// hexAt finds the hexagon of a point: the nearer of the two centres that the
// two interleaved rectangular grids offer. The result is column (doubled) and row.
func hexAt(px, py, width float64) [2]int {
	rowHeight := width * math.Sqrt(3) / 2
	best, bestDistance := [2]int{}, math.Inf(1)
	base := math.Floor(py / rowHeight)
	for _, row := range []float64{base, base + 1} {
		shift := math.Mod(math.Abs(row), 2) / 2
		col := math.Round(px/width - shift)
		h := [2]int{int(2*col + 2*shift), int(row)}
		hx, hy := hexCentre(h, width)
		if d := math.Hypot(px-hx, py-hy); d < bestDistance {
			best, bestDistance = h, d
		}
	}
	return best
}

func hexCentre(h [2]int, width float64) (x, y float64) {
	return float64(h[0]) * width / 2, float64(h[1]) * width * math.Sqrt(3) / 2
}

// hexOutline is a hexagon as relative path data from its topmost corner, a
// little larger than its cell so that no seams show.
func hexOutline(width float64) string {
	w, s := width/2+0.12, width/math.Sqrt(3)
	return fmt.Sprintf("l%.1f %.1fv%.1fl-%.1f %.1f-%.1f-%.1fv-%.1fz", w, s/2, s, w, s/2, w, s/2, s)
}
