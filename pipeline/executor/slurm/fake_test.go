package slurm

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/stages"
)

// fakes are programs in the place of Slurm's: shell scripts, by name.
func fakes(t *testing.T, s Settings, scripts map[string]string) *launcher {
	t.Helper()
	bin := t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	l, err := s.Launcher(launch.Site{ID: siteID, Name: "gpu", Program: "/bin/nbpipe", Dir: t.TempDir(), Environment: []string{"PATH=" + bin + ":/usr/bin:/bin", "SQUEUE_STATES=x"}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return l.(*launcher)
}

var plain = Settings{Slots: 2, CPUs: 1, GRES: "gpu"}

// A controller that is away lets calls hang: they end, with all that they started.
func TestCallsEnd(t *testing.T) {
	l := fakes(t, plain, map[string]string{"squeue": "sleep 1000 & sleep 1000"})
	l.call.limit = 200 * time.Millisecond
	began := time.Now()
	_, err := l.Poll(t.Context())
	var away *NotAnswering
	if !errors.As(err, &away) || time.Since(began) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	if _, again := l.Poll(t.Context()); again == nil || time.Since(began) > 10*time.Second {
		t.Errorf("the next poll: %v", again)
	}
}

func TestErrorsAreToldApart(t *testing.T) {
	exit := exec.Command("false").Run()
	for said, isAway := range map[string]bool{
		"sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)": true,
		"squeue: error: slurm_load_jobs error: Socket timed out on send/recv operation":                    true,
		"sbatch: error: Batch job submission failed: Invalid account or account/partition combination":     false,
		"": false,
	} {
		err := classify("sbatch", said, exit)
		var away *NotAnswering
		var refused *Refused
		if errors.As(err, &away) != isAway || errors.As(err, &refused) == isAway {
			t.Errorf("%q: %T %v", said, err, err)
		}
	}
}

// A submission that is not answered is void, and what Slurm made of it is cancelled.
func TestUnansweredSubmission(t *testing.T) {
	dir := t.TempDir()
	l := fakes(t, plain, map[string]string{
		"sbatch":  `for a; do case $a in --comment=*) echo "7|7|0|PENDING|None||${a#--comment=}" >` + dir + `/queue;; esac; done; sleep 1000`,
		"squeue":  "cat " + dir + "/queue",
		"scancel": `echo "$@" >>` + dir + "/cancelled",
	})
	l.call.limit = 300 * time.Millisecond
	err := l.Start(t.Context(), []launch.Worker{{ID: "a", Args: []string{"worker"}}})
	if err == nil || !strings.Contains(err.Error(), `executor "gpu": Slurm does not answer`) {
		t.Fatal(err)
	}
	got, err := l.Poll(t.Context())
	if err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	b, err := os.ReadFile(dir + "/cancelled")
	if err != nil || string(b) != "--quiet --name=nbpipe-"+siteID+" 7_0\n" {
		t.Errorf("cancelled: %q, %v", b, err)
	}
	for id := range l.batches {
		if _, err := os.Stat(l.batchPath(id, voidSuffix)); err != nil {
			t.Error(err)
		}
	}
}

func TestRefusedSubmission(t *testing.T) {
	l := fakes(t, plain, map[string]string{"sbatch": "echo 'sbatch: error: Invalid qos' >&2; exit 1"})
	err := l.Start(t.Context(), []launch.Worker{{ID: "a"}})
	if err == nil || err.Error() != `executor "gpu": sbatch: Invalid qos` || len(l.batches) != 0 {
		t.Errorf("%v; %d batches", err, len(l.batches))
	}
}

func TestNoSlurm(t *testing.T) {
	l := fakes(t, plain, nil)
	l.site.Environment = []string{"PATH=/nowhere"}
	err := l.Check(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "sbatch is not on the PATH") {
		t.Error(err)
	}
}

// Polls of a queue in which nothing changes get rarer, up to a limit.
func TestPollsGetRarer(t *testing.T) {
	var p poller
	now := time.Unix(0, 0)
	var pauses []time.Duration
	for range 20 {
		p.answered(now, nil, func(string) {})
		pauses = append(pauses, p.pause)
		now = now.Add(p.pause)
		if !p.due(now) {
			t.Fatal("not due after its pause")
		}
	}
	if pauses[0] != shortest || pauses[19] != longest {
		t.Errorf("%v", pauses)
	}
	for range 10 {
		p.failed(now, errors.New("away"))
	}
	if p.pause != longestAway {
		t.Errorf("while it is away: %v", p.pause)
	}
}

// The script is run by a shell: words come through as they are, and nothing in them
// is run.
func TestScript(t *testing.T) {
	s := plain
	s.Prologue = []string{"X=set"}
	s.Program = "/bin/echo"
	l := fakes(t, s, nil)
	words := []string{"a b", "'", "$(touch /tmp/never)", "`x`", "*", "", "\\"}
	b := newBatch([]launch.Worker{{ID: "x"}, {ID: "y"}}, time.Now())
	script := l.script(b, [][]string{{"no"}, words})
	cmd := exec.Command("bash", "-s")
	cmd.Stdin = strings.NewReader(script)
	cmd.Env = []string{"SLURM_ARRAY_TASK_ID=1", "PATH=/usr/bin:/bin"}
	out, err := cmd.CombinedOutput()
	if want := strings.Join(words, " ") + "\n"; err != nil || string(out) != want {
		t.Errorf("%q, %v, want %q\n%s", out, err, want, script)
	}
	if err := l.annul(b, 1); err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command("bash", "-c", script)
	cmd.Env = []string{"SLURM_ARRAY_TASK_ID=1", "PATH=/usr/bin:/bin"}
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("a cancelled worker: %q, %v", out, err)
	}
}

func TestSettings(t *testing.T) {
	for name, c := range map[string]struct {
		s    Settings
		want string
	}{
		"slots":     {Settings{Slots: 0, CPUs: 1}, "slots"},
		"cores":     {Settings{Slots: 1, CPUs: 0}, "cpus"},
		"memory":    {Settings{Slots: 1, CPUs: 1, Memory: "much"}, "memory"},
		"time":      {Settings{Slots: 1, CPUs: 1, Time: "1s"}, "time"},
		"partition": {Settings{Slots: 1, CPUs: 1, Partition: "a b"}, "partition"},
		"ours":      {Settings{Slots: 1, CPUs: 1, Flags: []string{"--export=ALL"}}, "flags"},
		"no flag":   {Settings{Slots: 1, CPUs: 1, Flags: []string{"script.sh"}}, "flags"},
		"lines":     {Settings{Slots: 1, CPUs: 1, Modules: []string{"a\nb"}}, "prologue"},
		"program":   {Settings{Slots: 1, CPUs: 1, Program: "nbpipe"}, "program"},
		"good":      {Settings{Slots: 1000, CPUs: 1, Memory: "4GiB", Time: "1d12h", GRES: "gpu:a100", Flags: []string{"--reservation=x"}}, ""},
	} {
		got := ""
		for _, p := range c.s.Check() {
			got += p.Attribute
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	s := Settings{CPUs: 2, Memory: "1GiB", Time: "90m", GPUs: 1}
	if got := s.request(stages.Resources{CPUs: 2.5, Memory: 1<<20 + 1}); got != (request{cpus: 3, memory: 2, gpus: 1, minutes: 90}) {
		t.Errorf("%+v", got)
	}
}

// What would take jobs out of nbpipe's sight is refused in each spelling that sbatch takes;
// what only looks like it is not.
func TestFlags(t *testing.T) {
	for f, refused := range map[string]bool{
		"-J": true, "-Jmine": true, "--job-name=mine": true, "--job-name": true, "--job=mine": true, "--j=x": true, "-sJmine": true, "-vvJ": true,
		"--comment=x": true, "--com=x": true, "--array=0-9": true, "--arr=1": true, "-a0-9": true, "-Oa1": true, "--output=x": true, "--out=x": true, "-o/tmp/x": true,
		"--export=ALL": true, "--exp=ALL": true, "--export-file=x": true, "-e/tmp/x": true, "--err=x": true, "-D/tmp": true, "-H": true, "--wait": true, "-W": true,
		"--no-requeue": true, "--wrap=true": true, "-Mother": true, "--cluster=other": true, "--uid=0": true, "-Q": true, "-vQ": true, "--vers": true, "--": true, "-": true, "": true,
		"script": true, "--parsable": true, "--test": true,
		"--begin=now+1hour": false, "-bnow": false, "--exclude=n1": false, "-xJ1": false, "-pJa": false, "-AeJ": false, "--exclusive": false, "--reservation=course": false,
		"--requeue": false, "--mail-user=anna": false, "--wait-all-nodes=1": false, "--nice=10": false, "-s": false, "-Ca": false, "-v": false,
	} {
		s := plain
		s.Flags = []string{f}
		if got := s.Check(); len(got) > 0 != refused {
			t.Errorf("%q: %v", f, got)
		}
	}
}

// Jobs that ran, and whose machine failed, begin again at once, all of them by one call;
// those that have not run yet begin when their user said.
func TestBeginsAgain(t *testing.T) {
	dir := t.TempDir()
	l := fakes(t, plain, map[string]string{
		"sbatch":   "echo 7",
		"squeue":   "cat " + dir + "/queue",
		"scontrol": `echo "$@" >>` + dir + "/calls",
	})
	l.Settings.Slots = 3
	if err := l.Start(t.Context(), []launch.Worker{{ID: "a"}, {ID: "b"}, {ID: "c"}}); err != nil {
		t.Fatal(err)
	}
	comment := ""
	for id := range l.batches {
		comment = l.comment(id)
	}
	poll := func(states ...string) string {
		t.Helper()
		var queue string
		for i, s := range states {
			queue += fmt.Sprintf("%d|7|%d|%s||%s\n", 8+i, i, s, comment)
		}
		if err := os.WriteFile(dir+"/queue", []byte(queue), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(dir + "/calls")
		l.poll.hurry()
		if _, err := l.Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
		b, _ := os.ReadFile(dir + "/calls")
		return string(b)
	}
	const waits, runs = "PENDING|BeginTime", "RUNNING|None"
	if got := poll(waits, waits, waits); got != "" {
		t.Errorf("of jobs that never ran: %q", got)
	}
	if got := poll(runs, runs, waits); got != "" {
		t.Errorf("while they run: %q", got)
	}
	if got := poll(waits, waits, waits); got != "update JobId=8,9 StartTime=now\n" {
		t.Errorf("after they ran: %q", got)
	}
}

func TestExcluding(t *testing.T) {
	for _, c := range []struct{ flags, avoid, want string }{
		{"--a --exclude=n1", "", "--a --exclude=n1"},
		{"--a", "n1 n2", "--a --exclude=n1,n2"},
		{"--exclude=n[3-5] --b=1", "n1", "--b=1 --exclude=n[3-5],n1"},
		{"-xn3", "n1", "--exclude=n3,n1"},
		{"--exclud=n3 --exclusive", "n1", "--exclusive --exclude=n3,n1"},
		{"--exclude=/home/anna/bad", "n1", "--exclude=/home/anna/bad"},
	} {
		got := strings.Join(excluding(strings.Fields(c.flags), strings.Fields(c.avoid)), " ")
		if got != c.want {
			t.Errorf("%v: %q", c, got)
		}
	}
}

// A model that a stage asks for is looked for among the types that a partition has.
func TestTypesOfGPUs(t *testing.T) {
	two := []string{"main*|up|infinite|2|idle|4|4000|gpu:a100:4(S:0-1)|a", "main*|up|infinite|1|idle|4|4000|gpu:v100:2,gpu:a100_80gb:8|a"}
	for name, c := range map[string]struct {
		gres  string
		sinfo []string
		need  stages.Resources
		want  string // what Slurm is asked for, or in the error
	}{
		"by its type":       {"gpu", two, stages.Resources{GPUs: 1, GPUModel: "Tesla V100"}, "gpu:v100"},
		"the same":          {"gpu", two, stages.Resources{GPUs: 1, GPUModel: "NVIDIA A100"}, "gpu:a100"},
		"enough on one":     {"gpu", two, stages.Resources{GPUs: 8, GPUModel: "NVIDIA A100"}, "gpu:a100_80gb"},
		"more than any has": {"gpu", two, stages.Resources{GPUs: 9, GPUModel: "NVIDIA A100"}, "9 GPUs of model a100, and no machine of partition main has more than 4"},
		"another":           {"gpu", two, stages.Resources{GPUs: 1, GPUModel: "H100"}, `those of partition main are gpu:a100, gpu:a100_80gb, gpu:v100: choose another partition, or, if one of these is that model by another name, say so: gres = "gpu:a100"`},
		"said by the block": {"gpu:v100", two, stages.Resources{GPUs: 1, GPUModel: "H100"}, "gpu:v100"},
		"none asked for":    {"gpu", two, stages.Resources{GPUs: 1}, "gpu"},
		"no types":          {"gpu", []string{"main*|up|infinite|2|idle|4|4000|gpu:4|a"}, stages.Resources{GPUs: 1, GPUModel: "H100"}, "gpu"},
		"some without":      {"gpu", append([]string{"main*|up|infinite|2|idle|4|4000|gpu:1|a"}, two...), stages.Resources{GPUs: 1, GPUModel: "H100"}, "gpu"},
		"no GPU":            {"gpu", []string{"main*|up|infinite|2|idle|4|4000|(null)|a"}, stages.Resources{GPUs: 1, GPUModel: "H100"}, "no machine of partition main has more than 0"},
		"another partition": {"gpu", append([]string{"old|up|infinite|2|idle|4|4000|gpu:h100:1|a"}, two...), stages.Resources{GPUs: 1, GPUModel: "H100"}, "choose another partition"},
	} {
		t.Run(name, func(t *testing.T) {
			s := plain
			s.GRES = c.gres
			dir := t.TempDir()
			l := fakes(t, s, map[string]string{
				"sinfo": "cat <<'END'\n" + strings.Join(c.sinfo, "\n") + "\nEND\n", "squeue": "", "scancel": "", "scontrol": "", "sbatch": `echo "$@" >>` + dir + "/asked; echo 7",
			})
			err := l.Check(t.Context(), []stages.Resources{c.need})
			if err != nil {
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
				return
			}
			if err := l.Start(t.Context(), []launch.Worker{{ID: "a", Resources: c.need}}); err != nil {
				t.Fatal(err)
			}
			b, _ := os.ReadFile(dir + "/asked")
			if n := strings.Count(string(b), " --gres="+c.want+":1 ") + strings.Count(string(b), " --gres="+c.want+":8 "); n != 2 { // test-only, and in earnest
				t.Errorf("%d times %q is in %s", n, c.want, b)
			}
		})
	}
}
