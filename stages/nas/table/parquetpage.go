package table

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// pages decodes the pages of one column chunk.
func (c *chunk) pages(meta *format.ColumnMetaData) error {
	from := meta.DataPageOffset
	if d := meta.DictionaryPageOffset; d > 0 && d < from {
		from = d
	}
	n := meta.TotalCompressedSize
	if from < 4 || n < 0 || from > c.file.size || n > c.file.size-from {
		return fmt.Errorf("its pages lie outside the file: %d bytes at %d", n, from)
	}
	if err := c.file.spend(n); err != nil {
		return err
	}
	data := make([]byte, n)
	if _, err := c.file.reader.ReadAt(data, from); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for page := 1; c.left > 0; page++ {
		header, rest, err := pageHeader(data)
		if err == nil {
			data = rest[header.CompressedPageSize:]
			err = c.page(header, rest[:header.CompressedPageSize])
		}
		if err != nil {
			return fmt.Errorf("page %d: %w", page, err)
		}
	}
	return nil
}

// pageHeader takes a page's header from data; the page follows in rest.
func pageHeader(data []byte) (*format.PageHeader, []byte, error) {
	n, err := checkThrift(data)
	if err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	header := new(format.PageHeader)
	var protocol thrift.CompactProtocol
	if err := thrift.NewDecoder(protocol.NewReaderFromBytes(data[:n])).Decode(header); err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	rest := data[n:]
	if header.CompressedPageSize < 0 || int(header.CompressedPageSize) > len(rest) || header.UncompressedPageSize < 0 {
		return nil, nil, fmt.Errorf("header: %d bytes compressed, %d bytes not, of %d", header.CompressedPageSize, header.UncompressedPageSize, len(rest))
	}
	return header, rest, nil
}

func (c *chunk) page(h *format.PageHeader, body []byte) error {
	switch {
	case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid:
		return c.dictionaryPage(h, body)
	case h.Type == format.DataPage && h.DataPageHeader.Valid:
		d := &h.DataPageHeader.V
		body, err := c.decompress(body, int(h.UncompressedPageSize), true)
		if err != nil {
			return err
		}
		levels, count := []byte(nil), int(d.NumValues)
		if c.optional {
			if len(body) < 4 || uint64(binary.LittleEndian.Uint32(body)) > uint64(len(body)-4) {
				return errors.New("its levels do not fit")
			}
			n := int(binary.LittleEndian.Uint32(body))
			if levels, body = body[4:4+n], body[4+n:]; d.DefinitionLevelEncoding != format.RLE {
				return fmt.Errorf("levels encoded as %s cannot be read", d.DefinitionLevelEncoding)
			}
		}
		return c.dataPage(levels, body, count, d.Encoding)
	case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
		d := &h.DataPageHeaderV2.V
		n, r := int(d.DefinitionLevelsByteLength), int(d.RepetitionLevelsByteLength)
		if n < 0 || r != 0 || n > len(body) || n > int(h.UncompressedPageSize) {
			return errors.New("its levels do not fit")
		}
		levels := body[:n]
		compressed := !d.IsCompressed.Valid || d.IsCompressed.V
		body, err := c.decompress(body[n:], int(h.UncompressedPageSize)-n, compressed)
		if err != nil {
			return err
		}
		return c.dataPage(levels, body, int(d.NumValues), d.Encoding)
	}
	return fmt.Errorf("pages of type %s cannot be read", h.Type)
}

func (c *chunk) dictionaryPage(h *format.PageHeader, body []byte) error {
	d := &h.DictionaryPageHeader.V
	if c.dictionary != nil || (d.Encoding != format.Plain && d.Encoding != format.PlainDictionary) { //nolint:staticcheck // deprecated in writers, found in files
		return fmt.Errorf("a second dictionary, or one encoded as %s", d.Encoding)
	}
	body, err := c.decompress(body, int(h.UncompressedPageSize), true)
	if err != nil {
		return err
	}
	c.dictionary, err = c.plain(body, int(d.NumValues))
	return err
}

