// Package launch is what stands between the executor of actions on other machines
// (package remote) and the way in which workers get started there: by Slurm, over
// ssh, as processes of this machine. A launcher starts copies of `nbpipe worker`,
// tells which of them wait, run or have ended, and ends them. A Kind is a type of
// `executor "TYPE" "NAME" { ... }` block, with the attributes that it takes.
//
// A launcher chooses the machine of a worker, keeps it off those that it is told to
// avoid, and tells it what its machine is called.
//
// A launcher knows no actions, no store and no results: whether an action is done
// is read in the store, and never concluded from what becomes of a worker.
package launch
