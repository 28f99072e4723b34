package table

import (
	"bytes"
	"fmt"

	"github.com/nbpipe/nbpipe/stages/pickle"
)

// ReadPickle reads a pickle that is not compressed (Read undoes compression).
// It knows these shapes:
//
//   - a record of NATS-Bench (hyper-parameters -> state), or its full file:
//     one row for each hyper-parameter set, data set and seed;
//   - NATS-Bench's meta file: one row for each cell;
//   - a pandas DataFrame: its columns;
//   - a list, tuple or numpy array of scalars: the column value; of rows: the
//     columns c0, c1, ...;
//   - a dict of name -> list or array: these columns.
//
// No class outside an allow-list is resolved, and no code is run: classes are
// plain data here.
func ReadPickle(name string, data []byte, opts Options) (t *Table, err error) {
	defer func() {
		if err != nil {
			t, err = nil, fmt.Errorf("reading %s as a pickle: %w", name, err)
		}
	}()
	defer guard(&err)
	limits := opts.Limits.orDefault()
	if err := checkSize(int64(len(data)), limits.MaxBytes); err != nil {
		return nil, err
	}
	root, err := unpickle(data, limits)
	if err != nil {
		return nil, err
	}
	if t, err = shape(root, opts, newQuota(limits)); err != nil {
		return nil, err
	}
	if t.Rows > limits.MaxRows {
		return nil, fmt.Errorf("it has %d rows; %d are allowed", t.Rows, limits.MaxRows)
	}
	return finish(t, name, opts)
}

// unpickle executes nothing: classes outside the allow-list are an error.
func unpickle(data []byte, limits Limits) (any, error) {
	return pickle.Decode(bytes.NewReader(data), pickle.Options{MaxBytes: limits.MaxBytes, MaxOps: limits.MaxOps, Globals: pandas})
}

func shape(root any, opts Options, q *quota) (*Table, error) {
	if frame, ok := root.(*object); ok && frame.class == "DataFrame" {
		return frameTable(frame, q)
	}
	if array, ok := root.(*pickle.Array); ok {
		return arrayTable(array, q)
	}
	if items, ok := pickle.Sequence(root); ok {
		return listTable(items, q)
	}
	d, ok := asDict(root)
	if !ok {
		return nil, fmt.Errorf("it holds %s, which is no table", pickle.Describe(root))
	}
	if archs, ok := d.get("meta_archs"); ok {
		if records, ok := d.get("arch2infos"); ok && records != nil {
			return natsFull(records, opts, q)
		}
		return natsMeta(archs, q)
	}
	if isRecord(d) {
		return natsRecord(d, opts, q)
	}
	return dictTable(d, q)
}

// dict is a Python dict; nil where there is none.
type dict []pickle.Entry

func asDict(v any) (dict, bool) {
	d, ok := v.(*pickle.Dict)
	if !ok {
		return nil, false
	}
	return d.Entries, true
}

// get looks up a text key; of equal keys the last counts.
func (d dict) get(key string) (any, bool) { return (&pickle.Dict{Entries: d}).Get(key) }

// number returns an int or float as a float64.
func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

func integer(v any) (int64, bool) {
	n, ok := v.(int64)
	return n, ok
}

// line returns column j of a two-dimensional array of rows x columns, or, with
// byRow, row j. One-dimensional arrays are their only line.
func line(a *pickle.Array, j int, byRow bool) ([]any, error) {
	start, step, n := 0, 1, 0
	switch len(a.Shape) {
	case 1:
		n = a.Shape[0]
	case 2:
		rows, columns := a.Shape[0], a.Shape[1]
		byColumn := !byRow
		switch {
		case byColumn && a.Fortran:
			start, step, n = j*rows, 1, rows
		case byColumn:
			start, step, n = j, columns, rows
		case a.Fortran:
			start, step, n = j, rows, columns
		default:
			start, step, n = j*columns, 1, columns
		}
	default:
		return nil, fmt.Errorf("an array of %d dimensions is no table", len(a.Shape))
	}
	return a.Line(start, step, n)
}
