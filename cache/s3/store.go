package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nbpipe/nbpipe/cache"
)

// FormatVersion is the version of the layout in the bucket.
const FormatVersion = 2

const storeName = "store.json"

// storeFile is store.json.
type storeFile struct {
	Format  int       `json:"format"`
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	// Grace is how long garbage lies before it is deleted: longer than any publishing
	// takes, from its first upload to its last entry. Writers and collectors must
	// agree on it, so it stands here. DefaultGrace if it is missing.
	Grace seconds `json:"grace_seconds,omitempty"`
}

// DefaultGrace is the grace of stores for which no other was chosen (invariant I13).
const DefaultGrace = 48 * time.Hour

// MinGrace is the shortest grace: ages are compared by clocks that tick in seconds.
const MinGrace = 4 * time.Second

// seconds is a duration as a number of seconds.
type seconds time.Duration

func (s seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

func (s *seconds) UnmarshalJSON(b []byte) error {
	var n float64
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	if n <= 0 || n > 1e9 {
		return fmt.Errorf("%g seconds are out of range", n)
	}
	*s = seconds(n * float64(time.Second))
	return nil
}

// ErrNoStore says that there is no store at the place.
var ErrNoStore = errors.New("there is no team cache there")

// Store is a store in a bucket. It is safe for concurrent use.
type Store struct {
	*client
	id      string
	created time.Time
	grace   time.Duration

	flushing sync.Mutex // held while a pack is uploaded

	mu      sync.Mutex
	pending *packBuilder
	bad     map[cache.Digest]bool // wrong bytes were seen in the object of this blob
	closed  bool

	catalogue catalogue
}

var _ cache.Store = (*Store)(nil)

// Open opens a store that `nbpipe cache init` has made.
func Open(ctx context.Context, c Config) (*Store, error) {
	cl, err := newClient(c)
	if err != nil {
		return nil, err
	}
	m, err := cl.readStoreFile(ctx)
	if errors.Is(err, errNotFound) {
		return nil, fmt.Errorf("%w: %s has no store.json; `nbpipe cache init` makes it", ErrNoStore, cl.objects.place())
	}
	if err != nil {
		return nil, fmt.Errorf("opening the team cache %s: %w", cl.objects.place(), err)
	}
	if m.Format != FormatVersion {
		return nil, fmt.Errorf("the team cache has format %d, this build knows %d", m.Format, FormatVersion)
	}
	s := &Store{client: cl, id: m.ID, created: m.Created, grace: time.Duration(m.Grace), bad: map[cache.Digest]bool{}}
	if s.grace == 0 {
		s.grace = DefaultGrace
	}
	if s.grace < MinGrace {
		return nil, fmt.Errorf("%s says a grace of %s; at least %s are needed", storeName, s.grace, MinGrace)
	}
	s.catalogue.init(s)
	return s, nil
}

// readStoreFile reads store.json. Its length is not known beforehand, so one
// that was cut off on the way is noticed by what is in it, and read again.
func (c *client) readStoreFile(ctx context.Context) (m storeFile, err error) {
	for range c.Attempts {
		b, _, err := c.get(ctx, storeName, 0, -1)
		if err != nil {
			return m, err
		}
		if m, ok := parseStoreFile(b); ok {
			return m, nil
		}
	}
	return m, fmt.Errorf("%s is damaged; if this is a team cache, restore that object, else choose another prefix", storeName)
}

func parseStoreFile(b []byte) (m storeFile, ok bool) {
	err := json.Unmarshal(b, &m)
	return m, err == nil && m.ID != "" && strings.Trim(m.ID, "0123456789abcdef") == ""
}

// Init makes a store, and the bucket if there is none, or opens the one that is
// there. Of two that make it at once, one wins and both use its ID. A grace of
// zero is DefaultGrace; a store that is there keeps its own.
func Init(ctx context.Context, c Config, grace time.Duration) (*Store, error) {
	if grace != 0 && grace < MinGrace {
		return nil, fmt.Errorf("a grace of %s is too short: at least %s, and longer than the longest publishing takes", grace, MinGrace)
	}
	cl, err := newClient(c)
	if err != nil {
		return nil, err
	}
	if err := cl.do(ctx, "making the place of the team cache", cl.objects.create); err != nil {
		return nil, err
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(storeFile{FormatVersion, hex.EncodeToString(id[:]), cl.Now().UTC(), seconds(grace)}, "", "  ")
	if err != nil {
		return nil, err
	}
	if _, err := cl.put(ctx, storeName, append(b, '\n'), condition{absent: true}); err != nil && !errors.Is(err, errExists) {
		return nil, err
	}
	return Open(ctx, c)
}

// ID is the store's random name: the scope of signatures.
func (s *Store) ID() string { return s.id }

// Grace is how long garbage lies before it is deleted.
func (s *Store) Grace() time.Duration { return s.grace }

// Place names the store for people.
func (s *Store) Place() string { return s.objects.place() }

// Traffic counts requests and bytes of bodies since the store was opened.
type Traffic struct{ Requests, BytesIn, BytesOut int64 }

// Traffic tells what was asked of the server so far.
func (s *Store) Traffic() Traffic {
	return Traffic{s.requests.Load(), s.bytesIn.Load(), s.bytesOut.Load()}
}

func (s *Store) at(point string) {
	if s.SyncPoint != nil {
		s.SyncPoint(point)
	}
}

func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return cache.ErrClosed
	}
	return nil
}

