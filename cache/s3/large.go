package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"github.com/nbpipe/nbpipe/cache"
)

const (
	// A part of an upload, and a range of a download. Eight at a time keep a
	// gigabit line busy at 100 ms a request, and take 32 MiB when they are read.
	partSize  = 16 << 20
	rangeSize = 4 << 20
	parallel  = 8
	// A range that is written to a file as it comes takes no memory but its buffer,
	// so it may be longer: 4 MiB cost the server a third more than 16.
	mostRange  = 16 << 20
	copyBuffer = 512 << 10
	// maxParts is S3's limit on the parts of one object.
	maxParts = 10000
)

// upload stores a blob's file under its name. Parts are sent straight from the
// file, while its bytes are verified beside: what is damaged here is not
// completed there.
func (s *Store) upload(ctx context.Context, b *cache.BlobFile, overwrite bool) error {
	name := blobName(b.Digest)
	when := condition{absent: !overwrite}
	if b.Length <= partSize {
		if err := b.Verify(ctx); err != nil {
			return err
		}
		s.at("blob-verified")
		err := s.exists(s.putReader(ctx, name, b, b.Length, when))
		s.at("blob-published")
		return err
	}
	return s.exists(s.multipart(ctx, name, b, when))
}

// exists makes "it is there already" the success that it is.
func (s *Store) exists(err error) error {
	if errors.Is(err, errExists) {
		return nil
	}
	return err
}

func (s *Store) putReader(ctx context.Context, name string, r io.ReaderAt, n int64, when condition) error {
	return s.writing(ctx, "writing "+name, func(ctx context.Context) error {
		_, err := s.objects.put(ctx, name, io.NewSectionReader(r, 0, n), n, when)
		return err
	})
}

