// Package latencymonotonicity is the stage kind `hypothesis "latency_monotonicity"`:
// do devices agree on which architectures are fast? If so, one of them can stand in
// for the others: architectures that are Pareto-optimal by its latencies are so, or
// nearly so, by theirs (Lu et al., "One Proxy Device Is Enough for Hardware-Aware
// Neural Architecture Search", SIGMETRICS 2022, arXiv 2111.01203, sections 3 and 4).
//
// # What is computed
//
// Between every two devices: SRCC, Spearman's rho of their latencies over the cells
// that were measured on both. From `strong` on (the paper: 0.9) monotonicity is
// strong. strong_share is the share of strong pairs. clusters are groups of devices
// that are all strong with each other, found by complete linkage: the two clusters
// are joined whose weakest pair is the strongest, while that pair is strong. One
// proxy serves a cluster, so that their number is that of the proxies needed.
//
// With `accuracy`, for every ordered pair of devices: the cells that are
// Pareto-optimal by accuracy and the proxy's latency are measured on the target, and
// those beaten there by another of them are dropped, as in the last step of the
// paper's flow. What is left is compared with the target's own Pareto-optimal cells:
// shares, hypervolume, and regret, the loss of accuracy at equal latency (see
// hypotheses/pareto). Accuracies are those of the table, where the paper's searches
// used predictors: what is measured is the loss by the latencies alone.
//
// # Intervals
//
// 95 % percentile bootstrap of isomorphism classes, drawn with all their measured
// cells: latencies of isomorphic cells are alike, and drawing cell by cell would make
// intervals too narrow. All pairs see the same draws, so that strong_share has an
// interval, too. The transfer of Pareto sets is exact for the given cells.
//
// `representatives` keeps of each class the smallest number: for tables whose
// latencies were measured on these, and copied to the other cells of the class.
//
// No verdict is formed here: that is for the `expect` blocks of the file.
package latencymonotonicity
