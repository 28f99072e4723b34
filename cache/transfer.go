package cache

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// MaxPacked is the most that a Packed takes, header included.
const MaxPacked = recordHeader + maxPackedStored

// Packed is a small blob in the form in which packs hold it: possibly
// compressed, at most 64 KiB.
type Packed struct {
	Digest Digest
	Size   int64 // of the uncompressed bytes, at most 1 MiB

	enc     encoding
	payload []byte
}

// Pack encodes a small blob; ok is false for one that is too large for a pack.
func Pack(b []byte) (p Packed, ok bool) {
	if len(b) > maxPackedSize {
		return Packed{}, false
	}
	enc, data := sharedCodec().encode(b)
	return Packed{Digest: DigestOf(b), Size: int64(len(b)), enc: enc, payload: data}, len(data) <= maxPackedStored
}

// Len is the number of bytes that Append appends.
func (p Packed) Len() int { return recordHeader + len(p.payload) }

// Append appends the stored form: a header that checks itself, then the payload.
func (p Packed) Append(b []byte) []byte {
	return append(b, record{kind: kindBlob, enc: p.enc, size: p.Size, id: p.Digest}.marshal(p.payload)...)
}

// ParsePacked reads what Append wrote; b must be exactly that. The bytes are not
// verified before Bytes or Local.PutPacked.
func ParsePacked(b []byte) (Packed, error) {
	r, payload, err := parseRecord(b)
	if err != nil || r.kind != kindBlob || len(payload) > maxPackedStored {
		return Packed{}, errors.New("not a blob in a pack")
	}
	return Packed{Digest: r.id, Size: r.size, enc: r.enc, payload: payload}, nil
}

// Bytes returns the uncompressed bytes, verified against the digest.
func (p Packed) Bytes() ([]byte, error) {
	b, err := p.decode(sharedCodec())
	if err != nil {
		return nil, &CorruptError{Digest: p.Digest, Detail: err.Error()}
	}
	return b, nil
}

func (p Packed) decode(c *codec) ([]byte, error) {
	b, err := c.decode(p.enc, p.payload, int(p.Size))
	if err == nil && DigestOf(b) != p.Digest {
		err = errors.New("its bytes have another digest")
	}
	return b, err
}

// sharedCodec serves what belongs to no open store.
var sharedCodec = sync.OnceValue(func() *codec { return new(codec) })

// PutPacked stores a small blob as it is, after verifying it.
func (l *Local) PutPacked(ctx context.Context, p Packed) error {
	if have, err := l.HasBlob(ctx, p.Digest); err != nil || have {
		return err
	}
	if err := l.canWrite(); err != nil {
		return err
	}
	if _, err := p.decode(&l.codec); err != nil {
		return &CorruptError{Digest: p.Digest, Detail: err.Error()}
	}
	err := l.withIndex(func(x *index) error {
		if _, have := x.blobs[p.Digest]; have {
			return nil
		}
		r := record{kind: kindBlob, enc: p.enc, size: p.Size, taken: l.opt.Now().UnixNano(), id: p.Digest}
		return l.appendRecord(r, p.payload)
	})
	l.at("blob-appended")
	return err
}

// BlobFile is a blob in the form in which it has a file, or an object, of its
// own: a header, then raw or compressed bytes.
type BlobFile struct {
	f      *os.File
	Digest Digest
	Length int64 // of the stored form, in bytes
	Size   int64 // of the uncompressed bytes
}

// ReadAt reads the stored form, which is not verified by that.
func (b *BlobFile) ReadAt(p []byte, off int64) (int, error) { return b.f.ReadAt(p, off) }

// Close closes the file.
func (b *BlobFile) Close() error { return b.f.Close() }

// Verify reads and decodes everything and compares digests.
func (b *BlobFile) Verify(ctx context.Context) error {
	err := verifyStored(sharedCodec(), b.Digest, b.Length, &contextReader{ctx, io.NewSectionReader(b.f, 0, b.Length)})
	return corruptOr(ctx, b.Digest, err)
}

// corruptOr says that bytes are wrong, unless the context ended.
func corruptOr(ctx context.Context, d Digest, err error) error {
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	return &CorruptError{Digest: d, Detail: err.Error()}
}

// Pack returns a small blob in the form in which it goes into a pack; ok is
// false for a large one. It is verified.
func (b *BlobFile) Pack() (p Packed, ok bool, err error) {
	if b.Size > maxPackedSize {
		return Packed{}, false, nil
	}
	r, err := sharedCodec().openBlob(b.Digest, b.Length, io.NewSectionReader(b.f, 0, b.Length))
	defer r.close()
	var bytes []byte
	if err == nil {
		bytes, err = io.ReadAll(&r)
	}
	if err != nil {
		return Packed{}, false, &CorruptError{Digest: b.Digest, Detail: err.Error()}
	}
	p, ok = Pack(bytes)
	return p, ok, nil
}

