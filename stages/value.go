package stages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
)

// File is a file or folder that passes between nodes: an artifact of another
// node, or a file of the experiment itself (path()).
type File struct {
	cache.Object
	Name   string // suggested file name, for people; no part of a key
	Source string // path of an experiment's own file; empty for artifacts; never stored
}

// Table is a File in the columnar format of stages/nas/table.
type Table struct{ File }

// The cty types of file values. They convert to no string, so that a path can
// never leak into a command line: a command names its inputs instead.
var (
	FileType = cty.CapsuleWithOps("file", reflect.TypeOf(File{}), &cty.CapsuleOps{
		GoString:       func(v any) string { return "file" },
		TypeGoString:   func(reflect.Type) string { return "file" },
		Equals:         func(a, b any) cty.Value { return cty.BoolVal(sameObject(a.(*File).Object, b.(*File).Object)) },
		RawEquals:      func(a, b any) bool { return sameObject(a.(*File).Object, b.(*File).Object) },
		HashKey:        func(v any) string { return v.(*File).Digest.String() },
		ConversionFrom: func(dst cty.Type) func(any, cty.Path) (cty.Value, error) { return nil },
		ConversionTo: func(src cty.Type) func(cty.Value, cty.Path) (any, error) {
			if !src.Equals(TableType) {
				return nil
			}
			return func(v cty.Value, _ cty.Path) (any, error) { return &v.EncapsulatedValue().(*Table).File, nil }
		},
	})
	TableType = cty.CapsuleWithOps("table", reflect.TypeOf(Table{}), &cty.CapsuleOps{
		GoString:     func(v any) string { return "table" },
		TypeGoString: func(reflect.Type) string { return "table" },
		Equals:       func(a, b any) cty.Value { return cty.BoolVal(sameObject(a.(*Table).Object, b.(*Table).Object)) },
		RawEquals:    func(a, b any) bool { return sameObject(a.(*Table).Object, b.(*Table).Object) },
		HashKey:      func(v any) string { return v.(*Table).Digest.String() },
	})
)

func sameObject(a, b cache.Object) bool { return a == b }

type mark string

// Sensitive marks values that must not be shown, stored or put into a key.
const Sensitive = mark("sensitive")

// FileValue makes a cty value of a file.
func FileValue(f File) cty.Value { return cty.CapsuleVal(FileType, &f) }

// TableValue makes a cty value of a table.
func TableValue(t Table) cty.Value { return cty.CapsuleVal(TableType, &t) }

// AsFile returns the file in a known, non-null file or table value.
func AsFile(v cty.Value) (File, bool) {
	switch {
	case v.IsNull() || !v.IsKnown():
		return File{}, false
	case v.Type().Equals(FileType):
		return *v.EncapsulatedValue().(*File), true
	case v.Type().Equals(TableType):
		return v.EncapsulatedValue().(*Table).File, true
	}
	return File{}, false
}

// Files calls yield for every file value within v, in a fixed order.
func Files(v cty.Value, yield func(File)) {
	if f, ok := AsFile(v); ok {
		yield(f)
		return
	}
	if v.IsNull() || !v.IsKnown() || !(v.CanIterateElements()) {
		return
	}
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		Files(e, yield)
	}
}

