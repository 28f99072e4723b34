package stats

import (
	"fmt"
	"math"
)

// Friedman is the test that k treatments do equally well in each of n blocks
// (methods on tasks), by their ranks within the blocks.
type Friedman struct {
	// Blocks and Treatments are n and k.
	Blocks, Treatments int
	// MeanRanks has a mean rank a treatment, 1 that of the smallest values.
	MeanRanks []float64
	// Statistic is chi-squared on k-1 degrees of freedom, corrected for ties.
	Statistic float64
	P, Log10P float64
}

// FriedmanTest is scipy.stats.friedmanchisquare(*treatments), blocks[i] being the
// values of all treatments in block i (Friedman, J. Amer. Statist. Assoc. 1937).
// The p-value is that of the chi-squared approximation, rough below ten blocks.
//
// The sums are of integers and exact. Blocks in which all treatments tie leave
// NaN, as do no blocks. Fewer than 3 treatments, blocks of unequal length and a
// NaN are errors.
func FriedmanTest(blocks [][]float64) (Friedman, error) {
	f := Friedman{Blocks: len(blocks), Statistic: math.NaN(), P: math.NaN(), Log10P: math.NaN()}
	if len(blocks) == 0 {
		return f, nil
	}
	f.Treatments = len(blocks[0])
	if err := checkBlocks(blocks); err != nil {
		return Friedman{}, err
	}
	doubled := make([]float64, f.Treatments) // twice the sums of ranks
	tied := 0.0
	for _, b := range blocks {
		o := newOrdering(b)
		for j, g := range o.group {
			doubled[j] += float64(o.start[g] + 1 + o.start[g+1])
		}
		for g := range o.groups() {
			t := float64(o.size(int32(g)))
			tied += t * (t*t - 1)
		}
	}
	n, k := float64(f.Blocks), float64(f.Treatments)
	f.MeanRanks = make([]float64, f.Treatments)
	squares := 0.0
	for j, d := range doubled {
		f.MeanRanks[j] = d / 2 / n
		d -= n * (k + 1)
		squares += d * d
	}
	if untied := n*k*(k*k-1) - tied; untied > 0 {
		f.Statistic = 3 * (k - 1) * squares / untied
		lnP := lnGammaTail((k-1)/2, f.Statistic/2)
		f.P, f.Log10P = math.Exp(lnP), lnP/math.Ln10
	}
	return f, nil
}

// checkBlocks refuses what no ranking of treatments can be made of.
func checkBlocks(blocks [][]float64) error {
	k := len(blocks[0])
	if k < 3 {
		return fmt.Errorf("%w: %d treatments, at least 3; two are compared by the Wilcoxon test", ErrRange, k)
	}
	for i, b := range blocks {
		if len(b) != k {
			return fmt.Errorf("%w: block 0 has %d treatments, block %d has %d", ErrLength, k, i, len(b))
		}
		if hasNaN(b) {
			return fmt.Errorf("%w in block %d; leave out incomplete blocks", ErrNaN, i)
		}
	}
	return checkSize(k)
}

// Nemenyi compares every two treatments of a Friedman test, at one level for all
// pairs together.
type Nemenyi struct {
	// CriticalDifference is the difference of mean ranks from which on a pair
	// differs at level alpha.
	CriticalDifference float64
	// P and Log10P are the p-values of every pair, 1 on the diagonal.
	P, Log10P [][]float64
}

// NemenyiTest is the test after Friedman's (Nemenyi, 1963; Demšar, J. Mach. Learn.
// Res. 2006, section 3.2.2): the difference of two mean ranks over
// sqrt(k(k+1)/(12n)) is compared with the studentised range of k groups with
// infinite degrees of freedom, scipy.stats.studentized_range.sf(q, k, inf). Ties
// are not corrected for, as there. alpha must lie strictly between 0 and 1. No
// blocks are an error.
func NemenyiTest(f Friedman, alpha float64) (Nemenyi, error) {
	if !(alpha > 0 && alpha < 1) {
		return Nemenyi{}, fmt.Errorf("%w: level %v, between 0 and 1", ErrRange, alpha)
	}
	k := f.Treatments
	if f.Blocks < 1 || k < 2 || k > MaxGroups {
		return Nemenyi{}, fmt.Errorf("%w: %d blocks of %d treatments, at least 1 of 2 to %d", ErrRange, f.Blocks, k, MaxGroups)
	}
	scale := math.Sqrt(float64(k) * float64(k+1) / (12 * float64(f.Blocks)))
	d := StudentisedRange{Groups: k, Freedom: math.Inf(1)}
	r := Nemenyi{CriticalDifference: d.Quantile(1-alpha) * scale, P: make([][]float64, k), Log10P: make([][]float64, k)}
	for i := range k {
		r.P[i], r.Log10P[i] = make([]float64, k), make([]float64, k)
		r.P[i][i] = 1
		for j := range i {
			p, log := d.Tail(math.Abs(f.MeanRanks[i]-f.MeanRanks[j]) / scale)
			r.P[i][j], r.P[j][i] = p, p
			r.Log10P[i][j], r.Log10P[j][i] = log, log
		}
	}
	return r, nil
}
