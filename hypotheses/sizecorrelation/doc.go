// Package sizecorrelation is the stage kind `hypothesis "size_correlation"`: are
// larger models better? It re-runs the test behind Figure 5 of NAS-Bench-360 (Tu et
// al., arXiv 2110.05668, appendix D.7), which prints Pearson's r between parameters
// and score of 30 random architectures a task.
//
// # What is computed
//
// Per sample of architectures: Pearson's r with Fisher's interval; the same with a
// BCa bootstrap interval over architectures, since scores are far from normal;
// Spearman's rho, with a BCa interval, too, since r is one outlier's prey; how many
// different sizes there are. `r` is Pearson's r as a bare number, to be held against
// a printed one: whether a paper's arithmetic is right is no question of sampling.
// Between every two samples: the difference of r by Fisher's z.
//
// # What it cannot say
//
// Thirty architectures cannot show that there is no relation: an r of 0 has an
// interval from -.36 to .36. An expectation of "no relation" should ask whether the
// whole interval is near 0, and is then at most inconclusive.
//
// The same question for whole tables of architectures is that of parameters as a
// zero-cost proxy: hypothesis "proxy_correlation".
package sizecorrelation
