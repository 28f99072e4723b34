package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/pipeline/executor"
)

// loop is the state of a Remote; its goroutine is the only one to touch it.
type loop struct {
	*Remote
	lines     map[class]*line
	order     []*line
	jobs      map[*job]bool
	gone      []*attempt // to be cancelled
	strangers strangers
	sent      map[cache.Digest]bool // content that the store was seen to have
	away      time.Time             // since when the store does not answer; zero if it does
	back      time.Time             // when it last came back, by its clock
	asked     time.Time             // when the launcher was last asked about the workers
	looked    time.Time             // and as of when is known what it told
	happened  time.Time             // when something last happened
	detached  bool
	works     bool      // a worker has begun an action: see proven
	refused   error     // why nothing is run any more
	last      time.Time // of the names of attempts
	pollError string
	remains   []remains // not deleted yet
	keeps     bool      // nothing can be deleted

	lacks map[string]bool // what machines could not enforce of the sandbox, told already

	sends     map[*sending]bool
	next      *sending // that is being gathered
	onTheWay  map[cache.Digest]*sending
	sendError error // the last one, until something could be sent
	soon      bool  // there is more to do at once

	running context.Context // of what runs beside the loop
	stop    context.CancelFunc
	reports chan func()
	out     int  // how many are to come
	calling bool // the launcher
}

func newLoop(r *Remote) *loop {
	l := &loop{
		Remote: r, sends: map[*sending]bool{}, onTheWay: map[cache.Digest]*sending{}, reports: make(chan func()),
		lines: map[class]*line{}, jobs: map[*job]bool{}, sent: map[cache.Digest]bool{}, lacks: map[string]bool{}, strangers: strangers{looks: map[string]int{}, called: map[string]bool{}},
	}
	l.running, l.stop = context.WithCancel(context.Background())
	l.works = l.remembered()
	return l
}

// concurrency is how many requests to the store are made at a time.
const concurrency = 32

func (l *loop) run() {
	defer close(l.stopped)
	ctx := context.Background()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case j := <-l.submit:
			l.take(j)
		case j := <-l.ended:
			l.drop(j)
		case report := <-l.reports:
			report()
		case <-timer.C:
			l.step(ctx)
		case <-l.quit:
			l.leave(ctx)
			return
		}
		timer.Reset(l.pause())
	}
}

// pause is how long to wait for the next look: actions that come together are asked
// for together, and the longer nothing happens the less often it is looked.
func (l *loop) pause() time.Duration {
	const together = 20 * time.Millisecond
	switch {
	case !l.away.IsZero():
		return l.SlowPoll
	case len(l.gone) > 0:
		return together
	case len(l.jobs) == 0:
		return time.Hour
	case l.soon:
		return min(together, l.Poll)
	}
	quiet := l.Now().Sub(l.happened) / 8
	return min(max(quiet, l.Poll), l.SlowPoll)
}

func (l *loop) take(j *job) {
	if l.refused != nil {
		j.done <- outcome{err: l.refused}
		return
	}
	n, err := l.lineOf(classOf(j.a.Resources))
	if err != nil {
		j.done <- outcome{err: err}
		return
	}
	j.line = n
	l.jobs[j] = true
	l.supersede(j)
	n.waiting = append(n.waiting, j)
	l.soon, l.happened = true, l.Now()
}

// drop forgets a job that nobody waits for any more.
func (l *loop) drop(j *job) {
	if !l.jobs[j] {
		return
	}
	if errors.Is(context.Cause(j.ctx), ErrDetached) {
		l.detached = true
	} else {
		l.cancel(j)
	}
	l.forget(j)
}

// cancel has the open attempts of a job cancelled.
func (l *loop) cancel(j *job) { l.gone = append(l.gone, j.attempts...) }

func (l *loop) forget(j *job) {
	delete(l.jobs, j)
	j.unwanted()
	j.line.waiting = slices.DeleteFunc(j.line.waiting, func(w *job) bool { return w == j })
	for _, a := range j.attempts {
		delete(a.line.at, a.name)
		delete(a.line.beats, a.name)
	}
}

func (l *loop) finish(j *job, o outcome) {
	l.happened = l.Now()
	l.forget(j)
	j.done <- o
}

func (l *loop) failLine(n *line, err error) {
	for j := range l.jobs {
		if j.line == n {
			l.cancel(j)
			l.finish(j, outcome{err: err})
		}
	}
	n.barren, n.pauses = nil, pauses{}
}

