package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"time"
)

// A pack is a header and a log of records. Each record checks itself, so that
// the longest valid prefix of a pack is always usable: what a crash cut off, or
// left as a hole, ends the scan. An entry's record comes after the records of
// the small blobs it needs, hence no prefix holds an entry without its small
// blobs (invariant I2), whatever the disk wrote first.
const (
	packMagic      = "nbpipepk"
	packVersion    = 1
	packHeaderSize = 32
	recordMarker   = "nbR"
	recordHeader   = 64
)

// packID is a pack's random name while it is open; it stays in the pack's
// header when the pack is sealed, and with an offset names a record for good.
type packID [16]byte

func marshalPackHeader(id packID) []byte {
	b := make([]byte, packHeaderSize)
	copy(b, packMagic)
	binary.LittleEndian.PutUint32(b[8:], packVersion)
	copy(b[16:], id[:])
	return b
}

func parsePackHeader(b []byte) (id packID, err error) {
	if len(b) < packHeaderSize || string(b[:8]) != packMagic {
		return id, errors.New("no pack header")
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != packVersion {
		return id, fmt.Errorf("pack version %d, this build reads %d", v, packVersion)
	}
	return packID(b[16:32]), nil
}

type recordKind byte

const (
	kindBlob   recordKind = 'B' // id: digest; payload: encoded bytes
	kindEntry  recordKind = 'E' // id: key; payload: see marshalEntryPayload
	kindBad    recordKind = 'N' // id: digest known to be bad or lost; payload: see marshalKillPayload
	kindForget recordKind = 'K' // id: key; payload as of kindBad
	kindFooter recordKind = 'F' // the index of a sealed pack; ends the scan
)

// record is one record's header.
type record struct {
	kind   recordKind
	enc    encoding
	stored uint32 // bytes of payload
	size   int64  // uncompressed bytes, of blobs
	taken  int64  // when the store took it, Unix nanoseconds
	id     [32]byte
}

func (r record) total() int64 { return recordHeader + int64(r.stored) }

// marshal returns header and payload as they are appended, in one piece.
func (r record) marshal(payload []byte) []byte {
	b := make([]byte, recordHeader+len(payload))
	copy(b, recordMarker)
	b[3] = byte(r.kind)
	b[4] = byte(r.enc)
	binary.LittleEndian.PutUint32(b[8:], uint32(len(payload)))
	binary.LittleEndian.PutUint64(b[12:], uint64(r.size))
	binary.LittleEndian.PutUint64(b[20:], uint64(r.taken))
	copy(b[28:60], r.id[:])
	copy(b[recordHeader:], payload)
	binary.LittleEndian.PutUint32(b[60:], recordChecksum(b))
	return b
}

func recordChecksum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:60], castagnoli), castagnoli, b[recordHeader:])
}

var errBadRecord = errors.New("not a valid record")

// parseRecordHeader reads a header; the checksum covers the payload, too, and
// is checked by parseRecord.
func parseRecordHeader(b []byte) (record, error) {
	if len(b) < recordHeader || string(b[:3]) != recordMarker || b[5] != 0 || b[6] != 0 || b[7] != 0 {
		return record{}, errBadRecord
	}
	r := record{
		kind:   recordKind(b[3]),
		enc:    encoding(b[4]),
		stored: binary.LittleEndian.Uint32(b[8:]),
		size:   int64(binary.LittleEndian.Uint64(b[12:])),
		taken:  int64(binary.LittleEndian.Uint64(b[20:])),
		id:     [32]byte(b[28:60]),
	}
	if r.size < 0 || (r.kind == kindBlob && r.size > maxPackedSize) {
		return record{}, errBadRecord
	}
	return r, nil
}

