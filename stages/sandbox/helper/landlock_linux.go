package helper

import (
	"syscall"
	"unsafe"
)

// Numbers and structures of linux/landlock.h.
const (
	sysCreateRuleset = 444 // on every architecture
	sysAddRule       = 445
	sysRestrictSelf  = 446

	createRulesetVersion = 1
	rulePathBeneath      = 1

	accessExecute  = 1 << 0
	accessWrite    = 1 << 1
	accessRead     = 1 << 2
	accessReadDir  = 1 << 3
	accessTruncate = 1 << 14
	accessAll2     = 1<<14 - 1 // what version 2 knows
	accessAll3     = 1<<15 - 1 // version 3: truncating, too

	scopeAbstractSocket = 1 << 0
	scopeSignal         = 1 << 1

	openPath = 0x200000 // O_PATH
)

// leastLandlock is the version that lets programs move files between folders.
const leastLandlock = 2

// landlockVersion is 0 where the kernel has no usable Landlock.
func landlockVersion() (int, *setupError) {
	v, _, errno := syscall.RawSyscall(sysCreateRuleset, 0, 0, createRulesetVersion)
	switch {
	case errno != 0:
		return 0, &setupError{"landlock", errno}
	case v < leastLandlock:
		return 0, &setupError{"landlock: version " + decimal(int64(v)) + " is too old", 0}
	}
	return int(v), nil
}

type rulesetAttr struct{ fs, net, scoped uint64 }

// restrict withholds from this thread, and what it starts, all files but those of
// the policy.
func restrict(o *Order, version int) *setupError {
	attr := rulesetAttr{fs: accessAll2}
	size := unsafe.Sizeof(attr.fs) // kernels take what they know of it
	if version >= 3 {
		attr.fs = accessAll3
	}
	if version >= 6 {
		attr.scoped, size = scopeAbstractSocket|scopeSignal, unsafe.Sizeof(attr)
	}
	fd, _, errno := syscall.RawSyscall(sysCreateRuleset, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return &setupError{"landlock_create_ruleset", errno}
	}
	defer func() { _ = syscall.Close(int(fd)) }()
	for _, path := range o.Read {
		if err := allow(int(fd), path, accessExecute|accessRead|accessReadDir); err != nil {
			return err
		}
	}
	for _, path := range o.Write {
		if err := allow(int(fd), path, attr.fs); err != nil {
			return err
		}
	}
	if _, _, errno := syscall.RawSyscall(sysRestrictSelf, fd, 0, 0); errno != 0 {
		return &setupError{"landlock_restrict_self", errno}
	}
	return nil
}

// pathRule is landlock_path_beneath_attr, which is packed.
type pathRule struct {
	access uint64
	fd     int32
}

func allow(ruleset int, path string, access uint64) *setupError {
	fd, err := syscall.Open(path, openPath|syscall.O_CLOEXEC, 0)
	if err != nil { // not on this machine, or not for this user
		return nil
	}
	defer func() { _ = syscall.Close(fd) }()
	var info syscall.Stat_t
	if err := syscall.Fstat(fd, &info); err != nil {
		return &setupError{"fstat", number(err)}
	}
	if info.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		access &= accessExecute | accessRead | accessWrite | accessTruncate
	}
	rule := pathRule{access, int32(fd)}
	_, _, errno := syscall.RawSyscall6(sysAddRule, uintptr(ruleset), rulePathBeneath, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno == syscall.EBADFD { // of a file system that only the kernel uses
		return nil
	}
	if errno != 0 {
		return &setupError{"landlock_add_rule " + path, errno}
	}
	return nil
}

// setupError is a step that failed; errno is 0 where the kernel has no word for it.
type setupError struct {
	op    string
	errno syscall.Errno
}

func (e *setupError) Error() string {
	if e.errno == 0 {
		return e.op
	}
	return e.op + ": " + e.errno.Error()
}

// number is the errno of an error of a system call.
func number(err error) syscall.Errno {
	if n, ok := err.(syscall.Errno); ok { //nolint:errorlint // package errors would be initialised first
		return n
	}
	return syscall.EINVAL
}
