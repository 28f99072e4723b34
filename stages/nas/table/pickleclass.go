package table

import (
	"errors"

	"github.com/nbpipe/nbpipe/stages/pickle"
)

// pandas are the classes and functions by which pandas pickles a frame. Old and new
// module paths are the same.
var pandas = map[string]any{
	"pandas.core.frame.DataFrame":                 class("DataFrame"),
	"pandas.core.internals.managers.BlockManager": class("BlockManager"),
	"pandas.core.internals.BlockManager":          class("BlockManager"),
	"pandas._libs.internals._unpickle_block":      pickle.Callable(newBlock),
	"pandas.core.internals.blocks.new_block":      pickle.Callable(newBlock),
	"pandas.core.indexes.base._new_Index":         pickle.Callable(newIndex),
	"pandas.core.indexes.base.Index":              class("Index"),
	"pandas.core.indexes.range.RangeIndex":        class("RangeIndex"),
	"pandas.core.indexes.numeric.Int64Index":      class("Index"),
	"pandas.core.indexes.numeric.UInt64Index":     class("Index"),
	"pandas.core.indexes.numeric.Float64Index":    class("Index"),
}

// class makes instances that only carry their arguments and state.
func class(name string) pickle.Callable {
	return func(args []any) (any, error) { return &object{class: name, args: args}, nil }
}

// object is an instance of a class.
type object struct {
	class string
	args  []any
	state any
}

// SetState implements pickle.Settable.
func (o *object) SetState(state any) error {
	o.state = state
	return nil
}

// String implements fmt.Stringer.
func (o *object) String() string { return o.class }

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
		if c, ok := args[0].(pickle.Callable); ok {
			made, err := c(nil)
			if o, isObject := made.(*object); isObject {
				o.state = args[1]
				return o, err
			}
		}
	}
	return nil, errors.New("_new_Index: unexpected arguments")
}
