package worker_test

import (
	"context"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/pipeline/executor/worker"
	"github.com/nbpipe/nbpipe/stages"
)

// What may take longer than is left of the worker's job is left to others; the first
// action is not: no other worker would have more time.
func TestNothingIsBegunThatIsTooLong(t *testing.T) {
	for _, c := range []struct {
		name       string
		ends, each time.Duration
		want       int
	}{
		{"too long", 20 * time.Minute, time.Hour, 1},
		{"long enough", 2 * time.Hour, time.Hour, 2},
		{"not stated", 20 * time.Minute, 0, 2},
		{"no end", 0, time.Hour, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.config.Each = c.each
			if c.ends > 0 {
				r.config.Ends = time.Now().Add(c.ends)
			}
			r.ask(executortest.Script(t, "echo 1 > out", nil), nil)
			r.ask(executortest.Script(t, "echo 2 > out", nil), nil)
			r.drain()
			if n := r.published(); n != c.want {
				t.Errorf("%d were begun, want %d", n, c.want)
			}
		})
	}
}

// A worker that is told to leave says whether nearly all of its time was the action's.
func TestWholeTime(t *testing.T) {
	for _, c := range []struct {
		name string
		ends time.Duration // after the begin
		want bool
	}{{"at the end", 2*time.Minute + time.Second, true}, {"before", 20 * time.Minute, false}, {"not known", 0, false}} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			if c.ends > 0 {
				r.config.Ends = time.Now().Add(c.ends)
			}
			r.config.Executor = stage(func(ctx context.Context, _ *executor.Action, _ stages.Progress) error {
				<-ctx.Done()
				return context.Cause(ctx)
			})
			name := r.ask(executortest.Script(t, "echo > out", nil), nil)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			r.must(worker.New(r.config).Drain(ctx))
			if got := r.result(name); got.State != queue.Left || got.WholeTime != c.want {
				t.Errorf("%+v", got)
			}
		})
	}
}

// One worker leaves when another queue needs its place, between two actions; those
// that come later do not.
func TestAskedToLeave(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	begun := make(chan struct{}, 3)
	r.config.Executor = stage(func(context.Context, *executor.Action, stages.Progress) error {
		begun <- struct{}{}
		time.Sleep(6 * time.Second) // longer than a listing is believed
		return nil
	})
	for _, script := range []string{"echo 1 > out", "echo 2 > out"} {
		r.ask(executortest.Script(t, script, nil), nil)
	}
	done := make(chan error)
	go func() { done <- worker.New(r.config).Drain(t.Context()) }()
	<-begun
	r.must(r.queue.AskToLeave(t.Context(), "abc"))
	r.must(<-done)
	if len(begun) != 0 {
		t.Error("it has begun another action")
	}
	r.drain()
	if len(begun) != 1 {
		t.Errorf("a later worker began %d actions", len(begun))
	}
	if leave, err := r.queue.MayLeave(t.Context(), "w2", time.Now().Add(-time.Minute)); leave || err != nil {
		t.Errorf("a second worker leaves: %t, %v", leave, err)
	}
}
