package worker

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/cache/trust"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/pipeline/gpu"
	"github.com/nbpipe/nbpipe/pipeline/gpu/lease"
	"github.com/nbpipe/nbpipe/stages"
)

// Config is what a worker works with. All of it is needed unless it says otherwise.
type Config struct {
	ID    string
	Queue *queue.Queue
	Store *s3.Store
	Local *cache.Local // with Store as its upstream
	// Executor runs actions on Local.
	Executor executor.Executor
	Kinds    *stages.Registry
	// Prober asks this machine's tools.
	Prober interface {
		Probe(ctx context.Context, probes map[string]stages.Probe) (out map[string]string, ok bool, err error)
	}
	User  trust.Public       // who has to have certified the key
	Key   ed25519.PrivateKey // of this run
	About queue.Used         // what is known of this machine
	GPUs  []gpu.Device       // that actions may use, one action at a time
	Unfit error              // why this machine may run nothing, such as that it cannot confine programs; nil where it may
	// Leases keeps other processes of this machine off the GPUs that an action uses;
	// nil where they are this worker's own.
	Leases lease.Taker
	Usage  *Usage // counts what an action uses
	Now    func() time.Time
	Tell   func(message string)

	Beat   time.Duration // between signs of life
	Linger time.Duration // how long to wait for more when the queue is empty
	Until  time.Time     // when the time is over, and what runs is given back; zero for never
	// Ends is when the worker's job ends, and it with it; zero where that is not known.
	// Shortly before, ctx ends: what runs may go on until then.
	Ends time.Time
	Each time.Duration // how long an action may take, as stated; 0 where nothing is
	Most int           // how many actions to run; 0 for any number
	// Full, where set, is asked before each action whether Local has no room for another
	// one: then Drain ends.
	Full func() bool
}

// Worker runs the actions of a queue.
type Worker struct {
	Config
	seen queue.Attempt // everything up to this one is taken
	open []queue.Attempt
	off  map[queue.Attempt]bool // whether marks of cancelled attempts are right
	at   time.Time              // when open was read
	ran  int
	full bool
	born time.Time

	began time.Time // of the first look, by the store's clock
	leave bool      // it was asked to since
}

// New makes a worker.
func New(c Config) *Worker {
	return &Worker{Config: c, born: c.Now(), off: map[queue.Attempt]bool{}}
}

const (
	// fresh is how long a listing is believed: what is claimed or cancelled since
	// costs a request to notice.
	fresh = 5 * time.Second
	// Pauses between looks at an empty queue. They grow: most workers linger for
	// nothing.
	shortPause = 100 * time.Millisecond
	longPause  = 2 * time.Second
	// patience is how long the store may be away, once it was seen to be there.
	patience = 10 * time.Minute
	// patienceFirst is how long it may take until a worker that begins can read the queue.
	patienceFirst = time.Minute
	// among is from how many of the oldest actions a worker takes one: the workers
	// of a queue see the same list.
	among = 16
)

// Drain runs actions until the queue is empty, the time is over, there is no room for
// more, or ctx ends: then what runs is given back. A machine that is not fit for an
// action leaves the queue: it would take the next one of the kind, too. The error says
// that the store is away.
func (w *Worker) Drain(ctx context.Context) error {
	idle, pause, patient := w.Now(), shortPause, patienceFirst
	var away time.Time
	for ctx.Err() == nil && !w.over() {
		a, err := w.next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, s3.ErrReadOnly):
			return fmt.Errorf("on this machine the team cache %s cannot be written to, and workers have to: %w", w.Store.Place(), err)
		case err != nil:
			if away.IsZero() {
				away = w.Now()
			}
			if w.Now().Sub(away) > patient {
				return fmt.Errorf("the store is away: %w", err)
			}
			w.Tell(fmt.Sprintf("the store does not answer: %v", err))
			idle = w.Now()
			pause = longPause
		case a != "":
			if !w.attempt(ctx, a) {
				return nil
			}
			w.ran++
			idle, pause, away, patient = w.Now(), shortPause, time.Time{}, patience
			continue
		default:
			away, patient = time.Time{}, patience
		}
		if w.Now().Sub(idle) >= w.Linger && err == nil {
			return nil
		}
		wait(ctx, pause)
		pause = min(2*pause, longPause)
	}
	return nil
}