// dataPage appends the count values of a page. Without levels all are present.
func (c *chunk) dataPage(levels, body []byte, count int, encoding format.Encoding) error {
	if count < 0 || count > c.left {
		return fmt.Errorf("it has %d values, %d are left", count, c.left)
	}
	c.left -= count
	present, err := c.present(levels, count)
	if err != nil {
		return err
	}
	n := count
	if present != nil {
		n = 0
		for _, p := range present {
			n += int(p)
		}
	}
	source, indices := c.dictionary, []uint32(nil)
	switch encoding {
	case format.Plain:
		if source, err = c.plain(body, n); err != nil {
			return err
		}
	case format.RLEDictionary, format.PlainDictionary: //nolint:staticcheck // as above
		if indices, err = c.indices(body, n); err != nil {
			return err
		}
	case format.RLE: // truth values, in data pages of version 2
		if source, err = c.runs(body, n); err != nil {
			return err
		}
	default:
		return fmt.Errorf("values encoded as %s cannot be read; write the file with plain or dictionary encoding", encoding)
	}
	for i, k := 0, 0; i < count; i++ {
		if present != nil && present[i] == 0 {
			c.missing()
			continue
		}
		j := k
		if k++; indices != nil {
			j = int(indices[j])
		}
		c.value(source, j)
	}
	return nil
}

// present returns 1 for each value that is there, 0 for nulls; nil when the
// column has no nulls by its type.
func (c *chunk) present(levels []byte, count int) ([]uint32, error) {
	if !c.optional {
		return nil, nil
	}
	present, err := hybrid(levels, 1, count)
	if err != nil {
		return nil, fmt.Errorf("levels: %w", err)
	}
	return present, nil
}

func (c *chunk) indices(body []byte, n int) ([]uint32, error) {
	if c.dictionary == nil {
		return nil, errors.New("it refers to a dictionary that is not there")
	}
	if n == 0 {
		return []uint32{}, nil
	}
	if len(body) == 0 || body[0] > 32 {
		return nil, errors.New("its dictionary codes are damaged")
	}
	indices, err := hybrid(body[1:], int(body[0]), n)
	if err != nil {
		return nil, fmt.Errorf("dictionary codes: %w", err)
	}
	for _, i := range indices {
		if int(i) >= c.dictionary.count {
			return nil, fmt.Errorf("dictionary code %d of %d", i, c.dictionary.count)
		}
	}
	return indices, nil
}

// runs decodes n truth values in the run-length encoding: a length of 4 bytes,
// then the runs.
func (c *chunk) runs(body []byte, n int) (*values, error) {
	if c.kind != parquet.Boolean || len(body) < 4 {
		return nil, errors.New("only truth values can be encoded as RLE")
	}
	truths, err := hybrid(body[4:], 1, n)
	if err != nil {
		return nil, err
	}
	v := &values{count: n, bools: make([]bool, n)}
	for i, b := range truths {
		v.bools[i] = b == 1
	}
	return v, nil
}

// hybrid decodes n values of the run-length and bit-packing encoding
// (Parquet's Encodings.md, "RLE"). It never reads beyond n values.
func hybrid(data []byte, width, n int) ([]uint32, error) {
	out := make([]uint32, 0, n)
	for len(out) < n {
		head, used := binary.Uvarint(data)
		if used <= 0 {
			return nil, fmt.Errorf("they end after %d of %d values", len(out), n)
		}
		data = data[used:]
		want := n - len(out)
		if head&1 == 0 { // a run
			size := (width + 7) / 8
			if len(data) < size {
				return nil, errors.New("a run without a value")
			}
			var word [8]byte
			copy(word[:], data[:size])
			v := uint32(binary.LittleEndian.Uint64(word[:]))
			if head>>1 == 0 || bits.Len32(v) > width {
				return nil, errors.New("an empty run, or a value that is too wide")
			}
			for range min(head>>1, uint64(want)) {
				out = append(out, v)
			}
			data = data[size:]
			continue
		}
		groups := int(min(head>>1, uint64(want+7)/8))
		if groups == 0 || groups*width > len(data) {
			return nil, fmt.Errorf("%d groups of %d bytes do not fit into %d", groups, width, len(data))
		}
		for i := range min(8*groups, want) {
			out = append(out, packed(data, i*width, width))
		}
		data = data[groups*width:]
	}
	return out, nil
}

