package ssh

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/command"
)

// Launcher implements launch.Settings.
func (s *Settings) Launcher(site launch.Site) (launch.Launcher, error) {
	l := &launcher{Settings: *s, site: site, files: map[string]bool{}}
	if err := l.readFiles(); err != nil {
		return nil, fmt.Errorf("executor %q: %w", site.Name, err)
	}
	for _, name := range s.Hosts {
		l.hosts = append(l.hosts, &host{l: l, line: line{host: name, environ: site.Environment, connect: connectTimeout, limit: callLimit}, workers: map[string]*placed{}, wrote: map[string]cache.Digest{}})
	}
	l.running, l.stop = context.WithCancel(context.Background())
	return l, nil
}

// launcher implements launch.Launcher. One visit of a host is in progress at a time; it
// goes on when whoever asked does not wait for it any more.
type launcher struct {
	Settings
	site    launch.Site
	running context.Context
	stop    context.CancelFunc
	visits  sync.WaitGroup

	program sync.Once // found
	digest  string    // of the program
	size    int64
	sockets string     // private folder of the connections
	wrong   error      // with the program or the sockets
	copying sync.Mutex // held by the host to which the program is copied: they share the way out
	packed  []byte     // the program as it is copied, under copying

	mu      sync.Mutex
	hosts   []*host
	waiting []launch.Worker
	files   map[string]bool // what workers read, here
	closed  bool
}

// prepare reads the program, and makes a folder for the sockets: a short one, since
// their paths are bounded.
func (l *launcher) prepare() error {
	l.program.Do(func() {
		b, err := os.ReadFile(l.site.Program)
		if err != nil {
			l.wrong = fmt.Errorf("the nbpipe program cannot be copied: %w", err)
			return
		}
		l.digest, l.size = cache.DigestOf(b).String(), int64(len(b))
		if l.sockets, err = os.MkdirTemp("", "nbpipe-ssh-"); err != nil {
			l.wrong = fmt.Errorf("making a folder for connections: %w", err)
			return
		}
		for i, h := range l.hosts {
			h.socket = filepath.Join(l.sockets, strconv.Itoa(i))
		}
	})
	return l.wrong
}

// Slots implements launch.Launcher. A host that is not used, or not yet, counts with the
// workers that are still on it.
func (l *launcher) Slots() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, h := range l.hosts {
		if h.problem == "" && h.ready {
			n += l.Settings.Slots
		} else {
			n += len(h.workers)
		}
	}
	return max(1, n)
}

