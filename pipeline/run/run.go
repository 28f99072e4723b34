package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/gpu/lease"
	"github.com/nbpipe/nbpipe/pipeline/graph"
	"github.com/nbpipe/nbpipe/stages"
)

// Options say how a plan is carried out.
type Options struct {
	Executor executor.Executor
	Machine  Machine
	Force    []int // nodes to run although they have a result
	// Remote gives the executor of a node that runs elsewhere, or nil for this
	// machine. What runs elsewhere takes nothing of the machine. It is not asked about
	// nodes whose keys are not known before they ran: those run here. May be nil.
	Remote func(*Node) executor.Executor
}

// mostAway is how many nodes are handed to executors on other machines at a time: so
// many that workers always find one to begin, so few that memory is no matter.
const mostAway = 4096

// ErrInterrupted is the error of nodes that were stopped by the user.
var ErrInterrupted = errors.New("interrupted")

// Summary is the outcome of a run.
type Summary struct {
	Total, Cached, Ran, Failed, Skipped, Interrupted int
	Saved                                            error // why the outcome could not be remembered
}

// run is the state of one execution; its goroutine is the only one to touch it.
type run struct {
	*Engine
	Options
	queue     *graph.Queue
	pool      pool
	waiting   []*Node             // ready, but the machine is busy
	first     *Node               // of those, but for the held-up ones
	heldUp    int                 // of those, for other processes have the GPUs
	notes     map[int]string      // what was told of them
	away      int                 // running elsewhere
	overtaken *Node               // the first of those that others were started before
	overtakes int                 // how many were
	inFlight  map[cache.Key]*Node // by key: nodes with equal keys run once
	twins     map[cache.Key][]*Node
	asked     map[int]stages.Resources
	held      map[int]grant
	toAsk     []*Node // ready, and to be looked for in the shared store
	answered  []*Node // that were
	asking    bool
	done      chan outcome
	sum       Summary
	retried   map[string]int // lost inputs, by node and blob
	stopped   bool
}

type outcome struct {
	asked  []*Node // instead of all else: the team was asked for these
	node   *Node
	result *executor.Result
	err    error
}

// Run carries out the plan made before. It returns when nothing is running any
// more; the nodes tell what became of them.
func (e *Engine) Run(ctx context.Context, o Options) Summary {
	r := &run{
		Engine: e, Options: o, pool: pool{machine: o.Machine}, inFlight: map[cache.Key]*Node{}, twins: map[cache.Key][]*Node{},
		notes: map[int]string{}, asked: map[int]stages.Resources{}, held: map[int]grant{}, done: make(chan outcome), retried: map[string]int{},
	}
	r.queue = graph.NewQueue(e.graph, r.todo())
	r.emit(Event{Type: EventPlanned, Total: int64(r.sum.Total), Cached: int64(r.sum.Cached)})
	r.loop(ctx)
	r.count()
	return r.sum
}

// todo marks what has to be looked at: everything without a result.
func (r *run) todo() []bool {
	member := make([]bool, len(r.Nodes))
	for _, n := range r.Nodes {
		if n.Status == Outside {
			continue
		}
		r.sum.Total++
		if slices.Contains(r.Force, n.Index) {
			n.force, n.Status, n.Why = true, WillRun, []string{"it was asked for"}
		}
		if n.Status == Cached {
			r.sum.Cached++
			continue
		}
		if n.Status == Failed || n.Status == Skipped {
			continue // in a second pass over the same plan: once is enough
		}
		member[n.Index] = true
	}
	for _, n := range r.Nodes {
		if n.force { // what is below may change
			for i, below := range r.graph.Downstream(n.Index) {
				if below && r.Nodes[i].Status != Outside && !member[i] {
					member[i] = true
					r.sum.Cached--
				}
			}
		}
	}
	return member
}

