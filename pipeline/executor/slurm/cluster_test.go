package slurm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/executor/slurm/slurmtest"
	"github.com/nbpipe/nbpipe/stages"
)

// rig is a launcher on a real cluster. Its workers are a program that writes its
// arguments and its environment to a file named by its ID, and sleeps.
type rig struct {
	t       *testing.T
	cluster *slurmtest.Cluster
	dir     string
	told    []string
	launch.Launcher
}

const siteID = "0123456789abcdef"

const program = `#!/bin/sh
echo "$SLURMD_NODENAME $SLURM_RESTART_COUNT $CUDA_VISIBLE_DEVICES" >>"$2/$1.began"
env >"$2/$1.env"
trap 'echo told to end; exit 3' TERM
sleep "$3" & wait $!
echo "$1 ended" >"$2/$1.ended"
`

func newRig(t *testing.T, o slurmtest.Options, s Settings) *rig {
	t.Helper()
	t.Parallel() // each on a cluster of its own
	r := &rig{t: t, cluster: slurmtest.Up(t, o), dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(r.dir, "worker"), []byte(program), 0o700); err != nil {
		t.Fatal(err)
	}
	r.open(s)
	return r
}

// open is what a controller does that begins.
func (r *rig) open(s Settings) {
	r.t.Helper()
	for _, p := range s.Check() {
		r.t.Fatal(p)
	}
	var err error
	r.Launcher, err = s.Launcher(launch.Site{
		ID: siteID, Name: "test", Program: filepath.Join(r.dir, "worker"), Dir: r.dir, Environment: append(r.cluster.Environment(), "SECRET=hunter2"),
		Now: time.Now, Tell: func(m string) { r.told = append(r.told, m) },
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.Launcher.(*launcher).call.limit = 5 * time.Second
}

func (r *rig) begin(seconds int, need stages.Resources, ids ...string) {
	r.t.Helper()
	if err := r.Start(r.t.Context(), r.workers(seconds, need, ids...)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) workers(seconds int, need stages.Resources, ids ...string) []launch.Worker {
	var out []launch.Worker
	for _, id := range ids {
		out = append(out, launch.Worker{ID: id, Args: []string{id, r.dir, fmt.Sprint(seconds)}, Resources: need})
	}
	return out
}

// states are those that the last poll told.
func (r *rig) states() map[string]launch.Status {
	out := map[string]launch.Status{}
	known, err := r.Poll(r.t.Context())
	if err != nil {
		return out
	}
	for _, s := range known {
		out[s.ID] = s
	}
	return out
}

func (r *rig) until(what string, is func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !is(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			queue, _ := r.cluster.Command(context.Background(), "squeue", "-a", "-t", "all").CombinedOutput()
			r.t.Fatalf("%s: not in time; %v; told %q\n%s", what, r.states(), r.told, queue)
		}
	}
}

func (r *rig) untilState(id string, want launch.State) {
	r.t.Helper()
	r.until(id+" is "+string(want), func() bool { return r.states()[id].State == want })
}

// untilRuns waits for the worker itself: Slurm says that a job runs before it begins.
func (r *rig) untilRuns(id string) {
	r.t.Helper()
	r.untilState(id, launch.Running)
	r.until(id+" has begun", func() bool { return r.read(id+".began") != "" })
}

func (r *rig) read(name string) string {
	b, _ := os.ReadFile(filepath.Join(r.dir, name))
	return string(b)
}

func TestWorkersRun(t *testing.T) {
	r := newRig(t, slurmtest.Options{GPUs: 2}, Settings{Slots: 8, CPUs: 1, GRES: "gpu", Prologue: []string{"export GREETING='it is set'"}})
	if err := r.Check(t.Context(), []stages.Resources{{}, {GPUs: 2}, {CPUs: 3.5, Memory: 1 << 30}}); err != nil {
		t.Fatal(err)
	}
	r.begin(0, stages.Resources{}, "a-1", "a-2")
	r.begin(0, stages.Resources{GPUs: 2}, "b-1")
	for _, id := range []string{"a-1", "a-2", "b-1"} {
		r.untilState(id, launch.Ended)
		if got := r.read(id + ".ended"); got != id+" ended\n" {
			t.Errorf("%s: %q", id, got)
		}
	}
	env := r.read("b-1.env")
	if strings.Contains(env, "hunter2") || !strings.Contains(env, "GREETING=it is set") {
		t.Errorf("the worker's environment: %s", env)
	}
	var end int64
	if _, after, ok := strings.Cut(env, "SLURM_JOB_END_TIME="); ok {
		_, _ = fmt.Sscan(after, &end)
	}
	if left := time.Until(time.Unix(end, 0)); left < time.Minute {
		t.Errorf("the job ends in %v, as the worker is told: %s", left, env)
	}
	if !strings.HasSuffix(r.read("b-1.began"), "0,1\n") {
		t.Errorf("GPUs: %q", r.read("b-1.began"))
	}
}

func TestAnotherControllerGoesOn(t *testing.T) {
	s := Settings{Slots: 8, CPUs: 4, GRES: "gpu"}
	r := newRig(t, slurmtest.Options{Machines: 1}, s)
	r.begin(1000, stages.Resources{}, "a", "b")
	r.untilRuns("a")
	r.open(s)
	r.until("why the second one waits", func() bool {
		return r.states()["b"].State == launch.Pending && strings.Contains(r.states()["b"].Reason, "it is next")
	})
	if h := r.states()["a"].Host; h != "n1" {
		t.Errorf("it runs on %q", h)
	}
	if err := r.Cancel(t.Context(), []string{"a", "b", "unknown"}); err != nil {
		t.Fatal(err)
	}
	r.untilState("a", launch.Ended)
	r.untilState("b", launch.Ended)
	// The worker's last words, where it had the time for them; Slurm may still be at it.
	if got := r.states()["a"].Reason; !strings.HasSuffix(got, ": told to end") && got != "it was cancelled" && got != "it ended" {
		t.Errorf("how it ended: %q", got)
	}
	if r.read("b.began") != "" {
		t.Error("the one that waited has begun")
	}
}

// slurmctld dies: polls fail in time, workers go on, and what is asked for meanwhile
// never begins.
func TestSlurmctldDies(t *testing.T) {
	r := newRig(t, slurmtest.Options{}, Settings{Slots: 8, CPUs: 1, GRES: "gpu"})
	r.begin(8, stages.Resources{}, "a")
	r.untilRuns("a")
	r.cluster.KillController()
	r.until("it is noticed", func() bool { _, err := r.Poll(t.Context()); return err != nil })
	began := time.Now()
	if err := r.Start(t.Context(), r.workers(0, stages.Resources{}, "void")); err == nil {
		t.Error("workers were started without a controller")
	}
	if err := r.Cancel(t.Context(), []string{"void"}); err == nil {
		t.Error("cancelled without a controller")
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("calls took %v", took)
	}
	if err := r.cluster.StartController(); err != nil {
		t.Fatal(err)
	}
	r.begin2("b")
	r.untilState("b", launch.Ended)
	r.untilState("a", launch.Ended)
	if r.read("a.ended") == "" || r.read("b.ended") == "" || r.read("void.began") != "" {
		t.Errorf("ended: %q, %q; the void one: %q", r.read("a.ended"), r.read("b.ended"), r.read("void.began"))
	}
	if !slices.ContainsFunc(r.told, func(m string) bool { return strings.Contains(m, "Slurm answers again") }) {
		t.Errorf("told: %q", r.told)
	}
}

// begin2 asks again until it is taken, as whoever starts workers does.
func (r *rig) begin2(id string) {
	n := 0
	r.until("taken", func() bool {
		n++
		return r.Start(r.t.Context(), r.workers(0, stages.Resources{}, id)) == nil
	})
}

// Job numbers are given again after a crash without a saved state: what has them now
// is nobody's of ours, and is left alone.
func TestNumbersAreUsedAgain(t *testing.T) {
	r := newRig(t, slurmtest.Options{}, Settings{Slots: 8, CPUs: 1, GRES: "gpu"})
	r.begin(1000, stages.Resources{}, "a")
	r.untilRuns("a")
	r.cluster.KillController()
	r.cluster.ForgetState()
	if err := r.cluster.StartController(); err != nil {
		t.Fatal(err)
	}
	other := r.cluster.Command(t.Context(), "sbatch", "--parsable", "--array=0-3", "--export=NIL", "--chdir=/", "--output=/dev/null", "--job-name=another", "--wrap=sleep 1000")
	r.until("another job has the number", func() bool { out, err := other.Output(); return err == nil && strings.TrimSpace(string(out)) != "" })
	if err := r.Cancel(t.Context(), []string{"a"}); err != nil {
		t.Fatal(err)
	}
	r.untilState("a", launch.Ended)
	time.Sleep(2 * time.Second)
	out, err := r.cluster.Command(t.Context(), "squeue", "-h", "-r", "-t", "PD,R", "--name=another").Output()
	if n := strings.Count(string(out), "\n"); err != nil || n != 4 {
		t.Errorf("%d of another's 4 jobs are left, %v", n, err)
	}
}

// A machine dies: its worker runs again on another one, without the wait of minutes.
func TestMachineDies(t *testing.T) {
	r := newRig(t, slurmtest.Options{}, Settings{Slots: 8, CPUs: 1, GRES: "gpu", Flags: []string{"--exclude=n2"}})
	r.begin(1000, stages.Resources{}, "a")
	r.untilRuns("a")
	r.cluster.KillMachine(0)
	r.until("it is seen", func() bool { return r.states()["a"].State != launch.Running })
	if err := r.cluster.StartMachine(0); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r.until("it begins again", func() bool { return strings.Count(r.read("a.began"), "\n") == 2 })
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it began again after %v", took)
	}
	r.untilState("a", launch.Running)
}

// slurmd dies: the worker goes on, and is heard of again.
func TestSlurmdDies(t *testing.T) {
	r := newRig(t, slurmtest.Options{}, Settings{Slots: 8, CPUs: 1, GRES: "gpu", Flags: []string{"--exclude=n2"}})
	r.begin(4, stages.Resources{}, "a")
	r.until("it began", func() bool { return r.read("a.began") != "" })
	r.cluster.KillDaemon(0)
	r.until("it ended", func() bool { return r.read("a.ended") != "" })
	if err := r.cluster.StartMachine(0); err != nil {
		t.Fatal(err)
	}
	r.untilState("a", launch.Ended)
}

func TestRefused(t *testing.T) {
	r := newRig(t, slurmtest.Options{GPUs: 2}, Settings{Slots: 8, CPUs: 1, GRES: "gpu"})
	good := Settings{Slots: 8, CPUs: 1, GRES: "gpu"}
	for name, c := range map[string]struct {
		change func(*Settings)
		need   stages.Resources
		want   string
	}{
		"partition":  {func(s *Settings) { s.Partition = "gpus" }, stages.Resources{}, `there is no partition "gpus": set partition in the executor's block to one of long, main, short`},
		"gpus":       {nil, stages.Resources{GPUs: 3}, "a job asks for 3 GPUs, and no machine of partition main has more than 2 (it has gpu:fake)"},
		"model":      {func(s *Settings) { s.GRES = "gpu:a100"; s.GPUs = 1 }, stages.Resources{}, "1 GPUs of model a100, and no machine of partition main has more than 0"},
		"cores":      {nil, stages.Resources{CPUs: 4.5}, "5 cores, and no machine of partition main has more than 4"},
		"memory":     {func(s *Settings) { s.Memory = "1TiB" }, stages.Resources{}, "1048576 MiB of memory"},
		"time":       {func(s *Settings) { s.Partition, s.Time = "short", "1h" }, stages.Resources{}, "partition short ends jobs after 2"},
		"stage time": {func(s *Settings) { s.Time = "1h" }, stages.Resources{Time: 7200}, "a stage may take 120 minutes, and its job is ended after 60"},
		"constraint": {func(s *Settings) { s.Constraint = "nowhere" }, stages.Resources{}, "look at partition, account, qos, constraint and flags"},
		"flags":      {func(s *Settings) { s.Flags = []string{"--nonsense"} }, stages.Resources{}, "look at partition, account"},
	} {
		s := good
		if c.change != nil {
			c.change(&s)
		}
		r.open(s)
		err := r.Check(t.Context(), []stages.Resources{c.need})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %q in it", name, err, c.want)
		}
	}
	out, err := r.cluster.Command(t.Context(), "squeue", "-h", "-t", "all").Output()
	if err != nil || len(out) > 0 {
		t.Errorf("something was queued: %s, %v", out, err)
	}
}