// Check implements launch.Launcher: it looks at all hosts, and waits until one of them can
// be used. The program is copied to the others meanwhile.
func (l *launcher) Check(ctx context.Context, needs []stages.Resources) error {
	if err := launch.OneSlot(l.site.Name, l.Settings.Slots, needs); err != nil {
		return err
	}
	for _, n := range needs {
		if n.GPUs > l.GPUs {
			return fmt.Errorf("executor %q: a stage asks for %d GPUs and each host has %d; say gpus = %d in the executor's block if there are as many", l.site.Name, n.GPUs, l.GPUs, n.GPUs)
		}
	}
	if _, err := command.LookPath("ssh", l.site.Environment); err != nil {
		return fmt.Errorf("executor %q: %w; install the OpenSSH client", l.site.Name, err)
	}
	if err := l.prepare(); err != nil {
		return fmt.Errorf("executor %q: %w", l.site.Name, err)
	}
	l.visit(true, func(h *host) bool { return !h.ready })
	if err := l.first(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.ContainsFunc(l.hosts, func(h *host) bool { return h.problem == "" }) {
		return fmt.Errorf("executor %q: no host can be used: %s", l.site.Name, l.problems())
	}
	return nil
}

// first waits for a host that is ready, or until nothing is known against one to which the
// program is still being copied when ctx is about to end, or until all were looked at.
func (l *launcher) first(ctx context.Context) error {
	const early = 2 * time.Second
	var soon time.Time
	if deadline, ok := ctx.Deadline(); ok {
		soon = deadline.Add(-early)
	}
	for {
		ready, visited, copied := false, false, false
		l.mu.Lock()
		for _, h := range l.hosts {
			ready = ready || h.ready && h.problem == ""
			visited = visited || h.visit != nil
			copied = copied || h.copies
		}
		l.mu.Unlock()
		if ready || !visited || copied && !soon.IsZero() && time.Now().After(soon) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// problems says why hosts are not used.
func (l *launcher) problems() string {
	var out []string
	for _, h := range l.hosts {
		if h.problem != "" {
			out = append(out, h.host+": "+h.problem)
		}
	}
	return strings.Join(out, "; ")
}

// Start implements launch.Launcher. Workers wait here for a slot and GPUs.
func (l *launcher) Start(_ context.Context, workers []launch.Worker) error {
	for _, w := range workers {
		if !idPattern.MatchString(w.ID) {
			return fmt.Errorf("executor %q: %q cannot name a worker", l.site.Name, w.ID)
		}
	}
	if err := l.prepare(); err != nil {
		return fmt.Errorf("executor %q: %w", l.site.Name, err)
	}
	l.mu.Lock()
	for _, w := range workers {
		if !slices.ContainsFunc(l.hosts, func(h *host) bool { return h.problem == "" && !slices.Contains(w.Avoid, h.host) }) {
			l.mu.Unlock()
			return fmt.Errorf("executor %q: %w", l.site.Name, &launch.NoMachine{Detail: "hosts names no other one that can be used"})
		}
	}
	if err := l.addFiles(workers); err != nil {
		l.mu.Unlock()
		return fmt.Errorf("executor %q: %w", l.site.Name, err)
	}
	l.waiting = append(l.waiting, workers...)
	l.place()
	l.mu.Unlock()
	l.visit(false, (*host).hasWork)
	return nil
}

// place gives waiting workers to hosts: the one with the most free slots, or the
// first of them.
func (l *launcher) place() {
	l.waiting = slices.DeleteFunc(l.waiting, func(w launch.Worker) bool {
		var best *host
		for _, h := range l.hosts {
			if h.ready && h.problem == "" && !slices.Contains(w.Avoid, h.host) && h.free() > 0 && len(h.freeGPUs()) >= w.Resources.GPUs && (best == nil || h.free() > best.free()) {
				best = h
			}
		}
		if best != nil {
			best.workers[w.ID] = &placed{Worker: w, gpus: best.freeGPUs()[:w.Resources.GPUs], state: launch.Pending}
		}
		return best != nil
	})
}

const (
	// patience is how long Poll waits for hosts that answered the last time.
	patience = 2 * time.Second
	// lost is how long a host may be silent before its workers count as ended. By
	// then it has been decided by their signs of life whether they are.
	lost = 3 * time.Minute
)

// Poll implements launch.Launcher. A host that does not answer is not waited for,
// except for the first time: before, nothing is known.
func (l *launcher) Poll(ctx context.Context) ([]launch.Status, error) {
	if err := l.prepare(); err != nil {
		return nil, fmt.Errorf("executor %q: %w", l.site.Name, err)
	}
	now := l.site.Now()
	begun := l.visit(false, func(h *host) bool { return h.hasWork() || !now.Before(h.next) })
	limit := patience
	l.mu.Lock()
	if slices.ContainsFunc(l.hosts, func(h *host) bool { return h.next.IsZero() }) {
		limit = 0
	}
	l.mu.Unlock()
	if err := l.await(ctx, begun, limit); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	answers := false
	for _, h := range l.hosts {
		answers = answers || !h.silent
	}
	if !answers {
		return nil, fmt.Errorf("executor %q: no host answers: %s", l.site.Name, l.problems())
	}
	l.place()
	return l.statuses(now), nil
}

func (l *launcher) statuses(now time.Time) []launch.Status {
	var out []launch.Status
	for _, h := range l.hosts {
		for id, w := range h.workers {
			st := launch.Status{ID: id, State: w.state, Reason: w.reason, Host: h.host}
			if h.silent && w.state != launch.Ended {
				st.Reason = h.host + " does not answer: " + h.problem
				if now.Sub(h.answered) > lost {
					st.State = launch.Ended
				}
			}
			out = append(out, st)
			if st.State == launch.Ended {
				delete(h.workers, id) // told once; should it live after all, its host will say so
			}
		}
	}
	reason := "no slot or GPU is free"
	for _, h := range l.hosts {
		if h.copies {
			reason += fmt.Sprintf("; nbpipe is being copied to %s%s", h.host, h.progress())
		}
	}
	if p := l.problems(); p != "" {
		reason += "; not used: " + p
	}
	for _, w := range l.waiting {
		out = append(out, launch.Status{ID: w.ID, State: launch.Pending, Reason: reason})
	}
	slices.SortFunc(out, func(a, b launch.Status) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Cancel implements launch.Launcher. A host that does not answer ends its workers when
// it does again.
func (l *launcher) Cancel(ctx context.Context, ids []string) error {
	if err := l.prepare(); err != nil {
		return fmt.Errorf("executor %q: %w", l.site.Name, err)
	}
	l.mu.Lock()
	l.waiting = slices.DeleteFunc(l.waiting, func(w launch.Worker) bool { return slices.Contains(ids, w.ID) })
	for _, h := range l.hosts {
		for _, id := range ids {
			if w := h.workers[id]; w != nil && w.state != launch.Ended {
				w.cancelled = true
			}
		}
	}
	l.mu.Unlock()
	for {
		begun := l.visit(false, (*host).hasWork)
		if err := l.await(ctx, begun, 0); err != nil {
			return err
		}
		l.mu.Lock()
		var errs []error
		open := false
		for _, h := range l.hosts {
			open = open || h.hasWork() && h.problem == "" && !h.copies // which then does it
			if h.hasCancelled() && h.problem != "" {
				errs = append(errs, fmt.Errorf("executor %q: workers on %s are cancelled when it answers again: %s", l.site.Name, h.host, h.problem))
			}
		}
		l.mu.Unlock()
		if !open || len(begun) == 0 {
			return errors.Join(errs...)
		}
	}
}

// visit begins visits of the hosts that are chosen and not visited already, and
// returns what those in progress close at their ends, or before they copy the program; those of hosts that did not
// answer the last time only if patient.
func (l *launcher) visit(patient bool, chosen func(*host) bool) []<-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []<-chan struct{}
	for _, h := range l.hosts {
		if l.closed || !chosen(h) && h.visit == nil {
			continue
		}
		if h.visit == nil {
			done := make(chan struct{})
			h.visit, h.seen = done, sync.OnceFunc(func() { close(done) })
			l.visits.Go(func() {
				h.do(l.running)
				l.mu.Lock()
				h.visit = nil
				l.mu.Unlock()
				h.seen()
			})
		}
		if patient || !h.silent {
			out = append(out, h.visit)
		}
	}
	return out
}

// await waits for visits, at most for a time; 0 is for as long as ctx.
func (l *launcher) await(ctx context.Context, visits []<-chan struct{}, limit time.Duration) error {
	var over <-chan time.Time
	if limit > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		over = t.C
	}
	for _, v := range visits {
		select {
		case <-v:
		case <-over:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Close implements launch.Launcher.
func (l *launcher) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.stop()
	l.visits.Wait()
	if l.sockets == "" {
		return nil
	}
	var hosts sync.WaitGroup
	for _, h := range l.hosts {
		hosts.Go(func() {
			if h.problem == "" && h.ready {
				_, _ = h.script(context.Background(), h.prelude()+clear+"\n")
			}
			h.hangUp(context.Background())
		})
	}
	hosts.Wait()
	return os.RemoveAll(l.sockets)
}

func (l *launcher) tell(format string, args ...any) {
	if l.site.Tell != nil {
		l.site.Tell(fmt.Sprintf("executor %q: ", l.site.Name) + fmt.Sprintf(format, args...))
	}
}
