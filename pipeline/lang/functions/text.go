package functions

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

func textFunc(doc string, ret cty.Type, names []string, f func(args []string) (cty.Value, error)) function.Function {
	spec := &function.Spec{Description: doc, Type: function.StaticReturnType(ret)}
	for _, n := range names {
		spec.Params = append(spec.Params, function.Parameter{Name: n, Type: cty.String})
	}
	spec.Impl = func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		texts := make([]string, len(args))
		for i, a := range args {
			texts[i] = a.AsString()
		}
		return f(texts)
	}
	return function.New(spec)
}

var startsWithFunc = textFunc("Whether a string begins with a prefix.", cty.Bool, []string{"str", "prefix"},
	func(a []string) (cty.Value, error) { return cty.BoolVal(strings.HasPrefix(a[0], a[1])), nil })

var endsWithFunc = textFunc("Whether a string ends with a suffix.", cty.Bool, []string{"str", "suffix"},
	func(a []string) (cty.Value, error) { return cty.BoolVal(strings.HasSuffix(a[0], a[1])), nil })

var base64EncodeFunc = textFunc("Base64 of a string's UTF-8 bytes.", cty.String, []string{"str"},
	func(a []string) (cty.Value, error) {
		return cty.StringVal(base64.StdEncoding.EncodeToString([]byte(a[0]))), nil
	})

var base64DecodeFunc = textFunc("The UTF-8 text that Base64 holds.", cty.String, []string{"str"},
	func(a []string) (cty.Value, error) {
		b, err := base64.StdEncoding.DecodeString(a[0])
		if err != nil {
			return cty.NilVal, errors.New("the string is not Base64")
		}
		if !utf8.Valid(b) {
			return cty.NilVal, errors.New("the decoded bytes are not UTF-8 text")
		}
		return cty.StringVal(string(b)), nil
	})

func hashFunc(name string) function.Function {
	return textFunc("Hexadecimal "+name+" of a string's UTF-8 bytes.", cty.String, []string{"str"},
		func(a []string) (cty.Value, error) {
			if name == "md5" {
				d := md5.Sum([]byte(a[0]))
				return cty.StringVal(hex.EncodeToString(d[:])), nil
			}
			d := sha256.Sum256([]byte(a[0]))
			return cty.StringVal(hex.EncodeToString(d[:])), nil
		})
}

// formatWidth refuses verbs whose width or precision would make a huge string.
func formatWidth(args []cty.Value) error {
	if len(args) == 0 || args[0].Type() != cty.String {
		return nil
	}
	digits := 0
	for _, c := range args[0].AsString() {
		if c < '0' || c > '9' {
			digits = 0
			continue
		}
		if digits = digits*10 + int(c-'0'); digits > maxWidth {
			return function.NewArgErrorf(0, "widths and precisions are limited to %d", maxWidth)
		}
	}
	return nil
}

func indentWidth(args []cty.Value) error {
	if n, _ := args[0].AsBigFloat().Int64(); n > maxIndent || n < 0 {
		return function.NewArgErrorf(0, "an indentation is between 0 and %d", maxIndent)
	}
	return nil
}

func joinSize(args []cty.Value) error {
	separator, total := len(args[0].AsString()), 0
	for _, list := range args[1:] {
		for it := list.ElementIterator(); it.Next(); {
			_, e := it.Element()
			if e.IsNull() {
				continue // join itself says so
			}
			if total += separator + len(e.AsString()); total > MaxBytes {
				return fmt.Errorf("the result would be longer than %d MiB", MaxBytes>>20)
			}
		}
	}
	return nil
}

// replaceFunc replaces text, or what a regular expression between slashes matches.
var replaceFunc = textFunc("A string with every occurrence of another replaced.", cty.String, []string{"str", "substr", "replacement"},
	func(a []string) (cty.Value, error) {
		pattern, ok := betweenSlashes(a[1])
		if !ok {
			return cty.StringVal(strings.ReplaceAll(a[0], a[1], a[2])), nil
		}
		re, err := regexp.Compile(pattern)
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(1, "%w", err)
		}
		return cty.StringVal(re.ReplaceAllString(a[0], a[2])), nil
	})

func betweenSlashes(s string) (string, bool) {
	if len(s) > 1 && strings.HasPrefix(s, "/") && strings.HasSuffix(s, "/") {
		return s[1 : len(s)-1], true
	}
	return "", false
}

func replaceSize(args []cty.Value) error {
	text, from, to := args[0].AsString(), args[1].AsString(), args[2].AsString()
	hits, groups := strings.Count(text, from), 0
	if _, ok := betweenSlashes(from); ok {
		hits, groups = len(text)+1, strings.Count(to, "$") // matches do not overlap, so a group's hits are at most the text
	}
	if float64(hits)*float64(len(to))+float64(groups+1)*float64(len(text)) > MaxBytes {
		return fmt.Errorf("the result could be longer than %d MiB", MaxBytes>>20)
	}
	return nil
}

func parseIntSize(args []cty.Value) error {
	if args[0].Type() == cty.String && len(args[0].AsString()) > maxDigits {
		return function.NewArgErrorf(0, "a number has at most %d digits", maxDigits)
	}
	return nil
}

// jsonDepth bounds the recursion of the decoder.
func jsonDepth(args []cty.Value) error {
	depth, text := 0, args[0].AsString()
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			if depth++; depth > maxJSON {
				return function.NewArgErrorf(0, "the JSON is nested more than %d levels deep", maxJSON)
			}
		case ']', '}':
			depth--
		}
	}
	return nil
}

var sumFunc = function.New(&function.Spec{
	Description: "The sum of the numbers of a list, set or tuple; 0 for an empty one.",
	Params:      []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type: func(args []cty.Value) (cty.Type, error) {
		t := args[0].Type()
		if !t.IsListType() && !t.IsSetType() && !t.IsTupleType() {
			return cty.NilType, function.NewArgErrorf(0, "a list of numbers is required, not %s", t.FriendlyName())
		}
		return cty.Number, nil
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(cty.Number), nil
		}
		sum := new(big.Float).SetPrec(512)
		for it := args[0].ElementIterator(); it.Next(); {
			_, e := it.Element()
			if e.IsNull() || e.Type() != cty.Number {
				return cty.NilVal, function.NewArgErrorf(0, "every element must be a number")
			}
			if n := e.AsBigFloat(); n.IsInf() {
				return e, nil
			}
			sum.Add(sum, e.AsBigFloat())
		}
		return cty.NumberVal(sum), nil
	},
})
