package s3

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nbpipe/nbpipe/cache"
)

// A pack is a magic, the stored forms of small blobs one after the other, an
// index, and a trailer. The trailer comes last so that one request for the end
// of the object finds the index.
const (
	packMagic   = "nbpack 1"
	indexRecord = 32 + 4 + 4 // digest, offset, length
	trailerSize = 4 + 4 + 8  // blobs, CRC-32C of the index, magic
	tailMagic   = "nbindex1"
	// packTarget ends a pack that several blobs go into.
	packTarget = 16 << 20
	// maxPack bounds what a reader accepts.
	maxPack = 64 << 20
	// firstTail is asked for first; it holds the index of 1,600 blobs.
	firstTail = 64 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// packBuilder collects small blobs.
type packBuilder struct {
	body  []byte
	index []byte
	blobs map[cache.Digest]cache.Packed
}

func newPackBuilder() *packBuilder {
	return &packBuilder{body: []byte(packMagic), blobs: map[cache.Digest]cache.Packed{}}
}

func (p *packBuilder) add(b cache.Packed) {
	if _, have := p.blobs[b.Digest]; have {
		return
	}
	p.blobs[b.Digest] = b
	p.index = append(p.index, b.Digest[:]...)
	p.index = binary.LittleEndian.AppendUint32(p.index, uint32(len(p.body)))
	p.index = binary.LittleEndian.AppendUint32(p.index, uint32(b.Len()))
	p.body = b.Append(p.body)
}

func (p *packBuilder) get(d cache.Digest) (b cache.Packed, ok bool) {
	if p == nil {
		return b, false
	}
	b, ok = p.blobs[d]
	return b, ok
}

func (p *packBuilder) full() bool { return len(p.body)+len(p.index) >= packTarget }

// finish returns the object and the end of it that holds the index.
func (p *packBuilder) finish() (object, tail []byte) {
	start := len(p.body)
	b := append(p.body, p.index...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(p.blobs)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(p.index, castagnoli))
	b = append(b, tailMagic...)
	return b, b[start:]
}

// location is where a blob lies.
type location struct {
	pack   cache.Digest
	off, n int64
}

// indexSize reads the trailer at the end of b and says how long index and
// trailer are together.
func indexSize(b []byte) (int64, error) {
	if len(b) < trailerSize || string(b[len(b)-8:]) != tailMagic {
		return 0, errors.New("no trailer of a pack")
	}
	n := int64(binary.LittleEndian.Uint32(b[len(b)-trailerSize:]))
	if n > maxPack/indexRecord {
		return 0, fmt.Errorf("a pack of %d blobs", n)
	}
	return n*indexRecord + trailerSize, nil
}

// packed is a blob of a pack, as its index names it.
type packed struct {
	digest cache.Digest
	off, n int64
}

// parseIndex reads index and trailer of a pack that is size bytes long.
func parseIndex(tail []byte, size int64) ([]packed, error) {
	n, err := indexSize(tail)
	if err != nil {
		return nil, err
	}
	if int64(len(tail)) != n {
		return nil, fmt.Errorf("%d bytes of index where %d are", len(tail), n)
	}
	body := tail[:n-trailerSize]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(tail[n-trailerSize+4:]) {
		return nil, errors.New("the index's checksum is wrong")
	}
	out := make([]packed, 0, len(body)/indexRecord)
	for ; len(body) > 0; body = body[indexRecord:] {
		b := packed{cache.Digest(body[:32]), int64(binary.LittleEndian.Uint32(body[32:])), int64(binary.LittleEndian.Uint32(body[36:]))}
		if b.n <= 0 || b.n > cache.MaxPacked || b.off < int64(len(packMagic)) || b.off+b.n > size-n {
			return nil, errors.New("the index names bytes that the pack has not")
		}
		out = append(out, b)
	}
	return out, nil
}

// flush uploads what is pending. Whoever comes meanwhile waits: when it returns,
// everything put before is durable.
func (s *Store) flush(ctx context.Context) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.mu.Lock()
	p := s.pending
	s.mu.Unlock()
	if p == nil {
		return nil
	}
	// It stays readable until it is in the catalogue; what is added meanwhile
	// goes into it, too, so a copy is sent.
	s.mu.Lock()
	send := &packBuilder{body: p.body[:len(p.body):len(p.body)], index: p.index[:len(p.index):len(p.index)], blobs: make(map[cache.Digest]cache.Packed, len(p.blobs))}
	for d, b := range p.blobs {
		send.blobs[d] = b
	}
	s.mu.Unlock()
	if err := s.putPack(ctx, send); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := newPackBuilder()
	for d, b := range p.blobs {
		if _, sent := send.blobs[d]; !sent {
			rest.add(b)
		}
	}
	if s.pending = rest; len(rest.blobs) == 0 {
		s.pending = nil
	}
	return nil
}

