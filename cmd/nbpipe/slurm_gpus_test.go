package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor/slurm/slurmtest"
)

const gpuExperiment = `
settings {
  executor = executor.cluster
}
variable "model" {
  default = "none"
}
executor "slurm" "cluster" {
  slots    = 4
  memory   = "64MiB"
  prologue = ["export HOME=HOMEFOLDER NBPIPE_CACHE=HOMEFOLDER/$SLURMD_NODENAME PATH=HOMEFOLDER/bin:$PATH"]
}
command "run" "a" {
  argv    = ["sh", "-c", "echo $CUDA_VISIBLE_DEVICES > out"]
  outputs = { out = "out" }
  resources {
    gpus      = 1
    gpu_model = var.model
  }
}
`

// gpuUser has a cluster whose machines have a T4, and an A100, as nvidia-smi says.
func gpuUser(t *testing.T, types ...string) *slurmUser {
	u := newSlurmUser(t, slurmProgram(t), slurmtest.Up(t, slurmtest.Options{GPUs: 1, Types: types}))
	u.folderStore()
	for name, text := range map[string]string{
		"main.hcl":       strings.ReplaceAll(gpuExperiment, "HOMEFOLDER", u.home),
		"bin/nvidia-smi": "#!/bin/sh\ncase $SLURMD_NODENAME in n1) m='Tesla T4' ;; *) m='NVIDIA A100-SXM4-80GB' ;; esac\necho \"0, GPU-$SLURMD_NODENAME, $m, 550.54.15, 81920\"\n",
	} {
		path := filepath.Join(u.home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	u.must("trust", u.home, "--yes")
	return u
}

func (u *slurmUser) runsOn(model, want string) {
	u.t.Helper()
	if out := u.must("run", u.home, "--var", "model="+model); !strings.Contains(out, "1 node: 1 ran") {
		u.t.Errorf("%s", out)
	}
	if out := u.must("show", u.home, "command.a", "--var", "model="+model); !strings.Contains(out, "machine.gpu: "+want) {
		u.t.Errorf("%s: %s", model, out)
	}
}

// fails runs the experiment with a model that is not there.
func (u *slurmUser) fails(model string, want ...string) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), 2*time.Minute)
	defer cancel()
	out, err := u.command(ctx, "run", u.home, "--var", "model="+model).CombinedOutput()
	for _, w := range want {
		if err == nil || !strings.Contains(string(out), w) {
			u.t.Errorf("%q is not in %v\n%s", w, err, out)
		}
	}
}

// jobs are those that were ever submitted, as far as Slurm remembers.
func (u *slurmUser) jobs() int {
	u.t.Helper()
	out, err := u.cluster.Command(u.t.Context(), "squeue", "-h", "-r", "-t", "all", "-o", "%i").Output()
	if err != nil {
		u.t.Fatal(err)
	}
	return strings.Count(string(out), "\n")
}

// The model that a stage asks for chooses among the types of a partition's GPUs.
func TestSlurmTypedGPUs(t *testing.T) {
	u := gpuUser(t, "t4", "a100")
	u.fails("H100", "a stage asks for a GPU of model H100 (gpu_model), and those of partition main are gpu:a100, gpu:t4: choose another partition, or", `gres = "gpu:a100" in the executor's block`)
	if n := u.jobs(); n != 0 {
		t.Errorf("%d jobs were submitted", n)
	}
	u.runsOn("nvidia a100", "NVIDIA A100-SXM4-80GB")
	if n := u.jobs(); n != 1 {
		t.Errorf("%d jobs for one action", n)
	}
	u.runsOn("Tesla T4", "Tesla T4")
	if n := u.jobs(); n != 2 {
		t.Errorf("%d jobs for two actions", n)
	}
}

// Where GPUs have no types the worker looks, and another machine gets the action.
func TestSlurmUntypedGPUs(t *testing.T) {
	u := gpuUser(t, "-", "-")
	u.runsOn("A100", "NVIDIA A100-SXM4-80GB")
	if n := u.jobs(); n != 2 {
		t.Errorf("%d jobs, and the first machine has another model", n)
	}
	u.runsOn("T4", "Tesla T4")
	u.fails("H100", "it could not be run. On n1: it asks for 1 of model H100 (gpu_model), and of this machine's GPUs 0 are: there are Tesla T4. On n2: ", "there are NVIDIA A100-SXM4-80GB",
		"There is no other machine for it: Slurm says: ", "Choose machines that are fit for it in the executor's block")
}
