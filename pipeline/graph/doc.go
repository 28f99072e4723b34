// Package graph holds the dependency graph of an experiment's nodes as indexes:
// order, cycles, closures, a ready queue with in-degree counters, and drawings.
//
// It knows nothing of what a node is, and starts no goroutine: the one who runs
// the nodes asks the queue what is ready and says what is done.
package graph
