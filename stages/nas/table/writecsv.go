package table

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
)

// WriteCSV writes the table as comma-separated values with a header line, which
// other programs read. Numbers have as many digits as tell them from their
// neighbours; a value that is missing, or NaN, is empty. Units and sources are
// left out. ReadCSV reads it.
func (t *Table) WriteCSV(w io.Writer) error {
	if err := t.Validate(); err != nil {
		return fmt.Errorf("writing a table as CSV: %w", err)
	}
	c := csv.NewWriter(w)
	row := make([]string, len(t.Columns))
	for i := range t.Columns {
		row[i] = t.Columns[i].Name
	}
	if err := c.Write(row); err != nil {
		return err
	}
	for r := range t.Rows {
		for i := range t.Columns {
			row[i] = t.Columns[i].text(r)
		}
		if err := c.Write(row); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// text is a value as CSV has it.
func (c *Column) text(row int) string {
	if c.Valid != nil && !c.Valid[row] {
		return ""
	}
	switch c.Kind {
	case Float64:
		if math.IsNaN(c.Float64s[row]) {
			return ""
		}
		return strconv.FormatFloat(c.Float64s[row], 'g', -1, 64)
	case Int64:
		return strconv.FormatInt(c.Int64s[row], 10)
	case Bool:
		return strconv.FormatBool(c.Bools[row])
	}
	return c.Strings[row]
}
