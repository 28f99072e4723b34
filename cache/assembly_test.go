package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"golang.org/x/sync/errgroup"
)

// storedForm returns a large blob as a file holds it.
func storedForm(t *testing.T, content []byte) (Digest, []byte) {
	t.Helper()
	l := openTest(t, t.TempDir(), Options{})
	o, err := l.IngestBytes(t.Context(), content)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(l.blobPath(o.Digest))
	if err != nil {
		t.Fatal(err)
	}
	return o.Digest, b
}

// backwards writes b in pieces of 100 KiB, the last one first.
func backwards(ctx context.Context, to io.WriterAt, b []byte) error {
	const piece = 100 << 10
	for start := (len(b) - 1) / piece * piece; start >= 0; start -= piece {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := to.WriteAt(b[start:min(start+piece, len(b))], int64(start)); err != nil {
			return err
		}
	}
	return nil
}

// TestI5_PutStored: what is written in any order is published only if it is right.
func TestI5_PutStored(t *testing.T) {
	d, good := storedForm(t, data(2, 3<<20))
	_, other := storedForm(t, data(4, 3<<20))
	flipped := append([]byte(nil), good...)
	flipped[len(flipped)-1] ^= 1
	gone := errors.New("the line is down")
	half := int64(len(good) / 2)
	for name, test := range map[string]struct {
		fill Fill
		want func(error) bool
	}{
		"backwards": {func(ctx context.Context, to io.WriterAt) error { return backwards(ctx, to, good) }, nil},
		"by two at a time": {func(ctx context.Context, to io.WriterAt) error {
			var g errgroup.Group
			g.Go(func() error { _, err := to.WriteAt(good[half:], half); return err })
			g.Go(func() error { _, err := to.WriteAt(good[:half], 0); return err })
			return g.Wait()
		}, nil},
		"one bit": {func(ctx context.Context, to io.WriterAt) error { return backwards(ctx, to, flipped) }, isCorrupt},
		"another blob": {func(ctx context.Context, to io.WriterAt) error {
			_, err := to.WriteAt(other, 0)
			return err
		}, isCorrupt},
		"wrong header, then a line that hangs": {func(ctx context.Context, to io.WriterAt) error {
			if _, err := to.WriteAt(make([]byte, 1<<20), 0); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		}, isCorrupt},
		"a gap": {func(ctx context.Context, to io.WriterAt) error {
			_, err := to.WriteAt(good[half:], half)
			return err
		}, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) && !isCorrupt(err) }},
		"cut off": {func(ctx context.Context, to io.WriterAt) error {
			_, err := to.WriteAt(good[:half], 0)
			return errors.Join(err, gone)
		}, func(err error) bool { return errors.Is(err, gone) && !isCorrupt(err) }},
		"beyond the end": {func(ctx context.Context, to io.WriterAt) error {
			_, err := to.WriteAt([]byte{0}, int64(len(good)))
			return err
		}, func(err error) bool { return err != nil && !isCorrupt(err) }},
		"twice": {func(ctx context.Context, to io.WriterAt) error {
			_, err := to.WriteAt(good[:half], 0)
			if err == nil {
				_, err = to.WriteAt(other[:half], 0)
			}
			return err
		}, func(err error) bool { return err != nil && !isCorrupt(err) }},
	} {
		t.Run(name, func(t *testing.T) {
			l := openTest(t, t.TempDir(), Options{})
			err := l.PutStored(t.Context(), d, int64(len(good)), test.fill)
			if have, _ := l.HasBlob(t.Context(), d); have != (test.want == nil) {
				t.Errorf("the blob is there: %v", have)
			}
			if test.want == nil && err != nil || test.want != nil && !test.want(err) {
				t.Errorf("PutStored: %v", err)
			}
			left, err := os.ReadDir(l.dir + "/tmp")
			if err != nil || len(left) > 0 {
				t.Errorf("left in tmp: %v, %v", left, err)
			}
		})
	}
}

func isCorrupt(err error) bool { return errors.As(err, new(*CorruptError)) }

// TestPutStoredCompressed: a compressed blob is decoded while it comes.
func TestPutStoredCompressed(t *testing.T) {
	content := text(2, 8<<20)
	d, b := storedForm(t, content)
	if len(b) > len(content)/2 {
		t.Fatalf("%d bytes are stored as %d", len(content), len(b))
	}
	l := openTest(t, t.TempDir(), Options{})
	fill := func(ctx context.Context, to io.WriterAt) error { return backwards(ctx, to, b) }
	if err := l.PutStored(t.Context(), d, int64(len(b)), fill); err != nil {
		t.Fatal(err)
	}
	if got, err := l.ReadAll(t.Context(), d, -1); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d other bytes, %v", len(got), err)
	}
	b = append(b, b[blobHeaderSize:]...) // twice as much as the header promises
	again := openTest(t, t.TempDir(), Options{})
	if err := again.PutStored(t.Context(), d, int64(len(b)), fill); !isCorrupt(err) {
		t.Errorf("PutStored of too much: %v", err)
	}
}

// TestPutStoredEnds: a context that ends ends the writer, too.
func TestPutStoredEnds(t *testing.T) {
	d, good := storedForm(t, data(2, 3<<20))
	l := openTest(t, t.TempDir(), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	err := l.PutStored(ctx, d, int64(len(good)), func(ctx context.Context, to io.WriterAt) error {
		if _, err := to.WriteAt(good[:1<<20], 0); err != nil {
			return err
		}
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("PutStored: %v", err)
	}
}
