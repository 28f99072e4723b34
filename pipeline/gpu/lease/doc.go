// Package lease keeps GPUs from being used by two processes of one user at a time:
// two runs on a workstation, the workers of an executor on one host, or both.
//
// A lease is a lock (flock) on a file that belongs to the GPU, in a private folder of
// the user's on this machine. The kernel lets go of it when its process dies, however
// that happens; programs that the process starts do not inherit it.
//
//	<folder>/<uuid>            locked by whoever has the GPU; names the process
//	<folder>/<number>          the same for who knows no more than nvidia-smi's number
//	<folder>/<name>.wanted     locked, shared, by those that wait for it
//
// # What holds
//
//   - Of two processes one gets a GPU, and the other is told which process has it.
//   - Nobody waits while holding something: several GPUs are taken at once or not at
//     all, and no lock is waited for. So there is no deadlock.
//   - Processes take turns: one that gives a GPU back while another waits for it leaves
//     it alone for some seconds. Who needs several at once has no such promise, and may
//     wait until a process with many small stages has none left.
//   - Where a process was killed, its GPU is given out a little later: the kernel ends
//     the programs that it had started, what those had started is ended here, and the
//     driver needs a moment to clear the memory.
//
// A lease is a process's. Stages of one run that share a GPU do so in package run;
// between processes a share counts as a whole one. Programs other than nbpipe, and
// other users, know nothing of all this. Under a scheduler GPUs are the scheduler's to
// give, and no leases are taken (see cmd/nbpipe).
//
// The folder is the same whatever the session: neither TMPDIR nor XDG_RUNTIME_DIR, which
// goes when the user logs out while a detached run goes on. Since anybody may make
// folders in /tmp, it is used only if it is the user's and closed to others, and no
// link is followed.
package lease
