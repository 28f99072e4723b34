package stats

import (
	"fmt"
	"math"
	"slices"
)

// checkClustered refuses samples and class labels that cannot be paired.
func checkClustered(x, y []float64, class []int) error {
	if err := checkPaired(x, y); err != nil {
		return err
	}
	if len(class) != len(x) {
		return fmt.Errorf("%w: %d values and %d class labels", ErrLength, len(x), len(class))
	}
	return nil
}

// SpearmanClustered is Spearman's rho with the 95 % percentile interval for
// another draw of classes: resamples times, as many classes as there are are
// drawn with replacement, each with all its members, and ranked afresh with
// average ranks. class[i] is any label of the class of point i.
//
// It is ClusterBootstrap of Spearman, with resamples held as multiplicities
// of classes so that the sort is done once and a resample costs O(n). Fewer than
// 2 pairs, a constant sample or a NaN give NaN.
func SpearmanClustered(x, y []float64, class []int, resamples int, seed uint64) (Interval, error) {
	if err := checkClustered(x, y, class); err != nil {
		return Interval{}, err
	}
	if err := checkResamples(resamples); err != nil {
		return Interval{}, err
	}
	ids, count := classIDs(class)
	if hasNaN(x, y) {
		return undefinedInterval(math.NaN(), count), nil
	}
	ox, oy := newOrdering(x), newOrdering(y)
	value := rankCosine(ox, oy)
	if math.IsNaN(value) {
		return undefinedInterval(value, count), nil
	}
	points := orderPoints(ox, oy, ids, count)
	values := forEachResample(resamples, seed, func() func(*source) float64 {
		return points.newResampler().spearman
	})
	return percentileInterval(value, values, count), nil
}

// orderedPoint is a point of a clustered sample in ascending order of x.
type orderedPoint struct{ class, groupX, groupY int32 }

// orderedSample is what all resamples of a clustered sample share.
type orderedSample struct {
	points           []orderedPoint
	classes          int
	groupsX, groupsY int
}

// orderPoints lays the points out in ascending order of x.
func orderPoints(x, y ordering, ids []int32, classes int) orderedSample {
	s := orderedSample{
		points:  make([]orderedPoint, len(ids)),
		classes: classes, groupsX: x.groups(), groupsY: y.groups(),
	}
	for p, i := range x.at {
		s.points[p] = orderedPoint{ids[i], x.group[i], y.group[i]}
	}
	return s
}

// resampler is the scratch memory of one worker.
type resampler struct {
	orderedSample
	times        []int32   // how often each class was drawn
	sizeX, sizeY []int32   // points in each group of tied values
	rankX, rankY []float64 // centred double ranks of the groups
}

func (s orderedSample) newResampler() *resampler {
	return &resampler{
		orderedSample: s,
		times:         make([]int32, s.classes),
		sizeX:         make([]int32, s.groupsX), sizeY: make([]int32, s.groupsY),
		rankX: make([]float64, s.groupsX), rankY: make([]float64, s.groupsY),
	}
}

// spearman draws one resample and computes its rho.
func (r *resampler) spearman(random *source) float64 {
	clear(r.times)
	for range r.times {
		r.times[random.below(len(r.times))]++
	}
	clear(r.sizeX)
	clear(r.sizeY)
	n := 0
	for _, p := range r.points {
		times := r.times[p.class]
		r.sizeX[p.groupX] += times
		r.sizeY[p.groupY] += times
		n += int(times)
	}
	xx := weightedRanks(r.sizeX, r.rankX, n)
	yy := weightedRanks(r.sizeY, r.rankY, n)
	var xy float64
	for _, p := range r.points {
		xy += float64(r.times[p.class]) * r.rankX[p.groupX] * r.rankY[p.groupY]
	}
	return clampUnit(xy / math.Sqrt(xx*yy))
}

// weightedRanks fills in twice the average rank of each group less twice the
// mean rank, the groups having the given sizes, n in all. It returns the sum of
// squares over the n points; a constant sample has 0.
func weightedRanks(sizes []int32, ranks []float64, n int) float64 {
	var squares float64
	before := 0
	for g, size := range sizes {
		rank := float64(2*before + int(size) - n)
		ranks[g] = rank
		squares += float64(size) * rank * rank
		before += int(size)
	}
	return squares
}

