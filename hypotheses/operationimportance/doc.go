// Package operationimportance is the stage kind `hypothesis
// "operation_importance"`: which operations of a cell matter on which task? It
// re-runs the test behind Figure 4 of NAS-Bench-360 (Tu et al., arXiv
// 2110.05668, section 5.2), after Wan et al., "On Redundancy and Diversity in
// Cell-based Neural Architecture Search" (ICLR 2022).
//
// # Operation importance
//
// Of each task the best `fraction` of all architectures is taken: errors sorted
// ascending, ties by number, the first round(fraction n). For each of their six
// edges the importance is the mean, over the four other operations on that edge,
// of the error with the other operation less the error as it is: how much worse
// the architecture gets without this operation there. Importances are pooled by
// the operation on the edge; `none` is dropped. A pool is described as a box
// plot: linear quartiles, whiskers at the last values within 1.5 IQR.
//
// An edge of which an alternative is not in the tables is left out.
//
// # Distance
//
// The distance of two tasks: importances divided by their task's interquartile
// range, all operations pooled, then the mean over the operations of the
// Wasserstein-1 distance between the two pools. The paper gives no statistic;
// this one is ours. Its interval answers "and with another draw of isomorphism
// classes?": classes are drawn with all their members, the same ones for both
// tasks, and the tops are chosen afresh, while importances stay those of the
// full tables. Resampling noise only adds to a distance, so that an interval
// leans upwards, the more the smaller the distance is.
//
// # Readings
//
// An operation is useful on a task by the rule `median` when its median is above
// the task's noise band, and by the rule `lower_quartile` when its lower
// quartile is; else it is redundant there. It is universally useful (redundant)
// when it is so on every task. The paper gives no rule; where the two disagree,
// the claim is open.
package operationimportance
