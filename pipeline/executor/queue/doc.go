// Package queue is the work area of a shared store, in which an executor leaves
// actions for workers, and workers say what becomes of them. Nothing else passes
// between the two, so either may die, come late, or be there twice.
//
// # Layout
//
//	actions/<sha256>                          a serialised action (package wire)
//	attempts/<queue>/tickets/<attempt>        made by the executor: which action to run, and the certificate to sign with
//	attempts/<queue>/claims/<attempt>         made by one worker, if there is none; written again as its sign of life
//	attempts/<queue>/logs/<attempt>/<number>  what the stage prints, a piece each
//	attempts/<queue>/results/<attempt>        what became of it, written once
//	attempts/<queue>/leave/<time>-<id>        made by the executor: one worker is to leave, another queue needs its place
//	attempts/<queue>/left/<time>-<id>         made by the worker that does
//	attempts/<queue>/cancelled/<attempt>      made by the executor: do not begin, or stop
//
// An attempt is named by the time at which it was asked for, in a form that sorts, and
// by the key of the action: <12 hexadecimal digits>-<key>. A queue belongs to one
// executor of one experiment and holds actions that any of its workers can run.
//
// # What holds
//
//   - Of two workers that claim an attempt, one gets it: the claim is made only if
//     there is none.
//   - A worker whose claim is not written again for some time is lost: the executor asks
//     for another attempt. If the worker was only slow, both run, and both results are
//     right: what an action makes is addressed by its key.
//   - A certificate ends. The executor writes tickets again before theirs do; a worker
//     reads its ticket again before it publishes.
//   - The entry is published before the result says so. The result is a message, and
//     no evidence: who reads it verifies the entry's signature.
//   - A worker whose machine is not fit for an action says so and leaves; that no
//     machine may run it is another result. Where it goes next the executor decides.
//   - Claims and results are signed by the run's key, marks of cancelled attempts and the
//     certificates in tickets by the user's; each names its queue and attempt. What bears
//     no such signature is passed over, as if it were not there, and replaced by who may.
//   - What is wrong with one object concerns one attempt.
//   - An executor that dies leaves tickets, which workers go on with; another one for the
//     same experiment finds them, and takes over.
//   - Ages are told by the store's clock alone. The executor deletes what an attempt left
//     once its result was taken; without the right to, a collection does.
//
// It runs nothing and starts nobody: see packages worker and remote.
package queue
