package diagnostic

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
)

// TypeText is a type in words that a message can use after "a" or "a list of".
func TypeText(t cty.Type) string {
	switch {
	case t == cty.DynamicPseudoType:
		return "any value"
	case t.Equals(stages.FileType):
		return "file"
	case t.Equals(stages.TableType):
		return "table"
	case t.IsCollectionType():
		kind := map[bool]string{t.IsListType(): "list", t.IsSetType(): "set", t.IsMapType(): "map"}[true]
		return kind + " of " + plural(TypeText(t.ElementType()))
	case t.IsObjectType():
		return objectText(t)
	case t.IsTupleType():
		return tupleText(t)
	}
	return t.FriendlyName()
}

// plural is the plural of what TypeText gives: "lists of strings".
func plural(s string) string {
	word, rest, _ := strings.Cut(s, " ")
	switch {
	case word == "any" || word == "empty":
		return s
	case rest != "":
		return word + "s " + rest
	}
	return word + "s"
}

func objectText(t cty.Type) string {
	names := slices.Sorted(func(yield func(string) bool) {
		for n := range t.AttributeTypes() {
			if !yield(n) {
				return
			}
		}
	})
	if len(names) == 0 {
		return "empty object"
	}
	return "object with " + clip(strings.Join(names, ", "), 60)
}

func tupleText(t cty.Type) string {
	types := t.TupleElementTypes()
	if len(types) == 0 {
		return "empty list"
	}
	for _, e := range types[1:] {
		if !e.Equals(types[0]) {
			return fmt.Sprintf("list of %d values", len(types))
		}
	}
	return fmt.Sprintf("list of %d %s", len(types), counted(len(types), TypeText(types[0])))
}

func counted(n int, s string) string {
	if n == 1 {
		return s
	}
	return plural(s)
}

// ValueText is a value in one line; "" for one whose type alone says as much.
func ValueText(v cty.Value) string {
	if v.IsMarked() {
		return "a sensitive value"
	}
	switch {
	case v == cty.NilVal:
		return ""
	case !v.IsKnown():
		if v.Type() == cty.DynamicPseudoType {
			return "known after run"
		}
		return Article(TypeText(v.Type())) + ", known after run"
	case v.IsNull():
		return "null"
	}
	switch t := v.Type(); {
	case t == cty.String:
		return strconv.Quote(clip(v.AsString(), 80))
	case t == cty.Number:
		return clip(stages.NumberText(v.AsBigFloat()), 40)
	case t == cty.Bool:
		return strconv.FormatBool(v.True())
	case t.IsObjectType(), t.IsTupleType(), t.Equals(stages.FileType), t.Equals(stages.TableType):
		return Article(TypeText(t))
	case t.IsCollectionType():
		return fmt.Sprintf("%s with %d elements", Article(TypeText(t)), v.LengthInt())
	}
	return Article(TypeText(v.Type()))
}

// Article puts "a" or "an" before what TypeText gives.
func Article(s string) string {
	if strings.HasPrefix(s, "any ") {
		return s
	}
	if s != "" && strings.ContainsRune("aeiou", rune(s[0])) {
		return "an " + s
	}
	return "a " + s
}

// Given describes a value in a message about a wrong type: type and value.
func Given(v cty.Value) string {
	if v.IsMarked() {
		u, _ := v.Unmark()
		return "a sensitive " + TypeText(u.Type())
	}
	if !v.IsKnown() || v.IsNull() {
		return ValueText(v)
	}
	switch v.Type() {
	case cty.String, cty.Number, cty.Bool:
		return "the " + TypeText(v.Type()) + " " + ValueText(v)
	}
	return ValueText(v)
}

func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n]) + "..."
}