// over reports whether nothing more may be begun. The first action always may: no
// other worker would have more time for it.
func (w *Worker) over() bool {
	w.full = w.Full != nil && w.Full()
	switch now := w.Now(); {
	case w.full || w.leave || w.Most > 0 && w.ran >= w.Most || !w.Until.IsZero() && !now.Before(w.Until):
		return true
	case w.Ends.IsZero() || w.ran == 0 || w.Each == 0:
		return false
	default:
		return w.Ends.Sub(now) < leaving+w.Each
	}
}

// leaving is how long before its job's end a worker may be told to leave: Slurm does so
// up to a minute before it was to, which is a minute before the end.
const leaving = 2 * time.Minute

// whole reports whether what began at a time had nearly all that the worker has.
func (w *Worker) whole(began time.Time) bool {
	end := w.Until
	if e := w.Ends.Add(-leaving); !w.Ends.IsZero() && (end.IsZero() || e.Before(end)) {
		end = e
	}
	return !end.IsZero() && w.Now().Sub(began) >= end.Sub(w.born)*9/10
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// next claims an attempt; "" where there is none to claim.
func (w *Worker) next(ctx context.Context) (queue.Attempt, error) {
	for range 2 {
		if len(w.open) == 0 || w.Now().Sub(w.at) > fresh {
			if err := w.look(ctx); err != nil || w.leave {
				return "", err
			}
		}
		for len(w.open) > 0 {
			i := rand.IntN(min(among, len(w.open)))
			a := w.open[i]
			w.open = append(w.open[:i], w.open[i+1:]...)
			err := w.Queue.Claim(ctx, a, w.claim())
			if errors.Is(err, queue.ErrTaken) {
				continue
			}
			return a, err
		}
		if w.at.Equal(w.Now()) {
			break
		}
	}
	return "", nil
}

func (w *Worker) claim() queue.Claim { return queue.Claim{Worker: w.ID, Host: w.About.Host} }

// mayLeave looks whether the worker's place is needed for another queue.
func (w *Worker) mayLeave(ctx context.Context) (err error) {
	if w.began.IsZero() { // the first look
		w.began = w.Queue.Now()
		return nil
	}
	w.leave, err = w.Queue.MayLeave(ctx, w.ID, w.began)
	return err
}

// look lists what can be claimed.
func (w *Worker) look(ctx context.Context) error {
	w.open, w.at = nil, w.Now()
	if err := w.mayLeave(ctx); err != nil || w.leave {
		return err
	}
	asked, err := w.Queue.Tickets(ctx, w.seen)
	if err != nil || len(asked) == 0 {
		return err
	}
	claimed, err := w.Queue.Claims(ctx, w.seen)
	if err != nil {
		return err
	}
	taken := map[queue.Attempt]bool{}
	for _, c := range claimed {
		taken[c.Attempt] = true
	}
	if err := w.calledOff(ctx, taken); err != nil {
		return err
	}
	for _, t := range asked {
		if !taken[t.Attempt] {
			w.open = append(w.open, t.Attempt)
		} else if len(w.open) == 0 && settled(t.Time, w.Queue.Now()) {
			w.seen = t.Attempt
		}
	}
	return nil
}

// calledOff adds what was cancelled before anybody began it. Anybody can make a mark that
// says so, so each is read once, a few at a time.
func (w *Worker) calledOff(ctx context.Context, taken map[queue.Attempt]bool) error {
	const most = 16
	marked, err := w.Queue.CancelledAttempts(ctx, w.seen)
	if err != nil {
		return err
	}
	read := 0
	for _, m := range marked {
		if _, known := w.off[m.Attempt]; !known && !taken[m.Attempt] {
			if read++; read > most {
				taken[m.Attempt] = true // until the next look
				continue
			}
			off, err := w.Queue.IsCancelled(ctx, m.Attempt)
			if err != nil {
				return err
			}
			w.off[m.Attempt] = off
		}
		taken[m.Attempt] = taken[m.Attempt] || w.off[m.Attempt]
	}
	return nil
}

// settled reports whether a ticket is so old that none with an earlier name can
// appear any more: names bear the time of the executor's clock.
func settled(made, now time.Time) bool { return now.Sub(made) > 15*time.Minute }
