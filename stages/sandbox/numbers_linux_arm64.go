package sandbox

const sysSeccomp = 277

// native are the numbers of this architecture (asm-generic/unistd.h), which has no open.
func native() (calls, bool) {
	c := calls{arch: 0xC00000B7, open: 1 << 31, openat: 56, openat2: 437, execve: 221, execveat: 281, socket: 198, uring: 425}
	c.watched = []uint32{c.openat, c.openat2, c.execve, c.execveat}
	return c, true
}
