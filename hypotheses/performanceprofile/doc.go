// Package performanceprofile is the stage kind `hypothesis "performance_profile"`: how
// often is a method within a factor of the best? It redraws Figures 1, 2 and 6 of
// NAS-Bench-360 (Tu et al., arXiv 2110.05668, section 5.1).
//
// # What is computed
//
// A profile compares some methods on some tasks (Dolan and Moré, Mathematical
// Programming 2002). The ratio of a method on a task is its error over the lowest
// error that any of the profile's methods has there. rho(tau) of a method is the share
// of tasks on which its ratio is at most tau: a step function that rises from the share
// of tasks that it wins, at tau = 1, and is continuous from the right. The axis goes
// from 1 to the largest ratio of the profile.
//
// Per profile and method: wins, rho(1); area, the mean of rho over the axis. Per
// ordered pair: below, the share of the axis on which the first lies strictly below
// the second (not below and not above is equal), and below_log, the same on a
// logarithmic axis, since what "most of the axis" is depends on its scale; crossings,
// the tau at which the first overtakes the second, that is rises above it after it was
// below, with or without a stretch of equality between.
//
// A method without an error on some task of a profile (n/a) is left out of it, with a
// warning, and its outputs are null; with missing = "infeasible" it stays, its ratio
// there being infinite, so that its rho never reaches 1. An error of 0 is the best with
// ratio 1, and all other ratios on that task are infinite.
//
// best_of names the best of several methods on each task as a method of its own; n/a of
// some of them does not matter. It is an oracle's choice with hindsight, made anew in
// each redraw, and no method that anybody could run.
//
// # Intervals
//
// 95 % percentile intervals over redraws, in which every mean is drawn from a normal
// distribution with the standard error s.d./sqrt(n) (see package scores). Each redraw
// has an axis of its own. The bands of the figure and of the table curves are pointwise:
// each tau for itself.
//
// No verdict is formed here: that is for the `expect` blocks of the file.
package performanceprofile