// NumberText is the canonical decimal text of a number: exact for integers of
// at most 4096 bits, else the shortest text of the nearest float64. A kind
// sees float64, so numbers that it cannot tell apart encode alike.
func NumberText(n *big.Float) string {
	if n.IsInf() {
		return map[bool]string{false: "Inf", true: "-Inf"}[n.Signbit()]
	}
	if n.IsInt() && n.MantExp(nil) <= 4096 {
		return n.Text('f', 0)
	}
	f, _ := n.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// NumberValue makes a cty number; NaN, which cty lacks, becomes null.
func NumberValue(f float64) cty.Value {
	if math.IsNaN(f) {
		return cty.NullVal(cty.Number)
	}
	return cty.NumberFloatVal(f)
}

type objectJSON struct {
	cache.Object
	Name string `json:"name,omitempty"`
}

type fileJSON struct {
	File  *objectJSON `json:"$file,omitempty"`
	Table *objectJSON `json:"$table,omitempty"`
}

// EncodeJSON writes a known value as canonical JSON: members sorted, numbers as
// NumberText, files as {"$file": {...}} and {"$table": {...}}.
func EncodeJSON(v cty.Value) (json.RawMessage, error) {
	var b bytes.Buffer
	if err := encodeJSON(&b, v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// ValueDigest identifies a known value whatever its files are called: of its
// canonical JSON without their names.
func ValueDigest(v cty.Value) (cache.Digest, error) {
	v, err := cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) {
		f, ok := AsFile(v)
		switch {
		case !ok:
			return v, nil
		case v.Type().Equals(TableType):
			return TableValue(Table{File{Object: f.Object}}), nil
		}
		return FileValue(File{Object: f.Object}), nil
	})
	if err != nil {
		return cache.Digest{}, err
	}
	raw, err := EncodeJSON(v)
	return cache.DigestOf(raw), err
}

func encodeJSON(b *bytes.Buffer, v cty.Value) error {
	if v.IsMarked() {
		return fmt.Errorf("a sensitive value is never written down")
	}
	if v.IsNull() {
		b.WriteString("null")
		return nil
	}
	if !v.IsKnown() {
		return fmt.Errorf("the value is not known yet")
	}
	switch t := v.Type(); {
	case t == cty.String:
		return encodeString(b, v.AsString())
	case t == cty.Bool:
		b.WriteString(strconv.FormatBool(v.True()))
		return nil
	case t == cty.Number:
		return encodeNumber(b, v.AsBigFloat())
	case t.Equals(FileType), t.Equals(TableType):
		return encodeFile(b, v)
	case t.IsListType(), t.IsSetType(), t.IsTupleType():
		return encodeSequence(b, v)
	case t.IsMapType(), t.IsObjectType():
		return encodeMembers(b, v)
	default:
		return fmt.Errorf("a %s cannot be written down", t.FriendlyName())
	}
}

func encodeString(b *bytes.Buffer, s string) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the newline
	return nil
}

func encodeNumber(b *bytes.Buffer, n *big.Float) error {
	if n.IsInf() {
		return encodeString(b, NumberText(n))
	}
	b.WriteString(NumberText(n))
	return nil
}

func encodeFile(b *bytes.Buffer, v cty.Value) error {
	f, _ := AsFile(v)
	o := &objectJSON{Object: f.Object, Name: f.Name}
	doc := fileJSON{File: o}
	if v.Type().Equals(TableType) {
		doc = fileJSON{Table: o}
	}
	raw, err := json.Marshal(doc)
	b.Write(raw)
	return err
}

