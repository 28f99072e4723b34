package cache

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// MissingError says which blob the store does not hold; it is an ErrNotFound. With a
// Cause that is none, an upstream may have it: see Lost.
type MissingError struct {
	Digest Digest
	Cause  error // why an upstream did not give it, if that was asked
}

func (e *MissingError) Error() string {
	text := "blob " + e.Digest.Short() + " is not in the store"
	if e.Cause != nil {
		text += ", and " + e.Cause.Error()
	}
	return text
}

// Is makes errors.Is(err, ErrNotFound) hold.
func (e *MissingError) Is(target error) bool { return target == ErrNotFound }

func (l *Local) blobPath(d Digest) string {
	s := d.String()
	return filepath.Join(l.dir, "blobs", s[:2], s)
}

// HasBlob reports whether the store holds the blob; it does not read its bytes.
func (l *Local) HasBlob(ctx context.Context, d Digest) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return l.has(d)
}

func (l *Local) has(d Digest) (bool, error) {
	_, _, have, err := l.findPacked(d)
	return have || err == nil && l.hasFile(d), err
}

func (l *Local) hasFile(d Digest) bool {
	info, err := os.Lstat(l.blobPath(d))
	return err == nil && info.Mode().IsRegular()
}

// findPacked returns where the blob lies in a pack, looking at other processes'
// packs only when it is nowhere else.
func (l *Local) findPacked(d Digest) (p *pack, ref blobRef, ok bool, err error) {
	err = l.withIndex(func(x *index) error {
		loc, have := x.blobs[d]
		if !have && !l.hasFile(d) {
			if err := l.refresh(); err != nil {
				return err
			}
			loc, have = l.idx.blobs[d]
		}
		if have {
			p, ref, ok = loc.p, *loc.ref(), true
		}
		return nil
	})
	return p, ref, ok, err
}

// readPacked returns the verified bytes of a blob in a pack; ok is false if
// there is none there.
func (l *Local) readPacked(d Digest) (b []byte, ok bool, err error) {
	_, b, ok, err = l.readStored(d)
	return b, ok, err
}

// readStored returns a blob in a pack, as it lies there and decoded. It was verified.
func (l *Local) readStored(d Digest) (stored Packed, b []byte, ok bool, err error) {
	for attempt := 0; ; attempt++ {
		p, ref, have, err := l.findPacked(d)
		if err != nil || !have {
			return Packed{}, nil, false, err
		}
		r, payload, err := p.read(ref.off, ref.stored)
		if isGone(err) && attempt == 0 {
			if err := l.withIndex(func(*index) error { return l.reload() }); err != nil {
				return Packed{}, nil, false, err
			}
			continue
		}
		if err == nil && (r.kind != kindBlob || r.id != d) {
			err = errors.New("the record is of something else")
		}
		stored := Packed{Digest: d, Size: r.size, enc: r.enc, payload: payload}
		if err == nil {
			b, err = stored.decode(&l.codec)
		}
		if err != nil {
			return Packed{}, nil, false, l.corrupt(d, err)
		}
		return stored, b, true, nil
	}
}

// corrupt sets the local copy of a blob aside and returns the error for the
// caller (invariant I4). Only what proves that the stored bytes are wrong may
// come here; an I/O error of the system is none.
func (l *Local) corrupt(d Digest, cause error) error {
	if !provesDamage(cause) {
		return fmt.Errorf("reading blob %s: %w", d.Short(), cause)
	}
	e := &CorruptError{Digest: d, Detail: cause.Error()}
	if err := l.markBad(d, e.Detail); err != nil && !errors.Is(err, ErrReadOnly) {
		return errors.Join(e, err)
	}
	return e
}

// provesDamage tells wrong bytes from a system that cannot read just now
// (EMFILE, say). EIO is the disk saying that the bytes are lost.
func provesDamage(err error) bool {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno == syscall.EIO
	}
	return !errors.Is(err, os.ErrClosed) && !errors.Is(err, ErrClosed)
}

// OpenBlob returns the bytes of a blob, verified while they are read.
func (l *Local) OpenBlob(ctx context.Context, d Digest) (io.ReadCloser, int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	b, r, err := l.open(ctx, d)
	switch {
	case err != nil:
		return nil, 0, err
	case r == nil:
		return io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
	}
	return r, r.header.size, nil
}

