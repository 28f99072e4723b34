package remote

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
)

// leftover is an attempt that runs, and that an earlier controller has asked for.
type leftover struct {
	name    queue.Attempt
	address string // of its node; "" where its key says enough
}

// survey finds what an earlier controller has left: attempts that run are adopted
// when their keys are asked for, or called off if they will not be; so are those that
// nobody has begun, since it is not known whether they are still wanted.
func (l *loop) survey(ctx context.Context, n *line) error {
	tickets, err := n.queue.Tickets(ctx, "")
	if err != nil || len(tickets) == 0 {
		return err
	}
	claims, err := n.queue.Claims(ctx, "")
	if err != nil {
		return err
	}
	for _, c := range claims {
		n.beats[c.Attempt] = c.Time
	}
	closed, err := l.closed(ctx, n)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for _, t := range tickets {
		if closed[t.Attempt] {
			continue
		}
		beat, claimed := n.beats[t.Attempt]
		if claimed && n.queue.Now().Sub(beat) <= l.LostAfter && l.wanted(ctx, n, t.Attempt) {
			continue
		}
		g.Go(func() error { return n.queue.Cancel(gctx, t.Attempt) })
	}
	for j := range l.jobs {
		l.supersede(j)
	}
	return g.Wait()
}

// closed are the attempts that have ended or were called off. What they have left is
// deleted in time: nobody waits for it any more.
func (l *loop) closed(ctx context.Context, n *line) (map[queue.Attempt]bool, error) {
	const forgotten = time.Hour // when nobody will begin, or go on with, what was called off
	out := map[queue.Attempt]bool{}
	results, err := n.queue.Results(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, r := range results {
		out[r.Attempt] = true
		l.remains = append(l.remains, remains{n, r.Attempt, -1, l.Now()})
	}
	off, err := n.queue.CancelledAttempts(ctx, "")
	for _, c := range off {
		now := n.queue.Now()
		if !out[c.Attempt] && now.Sub(c.Time) > forgotten && now.Sub(n.beats[c.Attempt]) > forgotten {
			l.remains = append(l.remains, remains{n, c.Attempt, -1, l.Now()})
		}
		out[c.Attempt] = true
	}
	return out, err
}

// wanted notes an attempt that runs if it may be asked for.
func (l *loop) wanted(ctx context.Context, n *line, name queue.Attempt) bool {
	key, _ := name.Key()
	left := leftover{name: name}
	if l.Wanted != nil && !l.Wanted(key, "") {
		t, _, err := n.queue.Ticket(ctx, name)
		if err != nil || !l.Wanted(key, t.Address) {
			return false
		}
		left.address = t.Address
	}
	n.left[key] = left
	return true
}

// adopt takes over an attempt that runs already.
func (l *loop) adopt(n *line, j *job) bool {
	left, ok := n.left[j.a.Key]
	if !ok {
		return false
	}
	delete(n.left, j.a.Key)
	a := &attempt{name: left.name, line: n, job: j, made: l.Now(), claimed: true}
	n.at[left.name] = a
	j.attempts = append(j.attempts, a)
	n.waiting = slices.DeleteFunc(n.waiting, func(w *job) bool { return w == j })
	note(j, "it runs already: taken over from an earlier run")
	return true
}

// supersede calls off what runs for the node of a job that now has another key.
func (l *loop) supersede(j *job) {
	for _, n := range l.order {
		for key, left := range n.left {
			if left.address == j.a.Address && key != j.a.Key {
				delete(n.left, key)
				l.gone = append(l.gone, &attempt{name: left.name, line: n})
			}
		}
	}
}

// settleLeft forgets what was left and has ended, or is dead: its worker is free, or
// gone.
func (l *loop) settleLeft(n *line, results, beats []queue.Object) {
	if len(n.left) == 0 {
		return
	}
	over := map[queue.Attempt]bool{}
	for _, b := range beats {
		over[b.Attempt] = n.queue.Now().Sub(b.Time) > l.LostAfter
	}
	for _, r := range results {
		over[r.Attempt] = true
	}
	for key, left := range n.left {
		if over[left.name] {
			delete(n.left, key)
		}
	}
}

// strangers are workers of queues that this controller has had no use for so far: an
// earlier one had, with other resources. They count, and what they run that is wanted
// by nobody is called off.
type strangers struct {
	alive  []launch.Status
	looks  map[string]int  // how often each queue was seen
	called map[string]bool // queues that were surveyed
}

// meet takes over what the launcher tells about strangers.
func (s *strangers) meet(found []launch.Status) {
	s.alive = nil
	seen := map[string]bool{}
	for _, f := range found {
		if id := queueOfWorker(f.ID); id != "" && f.State != launch.Ended {
			s.alive = append(s.alive, f)
			seen[id] = true
		}
	}
	for id := range seen {
		s.looks[id]++
	}
}

// queueOfWorker is the queue that a worker's ID names.
func queueOfWorker(id string) string {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i] == '.' {
			return id[:i]
		}
	}
	return ""
}

// callOff ends what strangers do. Their queue may be one that the run is about to
// have use for: those seen for the first time are left alone.
func (l *loop) callOff(ctx context.Context) error {
	const sure = 2
	var idle []string
	for _, s := range l.strangers.alive {
		id := queueOfWorker(s.ID)
		if l.strangers.looks[id] < sure || l.lineOfWorker(s.ID) != nil {
			continue
		}
		if s.State == launch.Pending {
			idle = append(idle, s.ID)
		}
		if l.strangers.called[id] {
			continue
		}
		q, err := l.openQueue(id)
		if err != nil {
			continue // no queue of ours
		}
		if err := l.survey(ctx, newLine(class{}, q)); err != nil {
			return err
		}
		l.strangers.called[id] = true
	}
	if len(idle) > 0 && !l.calling {
		l.strangers.alive = slices.DeleteFunc(l.strangers.alive, func(s launch.Status) bool { return slices.Contains(idle, s.ID) })
		l.call(time.Minute, func(ctx context.Context) func() {
			err := l.Launcher.Cancel(ctx, idle)
			return func() {
				if err != nil { // it is tried again
					l.tell("executor %q: workers that wait for nothing could not be cancelled: %v", l.Name, err)
				}
			}
		})
	}
	return nil
}
