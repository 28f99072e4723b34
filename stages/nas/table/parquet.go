package table

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// ReadParquet reads a Parquet file of flat columns (no lists, no groups), as
// pandas and Arrow write them: compressed by nothing, Snappy, gzip or Zstandard;
// encoded plainly or by a dictionary. Nulls become missing values.
//
// parquet-go reads the footer and the page headers; the pages are decoded
// here, because a hostile page can make a general decoder allocate without
// bound, which no recover can catch.
func ReadParquet(name string, r io.ReaderAt, size int64, opts Options) (t *Table, err error) {
	defer func() {
		if err != nil {
			t, err = nil, fmt.Errorf("reading %s as Parquet: %w", name, err)
		}
	}()
	defer guard(&err)
	limits := opts.Limits.orDefault()
	file, err := openParquet(r, size, limits)
	if err != nil {
		return nil, err
	}
	p := &parquetFile{reader: r, size: size, metadata: file.Metadata(), budget: limits.MaxBytes}
	t = &Table{Rows: int(file.NumRows())}
	if err := checkColumns(file.Root().Columns(), opts.Columns); err != nil {
		return nil, err
	}
	for _, column := range file.Root().Columns() {
		if !wanted(column.Name(), opts) {
			continue
		}
		c, err := p.column(column, t.Rows)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", column.Name(), err)
		}
		t.Columns = append(t.Columns, c)
	}
	if len(t.Columns) == 0 {
		t.Rows = 0
	}
	return finish(t, name, opts)
}

// wanted tells which columns are read: with Options.Columns these, and what
// could be the cells'.
func wanted(name string, opts Options) bool {
	return opts.Columns == nil || slices.Contains(opts.Columns, name) || slices.Contains(indexNames, name) ||
		name == opts.Index || name == opts.Cell
}

func checkColumns(columns []*parquet.Column, names []string) error {
	there := &Table{}
	for _, c := range columns {
		there.Columns = append(there.Columns, Column{Name: c.Name()})
	}
	for _, name := range names {
		if _, err := there.Column(name); err != nil && name != Architecture {
			return err
		}
	}
	return nil
}

func openParquet(r io.ReaderAt, size int64, limits Limits) (*parquet.File, error) {
	if size < 12 {
		return nil, errors.New("it is too short")
	}
	if err := checkFooter(r, size); err != nil {
		return nil, err
	}
	file, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, err
	}
	if n := file.NumRows(); n < 0 || n > int64(limits.MaxRows) {
		return nil, fmt.Errorf("it has %d rows; %d are allowed", n, limits.MaxRows)
	}
	return file, nil
}

type parquetFile struct {
	reader   io.ReaderAt
	size     int64
	metadata *format.FileMetaData
	budget   int64 // bytes of memory that may still be used
}

// spend takes n bytes from the budget.
func (p *parquetFile) spend(n int64) error {
	if n < 0 || n > p.budget {
		return fmt.Errorf("it takes more memory than allowed")
	}
	p.budget -= n
	return nil
}

// chunk is one column of one row group while it is decoded.
type chunk struct {
	file       *parquetFile
	kind       parquet.Kind
	width      int // of fixed-length values
	optional   bool
	unsigned   bool
	codec      format.CompressionCodec
	dictionary *values
	out        *Column
	valid      []bool
	left       int // rows still to come in this row group
}

func (p *parquetFile) column(leaf *parquet.Column, rows int) (Column, error) {
	if !leaf.Leaf() || leaf.Repeated() {
		return Column{}, errors.New("it holds lists or groups; only flat columns can be read (name the others in Options.Columns)")
	}
	out := Column{Name: leaf.Name(), Source: leaf.Name()}
	c := &chunk{file: p, kind: leaf.Type().Kind(), width: leaf.Type().Length(), optional: leaf.Optional(), out: &out}
	if err := c.logicalType(leaf.Type()); err != nil {
		return out, err
	}
	if err := p.spend(int64(rows) * 17); err != nil {
		return out, err
	}
	for i := range p.metadata.RowGroups {
		group := &p.metadata.RowGroups[i]
		if leaf.Index() >= len(group.Columns) || group.NumRows < 0 || group.NumRows > int64(rows-len(c.valid)) {
			return out, fmt.Errorf("row group %d does not fit", i+1)
		}
		c.left, c.dictionary = int(group.NumRows), nil
		meta := &group.Columns[leaf.Index()].MetaData
		if c.codec = meta.Codec; meta.NumValues != group.NumRows {
			return out, fmt.Errorf("row group %d has %d rows and %d values", i+1, group.NumRows, meta.NumValues)
		}
		if err := c.pages(meta); err != nil {
			return out, fmt.Errorf("row group %d: %w", i+1, err)
		}
	}
	if len(c.valid) != rows {
		return out, fmt.Errorf("it has %d values for %d rows", len(c.valid), rows)
	}
	if out.Kind != Float64 {
		out.Valid = c.valid
	}
	return normalised(out), nil
}

// logicalType sets the kind of the result. Times become integers with a unit.
func (c *chunk) logicalType(t parquet.Type) error {
	switch c.kind {
	case parquet.Boolean:
		c.out.Kind = Bool
	case parquet.Int32, parquet.Int64:
		c.out.Kind = Int64
	case parquet.Float, parquet.Double:
		c.out.Kind = Float64
	case parquet.ByteArray, parquet.FixedLenByteArray:
		c.out.Kind = String
	default:
		return fmt.Errorf("values of type %s cannot be read", t)
	}
	lt := t.LogicalType()
	if lt == nil {
		return nil
	}
	switch v := lt.Value.(type) {
	case *format.DecimalType, *format.Float16Type:
		return fmt.Errorf("values of type %s cannot be read; write them as doubles", t)
	case *format.IntType:
		c.unsigned = !v.IsSigned
	case *format.DateType:
		c.out.Unit = "days since 1970-01-01"
	case *format.TimestampType, *format.TimeType:
		c.out.Unit = t.String()
	}
	return nil
}

// missing appends a null.
func (c *chunk) missing() {
	switch c.out.Kind {
	case Float64:
		c.out.Float64s = append(c.out.Float64s, math.NaN())
	case Int64:
		c.out.Int64s = append(c.out.Int64s, 0)
	case String:
		c.out.Strings = append(c.out.Strings, "")
	case Bool:
		c.out.Bools = append(c.out.Bools, false)
	}
	c.valid = append(c.valid, false)
}

// value appends value i of a page or of a dictionary.
func (c *chunk) value(v *values, i int) {
	switch c.out.Kind {
	case Float64:
		c.out.Float64s = append(c.out.Float64s, v.floats[i])
	case Int64:
		c.out.Int64s = append(c.out.Int64s, v.ints[i])
	case String:
		c.out.Strings = append(c.out.Strings, v.strings[i])
	case Bool:
		c.out.Bools = append(c.out.Bools, v.bools[i])
	}
	c.valid = append(c.valid, true)
}
