package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/stages"
)

// poll reads results and signs of life.
func (l *loop) poll(ctx context.Context, n *line) error {
	if len(n.at) == 0 {
		return nil
	}
	if err := l.renew(ctx, n); err != nil {
		return err
	}
	after := n.oldest()
	found, err := n.queue.Results(ctx, after)
	if err == nil {
		err = l.readResults(ctx, n, found)
	}
	if err != nil || len(n.at) == 0 {
		return err
	}
	beats, err := n.queue.Claims(ctx, after)
	if err != nil {
		return err
	}
	for _, b := range beats {
		a := n.at[b.Attempt]
		if a == nil {
			continue
		}
		n.beats[b.Attempt] = b.Time
		if !a.claimed {
			a.claimed, n.barren, l.happened = true, nil, l.Now()
			begin(a.job, "")
		}
	}
	l.settleLeft(n, found, beats)
	if err := errors.Join(l.settleLost(ctx, n), l.follow(ctx, n)); err != nil {
		return err
	}
	for _, a := range n.at {
		l.findLost(n, a)
	}
	return nil
}

// renew writes the tickets of open attempts again, long before they end: attempts
// may wait and run for as long as they like. Those that an earlier controller asked for
// are among them, with what is left of theirs.
func (l *loop) renew(ctx context.Context, n *line) error {
	const most = 512 // a look
	if err := l.findGone(ctx, n); err != nil {
		return err
	}
	var due []*attempt
	written := l.Valid - min(l.Valid/2, l.Store.Grace()) // a collection takes old ones
	for _, a := range n.at {
		if !a.over && n.queue.Now().Add(written).After(a.until) && len(due) < most {
			due = append(due, a)
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for _, a := range due {
		g.Go(func() error {
			t, until, err := l.ticket(n, a.name, a.job)
			if err == nil {
				err = n.queue.Renew(gctx, a.name, t, a.job.raw)
			}
			if err == nil {
				a.until = until
			}
			return err
		})
	}
	return g.Wait()
}

// findGone looks from time to time whether the tickets that nobody has claimed are still
// there: what somebody has deleted would wait for ever.
func (l *loop) findGone(ctx context.Context, n *line) error {
	if l.Now().Sub(n.checked) < l.LostAfter {
		return nil
	}
	found, err := n.queue.Tickets(ctx, n.oldest())
	if err != nil {
		return err
	}
	n.checked = l.Now()
	there := make(map[queue.Attempt]bool, len(found))
	for _, f := range found {
		there[f.Attempt] = true
	}
	for _, a := range n.at {
		if !a.claimed && !there[a.name] {
			a.until = time.Time{}
		}
	}
	return nil
}

// attemptEnded is one attempt that has ended. An attempt that was given up, since its
// worker seemed lost, may still tell what the action makes.
func (l *loop) attemptEnded(ctx context.Context, n *line, a *attempt, r queue.Result, b *believed) {
	j := a.job
	begin(j, r.Used.Host)
	switch r.State {
	case queue.Succeeded:
		l.succeeded(ctx, n, a, r, b)
	case queue.Left, queue.StoreOut, queue.Cancelled, queue.AskAgain:
		if a.over || l.tooLong(a, r) {
			return
		}
		l.again(n, a, r.Error, r.State != queue.Left)
	case queue.Unfit:
		l.handOn(n, a, r)
	case queue.LostInput:
		if !a.over {
			l.seemsLost(a, r)
		}
	case queue.TimedOut:
		l.finish(j, outcome{err: &executor.TimeoutError{Limit: time.Duration(j.a.Resources.Time) * time.Second}})
	default:
		text := r.Error
		if r.State == queue.Refused {
			text = fmt.Sprintf("executor %q: %s", l.Name, text)
		}
		f := &executor.Failure{Err: errors.New(text), LogTail: r.LogTail, Exit: r.Exit, LogPath: l.keepLog(ctx, n, a, r)}
		l.finish(j, outcome{err: f})
	}
	for _, other := range j.attempts {
		if !l.jobs[j] && other != a {
			l.gone = append(l.gone, other)
		}
	}
}

// succeeded takes a result that the user's key answers for.
func (l *loop) succeeded(ctx context.Context, n *line, a *attempt, r queue.Result, b *believed) {
	if b.err != nil {
		l.disbelieved(n, a, b.err)
		return
	}
	if err := l.Local.PutEntry(ctx, b.sealed); err != nil {
		l.finish(a.job, outcome{err: &executor.StoreFailure{Err: err}})
		return
	}
	for _, o := range b.entry.Content() {
		l.sent[o.Digest] = true
	}
	l.unconfined(b.entry, r.Used.Host)
	if a.pieces > 0 {
		l.readLog(ctx, n, a, r.Logs)
	}
	l.dropLog(a.job.a)
	l.finish(a.job, outcome{result: &executor.Result{Entry: b.entry}})
}

// seemsLost looks for an input that a worker says is lost: what made it may have run for
// days, and is not to run again for a word. The look may take long; see settleLost.
func (l *loop) seemsLost(a *attempt, r queue.Result) {
	for _, f := range executor.Inputs(a.job.a) {
		if r.Input != nil && f.Digest == r.Input.Digest {
			a.over = true
			a.lost = &doubt{file: f, blob: r.Input.Blob, why: r.Error, found: make(chan error, 1)}
			l.lookFor(a)
			return
		}
	}
	l.again(a.line, a, r.Error, true)
}

// doubt is an input that may be lost.
type doubt struct {
	file  stages.File
	blob  cache.Digest
	why   string     // what the worker said
	found chan error // gets nil where the store has it
}

func (l *loop) lookFor(a *attempt) {
	d, ctx := a.lost, a.job.ctx
	go func() { d.found <- readable(ctx, l.Store, d.blob) }()
}

// readable reports whether the store has a blob, by reading it.
func readable(ctx context.Context, s *s3.Store, d cache.Digest) (err error) {
	const copies = 3 // a collection may be moving it, or one is damaged
	for range copies {
		var r io.ReadCloser
		if r, _, err = s.OpenBlob(ctx, d); err == nil {
			_, err = io.Copy(io.Discard, r)
			err = errors.Join(err, r.Close())
		}
		if _, lost := cache.Lost(err); !lost {
			break
		}
	}
	return err
}

// settleLost decides on inputs that may be lost. What this machine has is sent again.
func (l *loop) settleLost(ctx context.Context, n *line) error {
	for _, a := range n.at {
		if a.lost == nil || !l.jobs[a.job] {
			continue
		}
		var err error
		select {
		case err = <-a.lost.found:
		default:
			continue
		}
		if _, lost := cache.Lost(err); err != nil && !lost {
			l.lookFor(a)
			return err
		} else if lost {
			delete(l.sent, a.lost.file.Digest)
			here, herr := l.Local.HasBlob(ctx, a.lost.blob)
			if herr != nil || !here {
				l.finish(a.job, outcome{err: &executor.LostInput{File: a.lost.file, Err: err}})
				continue
			}
		}
		why := a.lost.why
		a.lost = nil
		l.again(n, a, why, true)
	}
	return nil
}

// findLost gives up an attempt whose worker is dead, or seems to be: one that has not
// given a sign since, while the store was there to take it.
func (l *loop) findLost(n *line, a *attempt) {
	if !a.claimed || a.over {
		return
	}
	last := n.beats[a.name]
	if l.back.After(last) {
		last = l.back
	}
	silent := n.queue.Now().Sub(last)
	why := ""
	if silent > l.LostAfter {
		why = fmt.Sprintf("its worker gave no sign of life for %s", silent.Round(time.Second))
	}
	if _, there := n.workers[a.worker]; a.worker != "" && !there && l.pollError == "" && n.asked[a.worker].IsZero() && l.looked.After(a.named) {
		why = "its worker has ended"
		if n.reason != "" {
			why += ": " + n.reason
		}
	}
	if why != "" {
		a.silent = silent > l.LostAfter
		l.again(n, a, why, true)
	}
}

// tooLong fails an action that has twice had all the time that a worker has, and did
// not end: it never would. One that goes on from where it was cut off may.
func (l *loop) tooLong(a *attempt, r queue.Result) bool {
	j := a.job
	if !r.WholeTime {
		return false
	}
	if j.a.Ingredients.Kind.Resumes && a.came > j.came {
		j.whole, j.came = 0, a.came
		return false
	}
	const most = 2
	if j.whole++; j.whole < most {
		return false
	}
	had := time.Duration(r.Used.Seconds * float64(time.Second)).Round(time.Second)
	l.cancel(j)
	l.finish(j, outcome{err: fmt.Errorf("executor %q: it had the whole time of a job to itself, %s, and did not end, twice: raise time in the executor's block, and say in the stage's resources { time = \"...\" } how long it may take",
		l.Name, had)})
	return true
}

// again asks for another attempt.
func (l *loop) again(n *line, a *attempt, why string, counts bool) {
	j := a.job
	if kept := l.lastWords(n, a); kept != "" {
		why += "; what it had printed: " + kept
	}
	a.over = true
	if j.returns++; counts {
		j.tries++
	}
	const mostReturns = 50
	if j.tries > l.Retries || j.returns > mostReturns {
		l.cancel(j)
		l.finish(j, outcome{err: fmt.Errorf("executor %q: it was begun %d times and never ended, the last time since %s", l.Name, j.returns, why)})
		return
	}
	l.tell("executor %q: %s is begun again: %s", l.Name, j.a.Address, why)
	l.soon, l.happened = true, l.Now()
	n.waiting = append(n.waiting, j)
}

// follow reads how far running actions are, and what they print. Short ones are not
// asked: most have ended by then.
func (l *loop) follow(ctx context.Context, n *line) error {
	const most, gap = 16, 2 * time.Second // requests a look
	asked := 0
	for _, a := range n.at {
		if !a.claimed || a.over || asked == most || l.Now().Sub(a.looked) < gap {
			continue
		}
		if a.looked.IsZero() {
			a.looked = l.Now()
			continue
		}
		asked++
		c, err := n.queue.Claimed(ctx, a.name)
		if err != nil && !errors.As(err, new(*queue.RecordError)) && !errors.Is(err, cache.ErrNotFound) {
			return err
		}
		if l.claimed(n, a, err); err != nil {
			a.looked = l.Now()
			continue
		}
		if c.Worker != a.worker {
			a.named = l.Now()
		}
		a.looked, a.worker, a.came = l.Now(), c.Worker, c.Done
		begin(a.job, c.Host)
		if c.Waits != "" {
			note(a.job, "on "+c.Host+": "+c.Waits)
		}
		if a.job.progress != nil && c.Unit != "" {
			a.job.progress.Report(c.Done, c.Total, c.Unit)
		}
		if a.pieces > 0 { // the worker says it only with its signs of life
			c.Logs = max(c.Logs, a.pieces+1)
		}
		l.readLog(ctx, n, a, c.Logs)
	}
	return nil
}

// note tells why an action has not begun, once for each reason.
func note(j *job, text string) {
	if w, ok := j.progress.(executor.Watcher); ok && j.note != text {
		j.note = text
		w.Note(text)
	}
}

// begin tells that an action runs, and again once it is known where: a listing of
// claims, from which it is seen first, does not say.
func begin(j *job, host string) {
	w, ok := j.progress.(executor.Watcher)
	if !ok || j.begun && (host == "" || host == j.where) {
		return
	}
	j.begun, j.where = true, host
	w.Begun(host)
}
