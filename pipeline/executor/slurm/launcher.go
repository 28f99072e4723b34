package slurm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/stages"
)

// Launcher implements launch.Settings.
func (s *Settings) Launcher(site launch.Site) (launch.Launcher, error) {
	dir := filepath.Join(site.Dir, "slurm")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("executor %q: making the jobs' folder: %w", site.Name, err)
	}
	if strings.ContainsAny(dir, lineBreaks+"%\\") {
		return nil, fmt.Errorf("executor %q: the folder %q has a character in its name with which Slurm cannot write logs there: use another folder", site.Name, dir)
	}
	batches, err := readBatches(dir)
	if err != nil {
		return nil, fmt.Errorf("executor %q: %w", site.Name, err)
	}
	return &launcher{Settings: *s, site: site, dir: dir, batches: batches, types: map[wanted]string{}, call: &programs{site.Environment, callLimit}}, nil
}

type launcher struct {
	Settings
	site launch.Site
	dir  string
	call *programs

	typesLock sync.Mutex
	types     map[wanted]string // what to ask for, for a model of GPUs

	mu      sync.Mutex
	batches map[string]*batch
	poll    poller
}

// Given implements launch.Giver: GPUs of the block are the stage's. How many cores it
// uses and what memory ends it remains as in its file: on other machines, too.
func (l *launcher) Given(need stages.Resources) stages.Resources {
	need.GPUs = l.request(need).gpus
	return need
}

// Slots implements launch.Launcher.
func (l *launcher) Slots() int { return l.Settings.Slots }

// Close implements launch.Launcher.
func (l *launcher) Close() error { return nil }

// Start implements launch.Launcher. Workers with the same needs are one array.
func (l *launcher) Start(ctx context.Context, workers []launch.Worker) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var submitted []*batch
	for _, group := range alike(workers) {
		b, err := l.submit(ctx, group)
		if err != nil {
			for _, b := range submitted { // none begins
				err = errors.Join(err, l.takeBack(b))
			}
			return fmt.Errorf("executor %q: %w", l.site.Name, err)
		}
		submitted = append(submitted, b)
	}
	l.poll.hurry()
	return nil
}

// alike groups workers that ask for the same, in the order in which they come.
func alike(workers []launch.Worker) [][]launch.Worker {
	var out [][]launch.Worker
	type ask struct {
		stages.Resources
		avoid string
	}
	place := map[ask]int{}
	for _, w := range workers {
		a := ask{w.Resources, strings.Join(w.Avoid, ",")}
		i, ok := place[a]
		if !ok || len(out[i]) == maxSlots {
			i = len(out)
			place[a] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], w)
	}
	return out
}

// submit asks Slurm for jobs. An answer that does not come leaves open whether it has
// them: the batch is void then, and its jobs end when they begin.
func (l *launcher) submit(ctx context.Context, workers []launch.Worker) (*batch, error) {
	b := newBatch(workers, l.site.Now())
	if err := l.write(b); err != nil {
		return nil, err
	}
	var args [][]string
	for _, w := range workers {
		args = append(args, w.Args)
	}
	options := append(l.options(workers[0].Resources, workers[0].Avoid), "--comment="+l.comment(b.ID), fmt.Sprintf("--array=0-%d", len(workers)-1), "--output="+l.logPath(b, "%a"))
	out, err := l.call.run(ctx, l.script(b, args), "sbatch", options...)
	if err == nil {
		b.Job, err = parseJob(out)
	}
	var refused *Refused
	if errors.As(err, &refused) {
		l.forget(b)
		if len(workers[0].Avoid) > 0 && strings.Contains(refused.Detail, noMachine) {
			return nil, &launch.NoMachine{Detail: "Slurm says: " + refused.Detail}
		}
		return nil, err
	}
	l.batches[b.ID] = b
	if err != nil {
		return nil, errors.Join(err, l.takeBack(b))
	}
	return b, l.write(b)
}

// noMachine is what sbatch says where no machine that is left has what a job asks for.
const noMachine = "Requested node configuration is not available"

// takeBack makes a batch void. What of it is in the queue is cancelled by the next
// poll that sees it.
func (l *launcher) takeBack(b *batch) error {
	b.void = true
	l.poll.hurry()
	return l.annul(b, -1)
}

