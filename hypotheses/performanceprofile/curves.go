package performanceprofile

import (
	"math"
	"slices"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/tablefile"
)

// curvePoints are the even points of a curve, beside the method's own ratios.
const curvePoints = 161

// curve is rho of a method at some tau, with its pointwise interval.
type curve struct{ tau, rho, low, high []float64 }

// curve evaluates rho of a kept method at its own steps and at even points.
func (p *profile) curve(i int) curve {
	var c curve
	for k := range curvePoints {
		c.tau = append(c.tau, 1+(p.end-1)*float64(k)/(curvePoints-1))
	}
	for _, ratio := range p.rho[i] {
		if ratio <= p.end {
			c.tau = append(c.tau, ratio)
		}
	}
	slices.Sort(c.tau)
	c.tau = slices.Compact(c.tau)
	drawn := make([]float64, len(p.drawn))
	for _, tau := range c.tau {
		for b, rho := range p.drawn {
			drawn[b] = rho[i].rho(tau)
		}
		interval := stats.PercentileInterval(p.rho[i].rho(tau), drawn, len(p.tasks))
		c.rho, c.low, c.high = append(c.rho, interval.Value), append(c.low, interval.Low), append(c.high, interval.High)
	}
	return c
}

// staircase is the step function through points that hold all its steps: both ends
// of every rise.
func staircase(x, y []float64) (sx, sy []float64) {
	for i := range x {
		if i > 0 && y[i] != y[i-1] {
			sx, sy = append(sx, x[i]), append(sy, y[i-1])
		}
		sx, sy = append(sx, x[i]), append(sy, y[i])
	}
	return sx, sy
}

// writeCurves makes the table of all curves, a row a point.
func writeCurves(in *stages.Input, out *stages.Output, all []*profile) error {
	var names, methods []string
	var columns [4][]float64
	for _, p := range all {
		for i, c := range p.curves {
			for k := range c.tau {
				names, methods = append(names, p.name), append(methods, p.kept[i])
				for j, v := range []float64{c.tau[k], c.rho[k], c.low[k], c.high[k]} {
					columns[j] = append(columns[j], v)
				}
			}
		}
	}
	t, err := table.New(table.StringColumn("profile", names), table.StringColumn("method", methods),
		table.FloatColumn("tau", columns[0]), table.FloatColumn("rho", columns[1]), table.FloatColumn("rho_low", columns[2]), table.FloatColumn("rho_high", columns[3]))
	if err != nil {
		return err
	}
	return tablefile.Set(in, out, "curves", t)
}

// axisEnd is where the panel of a profile ends: a little beyond the axis.
func (p *profile) axisEnd() float64 {
	if p.end == 1 {
		return 2
	}
	return p.end + math.Max((p.end-1)*0.02, 1e-9)
}
