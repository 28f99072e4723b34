// Package worker runs the actions of a queue, one after the other, until there are
// none or its time is over: what `nbpipe worker` does. It pulls inputs from the shared
// store into its machine's local one, runs the action with executor.Local in a scratch
// folder of its own, publishes content, then the signed entry, then says so. While it
// runs it gives signs of life and passes on what the stage prints.
//
// It believes nothing that lies in the store: an action is run only under a
// certificate of the user that names it and the attempt, with the key that follows from
// what was read, on a machine whose tools say what the key says. What another machine may be
// fit for is told apart from what none may run. A copy of an action that runs
// elsewhere at the same time does no harm.
//
// One that cannot reach the store gives up within a minute, and says why in one line:
// the last one that it prints is what its user reads.
//
// An action that asks for GPUs gets some that no other process of the user has (package
// lease), and is waited with until there are; its signs of life go on, and say so. Within
// a scheduler's job GPUs are the job's, and nobody is asked.
//
// A store that is away is waited for, before a stage and after it. What this machine has
// made and not published yet is published, and not made again.
//
// Who starts workers, and how many, is decided in package remote.
package worker
