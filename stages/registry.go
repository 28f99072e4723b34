package stages

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Blocks are the keywords of the language under which kinds register.
var Blocks = []string{"command", "dataset", "hypothesis", "preprocess", "report", "retrain", "search"}

// Registry holds the kinds that an nbpipe build knows.
type Registry struct{ kinds map[string]map[string]*Kind }

// NewRegistry makes a registry of the given kinds. It panics on a kind that is
// defined twice or wrongly: that is a programming error, caught by any test.
func NewRegistry(kinds ...*Kind) *Registry {
	r := &Registry{kinds: map[string]map[string]*Kind{}}
	for _, k := range kinds {
		if !slices.Contains(Blocks, k.Block) {
			panic("stages: " + k.Name() + ": unknown block")
		}
		if r.kinds[k.Block] == nil {
			r.kinds[k.Block] = map[string]*Kind{}
		}
		if r.kinds[k.Block][k.Type] != nil {
			panic("stages: " + k.Name() + " is defined twice")
		}
		r.kinds[k.Block][k.Type] = k
	}
	return r
}

// Lookup finds a kind.
func (r *Registry) Lookup(block, typ string) (*Kind, bool) {
	k, ok := r.kinds[block][typ]
	return k, ok
}

// Types lists the types known under a block keyword, sorted.
func (r *Registry) Types(block string) []string {
	var out []string
	for t := range r.kinds[block] {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}

// All lists every kind, sorted by block and type.
func (r *Registry) All() []*Kind {
	var out []*Kind
	for _, b := range Blocks {
		for _, t := range r.Types(b) {
			out = append(out, r.kinds[b][t])
		}
	}
	return out
}

// Define makes a kind of a stage's struct type; *T implements Stage. k gives
// Block, Type, Version, Doc, Reproducible; attributes come from T's tags.
func Define[T any, P interface {
	*T
	Stage
}](k Kind) *Kind {
	k.new = func() Stage { return P(new(T)) }
	k.Attributes = AttributesOf(k.Name(), reflect.TypeFor[T]())
	return &k
}

// AttributesOf reads the attributes of a struct type from its tags, sorted by name.
// It panics where a tag is wrong, with the kind's name.
func AttributesOf(kind string, t reflect.Type) []Attribute {
	var out []Attribute
	for _, f := range reflect.VisibleFields(t) {
		tag, ok := f.Tag.Lookup("attr")
		if !ok {
			continue
		}
		a := attributeOf(tag, f)
		if a.Sensitive && a.Key {
			panic("stages: " + kind + ": " + a.Name + " is sensitive and in the key")
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b Attribute) int { return cmpString(a.Name, b.Name) })
	return out
}

func attributeOf(tag string, f reflect.StructField) Attribute {
	parts := strings.Split(tag, ",")
	has := func(o string) bool { return slices.Contains(parts[1:], o) }
	a := Attribute{
		Name: parts[0], Key: has("key"), Optional: has("optional"), Sensitive: has("sensitive"), Lower: has("lower"), Nodes: has("nodes"),
		Doc: f.Tag.Get("doc"), field: f.Index,
	}
	if a.Nodes {
		a.Type = cty.List(cty.String)
	} else {
		a.Type, a.Fields = typeOf(f.Type), fieldsOf(f.Type)
	}
	if d, ok := f.Tag.Lookup("default"); ok {
		v, err := DecodeJSON(json.RawMessage(d), a.Type)
		if err != nil {
			panic(fmt.Sprintf("stages: default of %s: %v", a.Name, err))
		}
		a.Default, a.Optional = v, true
	} else if a.Optional {
		a.Default = cty.NullVal(a.Type)
	}
	return a
}

var (
	typeFile  = reflect.TypeFor[File]()
	typeTable = reflect.TypeFor[Table]()
	typeValue = reflect.TypeFor[cty.Value]()
)

func typeOf(t reflect.Type) cty.Type {
	switch {
	case t == typeFile:
		return FileType
	case t == typeTable:
		return TableType
	case t == typeValue:
		return cty.DynamicPseudoType
	}
	switch t.Kind() {
	case reflect.String:
		return cty.String
	case reflect.Bool:
		return cty.Bool
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Float64:
		return cty.Number
	case reflect.Pointer:
		return typeOf(t.Elem())
	case reflect.Slice:
		return cty.List(typeOf(t.Elem()))
	case reflect.Map:
		return cty.Map(typeOf(t.Elem()))
	case reflect.Struct:
		return objectTypeOf(t)
	}
	panic("stages: no attribute type for " + t.String())
}

// fieldsOf are the fields of an object, or of the objects in a list or map.
func fieldsOf(t reflect.Type) []Attribute {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == typeFile || t == typeTable || t == typeValue {
		return nil
	}
	return AttributesOf(t.Name(), t)
}

func objectTypeOf(t reflect.Type) cty.Type {
	attrs := map[string]cty.Type{}
	var optional []string
	for _, a := range AttributesOf(t.Name(), t) {
		attrs[a.Name] = a.Type
		if a.Optional {
			optional = append(optional, a.Name)
		}
	}
	return cty.ObjectWithOptionalAttrs(attrs, optional)
}

// Canonical returns attrs with every value in the one form of all that mean the
// same, so that they make one key.
func (k *Kind) Canonical(attrs Attrs) Attrs {
	for i := range k.Attributes {
		a := &k.Attributes[i]
		v, ok := attrs[a.Name]
		if !a.Lower || !ok || v.IsNull() || !v.IsKnown() {
			continue
		}
		text, marks := v.Unmark()
		if lower := strings.ToLower(text.AsString()); lower != text.AsString() {
			attrs = maps.Clone(attrs)
			attrs[a.Name] = cty.StringVal(lower).WithMarks(marks)
		}
	}
	return attrs
}

// Zero returns an empty stage, for OutputTypes and Check.
func (k *Kind) Zero() Stage { return k.new() }

// Fill returns a stage with its fields set from wholly known attributes.
// Attributes marked `nodes` are left alone; see SetNodes.
func (k *Kind) Fill(attrs Attrs) (Stage, error) {
	s := k.new()
	if err := FillStruct(s, k.Attributes, attrs); err != nil {
		return nil, err
	}
	return s, nil
}

// FillStruct sets the fields of the struct that dst points to from attributes that
// AttributesOf found in its type.
func FillStruct(dst any, attributes []Attribute, attrs Attrs) error {
	v := reflect.ValueOf(dst).Elem()
	for i := range attributes {
		a := &attributes[i]
		val, ok := attrs[a.Name]
		if !ok || a.Nodes {
			continue
		}
		val, _ = val.UnmarkDeep()
		if err := fill(v.FieldByIndex(a.field), val); err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	return nil
}

// SetNodes sets a `nodes` attribute of a filled stage.
func (k *Kind) SetNodes(s Stage, name string, nodes []NodeInfo) {
	if a, ok := k.Attribute(name); ok && a.Nodes {
		reflect.ValueOf(s).Elem().FieldByIndex(a.field).Set(reflect.ValueOf(nodes))
	}
}

func fill(dst reflect.Value, v cty.Value) error {
	if dst.Type() == typeValue {
		dst.Set(reflect.ValueOf(v))
		return nil
	}
	if v == cty.NilVal || v.IsNull() {
		return nil
	}
	if !v.IsKnown() {
		return fmt.Errorf("not known yet")
	}
	switch dst.Type() {
	case typeFile:
		f, _ := AsFile(v)
		dst.Set(reflect.ValueOf(f))
		return nil
	case typeTable:
		f, _ := AsFile(v)
		dst.Set(reflect.ValueOf(Table{f}))
		return nil
	}
	return fillPlain(dst, v)
}

func fillPlain(dst reflect.Value, v cty.Value) error {
	switch dst.Kind() {
	case reflect.String:
		dst.SetString(v.AsString())
	case reflect.Bool:
		dst.SetBool(v.True())
	case reflect.Float64:
		f, _ := v.AsBigFloat().Float64()
		dst.SetFloat(f)
	case reflect.Int, reflect.Int64:
		n, acc := v.AsBigFloat().Int64()
		if acc != big.Exact || !v.AsBigFloat().IsInt() { // Int64 calls 1.5 exact
			return fmt.Errorf("a whole number is required, this is %s", NumberText(v.AsBigFloat()))
		}
		dst.SetInt(n)
	case reflect.Uint64:
		n, acc := v.AsBigFloat().Uint64()
		if acc != big.Exact || !v.AsBigFloat().IsInt() {
			return fmt.Errorf("a whole number that is not negative is required, this is %s", NumberText(v.AsBigFloat()))
		}
		dst.SetUint(n)
	case reflect.Pointer:
		p := reflect.New(dst.Type().Elem())
		if err := fill(p.Elem(), v); err != nil {
			return err
		}
		dst.Set(p)
	case reflect.Slice:
		return fillSlice(dst, v)
	case reflect.Map:
		return fillMap(dst, v)
	case reflect.Struct:
		return fillStruct(dst, v)
	}
	return nil
}

func fillSlice(dst reflect.Value, v cty.Value) error {
	dst.Set(reflect.MakeSlice(dst.Type(), v.LengthInt(), v.LengthInt()))
	i := 0
	for it := v.ElementIterator(); it.Next(); i++ {
		_, e := it.Element()
		if err := fill(dst.Index(i), e); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

func fillMap(dst reflect.Value, v cty.Value) error {
	dst.Set(reflect.MakeMapWithSize(dst.Type(), v.LengthInt()))
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		item := reflect.New(dst.Type().Elem()).Elem()
		if err := fill(item, e); err != nil {
			return fmt.Errorf("[%q]: %w", k.AsString(), err)
		}
		dst.SetMapIndex(reflect.ValueOf(k.AsString()), item)
	}
	return nil
}

func fillStruct(dst reflect.Value, v cty.Value) error {
	for _, a := range AttributesOf(dst.Type().Name(), dst.Type()) {
		if !v.Type().HasAttribute(a.Name) {
			continue
		}
		e := v.GetAttr(a.Name)
		if e.IsNull() && a.Default != cty.NilVal {
			e = a.Default
		}
		if err := fill(dst.FieldByIndex(a.field), e); err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	return nil
}
