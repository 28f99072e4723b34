package lang

import (
	"fmt"
	"strconv"
	"strings"
)

// version is major, minor and patch; a pre-release sorts before its release.
type version struct {
	n     [3]int
	parts int // how many of n were written
	pre   string
}

func parseVersion(s string) (version, error) {
	var v version
	text, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(s), "v"), "+")
	text, v.pre, _ = strings.Cut(text, "-")
	parts := strings.Split(text, ".")
	if len(parts) > 3 {
		return v, fmt.Errorf("%q is no version", s)
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 31)
		if err != nil {
			return v, fmt.Errorf("%q is no version", s)
		}
		v.n[i] = int(n)
	}
	v.parts = len(parts)
	return v, nil
}

func (v version) compare(w version) int {
	for i := range v.n {
		if v.n[i] != w.n[i] {
			return v.n[i] - w.n[i]
		}
	}
	switch {
	case v.pre == w.pre:
		return 0
	case v.pre == "":
		return 1
	case w.pre == "":
		return -1
	}
	return strings.Compare(v.pre, w.pre)
}

// versionFits reports whether a version satisfies a list of constraints. A
// version that is empty, as of a build from source, satisfies all.
func versionFits(have, constraints string) (bool, error) {
	fits := true
	v, err := parseVersion(have)
	unknown := err != nil
	for _, c := range strings.Split(constraints, ",") {
		c = strings.TrimSpace(c)
		op := c[:len(c)-len(strings.TrimLeft(c, "=!<>~"))]
		w, err := parseVersion(c[len(op):])
		if err != nil {
			return false, err
		}
		ok, err := holds(v, op, w)
		if err != nil {
			return false, err
		}
		fits = fits && ok
	}
	return fits || unknown, nil
}

func holds(v version, op string, w version) (bool, error) {
	d := v.compare(w)
	switch op {
	case "", "=", "==":
		return d == 0, nil
	case "!=":
		return d != 0, nil
	case ">":
		return d > 0, nil
	case ">=":
		return d >= 0, nil
	case "<":
		return d < 0, nil
	case "<=":
		return d <= 0, nil
	case "~>": // the last written part may grow
		for i := 0; i < w.parts-1; i++ {
			if v.n[i] != w.n[i] {
				return false, nil
			}
		}
		return d >= 0, nil
	}
	return false, fmt.Errorf("%q is no operator", op)
}