// parseRecord checks a whole record and returns its payload.
func parseRecord(b []byte) (record, []byte, error) {
	r, err := parseRecordHeader(b)
	if err != nil {
		return r, nil, err
	}
	if r.total() != int64(len(b)) || recordChecksum(b) != binary.LittleEndian.Uint32(b[60:]) {
		return r, nil, errBadRecord
	}
	return r, b[recordHeader:], nil
}

// entryPayload is what a kindEntry record holds beside the key.
type entryPayload struct {
	signer string
	time   int64
	digest Digest
	data   []byte
}

func marshalEntryPayload(e StoredEntry) []byte {
	b := make([]byte, 0, 1+len(e.Signer)+8+32+len(e.Data))
	b = append(b, byte(len(e.Signer)))
	b = append(b, e.Signer...)
	b = binary.LittleEndian.AppendUint64(b, uint64(unixNano(e.Time)))
	b = append(b, e.Digest[:]...)
	return append(b, e.Data...)
}

func parseEntryPayload(b []byte) (p entryPayload, err error) {
	if len(b) < 1 || len(b) < 1+int(b[0])+40 {
		return p, errBadRecord
	}
	n := int(b[0])
	p.signer = string(b[1 : 1+n])
	b = b[1+n:]
	p.time = int64(binary.LittleEndian.Uint64(b))
	p.digest = Digest(b[8:40])
	p.data = b[40:]
	return p, nil
}

// target names one record in one pack, for good: records are never moved
// within a pack, and a rewritten pack has an identity of its own.
type target struct {
	pack packID
	off  int64
}

// maxReason bounds the text of a note.
const maxReason = 4 << 10

func marshalKillPayload(targets []target, reason string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(targets)))
	for _, t := range targets {
		b = append(b, t.pack[:]...)
		b = binary.LittleEndian.AppendUint64(b, uint64(t.off))
	}
	return append(b, reason[:min(len(reason), maxReason)]...)
}

func parseKillPayload(b []byte) ([]target, string, error) {
	if len(b) < 4 {
		return nil, "", errBadRecord
	}
	n := int64(binary.LittleEndian.Uint32(b))
	b = b[4:]
	if n*24 > int64(len(b)) {
		return nil, "", errBadRecord
	}
	out := make([]target, n)
	for i := range out {
		out[i] = target{pack: packID(b[:16]), off: int64(binary.LittleEndian.Uint64(b[16:]))}
		b = b[24:]
	}
	return out, string(b), nil
}

// scanRecords calls visit for each valid record from off on, and returns where
// the first invalid one (or the footer, or the end) starts. Memory is bounded
// by the largest record that the file really holds.
func scanRecords(r io.ReaderAt, off, size int64, visit func(off int64, rec record, raw []byte) error) (int64, error) {
	var buf []byte
	window := int64(0) // offset of buf[0]
	for {
		need := int64(recordHeader)
		for pass := 0; ; pass++ {
			if off+need > size || need > math.MaxInt32 {
				return off, nil
			}
			if off < window || off+need > window+int64(len(buf)) {
				buf = resize(buf, min(max(need, scanWindow), size-off))
				if n, err := r.ReadAt(buf, off); n < len(buf) {
					if err == io.EOF {
						return off, nil // truncated meanwhile
					}
					return off, err
				}
				window = off
			}
			rec, err := parseRecordHeader(buf[off-window:])
			if err != nil || rec.kind == kindFooter {
				return off, nil
			}
			if need = rec.total(); pass == 1 {
				break
			}
		}
		raw := buf[off-window:][:need]
		rec, _, err := parseRecord(raw)
		if err != nil {
			return off, nil
		}
		if err := visit(off, rec, raw); err != nil {
			return off, err
		}
		off += need
	}
}

// scanWindow is how much a scan reads at once: a 4 MiB pack in 16 calls.
const scanWindow = 256 << 10

func resize(b []byte, n int64) []byte {
	if int64(cap(b)) >= n {
		return b[:n]
	}
	return make([]byte, n)
}

// unixNano keeps the zero time zero.
func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
