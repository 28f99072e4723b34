package suggest

import "strings"

// Nearest returns the candidate with the smallest edit distance to word, and
// whether it is close enough to be offered: at most a third of the word's
// length, and at least one edit. Case is ignored. Ties go to the earlier
// candidate.
func Nearest(word string, candidates []string) (string, bool) {
	limit := max(1, len(word)/3)
	best, found := "", false
	for _, c := range candidates {
		if abs(len(c)-len(word)) > limit {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d <= limit && (!found || d < limit) {
			best, found, limit = c, true, d
		}
	}
	return best, found
}

// DidYouMean returns ` (did you mean "x"?)`, or nothing when no candidate is
// close.
func DidYouMean(word string, candidates []string) string {
	if len(word) > 200 {
		return ""
	}
	if c, ok := Nearest(word, candidates); ok {
		return ` (did you mean "` + c + `"?)`
	}
	return ""
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
