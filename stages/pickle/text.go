package pickle

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// fromLatin reads each byte as a character.
func fromLatin(raw []byte) string {
	var b strings.Builder
	for _, c := range raw {
		b.WriteRune(rune(c))
	}
	return b.String()
}

// toLatin is its inverse.
func toLatin(text string) ([]byte, bool) {
	out := make([]byte, 0, len(text))
	for _, c := range text {
		if c > 0xff {
			return nil, false
		}
		out = append(out, byte(c))
	}
	return out, true
}

// unquote undoes repr of a str of Python 2: quotes and escapes.
func unquote(line []byte) ([]byte, error) {
	n := len(line)
	if n < 2 || line[0] != line[n-1] || (line[0] != '\'' && line[0] != '"') {
		return nil, errors.New("a text without quotes")
	}
	line = line[1 : n-1]
	out := make([]byte, 0, len(line))
	for i := 0; i < len(line); i++ {
		if line[i] != '\\' {
			out = append(out, line[i])
			continue
		}
		if i++; i == len(line) {
			return nil, errors.New("a text ends within an escape")
		}
		if at := strings.IndexByte(`abfnrtv\'"`, line[i]); at >= 0 {
			out = append(out, "\a\b\f\n\r\t\v\\'\""[at])
			continue
		}
		c, width, err := numbered(line[i:])
		if err != nil {
			return nil, err
		}
		out, i = append(out, c), i+width-1
	}
	return out, nil
}

// numbered reads an escape without its backslash: x and two digits, or up to three octal ones.
func numbered(rest []byte) (byte, int, error) {
	if rest[0] == 'x' && len(rest) >= 3 {
		c, err := strconv.ParseUint(string(rest[1:3]), 16, 8)
		return byte(c), 3, err
	}
	width := 0
	for width < min(3, len(rest)) && rest[width] >= '0' && rest[width] <= '7' {
		width++
	}
	c, err := strconv.ParseUint(string(rest[:width]), 8, 8)
	if err != nil {
		return 0, 0, errors.New("an escape that is none")
	}
	return byte(c), width, nil
}

// unescape undoes raw-unicode-escape: bytes are characters but for \u and \U.
func unescape(line []byte) (string, error) {
	var b strings.Builder
	for i := 0; i < len(line); i++ {
		width := 0
		if line[i] == '\\' && i+1 < len(line) {
			switch line[i+1] {
			case 'u':
				width = 4
			case 'U':
				width = 8
			}
		}
		if width == 0 {
			b.WriteRune(rune(line[i]))
			continue
		}
		if len(line) < i+2+width {
			return "", errors.New("a text ends within an escape")
		}
		c, err := strconv.ParseUint(string(line[i+2:i+2+width]), 16, 32)
		if err != nil || c > utf8.MaxRune {
			return "", errors.New("an escape that is none")
		}
		b.WriteRune(rune(c))
		i += 1 + width
	}
	return b.String(), nil
}
