package npy

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Type is the type of an array's elements, by NumPy's name.
type Type string

// The types that can be read and written.
const (
	Float16 Type = "float16" // read, not written
	Float32 Type = "float32"
	Float64 Type = "float64"
	Int64   Type = "int64"
	Int32   Type = "int32"
	Int16   Type = "int16"
	Int8    Type = "int8"
	Uint64  Type = "uint64"
	Uint32  Type = "uint32"
	Uint16  Type = "uint16"
	Uint8   Type = "uint8"
	Bool    Type = "bool"
)

// codes are the types' names in a header, without the byte order.
var codes = [...]struct {
	code string
	typ  Type
	size int
}{
	{"f2", Float16, 2}, {"f4", Float32, 4}, {"f8", Float64, 8},
	{"i8", Int64, 8}, {"i4", Int32, 4}, {"i2", Int16, 2}, {"i1", Int8, 1},
	{"u8", Uint64, 8}, {"u4", Uint32, 4}, {"u2", Uint16, 2}, {"u1", Uint8, 1}, {"b1", Bool, 1},
}

// TypeOf is the type of a code that NumPy's headers have, without the byte order:
// f4. It is "" for what can be no Type.
func TypeOf(code string) Type {
	for _, c := range codes {
		if c.code == code {
			return c.typ
		}
	}
	return ""
}

// Size is the number of bytes of an element; 0 for what is no Type.
func (t Type) Size() int {
	for _, c := range codes {
		if c.typ == t {
			return c.size
		}
	}
	return 0
}

// Header describes an array.
type Header struct {
	Type    Type
	Shape   []int // none for a single number
	Fortran bool  // the first axis moves fastest in the file, not the last

	big bool // most significant byte first
}

// object is what elements are that only a pickle can hold.
const object Type = "object"

const (
	magic      = "\x93NUMPY"
	alignment  = 64
	mostHeader = 1 << 20 // bytes; NumPy's own headers of plain arrays have 118
	mostAxes   = 64      // NumPy 2's own limit
)

// Count is the number of elements.
func (h Header) Count() int64 {
	n := int64(1)
	for _, d := range h.Shape {
		n *= int64(d)
	}
	return n
}

// Encode returns the file's bytes before the first element. Elements follow in
// little-endian order. It panics on a header that no array has.
func (h Header) Encode() []byte {
	if err := h.validate(); err != nil {
		panic("npy: " + err.Error())
	}
	code, order := "", "<"
	for _, c := range codes {
		if c.typ == h.Type {
			code = c.code
		}
	}
	if h.Type.Size() == 1 {
		order = "|"
	}
	var shape strings.Builder
	for _, d := range h.Shape {
		fmt.Fprintf(&shape, "%d, ", d)
	}
	tuple := strings.TrimSuffix(shape.String(), " ") // (3,) is a tuple, (3) is none
	if len(h.Shape) > 1 {
		tuple = strings.TrimSuffix(tuple, ",")
	}
	fortran := map[bool]string{true: "True", false: "False"}[h.Fortran]
	text := fmt.Sprintf("{'descr': '%s%s', 'fortran_order': %s, 'shape': (%s), }", order, code, fortran, tuple)
	const before = len(magic) + 4
	padding := alignment - (before+len(text)+1)%alignment
	text += strings.Repeat(" ", padding%alignment) + "\n"
	b := append([]byte(magic), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(text)))
	return append(b, text...)
}

func (h Header) validate() error { return h.fits(h.Type.Size()) }

// fits checks the shape of elements of size bytes.
func (h Header) fits(size int) error {
	if size == 0 {
		return fmt.Errorf("elements of type %q", h.Type)
	}
	if len(h.Shape) > mostAxes {
		return fmt.Errorf("%d axes, more than %d", len(h.Shape), mostAxes)
	}
	n := int64(size)
	for _, d := range h.Shape {
		if d < 0 || (d > 0 && n > math.MaxInt64/2/int64(d)) {
			return fmt.Errorf("a shape of %v", h.Shape)
		}
		n *= int64(d)
	}
	return nil
}

