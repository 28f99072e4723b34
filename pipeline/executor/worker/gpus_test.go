package worker_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/pipeline/executor/worker"
	"github.com/nbpipe/nbpipe/pipeline/gpu"
	"github.com/nbpipe/nbpipe/pipeline/gpu/lease"
	"github.com/nbpipe/nbpipe/stages"
)

// gpuRig is a rig of a machine with GPUs; other is another process on it. Stages fail,
// and tell what GPUs they had.
func gpuRig(t *testing.T) (r *rig, other *lease.Folder) {
	t.Helper()
	r = newRig(t)
	folder := filepath.Join(r.dir, "gpus")
	r.config.GPUs = []gpu.Device{{ID: "0", UUID: "GPU-a", Model: "Tesla T4"}, {ID: "1", UUID: "GPU-b", Model: "NVIDIA A100"}, {ID: "2", UUID: "GPU-c", Model: "NVIDIA A100"}}
	r.config.Leases = lease.New(folder, "", time.Now)
	r.config.Executor = stage(func(_ context.Context, a *executor.Action, _ stages.Progress) error {
		return fmt.Errorf("it ran on %s", strings.Join(gpu.IDs(a.GPUs), ","))
	})
	return r, lease.New(folder, "", time.Now)
}

func (r *rig) askGPUs(res stages.Resources) queue.Attempt {
	r.t.Helper()
	a := executortest.Script(r.t, fmt.Sprintf("# %+v", res), nil)
	a.Resources, a.Ingredients.GPUModel = res, res.GPUModel
	p, err := a.Ingredients.Preimage()
	r.must(err)
	a.Key = p.Key()
	return r.ask(a, nil)
}

// A stage gets as many GPUs as it asks for, of its model, and none that another process
// has.
func TestGPUsThatAreFree(t *testing.T) {
	for name, c := range map[string]struct {
		others int // the first so many are another process's
		ask    stages.Resources
		alone  bool // nobody else uses the GPUs
		want   string
	}{
		"none":                  {0, stages.Resources{}, false, ""},
		"one":                   {0, stages.Resources{GPUs: 1}, false, "0"},
		"the first is taken":    {1, stages.Resources{GPUs: 1}, false, "1"},
		"two":                   {1, stages.Resources{GPUs: 2}, false, "1,2"},
		"a model":               {0, stages.Resources{GPUs: 1, GPUModel: "A100"}, false, "1"},
		"a model, one taken":    {2, stages.Resources{GPUs: 1, GPUModel: "A100"}, false, "2"},
		"a share":               {2, stages.Resources{GPUs: 1, GPUShare: 0.5}, false, "2"},
		"in a scheduler's job":  {3, stages.Resources{GPUs: 2}, true, "0,1"},
		"more than there are":   {0, stages.Resources{GPUs: 8}, false, "0,1,2"}, // the launcher's concern
		"none, others have all": {3, stages.Resources{}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, other := gpuRig(t)
			_, err := other.Take(c.others, r.config.GPUs)
			r.must(err)
			if c.alone {
				r.config.Leases = nil
			}
			attempt := r.askGPUs(c.ask)
			r.drain()
			if got := r.result(attempt); got.State != queue.Failed || got.Error != "it ran on "+c.want {
				t.Errorf("%+v; want %s", got, c.want)
			}
			if c.alone {
				return
			}
			if _, err := other.Take(3-c.others, r.config.GPUs[c.others:]); err != nil {
				t.Errorf("what it had is not given back: %v", err)
			}
		})
	}
}

// While it waits for a GPU, a worker lives, and says why it does not begin.
func TestGPUsAreWaitedFor(t *testing.T) {
	r, other := gpuRig(t)
	held, err := other.Take(3, r.config.GPUs)
	r.must(err)
	attempt := r.askGPUs(stages.Resources{GPUs: 2})
	go func() {
		r.until("it says why it waits, and lives", func() bool {
			c, err := r.queue.Claimed(context.Background(), attempt)
			return err == nil && strings.Contains(c.Waits, "it waits for a GPU that another nbpipe of yours uses") && c.Beat > 5
		})
		for _, l := range held {
			l.Release()
		}
	}()
	r.drain()
	if got := r.result(attempt); got.Error != "it ran on 0,1" {
		t.Errorf("%+v", got)
	}
}

// What waits can be cancelled, and is given back when the worker's time is over.
func TestGPUsAreWaitedForNoLonger(t *testing.T) {
	for want, end := range map[queue.State]func(r *rig, a queue.Attempt, stop func()){
		queue.Cancelled: func(r *rig, a queue.Attempt, _ func()) { _ = r.as(r.user.Private).Cancel(context.Background(), a) },
		queue.Left:      func(_ *rig, _ queue.Attempt, stop func()) { stop() },
	} {
		t.Run(string(want), func(t *testing.T) {
			r, other := gpuRig(t)
			_, err := other.Take(3, r.config.GPUs)
			r.must(err)
			attempt := r.askGPUs(stages.Resources{GPUs: 1})
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			go func() {
				r.until("it waits", func() bool {
					c, err := r.queue.Claimed(context.Background(), attempt)
					return err == nil && c.Waits != ""
				})
				end(r, attempt, stop)
			}()
			r.must(worker.New(r.config).Drain(ctx))
			if got := r.result(attempt); got.State != want {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A machine on which it cannot be known who uses GPUs is not fit for stages that do.
func TestNoFolderForLeases(t *testing.T) {
	r, _ := gpuRig(t)
	r.config.Leases = lease.New("/dev/null/gpus", "", time.Now)
	attempt := r.askGPUs(stages.Resources{GPUs: 1})
	r.drain()
	if got := r.result(attempt); got.State != queue.Unfit || !strings.Contains(got.Error, "gpu_leases") {
		t.Errorf("%+v", got)
	}
}
