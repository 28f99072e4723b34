package worker

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/pipeline/executor/wire"
	"github.com/nbpipe/nbpipe/pipeline/gpu"
	"github.com/nbpipe/nbpipe/pipeline/gpu/lease"
	"github.com/nbpipe/nbpipe/stages"
)

// The causes for which a running stage is ended.
var (
	errCancelled = errors.New("cancelled")
	errLeaving   = errors.New("the worker's time is over")
)

// errGone says that an attempt had ended before it was claimed, and was forgotten.
var errGone = errors.New("nobody asks for it any more")

// unfit says that this machine cannot run an action; another one may.
type unfit struct{ err error }

func (u *unfit) Error() string { return u.err.Error() }

// refused says that an action may be run nowhere.
type refused struct{ err error }

func (r *refused) Error() string { return r.err.Error() }

// useless says that a ticket is of no use; another one for the same action may be.
type useless struct{ err error }

func (u *useless) Error() string { return u.err.Error() }

// attempt runs what was claimed, and says what became of it. It reports whether this
// machine was fit for it.
func (w *Worker) attempt(ctx context.Context, a queue.Attempt) (fit bool) {
	running, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	defer context.AfterFunc(ctx, func() { stop(errLeaving) })()
	if !w.Until.IsZero() {
		timer := time.AfterFunc(w.Until.Sub(w.Now()), func() { stop(errLeaving) })
		defer timer.Stop()
	}
	s := newSigns(w, a, stop)
	began := w.Now()
	w.Usage.begin()
	entry, err := w.run(running, a, s)
	if errors.Is(err, errGone) {
		s.close(running)
		_ = w.Queue.Forget(running, a, 0) // the claim
		return true
	}
	r := w.result(running, entry, err)
	var failure *executor.Failure
	if errors.As(err, &failure) {
		r.LogTail, r.Exit = failure.LogTail, failure.Exit
	}
	r.Used, r.WholeTime = w.used(began), r.State == queue.Left && w.whole(began)
	r.Logs, r.Whole = s.close(context.WithoutCancel(ctx))
	w.finish(context.WithoutCancel(ctx), a, r)
	if r.State == queue.Unfit {
		w.Tell("this machine is not fit for what is asked for: " + r.Error)
	}
	return r.State != queue.Unfit
}

// used is what the attempt used so far.
func (w *Worker) used(began time.Time) queue.Used {
	u := w.About
	u.Started, u.Seconds = began.UTC().Truncate(time.Millisecond), w.Now().Sub(began).Seconds()
	u.CPU, u.MaxRSS = w.Usage.so()
	return u
}

// finish writes the result. A worker that cannot is one that is lost: somebody else
// runs the action.
func (w *Worker) finish(ctx context.Context, a queue.Attempt, r queue.Result) {
	err := w.patiently(ctx, nil, func(ctx context.Context) error { return w.Queue.Finish(ctx, a, r) })
	if err != nil {
		w.Tell(fmt.Sprintf("the result of %s could not be written: %v", a, err))
	}
}

// patiently does something with the store until it succeeds, or the store was away for
// too long. Where trying again is of no use, final says so.
func (w *Worker) patiently(ctx context.Context, final func(error) bool, do func(context.Context) error) error {
	for pause, began, told := shortPause, w.Now(), false; ; pause = min(2*pause, longPause) {
		err := do(ctx)
		if err == nil || ctx.Err() != nil || errors.Is(err, s3.ErrReadOnly) || final != nil && final(err) || w.Now().Sub(began) > patience {
			return err
		}
		if !told {
			told = true
			w.Tell(fmt.Sprintf("the store does not answer, waiting for it: %v", err))
		}
		wait(ctx, pause)
	}
}

// run runs an action and publishes what it made. What this machine made before, and
// could not publish then, is not made again.
func (w *Worker) run(ctx context.Context, a queue.Attempt, s *signs) (*cache.StoredEntry, error) {
	act, certificate, err := w.read(ctx, a)
	if err != nil {
		return nil, err
	}
	if w.Unfit != nil { // also for what it made when less was asked of it
		return nil, &unfit{w.Unfit}
	}
	if act.Anew || !w.has(ctx, act.Key) {
		if err := w.execute(ctx, act, s); fullMachine(err) {
			return nil, &unfit{err}
		} else if err != nil {
			return nil, err
		}
	}
	ctx, done := afterwards(ctx)
	defer done()
	if certificate, err = w.certificate(ctx, a, certificate); err != nil {
		return nil, err
	}
	key := cache.SigningKey{Name: w.User.Name, Private: w.Key, Certificate: certificate.Encode()}
	return w.publish(ctx, act.Key, key)
}

// has reports whether this machine has a result of its own.
func (w *Worker) has(ctx context.Context, k cache.Key) bool {
	_, _, ok, err := w.Local.Own(ctx, k)
	return ok && err == nil
}