func (r *run) loop(ctx context.Context) {
	stop := ctx.Done()
	for {
		if !r.stopped {
			r.dispatch(ctx)
		}
		if r.pool.running == 0 && r.away == 0 && !r.asking && (r.heldUp == 0 || r.stopped) {
			return
		}
		var later <-chan time.Time
		if r.heldUp > 0 {
			later = time.After(lease.Pause())
		}
		select {
		case <-later: // other processes say nothing when they give GPUs back
		case o := <-r.done:
			if o.asked != nil {
				r.asking = false
				r.answered = append(r.answered, o.asked...)
			} else {
				r.finish(ctx, o)
			}
		case <-stop:
			r.stopped, stop = true, nil // running stages see ctx and come back
		}
	}
}

// dispatch starts what is ready and fits the machine, those that wait longest first.
func (r *run) dispatch(ctx context.Context) {
	refused := map[stages.Resources]error{} // requests that did not fit in this round
	waiting := r.waiting
	r.waiting, r.first, r.heldUp = nil, nil, 0
	for _, n := range waiting {
		r.startOrWait(ctx, n, refused)
	}
	for _, n := range r.answered {
		if r.decide(ctx, n) {
			r.startOrWait(ctx, n, refused)
		}
	}
	r.answered = nil
	defer r.askTeam(ctx)
	const most = 1024 // ready nodes that are looked at ahead of a busy machine
	for len(r.waiting)-r.heldUp < most {
		i, ok := r.queue.Next()
		if !ok {
			return
		}
		if n := r.Nodes[i]; r.prepare(ctx, n) {
			r.startOrWait(ctx, n, refused)
		}
	}
}

// patience is how many nodes may overtake the one that waits longest. Then
// nothing more is started that uses what it lacks, so that a node that needs the
// whole machine gets it at last. Those that other processes hold up wait for nothing
// here, and keep nobody waiting.
const patience = 8

func (r *run) startOrWait(ctx context.Context, n *Node, refused map[stages.Resources]error) {
	res, first := r.asked[n.Index], r.first
	err := refused[res]
	if first != nil && first == r.overtaken && r.overtakes >= patience && r.pool.competes(res, r.asked[first.Index]) {
		err = errFull
	}
	if err == nil {
		err = r.start(ctx, n)
	}
	var busy *lease.Busy
	switch {
	case err == nil && first == nil:
	case err == nil:
		if first != r.overtaken {
			r.overtaken, r.overtakes = first, 0
		}
		r.overtakes++
	case errors.As(err, &busy):
		if refused[res] == nil { // those after it wait for the same
			r.note(n, busy.Error())
		}
		refused[res] = err
		r.waiting = append(r.waiting, n)
		r.heldUp++
	case errors.Is(err, errFull):
		refused[res] = err
		r.waiting = append(r.waiting, n)
		if first == nil {
			r.first = n
		}
	default:
		r.giveUp(n, err)
	}
}

// note tells why a node has not begun, once for each reason.
func (r *run) note(n *Node, text string) {
	before, queued := r.notes[n.Index]
	if !queued {
		r.emit(Event{Type: EventQueued, Node: n.Address, Why: n.Why, Key: keyText(n.Key)})
	}
	if before != text {
		r.emit(Event{Type: EventPending, Node: n.Address, Message: text})
	}
	r.notes[n.Index] = text
}

// giveUp fails a node that cannot begin.
func (r *run) giveUp(n *Node, err error) {
	twins := r.unlist(n)
	r.fail(n, err)
	for _, t := range twins {
		r.queue.PutBack(t.Index)
	}
}

// unlist lets other nodes with the same key go on; it returns those that have waited.
func (r *run) unlist(n *Node) []*Node {
	twins := r.twins[n.Key]
	delete(r.inFlight, n.Key)
	delete(r.twins, n.Key)
	return twins
}

// prepare makes a ready node's key and finds out whether it has to run at all.
func (r *run) prepare(ctx context.Context, n *Node) bool {
	if diags := r.evaluate(ctx, n); diags.HasErrors() {
		r.fail(n, diags)
		return false
	}
	if n.Key.IsZero() {
		if n.unpinned == "" {
			r.fail(n, fmt.Errorf("the key is not known although everything before it is done; please report this"))
			return false
		}
		return r.decide(ctx, n)
	}
	if r.Team != nil && !n.force && n.askedFor != n.Key {
		if here, err := r.Store.Lookup(ctx, n.Key); err == nil && here == nil {
			r.toAsk = append(r.toAsk, n)
			return false
		}
	}
	return r.decide(ctx, n)
}

