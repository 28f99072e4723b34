package worker

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor"
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
	pending executor.Excerpt // printed, and not yet sent
	parts   [][]byte         // what is to be sent next, of what was pending
	sent    int              // pieces
	all     int64            // bytes printed
	sentAll int64            // bytes in pieces, where none was left out
	kept    *executor.Excerpt
	lastLog time.Time // when something was sent

	quit chan struct{}
	done chan struct{}
}

const (
	// maxPending is how much of what is printed between two pieces is sent: its beginning,
	// and as much of its end.
	maxPending = 8 << 20
	// Log pieces are sent this much more often than signs of life; later ones, which take
	// the place of older ones, only so much.
	logShare, laterShare = 5, 2
)

func newSigns(w *Worker, a queue.Attempt, stop context.CancelCauseFunc) *signs {
	s := &signs{w: w, attempt: a, stop: stop, claim: w.claim(), kept: executor.NewExcerpt(), pending: executor.Excerpt{Head: maxPending, Tail: maxPending}, quit: make(chan struct{}), done: make(chan struct{})}
	go s.beat()
	return s
}

// Write implements io.Writer. It never waits: what comes faster than it can be sent is
// left out in the middle.
func (s *signs) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all += int64(len(p))
	_, _ = s.pending.Write(p)
	_, _ = s.kept.Write(p)
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
		before := s.sent
		s.within(context.Background(), s.sendLogs)
		if before == 0 && s.sent > 0 { // from now on it is looked for more
			s.within(context.Background(), s.alive)
		}
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

// sendLogs sends what was printed. A piece that cannot be sent now is sent later.
func (s *signs) sendLogs(ctx context.Context) {
	if s.sent >= queue.HeadLogs && s.w.Now().Sub(s.lastLog) < s.w.Beat/laterShare {
		return
	}
	s.flush(ctx)
}

func (s *signs) flush(ctx context.Context) {
	s.mu.Lock()
	if len(s.parts) == 0 && s.pending.Len() > 0 {
		s.parts = slices.Collect(slices.Chunk(s.pending.Bytes(), queue.MaxLog))
		s.pending.Reset()
	}
	parts, number := s.parts, s.sent
	s.mu.Unlock()
	for _, piece := range parts {
		number++
		if s.w.Queue.WriteLog(ctx, s.attempt, number, piece) != nil {
			return
		}
		s.mu.Lock()
		s.parts, s.sent, s.lastLog = s.parts[1:], number, s.w.Now()
		s.sentAll += int64(len(piece))
		s.mu.Unlock()
	}
}

// close ends the signs, and returns how many pieces of the log there are, and of what is
// kept of it.
func (s *signs) close(ctx context.Context) (logs, whole int) {
	close(s.quit)
	<-s.done
	s.within(ctx, s.flush)
	s.within(ctx, s.flush) // what was printed while the one before was on its way
	s.mu.Lock()
	logs = s.sent
	all := logs <= queue.HeadLogs && s.sentAll == s.all
	s.mu.Unlock()
	if all {
		return logs, 0
	}
	s.within(ctx, func(ctx context.Context) {
		for piece := range slices.Chunk(s.kept.Bytes(), queue.MaxLog) {
			if s.w.Queue.WriteWhole(ctx, s.attempt, whole+1, piece) != nil {
				return
			}
			whole++
		}
	})
	return logs, whole
}
