// Package ssh starts workers on a list of machines that the user can log in to:
// `executor "ssh"`, for a lab that has some machines and no scheduler. It talks to
// them by the user's own ssh program, so ports, identity files, jump hosts and known
// hosts are as ~/.ssh/config has them. nbpipe never asks for a password and never
// takes a host's key as known: connect to each host by hand once.
//
//	executor "ssh" "lab" {
//	  hosts = ["anna@ant", "anna@bee"]
//	  slots = 4
//	  gpus  = 1
//	}
//
// A host needs an account, Linux of the same architecture, flock, setsid, sha256sum,
// gzip, ps and 100 MB or so below ~/.cache; nothing is installed by root. The store has to be one that
// all of them reach: S3, or a folder that is there on each at the same path.
//
// What is done on a host, all of it below ~/.cache/nbpipe:
//
//	bin/<sha256>/nbpipe         the nbpipe program, copied once for each version, to one host at a
//	                            time; removed when it was not used for a month
//	bin/<sha256>.part           a copy of it, packed, that is not whole yet: the next one goes on there
//	ssh/<site>/files/           what workers read: keys and credentials, mode 0600
//	ssh/<site>/workers/<id>/    one for each worker: its lock, log, process ID and GPUs
//
// Secrets go over the standard input of ssh, never as arguments or in the environment.
// Files that changed here are written there again, so that credentials stay fresh. They go
// with the last worker on the host: each has a process beside it that waits for its end,
// however it comes, since nbpipe may be gone by then.
//
// # What happens when
//
//   - The connection is cut: the worker belongs to no session of ssh, and goes on. Its
//     signs of life in the store (see package queue) decide whether its action is begun
//     again elsewhere, not the connection: until a host was silent for some minutes its workers
//     are told as they were last seen. A worker whose attempt was given up ends it by
//     itself, or publishes the same result.
//   - A host does not answer, lacks room or a program, or has another architecture: it
//     is not used, the user is told why, and workers that wait say so. It is looked at again
//     from time to time.
//   - nbpipe dies: the next one lists the workers' folders on the hosts. A lock there,
//     which the worker holds as long as it lives, says that it is alive; a process ID is
//     believed only while the lock is held.
//   - A worker is cancelled: its process group is told to end, and all of its session is
//     killed some seconds later, by the host itself, connection or not.
//
// Connections are shared: one master a host, with its socket in a private folder,
// closed at the end. No cores, memory or time are enforced here: machines are shared
// by agreement. No more GPUs are given out than gpus says; which of a host's a worker
// uses is found there, where leases keep it off those that the same user's other runs and
// workers use (see package lease). What other users do on the machine is not known.
package ssh
