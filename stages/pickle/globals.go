package pickle

import (
	"errors"
	"fmt"
	"io"
)

// find resolves a class or function that a pickle names.
func (m *machine) find(module, name string) (any, error) {
	full := module + "." + name
	if found, ok := m.opts.Globals[full]; ok {
		return found, nil
	}
	if found, ok := globals[full]; ok {
		return found, nil
	}
	return nil, fmt.Errorf("it names %s, which is not allowed; only plain Python values and NumPy's arrays are read", clip(full))
}

// globals are known to every decoder. Old and new module paths are the same.
var globals = func() map[string]any {
	table := map[string]any{
		"numpy.ndarray":           Class("ndarray"),
		"numpy.dtype":             Callable(newDType),
		"_codecs.encode":          Callable(encode),
		"collections.OrderedDict": Callable(newDict),
		"collections.defaultdict": Callable(newDefaultDict),
		"copy_reg._reconstructor": Callable(reconstructor),
		"copyreg._reconstructor":  Callable(reconstructor),
	}
	for _, builtins := range []string{"builtins.", "__builtin__."} {
		for name, call := range map[string]Callable{
			"slice": newSlice, "set": newSet, "frozenset": newSet, "dict": newDict, "list": newList, "bytearray": newBytes, "bytes": newBytes,
		} {
			table[builtins+name] = call
		}
		for _, name := range []string{"object", "int", "float", "str", "bool", "tuple"} {
			table[builtins+name] = Class(name)
		}
	}
	for _, numpy := range []string{"numpy.core", "numpy._core"} {
		table[numpy+".multiarray._reconstruct"] = Callable(reconstruct)
		table[numpy+".multiarray.scalar"] = Callable(newScalar)
		table[numpy+".numeric._frombuffer"] = Callable(fromBuffer)
	}
	return table
}()

func global(m *machine) error {
	module, err := m.line()
	if err != nil {
		return err
	}
	name, err := m.line()
	if err != nil {
		return err
	}
	found, err := m.find(string(module), string(name))
	return pushed(m, found, err)
}

func stackGlobal(m *machine) error {
	names, err := m.popN(2)
	if err != nil {
		return err
	}
	module, ok1 := names[0].(string)
	name, ok2 := names[1].(string)
	if !ok1 || !ok2 {
		return errors.New("a global is not named by texts")
	}
	found, err := m.find(module, name)
	return pushed(m, found, err)
}

// inst is a call whose arguments are above the mark.
func inst(m *machine) error {
	if err := global(m); err != nil {
		return err
	}
	callee, err := m.pop()
	if err != nil {
		return err
	}
	args, err := m.popMark()
	if err != nil {
		return err
	}
	return m.call(callee, args)
}

func obj(m *machine) error {
	args, err := m.popMark()
	if err != nil || len(args) == 0 {
		return errors.Join(err, errors.New("a call without a callee"))
	}
	return m.call(args[0], args[1:])
}

func reduce(m *machine) error {
	both, err := m.popN(2)
	if err != nil {
		return err
	}
	args, ok := both[1].(Tuple)
	if !ok {
		return fmt.Errorf("a call's arguments are %s, not a tuple", Describe(both[1]))
	}
	return m.call(both[0], args)
}

func newObj(m *machine) error { return reduce(m) }

func newObjEx(m *machine) error {
	keywords, err := m.pop()
	if err != nil {
		return err
	}
	if d, ok := keywords.(*Dict); !ok || len(d.Entries) > 0 {
		return errors.New("a call with named arguments")
	}
	return reduce(m)
}

func (m *machine) call(callee any, args []any) error {
	f, ok := callee.(Callable)
	if !ok {
		return fmt.Errorf("a call of %s, which is nothing to call", Describe(callee))
	}
	v, err := f(args)
	if err != nil {
		return err
	}
	m.push(v)
	return m.charge(containerBytes + cost(v))
}

