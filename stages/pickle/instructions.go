package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// instruction changes the machine. Its own byte was read.
type instruction func(m *machine) error

// constant pushes a value.
func constant(v any) instruction {
	return func(m *machine) error {
		m.push(v)
		return nil
	}
}

// sized reads a length of width bytes and hands it on.
func sized(width int, do func(m *machine, n uint64) error) instruction {
	return func(m *machine) error {
		n, err := m.unsigned(width)
		if err != nil {
			return err
		}
		return do(m, n)
	}
}

func pushed(m *machine, v any, err error) error {
	if err == nil {
		m.push(v)
	}
	return err
}

func long1(m *machine, n uint64) error {
	v, err := m.integer(n)
	return pushed(m, v, err)
}

// instructions are those of protocols 0 to 5 without persistent ids, extension
// codes and out-of-band buffers, by which a pickle refers to something outside
// itself.
var instructions = func() (table [256]instruction) {
	for op, do := range map[byte]instruction{
		'(': mark, '0': drop, '1': dropMark, '2': dup, // MARK, POP, POP_MARK, DUP
		'N': constant(nil), 0x88: constant(true), 0x89: constant(false), // NONE, NEWTRUE, NEWFALSE
		'I': readInt, 'L': readLong, 'F': readFloat, 'G': readDouble, 'J': readInt32, // INT, LONG, FLOAT, BINFLOAT, BININT
		'K': sized(1, pushSmall), 'M': sized(2, pushSmall), 0x8a: sized(1, long1), 0x8b: sized(4, long1), // BININT1, BININT2, LONG1, LONG4
		'S': readString, 'U': sized(1, (*machine).pushStr), 'T': sized(4, (*machine).pushStr), // STRING, SHORT_BINSTRING, BINSTRING
		'V': readUnicode, 0x8c: sized(1, (*machine).pushText), 'X': sized(4, (*machine).pushText), 0x8d: sized(8, (*machine).pushText),
		'C': sized(1, (*machine).pushBytes), 'B': sized(4, (*machine).pushBytes), 0x8e: sized(8, (*machine).pushBytes), 0x96: sized(8, (*machine).pushBytes),
		')': tuple(0), 0x85: tuple(1), 0x86: tuple(2), 0x87: tuple(3), 't': markedTuple,
		']': emptyList, 'l': markedList, 'a': appendOne, 'e': appendMarked,
		'}': emptyDict, 'd': markedDict, 's': setOne, 'u': setMarked,
		0x8f: emptySet, 0x90: addMarked, 0x91: markedSet,
		'p': putLine, 'q': sized(1, (*machine).put), 'r': sized(4, (*machine).put), 0x94: memoize,
		'g': getLine, 'h': sized(1, (*machine).get), 'j': sized(4, (*machine).get),
		'c': global, 0x93: stackGlobal, 'i': inst, 'o': obj, 'R': reduce, 0x81: newObj, 0x92: newObjEx, 'b': build,
		0x80: sized(1, proto), 0x95: sized(8, frame),
	} {
		table[op] = do
	}
	return table
}()

func proto(_ *machine, version uint64) error {
	if version > 5 {
		return fmt.Errorf("protocol %d is not known; 0 to 5 are", version)
	}
	return nil
}

// frame announces that its bytes can be read at once.
func frame(*machine, uint64) error { return nil }

func mark(m *machine) error {
	m.marks = append(m.marks, len(m.stack))
	return nil
}

// drop takes the last value, or a mark that has nothing above it.
func drop(m *machine) error {
	if n := len(m.marks); n > 0 && m.marks[n-1] == len(m.stack) {
		m.marks = m.marks[:n-1]
		return nil
	}
	_, err := m.pop()
	return err
}

func dropMark(m *machine) error {
	_, err := m.popMark()
	return err
}

func dup(m *machine) error {
	v, err := m.top()
	return pushed(m, v, err)
}

func pushSmall(m *machine, n uint64) error {
	m.push(int64(n))
	return nil
}

func readInt(m *machine) error {
	if next, err := m.r.Peek(3); err == nil && next[0] == '0' && (next[1] == '0' || next[1] == '1') && next[2] == '\n' {
		_, err := m.line()
		return pushed(m, next[1] == '1', err) // how protocols 0 and 1 write a bool
	}
	return readLong(m)
}

