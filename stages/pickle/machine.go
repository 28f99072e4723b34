package pickle

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// What a value takes in memory, about: on the stack and in the memo or in its
// container, and for itself.
const (
	valueBytes     = 48
	containerBytes = 64
	mostInteger    = 1 << 10 // bytes of an integer
)

// machine executes instructions.
type machine struct {
	*source
	opts  Options
	left  int64 // bytes that values may still take
	stack []any
	marks []int // heights of the stack
	dense []any // the memo: numbers from 0 without a gap
	memo  map[uint64]any
}

func (m *machine) charge(n int64) error {
	if m.left -= n; m.left < 0 {
		return fmt.Errorf("its values take more than the %d bytes that are allowed", m.opts.MaxBytes)
	}
	return nil
}

func (m *machine) run() (any, error) {
	for ops := 0; ; ops++ {
		if ops == m.opts.MaxOps {
			return nil, fmt.Errorf("it has more than the %d instructions that are allowed", ops)
		}
		op, err := m.one()
		if err != nil {
			return nil, err
		}
		if op == '.' {
			return m.pop()
		}
		do := instructions[op]
		if do == nil {
			return nil, fmt.Errorf("instruction 0x%02x is not allowed", op)
		}
		if err := m.charge(valueBytes); err != nil {
			return nil, err
		}
		if err := do(m); err != nil {
			return nil, err
		}
	}
}

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

// floor is the height under which nothing is taken but a mark.
func (m *machine) floor() int {
	if n := len(m.marks); n > 0 {
		return m.marks[n-1]
	}
	return 0
}

func (m *machine) pop() (any, error) {
	n := len(m.stack)
	if n <= m.floor() {
		return nil, errors.New("the stack is empty")
	}
	v := m.stack[n-1]
	m.stack[n-1] = nil
	m.stack = m.stack[:n-1]
	return v, nil
}

// top is the last value, which stays.
func (m *machine) top() (any, error) {
	n := len(m.stack)
	if n <= m.floor() {
		return nil, errors.New("the stack is empty")
	}
	return m.stack[n-1], nil
}

// popMark takes what is above the last mark.
func (m *machine) popMark() ([]any, error) {
	n := len(m.marks)
	if n == 0 {
		return nil, errors.New("there is no mark on the stack")
	}
	at := m.marks[n-1]
	m.marks = m.marks[:n-1]
	items := append([]any(nil), m.stack[at:]...)
	clear(m.stack[at:])
	m.stack = m.stack[:at]
	return items, m.charge(containerBytes)
}

// popN takes the last n values.
func (m *machine) popN(n int) ([]any, error) {
	if len(m.stack)-m.floor() < n {
		return nil, errors.New("the stack has too few values")
	}
	at := len(m.stack) - n
	items := append([]any(nil), m.stack[at:]...)
	m.stack = m.stack[:at]
	return items, m.charge(containerBytes)
}

func (m *machine) put(number uint64) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	switch n := uint64(len(m.dense)); {
	case number < n:
		m.dense[number] = v
	case number == n:
		m.dense = append(m.dense, v)
		delete(m.memo, number)
	default:
		if m.memo == nil {
			m.memo = map[uint64]any{}
		}
		m.memo[number] = v
		return m.charge(containerBytes)
	}
	return nil
}

func (m *machine) get(number uint64) error {
	if number < uint64(len(m.dense)) {
		m.push(m.dense[number])
		return nil
	}
	v, ok := m.memo[number]
	if !ok {
		return fmt.Errorf("number %d was not memorised", number)
	}
	m.push(v)
	return nil
}

// lineNumber reads a line with a number from 0.
func (m *machine) lineNumber() (uint64, error) {
	line, err := m.line()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(line), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is no number", clip(string(line)))
	}
	return n, nil
}

// decimal reads a line with an integer.
func (m *machine) decimal() (any, error) {
	line, err := m.line()
	if err != nil {
		return nil, err
	}
	text := strings.TrimSuffix(string(line), "L")
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	if len(text) > mostInteger { // reading it takes the square of its length
		return nil, fmt.Errorf("an integer of %d digits", len(text))
	}
	if n, ok := new(big.Int).SetString(text, 10); ok {
		return n, nil
	}
	return nil, fmt.Errorf("%s is no integer", clip(text))
}

// integer reads an integer of n bytes, two's complement, least significant byte
// first.
func (m *machine) integer(n uint64) (any, error) {
	if n > mostInteger {
		return nil, fmt.Errorf("an integer of %d bytes", n)
	}
	raw, err := m.take(int64(n))
	if err != nil || n == 0 {
		return int64(0), err
	}
	negative := raw[n-1]&0x80 != 0
	if n <= 8 {
		var v uint64
		for i, b := range raw {
			v |= uint64(b) << (8 * i)
		}
		if negative && n < 8 {
			v |= math.MaxUint64 << (8 * n)
		}
		return int64(v), nil
	}
	for i, j := 0, len(raw)-1; i < j; i, j = i+1, j-1 {
		raw[i], raw[j] = raw[j], raw[i]
	}
	v := new(big.Int).SetBytes(raw)
	if negative {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*n)))
	}
	if v.IsInt64() {
		return v.Int64(), nil
	}
	return v, nil
}

// pushBytes reads a value of n bytes.
func (m *machine) pushBytes(n uint64) error {
	b, err := m.bytes(n)
	m.push(b)
	return err
}

// pushStr reads a str of Python 2 of n bytes.
func (m *machine) pushStr(n uint64) error {
	if n > long {
		return m.pushBytes(n)
	}
	raw, err := m.take(int64(n))
	m.push(fromLatin(raw))
	return err
}

// pushText reads a text whose UTF-8 has n bytes.
func (m *machine) pushText(n uint64) error {
	if n <= long {
		raw, err := m.take(int64(n))
		m.push(strings.ToValidUTF8(string(raw), "\ufffd"))
		return err
	}
	b, err := m.bytes(n)
	if err != nil {
		return err
	}
	b.Text = true
	m.push(b)
	return nil
}

// pushRaw pushes a str of Python 2 that was read.
func (m *machine) pushRaw(raw []byte) error {
	switch {
	case len(raw) <= long:
		m.push(fromLatin(raw))
	case m.spill != nil:
		b, err := m.lay(strings.NewReader(string(raw)), int64(len(raw)))
		m.read -= int64(len(raw)) // they were counted when they were read
		m.left += int64(len(raw)) // and are not held any more
		m.push(b)
		return err
	default:
		m.push(&Bytes{held: raw, size: int64(len(raw))})
	}
	return nil
}
