package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nbpipe/nbpipe/stages/pythontest"
	"github.com/nbpipe/nbpipe/stages/racetest"
)

// taskFiles are the files that experiments/nb360/tasks fetches, by the fixture that
// stands for each: FOLDER/FILE of stages/preprocess/FOLDER/testdata/fixture.py.
var taskFiles = map[string]string{
	"audio.zip":                "fsd50k/audio.zip",
	"deepCR.ACS-WFC.train.tar": "cosmic/train.tar",
	"deepCR.ACS-WFC.test.tar":  "cosmic/test.tar",
	"challenge2017.pkl":        "ecg/array.pkl",
	"satellite_train.npy":      "satellite/train.npy",
	"satellite_test.npy":       "satellite/test.npy",
	"deepsea_filtered.npz":     "deepsea/uint8.npz",
	"cifar-100-python.tar.gz":  "cifar100/python2.tar.gz",
	"s2_cifar100.gz":           "spherical/bytes-4.gz",
	"ninapro_train.npy":        "ninapro/ninapro_train.npy",
	"label_train.npy":          "ninapro/label_train.npy",
	"ninapro_val.npy":          "ninapro/ninapro_val.npy",
	"label_val.npy":            "ninapro/label_val.npy",
	"ninapro_test.npy":         "ninapro/ninapro_test.npy",
	"label_test.npy":           "ninapro/label_test.npy",
	"protein.zip":              "psicov/protein.zip",

	"piececonst_r421_N1024_smooth1.mat": "darcyflow/train-73.mat",
	"piececonst_r421_N1024_smooth2.mat": "darcyflow/test-5z.mat",
}

// TestTasks runs experiments/nb360/tasks on small files of the real formats, from the
// fetch to the metric: see testdata/tasks. With NBPIPE_CI engine torch runs, too.
func TestTasks(t *testing.T) {
	racetest.Skip(t, "what prepares data and trains is under it in the packages that do so")
	t.Parallel()
	modules := []string{"numpy", "scipy", "sklearn", "h5py"}
	heavy := os.Getenv("NBPIPE_CI") != ""
	if heavy {
		modules = append(modules, "torch")
	}
	python, err := exec.LookPath(pythontest.Find(t, modules...))
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	mirror := taskMirror(t, python, root)
	// python3 is the one that has the modules. A link to that of a virtual environment
	// would leave the environment.
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "python3"), []byte("#!/bin/sh\nexec '"+python+"' \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/tasks",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(filepath.ListSeparator)+e.Getenv("PATH"))
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("NBPIPE_CACHE", filepath.Join(e.WorkDir, ".cache"))
			e.Setenv("NBPIPE_MIRROR", mirror)
			e.Setenv("NBPIPE_OFFLINE", "true")
			e.Setenv("DEVICE", pythontest.Device())
			return os.CopyFS(filepath.Join(e.WorkDir, "tasks"), os.DirFS(filepath.Join(root, "experiments/nb360/tasks")))
		},
		Condition: func(name string) (bool, error) { return name == "heavy" && heavy, nil },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
		},
	})
}

// taskMirror makes the fixtures, and a folder with them under the real names.
func taskMirror(t *testing.T, python, root string) string {
	t.Helper()
	fixtures, mirror := t.TempDir(), t.TempDir()
	for name, fixture := range taskFiles {
		folder := filepath.Join(fixtures, filepath.Dir(fixture))
		if err := os.Mkdir(folder, 0o755); err == nil {
			script := filepath.Join(root, "stages/preprocess", filepath.Dir(fixture), "testdata/fixture.py")
			if out, err := exec.Command(python, script, folder).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", script, err, out)
			}
		}
		if err := os.Rename(filepath.Join(fixtures, fixture), filepath.Join(mirror, name)); err != nil {
			t.Fatal(err)
		}
	}
	return mirror
}