// packed takes width bits at a bit offset, least significant first.
func packed(data []byte, at, width int) uint32 {
	if width == 0 {
		return 0
	}
	var word [8]byte
	copy(word[:], data[at/8:])
	return uint32(binary.LittleEndian.Uint64(word[:]) >> (at % 8) & (1<<width - 1))
}

// values are decoded values of one kind.
type values struct {
	floats  []float64
	ints    []int64
	strings []string
	bools   []bool
	count   int
}

// plain decodes n values in the plain encoding.
func (c *chunk) plain(data []byte, n int) (*values, error) {
	widths := map[parquet.Kind]int{parquet.Int32: 4, parquet.Float: 4, parquet.Int64: 8, parquet.Double: 8, parquet.FixedLenByteArray: c.width, parquet.ByteArray: 4}
	width, short := widths[c.kind], fmt.Errorf("%d values do not fit into %d bytes", n, len(data))
	switch {
	case n < 0, c.kind == parquet.Boolean && (n+7)/8 > len(data), width > 0 && n > len(data)/width, c.kind == parquet.FixedLenByteArray && width <= 0:
		return nil, short
	}
	if err := c.file.spend(16 * int64(n)); err != nil {
		return nil, err
	}
	v := &values{count: n}
	switch c.kind {
	case parquet.Boolean:
		for i := range n {
			v.bools = append(v.bools, data[i/8]>>(i%8)&1 == 1)
		}
	case parquet.FixedLenByteArray:
		all := string(data[:n*width])
		for i := range n {
			v.strings = append(v.strings, all[i*width:(i+1)*width])
		}
	case parquet.ByteArray:
		all := string(data)
		for range n {
			if len(all) < 4 {
				return nil, short
			}
			size := int(binary.LittleEndian.Uint32([]byte(all[:4])))
			if size > len(all)-4 {
				return nil, short
			}
			v.strings, all = append(v.strings, all[4:4+size]), all[4+size:]
		}
	default:
		return v, c.numbers(v, data, n)
	}
	return v, nil
}

func (c *chunk) numbers(v *values, data []byte, n int) error {
	if c.out.Kind == Float64 {
		v.floats = make([]float64, n)
	} else {
		v.ints = make([]int64, n)
	}
	for i := range n {
		switch c.kind {
		case parquet.Int32:
			u := binary.LittleEndian.Uint32(data[4*i:])
			if v.ints[i] = int64(int32(u)); c.unsigned {
				v.ints[i] = int64(u)
			}
		case parquet.Int64:
			v.ints[i] = int64(binary.LittleEndian.Uint64(data[8*i:]))
			if c.unsigned && v.ints[i] < 0 {
				return fmt.Errorf("%d does not fit into int64", uint64(v.ints[i]))
			}
		case parquet.Float:
			v.floats[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])))
		case parquet.Double:
			v.floats[i] = math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:]))
		}
	}
	return nil
}

// decompress returns exactly size bytes, or an error.
func (c *chunk) decompress(body []byte, size int, compressed bool) ([]byte, error) {
	if err := c.file.spend(int64(size)); err != nil {
		return nil, err
	}
	codec := c.codec
	if !compressed {
		codec = format.Uncompressed
	}
	var r io.Reader
	switch codec {
	case format.Uncompressed:
		r = bytes.NewReader(body)
	case format.Snappy:
		if n, err := snappy.DecodedLen(body); err != nil || n != size {
			return nil, fmt.Errorf("its Snappy header says %d bytes, its page header %d", n, size)
		}
		out, err := snappy.Decode(nil, body)
		return out, err
	case format.Gzip:
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		r = z
	case format.Zstd:
		z, err := zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		r = z
	default:
		return nil, fmt.Errorf("compression %s cannot be read; Snappy, gzip and Zstandard can", codec)
	}
	out, err := io.ReadAll(io.LimitReader(r, int64(size)+1))
	if err == nil && len(out) != size {
		err = fmt.Errorf("it has not the %d bytes that its header says", size)
	}
	return out, err
}
