package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/pipeline/executor/worker"
	"github.com/nbpipe/nbpipe/pipeline/gpu"
)

type workerOptions struct {
	from, queue, id        string
	timeLeft, linger, beat time.Duration
	each                   time.Duration
	most                   int
	whole                  bool // run nothing without a whole sandbox
}

func (a *app) workerCommand() *cobra.Command {
	var o workerOptions
	cmd := &cobra.Command{
		Use:   "worker --from FILE --queue ID",
		Short: "Run what an executor has queued, until there is nothing left (started by executors)",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.worker(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "file with what the worker is told; it holds a private key")
	f.StringVar(&o.queue, "queue", "", "the queue whose actions are run")
	f.StringVar(&o.id, "id", "", "the worker's name")
	f.DurationVar(&o.timeLeft, "time-left", 0, "how long the worker may run; it gives back what it has not finished by then")
	f.DurationVar(&o.each, "each", 0, "how long an action may take: none is begun for which the rest of the worker's job is too short, unless the worker has only just begun")
	f.DurationVar(&o.linger, "linger", 10*time.Second, "how long to wait for more when there is nothing to do")
	f.DurationVar(&o.beat, "beat", 10*time.Second, "how often to give a sign of life")
	f.IntVar(&o.most, "most", 0, "how many actions to run (0: any number)")
	f.BoolVar(&o.whole, "require-sandbox", false, "run nothing where this machine cannot confine commands to what they declare")
	return cmd
}

func (a *app) worker(ctx context.Context, o workerOptions) error {
	if o.from == "" || o.queue == "" || o.id == "" {
		return withCode(exitUsage, errors.New("a worker needs --from, --queue and --id; executors start it with them"))
	}
	if o.beat < 100*time.Millisecond || o.linger < 0 || o.timeLeft < 0 || o.each < 0 || o.most < 0 {
		return withCode(exitUsage, errors.New("--beat is at least 100ms; --linger, --time-left, --each and --most are not negative"))
	}
	// What the launcher left open is this process's alone.
	const launcherFile = 3
	unix.CloseOnExec(launcherFile)
	machine, err := a.settings.machine()
	if err != nil {
		return withCode(exitUsage, err)
	}
	var until time.Time
	if o.timeLeft > 0 {
		until = time.Now().Add(o.timeLeft)
	}
	store := filepath.Join(a.settings.Cache, "worker")
	keep, err := a.settings.workerCache(store)
	if err != nil {
		return withCode(exitUsage, err)
	}
	gpus, err := gpu.Find(ctx, os.Environ())
	if err != nil {
		a.tell(fmt.Sprintf("GPUs could not be listed: %v", err))
	}
	box := a.sandbox("", store)
	var unfit error
	if o.whole {
		unfit = whole(box.Support())
	}
	return withCode(exitStore, worker.Run(ctx, worker.Options{
		File: o.from, Queue: o.queue, ID: o.id, Cache: store, Keep: keep, Kinds: kinds(), Sandbox: box, Unfit: unfit,
		Environment: withoutSecrets(os.Environ()), Memory: machine.Memory, About: about(gpus), GPUs: gpus, Leases: a.settings.leases(), Now: time.Now, Tell: a.tell,
		Beat: o.beat, Linger: o.linger, Until: until, Ends: jobEnd(os.Getenv, time.Now()), Each: o.each, Most: o.most,
	}))
}

// about says what this machine is.
func about(gpus []gpu.Device) queue.Used {
	u := queue.Used{Build: version}
	if u.Host = os.Getenv(launch.HostVariable); u.Host == "" {
		u.Host, _ = os.Hostname()
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		u.System = unix.ByteSliceToString(name.Sysname[:]) + " " + unix.ByteSliceToString(name.Release[:])
	}
	if os.Getenv("SLURM_JOB_ID") != "" {
		u.Host = cmp.Or(os.Getenv("SLURMD_NODENAME"), u.Host)
		u.Job, u.JobHas = slurmJob(os.Getenv)
	}
	if len(gpus) > 0 {
		u.GPU, u.GPUDriver = gpus[0].Model, gpus[0].Driver
	}
	return u
}

// jobEnd is when the Slurm job that this process is in ends; zero where that is not
// known. Source: sbatch(1); where Slurm is too old to tell, the job's script finds out.
func jobEnd(getenv func(string) string, now time.Time) time.Time {
	n, err := strconv.ParseInt(getenv("SLURM_JOB_END_TIME"), 10, 64)
	if end := time.Unix(n, 0); err == nil && getenv("SLURM_JOB_ID") != "" && end.After(now) {
		return end
	}
	return time.Time{}
}

// slurmJob is the job that this process is in, by the number that squeue shows, and what
// Slurm says that it has. Source: sbatch(1), "OUTPUT ENVIRONMENT VARIABLES".
func slurmJob(getenv func(string) string) (job, has string) {
	job = "slurm " + getenv("SLURM_JOB_ID")
	if array := getenv("SLURM_ARRAY_JOB_ID"); array != "" {
		job = "slurm " + array + "_" + getenv("SLURM_ARRAY_TASK_ID")
	}
	var parts []string
	for _, name := range []string{"partition", "account", "qos"} {
		if v := getenv("SLURM_JOB_" + strings.ToUpper(name)); v != "" {
			parts = append(parts, name+" "+v)
		}
	}
	if n, err := strconv.Atoi(getenv("SLURM_CPUS_PER_TASK")); err == nil {
		parts = append(parts, count(n, "core"))
	}
	if n, err := strconv.ParseInt(getenv("SLURM_MEM_PER_NODE"), 10, 32); err == nil {
		parts = append(parts, byteText(n<<20)+" of memory")
	}
	if n, err := strconv.Atoi(getenv("SLURM_GPUS_ON_NODE")); err == nil {
		parts = append(parts, count(n, "GPU"))
	}
	return job, strings.Join(parts, ", ")
}
