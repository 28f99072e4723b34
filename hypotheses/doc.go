// Package hypotheses lists the tests that nbpipe can re-run, as stage kinds
// under the keyword `hypothesis`. Each test is a package below this one:
//
//	ranktransfer         do architectures keep their ranks between tasks?
//	algorithmcomparison  does a search find better cells than random sampling?
//	estimates            numbers of other nodes, to be judged
//	landscape            are architectures that look alike equally good?
//	meandifference       do two groups of values differ, such as errors of trainings?
//	operationimportance  which operations matter on which task?
//	paired               is the first of each pair lower than the second?
//	spaceshrinking       what is a shrunk space worth beside another one of its size?
//
// They share packages: stats (rank statistics, tests and intervals on slices),
// tasks (values of the same architectures on several tasks), estimate (output
// values) and figure (SVG).
//
// A test computes numbers and draws figures. What was claimed, and whether it
// holds, is said in the experiment's file by `expect` blocks.
package hypotheses
