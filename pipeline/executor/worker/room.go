package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nbpipe/nbpipe/cache"
)

// room keeps what workers keep on a machine's disk below a limit. All of it can be had
// again from the shared store.
//
// A machine's workers share one store. Only who has it to itself may collect garbage in
// it. As long as it is over its limit and others use it, a worker has a store of its
// own, which goes with its scratch folder.
type room struct {
	shared  string // folder of the machine's store
	private string // folder of the worker's own, within its scratch folder
	limit   int64  // bytes of either; 0 for none
	now     func() time.Time
	tell    func(string)
}

// choose returns the folder of the store to use, after making room in it.
func (r *room) choose(ctx context.Context) (string, error) {
	if err := os.RemoveAll(r.private); err != nil {
		return "", err
	}
	switch err := r.collect(ctx); {
	case errors.Is(err, cache.ErrInUse):
		r.tell(fmt.Sprintf("the cache %s is over its limit of %d MiB, and others use it: this worker has one of its own", r.shared, r.limit>>20))
		return r.private, nil
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err != nil: // it may still do to work in
		r.tell(err.Error())
	}
	return r.shared, nil
}

// collect makes room in the machine's store, if it is over its limit.
func (r *room) collect(ctx context.Context) error {
	if over, err := r.over(r.shared); !over || err != nil {
		return err
	}
	const (
		share = 4 // a fourth of the limit is made free, so that it is not soon the same again
		age   = 30 * 24 * time.Hour
	)
	_, err := cache.GC(ctx, r.shared, cache.GCOptions{Now: r.now(), OlderThan: age, MaxSize: max(1, r.limit-r.limit/share), NoWait: true})
	return err
}

func (r *room) over(dir string) (bool, error) {
	if r.limit <= 0 {
		return false, nil
	}
	n, err := cache.Size(dir)
	return n > r.limit, err
}

// full returns a function that reports whether the store in dir is over its limit. It
// looks so rarely that this takes a hundredth of the time; on a file system of the
// network it can take seconds.
func (r *room) full(dir string) func() bool {
	if over, err := r.over(dir); over || err != nil {
		return func() bool { return false } // it cannot be helped
	}
	const rarely = 100
	next := r.now()
	return func() bool {
		began := r.now()
		if began.Before(next) {
			return false
		}
		over, err := r.over(dir)
		next = r.now().Add(rarely * r.now().Sub(began))
		return over && err == nil
	}
}

// leave makes room for those who come later.
func (r *room) leave(ctx context.Context) {
	if err := r.collect(ctx); err != nil && !errors.Is(err, cache.ErrInUse) {
		r.tell(err.Error())
	}
}

func newRoom(o Options, scratch string) *room {
	return &room{shared: o.Cache, private: filepath.Join(scratch, "cache"), limit: o.Keep, now: o.Now, tell: o.Tell}
}