func (s *Store) multipart(ctx context.Context, name string, b *cache.BlobFile, when condition) (err error) {
	size := max(partSize, (b.Length+maxParts-1)/maxParts)
	id, end, err := s.begun(ctx, name)
	if err != nil {
		return err
	}
	s.at("multipart-started")
	completed := false
	defer func() { end(completed) }()
	parts := make([]minio.CompletePart, (b.Length+size-1)/size)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.Verify(gctx) })
	uploads := make(chan struct{}, parallel)
	for i := range parts {
		select {
		case uploads <- struct{}{}:
		case <-gctx.Done():
			return errors.Join(g.Wait(), ctx.Err())
		}
		g.Go(func() (err error) {
			defer func() { <-uploads }()
			off := int64(i) * size
			parts[i], err = s.part(gctx, name, id, i+1, b, off, min(size, b.Length-off))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	s.at("multipart-uploaded")
	err = s.writing(ctx, "completing "+name, func(ctx context.Context) error {
		return s.objects.complete(ctx, name, id, parts, when)
	})
	if errors.Is(err, errNotFound) || errors.Is(err, errExists) {
		// Of a completion whose acknowledgement was lost, the second attempt finds no
		// upload, or the object: then it is there and has the right size.
		if i, herr := s.head(ctx, name); herr == nil && i.size == b.Length {
			completed = errors.Is(err, errNotFound)
			return nil
		}
	}
	completed = err == nil
	s.at("multipart-completed")
	return err
}

// begun begins an upload by parts. end gives it up, unless it was completed: its
// parts cost money, and no listing shows them (invariant I16).
func (s *Store) begun(ctx context.Context, name string) (id string, end func(completed bool), err error) {
	err = s.writing(ctx, "starting to write "+name, func(ctx context.Context) (err error) {
		id, err = s.objects.begin(ctx, name)
		return err
	})
	return id, func(completed bool) {
		if !completed {
			s.abort(context.WithoutCancel(ctx), name, id)
		}
	}, err
}

// abort ends an upload. Parts that were on their way may arrive after that, and on
// some servers they stay, so it is done until there is no such upload.
func (s *Store) abort(ctx context.Context, name, id string) {
	const attempts, pause = 4, 200 * time.Millisecond
	for range attempts {
		err := s.do(ctx, "ending the upload of "+name, func(ctx context.Context) error {
			return s.objects.abort(ctx, name, id)
		})
		if err != nil || sleep(ctx, pause) != nil {
			return
		}
	}
}

func (s *Store) part(ctx context.Context, name, id string, number int, b *cache.BlobFile, off, n int64) (p minio.CompletePart, err error) {
	err = s.writing(ctx, fmt.Sprintf("writing part %d of %s", number, name), func(ctx context.Context) (err error) {
		p, err = s.objects.part(ctx, name, id, number, io.NewSectionReader(b, off, n), n)
		return err
	})
	return p, err
}

// copyRanges writes an object of a known size to where its bytes belong, by
// several ranges at a time, each byte once.
func (s *Store) copyRanges(ctx context.Context, name string, size int64, to io.WriterAt, report func(int64)) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	step := min(max(size/parallel, rangeSize), mostRange)
	for off := int64(0); off < size && ctx.Err() == nil; off += step {
		g.Go(func() error { return s.copyRange(ctx, name, off, min(step, size-off), to, report) })
	}
	return g.Wait()
}

// copyRange copies n bytes; a connection that breaks is taken up where it broke.
func (s *Store) copyRange(ctx context.Context, name string, off, n int64, to io.WriterAt, report func(int64)) error {
	buf := make([]byte, copyBuffer)
	end := off + n
	return s.do(ctx, "reading "+name, func(ctx context.Context) error {
		if off == end {
			return nil
		}
		r, _, err := s.open(ctx, name, off, end-off)
		if err != nil {
			return err
		}
		defer r.Close()
		for off < end {
			n, err := io.ReadFull(r, buf[:min(copyBuffer, end-off)])
			if n > 0 {
				if _, err := to.WriteAt(buf[:n], off); err != nil {
					return fmt.Errorf("%w: %w", errLocal, err)
				}
				off += int64(n)
				report(int64(n))
			}
			if err != nil && off < end {
				return noEOF(err)
			}
		}
		return nil
	})
}

// noEOF is for bytes that end too early.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// rangeReader reads an object front to back by several ranges at a time.
type rangeReader struct {
	ctx    context.Context
	cancel context.CancelFunc
	chunks chan chan chunk
	now    []byte
	free   func()
	err    error
	wg     sync.WaitGroup
}

type chunk struct {
	b   *[]byte
	err error
}

var chunkPool = sync.Pool{New: func() any { b := make([]byte, rangeSize); return &b }}

// stream reads an object of a known size.
func (s *Store) stream(ctx context.Context, name string, size int64) io.ReadCloser {
	ctx, cancel := context.WithCancel(ctx)
	r := &rangeReader{ctx: ctx, cancel: cancel, chunks: make(chan chan chunk, parallel-2), free: func() {}}
	r.wg.Go(func() {
		defer close(r.chunks)
		for off := int64(0); off < size; off += rangeSize {
			answer := make(chan chunk, 1)
			select {
			case r.chunks <- answer:
			case <-ctx.Done():
				return
			}
			n := min(rangeSize, size-off)
			r.wg.Go(func() {
				b := chunkPool.Get().(*[]byte)
				*b = (*b)[:n]
				answer <- chunk{b, s.readRange(ctx, name, off, *b)}
			})
		}
	})
	return r
}

// readRange fills b; a connection that breaks is taken up where it broke.
func (s *Store) readRange(ctx context.Context, name string, off int64, b []byte) error {
	have := 0
	return s.do(ctx, "reading "+name, func(ctx context.Context) error {
		if have == len(b) {
			return nil
		}
		r, _, err := s.open(ctx, name, off+int64(have), int64(len(b)-have))
		if err != nil {
			return err
		}
		defer r.Close()
		n, err := io.ReadFull(r, b[have:])
		have += n
		return err
	})
}

func (r *rangeReader) Read(p []byte) (int, error) {
	for len(r.now) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.free()
		r.free = func() {}
		answer, ok := <-r.chunks
		if !ok {
			if r.err = r.ctx.Err(); r.err == nil {
				r.err = io.EOF
			}
			continue
		}
		select {
		case c := <-answer:
			if c.err != nil {
				r.err = c.err
				continue
			}
			r.now = *c.b
			r.free = func() { chunkPool.Put(c.b) }
		case <-r.ctx.Done():
			r.err = r.ctx.Err()
		}
	}
	n := copy(p, r.now)
	r.now = r.now[n:]
	return n, nil
}

func (r *rangeReader) Close() error {
	r.cancel()
	r.wg.Wait()
	return nil
}
