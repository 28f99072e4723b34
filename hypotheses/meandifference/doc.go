// Package meandifference is the hypothesis kind `hypothesis "mean_difference"`: are
// the values of one group lower, on average, than those of another, such as the
// errors of a found architecture's trainings and of drawn architectures?
//
// Groups are independent samples. The interval is Welch's, which lets their
// variances differ; the p-value is that of the permutation test of the means, exact
// where the splits of all values into two groups of these sizes are at most as many
// as `splits`. p is two-sided and descriptive: a verdict is by the difference and its
// interval.
package meandifference
