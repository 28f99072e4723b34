package remote

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
)

// patienceNew is how long a launcher may take to tell about a worker that it has
// started.
const patienceNew = time.Minute

// mostBarren is how many workers in a row may end without having run anything
// while there is something to run.
const mostBarren = 3

// unproven is how many workers there are at most before one has begun something: a
// store that machines cannot reach is found with these, not with a thousand.
const unproven = 8

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
	alive := map[*line]map[string]launch.Status{}
	for _, n := range l.order {
		alive[n] = map[string]launch.Status{}
	}
	for _, s := range found {
		n := l.lineOfWorker(s.ID)
		if n == nil {
			continue
		}
		_, new := n.asked[s.ID]
		_, old := n.workers[s.ID]
		delete(n.asked, s.ID)
		if s.Reason != "" && s.State == launch.Ended { // what others wait for explains nothing
			n.reason = s.Reason
		}
		if s.State == launch.Ended {
			if new && !old {
				n.over(s.ID)
			}
		} else {
			alive[n][s.ID] = s
		}
	}
	for _, n := range l.order {
		l.compare(n, alive[n])
	}
}

func (l *loop) compare(n *line, alive map[string]launch.Status) {
	for id := range n.workers {
		if _, ok := alive[id]; !ok {
			n.over(id)
		}
	}
	for id, since := range n.asked {
		if l.Now().Sub(since) > patienceNew {
			delete(n.asked, id)
			n.over(id)
		}
	}
	n.workers = alive
	reasons := map[string]bool{}
	for _, s := range alive {
		if s.State == launch.Pending && s.Reason != "" {
			reasons[s.Reason] = true
		}
	}
	for _, a := range n.at {
		if !a.claimed && !a.over && len(reasons) > 0 {
			note(a.job, "waiting for a worker: "+oneOf(reasons))
		}
	}
}

// over notes that a worker has ended. One that ran nothing is a bad sign only if there
// was something to run for as long as it lived: others go when the queue is empty.
func (n *line) over(id string) {
	if since, ours := n.started[id]; ours && !n.useful[id] && n.waitedSince(since) {
		n.barren++
	}
	delete(n.useful, id)
	delete(n.started, id)
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
	total := 0
	for _, n := range l.order {
		total += n.there()
	}
	for _, n := range l.order {
		open, idle := n.open(), n.there()
		switch {
		case open == 0:
			n.barren = 0
		case n.barren >= mostBarren && !n.anyClaimed():
			l.failLine(n, fmt.Errorf("executor %q: %d workers ended without having run anything: %s", l.Name, n.barren, n.why()))
			continue
		}
		lacking := min(open-idle, l.Launcher.Slots()-total)
		if !l.proven() {
			lacking = min(lacking, unproven-total)
		}
		if lacking > 0 {
			total += l.startSome(ctx, n, lacking)
		}
	}
}

// proven reports whether a worker of this run has begun an action.
func (l *loop) proven() bool {
	for _, n := range l.order {
		if len(n.useful) > 0 || n.anyClaimed() {
			l.works = true
		}
	}
	return l.works
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

func (n *line) why() string {
	if n.reason == "" {
		return "nothing is known of why"
	}
	return n.reason
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
		all = append(all, launch.Worker{ID: id, Args: args, Files: files, Resources: n.resources(), Exclusive: n.exclusive})
	}
	limited, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := l.Launcher.Start(limited, all); err != nil {
		const most = 3
		if n.failed++; n.failed >= most {
			l.failLine(n, err)
		} else {
			l.tell("%v; it is tried again", err)
		}
		return 0
	}
	n.failed = 0
	for _, w := range all {
		n.asked[w.ID], n.started[w.ID] = l.Now(), l.Now()
	}
	return len(all)
}