const blobsPrefix = "blobs/"

func blobName(d cache.Digest) string {
	h := d.String()
	return blobsPrefix + h[:2] + "/" + h
}

// parseBlobName reads what blobName wrote.
func parseBlobName(name string) (cache.Digest, bool) {
	d, err := cache.ParseDigest(path.Base(name))
	return d, err == nil && name == blobName(d)
}

func packName(d cache.Digest) string {
	h := d.String()
	return packsPrefix + h[:2] + "/" + h
}

// unsigned stands for no signer: readers take no entry from there.
const unsigned = "-"

// entryName has no folder for the signer: a server that keeps objects as files
// lists a key's entries in two thirds of the time without.
func entryName(e cache.StoredEntry) string {
	signer := e.Signer
	if signer == "" {
		signer = unsigned
	}
	return keyPrefix(e.Key) + signer + "." + e.Digest.String()
}

const entriesPrefix = "entries/"

func keyPrefix(k cache.Key) string { return entriesPrefix + k.String() + "/" }

// parseEntryName reads what entryName wrote. What no key can be called is no
// signer: who writes to the bucket can make objects of any name.
func parseEntryName(name string) (e cache.StoredEntry, ok bool) {
	rest, found := strings.CutPrefix(name, entriesPrefix)
	folder, base, nested := strings.Cut(rest, "/")
	dot := strings.LastIndexByte(base, '.') // names of keys have dots, too
	if !found || !nested || dot < 0 {
		return e, false
	}
	key, err1 := cache.ParseKey(folder)
	digest, err2 := cache.ParseDigest(base[dot+1:])
	e = cache.StoredEntry{Key: key, Signer: base[:dot], Digest: digest}
	named := cache.CheckKeyName(e.Signer) == nil
	if e.Signer == unsigned {
		e.Signer, named = "", true
	}
	return e, err1 == nil && err2 == nil && named && name == entryName(e)
}

// PutBlob implements cache.Store. A small blob is readable at once, and durable
// after Sync or the next entry. Beside a collection of garbage, only Push is safe.
func (s *Store) PutBlob(ctx context.Context, d cache.Digest, size int64, src io.Reader) error {
	if have, err := s.HasBlob(ctx, d); err != nil || have {
		return err
	}
	b, err := cache.Spool(ctx, s.Temp, d, size, src)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	if p, ok, err := b.Pack(); err != nil {
		return err
	} else if ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.addPending(p)
		return nil
	}
	return s.putFile(ctx, b)
}

// putFile uploads a blob's file.
func (s *Store) putFile(ctx context.Context, b *cache.BlobFile) error {
	if err := s.upload(ctx, b, s.isBad(b.Digest)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.bad, b.Digest)
	return nil
}

func (s *Store) isBad(d cache.Digest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bad[d]
}

func (s *Store) addPending(p cache.Packed) {
	if s.pending == nil {
		s.pending = newPackBuilder()
	}
	s.pending.add(p)
}

// HasBlob implements cache.Store. For a small blob it believes the index of a
// pack that was seen in this process.
func (s *Store) HasBlob(ctx context.Context, d cache.Digest) (bool, error) {
	if err := s.begin(ctx); err != nil {
		return false, err
	}
	s.mu.Lock()
	_, pending := s.pending.get(d)
	bad := s.bad[d]
	s.mu.Unlock()
	if pending || bad {
		return pending, nil
	}
	if _, ok, err := s.catalogue.find(ctx, d); ok || err != nil {
		return ok, err
	}
	_, err := s.head(ctx, blobName(d))
	if errors.Is(err, errNotFound) {
		return false, nil
	}
	return err == nil, err
}

// OpenBlob implements cache.Store.
func (s *Store) OpenBlob(ctx context.Context, d cache.Digest) (io.ReadCloser, int64, error) {
	if err := s.begin(ctx); err != nil {
		return nil, 0, err
	}
	b, ok, err := s.smallBlob(ctx, d)
	if err != nil {
		return nil, 0, err
	}
	if ok {
		return io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
	}
	i, err := s.head(ctx, blobName(d))
	if errors.Is(err, errNotFound) {
		return nil, 0, &cache.MissingError{Digest: d}
	} else if err != nil {
		return nil, 0, err
	}
	src := &source{ReadCloser: s.stream(ctx, blobName(d), i.size)}
	r, size, err := cache.DecodeStored(d, i.size, src)
	if err != nil {
		return nil, 0, s.noteBad(d, src.missing(d, err))
	}
	return &noting{r, s, d, src}, size, nil
}