// KendallClustered is Kendall's tau-b with a normal 95 % interval for another
// draw of classes, limited to [-1, 1], in O(n log n). class[i] is any label of
// the class of point i.
//
// tau-b = S / sqrt(X Y), each of the three half a sum over ordered pairs of
// points: of the sign of agreement (S), of being untied in x (X) and in y (Y).
// Giving class c the weight w, its influence d tau/dw at w = 1 is
//
//	L_c = S_c / sqrt(X Y) - tau/2 (X_c/X + Y_c/Y),
//
// S_c, X_c and Y_c being the parts of the sums over pairs whose first point is
// in c; the variance is C/(C-1) sum L_c^2 over the C classes (Hoeffding, Ann.
// Math. Statist. 1948, with the delta method; clusters as in Davison and
// Hinkley, Bootstrap Methods, 1997, section 2.7). Sampling errors of the
// variance of order 1/C are neglected.
//
// Fewer than 2 pairs, a constant sample or a NaN give NaN; a single class has
// a value but no interval.
func KendallClustered(x, y []float64, class []int) (Interval, error) {
	if err := checkClustered(x, y, class); err != nil {
		return Interval{}, err
	}
	ids, count := classIDs(class)
	if len(x) < 2 || hasNaN(x, y) {
		return undefinedInterval(math.NaN(), count), nil
	}
	p := countPairs(x, y)
	if p.x.pairs == p.total || p.y.pairs == p.total {
		return undefinedInterval(math.NaN(), count), nil
	}
	tau := p.tauB()
	if count < 2 {
		return undefinedInterval(tau, count), nil
	}
	influence := make([]float64, count)
	for i, v := range tauInfluence(newOrdering(x), newOrdering(y), p) {
		influence[ids[i]] += v
	}
	se := clusteredError(influence)
	half := NormalQuantile(upperLevel) * se
	return Interval{Value: tau, Low: clampUnit(tau - half), High: clampUnit(tau + half), StdErr: se, Units: count}, nil
}

// clusteredError is the standard error of a statistic from the influences of
// its independent classes, which sum to zero.
func clusteredError(influence []float64) float64 {
	var squares float64
	for _, v := range influence {
		squares += v * v
	}
	classes := float64(len(influence))
	return math.Sqrt(squares * classes / (classes - 1))
}

// tauInfluence is the influence of each point on tau-b.
func tauInfluence(x, y ordering, p pairCounts) []float64 {
	untiedX, untiedY := float64(p.total-p.x.pairs), float64(p.total-p.y.pairs)
	root := math.Sqrt(untiedX) * math.Sqrt(untiedY)
	halfTau := p.tauB() / 2
	n := int32(len(x.at))
	influence := make([]float64, n)
	for i, s := range agreements(x, y) {
		partX := float64(n-x.size(x.group[i])) / untiedX
		partY := float64(n-y.size(y.group[i])) / untiedY
		influence[i] = float64(s)/root - halfTau*(partX+partY)
	}
	return influence
}

// agreements gives for each point the number of points concordant with it less
// that of the discordant ones. The points are taken in ascending groups of x
// and counted in a Fenwick tree over y: the tree holds the points of smaller x,
// and those of larger x are all others less the tree and the group itself.
func agreements(x, y ordering) []int64 {
	n := len(x.at)
	out := make([]int64, n)
	c := agreementCounter{y: y, before: make(fenwick, y.groups()+1), here: make([]int32, 0, n)}
	for g := range x.groups() {
		group := x.at[x.start[g]:x.start[g+1]]
		c.enter(group)
		for _, i := range group {
			out[i] = c.agreement(y.group[i])
		}
		c.leave()
	}
	return out
}

// agreementCounter is the state of agreements at one group of x.
type agreementCounter struct {
	y      ordering
	before fenwick // groups of y of the points of smaller x
	passed int64   // how many these are
	here   []int32 // groups of y of the points in this group of x, sorted
}

// enter takes up the points of the next group of x.
func (c *agreementCounter) enter(points []int32) {
	c.here = c.here[:0]
	for _, i := range points {
		c.here = append(c.here, c.y.group[i])
	}
	slices.Sort(c.here)
}

// leave moves the points of the current group to those of smaller x.
func (c *agreementCounter) leave() {
	for _, g := range c.here {
		c.before.add(g)
	}
	c.passed += int64(len(c.here))
}

// agreement is concordant less discordant for a point in group g of y.
func (c *agreementCounter) agreement(g int32) int64 {
	lowBefore := c.before.below(g)
	highBefore := c.passed - c.before.below(g+1)
	lowHere := countBelow(c.here, g)
	highHere := int64(len(c.here)) - countBelow(c.here, g+1)
	lowAfter := int64(c.y.start[g]) - lowBefore - lowHere
	highAfter := int64(len(c.y.at)) - int64(c.y.start[g+1]) - highBefore - highHere
	return lowBefore - highBefore + highAfter - lowAfter
}
