package table

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/nbpipe/nbpipe/stages/nas"
)

// Limits bound what a reader takes from a file. Zero fields take the default.
type Limits struct {
	MaxBytes int64 // of a file once decompressed; default 512 MiB
	MaxRows  int   // default 20 million
	MaxOps   int   // instructions of a pickle; default 8 million
}

func (l Limits) orDefault() Limits {
	if l.MaxBytes == 0 {
		l.MaxBytes = 512 << 20
	}
	if l.MaxRows == 0 {
		l.MaxRows = 20_000_000
	}
	if l.MaxOps == 0 {
		l.MaxOps = 8_000_000
	}
	return l
}

// Options say how to read a file. The zero value reads all of it.
//
// Index and Cell name the columns that identify a cell of NAS-Bench-201, by
// number or as text. When they are empty, an integer column named arch_idx,
// arch_index, arch or architecture whose values are all numbers of cells is
// the index, and a text column whose first value is a cell is the text. If
// either is there, the result has its column architecture first: the index
// column takes that name, and where both are there, they are compared, since a
// file in another order would give wrong results without any other sign.
type Options struct {
	Index string
	Cell  string

	// Columns are the only ones to read, besides the cells'; nil reads all.
	Columns []string
	// Kinds forces the kinds of columns of a CSV file; a value that is not of
	// that kind is an error with its row.
	Kinds map[string]Kind
	// Epochs adds the metrics at these epochs, counted from 0, to those of the
	// last epoch of a NATS-Bench record.
	Epochs []int

	Limits Limits
}

// Read reads a file of any known format: an encoded table, Parquet, a pickle
// (plain, bzip2, gzip) or CSV (plain, gzip). The format is told by the first
// bytes, and by the name's extension where these say nothing. The name is also
// used in messages.
func Read(name string, data []byte, opts Options) (*Table, error) {
	switch {
	case IsTable(data):
		return Decode(data)
	case bytes.HasPrefix(data, []byte("PAR1")):
		return ReadParquet(name, bytes.NewReader(data), int64(len(data)), opts)
	}
	data, inner, err := decompress(name, data, opts.Limits.orDefault().MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if looksLikePickle(inner, data) {
		return ReadPickle(name, data, opts)
	}
	if ext := path.Ext(inner); ext == ".csv" || ext == "" || ext == ".txt" {
		return ReadCSV(name, data, opts)
	}
	return nil, fmt.Errorf("reading %s: unknown format; tables are read from CSV, Parquet and pickle files (bzip2 or gzip allowed), and from nbpipe's own format", name)
}

// looksLikePickle accepts protocol 2 and later by their first bytes, and older
// ones by the extension.
func looksLikePickle(name string, data []byte) bool {
	if len(data) > 2 && data[0] == 0x80 && data[1] >= 2 && data[1] <= 5 {
		return true
	}
	switch path.Ext(name) {
	case ".pickle", ".pkl", ".pd", ".pbz2":
		return true
	}
	return false
}

// decompress undoes bzip2 and gzip by their magic, and returns the name
// without the matching extension.
func decompress(name string, data []byte, limit int64) ([]byte, string, error) {
	var r io.Reader
	var kind string
	switch {
	case bytes.HasPrefix(data, []byte("BZh")):
		r, kind = bzip2.NewReader(bytes.NewReader(data)), "bzip2"
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, "", fmt.Errorf("gzip: %w", err)
		}
		r, kind = z, "gzip"
	default:
		return data, name, checkSize(int64(len(data)), limit)
	}
	out, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", kind, err)
	}
	for _, ext := range []string{".gz", ".bz2"} {
		name = strings.TrimSuffix(name, ext)
	}
	return out, name, checkSize(int64(len(out)), limit)
}

func checkSize(n, limit int64) error {
	if n > limit {
		return fmt.Errorf("it has more than the %d bytes that are allowed", limit)
	}
	return nil
}

// guard turns a panic of a decoder into an error. Use it deferred, with the
// named result.
func guard(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the file is damaged: %s", clip(fmt.Sprint(p)))
	}
}

// indexNames are the columns taken as a cell's number when nothing is said.
var indexNames = []string{"arch_idx", "arch_index", "arch", Architecture}

