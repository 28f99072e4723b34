package cache

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// packWriter is a pack that this process appends to. It holds an exclusive
// flock on the file: who can take that lock knows that the writer is dead.
// Appends go to the kernel at once, so they outlive a kill -9; fsync follows in
// the background and at Sync.
type packWriter struct {
	dir string // the store's
	f   *os.File
	p   *pack
	sum hash.Hash // of everything appended
	at  func(string)

	syncMu  sync.Mutex
	synced  int64 // offset up to which fsync succeeded
	syncErr error // an fsync failed: the kernel may have dropped pages, so for good
	dirDone bool  // the folder entry is durable, too
}

const (
	openSuffix   = ".open"
	sealedSuffix = ".pack"
)

func packsDir(dir string) string { return filepath.Join(dir, "packs") }

// newPackWriter creates an open pack. It is locked before it gets its name, so
// that nobody takes it for one whose writer died.
func newPackWriter(dir string, at func(string)) (*packWriter, error) {
	var id packID
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	name := hex.EncodeToString(id[:]) + openSuffix
	temp := filepath.Join(dir, "tmp", name)
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating a pack: %w", err)
	}
	w := &packWriter{dir: dir, f: f, sum: sha256.New(), at: at}
	w.p = &pack{id: id, name: name, path: filepath.Join(packsDir(dir), name), file: f}
	err = flock(f, true, true)
	if err == nil {
		err = w.write(marshalPackHeader(id))
	}
	at("pack-created")
	if err == nil {
		err = os.Rename(temp, w.p.path)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(temp)
		return nil, fmt.Errorf("creating a pack: %w", err)
	}
	at("pack-named")
	return w, nil
}

// write appends b whole, or not at all: after a short write (a full disk) the
// file is cut back, and if even that fails, the record's checksum ends every scan.
func (w *packWriter) write(b []byte) error {
	n, err := w.f.WriteAt(b, w.p.end)
	if err != nil {
		if n > 0 {
			err = errors.Join(err, w.f.Truncate(w.p.end))
		}
		return err
	}
	w.sum.Write(b)
	w.p.end += int64(n)
	w.p.size = w.p.end
	return nil
}

// append adds a record and returns its offset.
func (w *packWriter) append(r record, payload []byte) error {
	if len(payload) > maxRecordPayload {
		return fmt.Errorf("a record of %d bytes is over the limit of %d", len(payload), maxRecordPayload)
	}
	r.stored = uint32(len(payload))
	raw := r.marshal(payload)
	off := w.p.end
	if err := w.write(raw); err != nil {
		return fmt.Errorf("appending to a pack: %w", err)
	}
	return w.p.add(off, r, raw)
}

// copyRaw adds a record of another pack as it is.
func (w *packWriter) copyRaw(r record, raw []byte) error {
	off := w.p.end
	if err := w.write(raw); err != nil {
		return fmt.Errorf("appending to a pack: %w", err)
	}
	return w.p.add(off, r, raw)
}

// sync makes everything appended up to end durable.
func (w *packWriter) sync(end int64) error {
	w.syncMu.Lock()
	defer w.syncMu.Unlock()
	if w.syncErr != nil || (w.synced >= end && w.dirDone) {
		return w.syncErr
	}
	if err := w.f.Sync(); err != nil {
		w.syncErr = fmt.Errorf("making a pack durable: %w", err)
		return w.syncErr
	}
	w.synced = max(w.synced, end)
	if !w.dirDone {
		if err := syncDir(packsDir(w.dir)); err != nil {
			w.syncErr = err
			return err
		}
		w.dirDone = true
	}
	return nil
}

// seal writes the index, makes all durable and gives the pack its final name,
// the SHA-256 of its bytes. An empty pack is removed.
func (w *packWriter) seal() error {
	if w.p.end == packHeaderSize {
		w.p.path = ""
		return errors.Join(os.Remove(filepath.Join(packsDir(w.dir), w.p.name)), w.f.Close())
	}
	foot := w.p.footer()
	if n, err := w.f.WriteAt(foot, w.p.end); err != nil {
		if n > 0 {
			err = errors.Join(err, w.f.Truncate(w.p.end))
		}
		return fmt.Errorf("sealing a pack: %w", err)
	}
	w.sum.Write(foot)
	w.p.size = w.p.end + int64(len(foot))
	w.at("seal-indexed")
	if err := errors.Join(w.f.Chmod(0o444), w.f.Sync()); err != nil {
		return fmt.Errorf("sealing a pack: %w", err)
	}
	w.at("seal-synced")
	name := hex.EncodeToString(w.sum.Sum(nil)) + sealedSuffix
	path := filepath.Join(packsDir(w.dir), name)
	w.p.mu.Lock()
	err := os.Rename(w.p.path, path)
	if err == nil {
		w.p.name, w.p.path, w.p.sealed = name, path, true
	}
	w.p.mu.Unlock()
	if err != nil {
		return fmt.Errorf("sealing a pack: %w", err)
	}
	w.at("seal-renamed")
	if err := syncDir(packsDir(w.dir)); err != nil {
		return err
	}
	// The lock ends with its last descriptor; the pack goes on being read through this one.
	return funlock(w.f)
}

// adopt takes over an open pack whose writer is dead: what is valid is sealed,
// the rest cut off. If the writer lives, or another process was quicker, nothing
// is done.
func adopt(dir, name string, at func(string)) error {
	path := filepath.Join(packsDir(dir), name)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if isGone(err) {
		return nil
	} else if err != nil {
		// A writer that died while sealing leaves its pack read-only.
		if f, err = reopenWritable(path); err != nil {
			return err
		}
	}
	defer f.Close()
	if err := flock(f, true, false); err != nil {
		return nil
	}
	if mine, err := f.Stat(); err != nil {
		return err
	} else if named, err := os.Stat(path); err != nil || !os.SameFile(mine, named) {
		return nil
	}
	w := &packWriter{dir: dir, f: f, sum: sha256.New(), at: at, p: &pack{name: name, path: path}}
	if err := w.resume(); err != nil {
		return fmt.Errorf("adopting the pack %s: %w", name, err)
	}
	return w.seal()
}

func reopenWritable(path string) (*os.File, error) {
	if err := os.Chmod(path, 0o644); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR, 0)
}

// resume reads the valid prefix and cuts the rest off.
func (w *packWriter) resume() error {
	info, err := w.f.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, packHeaderSize)
	if _, err = w.f.ReadAt(head, 0); err == nil {
		w.p.id, err = parsePackHeader(head)
	}
	w.p.end = packHeaderSize
	if err != nil { // nothing was ever readable in it
		return w.f.Truncate(packHeaderSize)
	}
	if w.p.end, err = scanRecords(w.f, packHeaderSize, info.Size(), w.p.add); err != nil {
		return err
	}
	if err := w.f.Truncate(w.p.end); err != nil {
		return err
	}
	_, err = io.Copy(w.sum, io.NewSectionReader(w.f, 0, w.p.end))
	return err
}
