package table

import (
	"errors"
	"fmt"

	"github.com/nlpodyssey/gopickle/types"
)

// findClass resolves the classes and functions that a pickle may name. (The
// unpickler itself knows OrderedDict, object and _reconstructor, which are
// plain data, too.) Old and new module paths of numpy and pandas are the same.
func findClass(module, name string) (any, error) {
	if found, ok := allowed[module+"."+name]; ok {
		return found, nil
	}
	return nil, fmt.Errorf("it names %s.%s, which is not allowed; only numpy arrays, pandas frames and plain Python values are read",
		clip(module), clip(name))
}

var allowed = func() map[string]any {
	table := map[string]any{
		"numpy.ndarray":               class("ndarray"),
		"numpy.dtype":                 function(newDtype),
		"_codecs.encode":              function(encode),
		"builtins.slice":              function(newSlice),
		"__builtin__.slice":           function(newSlice),
		"pandas.core.frame.DataFrame": class("DataFrame"),
		"pandas.core.internals.managers.BlockManager": class("BlockManager"),
		"pandas.core.internals.BlockManager":          class("BlockManager"),
		"pandas._libs.internals._unpickle_block":      function(newBlock),
		"pandas.core.internals.blocks.new_block":      function(newBlock),
		"pandas.core.indexes.base._new_Index":         function(newIndex),
		"pandas.core.indexes.base.Index":              class("Index"),
		"pandas.core.indexes.range.RangeIndex":        class("RangeIndex"),
		"pandas.core.indexes.numeric.Int64Index":      class("Index"),
		"pandas.core.indexes.numeric.UInt64Index":     class("Index"),
		"pandas.core.indexes.numeric.Float64Index":    class("Index"),
	}
	for _, numpy := range []string{"numpy.core", "numpy._core"} {
		table[numpy+".multiarray._reconstruct"] = function(reconstruct)
		table[numpy+".multiarray.scalar"] = function(newScalar)
		table[numpy+".numeric._frombuffer"] = function(fromBuffer)
	}
	return table
}()

// function is a Python callable.
type function func(args []any) (any, error)

// Call implements types.Callable.
func (f function) Call(args ...any) (any, error) { return f(args) }

// class is a Python class whose instances only carry their arguments and
// state.
type class string

// PyNew implements types.PyNewable.
func (c class) PyNew(args ...any) (any, error) { return &object{class: string(c), args: args}, nil }

// Call implements types.Callable.
func (c class) Call(args ...any) (any, error) { return c.PyNew(args...) }

// object is an instance of a class.
type object struct {
	class string
	args  []any
	state any
}

// PySetState implements types.PyStateSettable.
func (o *object) PySetState(state any) error {
	o.state = state
	return nil
}

// encode is _codecs.encode(text, "latin1"), by which protocols below 3 write
// bytes.
func encode(args []any) (any, error) {
	if len(args) == 2 {
		text, ok := args[0].(string)
		codec, _ := args[1].(string)
		if ok && (codec == "latin1" || codec == "latin-1") {
			out := make([]byte, 0, len(text))
			for _, r := range text {
				if r > 0xff {
					return nil, errors.New("_codecs.encode: not latin-1")
				}
				out = append(out, byte(r))
			}
			return out, nil
		}
	}
	return nil, errors.New("_codecs.encode: unexpected arguments")
}

// span is a Python slice.
type span struct{ start, stop, step int }

func newSlice(args []any) (any, error) {
	if len(args) == 3 {
		start, ok1 := args[0].(int)
		stop, ok2 := args[1].(int)
		step, ok3 := args[2].(int)
		if args[1] == nil { // down to the first
			stop, ok2 = -1, true
		}
		if args[2] == nil {
			step, ok3 = 1, true
		}
		if ok1 && ok2 && ok3 {
			return span{start, stop, step}, nil
		}
	}
	return nil, errors.New("slice: unexpected arguments")
}

// block is a part of a frame: values of shape (columns, rows), and the columns'
// positions.
type block struct {
	values any
	places any
}

func newBlock(args []any) (any, error) {
	if len(args) < 2 {
		return nil, errors.New("block: unexpected arguments")
	}
	return &block{values: args[0], places: args[1]}, nil
}

// newIndex is pandas' _new_Index(class, state).
func newIndex(args []any) (any, error) {
	if len(args) == 2 {
		if c, ok := args[0].(class); ok {
			return &object{class: string(c), state: args[1]}, nil
		}
	}
	return nil, errors.New("_new_Index: unexpected arguments")
}

var (
	_ types.Callable        = function(nil)
	_ types.PyNewable       = class("")
	_ types.PyStateSettable = (*object)(nil)
	_ types.PyStateSettable = (*ndarray)(nil)
	_ types.PyStateSettable = (*dtype)(nil)
)
