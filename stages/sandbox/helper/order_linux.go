package helper

import "syscall"

// Name is the helper's argv[0]. No user starts a program under this name.
const Name = "nbpipe: sandbox"

// Order is what nbpipe tells the helper by its arguments: numbers in one, then
// paths, then the program and its own arguments. The environment is the program's.
type Order struct {
	Read, Write []string // as in Policy of package sandbox
	Cores       []int    // that the program may run on; none for those it would have
	Memory      int64    // bytes that each process may allocate; 0 means no limit
	Landlock    int      // version to use; 0 where files are not protected
	Group       int      // descriptor of the cgroup that the program starts in; 0 for none

	Offline  bool // by a filter
	Loopback bool // bring it up: the network namespace is a new one
	Watch    bool
	Session  bool // the program gets a session of its own
	Probe    bool // only try, and report what works
}

// Arguments are the helper's.
func (o *Order) Arguments(program string, argv []string) []string {
	numbers := []int64{int64(len(o.Read)), int64(len(o.Write)), int64(len(o.Cores)), o.Memory, int64(o.Landlock), int64(o.Group)}
	for _, set := range o.switches() {
		n := int64(0)
		if *set {
			n = 1
		}
		numbers = append(numbers, n)
	}
	for _, c := range o.Cores {
		numbers = append(numbers, int64(c))
	}
	text := ""
	for _, n := range numbers {
		text += decimal(n) + ","
	}
	out := make([]string, 0, 3+len(o.Read)+len(o.Write)+len(argv))
	out = append(append(append(out, Name, text), o.Read...), o.Write...)
	return append(append(out, program), argv...)
}

func (o *Order) switches() []*bool {
	return []*bool{&o.Offline, &o.Loopback, &o.Watch, &o.Session, &o.Probe}
}

// parse is the inverse of Arguments.
func parse(args []string) (o Order, program string, argv []string, ok bool) {
	if len(args) < 2 {
		return o, "", nil, false
	}
	n, switches := decimals(args[1]), o.switches()
	const fixed = 6
	if len(n) < fixed+len(switches) {
		return o, "", nil, false
	}
	o.Memory, o.Landlock, o.Group = n[3], int(n[4]), int(n[5])
	for i, set := range switches {
		*set = n[fixed+i] == 1
	}
	for _, c := range n[fixed+len(switches):] {
		o.Cores = append(o.Cores, int(c))
	}
	read, write, rest := int(n[0]), int(n[1]), args[2:]
	if int(n[2]) != len(o.Cores) || read < 0 || write < 0 || len(rest) < read+write+1 {
		return o, "", nil, false
	}
	o.Read, o.Write, rest = rest[:read], rest[read:read+write], rest[read+write:]
	return o, rest[0], rest[1:], true
}

func decimal(n int64) string {
	if n < 0 {
		return "-" + decimal(-n)
	}
	var digits [20]byte
	at := len(digits)
	for {
		at--
		digits[at] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return string(digits[at:])
		}
	}
}

// decimals reads numbers that each end in a comma.
func decimals(text string) []int64 {
	var out []int64
	n := int64(0)
	for i := range len(text) {
		if text[i] == ',' {
			out, n = append(out, n), 0
			continue
		}
		n = 10*n + int64(text[i]-'0')
	}
	return out
}

// commandLine are this process's arguments, if it is the helper: package os, which
// has them, would be initialised first.
func commandLine() []string {
	fd, err := syscall.Open("/proc/self/cmdline", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = syscall.Close(fd) }()
	buf, n := make([]byte, 4<<10), 0
	for {
		got, err := syscall.Read(fd, buf[n:])
		if err == syscall.EINTR { //nolint:errorlint // it is an Errno
			continue
		}
		if err != nil || got <= 0 {
			return fields(string(buf[:n]))
		}
		if n += got; n <= len(Name) || string(buf[:len(Name)+1]) != Name+"\x00" {
			return nil
		}
		if n == len(buf) {
			buf = append(buf, make([]byte, len(buf))...)
		}
	}
}

// fields are the parts of a text that end in a NUL character.
func fields(text string) []string {
	var out []string
	start := 0
	for i := range len(text) {
		if text[i] == 0 {
			out, start = append(out, text[start:i]), i+1
		}
	}
	return out
}
