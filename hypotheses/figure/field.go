package figure

import (
	"fmt"
	"math"
	"strings"
)

// fieldLevels are the colours of fields from low to high: matplotlib's viridis,
// dark to light, so that the order is seen without colours, too.
var fieldLevels = []string{
	"#440154", "#481467", "#482576", "#453781", "#404688", "#39558c", "#33638d", "#2d718e",
	"#287d8e", "#238a8d", "#1f968b", "#20a386", "#29af7f", "#3cbc75", "#56c667", "#75d054",
	"#95d840", "#bade28", "#dde318", "#fde725",
}

// Field draws values on a grid, rows from above, as an image of the given size at
// (x, y). Colours run from low to high in 20 steps; what is no number stays blank.
// Equal neighbours in a row become one rectangle, and each colour one path, so that
// a field of 85 x 85 is small.
func (c *Canvas) Field(x, y, width, height float64, values []float64, columns int, low, high float64) {
	if columns < 1 || len(values) < columns {
		return
	}
	rows := len(values) / columns
	w, h := width/float64(columns), height/float64(rows)
	paths := make([]strings.Builder, len(fieldLevels))
	for r := range rows {
		for from := 0; from < columns; {
			level := fieldLevel(values[r*columns+from], low, high)
			to := from + 1
			for to < columns && fieldLevel(values[r*columns+to], low, high) == level {
				to++
			}
			if level >= 0 {
				length := num(float64(to-from) * w)
				fmt.Fprintf(&paths[level], "M%s %sh%sv%sh-%sz", num(x+float64(from)*w), num(y+float64(r)*h), length, num(h), length)
			}
			from = to
		}
	}
	for level := range paths {
		if paths[level].Len() > 0 {
			fmt.Fprintf(&c.body, "<path d=\"%s\" fill=\"%s\" shape-rendering=\"crispEdges\"/>\n", paths[level].String(), fieldLevels[level])
		}
	}
}

func fieldLevel(v, low, high float64) int {
	if math.IsNaN(v) {
		return -1
	}
	if !(high > low) {
		return len(fieldLevels) / 2
	}
	return min(max(int((v-low)/(high-low)*float64(len(fieldLevels))), 0), len(fieldLevels)-1)
}

// Range is the smallest and the largest number among values; 0, 0 without any.
func Range(values []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			low, high = min(low, v), max(high, v)
		}
	}
	if low > high {
		return 0, 0
	}
	return low, high
}