// smallBlob reads a blob that is pending or in a pack; ok is false for one that is in neither.
func (s *Store) smallBlob(ctx context.Context, d cache.Digest) (b []byte, ok bool, err error) {
	s.mu.Lock()
	p, pending := s.pending.get(d)
	s.mu.Unlock()
	if pending {
		b, err = p.Bytes()
		return b, true, err
	}
	at, found, err := s.catalogue.find(ctx, d)
	if err != nil || !found {
		return nil, false, err
	}
	b, err = s.readPacked(ctx, at, d)
	return b, true, err
}

// source remembers why bytes did not come: that says nothing about the bytes.
type source struct {
	io.ReadCloser
	failed error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		s.failed = err
	}
	return n, err
}

// cause is the error of whoever read from the source, or what that came from.
func (s *source) cause(err error) error {
	if err == nil || s.failed == nil {
		return err
	}
	return s.failed
}

// missing is cause for a blob whose object may have been deleted meanwhile.
func (s *source) missing(d cache.Digest, err error) error {
	if err = s.cause(err); errors.Is(err, errNotFound) {
		return &cache.MissingError{Digest: d}
	}
	return err
}

// noteBad remembers that the object of a large blob holds wrong bytes, so that it
// is neither read nor taken for granted again.
func (s *Store) noteBad(d cache.Digest, err error) error {
	if errors.As(err, new(*cache.CorruptError)) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.bad[d] = true
	}
	return err
}

// noteBadCopy is noteBad for a blob of a pack. Another pack may hold a right copy.
func (s *Store) noteBadCopy(pack, d cache.Digest, err error) error {
	if errors.As(err, new(*cache.CorruptError)) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.catalogue.forget(copyOf{pack, d}) {
			s.bad[d] = true
		}
	}
	return err
}

type noting struct {
	io.ReadCloser
	s   *Store
	d   cache.Digest
	src *source
}

func (n *noting) Read(p []byte) (int, error) {
	c, err := n.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = n.s.noteBad(n.d, n.src.missing(n.d, err))
	}
	return c, err
}

// PutEntry implements cache.Store: what was put before is durable when the entry is.
func (s *Store) PutEntry(ctx context.Context, e cache.StoredEntry) error {
	if err := errors.Join(s.begin(ctx), e.Check()); err != nil {
		return err
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	return s.putEntry(ctx, e)
}

// putEntry publishes an entry whose content is stored: by one request, whose
// condition no server forgets.
func (s *Store) putEntry(ctx context.Context, e cache.StoredEntry) error {
	s.at("entry-before")
	if _, err := s.put(ctx, entryName(e), e.Data, condition{absent: true}); err != nil {
		return s.exists(err)
	}
	s.at("entry-published")
	return nil
}

// Entries implements cache.Store.
func (s *Store) Entries(ctx context.Context, k cache.Key) ([]cache.StoredEntry, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	found, err := s.list(ctx, keyPrefix(k))
	if err != nil {
		return nil, err
	}
	var out []cache.StoredEntry
	for _, i := range found {
		e, ok := parseEntryName(i.name)
		if !ok {
			continue
		}
		e, err := s.readEntry(ctx, e, i)
		if errors.Is(err, errNotFound) || errors.As(err, new(*cache.CorruptError)) {
			continue // deleted meanwhile, or not what its name says: no entry
		}
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	slices.SortStableFunc(out, func(a, b cache.StoredEntry) int { return a.Time.Compare(b.Time) })
	return out, nil
}

// maxEntry bounds what an entry may make a reader allocate.
const maxEntry = 64 << 20

// readEntry reads an entry that a listing showed, and checks that it is what its name says.
func (s *Store) readEntry(ctx context.Context, e cache.StoredEntry, i info) (cache.StoredEntry, error) {
	if i.size <= 0 || i.size > maxEntry {
		return e, &cache.CorruptError{Digest: e.Digest, Detail: fmt.Sprintf("an entry of %d bytes", i.size)}
	}
	b, _, err := s.get(ctx, i.name, 0, i.size)
	if err != nil {
		return e, err
	}
	e.Data, e.Time = b, i.modified
	return e, e.Check()
}

// Sync implements cache.Store.
func (s *Store) Sync(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	return s.flush(ctx)
}

// Close gives up connections. What was put and not synced is lost.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return cache.ErrClosed
	}
	s.closed = true
	s.base.closeIdle()
	return nil
}
