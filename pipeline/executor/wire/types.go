package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
)

// maxTypeDepth bounds nested types; what a file can write is far below.
const maxTypeDepth = 64

// plainTypes are written as their names; the others as an array that begins with
// the name: ["list", T], ["set", T], ["map", T], ["tuple", [T...]],
// ["object", {"name": T}, ["optional"...]].
var plainTypes = map[string]cty.Type{
	"string": cty.String, "number": cty.Number, "bool": cty.Bool, "any": cty.DynamicPseudoType,
	"file": stages.FileType, "table": stages.TableType,
}

func encodeType(t cty.Type) (any, error) {
	for name, plain := range plainTypes {
		if t.Equals(plain) {
			return name, nil
		}
	}
	switch {
	case t.IsListType(), t.IsSetType(), t.IsMapType():
		name := map[bool]string{t.IsListType(): "list", t.IsSetType(): "set", t.IsMapType(): "map"}[true]
		of, err := encodeType(t.ElementType())
		return []any{name, of}, err
	case t.IsTupleType():
		members := []any{}
		for _, m := range t.TupleElementTypes() {
			of, err := encodeType(m)
			if err != nil {
				return nil, err
			}
			members = append(members, of)
		}
		return []any{"tuple", members}, nil
	case t.IsObjectType():
		members := map[string]any{}
		for name, m := range t.AttributeTypes() {
			of, err := encodeType(m)
			if err != nil {
				return nil, err
			}
			members[name] = of
		}
		optional := []string{}
		for name := range t.OptionalAttributes() {
			optional = append(optional, name)
		}
		slices.Sort(optional)
		return []any{"object", members, optional}, nil
	}
	return nil, fmt.Errorf("a %s cannot be sent", t.FriendlyName())
}

var errType = errors.New("not a type")

func decodeType(raw json.RawMessage, depth int) (cty.Type, error) {
	if depth > maxTypeDepth {
		return cty.NilType, errors.New("a type is nested too deeply")
	}
	var name string
	if json.Unmarshal(raw, &name) == nil {
		if t, ok := plainTypes[name]; ok {
			return t, nil
		}
		return cty.NilType, fmt.Errorf("there is no type %q", name)
	}
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil || len(parts) < 2 || len(parts) > 3 || json.Unmarshal(parts[0], &name) != nil || (len(parts) == 3) != (name == "object") {
		return cty.NilType, errType
	}
	switch name {
	case "tuple":
		return decodeTuple(parts[1], depth)
	case "object":
		return decodeObject(parts[1], parts[2], depth)
	}
	of, err := decodeType(parts[1], depth+1)
	if err != nil {
		return cty.NilType, err
	}
	switch name {
	case "list":
		return cty.List(of), nil
	case "set":
		return cty.Set(of), nil
	case "map":
		return cty.Map(of), nil
	}
	return cty.NilType, errType
}

func decodeTuple(raw json.RawMessage, depth int) (cty.Type, error) {
	var members []json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return cty.NilType, errType
	}
	types := make([]cty.Type, len(members))
	for i, m := range members {
		var err error
		if types[i], err = decodeType(m, depth+1); err != nil {
			return cty.NilType, err
		}
	}
	return cty.Tuple(types), nil
}

func decodeObject(raw, rawOptional json.RawMessage, depth int) (cty.Type, error) {
	var members map[string]json.RawMessage
	var optional []string
	if json.Unmarshal(raw, &members) != nil || json.Unmarshal(rawOptional, &optional) != nil {
		return cty.NilType, errType
	}
	types := make(map[string]cty.Type, len(members))
	for name, m := range members {
		var err error
		if types[name], err = decodeType(m, depth+1); err != nil {
			return cty.NilType, err
		}
	}
	for _, name := range optional {
		if _, ok := types[name]; !ok {
			return cty.NilType, errType
		}
	}
	return cty.ObjectWithOptionalAttrs(types, optional), nil
}
