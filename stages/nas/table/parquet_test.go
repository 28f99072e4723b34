package table

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/format"
)

type parquetRow struct {
	Arch   int64    `parquet:"arch_idx"`
	Device string   `parquet:"device,dict"`
	Cell   string   `parquet:"cell,plain"`
	MS     *float64 `parquet:"ms,optional"`
	Seed   *int64   `parquet:"seed,optional,dict"`
	Name   *string  `parquet:"name,optional,plain"`
	OK     bool     `parquet:"ok"`
	F4     float32  `parquet:"f4"`
	I4     int32    `parquet:"i4"`
	U4     uint32   `parquet:"u4"`
	Fixed  [3]byte  `parquet:"fixed"`
}

func pointer[T any](v T) *T { return &v }

func parquetRows(n int) []parquetRow {
	rows := make([]parquetRow, n)
	for i := range rows {
		rows[i] = parquetRow{Arch: int64(i % 15625), Device: []string{"pi5", "pixel"}[i%2], Cell: cells(i % 15625)[0], OK: i%3 == 0,
			F4: float32(i) / 4, I4: int32(-i), U4: math.MaxUint32 - uint32(i), Fixed: [3]byte{'a', 'b', byte('0' + i%10)}}
		if i%4 != 0 {
			rows[i].MS = pointer(float64(i) / 8)
		}
		if i%5 != 0 {
			rows[i].Seed, rows[i].Name = pointer(int64(i%7)), pointer("n"+string(rune('a'+i%26)))
		}
	}
	return rows
}

