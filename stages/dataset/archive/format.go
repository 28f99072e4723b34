package archive

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Format is how an archive is packed, told by its first bytes.
type Format string

// The formats that are unpacked. A tar in a compressed stream is written as
// "gzip+tar".
const (
	Unknown Format = ""
	Tar     Format = "tar"
	Zip     Format = "zip"
	Gzip    Format = "gzip"
	Bzip2   Format = "bzip2"
	Zstd    Format = "zstd"
)

// headSize is one tar header, the longest thing that sniff looks at.
const headSize = 512

// zstdWindow bounds the memory that a zstd stream may ask for: the largest
// window of `zstd --ultra -22` without --long.
const zstdWindow = 128 << 20

var magics = []struct {
	magic  string
	format Format
}{
	{"PK\x03\x04", Zip},
	{"PK\x05\x06", Zip}, // empty
	{"\x1f\x8b", Gzip},
	{"BZh", Bzip2},
	{"\x28\xb5\x2f\xfd", Zstd},
	{"\xfd7zXZ\x00", "xz"},
	{"7z\xbc\xaf\x27\x1c", "7z"},
	{"Rar!\x1a\x07", "rar"},
	{"PK\x07\x08", "multi-volume zip"},
}

func sniff(head []byte) Format {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.format
		}
	}
	if isTar(head) {
		return Tar
	}
	return Unknown
}

// isTar checks the header's checksum, which the oldest tars have, too.
func isTar(head []byte) bool {
	if len(head) < headSize {
		return false
	}
	text := strings.Trim(string(head[148:156]), " \x00")
	want, err := strconv.ParseUint(text, 8, 32)
	if err != nil {
		return false
	}
	var unsigned, signed int64
	for i, c := range head[:headSize] {
		if i >= 148 && i < 156 {
			c = ' '
		}
		unsigned += int64(c)
		signed += int64(int8(c))
	}
	return int64(want) == unsigned || int64(want) == signed
}

func (f Format) article() string {
	if f == Unknown {
		return ""
	}
	return " the " + string(f)
}

func (f Format) refusal() error {
	if f == Unknown {
		return errors.New("it is no archive (tar, tar.gz, tar.bz2, tar.zst, zip, gz, bz2, zst): leave out unpack to take the file as it is")
	}
	return fmt.Errorf("%s archives are not supported: leave out unpack, and unpack the file in a command stage", f)
}

// decompress opens the compressed stream and peeks at its first bytes.
func (u *unpacker) decompress() (plain io.Reader, head []byte, done func(), err error) {
	raw, done, err := u.decoder()
	if err != nil {
		return nil, nil, nil, u.damaged(err)
	}
	counted := &decompressed{r: raw, b: &u.budget}
	head = make([]byte, headSize)
	n, _ := io.ReadFull(counted, head) // a short stream is fine, see counted.err
	if counted.err != nil {
		done()
		return nil, nil, nil, u.damaged(counted.err)
	}
	head = head[:n]
	return io.MultiReader(bytes.NewReader(head), counted), head, done, nil
}

func (u *unpacker) decoder() (io.Reader, func(), error) {
	nothing := func() {}
	switch u.format {
	case Gzip:
		r, err := gzip.NewReader(u.packed())
		return r, nothing, err
	case Bzip2:
		return bzip2.NewReader(u.packed()), nothing, nil
	}
	r, err := zstd.NewReader(u.packed(), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
	if err != nil {
		return nil, nil, err
	}
	return r, r.Close, nil
}

// damaged explains an error of a decoder; other errors pass.
func (u *unpacker) damaged(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the archive ends too early: %w", err)
	}
	return err
}

// decompressed counts what a decoder gives, so that a stream of padding that
// is never written ends at the limits, too. It keeps the first real error,
// since io.ReadFull turns a truncated stream and a short one into the same.
type decompressed struct {
	r   io.Reader
	b   *budget
	err error
}

func (d *decompressed) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if limit := d.b.decompress(n); limit != nil {
		err = limit
	}
	if err != nil && err != io.EOF {
		d.err = err
	}
	return n, err
}
