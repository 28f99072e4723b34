package remote

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
)

// patienceNew is how long a launcher may take to tell about a worker that it has
// started.
const patienceNew = time.Minute

// look asks the launcher what became of the workers.
func (l *loop) look(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	found, err := l.Launcher.Poll(limited)
	if err != nil { // nothing is known just now; the store tells of most of it anyway
		if l.pollError != err.Error() {
			l.pollError = err.Error()
			l.tell("executor %q: nothing is known of the workers just now: %v", l.Name, err)
		}
		return
	}
	l.pollError = ""
	told := map[*line][]launch.Status{}
	for _, s := range found {
		if n := l.lineOfWorker(s.ID); n != nil {
			told[n] = append(told[n], s)
		}
	}
	for _, n := range l.order {
		l.compare(n, told[n])
	}
	l.notes()
}

// compare takes over what the launcher tells about the workers of a queue. It may
// tell more than once that a worker has ended, or never.
func (l *loop) compare(n *line, told []launch.Status) {
	alive, ended := map[string]launch.Status{}, map[string]launch.Status{}
	for _, s := range told {
		if s.State != launch.Ended {
			alive[s.ID] = s
			delete(n.asked, s.ID)
			continue
		}
		ended[s.ID] = s
		if s.Reason != "" { // what others wait for explains nothing
			n.reason = s.Reason
		}
		if _, new := n.asked[s.ID]; new {
			delete(n.asked, s.ID)
			l.over(n, s)
		}
	}
	for id, s := range n.workers {
		if _, ok := alive[id]; !ok {
			l.over(n, launch.Status{ID: id, Host: cmp.Or(ended[id].Host, s.Host), Reason: ended[id].Reason})
		}
	}
	for id, since := range n.asked {
		if l.Now().Sub(since) > patienceNew {
			delete(n.asked, id)
			l.over(n, launch.Status{ID: id})
		}
	}
	n.workers = alive
}

// notes tells what nobody has begun yet why it waits.
func (l *loop) notes() {
	const first = "waiting for the first worker, which shows whether jobs reach the cache before more are asked for"
	proven := l.proven()
	all := map[string]launch.Status{}
	for _, n := range l.order {
		maps.Copy(all, n.workers)
	}
	for _, n := range l.order {
		text, of := "waiting for a worker", n.workers
		if !proven {
			text, of = first, all
		}
		reason := whyNotYet(of, !proven)
		if proven && reason == "" {
			continue
		}
		if reason != "" {
			text += ": " + reason
		}
		for _, a := range n.at {
			if !a.claimed && !a.over {
				note(a.job, text)
			}
		}
	}
}

// whyNotYet is why workers have not begun, the same each time; for one that is
// expected to prove something, also where it runs.
func whyNotYet(workers map[string]launch.Status, where bool) string {
	reasons := map[string]bool{}
	for _, s := range workers {
		switch {
		case s.State == launch.Pending && s.Reason != "":
			reasons[s.Reason] = true
		case s.State == launch.Running && where && s.Host != "":
			reasons["it runs on "+s.Host+", and has begun nothing yet"] = true
		}
	}
	return oneOf(reasons)
}

// over notes that a worker has ended. One that ran nothing is a bad sign only if there
// was something to run for as long as it lived: others go when the queue is empty.
func (l *loop) over(n *line, s launch.Status) {
	if since, ours := n.started[s.ID]; ours && !n.useful[s.ID] && n.waitedSince(since) {
		n.barren = append(n.barren, s)
		n.shun(s.Host)
		l.doubt()
	}
	delete(n.useful, s.ID)
	delete(n.started, s.ID)
}

func (n *line) waitedSince(t time.Time) bool {
	for _, a := range n.at {
		if !a.claimed && !a.over && !a.made.After(t) {
			return true
		}
	}
	return false
}

// oneOf is the first of a set, so that the same is said each time.
func oneOf(set map[string]bool) string {
	first := ""
	for s := range set {
		if first == "" || s < first {
			first = s
		}
	}
	return first
}

// lineOfWorker finds the queue that a worker's ID names.
func (l *loop) lineOfWorker(id string) *line {
	for _, n := range l.order {
		if strings.HasPrefix(id, n.queue.ID()+".") {
			return n
		}
	}
	return nil
}

// start asks for the workers that are lacking.
func (l *loop) start(ctx context.Context) {
	if l.pollError != "" || l.looked.IsZero() {
		return
	}
	l.giveUp()
	total, proven := 0, l.proven()
	for _, n := range l.order {
		total += n.there()
	}
	order := l.order
	if !proven { // what asks for the least begins first
		order = slices.SortedStableFunc(slices.Values(order), func(a, b *line) int {
			return cmp.Or(cmp.Compare(a.GPUs, b.GPUs), cmp.Compare(a.CPUs, b.CPUs), cmp.Compare(a.Memory, b.Memory))
		})
	}
	for _, n := range order {
		lacking := min(n.open()-n.there(), l.Launcher.Slots()-total)
		if !proven {
			lacking = min(lacking, 1-total)
		}
		if lacking > 0 {
			total += l.startSome(ctx, n, lacking)
		}
	}
}

// there counts workers that will run what is asked for: those that are silent will not.
func (n *line) there() int {
	count := len(n.workers) + len(n.asked)
	for _, a := range n.at {
		if _, alive := n.workers[a.worker]; a.silent && (alive || a.worker == "") {
			count--
		}
	}
	return max(0, count)
}

func (n *line) anyClaimed() bool {
	for _, a := range n.at {
		if a.claimed && !a.over {
			return true
		}
	}
	return false
}

func (l *loop) startSome(ctx context.Context, n *line, count int) int {
	var all []launch.Worker
	for range count {
		id, err := n.workerID()
		if err != nil {
			return 0
		}
		args, files := l.Command(n.queue.ID(), n.exclusive, id)
		all = append(all, launch.Worker{ID: id, Args: args, Files: files, Resources: n.resources(), Exclusive: n.exclusive, Avoid: n.avoided()})
	}
	limited, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := l.Launcher.Start(limited, all); err != nil {
		l.notStarted(n, err)
		return 0
	}
	n.failed = 0
	for _, w := range all {
		n.asked[w.ID], n.started[w.ID] = l.Now(), l.Now()
	}
	return len(all)
}

// notStarted is a request for workers that failed. That no machine is left for them is
// known at once; anything else is tried again, and at last without what may be wrong
// with avoiding machines.
func (l *loop) notStarted(n *line, err error) {
	const most = 3
	var none *launch.NoMachine
	n.failed++
	switch {
	case errors.As(err, &none):
		l.nowhere(n, none.Detail)
	case n.failed < most:
		l.tell("%v; it is tried again", err)
		return
	case len(n.avoided()) > 0:
		l.nowhere(n, err.Error())
	default:
		l.failLine(n, err)
	}
	n.failed = 0
}
