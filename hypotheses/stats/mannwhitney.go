package stats

import (
	"fmt"
	"math"
)

// MannWhitneyOptions are the arguments of SciPy's mannwhitneyu; the zero value is
// its default.
type MannWhitneyOptions struct {
	NoContinuity bool // use_continuity=False; of the approximation only
	Alternative  Alternative
	Method       Method
}

// autoMannWhitney is the size up to which one sample must stay for SciPy's
// method="auto" to be exact.
const autoMannWhitney = 8

// MannWhitneyTest is the rank test that values of x are as often above values of y
// as below (Mann and Whitney, Ann. Math. Statist. 1947): scipy.stats.mannwhitneyu(x,
// y, use_continuity=, alternative=, method=) of SciPy 1.10. Method Auto is exact if
// one sample has at most 8 values and no two values tie. Statistic is U of x: the
// pairs with x above y, ties counting half.
//
// As there, Exact ignores ties: U = u.5 is taken as u. An empty sample and a NaN are
// errors. If all values are equal, p is 1, and NaN without the continuity
// correction. The exact distribution takes (m n)^2 / 2 steps: with over 10^9 (8 values
// against 5,500) Exact is refused and Auto approximates.
func MannWhitneyTest(x, y []float64, o MannWhitneyOptions) (RankTest, error) {
	if err := checkSamples(x, y); err != nil {
		return RankTest{}, err
	}
	m, n := len(x), len(y)
	pairs := float64(m) * float64(n)
	first, tied := pairsAbove(x, y)
	second := pairs - first
	result := RankTest{N: m + n, Statistic: first}
	u, factor := max(first, second), math.Ln2
	switch o.Alternative {
	case Greater:
		u, factor = first, 0
	case Less:
		u, factor = second, 0
	}
	feasible := pairs*pairs <= 2e9
	if o.Method == Exact && !feasible {
		return RankTest{}, fmt.Errorf("%w: the exact distribution of %d and %d values; use the approximation", ErrRange, m, n)
	}
	if o.Method == Exact || o.Method == Auto && feasible && min(m, n) <= autoMannWhitney && tied == 0 {
		result.Exact = true
		return result.withLogP(factor + math.Log(exactMannWhitney(int(u), m, n))), nil
	}
	total := float64(m + n)
	deviation := math.Sqrt(pairs / 12 * max(0, total+1-tied/(total*(total-1))))
	distance := u - pairs/2
	if !o.NoContinuity {
		distance -= 0.5
	}
	return result.withLogP(factor + lnNormalBelow(-distance/deviation)), nil
}

// pairsAbove is U of x, and the sum of t^3 - t over groups of t tied values.
func pairsAbove(x, y []float64) (u, tied float64) {
	o := newOrdering(append(append(make([]float64, 0, len(x)+len(y)), x...), y...))
	for i := range x {
		g := o.group[i]
		u += float64(o.start[g]+1+o.start[g+1]) / 2
	}
	for g := range o.groups() {
		t := float64(o.size(int32(g)))
		tied += t * (t*t - 1)
	}
	return u - float64(len(x))*float64(len(x)+1)/2, tied
}

func checkSamples(x, y []float64) error {
	if len(x) == 0 || len(y) == 0 {
		return fmt.Errorf("%w: samples of %d and %d values, at least 1 each", ErrRange, len(x), len(y))
	}
	if hasNaN(x, y) {
		return fmt.Errorf("%w among the values; leave out what has none", ErrNaN)
	}
	return checkSize(len(x) + len(y))
}

// exactMannWhitney is P[U >= u] of samples of m and n values without ties.
func exactMannWhitney(u, m, n int) float64 {
	pairs := m * n
	if u <= 0 {
		return 1
	}
	below := pairs - u // by symmetry P[U <= below]
	if 2*below <= pairs {
		return sum(chancesOfU(m, n, below))
	}
	return 1 - sum(chancesOfU(m, n, u-1))
}

// chancesOfU are P[U = 0] to P[U = most]. Of i values of x and j of y the largest is
// of x with chance i/(i+j), and is then above all j (Mann and Whitney's recurrence, in
// chances rather than counts). All terms are positive, so that nothing cancels.
func chancesOfU(m, n, most int) []float64 {
	m, n = min(m, n), max(m, n)
	chance := make([][]float64, m+1) // of i values of x and so far j of y
	for i := range chance {
		chance[i] = make([]float64, most+1)
		chance[i][0] = 1
	}
	for j := 1; j <= n; j++ {
		for i := 1; i <= m; i++ {
			share := float64(i) / float64(i+j)
			to, from := chance[i], chance[i-1]
			last := min(most, i*j)
			for k := min(last, j-1); k >= 0; k-- {
				to[k] *= 1 - share
			}
			for k := j; k <= last; k++ {
				to[k] = to[k]*(1-share) + from[k-j]*share
			}
		}
	}
	return chance[m]
}