// withArchitecture establishes the convention that Options describes.
func (t *Table) withArchitecture(opts Options) (*Table, error) {
	index, err := t.indexColumn(opts.Index)
	if err != nil {
		return nil, err
	}
	cell, err := t.cellColumn(opts.Cell)
	if err != nil || (index == nil && cell == nil) {
		return t, err
	}
	numbers := make([]int64, t.Rows)
	if index != nil {
		copy(numbers, index.Int64s)
	}
	if cell != nil {
		if err := numberCells(cell, index, numbers); err != nil {
			return nil, err
		}
	}
	out := &Table{Rows: t.Rows, Notes: t.Notes}
	first := IntColumn(Architecture, numbers)
	if first.Source = "the number of " + nameOf(cell); index != nil {
		first.Source = index.Source
	}
	out.Columns = append(out.Columns, first)
	for _, c := range t.Columns {
		if index == nil || c.Name != index.Name {
			out.Columns = append(out.Columns, c)
		}
	}
	return out, out.Validate()
}

func nameOf(c *Column) string {
	if c == nil {
		return ""
	}
	return c.Name
}

// indexColumn returns the column of cells' numbers, or nil.
func (t *Table) indexColumn(name string) (*Column, error) {
	if name != "" {
		c, err := t.complete(name, Int64)
		if err != nil {
			return nil, err
		}
		return c, c.checkIndices()
	}
	for _, name := range indexNames {
		if c := t.find(name); c != nil && c.Kind == Int64 && c.checkIndices() == nil {
			return c, nil
		}
	}
	return nil, nil
}

func (c *Column) checkIndices() error {
	for i, v := range c.Int64s {
		if err := nas.CheckIndex(v); err != nil || c.Missing(i) {
			return fmt.Errorf("column %q, row %d: %s is not the number of a cell (0 to %d)", c.Name, i+1, c.Text(i), nas.Size-1)
		}
	}
	return nil
}

// cellColumn returns the column of cells as text, or nil.
func (t *Table) cellColumn(name string) (*Column, error) {
	if name != "" {
		return t.complete(name, String)
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Kind != String || c.Len() == 0 {
			continue
		}
		if _, err := nas.Parse(c.Strings[0]); err == nil {
			return c, nil
		}
	}
	return nil, nil
}

// numberCells sets numbers from the cells' text, and compares with the index.
func numberCells(cell, index *Column, numbers []int64) error {
	for i, s := range cell.Strings {
		parsed, err := nas.Parse(s)
		if err != nil {
			return fmt.Errorf("column %q, row %d: %w", cell.Name, i+1, err)
		}
		n := int64(nas.Index(parsed))
		if index != nil && numbers[i] != n {
			return fmt.Errorf("row %d: %s is %d, but %s is number %d of the benchmark's order: the file counts its cells in another order; leave out %q",
				i+1, index.Name, numbers[i], cell.Name, n, index.Name)
		}
		numbers[i] = n
	}
	return nil
}

// finish applies what all readers have in common.
func finish(t *Table, name string, opts Options) (*Table, error) {
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Source == "" {
			c.Source = c.Name
		}
	}
	t.Notes = append(t.Notes, "read from "+strings.ToValidUTF8(path.Base(name), "?"))
	if err := t.Validate(); err != nil {
		return nil, err
	}
	out, err := t.withArchitecture(opts)
	if err != nil || opts.Columns == nil {
		return out, err
	}
	return out.restrict(opts.Columns)
}

// restrict keeps architecture and the named columns, in the table's order.
func (t *Table) restrict(names []string) (*Table, error) {
	want := map[string]bool{Architecture: true}
	for _, n := range names {
		want[n] = true
		if !t.Has(n) && !(len(t.Columns) > 0 && t.Columns[0].Name == Architecture && t.Columns[0].Source == n) {
			_, err := t.Column(n)
			return nil, err
		}
	}
	out := &Table{Rows: t.Rows, Notes: t.Notes}
	for _, c := range t.Columns {
		if want[c.Name] {
			out.Columns = append(out.Columns, c)
		}
	}
	return out, nil
}
