package cache

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// FormatVersion is the version of the local store's layout.
const FormatVersion = 1

var (
	// ErrReadOnly is returned for writes to a store that was opened for reading.
	ErrReadOnly = errors.New("the store is open for reading only")
	// ErrInUse is returned by a collection that may not wait for other processes.
	ErrInUse = errors.New("another process uses the store")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("the store is closed")
)

// Options say how a store is opened. The zero value is usable.
type Options struct {
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	// ReadOnly opens without writing anything; it is implied where the folder cannot be written.
	ReadOnly bool
	// OnWait is told, once, why Open does not return.
	OnWait func(message string)
	// OwnSigner is the name under which this user signs: its entries come
	// before those of other signers.
	OwnSigner string
	// Trust decides, at each read, whether a signed entry is trusted; the error
	// becomes the reason of the miss. Without it no signed entry is (invariant I10).
	Trust func(StoredEntry) error
	// Upstream gives the content of entries that were pulled without it, and good
	// copies of what is damaged here.
	Upstream Upstream
	// SyncPoint is called at each named step of a change; crash tests end the process there.
	SyncPoint func(name string)
	// FlushEvery is the pause between background fsyncs of appended records; 200 ms if zero.
	FlushEvery time.Duration

	noWait bool // ErrInUse instead of waiting for others
}

// Local is a store in a folder. Several processes, and several Locals of one
// process, may have one folder open at a time.
type Local struct {
	dir      string
	opt      Options
	id       string
	lock     *os.File
	readOnly bool
	codec    codec
	memo     memo

	mu      sync.Mutex // guards all below, and the slices of packs
	idx     *index     // nil until the first lookup
	own     *packWriter
	retired []*pack // no longer listed, maybe still being read
	dirty   map[string]struct{}
	trees   map[Digest]struct{} // manifests whose members were all seen here
	touched map[Key]struct{}
	reasons map[Key][]string
	closed  bool

	flush     chan struct{} // wakes the background fsync
	flushDone chan struct{}
	stop      chan struct{}
}

var _ Store = (*Local)(nil)

// storeFile is store.json.
type storeFile struct {
	Format  int       `json:"format"`
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
}

// Open opens the store in dir, and makes one if there is none. It reads no
// index, takes the shared lock until Close, and waits for a collection to end.
func Open(ctx context.Context, dir string, o Options) (*Local, error) {
	return open(ctx, dir, o, false)
}