// askTeam looks for what is ready and has no result here in the shared store, all
// at once and beside what runs.
func (r *run) askTeam(ctx context.Context) {
	if r.asking || len(r.toAsk) == 0 {
		return
	}
	nodes := r.toAsk
	r.toAsk, r.asking = nil, true
	keys := make([]cache.Key, len(nodes))
	for i, n := range nodes {
		n.askedFor, keys[i] = n.Key, n.Key
	}
	go func() {
		r.Team.Pull(ctx, keys)
		r.done <- outcome{asked: nodes}
	}()
}

// decide takes a result from the store if there is one by now.
func (r *run) decide(ctx context.Context, n *Node) bool {
	if !n.Key.IsZero() {
		if diags := r.lookUp(ctx, n); diags.HasErrors() {
			r.fail(n, diags)
			return false
		}
		if n.Status == Cached && !n.force {
			r.emit(Event{Type: EventCached, Node: n.Address, Key: n.Key.String()})
			r.complete(n)
			return false
		}
		if twin := r.inFlight[n.Key]; twin != nil {
			r.twins[n.Key] = append(r.twins[n.Key], n)
			return false
		}
	}
	if !n.force {
		_, n.Why = r.pending(ctx, n)
	}
	return r.admit(n)
}

// admit works out what the node asks of the machine.
func (r *run) admit(n *Node) bool {
	res := n.Needs()
	if n.remote = nil; r.Remote != nil && !n.Key.IsZero() {
		n.remote = r.Remote(n)
	}
	if n.remote != nil {
		r.asked[n.Index] = res
		if !n.Key.IsZero() {
			r.inFlight[n.Key] = n
		}
		return true
	}
	if err := r.pool.check(res); err != nil {
		r.fail(n, err)
		return false
	}
	r.asked[n.Index] = r.pool.clamp(res)
	if !n.Key.IsZero() {
		r.inFlight[n.Key] = n
	}
	return true
}

// Needs are what the file says that the node needs, else what its kind says. Before
// its inputs are there, the kind may say less.
func (n *Node) Needs() stages.Resources {
	if n.stated != nil {
		return *n.stated
	}
	stage, err := n.Kind.Fill(knownOnly(n.ingredients.Attrs))
	if err != nil {
		return stages.Resources{}
	}
	if e, ok := stage.(stages.Estimator); ok {
		return e.Resources()
	}
	return stages.Resources{}
}

// start begins a node; the error says why not: see pool.take.
func (r *run) start(ctx context.Context, n *Node) error {
	res := r.asked[n.Index]
	x := n.remote
	var mine grant
	if x == nil {
		var err error
		if mine, err = r.pool.take(res); err != nil {
			return err
		}
	}
	switch {
	case x != nil && r.away >= mostAway:
		return errFull
	case x == nil:
		x, r.held[n.Index] = r.Executor, mine
		delete(r.notes, n.Index)
		r.emit(Event{Type: EventStarted, Node: n.Address, Why: n.Why, Key: keyText(n.Key)})
	default:
		r.away++
		r.emit(Event{Type: EventQueued, Node: n.Address, Why: n.Why, Key: keyText(n.Key)})
	}
	a := r.action(n, res)
	a.GPUs, a.Anew = r.pool.of(mine), slices.Contains(r.Force, n.Index)
	progress := &progress{emit: r.emit, node: n.Address, now: r.Now, why: n.Why, key: keyText(n.Key)}
	go func() {
		result, err := x.Execute(ctx, a, progress)
		r.done <- outcome{node: n, result: result, err: err}
	}()
	return nil
}

func keyText(k cache.Key) string {
	if k.IsZero() {
		return ""
	}
	return k.String()
}

func (r *run) finish(ctx context.Context, o outcome) {
	n := o.node
	if n.remote != nil {
		r.away--
	} else {
		r.pool.release(r.held[n.Index])
		delete(r.held, n.Index)
	}
	twins := r.unlist(n)
	switch lost, isLost := executor.Lost(o.err); {
	case isLost && r.recover(ctx, n, lost):
	case o.err != nil:
		r.fail(n, r.cause(ctx, o.err))
	default:
		r.succeed(n, o.result)
	}
	for _, t := range twins { // they find the result, or run themselves
		r.queue.PutBack(t.Index)
	}
}

