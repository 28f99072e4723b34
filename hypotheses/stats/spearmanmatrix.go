package stats

import (
	"fmt"
	"math"

	vectors "gonum.org/v1/gonum/floats"
)

// SpearmanMatrix is Spearman's rho between every two of some samples of the same
// points, with intervals for another draw of classes of points.
type SpearmanMatrix struct {
	size      int
	values    []Correlation // by pair
	units     []int         // classes that a pair's points come from
	resampled []float64     // rho of every pair, resample by resample
}

// maxResampled bounds the coefficients that are kept: 256 MiB.
const maxResampled = 1 << 25

// NewSpearmanMatrix correlates samples of equal length, point i being of class
// class[i]. Unlike elsewhere in this package, a NaN is a value that was not
// measured: a pair's rho is over the points that both samples have, ranked among
// themselves.
//
// Intervals are those of SpearmanClustered. All pairs see the same resamples,
// classes drawn from all there are, so that statistics of the whole matrix have
// intervals, too (see Share). Ranks are made once a sample and resample instead
// of once a pair.
func NewSpearmanMatrix(samples [][]float64, class []int, resamples int, seed uint64) (*SpearmanMatrix, error) {
	for _, s := range samples {
		if err := checkClustered(s, s, class); err != nil {
			return nil, err
		}
	}
	if err := checkResamples(resamples); err != nil {
		return nil, err
	}
	m := &SpearmanMatrix{size: len(samples)}
	pairs := m.size * (m.size - 1) / 2
	if pairs > 0 && resamples > maxResampled/pairs {
		return nil, fmt.Errorf("%w: %d resamples of %d pairs, at most %d", ErrRange, resamples, pairs, maxResampled/pairs)
	}
	m.values, m.units = make([]Correlation, pairs), make([]int, pairs)
	m.resampled = make([]float64, resamples*pairs)
	ids, classes := classIDs(class)
	blocks := m.blocks(samples, ids)
	for _, b := range blocks {
		if err := m.observe(b, samples); err != nil {
			return nil, err
		}
	}
	forEachStream(resamples, seed, func() func(int, *source) {
		w := newMatrixWorker(blocks, classes)
		return func(r int, random *source) { w.resample(random, m.resampled[r*pairs:(r+1)*pairs]) }
	})
	return m, nil
}

// pair numbers the unordered pairs: (0,1), (0,2) .. (1,2) ...
func (m *SpearmanMatrix) pair(i, j int) int {
	if i > j {
		i, j = j, i
	}
	return i*(2*m.size-i-1)/2 + j - i - 1
}

// Value is rho of samples i and j, which differ.
func (m *SpearmanMatrix) Value(i, j int) Correlation { return m.values[m.pair(i, j)] }

// At is rho of samples i and j, which differ, with its interval.
func (m *SpearmanMatrix) At(i, j int) (Correlation, Interval) {
	p := m.pair(i, j)
	if math.IsNaN(m.values[p].Value) {
		return m.values[p], undefinedInterval(math.NaN(), m.units[p])
	}
	pairs := len(m.values)
	column := make([]float64, len(m.resampled)/pairs)
	for r := range column {
		column[r] = m.resampled[r*pairs+p]
	}
	return m.values[p], percentileInterval(m.values[p].Value, column, m.units[p])
}

// Share is the share of pairs whose rho is at least the limit. A rho that does not
// exist is below every limit.
func (m *SpearmanMatrix) Share(limit float64) Interval {
	pairs := len(m.values)
	if pairs == 0 {
		return undefinedInterval(math.NaN(), 0)
	}
	share := func(rho func(p int) float64) float64 {
		n := 0
		for p := range pairs {
			if rho(p) >= limit {
				n++
			}
		}
		return float64(n) / float64(pairs)
	}
	shares := make([]float64, len(m.resampled)/pairs)
	for r := range shares {
		shares[r] = share(func(p int) float64 { return m.resampled[r*pairs+p] })
	}
	return percentileInterval(share(func(p int) float64 { return m.values[p].Value }), shares, pairs)
}

// matrixBlock holds the pairs of samples that are measured at the same points.
type matrixBlock struct {
	rows    []int   // the points
	classes []int32 // of the points
	samples []int   // those of the pairs
	ranks   []ordering
	pairs   [][3]int // positions in samples, and the pair's number
}

