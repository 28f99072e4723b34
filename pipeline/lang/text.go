package lang

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// sentence makes a sentence of an error.
func sentence(err error) string { return upperFirst(strings.TrimRight(err.Error(), ". ")) + "." }

func upperFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// quoteKey writes a for_each key as it stands in an address.
func quoteKey(key string) string {
	r := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", "$${", "%{", "%%{")
	return `["` + r.Replace(key) + `"]`
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}