func open(ctx context.Context, dir string, o Options, exclusive bool) (*Local, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FlushEvery == 0 {
		// One fsync costs 1 to 2 ms: at this pace under 1 % of the time, and a power cut
		// costs at most the results of the last moment.
		o.FlushEvery = 200 * time.Millisecond
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	l := &Local{
		dir: dir, opt: o,
		dirty: map[string]struct{}{}, trees: map[Digest]struct{}{}, touched: map[Key]struct{}{}, reasons: map[Key][]string{},
	}
	l.memo.init(l)
	if err := l.attach(ctx, exclusive); err != nil {
		if l.lock != nil {
			_ = l.lock.Close()
		}
		return nil, fmt.Errorf("opening the store %s: %w", dir, err)
	}
	return l, nil
}

// attach locks the store, creating it first if need be.
func (l *Local) attach(ctx context.Context, exclusive bool) error {
	meta, err := readStoreFile(l.dir)
	switch {
	case notExist(err) && l.opt.ReadOnly:
		return fmt.Errorf("there is no store: %w", ErrNotFound)
	case notExist(err):
		if meta, err = l.create(ctx); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	if meta.Format != FormatVersion {
		return fmt.Errorf("the store has format %d, this build knows %d", meta.Format, FormatVersion)
	}
	l.id = meta.ID
	l.readOnly = l.opt.ReadOnly || !writable(l.dir) || !writable(packsDir(l.dir))
	if exclusive && l.readOnly {
		return ErrReadOnly
	}
	// A descriptor for reading is enough for flock on a local file system.
	if l.lock, err = os.Open(filepath.Join(l.dir, "lock")); err != nil {
		return err
	}
	if l.opt.noWait {
		if err := flock(l.lock, exclusive, false); !errors.Is(err, errLocked) {
			return err
		}
		return ErrInUse
	}
	return waitLock(ctx, l.lock, exclusive, l.opt.OnWait)
}

func readStoreFile(dir string) (m storeFile, err error) {
	b, err := os.ReadFile(filepath.Join(dir, "store.json"))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil || m.ID == "" {
		return m, errors.New("store.json is damaged; if this folder is a store, restore that file from a backup, else choose another folder")
	}
	return m, nil
}

// ResumeFolder is a folder beside the store's own, by key: what stages that were
// cut off had done so far. It is made by those that run stages; a collection
// removes what is old.
const ResumeFolder = "resume"

// storeFolders are made with the store.
var storeFolders = []string{"blobs", "packs", "refs", "plans", "memo", "quarantine", "tmp", "used"}

// create makes the folders, then store.json: it is what makes a folder a store.
// Of two processes that create at once, one wins and both use its ID. The winner
// may collect while the other is still here, so both hold the shared lock.
func (l *Local) create(ctx context.Context) (storeFile, error) {
	for _, name := range storeFolders {
		if err := os.MkdirAll(filepath.Join(l.dir, name), 0o755); err != nil {
			return storeFile{}, err
		}
	}
	lock, err := os.OpenFile(filepath.Join(l.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return storeFile{}, err
	}
	defer lock.Close()
	if err := waitLock(ctx, lock, false, l.opt.OnWait); err != nil {
		return storeFile{}, err
	}
	if err := probeLocks(filepath.Join(l.dir, "tmp")); err != nil {
		return storeFile{}, err
	}
	generation, err := os.OpenFile(filepath.Join(l.dir, "generation"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return storeFile{}, err
	}
	_ = generation.Close()
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return storeFile{}, err
	}
	m := storeFile{Format: FormatVersion, ID: hex.EncodeToString(id[:]), Created: l.opt.Now().UTC()}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return storeFile{}, err
	}
	temp, err := l.writeTemp(append(b, '\n'))
	if err != nil {
		return storeFile{}, err
	}
	defer os.Remove(temp)
	l.at("store-created")
	// A link, unlike a rename, does not replace the file of a process that was quicker.
	if err := os.Link(temp, filepath.Join(l.dir, "store.json")); err != nil && !errors.Is(err, os.ErrExist) {
		return storeFile{}, err
	}
	if err := syncDir(l.dir); err != nil {
		return storeFile{}, err
	}
	return readStoreFile(l.dir)
}

// Dir is the store's folder.
func (l *Local) Dir() string { return l.dir }

// ID is the store's random name, made with it.
func (l *Local) ID() string { return l.id }

// ReadOnly reports whether the store takes no writes.
func (l *Local) ReadOnly() bool { return l.readOnly }

func (l *Local) at(point string) {
	if l.opt.SyncPoint != nil {
		l.opt.SyncPoint(point)
	}
}

// usable is checked under l.mu.
func (l *Local) usable() error {
	if l.closed {
		return ErrClosed
	}
	return nil
}

func (l *Local) canWrite() error {
	if l.readOnly {
		return ErrReadOnly
	}
	return nil
}

// appendRecord adds a record to the process's own pack and to the index. The
// caller holds l.mu.
func (l *Local) appendRecord(r record, payload []byte) error {
	if err := l.canWrite(); err != nil {
		return err
	}
	if l.own != nil && l.own.p.end+int64(len(payload)) > maxPackSize {
		if err := l.sealOwn(); err != nil {
			return err
		}
	}
	if l.own == nil {
		w, err := newPackWriter(l.dir, l.at)
		if err != nil {
			return err
		}
		l.own = w
		if l.idx != nil {
			l.idx.packs[w.p.name] = w.p
		}
	}
	p := l.own.p
	blobs, entries, kills := len(p.blobs), len(p.entries), len(p.kills)
	if err := l.own.append(r, payload); err != nil {
		return err
	}
	if l.idx != nil {
		if l.idx.kill(p, kills) {
			l.idx.rebuild()
		} else {
			l.idx.include(p, blobs, entries)
		}
	}
	l.wakeFlusher()
	return nil
}

// sealOwn ends the process's own pack; the next record opens a new one. The
// caller holds l.mu.
func (l *Local) sealOwn() error {
	w := l.own
	if w == nil {
		return nil
	}
	name := w.p.name
	if err := w.seal(); err != nil {
		return err
	}
	if l.idx != nil {
		delete(l.idx.packs, name)
		if w.p.sealed {
			l.idx.packs[w.p.name] = w.p
		}
	}
	l.own = nil
	return nil
}

// wakeFlusher makes sure that a background fsync comes. The caller holds l.mu.
func (l *Local) wakeFlusher() {
	if l.flush == nil {
		l.flush, l.flushDone, l.stop = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
		go l.flusher(l.stop)
	}
	select {
	case l.flush <- struct{}{}:
	default:
	}
}

func (l *Local) flusher(stop <-chan struct{}) {
	defer close(l.flushDone)
	for {
		select {
		case <-stop:
			return
		case <-l.flush:
		}
		select {
		case <-stop:
			return
		case <-time.After(l.opt.FlushEvery):
		}
		// An error stays with the pack and is returned by the next Sync.
		_ = l.syncOwn()
	}
}

// syncOwn fsyncs what was appended until now, without holding up appends.
func (l *Local) syncOwn() error {
	l.mu.Lock()
	w := l.own
	var end int64
	if w != nil {
		end = w.p.end
	}
	l.mu.Unlock()
	if w == nil {
		return nil
	}
	err := w.sync(end)
	l.at("pack-synced")
	return err
}

// Sync returns when everything put before is durable.
func (l *Local) Sync(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	err := l.usable()
	l.mu.Unlock()
	if err != nil {
		return err
	}
	if err := l.syncBlobFolders(); err != nil {
		return err
	}
	return l.syncOwn()
}

// Seal makes everything durable and gives the process's own pack its final
// name: a fingerprint taken after it stays valid when the process ends.
func (l *Local) Seal(ctx context.Context) error {
	if err := l.Sync(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sealOwn()
}

// Close makes everything durable, seals the own pack, merges small packs when
// nobody else has the store open, and gives up the lock.
func (l *Local) Close() error {
	_, err := l.CloseWithFingerprint()
	return err
}

// CloseWithFingerprint closes, and returns the fingerprint of what is then
// there: the state of a plan recorded with it is valid for the next run.
func (l *Local) CloseWithFingerprint() (Fingerprint, error) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return "", ErrClosed
	}
	l.mu.Unlock()
	l.stopFlusher()
	err := errors.Join(l.syncBlobFolders(), l.memo.save(), l.saveTouched())
	l.mu.Lock()
	err = errors.Join(err, l.sealOwn())
	if err == nil {
		err = l.mergeIfMany()
	}
	l.closed = true
	l.mu.Unlock()
	f, ferr := l.fingerprint()
	l.mu.Lock()
	defer l.mu.Unlock()
	return f, errors.Join(err, ferr, l.release())
}

func (l *Local) stopFlusher() {
	l.mu.Lock()
	stop, done := l.stop, l.flushDone
	l.stop = nil
	l.mu.Unlock()
	if stop != nil {
		close(stop)
		<-done
	}
}

// release closes all files. The caller holds l.mu.
func (l *Local) release() error {
	if l.idx != nil {
		for _, p := range l.idx.packs {
			p.close()
		}
	}
	for _, p := range l.retired {
		p.close()
	}
	if l.own != nil { // sealing failed: whoever comes next adopts it
		_ = l.own.f.Close()
	}
	l.idx = nil
	return l.lock.Close()
}
