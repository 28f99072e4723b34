package slurm

import (
	"fmt"
	"strings"

	"github.com/nbpipe/nbpipe/stages"
)

// reserved are the options of sbatch that a block's flags may not have, by their long
// names, with their short ones: those that nbpipe needs for itself, those that take jobs
// out of its sight, and those after which sbatch prints something else than a job's number.
// Source: sbatch(1), "OPTIONS".
var reserved = []struct{ long, short, why string }{
	{"array", "a", ours}, {"chdir", "D", ours}, {"comment", "", ours}, {"error", "e", ours}, {"export", "", ours}, {"export-file", "", ours},
	{"hold", "H", ours}, {"input", "i", ours}, {"job-name", "J", ours}, {"no-requeue", "", ours}, {"output", "o", ours}, {"parsable", "", ours},
	{"signal", "", ours}, {"test-only", "", ours}, {"wait", "W", ours}, {"wrap", "", ours},
	{"clusters", "M", "Its jobs would be on another cluster than nbpipe looks at: set SLURM_CLUSTERS in the environment instead."},
	{"uid", "", "Its jobs would be another user's."},
	{"help", "h", prints}, {"quiet", "Q", prints}, {"usage", "", prints}, {"version", "V", prints},
}

const (
	ours   = "nbpipe needs it for itself: leave it out."
	prints = "nbpipe reads what sbatch prints: leave it out."
)

// switches are the short options that take no value, or need none: another one may follow
// in the same word.
const switches = "hHIkOQsuvVW"

func (s *Settings) checkFlags() []stages.Problem {
	var out []stages.Problem
	for _, f := range s.Flags {
		if len(strings.TrimLeft(f, "-")) == 0 || !strings.HasPrefix(f, "-") || strings.ContainsAny(f, lineBreaks) {
			out = append(out, stages.Problem{Attribute: "flags", Summary: "Not an option of sbatch", Detail: fmt.Sprintf("An option begins with a dash and has its value after an equals sign, in one text: %q does not.", f)})
			continue
		}
		for _, r := range reserved {
			if isOption(f, r.long, r.short) {
				name := "--" + r.long
				if r.short != "" {
					name += " (-" + r.short + ")"
				}
				out = append(out, stages.Problem{Attribute: "flags", Summary: "An option that cannot be used here", Detail: fmt.Sprintf("%q is sbatch's option %s. %s", f, name, r.why)})
				break
			}
		}
	}
	return out
}

// isOption reports whether a word is an option, in any spelling that sbatch takes: a long name
// may be cut off as long as it is clear which is meant, and a short one may stand behind
// others, and before its value.
func isOption(word, long, short string) bool {
	if name, ok := strings.CutPrefix(word, "--"); ok {
		name, _, _ = strings.Cut(name, "=")
		return name != "" && strings.HasPrefix(long, name)
	}
	if short == "" {
		return false
	}
	for _, letter := range strings.TrimPrefix(word, "-") {
		if string(letter) == short {
			return true
		}
		if !strings.ContainsRune(switches, letter) { // the rest is its value
			return false
		}
	}
	return false
}
