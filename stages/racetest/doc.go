// Package racetest tells tests whether the race detector watches them. It makes
// programs five to twenty times as slow, and finds nothing in what one goroutine does,
// however much that is. Such tests run without it only; each says why it is one.
//
// It is no way to keep concurrent code from the detector: what a test leaves out has to
// be under it in another test, on less data.
package racetest
