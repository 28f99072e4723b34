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
//   - Memory, by a limit on what each process may allocate (RLIMIT_DATA); the
//     address space is not limited, since GPU libraries reserve a lot of it.
//   - Privileges of set-user-ID programs, core dumps, and open files other than
//     the three standard ones. The umask is 022.
//
// What the program starts ends with it, also in sessions of its own making: when the
// program has ended, when it is to be ended, and when nbpipe itself was killed. A
// program that kills the helper above it gets around that.
//
// Which paths were denied is told by a watcher, a seccomp notifier that sees each
// open and exec and lets all of them pass: it only looks, and Landlock decides.
//
// It is no defence against a program that attacks the kernel, and it does not hide
// what exists: names, sizes and times of files can be seen. Sockets that have a
// name in the file system can be connected to. How much processor time a program
// uses is not limited.
//
// Which folders programs need on a usual machine is said by Programs and System.
package sandbox
