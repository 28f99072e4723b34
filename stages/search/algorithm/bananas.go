package algorithm

import (
	"context"
	"math"
	"math/bits"
	"slices"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages/nas"
)

// Bananas is Bayesian optimisation in the manner of BANANAS (White et al., AAAI
// 2021): random architectures first; then, in turn, a predictor on the path
// encoding ranks mutants of the best architectures by an acquisition function,
// and the first of the ranking are evaluated. Nothing is evaluated twice.
//
// It differs from the paper in its predictor: a Gaussian process in place of an
// ensemble of five networks, exact where they are trained, and a thousand times
// cheaper. Its kernel is exp(-d/l), where d is the number of paths that one cell
// has and the other lacks. Length l and noise are taken from a grid by marginal
// likelihood whenever data come in; values enter as normal scores of their ranks,
// so that units do not matter and failed networks do not dominate.
type Bananas struct {
	Initial    int     // random architectures at the start
	Batch      int     // evaluations between two fits
	Candidates int     // mutants that are ranked
	Parents    int     // best architectures whose mutants they are
	UCB        float64 // standard deviations added to the mean; 0: independent Thompson sampling
}

// Search implements Algorithm.
func (a Bananas) Search(ctx context.Context, r *Run) error {
	known := new(seen)
	rest := everything()
	gp := newProcess()
	for size := a.Initial; ; size = a.Batch {
		var next []nas.Cell
		if len(gp.cells) > 0 {
			next = a.choose(gp, known, &r.Random, size)
		}
		for len(next) < size { // at the start, and where no mutant is new
			n, ok := rest.draw(&r.Random)
			if !ok {
				break
			}
			if !known[n] {
				known[n] = true
				next = append(next, nas.At(n))
			}
		}
		if len(next) == 0 {
			return nil
		}
		values, err := evaluateCells(ctx, r, next, r.Top())
		if err != nil {
			return err
		}
		gp.add(next, values)
	}
}

// choose ranks mutants and marks the chosen ones as known.
func (a Bananas) choose(gp *process, known *seen, random *Source, size int) []nas.Cell {
	gp.fit()
	order := falling(gp.values)
	parents := order[:min(a.Parents, len(order))]
	mutants := make([]nas.Cell, 0, a.Candidates)
	var numbers []int
	const patience = 20 // draws a candidate; around an optimum few mutants are new
	for try := 0; try < patience*a.Candidates && len(mutants) < a.Candidates; try++ {
		c := mutant(random, gp.cells[parents[try%len(parents)]])
		if n := nas.Index(c); !known[n] && !slices.Contains(numbers, n) {
			mutants, numbers = append(mutants, c), append(numbers, n)
		}
	}
	scores := make([]float64, len(mutants))
	for i, c := range mutants {
		mean, deviation := gp.predict(c)
		if a.UCB > 0 {
			scores[i] = mean + float64(a.UCB*deviation)
		} else {
			scores[i] = mean + float64(random.Normal()*deviation)
		}
	}
	var out []nas.Cell
	for _, at := range falling(scores)[:min(size, len(scores))] {
		out = append(out, mutants[at])
		known[numbers[at]] = true
	}
	return out
}

// mutant redraws each operation with probability 1/6, and at least one.
func mutant(random *Source, c nas.Cell) nas.Cell {
	for m := c; ; {
		for e := range m {
			if random.Below(nas.NumEdges) == 0 {
				m[e] = nas.Op(random.Below(nas.NumOps))
			}
		}
		if m != c {
			return m
		}
	}
}

// paths is the path encoding of a cell: which of the 4 + 16 + 64 sequences of
// operations other than none lead from input to output.
type paths [2]uint64

func pathsOf(c nas.Cell) paths {
	var p paths
	add := func(first int, ops ...nas.Op) {
		code := 0
		for _, o := range ops {
			if o == nas.None {
				return
			}
			code = code*(nas.NumOps-1) + int(o) - 1
		}
		bit := first + code
		p[bit/64] |= 1 << (bit % 64)
	}
	add(0, c[3])
	add(4, c[0], c[4])
	add(4, c[1], c[5])
	add(20, c[0], c[2], c[5])
	return p
}

func (p paths) distance(q paths) int {
	return bits.OnesCount64(p[0]^q[0]) + bits.OnesCount64(p[1]^q[1])
}

