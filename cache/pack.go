package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// What goes into a pack rather than into a file of its own.
const (
	// maxPackedStored is the largest encoded blob in a pack. A file costs one or two
	// fsyncs of 1 to 2 ms; writing 64 KiB twice (once more when packs are merged)
	// costs 0.1 ms.
	maxPackedStored = 64 << 10
	// maxPackedSize bounds what a record may decode to, and so what a forged one
	// can make a reader allocate.
	maxPackedSize = 1 << 20
	// maxRecordPayload bounds entries.
	maxRecordPayload = 64 << 20
	// maxPackSize ends a pack: merging rewrites whole packs.
	maxPackSize = 256 << 20
)

type blobRef struct {
	digest Digest
	off    int64
	taken  int64
	stored uint32
	size   uint32
}

type entryRef struct {
	key    Key
	digest Digest
	off    int64
	taken  int64
	time   int64
	stored uint32
	signer string
}

// killRef is a note on a bad digest or a forgotten key, with the records that it kills.
type killRef struct {
	kind    recordKind
	id      [32]byte
	off     int64
	taken   int64
	stored  uint32
	targets []target
	reason  string
}

// pack is a pack file as far as it was read. Its slices grow under Local.mu;
// the file handle has a lock of its own.
type pack struct {
	id     packID
	name   string // within packs/
	sealed bool
	end    int64 // end of the valid records read so far
	size   int64 // of the file when it was listed

	blobs   []blobRef
	entries []entryRef
	kills   []killRef

	// footerBad says that a sealed pack's index could not be used.
	footerBad bool

	mu   sync.Mutex
	path string
	file *os.File
}

// add registers one scanned record.
func (p *pack) add(off int64, r record, raw []byte) error {
	payload := raw[recordHeader:]
	switch r.kind {
	case kindBlob:
		p.blobs = append(p.blobs, blobRef{digest: r.id, off: off, taken: r.taken, stored: r.stored, size: uint32(r.size)})
	case kindEntry:
		e, err := parseEntryPayload(payload)
		if err != nil {
			return nil // valid checksum, unknown form: of a later build; passed over
		}
		p.entries = append(p.entries, entryRef{key: r.id, digest: e.digest, off: off, taken: r.taken, time: e.time, stored: r.stored, signer: e.signer})
	case kindBad, kindForget:
		targets, reason, err := parseKillPayload(payload)
		if err != nil {
			return nil
		}
		p.kills = append(p.kills, killRef{kind: r.kind, id: r.id, off: off, taken: r.taken, stored: r.stored, targets: targets, reason: reason})
	}
	return nil
}

// open returns the pack's file. It stays open, so that a pack that is sealed
// (renamed) or merged (deleted) meanwhile can still be read.
func (p *pack) open() (*os.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil {
		f, err := os.Open(p.path)
		if err != nil {
			return nil, err
		}
		p.file = f
	}
	return p.file, nil
}

func (p *pack) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file != nil {
		_ = p.file.Close()
		p.file = nil
	}
}

// read returns one whole record, checked.
func (p *pack) read(off int64, stored uint32) (record, []byte, error) {
	f, err := p.open()
	if err != nil {
		return record{}, nil, err
	}
	r, payload, err := readRecord(f, off, stored)
	if err != nil {
		err = fmt.Errorf("pack %x at %d: %w", p.id[:4], off, err)
	}
	return r, payload, err
}

func readRecord(f io.ReaderAt, off int64, stored uint32) (record, []byte, error) {
	raw := make([]byte, recordHeader+int64(stored))
	if _, err := f.ReadAt(raw, off); err != nil {
		return record{}, nil, err
	}
	return parseRecord(raw)
}

