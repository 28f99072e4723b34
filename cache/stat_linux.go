package cache

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// statOf returns what tells one version of a file from another.
func statOf(info fs.FileInfo) (memoValue, bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return memoValue{}, false
	}
	return memoValue{size: s.Size, mtime: s.Mtim.Nano(), ctime: s.Ctim.Nano(), ino: s.Ino, dev: uint64(s.Dev)}, true //nolint:unconvert // its type differs between architectures
}

// cloneRange shares the blocks of src from off on with dst, where the file
// system can (btrfs, XFS, bcachefs); else it fails, having done nothing.
func cloneRange(dst, src *os.File, off int64) error {
	return unix.IoctlFileCloneRange(int(dst.Fd()), &unix.FileCloneRange{Src_fd: int64(src.Fd()), Src_offset: uint64(off)})
}