func (w *Worker) execute(ctx context.Context, act *executor.Action, s *signs) error {
	if err := w.hasModel(act.Resources); err != nil {
		return err
	}
	if err := w.fits(ctx, act); err != nil {
		return err
	}
	if err := w.pull(ctx, act); err != nil {
		return err
	}
	act.Log = s
	gpus, release, err := w.gpus(ctx, act.Resources, s)
	if err != nil {
		return err
	}
	defer release()
	act.GPUs = gpus
	_, err = w.Executor.Execute(ctx, act, s)
	return err
}

// fullMachine reports whether an error is the fault of this machine's disk, or of what
// else it has too little of: on another machine the stage may do. What a program says
// at its end of a full disk is believed, too.
func fullMachine(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, e) {
			return true
		}
	}
	var f *executor.Failure
	return errors.As(err, &f) && (strings.Contains(f.LogTail, "No space left on device") || strings.Contains(f.LogTail, "Disk quota exceeded"))
}

// afterwards is the context of what is left to do when a stage has ended. A worker
// whose time is over has a little more for it, since the stage would have to run again.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	const grace = 25 * time.Second // Slurm gives 30 s from a signal to the end
	out, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	off := context.AfterFunc(ctx, func() {
		if cause := context.Cause(ctx); errors.Is(cause, errLeaving) {
			time.AfterFunc(grace, func() { stop(cause) })
		} else {
			stop(cause)
		}
	})
	return out, func() { off(); stop(nil) }
}

// read takes an action that the user has certified for this attempt. A ticket that is
// of no use says nothing about the action: anybody may have put it there.
func (w *Worker) read(ctx context.Context, a queue.Attempt) (*executor.Action, cache.Certificate, error) {
	var ticket queue.Ticket
	var raw []byte
	err := w.patiently(ctx, unreadable, func(ctx context.Context) (err error) {
		ticket, raw, err = w.Queue.Ticket(ctx, a)
		return err
	})
	switch {
	case errors.Is(err, cache.ErrNotFound):
		return nil, cache.Certificate{}, errGone
	case unreadable(err):
		return nil, cache.Certificate{}, &useless{err}
	case err != nil:
		return nil, cache.Certificate{}, &executor.StoreFailure{Err: err}
	}
	c, err := w.certified(ticket.Certificate, a)
	if err == nil && c.Action != ticket.Action {
		err = fmt.Errorf("the certificate of %s is for something else", c.Signer)
	}
	if err != nil {
		return nil, c, &useless{err}
	}
	act, err := wire.Decode(raw, w.Kinds)
	if err != nil {
		return nil, c, &refused{err}
	}
	if key, _ := a.Key(); key != act.Key {
		return nil, c, &refused{fmt.Errorf("the attempt is at key %s, its action has key %s", key.Short(), act.Key.Short())}
	}
	return act, c, nil
}

// certified reads a certificate, and checks that it is the user's, for this attempt, and
// has not ended.
func (w *Worker) certified(b []byte, a queue.Attempt) (cache.Certificate, error) {
	c, err := cache.ParseCertificate(b)
	if err == nil {
		err = c.Verify(w.User.Key)
	}
	if err == nil && (c.Signer != w.User.Name || c.Scope != w.Store.ID() || c.For != w.Queue.Occasion(a) || !c.Public.Equal(w.Key.Public().(ed25519.PublicKey))) {
		err = fmt.Errorf("the certificate of %s is for something else", c.Signer)
	}
	if err == nil {
		key, _ := a.Key()
		err = c.Allows(key, w.Queue.Now())
	}
	return c, err
}

// certificate is what a result is signed with: the ticket's present one, since a stage
// may have run for longer than the first one was good for.
func (w *Worker) certificate(ctx context.Context, a queue.Attempt, first cache.Certificate) (cache.Certificate, error) {
	var b []byte
	err := w.patiently(ctx, unreadable, func(ctx context.Context) (err error) {
		b, err = w.Queue.Certificate(ctx, a)
		return err
	})
	if err != nil && !unreadable(err) {
		return first, &executor.StoreFailure{Err: err}
	}
	if now, err := w.certified(b, a); err == nil {
		return now, nil
	}
	key, _ := a.Key()
	if err := first.Allows(key, w.Queue.Now()); err != nil {
		return first, &useless{err}
	}
	return first, nil
}

// pull brings the action's inputs to this machine. A store that does not answer is
// waited for: lost is only what it says that it does not have.
func (w *Worker) pull(ctx context.Context, act *executor.Action) error {
	inputs := executor.Inputs(act)
	all := &cache.Entry{}
	for _, f := range inputs {
		all.Objects = append(all.Objects, f.Object)
	}
	final := func(err error) bool { return isLost(err) || fullMachine(err) }
	err := w.patiently(ctx, final, func(ctx context.Context) error { return w.Local.Complete(ctx, all) })
	if !isLost(err) {
		return storeFailure(err)
	}
	for _, f := range inputs {
		if err := w.Local.Complete(ctx, &cache.Entry{Objects: []cache.Object{f.Object}}); isLost(err) {
			return &executor.LostInput{File: f, Err: err}
		}
	}
	return storeFailure(err)
}

func isLost(err error) bool {
	_, certain := cache.Lost(err)
	return certain
}

func storeFailure(err error) error {
	if err == nil {
		return nil
	}
	return &executor.StoreFailure{Err: err}
}

