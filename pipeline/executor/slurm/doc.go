// Package slurm starts workers as jobs of a Slurm cluster: `executor "slurm"`. It
// talks to the cluster by sbatch, squeue, sinfo, scontrol and scancel, and reads
// nothing but what they print; it needs no accounting database, no root and no
// daemon of its own.
//
// A worker is one task of a job array. It is known by the job's comment, which names
// the batch that it was submitted with, and by its index in the array. The job's
// number is never believed alone: a controller of Slurm that comes back after a crash
// gives the same numbers to other jobs.
//
// What a cluster does, and what is done about it:
//
//   - Its controller hangs or is away: each call ends after a while, polls get rarer,
//     workers go on. A submission that was not answered is void: should its jobs
//     begin, they end at once.
//   - A machine dies: Slurm queues its jobs again, with the same comment. Whoever
//     waits for the work does not wait for that; two runs of an action are harmless.
//   - nbpipe's controller dies: what it had submitted stands in files of the site's
//     folder, and another controller goes on with it.
//
// Where a stage asks for a model of GPUs, the type that sinfo lists under that name is
// asked for. Machines that a worker is to avoid are excluded.
//
// Jobs get nothing of nbpipe's environment (--export=NIL), and no secret stands in
// their scripts. The site's folder has to be there on all machines, at the same path.
package slurm
