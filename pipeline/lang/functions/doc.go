// Package functions is the table of functions that expressions may call. They
// are pure: what they give depends on their arguments and, for path, file and
// fileset, on the experiment's own files. There is no time, no random number,
// no environment and no network.
//
// Every result is bounded, so that no call can take memory out of proportion to
// the file that holds it: see limits.go.
package functions
