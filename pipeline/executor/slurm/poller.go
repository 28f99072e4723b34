package slurm

import (
	"slices"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
)

// Pauses between two polls. squeue costs the cluster's controller something for each
// user who asks: where nothing changes it is asked a few times a minute.
const (
	shortest = time.Second
	longest  = 20 * time.Second
	// longestAway is the pause while Slurm does not answer.
	longestAway = time.Minute
)

// poller says when to poll, and keeps what the last poll said.
type poller struct {
	next  time.Time
	pause time.Duration
	known []launch.Status
	err   error
}

func (p *poller) due(now time.Time) bool { return !now.Before(p.next) }

// hurry makes the next poll come soon: something was changed.
func (p *poller) hurry() {
	if p.err == nil {
		p.next, p.pause = time.Time{}, 0
	}
}

func (p *poller) answered(now time.Time, s []launch.Status, tell func(string)) {
	if p.err != nil {
		tell("Slurm answers again")
	}
	if slices.Equal(s, p.known) && p.err == nil {
		p.pause = min(longest, p.pause*3/2)
	} else {
		p.pause = shortest
	}
	p.pause = max(p.pause, shortest)
	p.known, p.err, p.next = s, nil, now.Add(p.pause)
}

func (p *poller) failed(now time.Time, err error) {
	if p.err == nil {
		p.pause = shortest
	} else {
		p.pause = min(longestAway, 2*p.pause)
	}
	p.err, p.next = err, now.Add(p.pause)
}
