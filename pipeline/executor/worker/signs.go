package worker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
)

// signs gives an attempt's signs of life and passes on what its stage prints. It is
// the stage's log and its progress.
type signs struct {
	w       *Worker
	attempt queue.Attempt
	stop    context.CancelCauseFunc

	mu      sync.Mutex
	claim   queue.Claim
	pending []byte // printed, and not yet sent
	sent    int    // pieces
	bytes   int    // in them
	dropped bool

	quit chan struct{}
	done chan struct{}
}

const (
	// maxLogs bounds what of a log is passed on while it is written; all of it is in
	// the result.
	maxLogs = 64 << 20
	// Log pieces are sent this much more often than signs of life.
	logShare = 5
)

func newSigns(w *Worker, a queue.Attempt, stop context.CancelCauseFunc) *signs {
	s := &signs{w: w, attempt: a, stop: stop, claim: w.claim(), quit: make(chan struct{}), done: make(chan struct{})}
	go s.beat()
	return s
}

// Write implements io.Writer.
func (s *signs) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes+len(s.pending)+len(p) > maxLogs {
		if !s.dropped {
			s.dropped = true
			s.pending = append(s.pending, "\n(what follows is not shown while the stage runs)\n"...)
		}
		return len(p), nil
	}
	s.pending = append(s.pending, p...)
	return len(p), nil
}

// Report implements stages.Progress.
func (s *signs) Report(done, total int64, unit string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claim.Done, s.claim.Total, s.claim.Unit = done, total, unit
}

// waits says why the stage has not begun, at once; "" once it has.
func (s *signs) waits(ctx context.Context, why string) {
	s.mu.Lock()
	s.claim.Waits = why
	s.mu.Unlock()
	if why != "" {
		s.within(ctx, s.alive)
	}
}

func (s *signs) beat() {
	defer close(s.done)
	tick := time.NewTicker(max(s.w.Beat/logShare, time.Millisecond))
	defer tick.Stop()
	life := time.NewTicker(max(s.w.Beat, time.Millisecond))
	defer life.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-tick.C:
		}
		s.w.Usage.sample()
		select {
		case <-life.C:
			s.within(context.Background(), s.alive)
		default:
		}
		s.within(context.Background(), s.sendLogs)
	}
}

// within gives what goes to the store a time of its own: a long log on a slow way must
// not keep a sign of life waiting for longer than a beat.
func (s *signs) within(ctx context.Context, do func(context.Context)) {
	ctx, cancel := context.WithTimeout(ctx, max(s.w.Beat, time.Second))
	defer cancel()
	do(ctx)
}

// alive gives a sign of life, and looks whether the attempt was cancelled. What fails
// is tried again at the next beat: whoever waits for it is patient.
func (s *signs) alive(ctx context.Context) {
	s.mu.Lock()
	s.claim.Beat++
	c := s.claim
	c.Logs = s.sent
	s.mu.Unlock()
	if err := s.w.Queue.Beat(ctx, s.attempt, c); err != nil {
		s.w.Tell(fmt.Sprintf("no sign of life could be given: %v", err))
	}
	if cancelled, err := s.w.Queue.IsCancelled(ctx, s.attempt); err == nil && cancelled {
		s.stop(errCancelled)
	}
}

func (s *signs) sendLogs(ctx context.Context) {
	for {
		s.mu.Lock()
		piece := s.pending[:min(len(s.pending), queue.MaxLog)]
		number := s.sent + 1
		s.mu.Unlock()
		if len(piece) == 0 || s.w.Queue.WriteLog(ctx, s.attempt, number, piece) != nil {
			return
		}
		s.mu.Lock()
		s.pending = s.pending[len(piece):]
		s.sent, s.bytes = number, s.bytes+len(piece)
		s.mu.Unlock()
	}
}

// close ends the signs, and returns how many pieces of the log there are.
func (s *signs) close(ctx context.Context) int {
	close(s.quit)
	<-s.done
	s.within(ctx, s.sendLogs)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}
