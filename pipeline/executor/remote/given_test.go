package remote_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/stages"
)

// giving is a launcher that gives each action a GPU.
type giving struct{ launch.Launcher }

func (giving) Given(need stages.Resources) stages.Resources {
	need.GPUs = max(need.GPUs, 1)
	return need
}

// GPUs that the executor's block says are the stage's, also where the stage asks for
// none; its key is the same.
func TestGivenByTheBlock(t *testing.T) {
	t.Parallel()
	u := newUser(t, folderPlace(t))
	x := u.open(t, giving{u.processes(t, 1)})
	mark := filepath.Join(t.TempDir(), "mark")
	a := executortest.Script(t, `echo "GPU $CUDA_VISIBLE_DEVICES" > `+mark+`; echo > out`, nil)
	if err := executeOne(t, x, a); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(mark); err != nil || string(b) != "GPU 0\n" {
		t.Errorf("%q, %v", b, err)
	}
	e, err := u.config.Local.Lookup(t.Context(), a.Key)
	if err != nil || e == nil || e.Record.Facts["asked.gpus"] != "1" {
		t.Errorf("%+v, %v", e, err)
	}
}
