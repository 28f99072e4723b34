package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
)

// parallel is how many files are worked on at a time: more than there are
// cores, since each waits for the disk at its end, and few enough that their
// buffers stay below 16 MiB.
func parallel() int { return min(max(2*runtime.GOMAXPROCS(0), 4), 32) }

// Ingest stores a file, or a folder as a tree. Symbolic links inside a folder are
// followed if they stay inside; of the modes only the executable bit is kept.
func (l *Local) Ingest(ctx context.Context, path string) (Object, error) {
	if err := l.canWrite(); err != nil {
		return Object{}, err
	}
	o, err := object(ctx, path, l.ingestFile, func(b []byte) (Digest, error) {
		o, err := l.IngestBytes(ctx, b)
		return o.Digest, err
	})
	if err != nil {
		return Object{}, fmt.Errorf("storing %s: %w", path, err)
	}
	if o.Tree {
		l.learnTree(o.Digest)
	}
	return o, nil
}

// IngestBytes stores b as a file's content.
func (l *Local) IngestBytes(ctx context.Context, b []byte) (Object, error) {
	if err := ctx.Err(); err != nil {
		return Object{}, err
	}
	if len(b) <= maxPackedSize {
		d, err := l.putBytes(b)
		return Object{Digest: d, Size: int64(len(b))}, err
	}
	d := DigestOf(b)
	if have, err := l.has(d); err != nil || have {
		return Object{Digest: d, Size: int64(len(b))}, err
	}
	enc, data := l.codec.encode(b)
	if err := l.canWrite(); err != nil {
		return Object{}, err
	}
	return Object{Digest: d, Size: int64(len(b))}, l.putEncoded(d, blobHeader{enc, int64(len(b))}, data)
}

// ingestFile stores one file. What was hashed before, unchanged since, and is in
// the store is not read again.
func (l *Local) ingestFile(ctx context.Context, file leafFile) (Digest, int64, error) {
	if d, ok := l.memo.get(file.path, file.info); ok {
		if have, err := l.HasBlob(ctx, d); err != nil || have {
			return d, file.info.Size(), err
		}
	}
	f, err := os.Open(file.path)
	if err != nil {
		return Digest{}, 0, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return Digest{}, 0, err
	}
	if !before.Mode().IsRegular() {
		return Digest{}, 0, specialFile(file.path)
	}
	d, n, err := l.ingestOpen(ctx, f, before.Size())
	if err != nil {
		return d, n, err
	}
	l.memo.put(file.path, f, before, d, n)
	return d, n, nil
}

func (l *Local) ingestOpen(ctx context.Context, f *os.File, size int64) (Digest, int64, error) {
	if size > maxPackedSize {
		enc := encRaw
		if l.codec.compressible(f, size) {
			enc = encZstd
		}
		return l.putStream(&contextReader{ctx, f}, enc, nil, 0)
	}
	b := make([]byte, 0, size+1)
	for {
		n, err := f.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return Digest{}, 0, err
		}
		if len(b) == cap(b) {
			return Digest{}, 0, errors.New("the file grows while it is read")
		}
	}
	d, err := l.putBytes(b)
	return d, int64(len(b)), err
}
