package remote

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/executor/wire"
	"github.com/nbpipe/nbpipe/stages"
)

// Config is what a Remote works with. What has a default may be zero.
type Config struct {
	Name     string // the executor block's, for messages
	ID       string // of the queue: that of the launcher's site
	Launcher launch.Launcher
	Store    *s3.Store
	Local    *cache.Local
	// Fallback runs what cannot leave this machine: runs whose result is not to be
	// published.
	Fallback executor.Executor
	// Trust is whom the user believes.
	Trust func(cache.StoredEntry) error
	User  cache.SigningKey  // certifies the workers' key
	Key   ed25519.PublicKey // of the workers
	// Command makes the arguments of a worker for a queue, and the files that it reads.
	// Each is how long an action of the queue may take, 0 where that is not stated.
	Command func(queue string, exclusive bool, each time.Duration, id string) (args, files []string)
	// Wanted reports whether the run may come to ask for an action, by its key, or by
	// its node's address where keys are not known yet: what an earlier controller left
	// goes on only then. Nil for all.
	Wanted func(k cache.Key, address string) bool
	LogDir string // where logs of failed stages are kept
	// Proof is a file of this executor's own, which remembers from run to run that
	// workers reach the store; "" for nothing: each run begins with one worker then.
	Proof string
	// Setup stands for what decides, beside the store, on whether workers reach it:
	// after a change it is proven again.
	Setup string
	Now   func() time.Time
	Tell  func(message string)

	Poll      time.Duration // between looks at the store while something happens; 250 ms
	SlowPoll  time.Duration // while nothing does; 2 s
	LaunchGap time.Duration // between looks at the launcher; 2 s
	LostAfter time.Duration // without a sign of life; 60 s
	Retries   int           // how often an action is asked for again after its worker was lost; 3
	Patience  time.Duration // how long the store may be away; 10 min
	Valid     time.Duration // how long a certificate is good for; 7 days
}

func (c *Config) defaults() {
	for to, v := range map[*time.Duration]time.Duration{
		&c.Poll: 250 * time.Millisecond, &c.SlowPoll: 2 * time.Second, &c.LaunchGap: 2 * time.Second, &c.LostAfter: time.Minute,
		&c.Patience: 10 * time.Minute, &c.Valid: 7 * 24 * time.Hour,
	} {
		if *to == 0 {
			*to = v
		}
	}
	if c.Retries == 0 {
		c.Retries = 3
	}
}

// ErrDetached is the cause of a context that ends because the user leaves: what was
// asked for goes on, and the next run finds it.
var ErrDetached = errors.New("detached")

// Remote is an executor on other machines. It is safe for concurrent use.
type Remote struct {
	Config
	submit  chan *job
	ended   chan *job // by their contexts
	quit    chan struct{}
	stopped chan struct{}
	once    sync.Once
}

// New makes an executor, and starts its goroutine; Close ends it. Nothing is asked of
// the launcher or the store before there is an action.
func New(c Config) *Remote {
	c.defaults()
	r := &Remote{Config: c, submit: make(chan *job), ended: make(chan *job), quit: make(chan struct{}), stopped: make(chan struct{})}
	go newLoop(r).run()
	return r
}

// job is an action that somebody waits for.
type job struct {
	ctx      context.Context
	a        *executor.Action
	raw      []byte
	progress stages.Progress
	done     chan outcome // takes one

	inputs  []stages.File
	held    bool     // until its inputs are in the store
	sending *sending // of which they are a part

	line     *line
	attempts []*attempt // the last one is the one that counts
	unfit    []saying   // by machines that cannot run it
	tries    int        // workers that were lost
	returns  int        // times that a worker had to leave
	whole    int        // of those in a row, times that its whole time had not been enough
	came     int64      // how far, by then
	begun    bool
	where    string // the host, once it is known
	note     string
}

type outcome struct {
	result *executor.Result
	err    error
}

// Execute implements executor.Executor.
func (r *Remote) Execute(ctx context.Context, a *executor.Action, progress stages.Progress) (*executor.Result, error) {
	sent := *a // of which the queue and the key are those of what was asked for
	if g, ok := r.Launcher.(launch.Giver); ok {
		sent.Resources = g.Given(a.Resources)
	}
	raw, err := wire.Encode(&sent)
	if err != nil {
		return nil, fmt.Errorf("executor %q: %w", r.Name, err)
	}
	if err := executor.TakeSources(ctx, r.Local, a); err != nil {
		return nil, err
	}
	j := &job{ctx: ctx, a: a, raw: raw, progress: progress, inputs: executor.Inputs(a), done: make(chan outcome, 1)}
	select {
	case r.submit <- j:
	case <-r.stopped:
		return nil, errClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	select {
	case o := <-j.done:
		return o.result, o.err
	case <-ctx.Done():
	}
	select {
	case r.ended <- j:
	case <-r.stopped:
	}
	return nil, context.Cause(ctx)
}

var errClosed = errors.New("the executor is closed")

// Rerun implements executor.Executor: on this machine, whose results are compared.
func (r *Remote) Rerun(ctx context.Context, a *executor.Action, progress stages.Progress) (*cache.Entry, error) {
	return r.Fallback.Rerun(ctx, a, progress)
}

// Close ends the executor, and workers that have nothing to do.
func (r *Remote) Close() error {
	r.once.Do(func() { close(r.quit) })
	<-r.stopped
	return r.Launcher.Close()
}

func (r *Remote) tell(format string, args ...any) {
	if r.Tell != nil {
		r.Tell(fmt.Sprintf(format, args...))
	}
}
