package remote

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/stages/command"
)

// Anybody who can write to the store can write where results are expected. What no
// worker of this run has signed is passed over, as if it were not there: the worker
// replaces it when it ends, so it is read again from time to time.

// passed is what of an attempt's results is passed over.
type passed struct {
	at    time.Time // when it was written
	until time.Time // it is not read again before, if it is the same
	times int
}

// reading is a result that is read.
type reading struct {
	a      *attempt
	listed queue.Object
	r      queue.Result
	made   *believed // of one that says that it succeeded
	err    error
}

// believed is an entry that a worker made, or why it is not believed.
type believed struct {
	sealed cache.StoredEntry // by the user
	entry  *cache.Entry
	err    error
}

// believe checks an entry that was there at a time, and seals it with the user's own key:
// a worker's certificate ends, and whether a signature was in time is told by an
// object's age, which a copy of the bucket does not keep.
func (l *loop) believe(k cache.Key, r queue.Result, at time.Time) *believed {
	b := &believed{}
	e := cache.StoredEntry{Key: k, Signer: l.User.Name, Digest: r.Name, Data: r.Entry, Time: at}
	if b.err = e.Check(); b.err == nil {
		b.err = l.Trust(e)
	}
	var body []byte
	if b.err == nil {
		b.entry, b.err = e.Decode()
	}
	if b.err == nil {
		body, b.err = e.Body()
	}
	if b.err == nil {
		b.sealed, b.err = l.User.Seal(cache.StoredEntry{Key: k, Digest: cache.DigestOf(body), Data: body}, l.Store.ID())
		b.sealed.Time = at
	}
	return b
}

// read reads a result, and publishes an entry that is believed under the user's key.
func (l *loop) read(ctx context.Context, n *line, x *reading) error {
	var err error
	if x.r, err = n.queue.Result(ctx, x.listed); err != nil || x.r.State != queue.Succeeded {
		return err
	}
	if x.made = l.believe(x.a.job.a.Key, x.r, x.listed.Time); x.made.err == nil {
		err = l.Store.PutEntry(ctx, x.made.sealed)
	}
	return err
}

// readResults takes what has ended. An error is the store's: what is wrong with one
// result keeps no other one back.
func (l *loop) readResults(ctx context.Context, n *line, found []queue.Object) error {
	const most = 128 << 20 // bytes in memory at a time
	var away error
	for len(found) > 0 && away == nil {
		var some []*reading
		size := int64(0)
		for len(found) > 0 && (size == 0 || size+found[0].Size <= most) {
			f := found[0]
			found = found[1:]
			if a := n.at[f.Attempt]; a != nil && !a.read && !a.passed.over(f, l.Now()) {
				some = append(some, &reading{a: a, listed: f})
				size += min(f.Size, queue.MaxResult)
			}
		}
		away = l.readSome(ctx, n, some)
	}
	return away
}

func (l *loop) readSome(ctx context.Context, n *line, some []*reading) error {
	var g errgroup.Group
	g.SetLimit(concurrency)
	for _, x := range some {
		g.Go(func() error {
			x.err = l.read(ctx, n, x)
			return nil
		})
	}
	err := g.Wait()
	for _, x := range some {
		switch {
		case errors.As(x.err, new(*queue.RecordError)), errors.Is(x.err, cache.ErrNotFound):
			l.passOver(x.a, x.listed, x.err)
		case x.err != nil:
			err = errors.Join(err, x.err)
		default:
			x.a.read = true
			l.remains = append(l.remains, remains{n, x.a.name, x.r.Logs, l.Now()})
			if l.jobs[x.a.job] {
				l.wasUseful(n, x.r)
				l.attemptEnded(ctx, n, x.a, x.r, x.made)
			}
		}
		x.r, x.made = queue.Result{}, nil // it may be large
	}
	return err
}

// wasUseful notes that a worker has ended an attempt, and its machine with it. It may
// have gone before its result was read.
func (l *loop) wasUseful(n *line, r queue.Result) {
	l.prove()
	n.barren = nil
	delete(n.shunned, r.Used.Host)
	_, started := n.started[r.Worker]
	_, alive := n.workers[r.Worker]
	if started || alive {
		n.useful[r.Worker] = true
	}
}

// unconfined tells, once, what a worker's machine could not enforce of the sandbox: its
// own warning is in its own log. Other machines that lack the same are not named.
func (l *loop) unconfined(e *cache.Entry, host string) {
	lacks := e.Record.Facts[command.UnconfinedFact]
	if lacks == "" || l.lacks[lacks] {
		return
	}
	l.lacks[lacks] = true
	if hostPattern.MatchString(host) {
		host = " on " + host
	} else {
		host = ""
	}
	l.tell("executor %q: warning: not enforced%s, and maybe on other machines (--require-sandbox runs nothing there): %s", l.Name, host, lacks)
}

// remains are what an attempt that has ended left in the store.
type remains struct {
	line   *line
	name   queue.Attempt
	pieces int // of its log; -1 where that is not known
	at     time.Time
}

// sweepAfter is how long what an attempt left stays: workers go by listings that are a
// few seconds old, in which it is claimed.
const sweepAfter = 15 * time.Second

// sweep deletes what attempts have left that ended some time ago.
func (l *loop) sweep(ctx context.Context, after time.Duration) {
	const most = 32 // a step
	n := 0
	for n < len(l.remains) && n < most && l.Now().Sub(l.remains[n].at) >= after {
		n++
	}
	some := l.remains[:n]
	l.remains = l.remains[n:]
	g, gctx := errgroup.WithContext(ctx)
	for _, x := range some {
		g.Go(func() error { return x.line.queue.Forget(gctx, x.name, x.pieces) })
	}
	if g.Wait() != nil { // a collection will, or the next run
		l.keeps, l.remains = true, nil
	}
}

// passOver passes over what is not believed, and says so once.
func (l *loop) passOver(a *attempt, o queue.Object, err error) {
	const shortest, doublings = time.Second, 6
	if a.passed.times == 0 {
		l.tell("executor %q: what lies in the store as the result of %s is passed over: %v", l.Name, a.job.a.Address, err)
	}
	pause := shortest << min(a.passed.times, doublings)
	a.passed = passed{at: o.Time, until: l.Now().Add(pause), times: a.passed.times + 1}
}

func (p passed) over(o queue.Object, now time.Time) bool {
	return p.times > 0 && o.Time.Equal(p.at) && now.Before(p.until)
}

// claimed takes a claim that was read. One that no worker of this run has made is no
// sign of life; if it stays, the attempt is asked for under another name.
func (l *loop) claimed(n *line, a *attempt, err error) {
	switch {
	case err == nil || errors.Is(err, cache.ErrNotFound):
		a.doubted = time.Time{}
	case a.doubted.IsZero():
		a.doubted = l.Now()
		l.tell("executor %q: what lies in the store as the claim of %s is passed over: %v", l.Name, a.job.a.Address, err)
	case l.Now().Sub(a.doubted) > l.LostAfter:
		l.again(n, a, "nobody who may run it has claimed it", false)
	}
}

// disbelieved is a result that a worker of this run says is there, and that nobody
// would believe.
func (l *loop) disbelieved(n *line, a *attempt, err error) {
	if !a.over {
		l.again(n, a, "its result is not believed: "+err.Error(), true)
	}
}
