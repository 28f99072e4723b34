package helper

import "syscall"

// Descriptors of the helper beside the three standard ones.
const (
	reportFd = 3 // a socket to nbpipe: reports go there, and what comes is a request
	GroupFd  = 4 // of the cgroup, where there is one
)

// What begins a report. One that comes with a descriptor is the watcher's, and empty.
const (
	started = 'p' // the program runs; its number follows
	failed  = 'f' // a step failed; its errno and name follow
	found   = 's' // what a probe found follows
	left    = 'l' // the program has ended, and left others behind
)

// Report is a message of the helper.
type Report struct {
	Pid   int           // of the program, which was started
	Op    string        // the step that failed; OpExec where the program could not be run
	Errno syscall.Errno // 0 where the kernel has no word for it
	Left  bool
	Found *Support
}

// OpExec is the last step: becoming the program.
const OpExec = "exec"

// Support is what works on this machine.
type Support struct {
	Landlock             int  // version of the kernel's interface; 0 where files cannot be protected
	Loopback, Filter     bool // the network can be withheld: in a namespace; by a filter
	Watch, Limits, Cores bool
	Whole                bool   // all that a program starts can be found, and ended
	Why                  string // why something does not, in the kernel's words
}

// Parse reads a report; ok is false for what is none.
func Parse(b []byte) (r Report, ok bool) {
	if len(b) == 0 {
		return r, false
	}
	parts := fields(string(b[1:]))
	switch b[0] {
	case left:
		return Report{Left: true}, true
	case started:
		if n := decimals(string(b[1:])); len(n) == 1 {
			return Report{Pid: int(n[0])}, true
		}
	case failed:
		if n := decimals(first(parts)); len(n) == 1 && len(parts) == 2 {
			return Report{Errno: syscall.Errno(n[0]), Op: parts[1]}, true
		}
	case found:
		n := decimals(first(parts))
		if len(n) != 7 || len(parts) != 2 {
			return r, false
		}
		return Report{Found: &Support{int(n[0]), n[1] == 1, n[2] == 1, n[3] == 1, n[4] == 1, n[5] == 1, n[6] == 1, parts[1]}}, true
	}
	return r, false
}

func first(parts []string) string {
	if len(parts) == 0 {
		return ""
	}
	return parts[0]
}

func send(text string) bool { return syscall.Sendmsg(reportFd, []byte(text), nil, nil, 0) == nil }

// fail reports a step that failed; it returns the exit status.
func fail(err *setupError) int {
	send(string(rune(failed)) + decimal(int64(err.errno)) + ",\x00" + err.op + "\x00")
	return 1
}

func (s *Support) send() int {
	text := string(rune(found)) + decimal(int64(s.Landlock)) + ","
	for _, works := range []bool{s.Loopback, s.Filter, s.Watch, s.Limits, s.Cores, s.Whole} {
		if works {
			text += "1,"
		} else {
			text += "0,"
		}
	}
	send(text + "\x00" + s.Why + "\x00")
	return 0
}
