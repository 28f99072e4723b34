package stages

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

var byteUnits = []struct {
	suffix string
	bytes  float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// ParseBytes reads an amount of memory or disk such as "16GiB", "500 MB" or a
// plain number of bytes.
func ParseBytes(s string) (int64, error) {
	number, unit := strings.TrimSpace(s), 1.0
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(f) || f < 0 || f*unit >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is no amount of bytes: write a number with B, kB, MB, GB, TB, KiB, MiB, GiB or TiB", s)
	}
	return int64(f * unit), nil
}

var timeUnits = map[string]float64{"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}

// ParseSeconds reads a time such as "90m", "8h" or "1d12h".
func ParseSeconds(s string) (float64, error) {
	total := 0.0
	for rest := s; ; {
		n, unit, more, err := CutAmount(rest)
		factor, ok := timeUnits[unit]
		if err != nil || !ok {
			return 0, fmt.Errorf("%q is no time: write numbers with s, m, h or d, such as \"90m\" or \"1d12h\"", s)
		}
		total += n * factor
		if more == "" {
			return total, nil
		}
		rest = more
	}
}

// CutAmount cuts a number and its unit from the front of a text.
func CutAmount(s string) (n float64, unit, rest string, err error) {
	s = strings.TrimSpace(s)
	k := 0
	for k < len(s) && (s[k] >= '0' && s[k] <= '9' || s[k] == '.') {
		k++
	}
	n, err = strconv.ParseFloat(s[:k], 64)
	s = strings.TrimSpace(s[k:])
	for k = 0; k < len(s) && (s[k] >= 'a' && s[k] <= 'z' || s[k] >= 'A' && s[k] <= 'Z'); k++ {
	}
	return n, s[:k], strings.TrimSpace(s[k:]), err
}
