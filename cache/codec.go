package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// encoding says how the bytes of a blob are stored.
type encoding byte

const (
	encRaw  encoding = 0
	encZstd encoding = 1
)

// A blob file is a header and the encoded bytes. The header of a raw blob is
// padded to 4,096 bytes, the block size of the file systems that can share
// extents (btrfs, XFS): only then can a restore clone the bytes behind it.
const (
	blobMagic      = "nbpblob1"
	blobHeaderSize = 32
	rawBodyOffset  = 4096
)

// maxWindow bounds what a decoder allocates for a frame's window. The encoder
// at its fastest level uses 4 MiB.
const maxWindow = 16 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// blobHeader opens a blob file (invariant I1).
type blobHeader struct {
	enc  encoding
	size int64 // of the uncompressed bytes
}

// bodyOffset is where the encoded bytes start.
func (h blobHeader) bodyOffset() int64 {
	if h.enc == encRaw {
		return rawBodyOffset
	}
	return blobHeaderSize
}

// marshal returns the header with its padding.
func (h blobHeader) marshal() []byte {
	b := make([]byte, h.bodyOffset())
	copy(b, blobMagic)
	b[8] = byte(h.enc)
	binary.LittleEndian.PutUint64(b[16:], uint64(h.size))
	binary.LittleEndian.PutUint32(b[24:], crc32.Checksum(b[:24], castagnoli))
	return b
}

// parseBlobHeader reads the first blobHeaderSize bytes of a file of the given
// total length, and checks what the length allows to check.
func parseBlobHeader(b []byte, fileSize int64) (blobHeader, error) {
	if len(b) < blobHeaderSize || string(b[:8]) != blobMagic {
		return blobHeader{}, errors.New("no blob header")
	}
	if crc32.Checksum(b[:24], castagnoli) != binary.LittleEndian.Uint32(b[24:]) {
		return blobHeader{}, errors.New("the blob header's checksum is wrong")
	}
	h := blobHeader{enc: encoding(b[8]), size: int64(binary.LittleEndian.Uint64(b[16:]))}
	switch {
	case h.enc != encRaw && h.enc != encZstd:
		return blobHeader{}, fmt.Errorf("unknown encoding %d", h.enc)
	case h.size < 0:
		return blobHeader{}, errors.New("negative size")
	case h.enc == encRaw && fileSize != rawBodyOffset+h.size:
		return blobHeader{}, fmt.Errorf("the file has %d bytes, its header promises %d", fileSize, rawBodyOffset+h.size)
	}
	return h, nil
}

// codec compresses and decompresses. Coders are costly to make (up to some
// MiB of tables), so they are made at first use and kept.
type codec struct {
	once    sync.Once
	enc     *zstd.Encoder // for EncodeAll, which is safe for concurrent use
	dec     *zstd.Decoder // for DecodeAll, likewise
	err     error
	writers sync.Pool // *zstd.Encoder for streams
	readers sync.Pool // *zstd.Decoder for streams
}

func (c *codec) init() error {
	c.once.Do(func() {
		if c.enc, c.err = zstd.NewWriter(nil, encoderOptions()...); c.err == nil {
			c.dec, c.err = zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(maxWindow))
		}
	})
	return c.err
}

func encoderOptions() []zstd.EOption {
	// The fastest level: measured 500 to 800 MB/s a core on tables and logs, about the
	// rate of SHA-256 itself; the next level halves that for 5 % smaller files.
	return []zstd.EOption{zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false)}
}

// worthwhile reports whether compression that made n bytes of size is kept:
// below a tenth saved, raw bytes are better, since they can be cloned and
// read without a decoder.
func worthwhile(n, size int) bool { return n < size-size/10 }

// encode compresses b if that helps. The result may be b itself.
func (c *codec) encode(b []byte) (encoding, []byte) {
	// Below 64 bytes the frame's own header eats the gain.
	if len(b) < 64 || c.init() != nil {
		return encRaw, b
	}
	out := c.enc.EncodeAll(b, make([]byte, 0, len(b)/2+64))
	if !worthwhile(len(out), len(b)) {
		return encRaw, b
	}
	return encZstd, out
}

// decode is bounded by size: bytes that decode to more, or less, are an error.
func (c *codec) decode(enc encoding, b []byte, size int) ([]byte, error) {
	if enc == encRaw {
		if len(b) != size {
			return nil, fmt.Errorf("%d bytes where %d were promised", len(b), size)
		}
		return b, nil
	}
	if enc != encZstd {
		return nil, fmt.Errorf("unknown encoding %d", enc)
	}
	if err := c.init(); err != nil {
		return nil, err
	}
	out, err := c.dec.DecodeAll(b, make([]byte, 0, size))
	if err != nil {
		return nil, err
	}
	if len(out) != size {
		return nil, fmt.Errorf("%d bytes where %d were promised", len(out), size)
	}
	return out, nil
}

// writer returns a compressing stream; release gives it back.
func (c *codec) writer(w io.Writer) (z *zstd.Encoder, release func(), err error) {
	z, _ = c.writers.Get().(*zstd.Encoder)
	if z == nil {
		if z, err = zstd.NewWriter(nil, append(encoderOptions(), zstd.WithEncoderConcurrency(1))...); err != nil {
			return nil, nil, err
		}
	}
	z.Reset(w)
	return z, func() { z.Reset(nil); c.writers.Put(z) }, nil
}

// reader returns a decompressing stream; release gives it back.
func (c *codec) reader(r io.Reader) (z *zstd.Decoder, release func(), err error) {
	z, _ = c.readers.Get().(*zstd.Decoder)
	if z == nil {
		if z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow)); err != nil {
			return nil, nil, err
		}
	}
	if err := z.Reset(r); err != nil {
		return nil, nil, err
	}
	return z, func() { _ = z.Reset(nil); c.readers.Put(z) }, nil
}

// sampleSize is what is compressed at the start, in the middle and at the end
// of a large file to decide whether the whole is worth compressing.
const sampleSize = 32 << 10

// compressible samples r: a file whose head is text and whose body is
// incompressible (a checkpoint, an archive) is recognised by its middle.
func (c *codec) compressible(r io.ReaderAt, size int64) bool {
	buf := make([]byte, 0, 3*sampleSize)
	for _, off := range []int64{0, size/2 - sampleSize/2, size - sampleSize} {
		n, err := r.ReadAt(buf[len(buf):len(buf)+sampleSize], max(off, 0))
		if n == 0 && err != nil {
			return false
		}
		buf = buf[:len(buf)+n]
	}
	enc, _ := c.encode(buf)
	return enc == encZstd
}

// compressibleHead decides by the first bytes alone, for streams.
func (c *codec) compressibleHead(head []byte) bool {
	enc, _ := c.encode(bytes.Clone(head))
	return enc == encZstd
}
