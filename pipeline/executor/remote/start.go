package remote

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
)

// patienceNew is how long a launcher may take to tell about a worker that it has
// started.
const patienceNew = time.Minute

// look asks the launcher what became of the workers.
func (l *loop) look() {
	began := l.Now()
	l.asked = began
	l.call(time.Minute, func(ctx context.Context) func() {
		found, err := l.Launcher.Poll(ctx)
		return func() {
			l.looked = began
			l.told(found, err)
		}
	})
}

func (l *loop) told(found []launch.Status, err error) {
	if err != nil { // nothing is known just now; the store tells of most of it anyway
		if l.pollError != err.Error() && l.running.Err() == nil {
			l.pollError = err.Error()
			l.tell("executor %q: nothing is known of the workers just now: %v", l.Name, err)
		}
		return
	}
	l.pollError = ""
	told := map[*line][]launch.Status{}
	var strange []launch.Status
	for _, s := range found {
		if n := l.lineOfWorker(s.ID); n != nil {
			told[n] = append(told[n], s)
		} else {
			strange = append(strange, s)
		}
	}
	l.strangers.meet(strange)
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
		if reason == "" && n.there() == 0 {
			reason = n.pauses.why
		}
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
	if n.leaving > 0 {
		n.leaving--
		n.useful[s.ID] = true // as far as it was let
	}
	delete(n.dismissed, s.ID)
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
	name := queueOfWorker(id)
	for _, n := range l.order {
		if n.queue.ID() == name {
			return n
		}
	}
	return nil
}

// start asks for the workers that are lacking.
func (l *loop) start() {
	if l.pollError != "" || l.looked.IsZero() || l.calling {
		return
	}
	l.giveUp()
	total, proven := len(l.strangers.alive), l.proven()
	for _, n := range l.order {
		total += n.hold()
	}
	order := l.order
	if !proven { // what asks for the least begins first
		order = slices.SortedStableFunc(slices.Values(order), func(a, b *line) int {
			return cmp.Or(cmp.Compare(a.GPUs, b.GPUs), cmp.Compare(a.CPUs, b.CPUs), cmp.Compare(a.Memory, b.Memory))
		})
	}
	var all []request
	share := l.shares()
	for _, n := range order {
		lacking := min(share[n]-n.there(), l.Launcher.Slots()-total)
		if !proven {
			lacking = min(n.open()-n.there(), 1-total)
		}
		if lacking <= 0 || l.Now().Before(n.pauses.until) {
			continue
		}
		if r, err := l.request(n, lacking); err == nil {
			all = append(all, r)
			total += len(r.workers)
		}
	}
	if len(all) > 0 {
		l.startAll(all)
	}
}

// there counts workers that will run what is asked for: those that are silent, or run
// what somebody else has asked for, or were told to leave, will not.
func (n *line) there() int { return max(0, n.hold()-len(n.left)-n.leaving) }

// hold counts workers that have a slot.
func (n *line) hold() int {
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

// request is one for workers of a queue.
type request struct {
	n       *line
	workers []launch.Worker
}

func (l *loop) request(n *line, count int) (request, error) {
	r := request{n: n}
	for range n.pauses.atMost(count) {
		id, err := n.workerID()
		if err != nil {
			return r, err
		}
		args, files := l.Command(n.queue.ID(), n.exclusive(), time.Duration(n.Time)*time.Second, id)
		r.workers = append(r.workers, launch.Worker{ID: id, Args: args, Files: files, Resources: n.resources(), Exclusive: n.exclusive(), Avoid: n.avoided()})
	}
	return r, nil
}

// startAll asks for workers. They count from now on: some may be there before the
// launcher has answered.
func (l *loop) startAll(all []request) {
	const each = 2 * time.Minute
	for _, r := range all {
		for _, w := range r.workers {
			r.n.asked[w.ID] = l.Now()
		}
	}
	l.call(time.Duration(len(all))*each, func(ctx context.Context) func() {
		errs := make([]error, len(all))
		for i, r := range all {
			limited, cancel := context.WithTimeout(ctx, each)
			errs[i] = l.Launcher.Start(limited, r.workers)
			cancel()
		}
		return func() {
			for i, r := range all {
				l.startedAll(r, errs[i])
			}
		}
	})
}

func (l *loop) startedAll(r request, err error) {
	for _, w := range r.workers {
		if delete(r.n.asked, w.ID); err == nil {
			r.n.asked[w.ID], r.n.started[w.ID] = l.Now(), l.Now()
		}
	}
	switch {
	case err == nil:
		r.n.pauses.worked()
	case l.running.Err() == nil:
		l.notStarted(r.n, len(r.workers), err)
	}
}

// notStarted is a request for workers that came to nothing. What runs goes on, and
// so may what ends make room for more: an account may have only so many jobs. Where
// nothing runs, nothing will change by itself.
func (l *loop) notStarted(n *line, count int, err error) {
	const most = 3 // in a row
	var none *launch.NoMachine
	if errors.As(err, &none) {
		l.nowhere(n, none.Detail)
		return
	}
	n.pauses.failed(l.Now(), l.LaunchGap, count, err)
	switch {
	case n.pauses.count >= most && (len(n.shunned) > 0 || n.avoid != "" && !l.anyWorker()): // what is wrong may be to avoid machines
		n.pauses = pauses{}
		l.nowhere(n, err.Error())
	case n.pauses.count >= most && !l.anyWorker():
		l.failLine(n, err)
	case n.pauses.told != err.Error(): // once, however often it is said
		n.pauses.told = err.Error()
		l.tell("%v; it is tried again, and meanwhile goes on with what there is", err)
	}
}

// anyWorker reports whether there is, or may be, any worker.
func (l *loop) anyWorker() bool {
	for _, n := range l.order {
		if len(n.workers)+len(n.asked) > 0 || n.anyClaimed() {
			return true
		}
	}
	return false
}

// pauses are those between requests for workers that were refused. They get longer,
// and the requests smaller, until one is not.
type pauses struct {
	count int // failures in a row
	until time.Time
	size  int    // of the next request, at most; 0 for any
	why   string // of the last one
	told  string
}

// longestPause is that between requests that are refused.
const longestPause = 2 * time.Minute

func (p *pauses) failed(now time.Time, gap time.Duration, asked int, err error) {
	p.until = now.Add(min(gap<<min(p.count, 10), longestPause))
	p.count++
	p.size, p.why = max(1, asked/2), err.Error()
}

// worked lets the next request be larger.
func (p *pauses) worked() { p.count, p.size, p.why = 0, 2*p.size, "" }

func (p *pauses) atMost(count int) int {
	if p.size > 0 {
		return min(count, p.size)
	}
	return count
}
