package executor

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/nbpipe/nbpipe/stages/command"
)

// Scratch is a run's private folder for the scratch folders of its stages. A
// lock on it says that the run is alive.
type Scratch struct {
	Dir  string
	lock *os.File
}

const scratchLock = "lock"

// NewScratch makes a scratch folder below parent, on the file system of the
// store, and removes those that dead runs left.
func NewScratch(parent string) (*Scratch, error) {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("making the scratch folder: %w", err)
	}
	// Between its making and its locking, a folder looks like a dead run's: no
	// sweep may come in between.
	gate, err := os.Open(parent)
	if err != nil {
		return nil, fmt.Errorf("making the scratch folder: %w", err)
	}
	defer gate.Close()
	if unix.Flock(int(gate.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		sweep(parent)
	}
	if err := unix.Flock(int(gate.Fd()), unix.LOCK_SH); err != nil {
		return nil, fmt.Errorf("locking the scratch folder %s: %w", parent, err)
	}
	dir, err := os.MkdirTemp(parent, "run-")
	if err != nil {
		return nil, fmt.Errorf("making the scratch folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, scratchLock), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making the scratch folder: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, fmt.Errorf("locking the scratch folder %s: %w", dir, err)
	}
	return &Scratch{Dir: dir, lock: lock}, nil
}

// Close removes the folder.
func (s *Scratch) Close() {
	removeAll(s.Dir)
	_ = s.lock.Close()
}

// sweep removes the folders of dead runs. The caller keeps others from making any.
func sweep(parent string) {
	left, err := filepath.Glob(filepath.Join(parent, "run-*"))
	if err != nil {
		return
	}
	for _, dir := range left {
		lock, err := os.OpenFile(filepath.Join(dir, scratchLock), os.O_RDWR, 0)
		if err != nil {
			removeAll(dir) // it died between the two
			continue
		}
		if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			attempts, _ := os.ReadDir(dir)
			for _, a := range attempts {
				command.KillLeftOver(filepath.Join(dir, a.Name()))
			}
			removeAll(dir)
		}
		_ = lock.Close()
	}
}