func writeParquet[T any](t testing.TB, rows []T, options ...parquet.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, options...)
	for len(rows) > 0 { // several row groups
		n := min(len(rows), 1000)
		if _, err := w.Write(rows[:n]); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		rows = rows[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// parquetColumns is what the reader must return, from the rows themselves.
func parquetColumns(rows []parquetRow) []Column {
	n := len(rows)
	c := []Column{
		IntColumn("architecture", make([]int64, n)), StringColumn("device", make([]string, n)), StringColumn("cell", make([]string, n)),
		FloatColumn("ms", make([]float64, n)), IntColumn("seed", make([]int64, n)), StringColumn("name", make([]string, n)), BoolColumn("ok", make([]bool, n)),
		FloatColumn("f4", make([]float64, n)), IntColumn("i4", make([]int64, n)), IntColumn("u4", make([]int64, n)), StringColumn("fixed", make([]string, n)),
	}
	c[4].Valid, c[5].Valid = make([]bool, n), make([]bool, n)
	for i, r := range rows {
		c[0].Int64s[i], c[1].Strings[i], c[2].Strings[i], c[3].Float64s[i] = r.Arch, r.Device, r.Cell, math.NaN()
		c[6].Bools[i], c[7].Float64s[i], c[8].Int64s[i], c[9].Int64s[i], c[10].Strings[i] = r.OK, float64(r.F4), int64(r.I4), int64(r.U4), string(r.Fixed[:])
		if r.MS != nil {
			c[3].Float64s[i] = *r.MS
		}
		if r.Seed != nil {
			c[4].Int64s[i], c[4].Valid[i], c[5].Strings[i], c[5].Valid[i] = *r.Seed, true, *r.Name, true
		}
	}
	return c
}

func TestReadParquet(t *testing.T) {
	rows := parquetRows(2500)
	codecs := map[string]compress.Codec{"plain": &parquet.Uncompressed, "snappy": &parquet.Snappy, "gzip": &parquet.Gzip, "zstd": &parquet.Zstd}
	for name, codec := range codecs {
		for version := 1; version <= 2; version++ {
			t.Run(name, func(t *testing.T) {
				data := writeParquet(t, rows, parquet.Compression(codec), parquet.DataPageVersion(version), parquet.PageBufferSize(4096))
				tab, err := Read("x.parquet", data, Options{})
				if err != nil {
					t.Fatal(err)
				}
				sameTable(t, tab, parquetColumns(rows)...)
			})
		}
	}
	t.Run("some columns", func(t *testing.T) {
		tab, err := Read("x.parquet", writeParquet(t, rows), Options{Columns: []string{"ms"}})
		if err != nil {
			t.Fatal(err)
		}
		sameTable(t, tab, parquetColumns(rows)[0], parquetColumns(rows)[3])
	})
	t.Run("no rows", func(t *testing.T) {
		tab, err := Read("x.parquet", writeParquet(t, rows[:0]), Options{})
		if err != nil || tab.Rows != 0 || len(tab.Columns) != 11 {
			t.Fatal(tab, err)
		}
	})
}

func TestParquetErrors(t *testing.T) {
	good := writeParquet(t, parquetRows(10))
	footer := bytes.Clone(good)
	binary.LittleEndian.PutUint32(footer[len(footer)-8:], math.MaxUint32)
	type nested struct {
		List []int64 `parquet:"list,list"`
	}
	type delta struct {
		V int64 `parquet:"v,delta"`
	}
	for name, c := range map[string]struct {
		data []byte
		opts Options
		want string
	}{
		"short":       {[]byte("PAR1"), Options{}, "too short"},
		"truncated":   {good[:len(good)-3], Options{}, "PAR1"},
		"footer size": {footer, Options{}, "a footer of"},
		"rows":        {good, Options{Limits: Limits{MaxRows: 9}}, "10 rows; 9 are allowed"},
		"memory":      {good, Options{Limits: Limits{MaxBytes: 300}}, "more memory than allowed"},
		"lists":       {writeParquet(t, []nested{{[]int64{1}}}), Options{}, `column "list": it holds lists`},
		"encoding":    {writeParquet(t, []delta{{1}}), Options{}, "plain or dictionary"},
		"brotli":      {writeParquet(t, parquetRows(10), parquet.Compression(&parquet.Brotli)), Options{}, "compression BROTLI cannot be read"},
		"column":      {good, Options{Columns: []string{"devise"}}, `did you mean "device"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read("x.parquet", c.data, c.opts)
			wantError(t, err, c.want)
		})
	}
}

// TestParquetSurvivesEveryFlippedByte: an error or a valid table, never a
// panic or an allocation beyond the limit.
func TestParquetSurvivesEveryFlippedByte(t *testing.T) {
	good := writeParquet(t, parquetRows(20))
	opts := Options{Limits: Limits{MaxBytes: 1 << 20, MaxRows: 1000}}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0xff
		if tab, err := Read("x.parquet", bad, opts); err == nil && tab.Validate() != nil {
			t.Fatalf("byte %d: an invalid table", i)
		}
	}
}

// TestTruthValuesInRuns: Arrow writes them so in data pages of version 2.
func TestTruthValuesInRuns(t *testing.T) {
	c := &chunk{kind: parquet.Boolean, out: &Column{Kind: Bool}, left: 5}
	if err := c.dataPage(nil, []byte{4, 0, 0, 0, 4, 1, 6, 0}, 5, format.RLE); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]bool{true, true, false, false, false}, c.out.Bools); d != "" {
		t.Error(d)
	}
	ints := &chunk{kind: parquet.Int64, out: &Column{Kind: Int64}, left: 5}
	wantError(t, ints.dataPage(nil, make([]byte, 8), 5, format.RLE), "only truth values")
}

func TestHybrid(t *testing.T) {
	for name, c := range map[string]struct {
		data     []byte
		width, n int
		want     string // values as letters from a, or an error
	}{
		"run":               {[]byte{8, 2}, 2, 4, "cccc"},
		"run of 2^62":       {[]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 1}, 1, 3, "bbb"},
		"packed, 3 bits":    {[]byte{3, 0x88, 0xc6, 0xfa}, 3, 8, "abcdefgh"},
		"both":              {[]byte{4, 1, 3, 0b10101010}, 1, 6, "bbabab"},
		"width 0":           {[]byte{16}, 0, 3, "aaa"},
		"ends early":        {[]byte{4, 1}, 1, 3, "error"},
		"groups do not fit": {[]byte{0xff, 0xff, 0xff, 0xff, 0x0f}, 32, 8, "error"},
		"empty run":         {[]byte{0, 1}, 1, 1, "error"},
		"too wide":          {[]byte{2, 3}, 1, 1, "error"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := hybrid(c.data, c.width, c.n)
			var b strings.Builder
			for _, v := range got {
				b.WriteByte('a' + byte(v))
			}
			if (err != nil) != (c.want == "error") || (err == nil && b.String() != c.want) {
				t.Errorf("got %q, %v; want %q", b.String(), err, c.want)
			}
		})
	}
}

func FuzzParquet(f *testing.F) {
	f.Add(writeParquet(f, parquetRows(20)))
	f.Add(writeParquet(f, parquetRows(5), parquet.Compression(&parquet.Snappy), parquet.DataPageVersion(1)))
	f.Add(writeParquet(f, parquetRows(5), parquet.Compression(&parquet.Zstd)))
	limits := Limits{MaxBytes: 1 << 20, MaxRows: 100_000}
	f.Fuzz(func(t *testing.T, data []byte) {
		if tab, err := ReadParquet("x.parquet", bytes.NewReader(data), int64(len(data)), Options{Limits: limits}); err == nil {
			encoded(t, tab)
		}
	})
}
