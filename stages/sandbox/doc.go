// Package sandbox starts a program that can read what it was given and write its
// scratch folder, and nothing else of the machine.
//
// The program is started by way of a helper: this executable once more, under
// another name (see package helper), which gives up rights one by one and then
// starts the program. What it gives up is the kernel's to withhold from then on, for
// the program and all that it starts:
//
//   - Files, by Landlock (Linux 5.19 or newer; see landlock(7)): reading, running
//     and listing only below Policy.Read, changing only below Policy.Write. A
//     denied access is EACCES; stat works everywhere. Signals to processes
//     outside of the sandbox and abstract sockets are withheld, too (Linux 6.12).
//   - The network, by an empty network namespace with a loopback of its own,
//     where user namespaces are permitted; else by a filter under which no
//     internet socket can be made, loopback included.
//   - Memory, by a cgroup (version 2) of its own: what all its processes hold
//     together, without swap; pages of files that it has read are let go of first. Over
//     the limit, all of them end. Where no cgroup can be made, by a limit on what each
//     process may allocate (RLIMIT_DATA), so that a program with n processes gets n
//     times as much. The address space is not limited: GPU libraries reserve a lot.
//   - Processor time, by the same cgroup (cpu.max); else by affinity to as many cores
//     as were asked for, of those that nbpipe itself may use, and to different ones
//     for programs that run at the same time, also of other nbpipes (see cores). A
//     program can change its affinity back: this is against thoughtlessness. The
//     number of cores that a program is told changes, as under taskset or Slurm.
//   - Privileges of set-user-ID programs, core dumps, and open files other than
//     the three standard ones. The umask is 022.
//
// What the program starts ends with it, also in sessions of its own making: when the
// program has ended, when it is to be ended, and when nbpipe itself was killed. A
// program that kills the helper above it gets around that.
//
// Which paths were denied is told by a watcher, a seccomp notifier that sees each
// open and exec and lets all of them pass: it only looks, and Landlock decides. One
// thing it opens itself: the files by which a process names its own threads, without
// which CUDA does not start (/proc/self/task/*/comm). Where there is no watcher, users
// other than root may write to /proc instead.
//
// A user can make cgroups below those of a systemd session, in a terminal of the
// desktop or under `systemd-run --user --scope nbpipe run`, and not in a session of
// ssh, in a job of Slurm, which has limits of its own, or in most containers.
//
// It is no defence against a program that attacks the kernel, and it does not hide
// what exists: names, sizes and times of files can be seen, and the command lines of
// other processes. Sockets that have a
// name in the file system can be connected to.
//
// Which folders programs need on a usual machine is said by Programs, System and
// Devices: those of GPUs are among them, for CUDA /dev/nvidia* (with nvidia-uvm and
// nvidia-caps), /proc/driver/nvidia, /sys and the libraries below /usr and /opt. Its
// device nodes have to be there before: nvidia-modprobe, which makes missing ones, is
// a set-user-ID program, so that a machine without a desktop runs `nvidia-modprobe -u
// -c 0` when it starts.
package sandbox
