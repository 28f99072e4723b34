package launch

import "strings"

// Quote makes a word of a text for a Bourne shell.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
