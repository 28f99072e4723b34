package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/gpu"
	"github.com/nbpipe/nbpipe/pipeline/plan"
	"github.com/nbpipe/nbpipe/stages"
)

// Action is everything that the run of a node depends on.
type Action struct {
	Address     string // for messages and progress only
	Ingredients plan.Ingredients
	Key         cache.Key // zero while an attribute is still to be pinned
	Outputs     map[string]cty.Type
	Resources   stages.Resources
	GPUs        []gpu.Device // the action's own; nil where nobody gave it any
	Why         []string
	Build       string
	// Anew runs it although there may be a result; else one that is found may be taken.
	Anew bool

	Log io.Writer // gets what the stage prints, as it comes; may be nil
}

// Result is a complete, published run.
type Result struct {
	Entry *cache.Entry
	Pins  map[string]string // attributes that the run pinned, see stages.Locked
}

// Watcher is implemented by a stages.Progress that shows what an executor on other
// machines sees. It is safe for concurrent use.
type Watcher interface {
	// Note says why an action has not begun, in a line.
	Note(text string)
	// Begun says that the action runs, and where; maybe for another time, if what ran
	// it was lost.
	Begun(where string)
	// Logged passes on what the stage prints.
	Logged(text []byte)
}

// Executor runs actions. Implementations are safe for concurrent use.
type Executor interface {
	// Execute runs the action and publishes its entry. On failure nothing is
	// published, and the error is a *Failure where the stage itself failed.
	Execute(ctx context.Context, a *Action, progress stages.Progress) (*Result, error)
	// Rerun runs the action and publishes nothing; the entry says what it made.
	Rerun(ctx context.Context, a *Action, progress stages.Progress) (*cache.Entry, error)
}

// Failure is the failure of a stage, with the end of what it printed.
type Failure struct {
	Err     error
	LogTail string
	LogPath string // the whole log
	Exit    *int   // exit code of the stage's program; nil where it was none, or a signal ended it
}

func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap gives the stage's own error.
func (f *Failure) Unwrap() error { return f.Err }

// StoreFailure says that the store could not take a result.
type StoreFailure struct{ Err error }

func (s *StoreFailure) Error() string { return "the store could not take the result: " + s.Err.Error() }

// Unwrap gives the store's error.
func (s *StoreFailure) Unwrap() error { return s.Err }

// LostInput says that the store no longer has the bytes of an input: what made
// them has to run again.
type LostInput struct {
	File stages.File
	Err  error
}

func (l *LostInput) Error() string {
	return fmt.Sprintf("input %s (%s) is lost: %v", l.File.Name, l.File.Digest.Short(), l.Err)
}

// Unwrap gives the store's error.
func (l *LostInput) Unwrap() error { return l.Err }

// InputChanged says that a file of the experiment was edited while the stage
// that reads it was running; the result is of unknown origin and is not kept
// (invariant I6).
type InputChanged struct{ Path string }

func (c *InputChanged) Error() string {
	return fmt.Sprintf("input %s was changed while this stage ran, so its result was not kept: run again", c.Path)
}

// Lost finds the input that an error says is lost.
func Lost(err error) (*LostInput, bool) {
	var l *LostInput
	ok := errors.As(err, &l)
	return l, ok
}

// TimeoutError says that a stage took longer than its resources allow.
type TimeoutError struct{ Limit time.Duration }

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("it took longer than the %s that its resources allow", e.Limit)
}

// limit gives a stage its time; 0 seconds are no limit.
func limit(ctx context.Context, seconds int64) (context.Context, context.CancelFunc) {
	if seconds <= 0 {
		return context.WithCancel(ctx)
	}
	d := time.Duration(seconds) * time.Second
	return context.WithTimeoutCause(ctx, d, &TimeoutError{d})
}
