package lang_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/nbpipe/nbpipe/pipeline/lang"
)

// text is what a user would see.
func text(x *lang.Experiment, diags hcl.Diagnostics) string {
	var b bytes.Buffer
	_ = lang.WriteDiagnostics(&b, diags, x.Sources(), lang.PrintOptions{Width: 100})
	return b.String()
}

// loadOK loads, checks, and fails the test on any problem.
func loadOK(t testing.TB, path string, o lang.Options) (*lang.Experiment, *lang.State) {
	t.Helper()
	x, diags := lang.Load(context.Background(), path, o)
	if len(diags) > 0 {
		t.Fatalf("Load:\n%s", text(x, diags))
	}
	s := x.NewState()
	if diags := x.Check(s); len(diags) > 0 {
		t.Fatalf("Check:\n%s", text(x, diags))
	}
	return x, s
}

func TestValid(t *testing.T) {
	paths, _ := filepath.Glob("testdata/valid/*")
	for _, p := range paths {
		if filepath.Base(p) == "data" {
			continue
		}
		t.Run(filepath.Base(p), func(t *testing.T) { loadOK(t, p, options()) })
	}
}

// TestErrors requires of every fixture exactly the problems that it names: a
// comment `# ERROR: summary` on the very line, or, for files that cannot carry
// one, lines `LINE SUMMARY` in a file of the same name with .errors.
func TestErrors(t *testing.T) {
	paths, _ := filepath.Glob("testdata/errors/*")
	count := 0
	for _, p := range paths {
		if strings.HasSuffix(p, ".errors") {
			continue
		}
		t.Run(filepath.Base(p), func(t *testing.T) {
			want := expectedErrors(t, p)
			count += len(want)
			x, diags := lang.Load(context.Background(), p, options())
			if !diags.HasErrors() {
				diags = x.Check(x.NewState())
			}
			compareErrors(t, want, x, diags)
			shown := text(x, diags)
			for _, secret := range []string{"hunter2", "s3cret", "internal error", "Internal error"} {
				if strings.Contains(shown, secret) {
					t.Errorf("the output shows %q:\n%s", secret, shown)
				}
			}
		})
	}
	t.Logf("%d distinct mistakes", count)
	if count < 100 {
		t.Errorf("only %d mistakes", count)
	}
}

func compareErrors(t *testing.T, want []string, x *lang.Experiment, diags hcl.Diagnostics) {
	t.Helper()
	for _, d := range diags {
		got := ""
		if d.Subject != nil {
			got = fmt.Sprintf("%s:%d: %s", d.Subject.Filename, d.Subject.Start.Line, d.Summary)
		}
		i := slices.IndexFunc(want, func(w string) bool { return strings.HasPrefix(got, w) })
		if i < 0 {
			t.Errorf("not expected:\n%s", text(x, hcl.Diagnostics{d}))
			continue
		}
		want = slices.Delete(want, i, i+1)
	}
	for _, w := range want {
		t.Errorf("missing: %s", w)
	}
}

func expectedErrors(t *testing.T, path string) []string {
	var want []string
	_ = filepath.WalkDir(path, func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if sidecar, err := os.ReadFile(p + ".errors"); err == nil {
			for line := range strings.Lines(string(sidecar)) {
				n, summary, _ := strings.Cut(strings.TrimSpace(line), " ")
				want = append(want, p+":"+n+": "+summary)
			}
			return nil
		}
		src, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		number := 0
		for line := range strings.Lines(string(src)) {
			number++
			for _, part := range strings.Split(line, "# ERROR: ")[1:] {
				want = append(want, fmt.Sprintf("%s:%d: %s", p, number, strings.TrimSpace(part)))
			}
		}
		return nil
	})
	return want
}
