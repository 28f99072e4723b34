package cache

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
)

// Fill writes the stored form of a blob: each byte once, in any order, from any
// number of goroutines. It returns early when its context ends.
type Fill func(ctx context.Context, to io.WriterAt) error

// PutStored stores the stored form of a large blob as it is, of the given length
// in bytes. What fill writes is read back, decoded and verified while the rest
// comes, and published only if it is right. An error of fill is returned as it is.
func (l *Local) PutStored(ctx context.Context, d Digest, length int64, fill Fill) error {
	if have, err := l.HasBlob(ctx, d); err != nil || have {
		return err
	}
	f, err := l.createTemp()
	if err != nil {
		return err
	}
	defer discard(f)
	a := &assembly{f: f, length: length, ahead: map[int64]int64{}}
	a.moved.L = &a.mu
	fillCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	filled := make(chan struct{})
	go func() {
		defer close(filled)
		a.end(fill(fillCtx, a))
	}()
	wrong := verifyStored(&l.codec, d, length, a)
	if wrong != nil {
		cancel() // the rest cannot make it right
	}
	<-filled // so that nobody writes any more when the blob gets its name
	if a.failed != nil {
		return a.failed
	}
	if wrong != nil {
		return corruptOr(ctx, d, wrong)
	}
	return l.publishBlob(f, d)
}

// verifyStored reads and decodes a stored form and compares digests.
func verifyStored(c *codec, d Digest, length int64, src io.Reader) error {
	r, err := c.openBlob(d, length, src)
	defer r.close()
	if err != nil {
		return err
	}
	return r.verify()
}

// assembly is a file that is written in any order and read in order, up to what
// has no gap before it.
type assembly struct {
	f      *os.File
	length int64
	off    int64 // of the reader
	failed error // why the reader did not get what comes next

	mu    sync.Mutex
	moved sync.Cond
	front int64           // everything before it is written
	ahead map[int64]int64 // what is written behind a gap: its end by its start
	ended error           // after it nothing is written any more
}

// WriteAt implements io.WriterAt. What the reader may have seen is not written again.
func (a *assembly) WriteAt(p []byte, off int64) (int, error) {
	a.mu.Lock()
	bad := off < a.front || off+int64(len(p)) > a.length
	a.mu.Unlock()
	if bad {
		return 0, fmt.Errorf("bytes %d to %d do not belong there", off, off+int64(len(p)))
	}
	n, err := a.f.WriteAt(p, off)
	if err != nil {
		return n, fmt.Errorf("writing a blob: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ahead[off] = off + int64(n)
	for end, ok := a.ahead[a.front]; ok; end, ok = a.ahead[a.front] {
		delete(a.ahead, a.front)
		a.front = end
		a.moved.Signal()
	}
	return n, nil
}

// end says that nothing more is written, and why if not everything was.
func (a *assembly) end(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended = err; err == nil {
		a.ended = io.ErrUnexpectedEOF // for a reader that wants more
	}
	a.moved.Signal()
}

// Read waits for the bytes that come next.
func (a *assembly) Read(p []byte) (int, error) {
	if a.off == a.length {
		return 0, io.EOF
	}
	a.mu.Lock()
	for a.front == a.off && a.ended == nil {
		a.moved.Wait()
	}
	front, ended := a.front, a.ended
	a.mu.Unlock()
	if front == a.off {
		a.failed = ended
		return 0, ended
	}
	n, err := a.f.ReadAt(p[:min(int64(len(p)), front-a.off)], a.off)
	if err != nil { // it is this machine that cannot read
		a.failed = fmt.Errorf("reading a blob back: %w", err)
	}
	a.off += int64(n)
	return n, err
}