// step looks at everything once. The launcher is asked about the workers last, so that
// this keeps nothing else from it; what it tells is taken over before the store is read
// again: a worker that it says has ended has written its result before.
func (l *loop) step(ctx context.Context) {
	l.soon = false
	l.check()
	err := l.cancelGone(ctx)
	if err == nil {
		err = l.callOff(ctx)
	}
	for _, n := range l.order {
		if err == nil {
			err = l.serve(ctx, n)
		}
	}
	l.proven() // to be remembered, even if nothing is left to do
	if err == nil {
		err = l.notSent()
	}
	l.judge(err)
	if err == nil && !l.keeps {
		l.sweep(ctx, sweepAfter)
	}
	if err == nil && len(l.jobs) > 0 {
		l.start()
		l.makeRoom(ctx)
	}
	if !l.calling && len(l.jobs) > 0 && l.Now().Sub(l.asked) >= l.LaunchGap {
		l.look()
	}
}

// notSent is why inputs do not get into the store, as long as somebody waits for them.
func (l *loop) notSent() error {
	if l.sendError != nil {
		for j := range l.jobs {
			if j.held {
				return l.sendError
			}
		}
		l.sendError = nil
	}
	return nil
}

// judge keeps account of the store's being away.
func (l *loop) judge(err error) {
	switch {
	case errors.Is(err, s3.ErrReadOnly): // it answers, and will answer the same
		for j := range l.jobs {
			l.finish(j, outcome{err: &executor.StoreFailure{Err: err}})
		}
	case err == nil && !l.away.IsZero():
		l.tell("executor %q: the store answers again", l.Name)
		l.away, l.back = time.Time{}, l.Store.Work().Now()
	case err != nil && l.away.IsZero():
		l.away = l.Now()
		l.tell("executor %q: the store does not answer, waiting for it: %v", l.Name, err)
	case err != nil && l.Now().Sub(l.away) > l.Patience:
		for j := range l.jobs {
			l.finish(j, outcome{err: &executor.StoreFailure{Err: fmt.Errorf("it was away for %s: %w", l.Patience, err)}})
		}
		l.away = time.Time{}
	}
}

// serve asks for what waits, and reads what came.
func (l *loop) serve(ctx context.Context, n *line) error {
	if len(n.waiting)+len(n.at) == 0 {
		return nil
	}
	if !n.known {
		if err := l.survey(ctx, n); err != nil {
			return err
		}
		n.known = true
	}
	if err := l.ask(ctx, n); err != nil {
		return err
	}
	return l.poll(ctx, n)
}

func (l *loop) cancelGone(ctx context.Context) error {
	gone := l.gone
	l.gone = nil
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for _, a := range gone {
		if a.read { // it has ended
			continue
		}
		g.Go(func() error { return a.line.queue.Cancel(ctx, a.name) })
	}
	err := g.Wait()
	if err != nil {
		l.gone = append(gone, l.gone...)
	}
	return err
}

// leave ends: nobody waits for anything any more. Workers without anything to do go,
// unless the user said that things go on.
func (l *loop) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	defer l.stop()
	for j := range l.jobs {
		l.cancel(j)
		l.finish(j, outcome{err: errClosed})
	}
	if !l.detached { // else workers that are being asked for are to come
		l.stop()
	}
	l.drain(ctx)
	if err := l.cancelGone(ctx); err != nil {
		l.tell("executor %q: what was asked for could not be cancelled: %v", l.Name, err)
	}
	for len(l.remains) > 0 && !l.keeps && ctx.Err() == nil {
		l.sweep(ctx, 0)
	}
	if l.detached || len(l.order) == 0 {
		return
	}
	found, err := l.Launcher.Poll(ctx)
	var ids []string
	for _, s := range found {
		ids = append(ids, s.ID)
	}
	for _, n := range l.order {
		for id := range n.asked {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	if err == nil && len(ids) > 0 {
		err = l.Launcher.Cancel(ctx, ids)
	}
	if err != nil {
		l.tell("executor %q: workers may be left that wait for something to do: %v", l.Name, err)
	}
	for _, n := range l.order {
		if l.keeps || n.queue.ForgetLeaving(ctx) != nil { // a collection will
			break
		}
	}
}
