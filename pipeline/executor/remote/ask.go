package remote

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/stages"
)

// ask queues what waits, after a look whether it can run at all.
func (l *loop) ask(ctx context.Context, n *line) error {
	if len(n.waiting) == 0 {
		return nil
	}
	if !n.fit {
		limited, cancel := context.WithTimeout(ctx, time.Minute)
		err := l.Launcher.Check(limited, []stages.Resources{n.resources()})
		cancel()
		if err != nil {
			l.failLine(n, err)
			return nil
		}
		n.fit = true
	}
	const most = 512 // a batch: what ended meanwhile is to be noticed
	batch := slices.Clone(n.waiting[:min(most, len(n.waiting))])
	batch = slices.DeleteFunc(batch, func(j *job) bool { return l.adopt(n, j) })
	batch, err := l.sendInputs(ctx, batch)
	if err != nil {
		return err
	}
	// What one's name says of its time must be right, and another for each.
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	made := make([]*attempt, len(batch))
	for i, j := range batch {
		name := queue.NewAttempt(l.nextTime(n), j.a.Key)
		g.Go(func() error {
			if err := l.ticket(gctx, n, name, j); err != nil {
				return err
			}
			made[i] = &attempt{name: name, line: n, job: j, made: l.Now()}
			return nil
		})
	}
	err = g.Wait()
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

// nextTime is the store's time, never the same or an earlier one again.
func (l *loop) nextTime(n *line) time.Time {
	now := n.queue.Now().Truncate(time.Millisecond) // as in a name
	if !now.After(l.last) {
		now = l.last.Add(time.Millisecond)
	}
	l.last = now
	return now
}

func (l *loop) ticket(ctx context.Context, n *line, name queue.Attempt, j *job) error {
	t := queue.Ticket{Action: cache.DigestOf(j.raw), Address: j.a.Address}
	c, err := l.User.Certify(cache.Certificate{
		Scope: l.Store.ID(), Public: l.Key, Until: n.queue.Now().Add(l.Valid), Action: t.Action, Keys: []cache.Key{j.a.Key},
	})
	if err != nil {
		return err
	}
	t.Certificate = c.Encode()
	return n.queue.Ask(ctx, name, t, j.raw)
}

// sendInputs puts into the store what this machine has of the actions' inputs. What
// it does not have came from the store, and is there or lost: workers will tell. It
// returns the jobs whose inputs are there.
func (l *loop) sendInputs(ctx context.Context, batch []*job) ([]*job, error) {
	if err := l.send(ctx, batch...); !cache.IsMissing(err) {
		return batch, err
	}
	var out []*job
	for _, j := range batch {
		err := l.send(ctx, j)
		switch {
		case cache.IsMissing(err):
			l.finish(j, outcome{err: l.lostInput(ctx, j, err)})
		case err != nil:
			return nil, err
		default:
			out = append(out, j)
		}
	}
	return out, nil
}

func (l *loop) send(ctx context.Context, batch ...*job) error {
	var want []cache.Digest
	seen := map[cache.Digest]bool{}
	for _, j := range batch {
		for _, f := range executor.Inputs(j.a) {
			if l.sent[f.Digest] || seen[f.Digest] {
				continue
			}
			seen[f.Digest] = true
			here, err := l.Local.HasBlob(ctx, f.Digest)
			if err != nil {
				return err
			}
			if !here {
				continue
			}
			needs, err := l.Local.Needs(ctx, &cache.Entry{Objects: []cache.Object{f.Object}})
			if err != nil {
				return err
			}
			for _, d := range needs {
				if here, err := l.Local.HasBlob(ctx, d); err != nil {
					return err
				} else if here {
					want = append(want, d)
				}
			}
		}
	}
	if len(want) == 0 {
		return nil
	}
	if err := l.Store.SendBlobs(ctx, l.Local, want); err != nil {
		return err
	}
	for d := range seen {
		l.sent[d] = true
	}
	return nil
}

// lostInput finds which input of a job the missing content belongs to.
func (l *loop) lostInput(ctx context.Context, j *job, err error) error {
	var missing *cache.MissingError
	var corrupt *cache.CorruptError
	var d cache.Digest
	switch {
	case errors.As(err, &missing):
		d = missing.Digest
	case errors.As(err, &corrupt):
		d = corrupt.Digest
	}
	inputs := executor.Inputs(j.a)
	for _, f := range inputs {
		needs, nerr := l.Local.Needs(ctx, &cache.Entry{Objects: []cache.Object{f.Object}})
		if f.Digest == d || nerr == nil && slices.Contains(needs, d) || nerr != nil && cache.IsMissing(nerr) {
			return &executor.LostInput{File: f, Err: err}
		}
	}
	return err
}
