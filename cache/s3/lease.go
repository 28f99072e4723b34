package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// leaseName is the one lease of a store: who holds it collects garbage
// (invariant I15). It is made with If-None-Match and renewed and taken over with
// If-Match, so that of two who try, one loses.
const leaseName = "lease/gc"

const (
	// leaseTime is how long a lease is good for without renewal: long against the
	// time-out of a request, short against the patience of who waits for a dead one.
	leaseTime = 5 * time.Minute
	minLease  = 3 * time.Second // the server's clock may tick in seconds
	maxLease  = time.Hour       // a longer one was made to keep others waiting
)

// leaseFile is the content of a lease. It names no user and no host.
type leaseFile struct {
	Holder  string  `json:"holder"` // random
	Beat    int     `json:"beat"`
	Seconds seconds `json:"lease_seconds"`
}

// BusyError says that another collection is at work.
type BusyError struct {
	Since time.Time     // when it last gave a sign, by the server's clock
	For   time.Duration // after which its lease runs out, counted from Since
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("another collection is at work in this team cache (it gave a sign at %s); if it has died, its lease runs out at %s",
		e.Since.UTC().Format(time.RFC3339), e.Since.Add(e.For).UTC().Format(time.RFC3339))
}

// errLeaseLost says that a collection must not delete anything any more.
var errLeaseLost = errors.New("the lease was lost: this machine was too slow, or somebody deleted it; nothing more is deleted, and the next collection goes on")

// lease is a lease that this process holds.
type lease struct {
	s    *Store
	time time.Duration

	mu   sync.Mutex
	file leaseFile
	etag string
	beat time.Time // when the last renewal that was acknowledged was sent
	lost bool

	stop context.CancelFunc
	done chan struct{}
}

// takeLease takes the lease, or returns a *BusyError.
func (s *Store) takeLease(ctx context.Context, length time.Duration) (*lease, error) {
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	l := &lease{s: s, time: min(max(length, minLease), maxLease), done: make(chan struct{})}
	l.file = leaseFile{Holder: hex.EncodeToString(id[:]), Seconds: seconds(l.time)}
	err := l.write(ctx, condition{absent: true})
	if errors.Is(err, errExists) {
		err = l.takeOver(ctx)
	}
	if err != nil {
		return nil, err
	}
	s.at("gc-lease-taken")
	if err := l.checkClock(ctx); err != nil {
		l.release(ctx)
		return nil, err
	}
	var beating context.Context
	beating, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	go l.keep(beating)
	return l, nil
}

// checkClock refuses a server whose clocks disagree: ages would mean nothing.
func (l *lease) checkClock(ctx context.Context) error {
	i, err := l.s.head(ctx, leaseName)
	if err != nil {
		return err
	}
	if off := l.s.serverNow().Sub(i.modified).Abs(); off > time.Minute+l.time {
		return fmt.Errorf("the server says that an object written just now is %s old: its clocks disagree, so nothing can be deleted by age", off.Round(time.Second))
	}
	return nil
}

// write puts the lease's content; a lost answer to an earlier attempt is no loss.
func (l *lease) write(ctx context.Context, when condition) error {
	b, err := json.Marshal(l.file)
	if err != nil {
		return err
	}
	began := time.Now()
	i, err := l.s.put(ctx, leaseName, b, when)
	if errors.Is(err, errExists) {
		have, got, gerr := l.s.get(ctx, leaseName, 0, -1)
		if gerr != nil || !bytes.Equal(have, b) {
			return errors.Join(err, ignoreMissing(gerr))
		}
		i = got
	} else if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.etag, l.beat = i.etag, began
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, errNotFound) {
		return nil
	}
	return err
}

// takeOver replaces a lease that has run out.
func (l *lease) takeOver(ctx context.Context) error {
	old, i, err := l.s.readLease(ctx)
	if errors.Is(err, errNotFound) {
		return &BusyError{Since: l.s.serverNow(), For: l.time} // it ended this moment; whoever asks again gets it
	}
	if err != nil {
		return err
	}
	if !old.ranOut(i, l.s.serverNow()) {
		return &BusyError{Since: i.modified, For: time.Duration(old.Seconds)}
	}
	err = l.write(ctx, condition{etag: i.etag})
	if errors.Is(err, errExists) || errors.Is(err, errNotFound) {
		return &BusyError{Since: l.s.serverNow(), For: l.time} // somebody else was quicker
	}
	return err
}

// readLease reads the lease that is there. One that is damaged, or longer than any
// collection makes it, counts as one of the usual length.
func (s *Store) readLease(ctx context.Context) (f leaseFile, i info, err error) {
	b, i, err := s.get(ctx, leaseName, 0, -1)
	if err != nil {
		return f, i, err
	}
	return parseLease(b), i, nil
}

func parseLease(b []byte) (f leaseFile) {
	if json.Unmarshal(b, &f) != nil || f.Seconds <= 0 || time.Duration(f.Seconds) > maxLease {
		return leaseFile{Seconds: seconds(leaseTime)}
	}
	return f
}

// ranOut reports whether a lease that was last written at i.modified is over,
// with a second for clocks that tick in seconds.
func (f leaseFile) ranOut(i info, now time.Time) bool {
	return now.Sub(i.modified) > time.Duration(f.Seconds)+time.Second
}

// collecting reports whether a collection is alive.
func (s *Store) collecting(ctx context.Context) (bool, error) {
	f, i, err := s.readLease(ctx)
	if errors.Is(err, errNotFound) {
		return false, nil
	}
	return err == nil && !f.ranOut(i, s.serverNow()), err
}

// keep renews the lease until it is released or lost.
func (l *lease) keep(ctx context.Context) {
	defer close(l.done)
	tick := time.NewTicker(l.time / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		l.mu.Lock()
		l.file.Beat++
		etag := l.etag
		l.mu.Unlock()
		// Any failure but another holder may pass before the lease runs out.
		l.s.at("gc-lease-before-renewal")
		err := l.write(ctx, condition{etag: etag})
		l.s.at("gc-lease-renewed")
		if errors.Is(err, errExists) || errors.Is(err, errNotFound) {
			l.mu.Lock()
			l.lost = true
			l.mu.Unlock()
			return
		}
	}
}

// check returns an error unless the lease may be relied upon for another request:
// the second half of its time is for requests that are on their way.
func (l *lease) check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost || since(l.beat) > l.time/2 {
		return errLeaseLost
	}
	return nil
}

// abandon stops renewing the lease, so that it runs out.
func (l *lease) abandon() {
	if l.stop != nil {
		l.stop()
		<-l.done
	}
}

// release gives the lease up. One that cannot be deleted runs out.
func (l *lease) release(ctx context.Context) {
	l.abandon()
	if l.check() == nil {
		_ = l.s.remove(context.WithoutCancel(ctx), leaseName)
		l.s.at("gc-lease-released")
	}
}
