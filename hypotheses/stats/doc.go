// Package stats holds the rank correlations, tests and intervals by which
// hypotheses are judged. Every function is a pure function of float64 slices:
// no input or output, no package state, no clock, nothing of the project
// imported, so that stages may use it, too. Reading tables and forming verdicts
// belong to the packages above.
//
// # Undefined results
//
// The rules are the same everywhere and follow SciPy's
// nan_policy="propagate":
//
//   - a NaN anywhere in the input makes every float of the result NaN;
//   - a statistic that does not exist (too few values, a constant sample) is
//     NaN, and so is its p-value;
//   - an infinity is a value like any other where only the order matters
//     (ranks, Spearman, Kendall, overlap, quantiles, boxes) and makes
//     Pearson's r NaN;
//   - negative zero equals zero.
//
// The tests that compare treatments (Friedman, Nemenyi, Wilcoxon, Mann-Whitney)
// and the corrections of p-values refuse a NaN instead: it stands for a result
// that is missing, and SciPy's nan_policy="raise" is the only safe answer.
//
// Errors are kept for calls that cannot be meant: samples of unequal length,
// k outside 0..n, no resamples. They wrap the sentinel errors of this package.
//
// # p-values
//
// A p-value is two-sided unless its docstring says otherwise. It is given twice,
// as P and as Log10P, because at benchmark sizes P underflows to 0; Log10P is
// computed in log space and stays accurate far below 1e-300.
//
// # Randomness
//
// Functions that resample take a seed. Resample number b draws from its own
// PCG stream, derived from seed and b alone, so that results are bit-identical
// for every GOMAXPROCS (on another architecture, fused multiply-adds may change
// the last bits).
package stats
