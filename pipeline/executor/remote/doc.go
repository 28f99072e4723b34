// Package remote runs actions on other machines: it leaves them in a queue of the
// shared store (package queue), asks a launcher for workers (package launch), and
// watches what becomes of them. It implements executor.Executor.
//
// One goroutine owns all state. It looks at the store once for all actions, by a few
// listings, less often the longer nothing happens, and at the launcher still less
// often, so that a controller costs next to nothing.
//
// Workers may be lost, late, or there twice; the store may be away for a while; this
// process may die, and another one find what it left (see package queue). What an
// action made is an entry that the user's key answers for, or it is nothing; it is
// published again under that key itself. What a worker of this run has not signed is
// passed over. An input is lost when this machine does not find it in the store, either.
//
// Until one worker has begun something there is one at a time, for it is not known
// whether machines reach the store (prove.go). An action that one machine is not fit for
// goes to another one (handon.go): its queue has workers on other machines only.
//
// Which nodes run here, and when, is decided in package run; how workers get started,
// by the launchers.
package remote
