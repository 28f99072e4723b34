package cache

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// checkName accepts names that are safe as files everywhere: letters, digits,
// and "-_.", not first a dot; refs may have folders.
func checkName(name string, folders bool) error {
	parts := []string{name}
	if folders {
		parts = strings.Split(name, "/")
	}
	for _, p := range parts {
		if p == "" || len(p) > 200 || p[0] == '.' || strings.Trim(p, nameBytes) != "" {
			return fmt.Errorf("%q is no valid name: letters, digits, '-', '_' and '.' are, at most 200", clip(name))
		}
	}
	if len(parts) > 4 {
		return fmt.Errorf("%q is no valid name: at most 4 levels are", clip(name))
	}
	return nil
}

// CheckRefName accepts what may be the name of a ref, in every store.
func CheckRefName(name string) error { return checkName(name, true) }

const nameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// replaceFile publishes a small file in one step.
func (l *Local) replaceFile(path string, b []byte, durable bool) error {
	if err := l.canWrite(); err != nil {
		return err
	}
	f, err := l.createTemp()
	if err != nil {
		return err
	}
	defer discard(f)
	if _, err := f.Write(b); err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(path), err)
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if durable {
		if err := f.Sync(); err != nil {
			return fmt.Errorf("writing %s: %w", filepath.Base(path), err)
		}
	}
	l.at("file-written")
	if err = os.Rename(f.Name(), path); notExist(err) {
		if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			err = os.Rename(f.Name(), path)
		}
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(path), err)
	}
	l.at("file-renamed")
	if durable {
		return syncDir(filepath.Dir(path))
	}
	return nil
}

// SetRef stores data under a name, replacing what was there, durably. Refs are
// roots of garbage collection; what is in them is the caller's.
func (l *Local) SetRef(name string, data []byte) error {
	if err := checkName(name, true); err != nil {
		return err
	}
	return l.replaceFile(filepath.Join(l.dir, "refs", filepath.FromSlash(name)), data, true)
}

// UpdateRef replaces what is under a name by what f makes of it, nil where there
// is nothing; other processes that update a ref wait.
func (l *Local) UpdateRef(name string, f func(old []byte) ([]byte, error)) error {
	if err := errors.Join(checkName(name, true), l.canWrite()); err != nil {
		return err
	}
	// No ref's name begins with a dot.
	lock, err := os.OpenFile(filepath.Join(l.dir, "refs", ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := flock(lock, true, true); err != nil {
		return err
	}
	old, err := l.Ref(name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	data, err := f(old)
	if err != nil {
		return err
	}
	return l.SetRef(name, data)
}

// Ref returns what SetRef stored, or ErrNotFound.
func (l *Local) Ref(name string) ([]byte, error) {
	if err := checkName(name, true); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(l.dir, "refs", filepath.FromSlash(name)))
	if notExist(err) {
		return nil, fmt.Errorf("ref %s: %w", name, ErrNotFound)
	}
	return b, err
}

// Refs lists the names of all refs, sorted.
func (l *Local) Refs() ([]string, error) {
	root := filepath.Join(l.dir, "refs")
	var out []string
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		if checkName(name, true) == nil {
			out = append(out, name)
		}
		return nil
	})
	if notExist(err) {
		return nil, nil
	}
	slices.Sort(out)
	return out, err
}

// DeleteRef removes a ref; one that is not there is no error.
func (l *Local) DeleteRef(name string) error {
	if err := errors.Join(checkName(name, true), l.canWrite()); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(l.dir, "refs", filepath.FromSlash(name))); err != nil && !notExist(err) {
		return err
	}
	return syncDir(filepath.Join(l.dir, "refs"))
}

// stateMagic opens saved state; the SHA-256 of the rest follows.
const stateMagic = "nbpstat1"

// SaveState keeps data that can be computed again, such as an evaluated plan. It
// may vanish at any time, and is not durable: after a power cut it may be gone,
// but never wrong.
func (l *Local) SaveState(name string, data []byte) error {
	if err := checkName(name, false); err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	b := append(make([]byte, 0, len(stateMagic)+len(sum)+len(data)), stateMagic...)
	b = append(append(b, sum[:]...), data...)
	return l.replaceFile(filepath.Join(l.dir, "plans", name), b, false)
}

// State returns what SaveState kept, or ErrNotFound if it is gone or damaged.
func (l *Local) State(name string) ([]byte, error) {
	if err := checkName(name, false); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(l.dir, "plans", name))
	if err != nil && !notExist(err) {
		return nil, err
	}
	rest, ok := bytes.CutPrefix(b, []byte(stateMagic))
	if err != nil || !ok || len(rest) < sha256.Size || sha256.Sum256(rest[sha256.Size:]) != [sha256.Size]byte(rest[:sha256.Size]) {
		return nil, fmt.Errorf("state %s: %w", name, ErrNotFound)
	}
	return rest[sha256.Size:], nil
}

// ReplaceFile gives a file new content in one step: who reads it sees the old or
// the new one. With durable, the content survives a power cut. It is for files
// outside of a store; its folder must be there.
func ReplaceFile(path string, data []byte, mode fs.FileMode, durable bool) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil && durable {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