// Workers stay off machines that they are to avoid, also where the user's flags have an
// opinion; that there is no other one is told apart from other refusals.
func TestAvoid(t *testing.T) {
	s := Settings{Slots: 8, CPUs: 1, GRES: "gpu"}
	r := newRig(t, slurmtest.Options{Machines: 3}, s)
	avoid := func(id string, hosts ...string) error {
		w := r.workers(0, stages.Resources{}, id)
		w[0].Avoid = hosts
		return r.Start(t.Context(), w)
	}
	var none *launch.NoMachine
	if err := errors.Join(avoid("a", "n1"), avoid("b", "n1", "n3")); err != nil {
		t.Fatal(err)
	}
	if err := avoid("c", "n1", "n2", "n3"); !errors.As(err, &none) {
		t.Errorf("%v", err)
	}
	s.Flags = []string{"--exclude=n3"}
	r.open(s)
	if err := avoid("d", "n1"); err != nil {
		t.Fatal(err)
	}
	if err := avoid("e", "n1", "n2"); !errors.As(err, &none) {
		t.Errorf("%v", err)
	}
	s.Flags, s.QOS = nil, "no-such"
	r.open(s)
	if err := avoid("f", "n1"); err != nil && errors.As(err, &none) {
		t.Errorf("%v", err)
	}
	for id, host := range map[string]string{"a": "n2", "b": "n2", "d": "n2"} {
		r.until(id+" has ended", func() bool { return r.read(id+".ended") != "" })
		if got := r.read(id + ".began"); !strings.HasPrefix(got, host+" ") || !strings.Contains(r.read(id+".env"), launch.HostVariable+"="+host+"\n") {
			t.Errorf("%s began on %q", id, got)
		}
	}
}

// An exclusive worker has a machine to itself: others wait, though there are free cores.
func TestExclusive(t *testing.T) {
	r := newRig(t, slurmtest.Options{}, Settings{Slots: 8, CPUs: 1, GRES: "gpu"})
	r.begin(5, stages.Resources{Exclusive: true}, "a", "b")
	r.untilRuns("a")
	r.untilRuns("b")
	r.begin(0, stages.Resources{}, "c")
	r.until("c has begun", func() bool { return r.read("c.began") != "" })
	if r.read("a.ended")+r.read("b.ended") == "" {
		t.Error("it began beside an exclusive one")
	}
}
