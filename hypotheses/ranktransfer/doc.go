// Package ranktransfer is the stage kind `hypothesis "rank_transfer"`: do
// architectures that rank high on one task rank high on others? It re-runs the
// test behind Figure 3 of NAS-Bench-360 (Tu et al., arXiv 2110.05668, section
// 5.2), which the paper shows without coefficients.
//
// # What is computed
//
// Between the task `from` and each task of `to`: Spearman's rho and Kendall's
// tau-b over all architectures and over the unique cells (the smallest number
// of each isomorphism class), the overlap of the tops, and rho on the best half
// by `from`. Between all tasks: rho and tau-b of every pair. Per task: the best
// cell, and the noise ceiling, rho between isomorphic cells, which are the same
// function trained twice: with one pair a class, its two smallest numbers, over
// the classes that have two.
//
// # Ties
//
// `rounding` gives tasks whose values are multiples of 1/d but for averaging
// noise (NinaPro: 1/659). All outputs use the rounded values, except
// spearman_raw and kendall_raw, which use them as they are, and best, which
// names the smallest raw value, ties by number, and counts what ties with it
// after rounding. Tops take ties by number.
//
// # Intervals
//
// The space's architectures are a population, so a value is exact. An interval
// answers "and with another draw of isomorphism classes?": classes are drawn
// with all their members (Spearman: percentile bootstrap; tau-b: variance of
// the class-clustered U-statistic, see stats.KendallClustered). Resamples of
// all pairs draw the same classes. p-values test independence of the ranks and
// are descriptive; log10_p is given since p underflows. An overlap is compared
// with chance (hypergeometric) and has no interval.
//
// No verdict is formed here: that is for the `expect` blocks of the file.
package ranktransfer
