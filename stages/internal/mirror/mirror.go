package mirror

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nbpipe/nbpipe/stages/racetest"
)

// Read returns the bytes of one file of the mirror, or skips the test with a
// message when there is no mirror. The mirror is the folder in the environment
// variable NBPIPE_TEST_MIRROR, or shared/mirror beside any parent folder of
// the test. Under the race detector it skips, too.
func Read(t testing.TB, name string) []byte {
	t.Helper()
	racetest.Skip(t, "real tables are long, and read like short ones")
	dir := folder()
	if dir == "" {
		t.Skipf("SKIPPED, NOT CHECKED: no mirror with %s; set NBPIPE_TEST_MIRROR to the folder with the real benchmark files", name)
	}
	data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatalf("the mirror lacks a file: %v", err)
	}
	return data
}

func folder() string {
	if dir := os.Getenv("NBPIPE_TEST_MIRROR"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		candidate := filepath.Join(dir, "shared", "mirror")
		if _, err := os.Stat(filepath.Join(candidate, "SHA256SUMS")); err == nil {
			return candidate
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}