// open returns the bytes of a small blob, or the file of a large one. What is
// not here, or damaged, is brought from upstream.
func (l *Local) open(ctx context.Context, d Digest) ([]byte, *blobFile, error) {
	b, r, err := l.openHere(d)
	if err == nil || !IsMissing(err) || l.opt.Upstream == nil {
		return b, r, err
	}
	if cause := l.opt.Upstream.Fetch(ctx, l, []Digest{d}); cause != nil {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		return nil, nil, &MissingError{Digest: d, Cause: cause}
	}
	return l.openHere(d)
}

func (l *Local) openHere(d Digest) ([]byte, *blobFile, error) {
	b, ok, err := l.readPacked(d)
	if err != nil || ok {
		return b, nil, err
	}
	r, err := l.openFile(d)
	return nil, r, err
}

// blobFile is an open blob file; Read verifies.
type blobFile struct {
	blobReader
	f *os.File
}

func (l *Local) openFile(d Digest) (*blobFile, error) {
	f, err := os.Open(l.blobPath(d))
	if notExist(err) {
		return nil, &MissingError{Digest: d}
	} else if err != nil {
		return nil, fmt.Errorf("opening blob %s: %w", d.Short(), err)
	}
	r, err := newBlobFile(&l.codec, d, f)
	if err != nil {
		_ = f.Close()
		return nil, l.corrupt(d, err)
	}
	r.fail = func(err error) error { return l.corrupt(d, err) }
	return r, nil
}

func newBlobFile(c *codec, d Digest, f *os.File) (*blobFile, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r, err := c.openBlob(d, info.Size(), io.NewSectionReader(f, 0, info.Size()))
	return &blobFile{blobReader: r, f: f}, err
}

func (r *blobFile) Close() error {
	r.close()
	return r.f.Close()
}

// blobReader reads the uncompressed bytes of a blob from its stored form and
// verifies them: instead of io.EOF after anything but exactly the blob's bytes,
// it returns what fail makes of the reason.
type blobReader struct {
	d       Digest
	header  blobHeader
	src     io.Reader
	release func()
	fail    func(error) error
	sum     hash.Hash
	left    int64
	done    error
}

// openBlob reads the header of a stored form of length bytes.
func (c *codec) openBlob(d Digest, length int64, src io.Reader) (r blobReader, err error) {
	r = blobReader{d: d, src: src, sum: sha256.New(), release: func() {}, fail: func(err error) error { return err }}
	head := make([]byte, blobHeaderSize)
	if _, err := io.ReadFull(src, head); err != nil {
		return r, fmt.Errorf("its header cannot be read: %w", err)
	}
	if r.header, err = parseBlobHeader(head, length); err != nil {
		return r, err
	}
	if _, err := io.CopyN(io.Discard, src, r.header.bodyOffset()-blobHeaderSize); err != nil {
		return r, fmt.Errorf("its header cannot be read: %w", err)
	}
	r.left = r.header.size
	if r.header.enc == encZstd {
		z, release, err := c.reader(bufio.NewReaderSize(src, 128<<10))
		if err != nil {
			return r, err
		}
		r.src, r.release = z, release
	}
	return r, nil
}

func (r *blobReader) Read(p []byte) (int, error) {
	if r.done != nil {
		return 0, r.done
	}
	// One byte more than is left tells an overlong body from a good one.
	if int64(len(p)) > r.left+1 {
		p = p[:r.left+1]
	}
	n, err := r.src.Read(p)
	if int64(n) > r.left {
		n, err = int(r.left), errors.New("its bytes are more than its header promises")
	}
	r.sum.Write(p[:n])
	r.left -= int64(n)
	switch {
	case err == io.EOF && r.left > 0:
		err = fmt.Errorf("%d bytes are missing at its end", r.left)
	case err == io.EOF && Digest(r.sum.Sum(nil)) != r.d:
		err = errors.New("its bytes have another digest")
	case err == io.EOF:
		r.done = io.EOF
		return n, io.EOF
	case err == nil:
		return n, nil
	}
	r.done = r.fail(err)
	return n, r.done
}