// loadPack reads a pack's index: of a sealed pack from its footer, else by a scan.
func loadPack(path, name string, sealed bool) (*pack, error) {
	p := &pack{path: path, name: name, sealed: sealed}
	f, err := p.open()
	if err != nil {
		return nil, err
	}
	head := make([]byte, packHeaderSize)
	if _, err := f.ReadAt(head, 0); err != nil {
		p.close()
		return nil, fmt.Errorf("pack %s: %w", name, err)
	}
	if p.id, err = parsePackHeader(head); err != nil {
		p.close()
		return nil, fmt.Errorf("pack %s: %w", name, err)
	}
	p.end = packHeaderSize
	if sealed {
		info, err := f.Stat()
		if err == nil {
			err = p.loadFooter(f, info.Size())
		}
		if err == nil {
			return p, nil
		}
		p.footerBad = true
	}
	if err := p.grow(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// grow scans what was appended since the last look.
func (p *pack) grow() error {
	f, err := p.open()
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	p.size = info.Size()
	if p.end, err = scanRecords(f, p.end, p.size, p.add); err != nil {
		return fmt.Errorf("pack %s: %w", p.name, err)
	}
	return nil
}

// The footer is a record of kindFooter, followed by a trailer that tells where
// it starts. Loading 20,000 references takes a few milliseconds, and touches
// no record.
const (
	trailerMagic  = "nbpipeix"
	trailerSize   = 24
	blobRefSize   = 32 + 8 + 8 + 4 + 4
	entryRefSize  = 32 + 32 + 8 + 8 + 8 + 4 + 2
	maxFooterSize = 1 << 30
	// footerGuess is read from the end at once; it holds the footer of 1,000 blobs.
	footerGuess = 64 << 10
)

// footer encodes the index of p, whose records end at p.end.
func (p *pack) footer() []byte {
	signers, number := []string{}, map[string]uint16{}
	for _, e := range p.entries {
		if _, ok := number[e.signer]; !ok {
			number[e.signer] = uint16(len(signers))
			signers = append(signers, e.signer)
		}
	}
	le := binary.LittleEndian
	b := make([]byte, 0, 64+blobRefSize*len(p.blobs)+entryRefSize*len(p.entries))
	for _, n := range []int{len(signers), len(p.blobs), len(p.entries), len(p.kills)} {
		b = le.AppendUint32(b, uint32(n))
	}
	for _, s := range signers {
		b = append(append(b, byte(len(s))), s...)
	}
	for _, r := range p.blobs {
		b = append(b, r.digest[:]...)
		b = le.AppendUint64(b, uint64(r.off))
		b = le.AppendUint64(b, uint64(r.taken))
		b = le.AppendUint32(b, r.stored)
		b = le.AppendUint32(b, r.size)
	}
	for _, r := range p.entries {
		b = append(append(b, r.key[:]...), r.digest[:]...)
		b = le.AppendUint64(b, uint64(r.off))
		b = le.AppendUint64(b, uint64(r.taken))
		b = le.AppendUint64(b, uint64(r.time))
		b = le.AppendUint32(b, r.stored)
		b = le.AppendUint16(b, number[r.signer])
	}
	for _, r := range p.kills {
		b = append(append(b, byte(r.kind)), r.id[:]...)
		b = le.AppendUint64(b, uint64(r.off))
		b = le.AppendUint64(b, uint64(r.taken))
		payload := marshalKillPayload(r.targets, r.reason)
		b = le.AppendUint32(b, uint32(len(payload)))
		b = append(b, payload...)
	}
	rec := record{kind: kindFooter}.marshal(b)
	trailer := le.AppendUint64(nil, uint64(p.end))
	trailer = le.AppendUint32(trailer, crc32.Checksum(trailer, castagnoli))
	trailer = append(le.AppendUint32(trailer, 0), trailerMagic...)
	return append(rec, trailer...)
}

var errBadFooter = errors.New("the pack has no valid index")

func (p *pack) loadFooter(f io.ReaderAt, size int64) error {
	p.size = size
	tail := make([]byte, min(p.size, footerGuess))
	if _, err := f.ReadAt(tail, p.size-int64(len(tail))); err != nil {
		return err
	}
	off, err := parseTrailer(tail, p.size)
	if err != nil {
		return err
	}
	n := p.size - trailerSize - off
	raw := tail[:len(tail)-trailerSize]
	if int64(len(raw)) >= n {
		raw = raw[int64(len(raw))-n:]
	} else {
		raw = make([]byte, n)
		if _, err := f.ReadAt(raw, off); err != nil {
			return err
		}
	}
	r, payload, err := parseRecord(raw)
	if err != nil || r.kind != kindFooter {
		return errBadFooter
	}
	p.end = off
	return p.parseFooter(payload)
}

// parseTrailer returns the offset of the footer record.
func parseTrailer(tail []byte, size int64) (int64, error) {
	if len(tail) < trailerSize {
		return 0, errBadFooter
	}
	t := tail[len(tail)-trailerSize:]
	off := int64(binary.LittleEndian.Uint64(t))
	if string(t[16:]) != trailerMagic || crc32.Checksum(t[:8], castagnoli) != binary.LittleEndian.Uint32(t[8:]) {
		return 0, errBadFooter
	}
	if off < packHeaderSize || off > size-trailerSize-recordHeader || size-off > maxFooterSize {
		return 0, errBadFooter
	}
	return off, nil
}

func (p *pack) parseFooter(b []byte) error {
	c := cursor{b: b}
	signerCount, blobs, entries, kills := int(c.u32()), int(c.u32()), int(c.u32()), int(c.u32())
	// The counts bound allocations by the bytes that are really there.
	if int64(blobs)*blobRefSize+int64(entries)*entryRefSize+int64(kills)*53+int64(signerCount) > int64(len(b)) {
		return errBadFooter
	}
	signers := make([]string, signerCount)
	for i := range signers {
		signers[i] = string(c.take(int(c.u8())))
	}
	p.blobs = make([]blobRef, blobs)
	for i := range p.blobs {
		r := &p.blobs[i]
		copy(r.digest[:], c.take(32))
		r.off, r.taken, r.stored, r.size = c.i64(), c.i64(), c.u32(), c.u32()
		c.bad = c.bad || r.size > maxPackedSize || !p.holds(r.off, r.stored)
	}
	p.entries = make([]entryRef, entries)
	for i := range p.entries {
		r := &p.entries[i]
		copy(r.key[:], c.take(32))
		copy(r.digest[:], c.take(32))
		r.off, r.taken, r.time, r.stored = c.i64(), c.i64(), c.i64(), c.u32()
		if n := int(c.u16()); n < len(signers) {
			r.signer = signers[n]
		} else {
			c.bad = true
		}
		c.bad = c.bad || !p.holds(r.off, r.stored)
	}
	p.kills = make([]killRef, kills)
	for i := range p.kills {
		r := &p.kills[i]
		r.kind = recordKind(c.u8())
		copy(r.id[:], c.take(32))
		r.off, r.taken, r.stored = c.i64(), c.i64(), c.u32()
		var err error
		if r.targets, r.reason, err = parseKillPayload(c.take(int(r.stored))); err != nil {
			c.bad = true
		}
	}
	if c.bad || len(c.b) > 0 {
		p.blobs, p.entries, p.kills, p.end = nil, nil, nil, packHeaderSize
		return errBadFooter
	}
	return nil
}

// holds reports whether a record can lie at off.
func (p *pack) holds(off int64, stored uint32) bool {
	return off >= packHeaderSize && off+recordHeader+int64(stored) <= p.end
}

// cursor reads fixed-width fields; once bad, it yields zeros.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if c.bad || n < 0 || n > len(c.b) {
		c.bad = true
		return nil
	}
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) u8() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if b := c.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) i64() int64 {
	if b := c.take(8); b != nil {
		return int64(binary.LittleEndian.Uint64(b))
	}
	return 0
}

// isGone reports whether a pack vanished under its name.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func timeOf(nano int64) time.Time {
	if nano == 0 {
		return time.Time{}
	}
	return time.Unix(0, nano).UTC()
}