func (r *run) cause(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
		return ErrInterrupted
	}
	return err
}

func (r *run) succeed(n *Node, res *executor.Result) {
	if value, ok := res.Pins[n.unpinned]; ok && n.unpinned != "" {
		if err := r.Lock.Pin(n.Address, n.source, value); err != nil {
			r.warn(n.Address, fmt.Sprintf("the digest could not be recorded in %s: %v", r.Lock.Path(), err))
		} else {
			r.emit(Event{Type: EventLocked, Node: n.Address, Message: n.unpinned + " " + value, Path: r.Lock.Path()})
		}
	}
	diags, ok := r.adopt(n, res.Entry)
	if !ok {
		r.fail(n, errors.New("its result is not of the declared types"))
		return
	}
	for _, d := range diags {
		r.warn(n.Address, d.Summary+": "+d.Detail)
	}
	n.Status = Finished
	if r.Team != nil {
		r.Team.Publish(n.Key)
	}
	for _, w := range res.Entry.Record.Warnings {
		r.warn(n.Address, w)
	}
	r.emit(Event{Type: EventFinished, Node: n.Address, Key: n.Key.String(), Seconds: res.Entry.Record.Seconds})
	r.complete(n)
}

// complete hands a node's outputs to those that wait for them.
func (r *run) complete(n *Node) {
	n.force = false
	r.State.Set(n.Node, n.Outputs)
	r.Manifest.Record(n.Address, n.Key)
	r.queue.Done(n.Index)
}

func (r *run) fail(n *Node, err error) {
	n.Status, n.Err = Failed, err
	n.Outputs = cty.DynamicVal
	ev := Event{Type: EventFailed, Node: n.Address, Message: err.Error()}
	if n.Interrupted() {
		ev.Type = EventStopped
	}
	var f *executor.Failure
	if errors.As(err, &f) {
		ev.LogTail, ev.LogPath = f.LogTail, f.LogPath
	}
	r.emit(ev)
	for _, i := range r.queue.Fail(n.Index) {
		v := r.Nodes[i]
		v.Status, v.Cause, v.Err = Skipped, n.Address, fmt.Errorf("%s failed", n.Address)
		r.emit(Event{Type: EventSkipped, Node: v.Address, Cause: n.Address})
	}
	r.waiting = slices.DeleteFunc(r.waiting, func(w *Node) bool { return w.Status == Skipped })
}

// recover runs what made a lost input once more, in the same run (invariant
// I4); keys below follow from what comes out.
func (r *run) recover(ctx context.Context, n *Node, lost *executor.LostInput) bool {
	const most = 3 // a disk that loses what was just written is beyond help
	id := n.Address + lost.File.Digest.String()
	if r.retried[id]++; r.retried[id] > most {
		return false
	}
	producers := r.producers(n, lost.File)
	ownFile := lost.File.Source != "" // it is stored anew from the experiment's folder
	if len(producers) == 0 && !ownFile {
		return false
	}
	if err := r.Store.MarkBad(ctx, lost.File.Digest, "an input of "+n.Address+" was lost"); err != nil {
		return false
	}
	r.emit(Event{Type: EventWaiting, Node: n.Address, Message: lost.Error()})
	if len(producers) == 0 {
		r.queue.PutBack(n.Index)
		return true
	}
	var again []int
	for _, p := range producers {
		p.force = true
		p.Status, p.Why = WillRun, []string{"its result was lost: " + lost.Err.Error()}
		again = append(again, p.Index)
		r.emit(Event{Type: EventLost, Node: p.Address, Message: lost.Err.Error(), Cause: n.Address})
	}
	n.Status = KnownAfterRun
	r.queue.Again(n.Index, again)
	return true
}

func (r *run) producers(n *Node, f stages.File) []*Node {
	var out []*Node
	for _, i := range n.Deps {
		d := r.Nodes[i]
		if d.Entry == nil {
			continue
		}
		if slices.ContainsFunc(d.Entry.Objects, func(o cache.Object) bool { return o.Digest == f.Digest }) {
			out = append(out, d)
		}
	}
	return out
}

