package table

import (
	"bytes"
	"fmt"

	"github.com/nlpodyssey/gopickle/pickle"
	"github.com/nlpodyssey/gopickle/types"
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

// unpickle returns gopickle's values: nil, bool, int, float64, string, []byte,
// *types.List, *types.Tuple, *types.Dict, *types.OrderedDict, *types.Set, and
// the types of this package's allow-list.
func unpickle(data []byte, limits Limits) (any, error) {
	if err := scanPickle(data, limits.MaxOps); err != nil {
		return nil, err
	}
	u := pickle.NewUnpickler(bytes.NewReader(data))
	u.FindClass = findClass
	root, err := u.Load()
	if err != nil {
		return nil, fmt.Errorf("%s", clip(err.Error()))
	}
	return root, nil
}

func shape(root any, opts Options, q *quota) (*Table, error) {
	if frame, ok := root.(*object); ok && frame.class == "DataFrame" {
		return frameTable(frame, q)
	}
	if array, ok := root.(*ndarray); ok {
		return arrayTable(array, q)
	}
	if items, ok := sequence(root); ok {
		return listTable(items, q)
	}
	d, ok := asDict(root)
	if !ok {
		return nil, fmt.Errorf("it holds %s, which is no table", describe(root))
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

// dict is a Python dict in order; of equal keys the last counts.
type dict []types.DictEntry

func asDict(v any) (dict, bool) {
	switch d := v.(type) {
	case *types.Dict:
		return dict(*d), true
	case *types.OrderedDict:
		out := make(dict, 0, d.Len())
		for e := d.List.Front(); e != nil; e = e.Next() {
			entry := e.Value.(*types.OrderedDictEntry)
			out = append(out, types.DictEntry{Key: entry.Key, Value: entry.Value})
		}
		return out, true
	}
	return nil, false
}

// get looks up a text key.
func (d dict) get(key string) (any, bool) {
	for i := len(d) - 1; i >= 0; i-- {
		if s, ok := d[i].Key.(string); ok && s == key {
			return d[i].Value, true
		}
	}
	return nil, false
}

func sequence(v any) ([]any, bool) {
	switch s := v.(type) {
	case *types.List:
		return *s, true
	case *types.Tuple:
		return *s, true
	}
	return nil, false
}

// describe names a value's type for a message.
func describe(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int:
		return "an int"
	case float64:
		return "a float"
	case string:
		return "a str"
	case []byte:
		return "bytes"
	case *types.List:
		return "a list"
	case *types.Tuple:
		return "a tuple"
	case *types.Dict, *types.OrderedDict:
		return "a dict"
	case *ndarray:
		return "an array"
	case *object:
		return "a " + x.class
	}
	return fmt.Sprintf("a value of type %T", v)
}

// number returns an int, float or numpy scalar as a float64.
func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int:
		return float64(n), true
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	}
	return 0, false
}
