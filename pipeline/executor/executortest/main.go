package executortest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/pipeline/executor/worker"
	"github.com/nbpipe/nbpipe/pipeline/gpu"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/command"
	"github.com/nbpipe/nbpipe/stages/sandbox"
)

// Environment variables of Main's workers.
const (
	// Unconfined names the machines, with commas between, that have no sandbox.
	Unconfined = "EXECUTORTEST_UNCONFINED"
	// Required has them run nothing, if it is set.
	Required = "EXECUTORTEST_REQUIRED"
)

// TimeVariable is the environment variable with the time of Main's workers.
const TimeVariable = "NBPIPE_TEST_WORKER_TIME"

// Main is the TestMain of a package whose launchers start its test program as the
// worker: worker FILE QUEUE ID CACHE. Each machine has a GPU whose model is the
// machine's name, so that an action can ask for a machine. TimeVariable says how long a
// worker has.
func Main(m *testing.M) {
	if len(os.Args) < 2 || os.Args[1] != "worker" {
		Patient()
		os.Exit(m.Run())
	}
	unix.CloseOnExec(3)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var until time.Time
	if d, err := time.ParseDuration(os.Getenv(TimeVariable)); err == nil {
		until = time.Now().Add(d)
	}
	host := os.Getenv(launch.HostVariable)
	var box *sandbox.Sandbox
	var unfit error
	if unconfined := strings.Split(os.Getenv(Unconfined), ","); slices.Contains(unconfined, host) {
		box = &sandbox.Sandbox{Probe: func() sandbox.Support { return sandbox.Support{} }}
		if os.Getenv(Required) != "" {
			unfit = errors.New("not enforced on this machine: everything")
		}
	}
	err := worker.Run(ctx, worker.Options{
		File: os.Args[2], Queue: os.Args[3], ID: os.Args[4], Cache: os.Args[5], Kinds: stages.NewRegistry(command.Kind),
		Environment: os.Environ(), Now: time.Now, Tell: func(m string) { fmt.Println(m) }, Beat: 200 * time.Millisecond, Linger: 3 * time.Second, Until: until,
		About: queue.Used{Host: host}, GPUs: []gpu.Device{{ID: "0", Model: host}}, Sandbox: box, Unfit: unfit,
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
