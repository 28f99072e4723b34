package executor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// resume is a folder, named by a key, in which a stage keeps what it has done so
// far. Its lock says that a stage works in it.
//
//	resume/<key>/lock
//	resume/<key>/state/
type resume struct {
	dir  string
	lock *os.File
}

// keep takes the action's folder. It is nil where there is none to take: the kind
// does not resume, the key is not known yet, or another process is at the same
// node, which then has the folder to itself.
func (l *Local) keep(a *Action) (*resume, error) {
	if l.Resume == "" || !a.Ingredients.Kind.Resumes || a.Key.IsZero() {
		return nil, nil
	}
	r := &resume{dir: filepath.Join(l.Resume, a.Key.String())}
	const most = 8 // others that publish the same key remove the folder in between
	for range most {
		switch err := r.take(); {
		case errors.Is(err, errBusy):
			return nil, nil
		case errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return nil, fmt.Errorf("taking the folder for checkpoints %s: %w", r.dir, err)
		}
		now := l.Now()
		_ = os.Chtimes(r.dir, now, now) // its age, to a collection of garbage
		return r, nil
	}
	return nil, nil
}

var errBusy = errors.New("another process works in it")

// take locks the folder. The error is os.ErrNotExist where the folder was removed
// meanwhile: by one that published the result.
func (r *resume) take() error {
	if err := os.MkdirAll(filepath.Join(r.dir, "state"), 0o755); err != nil {
		return err
	}
	path := filepath.Join(r.dir, "lock")
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return errBusy
		}
		return err
	}
	held, err := lock.Stat()
	if err == nil {
		var now os.FileInfo
		if now, err = os.Stat(path); err == nil && !os.SameFile(held, now) {
			err = os.ErrNotExist
		}
	}
	if err != nil {
		_ = lock.Close()
		return err
	}
	r.lock = lock
	return nil
}

// folder is where the stage works: the one of its key, or, without one, a private
// one that goes with the attempt.
func (r *resume) folder(private string) (string, error) {
	dir := private
	if r != nil {
		dir = filepath.Join(r.dir, "state")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making a folder for checkpoints: %w", err)
	}
	return dir, nil
}

// remove is called when the result is published: nobody needs the way to it.
func (r *resume) remove() {
	if r != nil {
		removeAll(r.dir)
	}
}

// close lets others have the folder. One in which nothing is kept goes, so that
// stages that failed early leave none behind.
func (r *resume) close() {
	if r == nil {
		return
	}
	if os.Remove(filepath.Join(r.dir, "state")) == nil {
		removeAll(r.dir)
	}
	_ = r.lock.Close()
}