// blocks groups the pairs by the points that both samples have.
func (m *SpearmanMatrix) blocks(samples [][]float64, ids []int32) []*matrixBlock {
	var blocks []*matrixBlock
	known := map[string]*matrixBlock{}
	for i := range samples {
		for j := i + 1; j < len(samples); j++ {
			rows, key := common(samples[i], samples[j])
			b := known[key]
			if b == nil {
				b = &matrixBlock{rows: rows}
				for _, r := range rows {
					b.classes = append(b.classes, ids[r])
				}
				known[key] = b
				blocks = append(blocks, b)
			}
			b.pairs = append(b.pairs, [3]int{b.place(i, samples), b.place(j, samples), m.pair(i, j)})
		}
	}
	return blocks
}

// common lists the points that both samples have; key is equal for equal lists.
func common(x, y []float64) (rows []int, key string) {
	mask := make([]byte, len(x))
	for i := range x {
		if x[i] == x[i] && y[i] == y[i] {
			mask[i] = 1
			rows = append(rows, i)
		}
	}
	return rows, string(mask)
}

// place is the position of a sample in the block, which it joins if it is new.
func (b *matrixBlock) place(sample int, samples [][]float64) int {
	for at, s := range b.samples {
		if s == sample {
			return at
		}
	}
	b.samples = append(b.samples, sample)
	b.ranks = append(b.ranks, newOrdering(b.pick(samples[sample])))
	return len(b.samples) - 1
}

func (b *matrixBlock) pick(sample []float64) []float64 {
	out := make([]float64, len(b.rows))
	for i, r := range b.rows {
		out[i] = sample[r]
	}
	return out
}

// observe computes the coefficients of the block's pairs.
func (m *SpearmanMatrix) observe(b *matrixBlock, samples [][]float64) error {
	seen := map[int32]bool{}
	for _, c := range b.classes {
		seen[c] = true
	}
	for _, p := range b.pairs {
		c, err := Spearman(b.pick(samples[b.samples[p[0]]]), b.pick(samples[b.samples[p[1]]]))
		if err != nil {
			return err
		}
		m.values[p[2]], m.units[p[2]] = c, len(seen)
	}
	return nil
}

// matrixWorker is the scratch memory of one worker.
type matrixWorker struct {
	blocks  []*matrixBlock
	times   []int32     // how often each class was drawn
	sizes   []int32     // points in each group of tied values
	ranks   []float64   // centred double ranks of the groups
	plain   [][]float64 // of a block's samples, by point
	weights [][]float64 // the same, times how often the point was drawn
	squares []float64
}

func newMatrixWorker(blocks []*matrixBlock, classes int) *matrixWorker {
	w := &matrixWorker{blocks: blocks, times: make([]int32, classes)}
	points, samples := 0, 0
	for _, b := range blocks {
		points, samples = max(points, len(b.rows)), max(samples, len(b.samples))
	}
	w.sizes, w.ranks, w.squares = make([]int32, points), make([]float64, points), make([]float64, samples)
	for range samples {
		w.plain = append(w.plain, make([]float64, points))
		w.weights = append(w.weights, make([]float64, points))
	}
	return w
}

// resample draws classes and fills in rho of every pair. The sums are of integers,
// exact in any order up to n = 200,000.
func (w *matrixWorker) resample(random *source, out []float64) {
	clear(w.times)
	for range w.times {
		w.times[random.below(len(w.times))]++
	}
	for _, b := range w.blocks {
		n := 0
		for _, c := range b.classes {
			n += int(w.times[c])
		}
		for s := range b.samples {
			w.rank(b, s, n)
		}
		for _, p := range b.pairs {
			xy := vectors.Dot(w.weights[p[0]][:len(b.rows)], w.plain[p[1]][:len(b.rows)])
			out[p[2]] = clampUnit(xy / math.Sqrt(w.squares[p[0]]*w.squares[p[1]]))
		}
	}
}

// rank fills in the ranks of the block's sample s among n drawn points.
func (w *matrixWorker) rank(b *matrixBlock, s, n int) {
	o := &b.ranks[s]
	sizes, ranks := w.sizes[:o.groups()], w.ranks[:o.groups()]
	clear(sizes)
	for i, c := range b.classes {
		sizes[o.group[i]] += w.times[c]
	}
	w.squares[s] = weightedRanks(sizes, ranks, n)
	plain, weighted := w.plain[s], w.weights[s]
	for i, c := range b.classes {
		rank := ranks[o.group[i]]
		plain[i], weighted[i] = rank, rank*float64(w.times[c])
	}
}
