package cache

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// statOf returns what tells one version of a file from another.
func statOf(info fs.FileInfo) (memoValue, bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return memoValue{}, false
	}
	return memoValue{size: s.Size, mtime: s.Mtimespec.Nano(), ctime: s.Ctimespec.Nano(), ino: s.Ino, dev: uint64(s.Dev)}, true
}

// cloneRange: APFS clones whole files only, and a blob file has a header.
func cloneRange(dst, src *os.File, off int64) error { return errors.ErrUnsupported }
