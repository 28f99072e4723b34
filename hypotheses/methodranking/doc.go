// Package methodranking is the stage kind `hypothesis "method_ranking"`: which of
// several methods is the best over several tasks? It re-runs Table 3 of
// NAS-Bench-360 (Tu et al., arXiv 2110.05668, section 5.1) from the errors of its
// Table 2, and the tests that such a table asks for.
//
// # What is computed
//
// On each task, the methods that have an error there are ranked, 1 the lowest error,
// ties sharing the average rank. Per method: the median of its ranks over its tasks,
// and the median over tasks of its improvement on a baseline, in per cent of the
// baseline's error. Methods need not have the same tasks, so median ranks may be of
// different tasks: n says of how many.
//
// Per ordered pair of methods, over the tasks that both have: on how many the first
// has the lower error, and its gain in per cent of the second's error, task by task;
// the sign test, which asks only who is lower, and the Wilcoxon test on the logarithms
// of the errors' ratios, which asks by how much (Demšar, J. Mach. Learn. Res. 2006,
// section 3.1.3). Neither is adjusted for the number of pairs.
//
// Over the methods that have an error on every task (complete blocks): Friedman's
// test, mean ranks, and Nemenyi's test with its critical difference (Demšar, section
// 3.2.2). It compares all pairs at one level. With few tasks it finds only large
// differences: for five methods on ten tasks mean ranks must be 1.93 apart, of the 4
// that are possible. That it finds none says how few tasks there are, not that methods
// are alike.
//
// # Intervals
//
// 95 % percentile intervals over redraws, in which every mean is drawn from a normal
// distribution with the standard error s.d./sqrt(n) (see package scores). They answer
// "and with other seeds?" and say nothing about other tasks. Values that tie in print
// differ in redraws, so that an interval of ranks may lie beside its value.
//
// No verdict is formed here: that is for the `expect` blocks of the file.
package methodranking
