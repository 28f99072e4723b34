package html

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean replaces what could disturb the page's text around it: control
// characters other than newline and tab, and bidirectional formatting.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfffe, r == 0xffff:
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// clip shortens a text to at most n runes.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n]) + "…"
}

// fixed writes x with a number of decimals, thousands apart, and a real minus.
// Beyond 9 decimals, or 15 digits before the point, it uses powers of ten.
func fixed(x float64, decimals int) string {
	switch {
	case math.IsNaN(x):
		return "not a number"
	case math.IsInf(x, 1):
		return "∞"
	case math.IsInf(x, -1):
		return "−∞"
	case decimals > 9 || math.Abs(x) >= 1e15:
		return scientific(x, 4)
	}
	s := strconv.FormatFloat(x, 'f', max(decimals, 0), 64)
	if strings.Trim(s, "-0.") == "" {
		s = strings.TrimPrefix(s, "-") // no negative zero
	}
	return minus(thousands(s))
}

// scientific writes x with so many significant digits and a power of ten.
func scientific(x float64, digits int) string {
	m, e, _ := strings.Cut(strconv.FormatFloat(x, 'e', digits-1, 64), "e")
	exp, _ := strconv.Atoi(e)
	if strings.Contains(m, ".") {
		m = strings.TrimRight(strings.TrimRight(m, "0"), ".")
	}
	return minus(m + "e" + strconv.Itoa(exp))
}

func minus(s string) string { return strings.ReplaceAll(s, "-", "−") }

// thousands puts commas into the integer part from five digits on.
func thousands(s string) string {
	whole, frac, _ := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	if len(whole) >= 5 {
		for i := len(whole) - 3; i > 0; i -= 3 {
			whole = whole[:i] + "," + whole[i:]
		}
	}
	if frac != "" {
		whole += "." + frac
	}
	return sign + whole
}

// shortest writes a number as a file would: all its digits and no more.
func shortest(x float64) string {
	if isWhole(x) || math.IsInf(x, 0) || math.IsNaN(x) {
		return fixed(x, 0)
	}
	if a := math.Abs(x); a >= 1e-6 && a < 1e15 {
		return minus(thousands(strconv.FormatFloat(x, 'f', -1, 64)))
	}
	return minus(strconv.FormatFloat(x, 'g', -1, 64))
}

// exact is the number as JSON has it, for a tooltip.
func exact(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// decimalsFor is how many decimals show grain with two significant digits.
func decimalsFor(grain float64) int {
	if grain <= 0 || math.IsInf(grain, 0) || math.IsNaN(grain) {
		return 0
	}
	return max(0, 1-int(math.Floor(math.Log10(grain))))
}

// decimalsOf counts the decimals of the shortest text of x.
func decimalsOf(x float64) int {
	_, frac, _ := strings.Cut(strconv.FormatFloat(x, 'f', -1, 64), ".")
	return len(frac)
}

func isWhole(x float64) bool { return x == math.Trunc(x) && math.Abs(x) < 1e15 }

// naturalLess orders names so that numbers within them count: 1% before 10%.
func naturalLess(a, b string) int {
	for a != "" && b != "" {
		da, db := digits(a), digits(b)
		if da != "" && db != "" {
			na, nb := strings.TrimLeft(da, "0"), strings.TrimLeft(db, "0")
			if len(na) != len(nb) {
				return len(na) - len(nb)
			}
			if c := strings.Compare(na, nb); c != 0 {
				return c
			}
			a, b = a[len(da):], b[len(db):]
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

// natural orders names by naturalLess, and equal ones by bytes.
func natural(a, b string) int {
	if c := naturalLess(a, b); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

func digits(s string) string {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i]
}

// plural chooses a word by a count.
func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// byteSize writes a size in bytes for people.
func byteSize(n int64) string {
	units := []string{"KiB", "MiB", "GiB", "TiB"}
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " " + plural(int(n), "byte", "bytes")
	}
	x, u := float64(n)/1024, 0
	for x >= 1024 && u < len(units)-1 {
		x, u = x/1024, u+1
	}
	return strconv.FormatFloat(x, 'f', 1, 64) + " " + units[u]
}
