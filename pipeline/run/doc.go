// Package run walks an experiment's graph: it finds what has a trusted result
// already, runs the rest through an executor as fast as the dependencies and
// the machine allow, and says what happened, as events.
//
// One goroutine decides everything and owns all state; executors run in their
// own goroutines and hand results back. Terminals, colours and exit codes are
// the business of cmd/nbpipe.
package run
