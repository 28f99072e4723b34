package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// preimageMagic opens every preimage; its digit is the version of the encoding.
const preimageMagic = "nbpipe key 1\n"

// FieldType is the type of one field of a preimage.
type FieldType byte

// The types of fields. A value of one type never encodes as one of another.
const (
	FieldNull   FieldType = 'z' // absent, null or the default
	FieldString FieldType = 's'
	FieldNumber FieldType = 'n' // canonical decimal text
	FieldBool   FieldType = 'b' // "true" or "false"
	FieldDigest FieldType = 'd' // 32 bytes: the content of a file or folder
	FieldList   FieldType = 'l' // decimal count; the members follow as fields of their own
	FieldMap    FieldType = 'm' // decimal count; the members follow, sorted
)

// Field is one named, typed part of a key.
type Field struct {
	Path  string // such as `attribute.columns["cifar10"]`
	Type  FieldType
	Value string // raw bytes; see FieldType
}

// Preimage collects the fields of a key. The encoding is canonical: magic and
// version, then for each field its type, path and value, each length-prefixed,
// so that no two different traces of fields have the same bytes (invariant I7).
// The caller adds fields in a fixed order and sorts maps.
type Preimage struct{ buf []byte }

// NewPreimage starts an empty trace.
func NewPreimage() *Preimage { return &Preimage{buf: append(make([]byte, 0, 512), preimageMagic...)} }

// Add appends one field.
func (p *Preimage) Add(path string, t FieldType, value string) {
	p.buf = append(p.buf, byte(t))
	p.buf = binary.AppendUvarint(p.buf, uint64(len(path)))
	p.buf = append(p.buf, path...)
	p.buf = binary.AppendUvarint(p.buf, uint64(len(value)))
	p.buf = append(p.buf, value...)
}

// Bytes returns the encoded trace, to be stored with the entry.
func (p *Preimage) Bytes() []byte { return p.buf }

// Key returns the SHA-256 of the encoded trace.
func (p *Preimage) Key() Key { return sha256.Sum256(p.buf) }

// DecodePreimage reads a stored trace back. It never panics and never
// allocates more than a small multiple of len(b).
func DecodePreimage(b []byte) ([]Field, error) {
	if len(b) < len(preimageMagic) || string(b[:len(preimageMagic)]) != preimageMagic {
		return nil, errors.New("not a key's preimage of this version")
	}
	b = b[len(preimageMagic):]
	var out []Field
	for len(b) > 0 {
		f := Field{Type: FieldType(b[0])}
		b = b[1:]
		var err error
		if f.Path, b, err = cutPrefixed(b); err != nil {
			return nil, err
		}
		if f.Value, b, err = cutPrefixed(b); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func cutPrefixed(b []byte) (string, []byte, error) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return "", nil, errors.New("truncated preimage")
	}
	end := w + int(n)
	return string(b[w:end]), b[end:], nil
}

// Change is one field in which two preimages differ; nil means absent.
type Change struct{ Old, New *Field }

// Path names the field.
func (c Change) Path() string {
	if c.New != nil {
		return c.New.Path
	}
	return c.Old.Path
}

// Diff lists the fields that differ, in the order of the new trace, removed
// fields last. Counts of lists and maps are left out where their members tell.
func Diff(before, after []Field) []Change {
	old := make(map[string]*Field, len(before))
	for i := range before {
		old[before[i].Path] = &before[i]
	}
	var out []Change
	for i := range after {
		n := &after[i]
		o, had := old[n.Path]
		delete(old, n.Path)
		if !had || o.Type != n.Type || o.Value != n.Value {
			out = append(out, Change{Old: o, New: n})
		}
	}
	for i := range before {
		if o, left := old[before[i].Path]; left {
			out = append(out, Change{Old: o})
		}
	}
	return dropCounts(out)
}

func dropCounts(all []Change) []Change {
	var out []Change
	for _, c := range all {
		if len(all) > 1 && isCount(c.Old) && isCount(c.New) {
			continue
		}
		out = append(out, c)
	}
	return out
}

func isCount(f *Field) bool {
	return f != nil && (f.Type == FieldList || f.Type == FieldMap)
}

// Display gives a field's value for people.
func (f *Field) Display() string {
	if f == nil {
		return "(absent)"
	}
	switch f.Type {
	case FieldNull:
		return "null"
	case FieldString:
		return fmt.Sprintf("%q", f.Value)
	case FieldDigest:
		if len(f.Value) == sha256.Size {
			return "sha256:" + Digest([]byte(f.Value)).Short()
		}
		return fmt.Sprintf("%x", f.Value)
	case FieldList, FieldMap:
		return f.Value + " elements"
	default:
		return f.Value
	}
}
