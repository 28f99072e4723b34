package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nbpipe/nbpipe/stages/pythontest"
	"github.com/nbpipe/nbpipe/stages/sandbox"
)

// TestGPU runs testdata/gpu on a real GPU: with NBPIPE_TEST_DEVICE=cuda, and with a
// PyTorch for CUDA that PYTHON, or python3, has.
func TestGPU(t *testing.T) {
	if pythontest.Device() != "cuda" {
		t.Skip("SKIPPED: it needs a GPU; set NBPIPE_TEST_DEVICE=cuda where there is one")
	}
	python, err := exec.LookPath(pythontest.Find(t, "torch", "numpy"))
	if err != nil {
		t.Fatal(err)
	}
	model, err := exec.Command("nvidia-smi", "--query-gpu=name", "--format=csv,noheader", "--id=0").Output()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/gpu",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", filepath.Dir(python)+string(filepath.ListSeparator)+e.Getenv("PATH"))
			e.Setenv("LD_LIBRARY_PATH", os.Getenv("LD_LIBRARY_PATH"))
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("NBPIPE_CACHE", filepath.Join(e.WorkDir, ".cache"))
			e.Setenv("MODEL", strings.TrimSpace(string(model)))
			return nil
		},
		Condition: func(name string) (bool, error) {
			return name == "sandbox" && len((&sandbox.Sandbox{}).Support().Missing()) == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}
