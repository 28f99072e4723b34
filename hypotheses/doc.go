// Package hypotheses lists the tests that nbpipe can re-run, as stage kinds
// under the keyword `hypothesis`. Each test is a package below this one:
//
//	ranktransfer         do architectures keep their ranks between tasks?
//	adaproxy             can a latency predictor be adapted to another device?
//	algorithmcomparison  does a search find better cells than random sampling?
//	edgeorder            were cells that came as codes decoded in the right order?
//	estimates            numbers of other nodes, to be judged
//	latencymonotonicity  do devices agree on which architectures are fast?
//	meandifference       do two groups of values differ, such as errors of trainings?
//	methodranking        which method is the best over several tasks?
//	operationimportance  which operations matter on which task?
//	paired               is the first of each pair lower than the second?
//	performanceprofile   how often is a method within a factor of the best?
//
// They share packages: stats (rank statistics, tests and intervals on slices),
// tasks (values of the same architectures on several tasks), scores (errors of
// methods on tasks), estimate (output values), pareto (trade-offs) and figure (SVG).
//
// A test computes numbers and draws figures. What was claimed, and whether it
// holds, is said in the experiment's file by `expect` blocks.
package hypotheses
