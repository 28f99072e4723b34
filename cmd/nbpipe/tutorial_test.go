package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fence is a block of a Markdown file.
type fence struct {
	line       int
	info, text string
}

var fences = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$")

func fencesOf(text string) []fence {
	var out []fence
	for _, m := range fences.FindAllStringSubmatchIndex(text, -1) {
		out = append(out, fence{strings.Count(text[:m[0]], "\n") + 1, text[m[2]:m[3]], text[m[4]:m[5]]})
	}
	return out
}

// TestTutorial does what docs/writing-experiments.md says: it writes the files
// (file=NAME), runs the commands ($) and wants what they print, line by line in that
// order; … stands for anything.
func TestTutorial(t *testing.T) {
	text, err := os.ReadFile("../../docs/writing-experiments.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "mine")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	files, commands := 0, 0
	for _, f := range fencesOf(string(text)) {
		if _, name, ok := strings.Cut(f.info, " file="); ok {
			files++
			if err := os.WriteFile(filepath.Join(dir, name), []byte(f.text), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if f.info == "console" {
			commands += console(t, dir, f)
		}
	}
	if files < 5 || commands < 8 {
		t.Errorf("%d files, %d commands: is this the tutorial?", files, commands)
	}
}

func console(t *testing.T, dir string, f fence) (commands int) {
	t.Helper()
	for part := range strings.SplitSeq("\n"+f.text, "\n$ ") {
		line, want, _ := strings.Cut(strings.TrimPrefix(part, "\n"), "\n")
		if line == "" {
			continue
		}
		commands++
		at := fmt.Sprintf("docs/writing-experiments.md:%d: %s", f.line, line)
		args := strings.Fields(line)
		if args[0] != "nbpipe" {
			t.Fatalf("%s: only nbpipe is run here", at)
		}
		c := exec.Command("nbpipe", args[1:]...) // of this build: see TestMain
		c.Dir = dir
		c.Env = append(os.Environ(), "HOME="+filepath.Dir(dir), "XDG_CACHE_HOME=", "XDG_CONFIG_HOME=")
		got, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", at, err, got)
		}
		pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(want)), "…", ".*")
		pattern = strings.ReplaceAll(pattern, "\n", "(?s:.*)\n")
		if !regexp.MustCompile("(?m)" + pattern).Match(got) {
			t.Errorf("%s: printed\n%swhich is not\n%s", at, got, want)
		}
	}
	return commands
}
