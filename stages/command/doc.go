// Package command is the stage kind `command "run"`: any program as a stage.
//
// What a program sees, and nothing else of nbpipe's own surroundings:
//
//   - A fresh working folder. Inputs lie at in/NAME, read-only: a file or folder
//     at exactly that name, a list at in/NAME/0, in/NAME/1 and so on, a map at
//     in/NAME/KEY; a table is comma-separated values with a header line. An input that was changed all the same fails the stage.
//   - A cleared environment: PATH as nbpipe has it; HOME and TMPDIR, one
//     empty folder; LANG=C.UTF-8, TZ=UTC; NBPIPE_SEED; OMP_NUM_THREADS, the
//     cores it may use; and three settings that take a common source of chance
//     out of results: PYTHONHASHSEED=0, SOURCE_DATE_EPOCH (1980-01-01, the
//     first day that a zip can hold), and PYTHONDONTWRITEBYTECODE=1, since
//     modules are imported from read-only inputs. A stage that asks for GPUs gets
//     CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER of its own. Then what the block asks for:
//     environment (names and values are part of the key), pass_environment
//     (names are, values are not: use it for what cannot change results, such as
//     LD_LIBRARY_PATH or a proxy) and secrets (neither; masked in the log).
//   - An empty standard input, no terminal, and a session of its own, which is
//     ended as a whole: at a time-out, when the run is stopped, and when the
//     program itself has ended and left others behind. In the sandbox, processes in
//     sessions of their own end with it, too.
//
// Only exit status 0 with every declared output counts as success (invariant
// I9). Undeclared files are dropped with a warning, or fail the stage under
// strict_outputs. A symbolic link in an output becomes a copy of the file it
// points at; one that leads out of the working folder is refused (I19), as is
// an output that holds the value of a secret (I21).
//
// Where the kernel can (see stages/sandbox), a program reads what was given to it
// and nothing else of the user's, so that its key says what its result comes from:
//
//   - It may read and run its inputs, the system's folders (sandbox.System), what
//     sandbox_read lists, the folders of PATH and of LD_LIBRARY_PATH, the programs
//     named in argv[0] and tools, and the installations that those programs and
//     folders belong to: a python of conda, pyenv or a virtual environment under
//     HOME needs no ceremony. HOME, the experiment's folder and the cache are never
//     opened as a whole because a program lies in them.
//   - It may write its working folder, HOME and TMPDIR (in the scratch folder),
//     /dev/null, /dev/shm and GPUs.
//   - It has no network, unless the block says network = true: a result that
//     depends on what a server sends today is not reproducible, and a dataset block
//     fetches a file once and checks it. Programs can still talk over 127.0.0.1.
//   - It may use the memory and the cores that resources { memory, cpus } say, where
//     they say something: by a cgroup, all its processes together, or else each process
//     that memory, and all of them that many cores, rounded up (see package sandbox).
//     They write what resources { disk } says; a program that almost fills the disk is
//     stopped in any case. OMP_NUM_THREADS says the cores, rounded down; 1 where the
//     block says nothing.
//
// A refused read fails inside the program (EACCES), which may cope: then it is a
// warning. Where the program fails, the error names the paths and the attribute to
// add. network and sandbox_read are part of the key, since they change what a
// program finds; how far the machine could enforce all this is not, and is kept
// with the entry (facts "sandbox" and "sandbox_missing").
//
// Tool probes, which run before there is anything else, are confined in the same
// way, without a network and with a folder of their own to write. Which machine a command runs on is the
// executors' matter, not this package's.
package command
