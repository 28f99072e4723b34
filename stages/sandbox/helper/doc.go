// Package helper is the process that stands between nbpipe and a confined program:
// this executable once more, under another name. It gives up rights one by one,
// starts the program, which inherits what is left, and waits for it. See package
// sandbox for what it gives up, and why.
//
// It stays until everything that the program started has ended, in whatever session
// that is: the kernel makes it the parent of what loses its own
// (PR_SET_CHILD_SUBREAPER), and it ends all of them when the program has ended, when
// nbpipe says so, and when nbpipe is gone, which closes the socket between them. It
// ends itself the way the program did, by exit status or signal.
//
// Only the thread that starts the program is confined; those that end what it left
// behind are not. The process cannot be looked into by what it watches (it is not
// dumpable), but it can be ended by it: then the kernel ends the program.
//
// It imports hardly anything. Go initialises packages in the order of their import
// paths among those whose imports are ready, and init here never returns in the
// helper: so nothing that nbpipe imports beside is initialised before the program
// runs, which would take longer than a trivial program does.
package helper
