package lang

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// sentence makes a sentence of an error.
func sentence(err error) string { return upperFirst(period(err.Error())) }

// period ends a clause with a full stop, unless it ends with a question.
func period(s string) string {
	s = strings.TrimRight(s, ". ")
	if strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}

func upperFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// quoteKey writes a for_each key as it stands in an address.
func quoteKey(key string) string {
	if !strings.ContainsAny(key, `\"$%`) {
		return `["` + key + `"]`
	}
	r := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", "$${", "%{", "%%{")
	return `["` + r.Replace(key) + `"]`
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}
