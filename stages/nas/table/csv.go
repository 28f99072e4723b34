package table

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// ReadCSV reads comma-separated values with a header line. A column's kind
// follows from its values, empty ones aside: int64 when all are integers in
// their shortest form, float64 when all are numbers, bool when all are true or
// false, else string. An empty value is NaN in a column of numbers (which is
// then float64), missing in a bool column, and an empty string in a string
// column; a column of empty values is float64.
func ReadCSV(name string, data []byte, opts Options) (t *Table, err error) {
	defer func() {
		if err != nil {
			t, err = nil, fmt.Errorf("reading %s as CSV: %w", name, err)
		}
	}()
	limits := opts.Limits.orDefault()
	if err := checkSize(int64(len(data)), limits.MaxBytes); err != nil {
		return nil, err
	}
	names, cells, err := readCells(data, limits.MaxRows)
	if err != nil {
		return nil, err
	}
	for forced := range opts.Kinds {
		if _, err := (&Table{Columns: namesOnly(names)}).Column(forced); err != nil {
			return nil, err
		}
	}
	t = &Table{Columns: make([]Column, len(names))}
	for i, name := range names {
		if t.Columns[i], err = parseColumn(name, cells[i], opts.Kinds[name]); err != nil {
			return nil, err
		}
		t.Rows = len(cells[i])
	}
	return finish(t, name, opts)
}

func namesOnly(names []string) []Column {
	out := make([]Column, len(names))
	for i, n := range names {
		out[i].Name = n
	}
	return out
}

// readCells returns the header and the values, column by column.
func readCells(data []byte, maxRows int) ([]string, [][]string, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	r.ReuseRecord = true
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil, errors.New("it is empty; a header line is needed")
	}
	if err != nil {
		return nil, nil, csvError(err)
	}
	names := make([]string, len(header))
	for i, n := range header {
		if names[i] = n; n == "" && i == 0 {
			names[i] = "Unnamed: 0" // what pandas calls its row labels
		}
	}
	if err := (&Table{Columns: namedEmpty(names)}).Validate(); err != nil {
		return nil, nil, fmt.Errorf("line 1: %w", err)
	}
	cells := make([][]string, len(names))
	for row := 0; ; row++ {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return names, cells, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("row %d: %w", row+1, csvDetail(err, record, len(names)))
		}
		if row == maxRows {
			return nil, nil, fmt.Errorf("it has more than the %d rows that are allowed", maxRows)
		}
		for i, s := range record {
			cells[i] = append(cells[i], s)
		}
	}
}

func namedEmpty(names []string) []Column {
	out := namesOnly(names)
	for i := range out {
		out[i].Kind = String
	}
	return out
}

func csvError(err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		return fmt.Errorf("line %d, position %d: %w", p.Line, p.Column, p.Err)
	}
	return err
}

func csvDetail(err error, record []string, columns int) error {
	if errors.Is(err, csv.ErrFieldCount) {
		last := ""
		if len(record) > 0 {
			last = record[len(record)-1]
		}
		return fmt.Errorf("%w: %d values for %d columns, the last is %q", csvError(err), len(record), columns, clip(last))
	}
	return csvError(err)
}

// parseColumn turns cells into the forced kind, or the one they have.
func parseColumn(name string, cells []string, forced Kind) (Column, error) {
	kind := forced
	if kind == "" {
		kind = kindOf(cells)
	}
	c := Column{Name: name, Kind: kind}
	bad := func(i int, what string) (Column, error) {
		return Column{}, fmt.Errorf("row %d, column %q: %q is not %s", i+1, name, clip(cells[i]), what)
	}
	switch kind {
	case Float64:
		c.Float64s = make([]float64, len(cells))
		for i, s := range cells {
			v, ok := parseNumber(s)
			if c.Float64s[i] = v; s == "" {
				c.Float64s[i] = math.NaN()
			} else if !ok {
				return bad(i, "a number")
			}
		}
	case Int64:
		c.Int64s = make([]int64, len(cells))
		for i, s := range cells {
			v, err := strconv.ParseInt(s, 10, 64)
			if c.Int64s[i] = v; err != nil {
				return bad(i, "an integer")
			}
		}
	case Bool:
		c.Bools, c.Valid = make([]bool, len(cells)), make([]bool, len(cells))
		for i, s := range cells {
			v, ok := parseBool(s)
			if c.Bools[i], c.Valid[i] = v, ok; !ok && s != "" {
				return bad(i, "true or false")
			}
		}
	case String:
		c.Strings = cells
	default:
		return Column{}, fmt.Errorf("column %q: unknown kind %q", name, kind)
	}
	return normalised(c), nil
}

func kindOf(cells []string) Kind {
	ints, floats, bools, empty := true, true, true, 0
	for _, s := range cells {
		if s == "" {
			empty++
			continue
		}
		ints = ints && isInteger(s)
		if floats {
			_, floats = parseNumber(s)
		}
		if bools {
			_, bools = parseBool(s)
		}
		if !floats && !bools {
			return String
		}
	}
	switch {
	case empty == len(cells):
		return Float64
	case ints && empty == 0:
		return Int64
	case floats:
		return Float64
	default:
		return Bool
	}
}

func isInteger(s string) bool {
	v, err := strconv.ParseInt(s, 10, 64)
	return err == nil && strconv.FormatInt(v, 10) == s
}

// parseNumber reads decimal numbers, nan and inf. Numbers with superfluous
// leading zeros are labels, not numbers.
func parseNumber(s string) (float64, bool) {
	if s == "" || strings.ContainsAny(s, "xXpP_") {
		return 0, false
	}
	digits := strings.TrimLeft(s, "+-")
	if len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return v, true
}

func parseBool(s string) (value, ok bool) {
	switch s {
	case "true", "True", "TRUE":
		return true, true
	case "false", "False", "FALSE":
		return false, true
	}
	return false, false
}
