// Package proxycorrelation is the stage kind `hypothesis "proxy_correlation"`: do
// zero-cost proxies, scores of untrained networks, tell which architectures will be
// good? It re-runs on tables what NAS-Bench-360 (Tu et al., arXiv 2110.05668, Table 4)
// asks by training, and compares with published coefficients (White et al., ICLR Blog
// Track 2022).
//
// # What is computed
//
// For every task and proxy, over the architectures that have a row in all tables:
// Spearman's rho, Kendall's tau-b and Pearson's r of the proxy with how good an
// architecture is, positive where a better score goes with a better value, whatever
// the signs of both; and rho over the unique cells (the smallest number of each
// isomorphism class). With `rounding`, all but spearman_raw use the rounded values of
// a task, so that averaging noise breaks no ties.
//
// # Undefined scores
//
// A score that is NaN or infinite takes the worst rank, since a search that follows
// the proxy would not choose it; `undefined` counts them. Pearson's r leaves them out.
// A table of preprocess "zero_cost_proxies" has done the same already: its own output
// `undefined` counts them.
//
// # Intervals
//
// They answer "and with another draw of isomorphism classes?": classes are drawn with
// all their members (rho and r: percentile bootstrap; tau-b: variance of the
// class-clustered U-statistic). For a sample of the benchmark this is close to the
// interval of the sample. A published value is given to be drawn beside the recomputed
// one; verdicts are formed in the file.
package proxycorrelation
