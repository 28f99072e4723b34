// Package algorithmcomparison is the stage kind `hypothesis
// "algorithm_comparison"`: does a search find better architectures than others,
// and than random sampling above all, for the same budget? The comparison is that
// of NATS-Bench (Dong et al., TPAMI 2021, section 5), with intervals.
//
// # What is computed
//
// A search is judged by the regret of what its runs return: the distance of the
// reported value from the best of the table, so that lower is better on every
// task. Per task and algorithm: the mean regret; the mean rank among the
// algorithms (1 the best, ties share), run i of each against run i of the others,
// which have nothing in common but the number; and, against the reference,
//
//   - gain, the reference's mean regret minus the algorithm's: above 0 is better;
//   - wins, the share of all pairs of runs in which the algorithm's regret is
//     lower, ties counting half (Mann and Whitney, 1947);
//   - p, two-sided, of a permutation test on the difference of mean regrets: over
//     all splits of the runs where they are few, else over drawn ones. It is not
//     adjusted for the number of algorithms.
//
// mean_rank averages the ranks over tasks.
//
// # Intervals
//
// 95 % percentile bootstrap intervals over runs: tables are fixed, and chance
// enters by the runs alone. They say nothing about other tasks: three vision
// tasks are no sample of tasks.
//
// # Budgets
//
// Costs are compared, too: a warning says so where an algorithm spent more than 5 %
// more or less than the reference.
//
// No verdict is formed here: that is for the `expect` blocks of the file.
package algorithmcomparison