// verify reads everything.
func (r *blobReader) verify() error {
	_, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{r}, make([]byte, streamBuffer))
	return err
}

func (r *blobReader) close() {
	r.release()
	r.release = func() {}
}

// ReadAll returns the verified bytes of a blob of at most limit bytes; a
// negative limit means none.
func (l *Local) ReadAll(ctx context.Context, d Digest, limit int64) ([]byte, error) {
	r, size, err := l.OpenBlob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if limit >= 0 && size > limit {
		return nil, fmt.Errorf("blob %s has %d bytes, at most %d are accepted here", d.Short(), size, limit)
	}
	// The buffer grows with what is really read: a header may lie about the size.
	var buf bytes.Buffer
	buf.Grow(int(min(size, maxPackedSize)) + bytes.MinRead)
	if _, err := buf.ReadFrom(r); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// PutBlob stores the bytes of src, if they are those of d.
func (l *Local) PutBlob(ctx context.Context, d Digest, size int64, src io.Reader) error {
	if err := l.canWrite(); err != nil {
		return err
	}
	if have, err := l.HasBlob(ctx, d); err != nil || have {
		return err
	}
	src = &contextReader{ctx, src}
	if size > maxPackedSize {
		buffered := bufio.NewReaderSize(src, sampleSize)
		head, _ := buffered.Peek(sampleSize)
		enc := encRaw
		if l.codec.compressibleHead(head) {
			enc = encZstd
		}
		_, _, err := l.putStream(buffered, enc, &d, size)
		return err
	}
	b := make([]byte, max(size, 0)+1)
	n, err := io.ReadFull(src, b)
	if err != io.ErrUnexpectedEOF && err != io.EOF {
		if err == nil {
			err = fmt.Errorf("more than the promised %d bytes", size)
		}
		return fmt.Errorf("putting blob %s: %w", d.Short(), err)
	}
	b = b[:n]
	if got := DigestOf(b); got != d || int64(n) != size {
		return &CorruptError{Digest: d, Detail: fmt.Sprintf("the bytes to store have digest %s and size %d, not %d", got.Short(), n, size)}
	}
	_, err = l.putBytes(b)
	return err
}

// putBytes stores bytes of at most maxPackedSize.
func (l *Local) putBytes(b []byte) (Digest, error) {
	d := DigestOf(b)
	if have, err := l.has(d); err != nil || have {
		return d, err
	}
	if err := l.canWrite(); err != nil {
		return d, err
	}
	enc, data := l.codec.encode(b)
	if len(data) > maxPackedStored {
		return d, l.putEncoded(d, blobHeader{enc, int64(len(b))}, data)
	}
	err := l.withIndex(func(x *index) error {
		if _, have := x.blobs[d]; have { // another goroutine was quicker
			return nil
		}
		r := record{kind: kindBlob, enc: enc, size: int64(len(b)), taken: l.opt.Now().UnixNano(), id: d}
		return l.appendRecord(r, data)
	})
	l.at("blob-appended")
	return d, err
}

// putEncoded writes a blob file from memory.
func (l *Local) putEncoded(d Digest, h blobHeader, data []byte) error {
	f, err := l.createTemp()
	if err != nil {
		return err
	}
	defer discard(f)
	if _, err := f.Write(h.marshal()); err != nil {
		return fmt.Errorf("writing blob %s: %w", d.Short(), err)
	}
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("writing blob %s: %w", d.Short(), err)
	}
	return l.publishBlob(f, d)
}

// streamBuffer is how much a stream moves at once. It stays in the core's own
// cache between reading and hashing: 64 KiB hashes at 1,480 MB/s, 256 KiB
// measured as low as 470 MB/s on a shared machine.
const streamBuffer = 64 << 10

