package lang_test

import (
	"bytes"
	"context"
	"path/filepath"
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