// readHeader leaves r at the first element and says how many bytes it read.
func readHeader(r io.Reader, objects bool) (Header, int64, error) {
	start := make([]byte, len(magic)+2)
	if n, err := io.ReadFull(r, start); err != nil || string(start[:len(magic)]) != magic {
		return Header{}, 0, notNpy(start[:n], err)
	}
	length, width := int64(0), 4
	switch version := start[len(magic)]; version {
	case 1:
		width = 2
	case 2, 3:
	default:
		return Header{}, 0, fmt.Errorf("its format version %d is not known; versions 1 to 3 are", version)
	}
	field := make([]byte, 4)
	if _, err := io.ReadFull(r, field[:width]); err != nil {
		return Header{}, 0, broken(err)
	}
	if length = int64(binary.LittleEndian.Uint32(field)); length > mostHeader {
		return Header{}, 0, fmt.Errorf("its header has %d bytes, no array of numbers needs more than %d", length, mostHeader)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(r, text); err != nil {
		return Header{}, 0, broken(err)
	}
	h, err := parseHeader(string(text), objects)
	if err != nil {
		return Header{}, 0, err
	}
	return h, int64(len(start)+width) + length, nil
}

func notNpy(start []byte, err error) error {
	switch {
	case err != nil && err != io.EOF && err != io.ErrUnexpectedEOF:
		return err
	case strings.HasPrefix(string(start), "PK"):
		return fmt.Errorf("it is an archive (.npz), not an array: unpack it, or write each array with numpy.save")
	}
	return fmt.Errorf("it is no .npy file: it begins with %q. Write it with numpy.save", start)
}

func broken(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("it ends within its header: copy it again, or write it again: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// parseHeader reads the dictionary that NumPy writes as a Python literal.
func parseHeader(text string, objects bool) (Header, error) {
	p := &literal{rest: text, objects: objects}
	var h Header
	seen := map[string]bool{}
	p.expect("{")
	for p.err == nil && !p.take("}") {
		key := p.text()
		p.expect(":")
		switch {
		case seen[key]:
			p.fail("key %q occurs twice", key)
		case key == "descr":
			h.Type, h.big = p.descr()
		case key == "fortran_order":
			h.Fortran = p.truth()
		case key == "shape":
			h.Shape = p.tuple()
		default:
			p.fail("unknown key %q", key)
		}
		seen[key] = true
		if !p.take(",") {
			p.expect("}")
			break
		}
	}
	if p.err == nil && (strings.TrimSpace(p.rest) != "" || len(seen) != 3) {
		p.fail("descr, fortran_order and shape are expected, and nothing else")
	}
	if p.err != nil {
		return Header{}, p.err
	}
	size := h.Type.Size()
	if h.Type == object {
		size = 8 // what NumPy needs for one; nothing is read of that size
	}
	if err := h.fits(size); err != nil {
		return Header{}, fmt.Errorf("its header is damaged: %w", err)
	}
	return h, nil
}

// literal scans a Python literal. After an error nothing more is taken.
type literal struct {
	rest    string
	err     error
	objects bool // elements may be objects
}

func (p *literal) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("its header is damaged: "+format, args...)
	}
}

func (p *literal) take(token string) bool {
	if p.err != nil {
		return false
	}
	rest, ok := strings.CutPrefix(strings.TrimLeft(p.rest, " \t\n"), token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *literal) expect(token string) {
	if !p.take(token) {
		p.fail("%q is missing before %.20q", token, p.rest)
	}
}

func (p *literal) text() string {
	quote := "'"
	if p.take(`"`) {
		quote = `"`
	} else {
		p.expect("'")
	}
	text, rest, ok := strings.Cut(p.rest, quote)
	if !ok || p.err != nil {
		p.fail("a text does not end")
		return ""
	}
	p.rest = rest
	return text
}

func (p *literal) truth() bool {
	if p.take("True") {
		return true
	}
	p.expect("False")
	return false
}

func (p *literal) tuple() []int {
	p.expect("(")
	shape := []int{}
	for p.err == nil && !p.take(")") {
		p.rest = strings.TrimLeft(p.rest, " \t\n")
		end := 0
		for end < len(p.rest) && p.rest[end] >= '0' && p.rest[end] <= '9' {
			end++
		}
		n, err := strconv.Atoi(p.rest[:end])
		if err != nil {
			p.fail("%.20q is no length of an axis", p.rest)
			return nil
		}
		p.rest = strings.TrimPrefix(p.rest[end:], "L") // Python 2
		shape = append(shape, n)
		if !p.take(",") {
			p.expect(")")
			break
		}
	}
	return shape
}

// descr reads a type with its byte order.
func (p *literal) descr() (Type, bool) {
	if p.take("[") {
		p.err = fmt.Errorf("its elements are records of several fields; write each field as an array of its own: numpy.save(path, array[\"field\"])")
		return "", false
	}
	name := p.text()
	code := strings.TrimLeft(name, "<>|=")
	if t := TypeOf(code); t != "" {
		return t, strings.HasPrefix(name, ">")
	}
	if p.objects && code == "O" {
		return object, false
	}
	if p.err == nil && code == "O" {
		p.err = fmt.Errorf("its elements are of type %q, which are objects: write numbers with numpy.save(path, array.astype(\"float32\"))", name)
	}
	if p.err == nil {
		p.err = fmt.Errorf("its elements are of type %q; %s can be read: write numbers with numpy.save(path, array.astype(\"float32\"))", name, known())
	}
	return "", false
}

func known() string {
	var names []string
	for _, c := range codes {
		names = append(names, string(c.typ))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
