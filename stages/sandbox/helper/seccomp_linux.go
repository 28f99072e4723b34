package helper

import (
	"syscall"
	"unsafe"
)

// Numbers and structures of linux/seccomp.h, linux/filter.h.
const (
	setModeFilter   = 1
	flagNewListener = 1 << 3
	flagWaitKill    = 1 << 5 // a signal does not break off a call that is being looked at (Linux 6.0)

	retAllow  = 0x7fff0000
	retErrno  = 0x00050000
	retNotify = 0x7fc00000

	bpfLoad  = 0x20 // BPF_LD | BPF_W | BPF_ABS
	bpfEqual = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
	bpfRet   = 0x06

	dataNumber = 0 // offsets in seccomp_data
	dataArch   = 4
	dataArg0   = 16 // its low half: both architectures are little endian

	familyInet, familyInet6, familyPacket, familyVsock = 2, 10, 17, 40
)

type instruction struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

type program struct {
	n    uint16
	code *instruction
}

// filter is what seccomp decides by: calls of Calls.Watched are looked at, where
// watch is set, and internet sockets fail where offline is. All else passes.
func filter(c Calls, watch, offline bool) []instruction {
	out := []instruction{
		{bpfLoad, 0, 0, dataArch},
		{bpfEqual, 1, 0, c.arch},
		{bpfRet, 0, 0, retAllow}, // another architecture's programs are not looked at
		{bpfLoad, 0, 0, dataNumber},
	}
	if watch {
		for _, n := range c.Watched {
			out = append(out, instruction{bpfEqual, 0, 1, n}, instruction{bpfRet, 0, 0, retNotify})
		}
	}
	if offline {
		// io_uring would make sockets past this filter.
		out = append(out, instruction{bpfEqual, 0, 1, c.uring}, instruction{bpfRet, 0, 0, retErrno | uint32(syscall.ENOSYS)},
			instruction{bpfEqual, 1, 0, c.socket}, instruction{bpfRet, 0, 0, retAllow}, instruction{bpfLoad, 0, 0, dataArg0})
		for _, family := range []uint32{familyInet, familyInet6, familyPacket, familyVsock} {
			out = append(out, instruction{bpfEqual, 0, 1, family}, instruction{bpfRet, 0, 0, retErrno | uint32(syscall.ENETUNREACH)})
		}
	}
	return append(out, instruction{bpfRet, 0, 0, retAllow})
}

// install puts a filter on this thread; with listen, it returns the descriptor by
// which calls are looked at, else -1.
func install(code []instruction, listen bool) (int, *setupError) {
	prog := program{uint16(len(code)), &code[0]}
	flags := uintptr(0)
	if listen {
		flags = flagNewListener | flagWaitKill
	}
	fd, _, errno := syscall.RawSyscall(sysSeccomp, setModeFilter, flags, uintptr(unsafe.Pointer(&prog)))
	if errno == syscall.EINVAL && listen {
		fd, _, errno = syscall.RawSyscall(sysSeccomp, setModeFilter, flagNewListener, uintptr(unsafe.Pointer(&prog)))
	}
	if errno != 0 {
		return -1, &setupError{"seccomp", errno}
	}
	if !listen {
		return -1, nil
	}
	return int(fd), nil
}

// Calls are the numbers of system calls that a filter is about.
type Calls struct {
	Watched          []uint32 // open, openat, openat2, execve, execveat
	Open             uint32   // its path is the first argument; others' the second, but for execve
	Openat, Openat2  uint32
	Execve, Execveat uint32

	arch          uint32
	socket, uring uint32
}