// putStream stores a stream of any size in a file of its own, hashing while it
// writes. With want it insists on that digest and size.
func (l *Local) putStream(src io.Reader, enc encoding, want *Digest, size int64) (d Digest, n int64, err error) {
	f, err := l.createTemp()
	if err != nil {
		return d, 0, err
	}
	defer discard(f)
	h := blobHeader{enc: enc}
	if _, err := f.Seek(h.bodyOffset(), io.SeekStart); err != nil {
		return d, 0, err
	}
	sum := sha256.New()
	if n, err = encodeStream(&l.codec, f, io.TeeReader(src, sum), enc); err != nil {
		return d, n, fmt.Errorf("writing a blob: %w", err)
	}
	d = Digest(sum.Sum(nil))
	if want != nil && (d != *want || n != size) {
		return d, n, &CorruptError{Digest: *want, Detail: fmt.Sprintf("the bytes to store have digest %s and size %d, not %d", d.Short(), n, size)}
	}
	if have, err := l.has(d); err != nil || have {
		return d, n, err
	}
	h.size = n
	if _, err := f.WriteAt(h.marshal(), 0); err != nil {
		return d, n, fmt.Errorf("writing blob %s: %w", d.Short(), err)
	}
	return d, n, l.publishBlob(f, d)
}

func encodeStream(c *codec, f *os.File, src io.Reader, enc encoding) (int64, error) {
	if enc == encRaw {
		return io.CopyBuffer(struct{ io.Writer }{f}, src, make([]byte, streamBuffer))
	}
	z, release, err := c.writer(f)
	if err != nil {
		return 0, err
	}
	defer release()
	n, err := io.CopyBuffer(struct{ io.Writer }{z}, src, make([]byte, streamBuffer))
	return n, errors.Join(err, z.Close())
}

// publishBlob gives a complete temporary file its name: read-only, durable,
// atomic (invariant I3). The folder is made durable before the next entry, for
// all blobs at once.
func (l *Local) publishBlob(f *os.File, d Digest) error {
	l.at("blob-written")
	if err := errors.Join(f.Chmod(0o444), f.Sync()); err != nil {
		return fmt.Errorf("writing blob %s: %w", d.Short(), err)
	}
	l.at("blob-synced")
	path := l.blobPath(d)
	folder := filepath.Dir(path)
	err := os.Rename(f.Name(), path)
	made := false
	if notExist(err) {
		if err = os.MkdirAll(folder, 0o755); err == nil {
			made = true
			err = os.Rename(f.Name(), path)
		}
	}
	if err != nil {
		return fmt.Errorf("publishing blob %s: %w", d.Short(), err)
	}
	l.at("blob-renamed")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dirty[folder] = struct{}{}
	if made {
		l.dirty[filepath.Dir(folder)] = struct{}{}
	}
	return nil
}

// syncBlobFolders makes the names of published blobs durable.
func (l *Local) syncBlobFolders() error {
	l.mu.Lock()
	dirty := l.dirty
	if len(dirty) > 0 {
		l.dirty = map[string]struct{}{}
	}
	l.mu.Unlock()
	var err error
	for dir := range dirty {
		if err == nil {
			err = syncDir(dir)
		}
		if err != nil {
			l.mu.Lock()
			l.dirty[dir] = struct{}{}
			l.mu.Unlock()
		}
	}
	if len(dirty) > 0 {
		l.at("blob-folders-synced")
	}
	return err
}

// createTemp makes a temporary file and locks it, so that doctor can tell a
// file that is being written from one that a crash left.
func (l *Local) createTemp() (*os.File, error) {
	if err := l.canWrite(); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Join(l.dir, "tmp"), "new-")
	if err != nil {
		return nil, fmt.Errorf("creating a temporary file: %w", err)
	}
	if err := flock(f, true, true); err != nil {
		discard(f)
		return nil, err
	}
	return f, nil
}

// discard closes f and removes it if it still has its temporary name.
func discard(f *os.File) {
	_ = os.Remove(f.Name())
	_ = f.Close()
}

// writeTemp writes a durable temporary file and returns its path.
func (l *Local) writeTemp(b []byte) (string, error) {
	f, err := os.CreateTemp(filepath.Join(l.dir, "tmp"), "new-")
	if err != nil {
		return "", fmt.Errorf("creating a temporary file: %w", err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return "", fmt.Errorf("writing a temporary file: %w", err)
	}
	return f.Name(), nil
}

// contextReader ends a long copy when the context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
