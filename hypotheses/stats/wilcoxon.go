package stats

import (
	"fmt"
	"math"
)

// Zeros says what becomes of differences that are zero.
type Zeros int

const (
	// DropZeros leaves them out: zero_method="wilcox" (Wilcoxon, Biometrics 1945).
	DropZeros Zeros = iota
	// PrattZeros ranks them and leaves out their ranks: zero_method="pratt" (Pratt,
	// J. Amer. Statist. Assoc. 1959).
	PrattZeros
	// SplitZeros gives half of their ranks to either sign: zero_method="zsplit".
	SplitZeros
)

// WilcoxonOptions are the arguments of SciPy's wilcoxon; the zero value is its
// default.
type WilcoxonOptions struct {
	Zeros       Zeros
	Continuity  bool // correction=True; of the approximation only
	Alternative Alternative
	Method      Method
}

const (
	// autoWilcoxon is the largest n at which SciPy's method="auto" is exact.
	autoWilcoxon = 50
	// mostExactWilcoxon bounds the exact distribution: 2^-n must not underflow.
	mostExactWilcoxon = 1000
)

// WilcoxonTest is the signed-rank test that differences of pairs are symmetric
// about 0: scipy.stats.wilcoxon(d, zero_method=, correction=, alternative=,
// method=) of SciPy 1.10. Method Auto is exact for at most 50 differences none of
// which is zero; any zero makes Exact approximate, too. Statistic is the smaller of
// the rank sums of both signs, or that of the positive differences if the test is
// one-sided.
//
// As there, the exact distribution is that without ties even if there are some,
// and a rank sum of x.5 is taken as x: use Approximate then. No differences give
// NaN; so do only zeros, where SciPy raises (p is then 1 with SplitZeros). A NaN is
// an error, and so are more than 1000 differences with Exact.
func WilcoxonTest(d []float64, o WilcoxonOptions) (RankTest, error) {
	if hasNaN(d) {
		return RankTest{}, fmt.Errorf("%w among the differences; leave out pairs without a value", ErrNaN)
	}
	if err := checkSize(len(d)); err != nil {
		return RankTest{}, err
	}
	s := signedRanks(d, o.Zeros)
	result := RankTest{N: s.n, Statistic: s.plus}
	if o.Alternative == TwoSided {
		result.Statistic = min(s.plus, s.minus)
	}
	if s.n == 0 || s.zeros == len(d) && o.Zeros != SplitZeros {
		return RankTest{N: s.n, Statistic: math.NaN(), P: math.NaN(), Log10P: math.NaN()}, nil
	}
	if s.zeros == 0 && (o.Method == Exact || o.Method == Auto && s.n <= autoWilcoxon) {
		if s.n > mostExactWilcoxon {
			return RankTest{}, fmt.Errorf("%w: %d differences, at most %d for the exact distribution", ErrRange, s.n, mostExactWilcoxon)
		}
		result.Exact = true
		return result.withLogP(math.Log(exactWilcoxon(int(s.plus), s.n, o.Alternative))), nil
	}
	return result.withLogP(s.lnApproximate(result.Statistic, o)), nil
}

// signedRankSums are the sums of the ranks of |d| by sign.
type signedRankSums struct {
	n, zeros      int // ranked; of the differences, zero
	plus, minus   float64
	mean, squares float64
}

// signedRanks ranks the magnitudes; mean and squares are those of the rank sum and
// 24 times its variance if signs are drawn.
func signedRanks(d []float64, zeros Zeros) signedRankSums {
	var s signedRankSums
	var size, sign []float64
	for _, v := range d {
		if v == 0 {
			s.zeros++
		}
		if v != 0 || zeros != DropZeros {
			size, sign = append(size, math.Abs(v)), append(sign, v)
		}
	}
	s.n = len(size)
	o := newOrdering(size)
	count := float64(s.n)
	s.mean, s.squares = count*(count+1)/4, count*(count+1)*(2*count+1)
	for g := range o.groups() {
		t := float64(o.size(int32(g)))
		isZero := size[o.at[o.start[g]]] == 0
		if isZero && zeros == PrattZeros {
			s.mean -= t * (t + 1) / 4
			s.squares -= t * (t + 1) * (2*t + 1)
			continue
		}
		if t > 1 {
			s.squares -= t * (t*t - 1) / 2
		}
	}
	for i, g := range o.group {
		rank := float64(o.start[g]+1+o.start[g+1]) / 2
		switch {
		case sign[i] > 0:
			s.plus += rank
		case sign[i] < 0:
			s.minus += rank
		case zeros == SplitZeros:
			s.plus += rank / 2
			s.minus += rank / 2
		}
	}
	return s
}

// lnApproximate is the logarithm of the p-value by the normal approximation.
func (s signedRankSums) lnApproximate(statistic float64, o WilcoxonOptions) float64 {
	distance := statistic - s.mean
	if o.Continuity {
		switch {
		case o.Alternative == Greater:
			distance -= 0.5
		case o.Alternative == Less:
			distance += 0.5
		case distance != 0:
			distance -= math.Copysign(0.5, distance)
		}
	}
	return lnNormalP(distance/math.Sqrt(s.squares/24), o.Alternative)
}

// exactWilcoxon is the p-value of a sum of positive ranks of n differences without
// ties: each sign is as likely as the other.
func exactWilcoxon(plus, n int, alternative Alternative) float64 {
	most := n * (n + 1) / 2
	chance := make([]float64, most+1)
	chance[0] = 1
	for rank := 1; rank <= n; rank++ {
		for s := rank * (rank + 1) / 2; s >= 0; s-- {
			chance[s] /= 2
			if s >= rank {
				chance[s] += chance[s-rank] / 2
			}
		}
	}
	less, greater := sum(chance[:plus+1]), sum(chance[plus:])
	switch {
	case alternative == Less:
		return less
	case alternative == Greater:
		return greater
	case 2*plus == most || 2*plus+1 == most:
		return 1
	}
	return 2 * min(less, greater)
}
