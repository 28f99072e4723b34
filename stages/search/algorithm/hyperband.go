package algorithm

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/search/objective"
)

// Hyperband (Li et al., JMLR 2018) repeats brackets of successive halving over
// the objective's fidelities. Bracket sizes are those of HpBandSter, which also
// gives the paper's Table 1. A promotion keeps 1 in Eta whatever the epochs of
// the rungs are: with rungs at 12 and 200 epochs, a rung costs 17 times as much
// as the one below and not Eta times. Nothing is resumed: a promoted
// architecture pays its new fidelity in full.
type Hyperband struct{ Eta int }

// Search implements Algorithm.
func (a Hyperband) Search(ctx context.Context, r *Run) error {
	return hyperband(ctx, r, a.Eta, uniform{})
}

// advisor proposes architectures for a bracket's first rung and is told what
// every evaluation gave.
type advisor interface {
	propose(random *Source) nas.Cell
	observe(cell nas.Cell, fidelity int, value float64)
}

// uniform proposes any architecture, independently.
type uniform struct{}

func (uniform) propose(random *Source) nas.Cell { return randomCell(random) }
func (uniform) observe(nas.Cell, int, float64)  {}

// hyperband repeats the brackets. A rung is one batch: proposals for it do not
// know each other's values, as with as many workers.
func hyperband(ctx context.Context, r *Run, eta int, advice advisor) error {
	levels := len(r.Fidelities())
	for {
		for s := levels - 1; s >= 0; s-- {
			sizes := Bracket(levels, s, eta)
			cells := make([]nas.Cell, sizes[0])
			for i := range cells {
				cells[i] = advice.propose(&r.Random)
			}
			for i, n := range sizes {
				values, err := evaluateCells(ctx, r, cells[:n], levels-1-s+i)
				if err != nil {
					return err
				}
				for j, v := range values {
					advice.observe(cells[j], levels-1-s+i, v)
				}
				cells = best(cells[:n], values)
			}
		}
	}
}

// Bracket lists how many architectures the rungs of bracket s hold, of levels
// rungs in all; bracket s uses the s+1 highest.
func Bracket(levels, s, eta int) []int {
	n := levels / (s + 1)
	for range s {
		n *= eta
	}
	out := make([]int, s+1)
	for i := range out {
		out[i] = max(1, n)
		n /= eta
	}
	return out
}

func evaluateCells(ctx context.Context, r *Run, cells []nas.Cell, fidelity int) ([]float64, error) {
	trials := make([]objective.Trial, len(cells))
	for i, c := range cells {
		trials[i] = objective.Trial{Architecture: nas.Index(c), Fidelity: fidelity}
	}
	return r.EvaluateAll(ctx, trials)
}

// best sorts cells by falling value; ties keep their order.
func best(cells []nas.Cell, values []float64) []nas.Cell {
	out := make([]nas.Cell, len(cells))
	for i, at := range falling(values) {
		out[i] = cells[at]
	}
	return out
}

// falling lists the positions of values from the highest; ties keep their order.
func falling(values []float64) []int {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(values[b], values[a]) })
	return order
}

// ASHA is asynchronous successive halving (Li et al., MLSys 2020, Algorithm 2)
// with one worker and rungs at the objective's fidelities: it promotes, from the
// highest rung that has one, the best architecture among its top 1 in Eta that
// was not promoted yet, and else draws a new one. Nothing is resumed.
type ASHA struct{ Eta int }

// Search implements Algorithm.
func (a ASHA) Search(ctx context.Context, r *Run) error {
	rungs := make([][]entry, len(r.Fidelities()))
	for {
		cell, level := a.next(rungs, &r.Random)
		value, err := r.Evaluate(ctx, nas.Index(cell), level)
		if err != nil {
			return err
		}
		rungs[level] = insert(rungs[level], entry{cell: cell, value: value})
	}
}

// entry is an architecture on a rung.
type entry struct {
	cell     nas.Cell
	value    float64
	promoted bool
}

func (a ASHA) next(rungs [][]entry, random *Source) (nas.Cell, int) {
	for level := len(rungs) - 2; level >= 0; level-- {
		rung := rungs[level]
		for i := range rung[:len(rung)/a.Eta] {
			if !rung[i].promoted {
				rung[i].promoted = true
				return rung[i].cell, level + 1
			}
		}
	}
	return randomCell(random), 0
}

// insert keeps a rung sorted by falling value; ties keep their order.
func insert(rung []entry, e entry) []entry {
	at, _ := slices.BinarySearchFunc(rung, e.value, func(x entry, value float64) int {
		if x.value >= value {
			return -1
		}
		return 1
	})
	return slices.Insert(rung, at, e)
}

