package queue

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/nbpipe/nbpipe/cache/s3"
)

// The folders of what asks workers to leave, and of who did.
const (
	leave = "leave"
	left  = "left"
)

func (q *Queue) slip(folder, name string) string {
	return "attempts/" + q.id + "/" + folder + "/" + name
}

// slipAt is the name of the first one that may be made at a time.
func slipAt(at time.Time) string { return fmt.Sprintf("%012x", max(0, at.UnixMilli())) }

// AskToLeave asks one worker to leave once it has ended what it runs: the first that
// sees it, of those that are there now. Another queue needs its place.
func (q *Queue) AskToLeave(ctx context.Context, id string) error {
	return q.work.Put(ctx, q.slip(leave, slipAt(q.Now())+"-"+id), []byte("{}"))
}

// MayLeave reports whether a worker that began at a time of the store is one that is
// to leave.
func (q *Queue) MayLeave(ctx context.Context, worker string, began time.Time) (bool, error) {
	const skew = time.Minute // between a name's clock and that of the listing
	prefix := q.slip(leave, "")
	found, err := q.work.List(ctx, prefix, prefix+slipAt(began.Add(-skew)))
	if err != nil {
		return false, err
	}
	for _, f := range found {
		name := path.Base(f.Name)
		if _, id, ok := strings.Cut(name, "-"); !ok || !idPattern.MatchString(id) || !f.Time.After(began) {
			continue
		}
		err := q.create(ctx, q.slip(left, name), Claim{Worker: worker})
		if errors.Is(err, s3.ErrExists) { // another one leaves
			continue
		}
		return err == nil, err
	}
	return false, nil
}

// ForgetLeaving deletes what asked workers to leave, and who did, once there are none.
func (q *Queue) ForgetLeaving(ctx context.Context) error {
	var names []string
	for _, folder := range []string{leave, left} {
		found, err := q.work.List(ctx, q.slip(folder, ""), "")
		if err != nil {
			return err
		}
		for _, f := range found {
			names = append(names, f.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return q.work.Delete(ctx, names...)
}