// putPack uploads a pack and enters it into the catalogue.
func (s *Store) putPack(ctx context.Context, p *packBuilder) error {
	object, tail := p.finish()
	d := cache.DigestOf(object)
	s.at("pack-before")
	_, err := s.put(ctx, packName(d), object, condition{absent: !s.catalogue.distrusts(d)})
	if s.exists(err) != nil {
		return err
	}
	s.at("pack-published")
	i := info{size: int64(len(object))}
	if err == nil {
		i.modified = s.serverNow() // else it was there, and may be old
	}
	s.mu.Lock()
	for blob := range p.blobs {
		delete(s.bad, blob)
	}
	s.mu.Unlock()
	return s.catalogue.learn(d, tail, i)
}

// readPacked reads one blob of a pack.
func (s *Store) readPacked(ctx context.Context, at location, d cache.Digest) ([]byte, error) {
	b, _, err := s.get(ctx, packName(at.pack), at.off, at.n)
	if errors.Is(err, errNotFound) {
		s.catalogue.forgetPack(at.pack)
		return nil, &cache.MissingError{Digest: d}
	}
	if err != nil {
		return nil, err
	}
	p, err := parsePacked(b, d)
	if err == nil {
		b, err = p.Bytes()
	}
	return b, s.noteBadCopy(at.pack, d, err)
}

// in reads a blob from the object of its pack.
func (b packed) in(object []byte) (cache.Packed, error) {
	if b.off+b.n > int64(len(object)) {
		return cache.Packed{}, &cache.CorruptError{Digest: b.digest, Detail: "the pack is cut off"}
	}
	return parsePacked(object[b.off:b.off+b.n], b.digest)
}

func parsePacked(b []byte, d cache.Digest) (cache.Packed, error) {
	p, err := cache.ParsePacked(b)
	if err == nil && p.Digest != d {
		err = errors.New("the pack holds another blob there")
	}
	if err != nil {
		return p, &cache.CorruptError{Digest: d, Detail: err.Error()}
	}
	return p, nil
}

// catalogue knows which blob is in which pack. Packs never change, so what was
// read of one stays true for as long as it is there.
type catalogue struct {
	s  *Store
	mu sync.Mutex

	packs  map[cache.Digest]*packInfo // whose index was read
	blobs  map[cache.Digest]location  // of each blob, one
	broken map[cache.Digest]brokenPack
	wrong  map[copyOf]bool // copies whose bytes were seen to be wrong
	listed time.Time
}

type copyOf struct{ pack, blob cache.Digest }

// brokenPack is a pack whose index cannot be read.
type brokenPack struct {
	info
	err error
}

// packInfo is what is known of a pack.
type packInfo struct {
	size     int64
	modified time.Time // by the server's clock
	blobs    []packed
}

// relist is how long a listing of packs is good enough for a blob that is not
// known: another machine may have published it since.
const relist = 2 * time.Second

func (c *catalogue) init(s *Store) {
	c.s, c.blobs, c.packs, c.broken = s, map[cache.Digest]location{}, map[cache.Digest]*packInfo{}, map[cache.Digest]brokenPack{}
	c.wrong = map[copyOf]bool{}
}

