// Package slurmtest brings up a Slurm cluster on this machine, for tests and for
// trying things out: slurmctld, several slurmd that each play a machine, and munge,
// from Debian's packages slurm-wlm and munge. It needs root, because slurmd does.
//
// Everything listens on 127.0.0.1, on ports that were free, and lives in one folder;
// no file and no daemon of the system is touched. Cores, memory and GPUs of the
// machines are made up: a GPU is a second name for /dev/null.
//
// Each daemon can be killed as a crash would ([Cluster.KillController],
// [Cluster.KillDaemon], [Cluster.KillMachine]) and started again.
package slurmtest
