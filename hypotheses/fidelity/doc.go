// Package fidelity is the stage kind `hypothesis "fidelity"`: does a cheap evaluation,
// such as 12 epochs of training, tell which architectures are good after an expensive
// one, such as 200? Searches on NAS-Bench-201 rest on it (NATS-Bench, Dong et al.,
// TPAMI 2021); NAS-Bench-360 makes no claim of its own, so that all limits in
// experiments are ours.
//
// # What is computed
//
// For every pair of a low and a high fidelity: Spearman's rho and Kendall's tau-b over
// all architectures and over the unique cells (the smallest number of each isomorphism
// class); tau-b over the better half by the low fidelity, which a search would keep.
// And what is lost: the regret at k is the best value at high fidelity among the k best
// by low fidelity, less the best of all, ties at low fidelity by number. `chance` is
// the expected regret of k architectures drawn at random. k = 1 is a search that trusts
// the low fidelity; `best` describes what it would choose.
//
// # Intervals
//
// They answer "and with another draw of isomorphism classes?": classes are drawn with
// all their members (rho and regret: percentile bootstrap; tau-b: variance of the
// class-clustered U-statistic). A regret is measured against the best of the same
// resample. It hangs on a few architectures, so that its interval is coarse: it jumps
// between the values that these have.
package fidelity