// Cancel implements launch.Launcher. Jobs that Slurm does not know yet, or tells
// nothing about, end when they begin.
func (l *launcher) Cancel(ctx context.Context, ids []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	var errs []error
	for _, b := range l.batches {
		for i, id := range b.Workers {
			if wanted[id] {
				errs = append(errs, l.annul(b, i))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("executor %q: %w", l.site.Name, err)
	}
	tasks, err := l.ask(ctx)
	if err != nil {
		return fmt.Errorf("executor %q: %w", l.site.Name, err)
	}
	var jobs []string
	for _, t := range tasks {
		b, ok := l.batchOf(t.comment)
		if ok && t.index < len(b.Workers) && wanted[b.Workers[t.index]] && ends[t.state] == "" {
			jobs = append(jobs, t.name())
		}
	}
	l.poll.hurry()
	return l.scancel(ctx, jobs)
}

// name is by what scancel knows a task.
func (t task) name() string { return t.array + "_" + strconv.Itoa(t.index) }

// scancel cancels jobs, if they still have the site's name: their numbers may be
// another's by now.
func (l *launcher) scancel(ctx context.Context, jobs []string) error {
	const atATime = 200
	for len(jobs) > 0 {
		n := min(atATime, len(jobs))
		_, err := l.call.run(ctx, "", "scancel", append([]string{"--quiet", "--name=" + l.jobName()}, jobs[:n]...)...)
		var refused *Refused
		if err != nil && !errors.As(err, &refused) { // refused: it has ended meanwhile
			return fmt.Errorf("executor %q: %w", l.site.Name, err)
		}
		jobs = jobs[n:]
	}
	return nil
}

// ask has squeue tell about all jobs of the site, also those that ended lately.
func (l *launcher) ask(ctx context.Context) ([]task, error) {
	out, err := l.call.run(ctx, "", "squeue", "--noheader", "--array", "--states=all", "--user="+strconv.Itoa(os.Getuid()), "--name="+l.jobName(), "--format="+queueFormat)
	if err != nil {
		return nil, err
	}
	return parseQueue(out)
}

// Poll implements launch.Launcher. It asks Slurm seldom where nothing changes, and
// tells what it knows in between.
func (l *launcher) Poll(ctx context.Context) ([]launch.Status, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.poll.due(l.site.Now()) {
		return l.poll.known, l.poll.err
	}
	before := l.site.Now()
	tasks, err := l.ask(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		l.poll.failed(l.site.Now(), err)
		return nil, l.poll.err
	}
	l.follow(ctx, tasks)
	l.poll.answered(l.site.Now(), l.statuses(tasks, before), l.tell)
	return l.poll.known, nil
}

func (l *launcher) tell(message string) {
	if l.site.Tell != nil {
		l.site.Tell(fmt.Sprintf("executor %q: %s", l.site.Name, message))
	}
}

// follow cancels what is void or stuck, and has jobs of failed machines begin again at once:
// Slurm waits two minutes. What of it fails is tried at the next poll. A job that never ran
// has a reason of its user's to begin later, such as --begin in flags.
func (l *launcher) follow(ctx context.Context, tasks []task) {
	const most = 100 // jobs of a call
	var void, again []string
	for _, t := range tasks {
		b, ok := l.batchOf(t.comment)
		switch {
		case !ok || ends[t.state] != "":
		case b.void || stuck(t):
			void = append(void, t.name())
		case t.state == "PENDING" && t.reason == "BeginTime":
			if b.ran[t.index] && len(again) < most {
				again = append(again, t.job)
			}
		case !waits[t.state]:
			if b.ran == nil {
				b.ran = map[int]bool{}
			}
			b.ran[t.index] = true
		}
	}
	if len(again) > 0 {
		_, _ = l.call.run(ctx, "", "scontrol", "update", "JobId="+strings.Join(again, ","), "StartTime=now")
	}
	_ = l.scancel(ctx, void)
}

// stuck reports whether a job waits for an administrator: a start of it failed, by a
// machine that was broken or that already had the job when slurmctld came back from
// a crash. Another worker takes its place.
func stuck(t task) bool {
	reason := strings.ReplaceAll(t.reason, " ", "_")
	return t.state == "PENDING" && (reason == "launch_failed_requeued_held" || reason == "JobHeldAdmin") || t.state == "REQUEUE_HOLD"
}

// patience is how long a batch that Slurm does not know is kept: sbatch may still be
// on its way.
const patience = 2 * time.Minute

// statuses says where the workers stand. Those of which Slurm knows nothing any more
// have ended: it forgets jobs after a while, or lost them in a crash.
func (l *launcher) statuses(tasks []task, asked time.Time) []launch.Status {
	seen := map[string]map[int]task{}
	for _, t := range tasks {
		b, ok := l.batchOf(t.comment)
		if !ok || t.index >= len(b.Workers) {
			continue
		}
		if seen[b.ID] == nil {
			seen[b.ID] = map[int]task{}
		}
		// After a crash of Slurm there may be two jobs with one comment: the one that has not ended counts.
		if old, twice := seen[b.ID][t.index]; !twice || ends[old.state] != "" {
			seen[b.ID][t.index] = t
		}
	}
	var out []launch.Status
	for _, b := range l.sortedBatches() {
		over := true
		for i, id := range b.Workers {
			t, ok := seen[b.ID][i]
			st := l.status(b, id, t, ok)
			over = over && st.State == launch.Ended
			if !b.void {
				out = append(out, st)
			}
		}
		if over && asked.Sub(b.Asked) > patience {
			l.forget(b)
		}
	}
	return out
}

func (l *launcher) status(b *batch, id string, t task, known bool) launch.Status {
	switch {
	case !known:
		return launch.Status{ID: id, State: launch.Ended, Reason: launch.LastWordsIn(l.logPath(b, strconv.Itoa(indexOf(b, id))))}
	case ends[t.state] != "":
		reason := ends[t.state]
		switch words := launch.LastWordsIn(l.logPath(b, strconv.Itoa(t.index))); {
		case t.state == "COMPLETED":
		case words != "":
			reason += ": " + words
		case t.state == "FAILED":
			reason += " and wrote nothing to " + l.dir + ", which has to be there on all machines"
		}
		return launch.Status{ID: id, State: launch.Ended, Reason: reason, Host: t.host}
	case stuck(t):
		return launch.Status{ID: id, State: launch.Ended, Reason: inWords(t.reason)}
	case waits[t.state]:
		return launch.Status{ID: id, State: launch.Pending, Reason: inWords(t.reason)}
	}
	return launch.Status{ID: id, State: launch.Running, Host: t.host}
}

func indexOf(b *batch, id string) int {
	for i, w := range b.Workers {
		if w == id {
			return i
		}
	}
	return -1
}
