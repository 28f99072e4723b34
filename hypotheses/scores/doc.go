// Package scores holds what methods achieved on tasks, as a paper prints it: a mean
// error, its standard deviation over seeds, and how many seeds there were. Hypotheses
// about methods share it: input attributes and their checks, the table of means, and
// its redraws, in which every mean is drawn anew from a normal distribution around
// itself with the standard error s.d./sqrt(n). A mean without a standard deviation
// stays as it is; if none has one, there are no redraws and no intervals.
//
// Lower is better. A method need not have a score on every task (n/a).
//
// Redraws answer "and with other seeds?". They add the noise of seeds to means that
// have it already, so that close methods look closer: redrawn ranks lie nearer to
// the middle than the printed ones. They say nothing about other tasks.
package scores
