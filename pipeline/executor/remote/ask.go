package remote

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
)

// ask queues what waits and can be run: a launcher has nothing against it, and what it
// reads is in the store.
func (l *loop) ask(ctx context.Context, n *line) error {
	if !n.fit {
		return nil
	}
	batch := l.ready(n)
	// What one's name says of its time must be right, and another for each.
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	made := make([]*attempt, len(batch))
	for i, j := range batch {
		name := queue.NewAttempt(l.nextTime(n), j.a.Key)
		g.Go(func() error {
			t, until, err := l.ticket(n, name, j)
			if err == nil {
				err = n.queue.Ask(gctx, name, t, j.raw)
			}
			if err != nil {
				return err
			}
			made[i] = &attempt{name: name, line: n, job: j, made: l.Now(), until: until}
			return nil
		})
	}
	err := g.Wait()
	for i, a := range made {
		if a == nil {
			continue
		}
		n.waiting = slices.DeleteFunc(n.waiting, func(w *job) bool { return w == batch[i] })
		n.at[a.name] = a
		batch[i].attempts = append(batch[i].attempts, a)
	}
	return err
}

// ready are the jobs of a queue that can be asked for now; the inputs of others are
// sent off.
func (l *loop) ready(n *line) []*job {
	const most = 512 // a batch: what ended meanwhile is to be noticed
	var out []*job
	for _, j := range slices.Clone(n.waiting) {
		if len(out) == most {
			l.soon = true
			break
		}
		if !l.adopt(n, j) && !l.send(j) {
			out = append(out, j)
		}
	}
	l.sendOff()
	return out
}

// nextTime is the store's time, never the same or an earlier one again.
func (l *loop) nextTime(n *line) time.Time {
	now := n.queue.Now().Truncate(time.Millisecond) // as in a name
	if !now.After(l.last) {
		now = l.last.Add(time.Millisecond)
	}
	l.last = now
	return now
}

// ticket is what asks for an attempt; its certificate ends at a time.
func (l *loop) ticket(n *line, name queue.Attempt, j *job) (t queue.Ticket, until time.Time, err error) {
	t = queue.Ticket{Action: cache.DigestOf(j.raw), Address: j.a.Address}
	c, err := l.User.Certify(cache.Certificate{
		Scope: l.Store.ID(), Public: l.Key, Until: n.queue.Now().Add(l.Valid), Action: t.Action, For: n.queue.Occasion(name), Keys: []cache.Key{j.a.Key},
	})
	t.Certificate = c.Encode()
	return t, c.Until, err
}

// lostInput finds which input of a job the missing content belongs to.
func (l *loop) lostInput(ctx context.Context, j *job, err error) error {
	d, _ := cache.Lost(err)
	for _, f := range executor.Inputs(j.a) {
		needs, nerr := l.Local.Needs(ctx, &cache.Entry{Objects: []cache.Object{f.Object}})
		if _, lost := cache.Lost(nerr); lost || f.Digest == d || nerr == nil && slices.Contains(needs, d) {
			return &executor.LostInput{File: f, Err: err}
		}
	}
	return err
}
