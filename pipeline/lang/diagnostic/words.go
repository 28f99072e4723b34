package diagnostic

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
)

// Error makes an error with a place.
func Error(at hcl.Range, summary, detail string, args ...any) *hcl.Diagnostic {
	if len(args) > 0 {
		detail = fmt.Sprintf(detail, args...)
	}
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: &at}
}

// Nearest finds the known name that a misspelt one is likely to be, or "".
func Nearest(name string, known []string) string {
	limit := 1
	if n := len(name); n >= 4 {
		limit = max(2, n/4)
	}
	best, distance := "", limit+1
	for _, k := range slices.Sorted(slices.Values(known)) {
		if n := len(k) - len(name); n > limit || -n > limit {
			continue
		}
		if d := levenshtein.Distance(strings.ToLower(name), strings.ToLower(k), nil); d < distance && d < max(len(name), len(k)) { // else nothing is alike
			best, distance = k, d
		}
	}
	return best
}

// MaxListed is how many known names a message lists.
const MaxListed = 20

// Hint says "Did you mean" and lists what is known, as sentences that follow
// another one; noun is a plural such as "attributes".
func Hint(name string, known []string, noun string) string {
	var b strings.Builder
	if n := Nearest(name, known); n != "" {
		fmt.Fprintf(&b, " Did you mean %q?", n)
	}
	switch {
	case noun == "":
	case len(known) == 0:
		fmt.Fprintf(&b, " There are no %s.", noun)
	default:
		fmt.Fprintf(&b, " Known %s: %s.", noun, List(known))
	}
	return b.String()
}

// List joins sorted names, at most MaxListed of them.
func List(names []string) string {
	sorted := slices.Compact(slices.Sorted(slices.Values(names)))
	more := ""
	if n := len(sorted) - MaxListed; n > 0 {
		sorted, more = sorted[:MaxListed], fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(sorted, ", ") + more
}

// Place is a range as `file:line`.
func Place(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }
