package cache

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Fingerprint says what a store held: while StillHolds is true for it, every
// entry that was there is there still. It is short text, comparable with ==
// and storable; the empty one holds nowhere.
//
// It consists of the store's ID, the number of deletions, and the name and size
// of each pack. An open pack may grow; sealing it or merging packs makes the
// fingerprints of others fail, which costs them one lookup of every key.
type Fingerprint string

// Fingerprint describes what the store holds now. It loads no index.
func (l *Local) Fingerprint() (Fingerprint, error) {
	l.mu.Lock()
	err := l.usable()
	l.mu.Unlock()
	if err != nil {
		return "", err
	}
	return l.fingerprint()
}

// fingerprint must not be called under l.mu: a deletion holds the lock of the
// generation and waits for l.mu.
func (l *Local) fingerprint() (Fingerprint, error) {
	var b strings.Builder
	err := l.withGeneration(false, func(n uint64) (uint64, error) {
		names, err := l.packFiles()
		if err != nil {
			return 0, err
		}
		fmt.Fprintf(&b, "1 %s %d", l.id, n)
		for _, name := range names {
			info, err := os.Lstat(filepath.Join(packsDir(l.dir), name))
			if notExist(err) {
				continue // sealed this instant: the fingerprint fails later, and no harm done
			} else if err != nil {
				return 0, err
			}
			fmt.Fprintf(&b, " %s:%d", shortPack(name), info.Size())
		}
		return n, nil
	})
	if err != nil {
		return "", fmt.Errorf("taking the store's fingerprint: %w", err)
	}
	return Fingerprint(b.String()), nil
}

// shortPack keeps 64 bits of a pack's name, and whether it is sealed.
func shortPack(name string) string {
	if strings.HasSuffix(name, openSuffix) {
		return name[:16] + "o"
	}
	return name[:16]
}

// StillHolds reports whether every entry that was there when f was taken is
// there still. It reads one folder and no pack.
func (l *Local) StillHolds(f Fingerprint) bool {
	fields := strings.Fields(string(f))
	if len(fields) < 3 || fields[0] != "1" || fields[1] != l.id {
		return false
	}
	now, err := l.Fingerprint()
	if err != nil {
		return false
	}
	current := strings.Fields(string(now))
	if current[2] != fields[2] {
		return false
	}
	sizes := make(map[string]int64, len(current))
	for _, c := range current[3:] {
		name, size := cutSize(c)
		sizes[name] = size
	}
	for _, c := range fields[3:] {
		name, size := cutSize(c)
		have, ok := sizes[name]
		if open := strings.HasSuffix(name, "o"); !ok || have < size || (!open && have != size) {
			return false
		}
	}
	return true
}

func cutSize(s string) (string, int64) {
	name, size, _ := strings.Cut(s, ":")
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return name, -1
	}
	return name, n
}

// deleting wraps everything that makes an entry go. The generation changes
// first, under a lock that fingerprints wait for: none is taken between the
// change and the deletion, and a crash between the two is harmless.
func (l *Local) deleting(f func() error) error {
	return l.withGeneration(true, func(n uint64) (uint64, error) {
		l.at("generation-before")
		return n + 1, nil
	}, f)
}

// withGeneration reads the counter under its lock; if exclusive, it stores what
// f returns, durably, and then runs the others, before the lock ends.
func (l *Local) withGeneration(exclusive bool, f func(uint64) (uint64, error), then ...func() error) error {
	flag := os.O_RDONLY
	if exclusive {
		flag = os.O_RDWR
	}
	file, err := os.OpenFile(filepath.Join(l.dir, "generation"), flag, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := flock(file, exclusive, true); err != nil {
		return err
	}
	n, err := readGeneration(file)
	if err != nil {
		return err
	}
	next, err := f(n)
	if err != nil || !exclusive {
		return err
	}
	if _, err := file.WriteAt(fmt.Appendf(nil, "%020d\n", next), 0); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	l.at("generation-after")
	for _, step := range then {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// readGeneration takes an empty file for zero.
func readGeneration(f *os.File) (uint64, error) {
	b := make([]byte, 21)
	n, _ := f.ReadAt(b, 0)
	text := strings.TrimSpace(string(b[:n]))
	if text == "" {
		return 0, nil
	}
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the file generation is damaged: %w", err)
	}
	return v, nil
}
