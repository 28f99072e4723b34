// Package wire writes an action down, so that another machine can run it, and reads
// it back: kind and version, evaluated attributes as canonical JSON with files by
// digest, what a report is told, outputs of tool probes, declared output types,
// resources. Whoever reads an action recomputes its key from what was read and
// refuses one that differs, so that nothing that matters can get lost on the way.
//
// Secrets are never written down: an action with a sensitive value is refused. No
// path of the sender is in it. How an action gets from one machine to another is
// decided in package queue.
package wire