func encodeSequence(b *bytes.Buffer, v cty.Value) error {
	b.WriteByte('[')
	first := true
	for it := v.ElementIterator(); it.Next(); {
		if !first {
			b.WriteByte(',')
		}
		first = false
		_, e := it.Element()
		if err := encodeJSON(b, e); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	return nil
}

func encodeMembers(b *bytes.Buffer, v cty.Value) error {
	b.WriteByte('{')
	for i, k := range sortedKeys(v) {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := encodeString(b, k); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := encodeJSON(b, Member(v, k)); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func sortedKeys(v cty.Value) []string {
	var keys []string
	for it := v.ElementIterator(); it.Next(); {
		k, _ := it.Element()
		keys = append(keys, k.AsString())
	}
	slices.Sort(keys)
	return keys
}

// Keys are the sorted keys of a map or object whose values need not be known; nil
// where it is not known itself, null, or no map.
func Keys(v cty.Value) []string {
	if v == cty.NilVal {
		return nil
	}
	v, _ = v.Unmark()
	if t := v.Type(); !v.IsKnown() || v.IsNull() || !t.IsMapType() && !t.IsObjectType() {
		return nil
	}
	return append([]string{}, sortedKeys(v)...)
}

// Member is an element of a map or object that has the key.
func Member(v cty.Value, key string) cty.Value {
	v, _ = v.Unmark()
	if v.Type().IsObjectType() {
		return v.GetAttr(key)
	}
	return v.Index(cty.StringVal(key))
}

// Text is a string that is known and not null.
func Text(v cty.Value) string {
	v, _ = v.Unmark()
	return v.AsString()
}

// Number is a number that is known and not null.
func Number(v cty.Value) float64 {
	v, _ = v.Unmark()
	f, _ := v.AsBigFloat().Float64()
	return f
}

// DecodeJSON reads what EncodeJSON wrote as a value of type t. Where t is (or
// contains) cty.DynamicPseudoType, the JSON's own shape decides.
func DecodeJSON(raw json.RawMessage, t cty.Type) (cty.Value, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		return cty.NilVal, err
	}
	return fromJSON(doc, t)
}

func fromJSON(doc any, t cty.Type) (cty.Value, error) {
	if doc == nil {
		return cty.NullVal(t), nil
	}
	dynamic := t == cty.DynamicPseudoType
	switch d := doc.(type) {
	case bool:
		if dynamic || t == cty.Bool {
			return cty.BoolVal(d), nil
		}
	case string:
		if t == cty.Number && (d == "Inf" || d == "-Inf") {
			return map[string]cty.Value{"Inf": cty.PositiveInfinity, "-Inf": cty.NegativeInfinity}[d], nil
		}
		if dynamic || t == cty.String {
			return cty.StringVal(d), nil
		}
	case json.Number:
		if dynamic || t == cty.Number {
			return parseNumber(string(d))
		}
	case []any:
		return sequenceFromJSON(d, t)
	case map[string]any:
		if v, ok, err := fileFromJSON(d, t); ok {
			return v, err
		}
		return membersFromJSON(d, t)
	}
	return cty.NilVal, fmt.Errorf("a %s is required, the stored value is of another type", t.FriendlyName())
}

func parseNumber(s string) (cty.Value, error) {
	if f, ok := new(big.Int).SetString(s, 10); ok {
		return cty.NumberVal(new(big.Float).SetInt(f)), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) {
		return cty.NilVal, fmt.Errorf("%q is no number", s)
	}
	return cty.NumberFloatVal(f), nil
}

func fileFromJSON(d map[string]any, t cty.Type) (cty.Value, bool, error) {
	if len(d) != 1 || (d["$file"] == nil && d["$table"] == nil) {
		return cty.NilVal, false, nil
	}
	raw, err := json.Marshal(d)
	if err != nil {
		return cty.NilVal, true, err
	}
	var doc fileJSON
	if err := json.Unmarshal(raw, &doc); err != nil {
		return cty.NilVal, true, err
	}
	if doc.Table != nil && !t.Equals(FileType) {
		return TableValue(Table{File{Object: doc.Table.Object, Name: doc.Table.Name}}), true, nil
	}
	o := doc.File
	if o == nil {
		o = doc.Table
	}
	if t.Equals(TableType) {
		return cty.NilVal, true, fmt.Errorf("a table is required, the stored value is a plain file")
	}
	return FileValue(File{Object: o.Object, Name: o.Name}), true, nil
}

func sequenceFromJSON(d []any, t cty.Type) (cty.Value, error) {
	elems := make([]cty.Value, len(d))
	for i := range d {
		et := cty.DynamicPseudoType
		switch {
		case t.IsListType(), t.IsSetType():
			et = t.ElementType()
		case t.IsTupleType() && len(t.TupleElementTypes()) == len(d):
			et = t.TupleElementType(i)
		case t != cty.DynamicPseudoType:
			return cty.NilVal, fmt.Errorf("a %s is required, the stored value is a sequence of %d", t.FriendlyName(), len(d))
		}
		v, err := fromJSON(d[i], et)
		if err != nil {
			return cty.NilVal, fmt.Errorf("[%d]: %w", i, err)
		}
		elems[i] = v
	}
	switch {
	case t.IsListType() && len(elems) == 0:
		return cty.ListValEmpty(t.ElementType()), nil
	case t.IsSetType() && len(elems) == 0:
		return cty.SetValEmpty(t.ElementType()), nil
	case t.IsListType() && cty.CanListVal(elems):
		return cty.ListVal(elems), nil
	case t.IsSetType() && cty.CanSetVal(elems):
		return cty.SetVal(elems), nil
	}
	return cty.TupleVal(elems), nil
}

func membersFromJSON(d map[string]any, t cty.Type) (cty.Value, error) {
	elems := make(map[string]cty.Value, len(d))
	for k, doc := range d {
		et := cty.DynamicPseudoType
		switch {
		case t.IsMapType():
			et = t.ElementType()
		case t.IsObjectType() && t.HasAttribute(k):
			et = t.AttributeType(k)
		case t != cty.DynamicPseudoType:
			return cty.NilVal, fmt.Errorf("%q is no part of a %s", k, t.FriendlyName())
		}
		v, err := fromJSON(doc, et)
		if err != nil {
			return cty.NilVal, fmt.Errorf("%s: %w", k, err)
		}
		elems[k] = v
	}
	if t.IsObjectType() {
		for k, at := range t.AttributeTypes() {
			if _, ok := elems[k]; !ok {
				elems[k] = cty.NullVal(at)
			}
		}
	}
	if t.IsMapType() {
		if len(elems) == 0 {
			return cty.MapValEmpty(t.ElementType()), nil
		}
		if cty.CanMapVal(elems) {
			return cty.MapVal(elems), nil
		}
	}
	return cty.ObjectVal(elems), nil
}

// AddToKey writes a known value under path into a key's trace, canonically:
// lists in order, members sorted, files by digest.
func AddToKey(p *cache.Preimage, path string, v cty.Value) error {
	if v.IsMarked() || !v.IsWhollyKnown() {
		return fmt.Errorf("%s is sensitive or not known and cannot be part of a key", path)
	}
	if v.IsNull() {
		p.Add(path, cache.FieldNull, "")
		return nil
	}
	switch t := v.Type(); {
	case t == cty.String:
		p.Add(path, cache.FieldString, v.AsString())
	case t == cty.Bool:
		p.Add(path, cache.FieldBool, strconv.FormatBool(v.True()))
	case t == cty.Number:
		p.Add(path, cache.FieldNumber, NumberText(v.AsBigFloat()))
	case t.Equals(FileType), t.Equals(TableType):
		f, _ := AsFile(v)
		p.Add(path, cache.FieldDigest, string(f.Digest[:]))
		p.Add(path+".form", cache.FieldString, form(f))
	case t.IsListType(), t.IsSetType(), t.IsTupleType():
		return addSequence(p, path, v)
	case t.IsMapType(), t.IsObjectType():
		return addMembers(p, path, v)
	default:
		return fmt.Errorf("%s: a %s cannot be part of a key", path, t.FriendlyName())
	}
	return nil
}

func form(f File) string {
	switch {
	case f.Tree:
		return "folder"
	case f.Exec:
		return "executable"
	}
	return "file"
}

func addSequence(p *cache.Preimage, path string, v cty.Value) error {
	p.Add(path, cache.FieldList, strconv.Itoa(v.LengthInt()))
	i := 0
	for it := v.ElementIterator(); it.Next(); i++ {
		_, e := it.Element()
		if err := AddToKey(p, path+"["+strconv.Itoa(i)+"]", e); err != nil {
			return err
		}
	}
	return nil
}

func addMembers(p *cache.Preimage, path string, v cty.Value) error {
	keys := sortedKeys(v)
	p.Add(path, cache.FieldMap, strconv.Itoa(len(keys)))
	for _, k := range keys {
		if err := AddToKey(p, path+"["+strconv.Quote(k)+"]", Member(v, k)); err != nil {
			return err
		}
	}
	return nil
}
