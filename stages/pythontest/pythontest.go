package pythontest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Device is where tests train with PyTorch: NBPIPE_TEST_DEVICE, such as "cuda" on a
// machine with a GPU, or "cpu".
func Device() string {
	if d := os.Getenv("NBPIPE_TEST_DEVICE"); d != "" {
		return d
	}
	return "cpu"
}

// Find returns a Python that can import all modules: the one that PYTHON names,
// else python3 or Debian's own. Where there is none the test is skipped, and fails
// if NBPIPE_CI is set.
func Find(tb testing.TB, modules ...string) string {
	tb.Helper()
	candidates := []string{"python3", "/usr/bin/python3"}
	if python := os.Getenv("PYTHON"); python != "" {
		candidates = []string{python}
	}
	var said []string
	for _, python := range candidates {
		out, err := exec.Command(python, "-c", "import "+strings.Join(modules, ", ")).CombinedOutput()
		if err == nil {
			return python
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		said = append(said, fmt.Sprintf("%s: %v %s", python, err, lines[len(lines)-1]))
	}
	missing := fmt.Sprintf("no Python with %s; set PYTHON to one (%s)", strings.Join(modules, " and "), strings.Join(said, "; "))
	if os.Getenv("NBPIPE_CI") != "" {
		tb.Fatal(missing)
	}
	tb.Skip(missing)
	return ""
}
