// Package process starts workers as processes of this machine: `executor "process"`.
// It is for trying out, and for testing, what runs on a cluster: everything goes
// the way over the shared store. Stages that run on this machine anyway need no
// executor.
//
// A worker outlives the controller that started it. Each has a folder of its own,
// named by its ID, below the site's; the lock on a file there says that it is alive,
// so that another controller finds it, and so that no process ID is ever believed.
package process
