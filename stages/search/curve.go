package search

import (
	"fmt"
	"math"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/search/algorithm"
)

// maxPoints is how many points a curve has at most, but for its end; a longer one
// is thinned.
const maxPoints = 1000

// writeIncumbent has a row a point: the mean over runs of the incumbent's reported
// value and of its regret once that much was spent, with intervals. Points lie at
// multiples of the cheapest evaluation and at the end, from where every run has an
// incumbent.
func (c *Common) writeIncumbent(in *stages.Input, out *stages.Output, d *data, runs []*algorithm.Run) error {
	grid := d.grid(runs)
	values := make([][]float64, len(runs))
	first := 0
	for i, r := range runs {
		var from int
		values[i], from = d.curve(r.Steps(), grid)
		first = max(first, from)
	}
	for i := range values {
		values[i] = values[i][first:]
	}
	grid = grid[first:]
	return c.resampling().writeCurve(in, out, d, grid, values)
}

// writeCurve writes the incumbent's curve: values has a row a run, with a value a
// point of the grid.
func (r resampling) writeCurve(in *stages.Input, out *stages.Output, d *data, grid []float64, values [][]float64) error {
	intervals, err := stats.BootstrapMeans(values, r.resamples, r.seed)
	if err != nil {
		return fmt.Errorf("the incumbent's curve: %w", err)
	}
	n := len(grid)
	mean, low, high, sd := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	regret, regretLow, regretHigh := make([]float64, n), make([]float64, n), make([]float64, n)
	_, best := d.optimum()
	column := make([]float64, len(values))
	for p, i := range intervals {
		for run := range column {
			column[run] = values[run][p]
		}
		mean[p], low[p], high[p], sd[p] = i.Value, i.Low, i.High, deviation(column, i.Value)
		ends := [2]float64{d.regret(i.Low, best), d.regret(i.High, best)}
		regret[p], regretLow[p], regretHigh[p] = d.regret(i.Value, best), min(ends[0], ends[1]), max(ends[0], ends[1])
	}
	return writeTable(in, out, "incumbent", d,
		table.FloatColumn("cost", grid), table.FloatColumn("mean", mean), table.FloatColumn("ci_low", low), table.FloatColumn("ci_high", high),
		table.FloatColumn("sd", sd), table.FloatColumn("regret", regret), table.FloatColumn("regret_low", regretLow), table.FloatColumn("regret_high", regretHigh))
}

// grid are the costs at which curves have points.
func (d *data) grid(runs []*algorithm.Run) []float64 {
	unit, most := math.Inf(1), 0.0
	for f := range d.epochs {
		unit = min(unit, d.cost(f))
	}
	for _, r := range runs {
		spent := 0.0
		for _, s := range r.Steps() {
			spent += d.cost(int(s.Fidelity))
		}
		most = max(most, spent)
	}
	points := int(most / unit)
	stride := (points + maxPoints - 1) / maxPoints
	var out []float64
	for p := stride; p <= points; p += stride {
		out = append(out, float64(p)*unit)
	}
	if len(out) > 0 && out[len(out)-1] < most {
		out = append(out, most)
	}
	return out
}

// curve is the incumbent's reported value at each cost of the grid, and the first
// position where there is one. A run that ended early keeps its last incumbent.
func (d *data) curve(steps []algorithm.Step, grid []float64) (values []float64, first int) {
	values = make([]float64, len(grid))
	incumbents := algorithm.Incumbents(steps)
	spent, at, first := 0.0, 0, len(grid)
	for p, cost := range grid {
		for at < len(steps) && spent+d.cost(int(steps[at].Fidelity)) <= cost {
			spent += d.cost(int(steps[at].Fidelity))
			at++
		}
		if at > 0 {
			values[p] = d.report[steps[incumbents[at-1]].Architecture]
			first = min(first, p)
		}
	}
	return values, first
}