// BOHB (Falkner et al., ICML 2018) is Hyperband that proposes architectures by
// the ratio of two kernel density estimates, of good and of bad architectures at
// the highest fidelity that has enough of them. It follows HpBandSter and the
// options of NATS-Bench.
//
// It differs where HpBandSter's estimator is undefined for categories: an
// operation's kernel is over the five operations of the space and not over those
// among the data, and a bandwidth is at most 4/5, where that kernel is flat.
// HpBandSter's factor on bandwidths applies to continuous parameters alone, of
// which a cell has none.
type BOHB struct {
	Eta            int
	Samples        int     // proposals of which the one with the best ratio is taken
	MinBandwidth   float64 // of each operation's kernel
	RandomFraction float64 // of proposals that ignore the model
	TopPercent     int     // of architectures that count as good
}

// Search implements Algorithm.
func (a BOHB) Search(ctx context.Context, r *Run) error {
	return hyperband(ctx, r, a.Eta, &parzen{BOHB: a, data: make([]observations, len(r.Fidelities())), level: -1})
}

// EnoughForModel is how many evaluations at one fidelity BOHB needs to tell good
// architectures from bad ones: one more than there are edges of either.
const EnoughForModel = 2 * (nas.NumEdges + 1)

// parzen is the tree-structured Parzen estimator behind BOHB.
type parzen struct {
	BOHB
	data      []observations // by fidelity
	level     int            // highest fidelity with a model; -1 for none
	good, bad density
}

type observations struct {
	cells  []nas.Cell
	values []float64
}

func (p *parzen) observe(cell nas.Cell, fidelity int, value float64) {
	if fidelity < p.level {
		return
	}
	d := &p.data[fidelity]
	d.cells, d.values = append(d.cells, cell), append(d.values, value)
	n := len(d.cells)
	const enough = EnoughForModel / 2
	good := max(enough, p.TopPercent*n/100)
	bad := min(max(enough, (100-p.TopPercent)*n/100), n-good)
	if bad < enough {
		return
	}
	cells := best(d.cells, d.values)
	p.level = fidelity
	p.good = newDensity(cells[:good], p.MinBandwidth)
	p.bad = newDensity(cells[good:good+bad], p.MinBandwidth)
}

func (p *parzen) propose(random *Source) nas.Cell {
	if p.level < 0 || random.Float() < p.RandomFraction {
		return randomCell(random)
	}
	const tiny = 1e-32
	// Where bandwidths are flat, different cells have one ratio but for rounding.
	const rounding = 1e-12
	var best nas.Cell
	lowest := math.Inf(1)
	for range p.Samples {
		c := p.good.draw(random)
		if ratio := max(tiny, p.bad.at(c)) / max(tiny, p.good.at(c)); ratio < lowest*(1-rounding) {
			best, lowest = c, ratio
		}
	}
	return best
}

// density is a kernel density estimate over cells: per edge the kernel of
// Aitchison and Aitken (Biometrika 1976), which puts 1 - h on the datum's
// operation and h/4 on each other one.
type density struct {
	cells     []nas.Cell
	bandwidth [nas.NumEdges]float64
}

// newDensity sets bandwidths by the normal reference rule on the operations'
// numbers, as statsmodels does: 1.06 s n^(-1/(4+6)).
func newDensity(cells []nas.Cell, smallest float64) density {
	d := density{cells: cells}
	n := float64(len(cells))
	for e := range d.bandwidth {
		var sum, squares float64
		for _, c := range cells {
			sum += float64(c[e])
			squares += float64(c[e]) * float64(c[e])
		}
		deviation := math.Sqrt(max(0, squares/n-float64((sum/n)*(sum/n))))
		reference := 1.06 * deviation * math.Pow(n, -1.0/(4+nas.NumEdges))
		d.bandwidth[e] = min(max(reference, smallest), flat)
	}
	return d
}

// flat is the bandwidth at which the kernel no longer tells operations apart.
const flat = float64(nas.NumOps-1) / nas.NumOps

func (d *density) at(x nas.Cell) float64 {
	sum := 0.0
	for _, c := range d.cells {
		k := 1.0
		for e, h := range d.bandwidth {
			if c[e] == x[e] {
				k *= 1 - h
			} else {
				k *= h / (nas.NumOps - 1)
			}
		}
		sum += k
	}
	return sum / float64(len(d.cells))
}

// draw takes a datum and keeps each operation with probability 1 - h, else draws
// any of the five.
func (d *density) draw(random *Source) nas.Cell {
	c := d.cells[random.Below(len(d.cells))]
	for e, h := range d.bandwidth {
		if random.Float() >= 1-h {
			c[e] = nas.Op(random.Below(nas.NumOps))
		}
	}
	return c
}
