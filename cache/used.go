package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Times of last use are kept by day: a finer time would be written by every run,
// and collection works in days (Go's build cache found an hour fine enough, and
// a day for trimming). A file used/<day>-<digest> holds the first 8 bytes of each
// key a run used; a run that used the same keys as one before on that day finds
// the file there and writes nothing. Two keys with the same first 8 bytes only
// keep each other.

type shortKey uint64

func short(k Key) shortKey { return shortKey(binary.BigEndian.Uint64(k[:8])) }

const usedMagic = "nbpused1"

func dayOf(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

// endOfDay is the latest moment that a note of that day can stand for.
func endOfDay(day int64) time.Time { return time.Unix((day+1)*24*60*60, 0).UTC() }

// Touch notes that the entries of these keys were used; it is written at Close.
func (l *Local) Touch(keys []Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		l.touched[k] = struct{}{}
	}
}

func (l *Local) saveTouched() error {
	l.mu.Lock()
	keys := make([]shortKey, 0, len(l.touched))
	for k := range l.touched {
		keys = append(keys, short(k))
	}
	clear(l.touched)
	l.mu.Unlock()
	if len(keys) == 0 || l.readOnly {
		return nil
	}
	return l.writeUsed(dayOf(l.opt.Now()), keys)
}

func (l *Local) writeUsed(day int64, keys []shortKey) error {
	path, b := l.usedFile(day, keys)
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	return l.replaceFile(path, b, false)
}

// usedFile returns the name and bytes of the note; it sorts keys.
func (l *Local) usedFile(day int64, keys []shortKey) (string, []byte) {
	slices.Sort(keys)
	b := append(make([]byte, 0, len(usedMagic)+8*len(keys)), usedMagic...)
	for _, k := range slices.Compact(keys) {
		b = binary.BigEndian.AppendUint64(b, uint64(k))
	}
	sum := sha256.Sum256(b)
	return filepath.Join(l.dir, "used", strconv.FormatInt(day, 10)+"-"+hex.EncodeToString(sum[:8])), b
}

// lastUsed reads the latest day of each key; unreadable files are passed over.
func (l *Local) lastUsed() (days map[shortKey]int64, files []string, err error) {
	list, err := os.ReadDir(filepath.Join(l.dir, "used"))
	if err != nil && !notExist(err) {
		return nil, nil, err
	}
	days = map[shortKey]int64{}
	for _, e := range list {
		path := filepath.Join(l.dir, "used", e.Name())
		files = append(files, path)
		first, _, _ := strings.Cut(e.Name(), "-")
		day, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			continue
		}
		b, err := os.ReadFile(path)
		rest, ok := strings.CutPrefix(string(b), usedMagic)
		if err != nil || !ok {
			continue
		}
		for ; len(rest) >= 8; rest = rest[8:] {
			k := shortKey(binary.BigEndian.Uint64([]byte(rest[:8])))
			days[k] = max(days[k], day)
		}
	}
	return days, files, nil
}

// compactUsed rewrites the notes as one file a day, without keys that are gone.
// The caller has the store to itself.
func (l *Local) compactUsed(live map[shortKey]bool) error {
	days, files, err := l.lastUsed()
	if err != nil || len(files) < 2 {
		return err
	}
	byDay := map[int64][]shortKey{}
	for k, day := range days {
		if live == nil || live[k] {
			byDay[day] = append(byDay[day], k)
		}
	}
	keep := map[string]bool{}
	for day, keys := range byDay {
		if err := l.writeUsed(day, keys); err != nil {
			return err
		}
		path, _ := l.usedFile(day, keys)
		keep[path] = true
	}
	var errs []error
	for _, f := range files {
		if !keep[f] {
			errs = append(errs, os.Remove(f))
		}
	}
	return errors.Join(errs...)
}
