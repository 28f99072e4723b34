package remote

import (
	"context"
	"time"
)

// What may take long runs beside the loop, in goroutines that touch none of its state,
// and what comes of it is taken over in the loop, as a report.

// aside runs work, and then, in the loop, the report that it makes.
func (l *loop) aside(work func() (report func())) {
	l.out++
	go func() {
		report := work()
		select {
		case l.reports <- func() { l.out--; report() }:
		case <-l.stopped:
		}
	}()
}

// call calls the launcher. There is one call at a time: what is asked next relies on
// what came of the one before.
func (l *loop) call(limit time.Duration, do func(ctx context.Context) (report func())) {
	l.calling = true
	l.aside(func() func() {
		ctx, cancel := context.WithTimeout(l.running, limit)
		defer cancel()
		report := do(ctx)
		return func() {
			l.calling = false
			report()
		}
	})
}

// drain waits for what runs beside the loop, which was told to end.
func (l *loop) drain(ctx context.Context) {
	for l.out > 0 {
		select {
		case report := <-l.reports:
			report()
		case <-ctx.Done():
			return
		}
	}
}

// check has the launcher say whether it can run what a queue is for.
func (l *loop) check() {
	var lines []*line
	for _, n := range l.order {
		if !n.fit && len(n.waiting) > 0 {
			lines = append(lines, n)
		}
	}
	if l.calling || len(lines) == 0 {
		return
	}
	const each = time.Minute
	needs := resourcesOf(lines)
	l.call(time.Duration(len(lines))*each, func(ctx context.Context) func() {
		errs := make([]error, len(lines))
		for i := range lines {
			limited, cancel := context.WithTimeout(ctx, each)
			errs[i] = l.Launcher.Check(limited, needs[i:i+1])
			cancel()
		}
		return func() {
			l.soon = true
			for i, n := range lines {
				if n.fit = errs[i] == nil; !n.fit {
					l.failLine(n, errs[i])
				}
			}
		}
	})
}