// find returns where a blob lies; it lists the packs if that is not known.
func (c *catalogue) find(ctx context.Context, d cache.Digest) (location, bool, error) {
	c.mu.Lock()
	at, ok := c.blobs[d]
	fresh := time.Since(c.listed) < relist
	c.mu.Unlock()
	if ok || fresh {
		return at, ok, nil
	}
	if err := c.refresh(ctx); err != nil {
		return at, false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok = c.blobs[d]
	return at, ok, nil
}

const packsPrefix = "packs/"

// refresh lists the packs and reads the indexes that are new.
func (c *catalogue) refresh(ctx context.Context) error {
	started := time.Now()
	all, err := c.s.list(ctx, packsPrefix)
	if err != nil {
		return err
	}
	return c.take(ctx, all, started)
}

// parsePackName reads what packName wrote.
func parsePackName(name string) (cache.Digest, bool) {
	d, err := cache.ParseDigest(path.Base(name))
	return d, err == nil && name == packName(d)
}

// take takes in a listing of all packs that was begun at a time.
func (c *catalogue) take(ctx context.Context, all []info, started time.Time) error {
	there := make(map[cache.Digest]bool, len(all))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency / 2)
	for _, i := range all {
		d, ok := parsePackName(i.name)
		if !ok || i.size > maxPack {
			continue
		}
		there[d] = true
		if !c.knows(d, i) {
			g.Go(func() error { return c.read(gctx, d, i) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	c.mu.Lock()
	gone := map[cache.Digest]bool{}
	for d := range c.packs {
		if !there[d] {
			gone[d] = true
		}
	}
	c.listed = started
	c.mu.Unlock()
	for d := range gone {
		if c.s.serverKnows(ctx, packName(d)) {
			continue // published after the listing, by this process
		}
		c.forgetPack(d)
	}
	return nil
}

func (s *Store) serverKnows(ctx context.Context, name string) bool {
	_, err := s.head(ctx, name)
	return err == nil
}

// knows reports whether a pack need not be read, and takes in its time. One that
// has another length than before was damaged, or mended.
func (c *catalogue) knows(d cache.Digest, i info) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.packs[d]; p != nil {
		if p.size == i.size {
			p.modified = i.modified
			return true
		}
		c.drop(d)
	}
	b, ok := c.broken[d]
	return ok && b.size == i.size && b.modified.Equal(i.modified)
}

// distrusts reports whether a pack's object was seen to be damaged: who has its
// right bytes overwrites it (invariant I1).
func (c *catalogue) distrusts(d cache.Digest) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.wrong {
		if w.pack == d {
			return true
		}
	}
	_, broken := c.broken[d]
	return broken
}

// read reads the index of one pack, from this machine's copy if there is one.
func (c *catalogue) read(ctx context.Context, d cache.Digest, i info) error {
	if b, err := os.ReadFile(c.file(d)); err == nil && c.s.Dir != "" {
		if c.learnFrom(d, b, i) == nil {
			return nil
		}
	}
	if i.size < int64(len(packMagic))+trailerSize {
		return c.skip(d, i, &cache.CorruptError{Digest: d, Detail: fmt.Sprintf("pack: an object of %d bytes", i.size)})
	}
	tail, err := c.s.tail(ctx, i.name, i.size, firstTail)
	if err != nil {
		return c.skip(d, i, err)
	}
	n, err := indexSize(tail)
	if err != nil || n > i.size {
		return c.skip(d, i, &cache.CorruptError{Digest: d, Detail: fmt.Sprintf("pack: %v", err)})
	}
	if n > int64(len(tail)) {
		if tail, err = c.s.tail(ctx, i.name, i.size, n); err != nil {
			return c.skip(d, i, err)
		}
	}
	if err := c.learn(d, tail[int64(len(tail))-n:], i); err != nil {
		return c.skip(d, i, &cache.CorruptError{Digest: d, Detail: "pack: " + err.Error()})
	}
	return nil
}

// skip passes over a pack that is gone or damaged: what it holds is missing.
func (c *catalogue) skip(d cache.Digest, i info, err error) error {
	if errors.Is(err, errNotFound) {
		return nil
	}
	if !errors.As(err, new(*cache.CorruptError)) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken[d] = brokenPack{i, err}
	return nil
}

func (c *catalogue) file(d cache.Digest) string {
	return filepath.Join(c.s.Dir, c.s.id, d.String()+".index")
}

// learn takes an index in and keeps a copy on this machine.
func (c *catalogue) learn(d cache.Digest, tail []byte, i info) error {
	if err := c.learnFrom(d, tail, i); err != nil || c.s.Dir == "" {
		return err
	}
	// A copy that cannot be kept costs a request the next time.
	path := c.file(d)
	if os.MkdirAll(filepath.Dir(path), 0o755) == nil {
		_ = cache.ReplaceFile(path, tail, 0o644, false)
	}
	return nil
}

func (c *catalogue) learnFrom(d cache.Digest, tail []byte, i info) error {
	blobs, err := parseIndex(tail, i.size)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.packs[d] = &packInfo{size: i.size, modified: i.modified, blobs: blobs}
	maps.DeleteFunc(c.wrong, func(w copyOf, _ bool) bool { return w.pack == d }) // it was read or written anew
	c.include(d)
	delete(c.broken, d)
	return nil
}

// include makes the blobs of a pack findable. The caller holds c.mu.
func (c *catalogue) include(d cache.Digest) {
	for _, b := range c.packs[d].blobs {
		if _, have := c.blobs[b.digest]; !have && !c.wrong[copyOf{d, b.digest}] {
			c.blobs[b.digest] = location{pack: d, off: b.off, n: b.n}
		}
	}
}

// forget drops a copy of a blob that was seen to be wrong; other says that there is another one.
func (c *catalogue) forget(wrong copyOf) (other bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong[wrong] = true
	if at, ok := c.blobs[wrong.blob]; !ok || at.pack != wrong.pack {
		return ok
	}
	delete(c.blobs, wrong.blob)
	for pack, p := range c.packs {
		if slices.ContainsFunc(p.blobs, func(b packed) bool { return b.digest == wrong.blob }) {
			c.include(pack)
		}
	}
	_, other = c.blobs[wrong.blob]
	return other
}

// forgetPack drops a pack that is no longer there. Its blobs may be in others.
func (c *catalogue) forgetPack(d cache.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(d)
	c.listed = time.Time{}
}

// drop is forgetPack for a caller who holds c.mu.
func (c *catalogue) drop(d cache.Digest) {
	if c.s.Dir != "" {
		_ = os.Remove(c.file(d))
	}
	delete(c.packs, d)
	for blob, at := range c.blobs {
		if at.pack == d {
			delete(c.blobs, blob)
		}
	}
	for other := range c.packs {
		c.include(other)
	}
}

// wrongPacks lists the packs in which one of the blobs was seen to be wrong.
func (c *catalogue) wrongPacks(blobs []cache.Digest) (out []cache.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.wrong {
		if slices.Contains(blobs, w.blob) && !slices.Contains(out, w.pack) && c.packs[w.pack] != nil {
			out = append(out, w.pack)
		}
	}
	slices.SortFunc(out, func(a, b cache.Digest) int { return slices.Compare(a[:], b[:]) })
	return out
}

// trust makes what is in a pack findable again.
func (c *catalogue) trust(d cache.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.wrong, func(w copyOf, _ bool) bool { return w.pack == d })
	if c.packs[d] != nil {
		c.include(d)
	}
}

// contents lists what a pack holds, as its index says.
func (c *catalogue) contents(d cache.Digest) []packed {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.packs[d]; p != nil {
		return p.blobs
	}
	return nil
}
