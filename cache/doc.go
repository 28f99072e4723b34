// Package cache keeps results under the keys that describe how they were made.
//
// Two levels, as in Go's own build cache: a Key says how something is made
// (an action), a Digest says what bytes it is (an output). An Entry, append-only,
// leads from a key to the digests of outputs; a blob leads from a digest to bytes.
// The types are distinct so that one is never used as the other.
//
// The package knows nothing of HCL, of experiments or of stage kinds: it stores
// what it is given, says truthfully what it has, and never hands out bytes that
// it has not verified. What a key consists of is decided in pipeline/plan and
// package stages; this package only fixes how fields are encoded (Preimage).
package cache
