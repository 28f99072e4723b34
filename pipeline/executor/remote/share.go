package remote

import (
	"context"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
)

// A launcher's slots are shared by the queues that have something to run, equally but
// for those that need fewer. Where one has less than its share and no slot is free,
// workers of those that have more leave: at once if they only wait to begin, else once
// they have ended what they run.

// shares divides slots among queues with so many open actions each. Those that come
// first get what cannot be divided.
func shares(open []int, slots int) []int {
	out := make([]int, len(open))
	for given := true; given && slots > 0; {
		given = false
		for i := range out {
			if out[i] < open[i] && slots > 0 {
				out[i]++
				slots--
				given = true
			}
		}
	}
	return out
}

// shares are those of the queues.
func (l *loop) shares() map[*line]int {
	open := make([]int, len(l.order))
	for i, n := range l.order {
		open[i] = n.open()
	}
	out := make(map[*line]int, len(l.order))
	for i, share := range shares(open, l.Launcher.Slots()) {
		out[l.order[i]] = share
	}
	return out
}

// makeRoom has as many workers leave as others lack that have no slot. What fails is
// tried again.
func (l *loop) makeRoom(ctx context.Context) {
	if l.calling || l.pollError != "" || !l.proven() {
		return
	}
	share, lacking := l.shares(), 0
	free := l.Launcher.Slots() - len(l.strangers.alive)
	for _, n := range l.order {
		lacking += max(0, share[n]-n.there())
		free -= n.hold() - n.leaving // these are to be free soon
	}
	for lacking -= max(0, free); lacking > 0; lacking-- {
		if n := l.richest(share); n == nil || !l.dismiss(ctx, n) {
			return
		}
	}
}

// richest is the queue with the most workers above its share; nil where none has any.
func (l *loop) richest(share map[*line]int) (rich *line) {
	most := 0
	for _, n := range l.order {
		if more := n.there() - share[n]; more > most && !(n.exclusive() && n.waits() == "") {
			rich, most = n, more
		}
	}
	return rich
}

// waits is a worker that has not begun; "" where all have.
func (n *line) waits() string {
	for _, id := range slices.Sorted(maps.Keys(n.workers)) {
		if n.workers[id].State == launch.Pending && !n.dismissed[id] {
			return id
		}
	}
	return ""
}

func (n *line) running() (count int) {
	for _, s := range n.workers {
		if s.State == launch.Running {
			count++
		}
	}
	return count
}

// dismiss has one worker of a queue leave. Those that run one action do so anyway.
func (l *loop) dismiss(ctx context.Context, n *line) bool {
	id := n.waits()
	if id == "" && n.running() <= n.leaving {
		return false // it is not known yet whether they have begun
	}
	if id == "" {
		name, err := n.workerID()
		if err != nil || n.queue.AskToLeave(ctx, hex.EncodeToString([]byte(name[len(name)-8:]))) != nil {
			return false
		}
		n.leaving++
		return true
	}
	n.dismissed[id] = true
	n.leaving++
	l.call(time.Minute, func(ctx context.Context) func() {
		err := l.Launcher.Cancel(ctx, []string{id})
		return func() {
			if err != nil && n.dismissed[id] {
				delete(n.dismissed, id)
				n.leaving--
			}
		}
	})
	return false // one call at a time
}