func (r *run) warn(address, message string) {
	r.emit(Event{Type: EventWarning, Node: address, Message: message})
}

func (r *run) count() {
	r.sum.Cached = 0
	for _, n := range r.Nodes {
		switch n.Status {
		case Cached:
			r.sum.Cached++
			r.Manifest.Record(n.Address, n.Key)
		case Finished:
			r.sum.Ran++
		case Failed:
			if errors.Is(n.Err, ErrInterrupted) {
				r.sum.Interrupted++
			} else {
				r.sum.Failed++
			}
		case Skipped:
			r.sum.Skipped++
		case WillRun, KnownAfterRun:
			r.sum.Interrupted++
		}
	}
	r.sum.Saved = errors.Join(r.Manifest.Save(r.Store, r.Now(), r.exists()), r.Store.Sync(context.Background()))
}

// exists tells which nodes the experiment has, after a complete run of all of
// it; after any other run the manifest forgets nothing.
func (r *run) exists() func(address string) bool {
	if r.sum.Ran+r.sum.Cached != len(r.Nodes) {
		return nil
	}
	addresses := make(map[string]bool, len(r.Nodes))
	for _, n := range r.Nodes {
		addresses[n.Address] = true
	}
	return func(address string) bool { return addresses[address] }
}

// progress passes a stage's progress on, at most a few times a second.
type progress struct {
	emit func(Event)
	node string
	now  func() time.Time
	why  []string
	key  string

	mu   sync.Mutex
	last time.Time
}

// Report implements stages.Progress.
func (p *progress) Report(done, total int64, unit string) {
	const every = 200 * time.Millisecond
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Sub(p.last) < every && done != total {
		return
	}
	p.last = now
	p.emit(Event{Type: EventProgress, Node: p.node, Done: done, Total: total, Unit: unit})
}

// Note implements executor.Watcher.
func (p *progress) Note(text string) {
	p.emit(Event{Type: EventPending, Node: p.node, Message: text})
}

// Begun implements executor.Watcher.
func (p *progress) Begun(where string) {
	p.emit(Event{Type: EventStarted, Node: p.node, Why: p.why, Key: p.key, Where: where})
}

// Logged implements executor.Watcher.
func (p *progress) Logged(text []byte) {
	p.emit(Event{Type: EventLog, Node: p.node, Message: strings.ToValidUTF8(string(text), "?")})
}

// Rerun runs a node that has a result once more, with the same share of the
// machine as before, and publishes nothing.
func (e *Engine) Rerun(ctx context.Context, x executor.Executor, m Machine, n *Node) (*cache.Entry, error) {
	p := pool{machine: m}
	if err := p.check(n.Needs()); err != nil {
		return nil, err
	}
	progress := &progress{emit: e.emit, node: n.Address, now: e.Now}
	a, release, err := e.alone(ctx, &p, n, progress.Note)
	if err != nil {
		return nil, err
	}
	defer release()
	return x.Rerun(ctx, a, progress)
}

// alone is the action of a node that has this run's part of the machine to itself;
// release gives its GPUs back. It waits for other processes that have them.
func (e *Engine) alone(ctx context.Context, p *pool, n *Node, note func(string)) (a *executor.Action, release func(), err error) {
	res := p.clamp(n.Needs())
	a = e.action(n, res)
	var mine grant
	err = lease.Await(ctx, note, func() (err error) {
		mine, err = p.take(res)
		return err
	})
	switch {
	case errors.Is(err, errFull): // there are too few GPUs
		return a, func() {}, nil
	case err != nil:
		return nil, nil, err
	}
	a.GPUs = p.of(mine)
	return a, func() { p.release(mine) }, nil
}

// action says what a node was given; cores that it did not ask for are no limit.
func (e *Engine) action(n *Node, res stages.Resources) *executor.Action {
	if n.Needs().CPUs <= 0 {
		res.CPUs = 0
	}
	return &executor.Action{
		Address: n.Address, Ingredients: n.ingredients, Key: n.Key, Outputs: n.types.AttributeTypes(),
		Resources: res, Why: n.Why, Build: e.Build,
	}
}
