package lang

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
	"github.com/nbpipe/nbpipe/pipeline/lang/functions"
	"github.com/nbpipe/nbpipe/stages"
)

// convertTo converts a value to a declared type. Where that fails it says why,
// as a clause that names the part of the value and what to do.
func convertTo(v cty.Value, t cty.Type) (cty.Value, string) {
	if t == cty.DynamicPseudoType {
		return v, ""
	}
	if v.Type().Equals(t) {
		return v, ""
	}
	if why := extraMember(v.Type(), t, ""); why != "" {
		return cty.DynamicVal, why
	}
	v, err := functions.Toward(v, t)
	if err != nil {
		return cty.DynamicVal, err.Error()
	}
	out, err := convert.Convert(v, t)
	if err == nil {
		return out, ""
	}
	if why := mismatch(v, t, ""); why != "" {
		return cty.DynamicVal, why
	}
	return cty.DynamicVal, fmt.Sprintf("this is %s (%s)", diagnostic.Given(v), err)
}

// extraMember finds a member that the wanted object type does not have, which a
// conversion would silently drop.
func extraMember(have, want cty.Type, path string) string {
	switch {
	case want.IsObjectType() && have.IsObjectType():
		known := names(want)
		for _, n := range names(have) {
			if !want.HasAttribute(n) {
				return fmt.Sprintf("%shas no member %q.%s", subjectText(path), n, strings.TrimSuffix(diagnostic.Hint(n, known, "members"), "."))
			}
			if why := extraMember(have.AttributeType(n), want.AttributeType(n), path+"."+n); why != "" {
				return why
			}
		}
	case want.IsCollectionType() && have.IsCollectionType():
		return extraMember(have.ElementType(), want.ElementType(), path+"[...]")
	case want.IsCollectionType() && have.IsObjectType():
		for _, n := range names(have) {
			if why := extraMember(have.AttributeType(n), want.ElementType(), path+"["+strconv.Quote(n)+"]"); why != "" {
				return why
			}
		}
	case want.IsCollectionType() && have.IsTupleType():
		for i, e := range have.TupleElementTypes() {
			if why := extraMember(e, want.ElementType(), path+"["+strconv.Itoa(i)+"]"); why != "" {
				return why
			}
		}
	}
	return ""
}

func subjectText(path string) string {
	if path == "" {
		return "it "
	}
	return "the part " + path + " "
}

func names(t cty.Type) []string {
	out := make([]string, 0, len(t.AttributeTypes()))
	for n := range t.AttributeTypes() {
		out = append(out, n)
	}
	return sorted(out)
}

// mismatch finds the first part of a value that does not fit.
func mismatch(v cty.Value, want cty.Type, path string) string {
	plain, _ := v.Unmark()
	have := plain.Type()
	where := ""
	if path != "" {
		where = "the part " + path + " "
	}
	switch {
	case plain.IsNull() || have == cty.DynamicPseudoType || want == cty.DynamicPseudoType:
		return ""
	case isFile(want) && have == cty.String:
		return fmt.Sprintf("%sis %s, not a file. A file of the experiment is written path(\"NAME\"), an artifact of another node kind.name.output", orThis(where), diagnostic.Given(v))
	case want.Equals(stages.TableType) && have.Equals(stages.FileType):
		return orThis(where) + "is a file that is not read as a table yet. Make a table of it with preprocess \"benchmark_table\""
	case isFile(have) && !isFile(want):
		return fmt.Sprintf("%sis %s. A file cannot be put into a string: name it under `inputs` of a command, `inputs = { data = ... }`, and use the path in/data", orThis(where), diagnostic.Article(diagnostic.TypeText(have)))
	case want.IsPrimitiveType():
		if _, err := convert.Convert(plain, want); err != nil {
			return fmt.Sprintf("%sis %s, but %s is required", orThis(where), diagnostic.Given(v), diagnostic.Article(diagnostic.TypeText(want)))
		}
		return ""
	}
	return mismatchInside(plain, want, path, where)
}

func orThis(where string) string {
	if where == "" {
		return "this "
	}
	return where
}

func mismatchInside(v cty.Value, want cty.Type, path, where string) string {
	have := v.Type()
	sequence := have.IsListType() || have.IsSetType() || have.IsTupleType()
	switch {
	case want.IsObjectType() && (have.IsObjectType() || have.IsMapType()):
		return mismatchMembers(v, want, path, where)
	case (want.IsListType() || want.IsSetType()) && sequence, want.IsMapType() && (have.IsMapType() || have.IsObjectType()):
		if !v.IsKnown() || !v.CanIterateElements() {
			return ""
		}
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			step := "[...]"
			if s, ok := keyText(k); ok && !have.IsSetType() {
				if k.Type() == cty.String {
					s = strconv.Quote(s)
				}
				step = "[" + s + "]"
			}
			if why := mismatch(e, want.ElementType(), path+step); why != "" {
				return why
			}
		}
		return ""
	}
	hint := ""
	if want.IsListType() && !sequence {
		hint = ": write it in brackets, [ ... ]"
	}
	return fmt.Sprintf("%sis %s, but %s is required%s", orThis(where), diagnostic.Given(v), diagnostic.Article(diagnostic.TypeText(want)), hint)
}

func mismatchMembers(v cty.Value, want cty.Type, path, where string) string {
	for _, n := range names(want) {
		var e cty.Value
		switch {
		case v.Type().IsObjectType() && v.Type().HasAttribute(n):
			e = v.GetAttr(n)
		case v.Type().IsMapType() && v.IsKnown() && v.HasIndex(cty.StringVal(n)).True():
			e = v.Index(cty.StringVal(n))
		case !want.AttributeOptional(n) && v.IsKnown():
			return fmt.Sprintf("%slacks the member %q, %s", orIt(where), n, diagnostic.Article(diagnostic.TypeText(want.AttributeType(n))))
		default:
			continue
		}
		if why := mismatch(e, want.AttributeType(n), path+"."+n); why != "" {
			return why
		}
	}
	return ""
}

func orIt(where string) string {
	if where == "" {
		return "it "
	}
	return where
}
