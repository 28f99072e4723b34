// Package plan says what a node's key is, why two keys differ, and what was
// true at the last run: the key's trace of fields, the manifest of an
// experiment's last keys (the baseline of "why" and a root of garbage
// collection), the lock file of fetched digests, and the cached plan that lets
// a run with nothing to do skip the language altogether.
//
// It decides nothing about execution and runs nothing: see pipeline/run.
package plan