// Stored returns a blob in the form in which it is stored: as Packed, or as a
// file where packed is nil. A packed one is verified, a file is not.
func (l *Local) Stored(ctx context.Context, d Digest) (packed *Packed, file *BlobFile, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	p, _, ok, err := l.readStored(d)
	if err != nil {
		return nil, nil, err
	}
	if ok {
		return &p, nil, nil
	}
	r, err := l.openFile(d)
	if err != nil {
		return nil, nil, err
	}
	r.close()
	info, err := r.f.Stat()
	if err != nil {
		_ = r.f.Close()
		return nil, nil, err
	}
	return nil, &BlobFile{f: r.f, Digest: d, Length: info.Size(), Size: r.header.size}, nil
}

// Spool encodes a stream of the given digest and size into a temporary file, in
// the form of a blob's file; the caller closes it, which removes it.
func Spool(ctx context.Context, dir string, d Digest, size int64, src io.Reader) (*BlobFile, error) {
	f, err := os.CreateTemp(dir, "nbpipe-blob-")
	if err != nil {
		return nil, fmt.Errorf("creating a temporary file: %w", err)
	}
	_ = os.Remove(f.Name()) // the open file is all that is needed
	b := &BlobFile{f: f, Digest: d, Size: size}
	if b.Length, err = spool(f, d, size, bufio.NewReaderSize(&contextReader{ctx, src}, streamBuffer)); err != nil {
		_ = f.Close()
		return nil, err
	}
	return b, nil
}

func spool(f *os.File, d Digest, size int64, src *bufio.Reader) (int64, error) {
	h := blobHeader{enc: encRaw, size: size}
	if head, _ := src.Peek(sampleSize); sharedCodec().compressibleHead(head) {
		h.enc = encZstd
	}
	if _, err := f.Write(h.marshal()); err != nil {
		return 0, err
	}
	sum := sha256.New()
	n, err := encodeStream(sharedCodec(), f, io.TeeReader(io.LimitReader(src, size+1), sum), h.enc)
	if err != nil {
		return 0, fmt.Errorf("putting blob %s: %w", d.Short(), err)
	}
	if got := Digest(sum.Sum(nil)); got != d || n != size {
		return 0, &CorruptError{Digest: d, Detail: fmt.Sprintf("the bytes to store have digest %s and size %d, not %d", got.Short(), n, size)}
	}
	return f.Seek(0, io.SeekEnd)
}

// DecodeStored returns a reader of the uncompressed bytes of a blob, and their
// number, from its stored form of length bytes. It returns a *CorruptError
// instead of io.EOF after anything but exactly the blob's bytes. Closing it
// closes src.
func DecodeStored(d Digest, length int64, src io.ReadCloser) (io.ReadCloser, int64, error) {
	r, err := sharedCodec().openBlob(d, length, src)
	r.fail = func(err error) error { return &CorruptError{Digest: d, Detail: err.Error()} }
	if err != nil {
		r.close()
		_ = src.Close()
		return nil, 0, r.fail(err)
	}
	return &storedReader{r, src}, r.header.size, nil
}

type storedReader struct {
	blobReader
	src io.Closer
}

func (s *storedReader) Close() error {
	s.close()
	return s.src.Close()
}

// Own returns this machine's own entry of a key, the newest that is usable; ok is
// false if there is none.
func (l *Local) Own(ctx context.Context, k Key) (s StoredEntry, e *Entry, ok bool, err error) {
	all, err := l.LookupAll(ctx, k)
	if err != nil || len(all) == 0 || all[0].Reason != "" || all[0].Stored.Signer != "" {
		return s, nil, false, err
	}
	return all[0].Stored, all[0].Entry, true, nil
}

// Needs lists the blobs of an entry: of its objects, with the members of trees,
// and of its log. Trees are read.
func (l *Local) Needs(ctx context.Context, e *Entry) ([]Digest, error) {
	var out []Digest
	for _, o := range e.Content() {
		out = append(out, o.Digest)
		if !o.Tree {
			continue
		}
		members, err := l.Tree(ctx, o.Digest)
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			if !m.Dir {
				out = append(out, m.Digest)
			}
		}
	}
	return out, nil
}

// SetUpstream gives a store, before its use, where its content comes from if it
// lacks it.
func (l *Local) SetUpstream(u Upstream) { l.opt.Upstream = u }