func readLong(m *machine) error {
	v, err := m.decimal()
	return pushed(m, v, err)
}

func readInt32(m *machine) error {
	n, err := m.unsigned(4)
	return pushed(m, int64(int32(uint32(n))), err)
}

func readFloat(m *machine) error {
	line, err := m.line()
	if err != nil {
		return err
	}
	v, err := strconv.ParseFloat(string(line), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%s is no number", clip(string(line)))
	}
	m.push(v)
	return nil
}

func readDouble(m *machine) error {
	var b [8]byte
	err := m.next(b[:])
	return pushed(m, math.Float64frombits(binary.BigEndian.Uint64(b[:])), err)
}

func readString(m *machine) error {
	line, err := m.line()
	if err != nil {
		return err
	}
	raw, err := unquote(line)
	if err != nil {
		return err
	}
	return m.pushRaw(raw)
}

func readUnicode(m *machine) error {
	line, err := m.line()
	if err != nil {
		return err
	}
	text, err := unescape(line)
	if err == nil && len(text) > long {
		m.push(&Bytes{Text: true, held: []byte(text), size: int64(len(text))})
		return m.charge(int64(len(text)))
	}
	return pushed(m, text, err)
}

func tuple(n int) instruction {
	return func(m *machine) error {
		items, err := m.popN(n)
		return pushed(m, Tuple(items), err)
	}
}

func markedTuple(m *machine) error {
	items, err := m.popMark()
	return pushed(m, Tuple(items), err)
}

func emptyList(m *machine) error {
	m.push(&List{})
	return m.charge(containerBytes)
}

func markedList(m *machine) error {
	items, err := m.popMark()
	return pushed(m, &List{Items: items}, err)
}

func appendOne(m *machine) error {
	v, err := m.pop()
	if err != nil {
		return err
	}
	return extend(m, []any{v})
}

func appendMarked(m *machine) error {
	items, err := m.popMark()
	if err != nil {
		return err
	}
	return extend(m, items)
}

func extend(m *machine, items []any) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	list, ok := v.(*List)
	if !ok {
		return fmt.Errorf("%s is no list to append to", Describe(v))
	}
	list.Items = append(list.Items, items...)
	return nil
}

func emptyDict(m *machine) error {
	m.push(&Dict{})
	return m.charge(containerBytes)
}

func markedDict(m *machine) error {
	items, err := m.popMark()
	if err != nil {
		return err
	}
	d := &Dict{}
	m.push(d)
	return d.set(items)
}

func setOne(m *machine) error {
	items, err := m.popN(2)
	if err != nil {
		return err
	}
	return setItems(m, items)
}

func setMarked(m *machine) error {
	items, err := m.popMark()
	if err != nil {
		return err
	}
	return setItems(m, items)
}

func setItems(m *machine, items []any) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	d, ok := v.(*Dict)
	if !ok {
		return fmt.Errorf("%s is no dict to set items of", Describe(v))
	}
	return d.set(items)
}

// set adds keys and values, which alternate.
func (d *Dict) set(items []any) error {
	if len(items)%2 != 0 {
		return errors.New("a dict has a key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		if !hashable(items[i]) {
			return fmt.Errorf("%s cannot be a dict's key", Describe(items[i]))
		}
		d.Entries = append(d.Entries, Entry{items[i], items[i+1]})
	}
	return nil
}

func emptySet(m *machine) error {
	m.push(&Set{})
	return m.charge(containerBytes)
}

func markedSet(m *machine) error {
	items, err := m.popMark()
	return pushed(m, &Set{Items: items}, err)
}

func addMarked(m *machine) error {
	items, err := m.popMark()
	if err != nil {
		return err
	}
	v, err := m.top()
	if err != nil {
		return err
	}
	set, ok := v.(*Set)
	if !ok {
		return fmt.Errorf("%s is no set to add to", Describe(v))
	}
	set.Items = append(set.Items, items...)
	return nil
}

func putLine(m *machine) error {
	n, err := m.lineNumber()
	if err != nil {
		return err
	}
	return m.put(n)
}

func memoize(m *machine) error { return m.put(uint64(len(m.dense) + len(m.memo))) }

func getLine(m *machine) error {
	n, err := m.lineNumber()
	if err != nil {
		return err
	}
	return m.get(n)
}
