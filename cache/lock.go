//go:build unix

package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// errLocked says that another process holds the lock.
var errLocked = errors.New("locked by another process")

// flock takes a lock on f's file. Where the file system has no locks, the error
// says so: a store without them could lose results to a collection.
func flock(f *os.File, exclusive, wait bool) error {
	how := syscall.LOCK_SH
	if exclusive {
		how = syscall.LOCK_EX
	}
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		err := syscall.Flock(int(f.Fd()), how)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			return errLocked
		}
		return fmt.Errorf("the file system of %s has no working flock (%w): keep the store on a local file system such as ext4, XFS, btrfs or APFS", f.Name(), err)
	}
}

func funlock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }

// waitLock polls: flock itself cannot be interrupted by a context.
func waitLock(ctx context.Context, f *os.File, exclusive bool, onWait func(string)) error {
	err := flock(f, exclusive, false)
	if !errors.Is(err, errLocked) {
		return err
	}
	if onWait != nil {
		if exclusive {
			onWait("waiting until no other process uses the store " + filepath.Dir(f.Name()))
		} else {
			onWait("waiting for a collection of the store " + filepath.Dir(f.Name()) + " to end")
		}
	}
	pause := 2 * time.Millisecond
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the lock of the store: %w", ctx.Err())
		case <-time.After(pause):
		}
		if err := flock(f, exclusive, false); !errors.Is(err, errLocked) {
			return err
		}
		pause = min(2*pause, 100*time.Millisecond)
	}
}

// probeLocks makes sure that locks exclude: some network and user-space file
// systems accept flock and ignore it.
func probeLocks(dir string) error {
	a, err := os.CreateTemp(dir, "probe-")
	if err != nil {
		return err
	}
	defer os.Remove(a.Name())
	defer a.Close()
	b, err := os.Open(a.Name())
	if err != nil {
		return err
	}
	defer b.Close()
	if err := flock(a, true, false); err != nil {
		return err
	}
	if err := flock(b, true, false); err == nil {
		return fmt.Errorf("the file system of %s ignores flock: keep the store on a local file system such as ext4, XFS, btrfs or APFS", dir)
	} else if !errors.Is(err, errLocked) {
		return err
	}
	return nil
}

// syncDir makes renames in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("making the folder %s durable: %w", dir, err)
	}
	return nil
}

// writable reports whether this process may write to dir.
func writable(dir string) bool {
	const wOK = 2
	return syscall.Access(dir, wOK) == nil
}
