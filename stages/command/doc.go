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
//     modules are imported from read-only inputs. Then what the block asks for:
//     environment (names and values are part of the key), pass_environment
//     (names are, values are not: use it for what cannot change results, such as
//     LD_LIBRARY_PATH or a proxy) and secrets (neither; masked in the log).
//   - An empty standard input, no terminal, and a session of its own, which is
//     ended as a whole: at a time-out, when the run is stopped, and when the
//     program itself has ended and left others behind.
//
// Only exit status 0 with every declared output counts as success (invariant
// I9). Undeclared files are dropped with a warning, or fail the stage under
// strict_outputs. A symbolic link in an output becomes a copy of the file it
// points at; one that leads out of the working folder is refused (I19), as is
// an output that holds the value of a secret (I21).
//
// Which machine a command runs on, and with which resources, is the executors'
// matter, not this package's. It is no sandbox: a program can read the machine's
// files, and is trusted not to.
package command
