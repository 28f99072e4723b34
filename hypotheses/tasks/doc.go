// Package tasks gathers what hypotheses compare: the values that the same
// architectures of NAS-Bench-201 have on several tasks, taken from one or more
// tables and put into the benchmark's order, together with the architectures'
// isomorphism classes.
//
// Checks of the attributes by which blocks name tasks are here, too (check.go).
//
// It reads artifacts only; files of other formats become artifacts in
// preprocess "benchmark_table".
package tasks