// unreadable reports whether it is one object that cannot be had, and not the store.
func unreadable(err error) bool {
	return errors.As(err, new(*queue.RecordError)) || errors.Is(err, cache.ErrNotFound)
}

// gpus are those that an action gets, as soon as no other process has them; release
// gives them back. How many there have to be is the launcher's concern: a scheduler's
// GPUs may be none that this machine can list.
func (w *Worker) gpus(ctx context.Context, r stages.Resources, s *signs) (got []gpu.Device, release func(), err error) {
	fit := gpu.Fitting(w.GPUs, r.GPUModel)
	n := min(max(r.GPUs, 0), len(fit))
	if w.Leases == nil || n == 0 {
		return fit[:n], func() {}, nil
	}
	var leases []lease.Lease
	err = lease.Await(ctx, func(why string) { s.waits(ctx, why) }, func() (err error) {
		leases, err = w.Leases.Take(n, fit)
		return err
	})
	s.waits(ctx, "")
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, nil, err
	case err != nil:
		return nil, nil, &unfit{err}
	}
	return lease.Devices(leases), func() {
		for _, l := range leases {
			l.Release()
		}
	}, nil
}

// hasModel checks that the GPUs here are what the file asks for.
func (w *Worker) hasModel(r stages.Resources) error {
	if r.GPUModel == "" {
		return nil
	}
	if err := gpu.Check(w.GPUs, max(r.GPUs, 1), r.GPUModel); err != nil {
		return &unfit{err}
	}
	return nil
}

// fits asks this machine's tools for what they said where the key was made: a result
// of other tools belongs to another key.
func (w *Worker) fits(ctx context.Context, a *executor.Action) error {
	stage, err := a.Ingredients.Kind.Fill(a.Ingredients.Attrs)
	if err != nil {
		return &refused{err}
	}
	have := map[string]string{}
	if tooled, ok := stage.(stages.Tooled); ok {
		out, ok, err := w.Prober.Probe(ctx, tooled.Probes())
		if err == nil && !ok {
			err = errors.New("its tools do not say of which version they are")
		}
		if err != nil {
			return &unfit{err}
		}
		maps.Copy(have, out)
	}
	if versioned, ok := stage.(stages.Versioned); ok {
		maps.Copy(have, versioned.Versions())
	}
	for _, name := range slices.Sorted(maps.Keys(a.Ingredients.Probes)) {
		if want := a.Ingredients.Probes[name]; have[name] != want {
			return &unfit{fmt.Errorf("%s is %q, and %q where the experiment was started: both have to be the same, since results depend on it", name, clip(have[name]), clip(want))}
		}
	}
	return nil
}

func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// publish sends content, then the entry.
func (w *Worker) publish(ctx context.Context, k cache.Key, key cache.SigningKey) (*cache.StoredEntry, error) {
	own, entry, ok, err := w.Local.Own(ctx, k)
	if err != nil || !ok {
		return nil, &executor.StoreFailure{Err: errors.Join(err, fmt.Errorf("the local store lost the entry of key %s", k.Short()))}
	}
	needs, err := w.Local.Needs(ctx, entry)
	if err != nil {
		return nil, &executor.StoreFailure{Err: err}
	}
	sealed, err := key.Seal(own, w.Store.ID())
	if err != nil {
		return nil, &executor.StoreFailure{Err: err}
	}
	var lost error
	err = w.patiently(ctx, nil, func(ctx context.Context) error {
		pushed, err := w.Store.Push(ctx, w.Local, []s3.Item{{Entry: sealed, Needs: needs}}, nil)
		lost = nil
		for _, f := range pushed.Failed {
			lost = errors.Join(lost, f.Err)
		}
		return err
	})
	if err = errors.Join(err, lost); err != nil {
		return nil, &executor.StoreFailure{Err: err}
	}
	return &sealed, nil
}

// result turns what became of a run into a record.
func (w *Worker) result(ctx context.Context, entry *cache.StoredEntry, err error) queue.Result {
	r := queue.Result{Worker: w.ID, State: queue.Failed}
	if err == nil {
		r.State, r.Entry, r.Name = queue.Succeeded, entry.Data, entry.Digest
		return r
	}
	r.Error = err.Error()
	var late *executor.TimeoutError
	var store *executor.StoreFailure
	cause := context.Cause(ctx)
	lost, isLost := executor.Lost(err)
	blob, certain := cache.Lost(err)
	switch {
	case errors.Is(cause, errLeaving):
		r.State = queue.Left
	case errors.Is(cause, errCancelled):
		r.State = queue.Cancelled
	case isLost && certain:
		r.State, r.Input = queue.LostInput, &queue.LostFile{Digest: lost.File.Digest, Name: lost.File.Name, Blob: blob}
	case errors.As(err, new(*unfit)):
		r.State = queue.Unfit
	case errors.As(err, new(*refused)):
		r.State = queue.Refused
	case errors.As(err, new(*useless)):
		r.State = queue.AskAgain
	case errors.As(err, &store), isLost:
		r.State = queue.StoreOut
	case errors.As(err, &late):
		r.State = queue.TimedOut
	}
	return r
}
