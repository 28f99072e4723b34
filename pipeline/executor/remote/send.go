package remote

import (
	"context"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/stages"
)

// sending is content on its way into the store, for jobs that come together. It goes on
// as long as one of them is wanted.
type sending struct {
	jobs   []*job
	files  [][]stages.File // of each
	wanted int             // of the jobs
	size   int64           // bytes, at most
	cancel context.CancelFunc
}

const (
	// mostSends is how many of them there are at a time.
	mostSends = 4
	// enough is how many bytes go together: the first jobs begin while the inputs of
	// others are on their way.
	enough = 256 << 20
)

// send reports whether inputs of a job have to get into the store first. It has them
// sent, unless they are on their way for another job, or too much is.
func (l *loop) send(j *job) bool {
	var files []stages.File
	size, others := int64(0), false
	for _, f := range j.inputs {
		if !l.sent[f.Digest] {
			files = append(files, f)
			size += f.Size
			others = others || l.onTheWay[f.Digest] != nil
		}
	}
	j.held = len(files) > 0
	if !j.held || j.sending != nil || others && !l.together(files) {
		return j.held
	}
	s := l.next
	if s == nil {
		if len(l.sends) >= mostSends {
			return true
		}
		s = &sending{}
		l.next = s
		l.sends[s] = true
	}
	s.jobs, s.files, s.size = append(s.jobs, j), append(s.files, files), s.size+size
	s.wanted++
	j.sending = s
	for _, f := range files {
		l.onTheWay[f.Digest] = s
	}
	if s.size >= enough {
		l.sendOff()
	}
	return true
}

// together reports whether those of some files that are on their way to the store are
// so with what is sent off next.
func (l *loop) together(files []stages.File) bool {
	for _, f := range files {
		if s := l.onTheWay[f.Digest]; s != nil && s != l.next {
			return false
		}
	}
	return true
}

// sendOff sends what was gathered. What this machine does not have came from the store,
// and is there or lost: workers will tell.
func (l *loop) sendOff() {
	s := l.next
	if s == nil {
		return
	}
	l.next = nil
	ctx, cancel := context.WithCancel(l.running)
	s.cancel = cancel
	l.aside(func() func() {
		defer cancel()
		errs := l.sendAll(ctx, s)
		return func() { l.sentAll(s, errs) }
	})
	for _, j := range s.jobs {
		note(j, "its inputs are on their way to the cache")
	}
}

// sentAll takes over what became of it.
func (l *loop) sentAll(s *sending, errs []error) {
	delete(l.sends, s)
	l.soon, l.happened = true, l.Now()
	for i, j := range s.jobs {
		for _, f := range s.files[i] {
			if l.onTheWay[f.Digest] == s {
				delete(l.onTheWay, f.Digest)
			}
			if errs[i] == nil {
				l.sent[f.Digest] = true
			}
		}
		j.sending = nil
		_, lost := executor.Lost(errs[i])
		switch {
		case !l.jobs[j]:
		case errs[i] == nil:
			l.sendError = nil
		case lost:
			l.finish(j, outcome{err: errs[i]})
		default:
			l.sendError = errs[i]
		}
	}
}

// unwanted takes a job off what is sent, which ends with the last one.
func (j *job) unwanted() {
	if s := j.sending; s != nil {
		j.sending = nil
		if s.wanted--; s.wanted == 0 && s.cancel != nil {
			s.cancel()
		}
	}
}

// sendAll says for each job whether its inputs are in the store. It runs beside the
// loop, and touches none of its state.
func (l *loop) sendAll(ctx context.Context, s *sending) []error {
	errs := make([]error, len(s.jobs))
	var all []stages.File
	for _, f := range s.files {
		all = append(all, f...)
	}
	err := l.sendFiles(ctx, all)
	for i, j := range s.jobs {
		errs[i] = err
		if _, lost := cache.Lost(err); lost {
			errs[i] = l.sendFiles(ctx, s.files[i])
		}
		if _, lost := cache.Lost(errs[i]); lost {
			errs[i] = l.lostInput(ctx, j, errs[i])
		}
	}
	return errs
}

func (l *loop) sendFiles(ctx context.Context, files []stages.File) error {
	var want []cache.Digest
	seen := map[cache.Digest]bool{}
	for _, f := range files {
		if seen[f.Digest] {
			continue
		}
		seen[f.Digest] = true
		here, err := l.Local.HasBlob(ctx, f.Digest)
		if err != nil {
			return err
		}
		if !here {
			continue
		}
		needs, err := l.Local.Needs(ctx, &cache.Entry{Objects: []cache.Object{f.Object}})
		if err != nil {
			return err
		}
		for _, d := range needs {
			if here, err := l.Local.HasBlob(ctx, d); err != nil {
				return err
			} else if here {
				want = append(want, d)
			}
		}
	}
	if len(want) == 0 {
		return nil
	}
	return l.Store.SendBlobs(ctx, l.Local, want)
}