// cost is what a call's result holds, about. A call of a few bytes can copy
// something long.
func cost(v any) int64 {
	switch x := v.(type) {
	case string:
		return int64(len(x))
	case *Bytes:
		return int64(len(x.held))
	case *Dict:
		return int64(len(x.Entries)) * valueBytes
	case *List:
		return int64(len(x.Items)) * valueBytes
	case *Set:
		return int64(len(x.Items)) * valueBytes
	}
	return 0
}

// build gives an instance its state.
func build(m *machine) error {
	state, err := m.pop()
	if err != nil {
		return err
	}
	v, err := m.top()
	if err != nil {
		return err
	}
	o, ok := v.(Settable)
	if !ok {
		return fmt.Errorf("%s takes no state", Describe(v))
	}
	return o.SetState(state)
}

// reconstructor is copyreg's: (class, base, state), by which protocols 0 and 1 make
// instances.
func reconstructor(args []any) (any, error) {
	if len(args) == 3 {
		if f, ok := args[0].(Callable); ok && args[2] == nil {
			return f(nil)
		}
	}
	return nil, errors.New("_reconstructor: unexpected arguments")
}

// encode is _codecs.encode(text, "latin1"), by which protocols below 3 write
// bytes.
func encode(args []any) (any, error) {
	fail := errors.New("_codecs.encode: unexpected arguments")
	if len(args) != 2 {
		return nil, fail
	}
	if codec, _ := args[1].(string); codec != "latin1" && codec != "latin-1" {
		return nil, fail
	}
	return latinBytes(args[0])
}

// latinBytes are the bytes whose Latin-1 a text is.
func latinBytes(text any) (*Bytes, error) {
	switch t := text.(type) {
	case string:
		raw, ok := toLatin(t)
		if !ok {
			return nil, errors.New("a text that is not Latin-1 stands for bytes")
		}
		return &Bytes{held: raw, size: int64(len(raw))}, nil
	case *Bytes:
		if t.Text {
			return t.fromText()
		}
		return t, nil
	}
	return nil, fmt.Errorf("%s stands for bytes", Describe(text))
}

// fromText counts the characters, once; the bytes are made when they are read.
func (b *Bytes) fromText() (*Bytes, error) {
	if b.encoded != nil {
		return b.encoded, nil
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, newLatin(b.raw()), make([]byte, step))
	if err != nil {
		return nil, err
	}
	b.encoded = &Bytes{latin: true, open: b.raw, size: n}
	return b.encoded, nil
}

func newBytes(args []any) (any, error) {
	if len(args) == 0 {
		return &Bytes{}, nil
	}
	if len(args) == 2 {
		return encode(args)
	}
	return latinBytes(args[0])
}

func newSlice(args []any) (any, error) {
	if len(args) != 3 {
		return nil, errors.New("slice: unexpected arguments")
	}
	return Slice{args[0], args[1], args[2]}, nil
}

func newSet(args []any) (any, error) {
	items, err := argument(args)
	return &Set{Items: items}, err
}

func newList(args []any) (any, error) {
	items, err := argument(args)
	return &List{Items: items}, err
}

// argument is the only one, a list or a tuple; none is an empty one. The items are
// shared, and copied as soon as one of the two grows.
func argument(args []any) ([]any, error) {
	if len(args) == 0 {
		return nil, nil
	}
	items, ok := Sequence(args[0])
	if !ok || len(args) > 1 {
		return nil, errors.New("a container is made of unexpected arguments")
	}
	return items[:len(items):len(items)], nil
}

// newDict takes pairs, as OrderedDict does.
func newDict(args []any) (any, error) {
	pairs, err := argument(args)
	if err != nil {
		return nil, err
	}
	d := &Dict{}
	for _, p := range pairs {
		pair, ok := Sequence(p)
		if !ok || len(pair) != 2 {
			return nil, errors.New("a dict is made of something else than pairs")
		}
		if err := d.set(pair); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// newDefaultDict takes the maker of defaults, which is of no use here.
func newDefaultDict(args []any) (any, error) {
	if len(args) > 1 {
		return nil, errors.New("defaultdict: unexpected arguments")
	}
	return &Dict{}, nil
}