// process is Gaussian process regression (Rasmussen and Williams, 2006,
// Algorithm 2.1) with one Cholesky factor for each pair of hyperparameters, to
// which data add rows.
type process struct {
	cells   []nas.Cell
	paths   []paths
	values  []float64
	factors []*factor
	best    *factor // by marginal likelihood
}

// The grid of hyperparameters, in paths and in variances of the scores.
var (
	lengths = [...]float64{2, 5, 12}
	noises  = [...]float64{0.03, 0.2}
)

func newProcess() *process {
	g := new(process)
	for _, l := range lengths {
		for _, n := range noises {
			f := &factor{noise: n}
			for d := range f.kernel {
				f.kernel[d] = math.Exp(-float64(d) / l)
			}
			g.factors = append(g.factors, f)
		}
	}
	return g
}

func (g *process) add(cells []nas.Cell, values []float64) {
	for i, c := range cells {
		p := pathsOf(c)
		g.cells, g.values, g.paths = append(g.cells, c), append(g.values, values[i]), append(g.paths, p)
		for _, f := range g.factors {
			f.add(g.paths)
		}
	}
}

// fit chooses hyperparameters for the values at hand.
func (g *process) fit() {
	scores := stats.Ranks(g.values)
	for i, rank := range scores {
		scores[i] = stats.NormalQuantile((rank - 0.5) / float64(len(scores)))
	}
	highest := math.Inf(-1)
	for _, f := range g.factors {
		if l := f.likelihood(scores); l > highest {
			g.best, highest = f, l
		}
	}
}

// predict returns the mean and standard deviation of a cell's score.
func (g *process) predict(c nas.Cell) (mean, deviation float64) {
	f := g.best
	v := f.solve(f.row(g.paths, pathsOf(c)))
	var explained float64
	for i, x := range v {
		mean += float64(x * f.weights[i])
		explained += float64(x * x)
	}
	return mean, math.Sqrt(max(0, 1-explained))
}

// maxPaths bounds the distance of two cells: each has at most 4 paths.
const maxPaths = 8

// factor is the lower Cholesky factor of kernel matrix plus noise.
type factor struct {
	kernel  [maxPaths + 1]float64 // by distance
	noise   float64
	rows    [][]float64
	weights []float64 // the scores, solved by the factor
	buffer  []float64
}

// row is the kernel between a cell and the data. It is good until the next call.
func (f *factor) row(data []paths, p paths) []float64 {
	f.buffer = f.buffer[:0]
	for _, q := range data {
		f.buffer = append(f.buffer, f.kernel[p.distance(q)])
	}
	return f.buffer
}

// add appends the row of the last datum.
func (f *factor) add(data []paths) {
	n := len(data) - 1
	v := f.solve(f.row(data[:n], data[n]))
	diagonal := 1 + f.noise
	for _, x := range v {
		diagonal -= float64(x * x)
	}
	f.rows = append(f.rows, append(slices.Clone(v), math.Sqrt(diagonal)))
}

// solve replaces b by the solution of L x = b.
func (f *factor) solve(b []float64) []float64 {
	for i := range b {
		row := f.rows[i]
		b[i] = (b[i] - dot(row[:i], b[:i])) / row[i]
	}
	return b
}

// dot is the sum of products, in four partial sums: one alone waits for every
// addition, and most of a search's time is spent here.
func dot(x, y []float64) float64 {
	var a, b, c, d float64
	y = y[:len(x)]
	i := 0
	for ; i+4 <= len(x); i += 4 {
		a += float64(x[i] * y[i])
		b += float64(x[i+1] * y[i+1])
		c += float64(x[i+2] * y[i+2])
		d += float64(x[i+3] * y[i+3])
	}
	for ; i < len(x); i++ {
		a += float64(x[i] * y[i])
	}
	return (a + b) + (c + d)
}

// likelihood keeps the solved scores and returns the log marginal likelihood, up
// to a constant.
func (f *factor) likelihood(scores []float64) float64 {
	f.weights = f.solve(append(f.weights[:0], scores...))
	l := 0.0
	for i, w := range f.weights {
		l -= float64(w*w)/2 + math.Log(f.rows[i][i])
	}
	return l
}
