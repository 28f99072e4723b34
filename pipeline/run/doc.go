// Package run walks an experiment's graph: it finds what has a trusted result
// already, runs the rest through an executor as fast as the dependencies and
// the machine allow, and says what happened, as events.
//
// GPUs that other processes of the user have (see package lease) are waited for: nodes
// that need one hold nothing meanwhile, and hold up nobody who does not.
//
// One goroutine decides everything and owns all state; executors run in their
// own goroutines and hand results back. Terminals, colours and exit codes are
// the business of cmd/nbpipe.
package run
