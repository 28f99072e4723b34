//go:build unix && !linux && !darwin

package cache

import (
	"errors"
	"io/fs"
	"os"
)

// statOf: without a portable change time nothing is remembered.
func statOf(info fs.FileInfo) (memoValue, bool) { return memoValue{}, false }

func cloneRange(dst, src *os.File, off int64) error { return errors.ErrUnsupported }
