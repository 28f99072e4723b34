package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/graph"
	"github.com/nbpipe/nbpipe/pipeline/lang"
	"github.com/nbpipe/nbpipe/pipeline/plan"
	"github.com/nbpipe/nbpipe/stages"
)

// Status is where a node stands.
type Status string

// What a plan, and later a run, says of a node.
const (
	Cached        Status = "cached"          // a trusted result exists
	WillRun       Status = "will run"        // its key is known and has no result
	KnownAfterRun Status = "known after run" // its key depends on what will run
	Finished      Status = "ran"
	Failed        Status = "failed"
	Skipped       Status = "skipped" // because of a failure above it
	Outside       Status = "outside" // not needed for what was asked for
)

// Prober runs the tool probes of a node, or says that it did not.
type Prober interface {
	// Probe returns each probe's output; ok is false where probes may not be
	// run and are not remembered.
	Probe(ctx context.Context, probes map[string]stages.Probe) (out map[string]string, ok bool, err error)
}

// Team is a store that is shared with others, behind the local one.
type Team interface {
	// Pull brings the entries of keys into the local store, as far as it can.
	Pull(ctx context.Context, keys []cache.Key)
	// Publish sends own results of keys, in the background.
	Publish(keys ...cache.Key)
}

// Config is what an Engine works with.
type Config struct {
	Experiment *lang.Experiment
	Store      *cache.Local
	Lock       *plan.Lock
	Manifest   *plan.Manifest
	Prober     Prober
	Build      string
	Now        func() time.Time
	Events     func(Event) // may be nil; never called twice at a time
	Team       Team        // nil where there is none
}

// Node is what an Engine knows of one node.
type Node struct {
	*lang.Node
	Status   Status
	Why      []string // why it runs
	Key      cache.Key
	Entry    *cache.Entry
	Outputs  cty.Value // object; its members may be unknown
	Verdicts []stages.Verdict
	Err      error
	Cause    string // address of the failed node that made this one be skipped

	ingredients plan.Ingredients
	stated      *stages.Resources // of its resources block; nil where it has none
	types       cty.Type          // object type of the outputs
	preimage    []byte
	source      string            // of a stages.Locked kind
	unpinned    string            // attribute that the run pins
	force       bool              // run although there may be an entry
	remote      executor.Executor // where it runs; nil for here
	askedFor    cache.Key         // the key for which the team was asked
}

// Interrupted reports whether the node was stopped by the user.
func (n *Node) Interrupted() bool { return errors.Is(n.Err, ErrInterrupted) }

// StoreFailed reports whether a node failed because the store did.
func (e *Engine) StoreFailed() bool {
	return slices.ContainsFunc(e.Nodes, func(n *Node) bool { return errors.As(n.Err, new(*executor.StoreFailure)) })
}

// Engine plans and runs an experiment.
type Engine struct {
	Config
	Nodes []*Node
	State *lang.State

	emitting sync.Mutex
	graph    *graph.Graph
}

// New makes an engine; Plan comes next.
func New(c Config) *Engine {
	e := &Engine{Config: c, State: c.Experiment.NewState()}
	deps := make([][]int, len(c.Experiment.Nodes))
	all := make([]Node, len(deps))
	for i, n := range c.Experiment.Nodes {
		deps[i] = n.Deps
		all[i] = Node{Node: n, Status: Outside}
		e.Nodes = append(e.Nodes, &all[i])
	}
	e.graph = graph.New(deps)
	return e
}

// Graph is the experiment's graph.
func (e *Engine) Graph() *graph.Graph { return e.graph }

func (e *Engine) emit(ev Event) {
	if e.Events == nil {
		return
	}
	ev.Time = e.Now()
	e.emitting.Lock()
	defer e.emitting.Unlock()
	e.Events(ev)
}

// Plan evaluates the wanted nodes (none: all) and all that they need, and finds
// out which have a result. It executes and fetches nothing but entries.
//
// It goes by levels, nodes that depend on no other one first: what all of a level
// lack is asked of the team at once.
func (e *Engine) Plan(ctx context.Context, wanted []*lang.Node) hcl.Diagnostics {
	member := e.members(wanted)
	found := make([]hcl.Diagnostics, len(e.Nodes)) // by node: told in the file's order
	for _, level := range e.levels() {
		var todo []*Node
		for _, n := range level {
			if !member[n.Index] {
				e.State.Set(n.Node, cty.DynamicVal)
				continue
			}
			if ctx.Err() != nil {
				return nil
			}
			if found[n.Index] = e.evaluate(ctx, n); found[n.Index].HasErrors() {
				n.Outputs = cty.DynamicVal
				e.State.Set(n.Node, n.Outputs)
				continue
			}
			todo = append(todo, n)
		}
		e.ask(ctx, todo)
		for _, n := range todo {
			found[n.Index] = append(found[n.Index], e.settle(ctx, n)...)
		}
	}
	var diags hcl.Diagnostics
	for _, d := range found {
		diags = append(diags, d...)
	}
	if len(wanted) == 0 && !diags.HasErrors() {
		_, more := e.State.Outputs() // for their types' sake
		diags = append(diags, more...)
	}
	return diags
}

// levels sorts nodes by the length of the longest path to them.
func (e *Engine) levels() [][]*Node {
	var out [][]*Node
	at := make([]int, len(e.Nodes))
	for _, n := range e.Nodes { // in an order in which dependencies come first
		for _, d := range n.Deps {
			at[n.Index] = max(at[n.Index], at[d]+1)
		}
		for len(out) <= at[n.Index] {
			out = append(out, nil)
		}
		out[at[n.Index]] = append(out[at[n.Index]], n)
	}
	return out
}

// ask brings from the team what the local store lacks.
func (e *Engine) ask(ctx context.Context, nodes []*Node) {
	if e.Team == nil {
		return
	}
	var keys []cache.Key
	for _, n := range nodes {
		if n.Key.IsZero() || n.force {
			continue
		}
		if entry, err := e.Store.Lookup(ctx, n.Key); err == nil && entry == nil {
			keys = append(keys, n.Key)
			n.askedFor = n.Key
		}
	}
	e.Team.Pull(ctx, keys)
}

func (e *Engine) members(wanted []*lang.Node) []bool {
	if len(wanted) == 0 {
		all := make([]bool, len(e.Nodes))
		for i := range all {
			all[i] = true
		}
		return all
	}
	var from []int
	for _, n := range wanted {
		from = append(from, n.Index)
	}
	return e.graph.Upstream(from...)
}

// settle finds out where an evaluated node stands.
func (e *Engine) settle(ctx context.Context, n *Node) hcl.Diagnostics {
	var diags hcl.Diagnostics
	n.Outputs = cty.UnknownVal(n.types)
	if n.Expects > 0 { // whatever the values: for their types' sake
		_, diags = e.State.Verdicts(n.Node, n.Outputs)
	}
	if !n.Key.IsZero() && !diags.HasErrors() {
		diags = append(diags, e.lookUp(ctx, n)...)
	}
	if n.Status != Cached {
		n.Status, n.Why = e.pending(ctx, n)
	}
	e.State.Set(n.Node, n.Outputs)
	return diags
}

// evaluate makes a node's attributes and, where all of them are known, its key.
func (e *Engine) evaluate(ctx context.Context, n *Node) hcl.Diagnostics {
	attrs, diags := e.State.Attributes(n.Node)
	if diags.HasErrors() {
		return diags
	}
	n.types = e.State.OutputTypes(n.Node, attrs)
	res, stated, more := e.State.Resources(n.Node)
	if diags = append(diags, more...); more.HasErrors() {
		return diags
	}
	if n.stated = nil; stated {
		n.stated = &res
	}
	n.ingredients = plan.Ingredients{Kind: n.Kind, Attrs: n.Kind.Canonical(attrs), GPUModel: res.GPUModel}
	n.Key = cache.Key{}
	if !n.ingredients.Known() {
		return diags
	}
	if err := e.completeKey(ctx, n); err != nil {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "The key of " + n.Address + " cannot be made", Detail: err.Error(), Subject: &n.Range,
		})
	}
	return diags
}

// completeKey adds what attributes alone do not say: locked digests, outputs of
// tool probes, and what a report is told. The key stays zero where one of them
// is not known yet.
func (e *Engine) completeKey(ctx context.Context, n *Node) error {
	n.unpinned = ""
	if _, lockable := n.Kind.Zero().(stages.Locked); lockable {
		e.applyLock(n)
	}
	if _, tooled := n.Kind.Zero().(stages.Tooled); tooled {
		if ok, err := e.probe(ctx, n); !ok || err != nil {
			return err
		}
	}
	if err := n.addVersions(); err != nil {
		return err
	}
	told, ok, err := e.tell(n)
	if !ok || err != nil || n.unpinned != "" {
		return err
	}
	n.ingredients.Nodes = told
	pre, err := n.ingredients.Preimage()
	if err != nil {
		return err
	}
	n.Key, n.preimage = pre.Key(), pre.Bytes()
	return nil
}

func (e *Engine) applyLock(n *Node) {
	stage, err := n.Kind.Fill(knownOnly(n.ingredients.Attrs))
	if err != nil {
		return
	}
	source, attribute, unpinned := stage.(stages.Locked).LockSource()
	if !unpinned {
		return
	}
	n.source, n.unpinned = source, attribute
	if value, ok := e.Lock.Pinned(n.Address, source); ok {
		n.ingredients = n.ingredients.Pin(map[string]string{attribute: value})
		n.unpinned = ""
	}
}

func knownOnly(attrs stages.Attrs) stages.Attrs {
	out := make(stages.Attrs, len(attrs))
	for k, v := range attrs {
		if v.IsWhollyKnown() {
			out[k] = v
		}
	}
	return out
}

func (e *Engine) probe(ctx context.Context, n *Node) (bool, error) {
	stage, err := n.Kind.Fill(knownOnly(n.ingredients.Attrs))
	if err != nil {
		return false, err
	}
	probes := stage.(stages.Tooled).Probes()
	if len(probes) == 0 {
		return true, nil
	}
	out, ok, err := e.Prober.Probe(ctx, probes)
	n.ingredients.Probes = out
	return ok, err
}

// addVersions adds what the stage says of this process and machine.
func (n *Node) addVersions() error {
	if _, versioned := n.Kind.Zero().(stages.Versioned); !versioned {
		return nil
	}
	stage, err := n.Kind.Fill(knownOnly(n.ingredients.Attrs))
	if err != nil {
		return err
	}
	all := maps.Clone(n.ingredients.Probes)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, stage.(stages.Versioned).Versions())
	n.ingredients.Probes = all
	return nil
}

// lookUp takes a node's result from the store, if there is one.
func (e *Engine) lookUp(ctx context.Context, n *Node) hcl.Diagnostics {
	if n.force {
		return nil
	}
	entry, err := e.Store.Lookup(ctx, n.Key)
	if err != nil {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "The store cannot be read", Detail: err.Error(), Subject: &n.Range}}
	}
	if entry == nil {
		return nil
	}
	diags, ok := e.adopt(n, entry)
	if ok {
		n.Status = Cached
	}
	return diags
}

// adopt makes an entry the node's result. An entry whose outputs are not of the
// declared types is no result: ok is false.
func (e *Engine) adopt(n *Node, entry *cache.Entry) (diags hcl.Diagnostics, ok bool) {
	outputs, err := stages.DecodeJSON(entry.Outputs, n.types)
	if err != nil {
		return nil, false
	}
	n.Entry, n.Key, n.Outputs = entry, entry.Key, outputs
	n.Verdicts, diags = e.State.Verdicts(n.Node, outputs)
	return diags, true
}

// pending says why a node without a result has none.
func (e *Engine) pending(ctx context.Context, n *Node) (Status, []string) {
	if n.Key.IsZero() {
		if n.unpinned != "" {
			return WillRun, []string{"its " + n.unpinned + " is not in " + plan.LockName + " yet"}
		}
		if causes := e.unfinishedDeps(n); len(causes) > 0 {
			return KnownAfterRun, []string{"depends on " + strings.Join(causes, ", ")}
		}
		return KnownAfterRun, []string{"its tools have not been probed since they changed"}
	}
	return WillRun, e.why(ctx, n)
}

func (e *Engine) unfinishedDeps(n *Node) []string {
	const most = 3
	var out []string
	for _, i := range n.Deps {
		if d := e.Nodes[i]; d.Status == WillRun || d.Status == KnownAfterRun {
			if len(out) == most {
				return append(out, "and others")
			}
			out = append(out, d.Address)
		}
	}
	return out
}

// why compares a key with the node's last one.
func (e *Engine) why(ctx context.Context, n *Node) []string {
	last, ok := e.Manifest.Nodes[n.Address]
	if !ok {
		return append([]string{"it never ran before"}, e.Store.MissReasons(n.Key)...)
	}
	if last.Key == n.Key {
		reasons := e.Store.MissReasons(n.Key)
		return append([]string{"its result was lost from the cache (key " + n.Key.Short() + ")"}, reasons...)
	}
	const most = 12
	preimage := e.lastPreimage(ctx, last.Key)
	if preimage == nil {
		return []string{fmt.Sprintf("its key changed from %s to %s, and the old result is no longer in the cache to compare with", last.Key.Short(), n.Key.Short())}
	}
	lines, err := plan.Explain(preimage, n.preimage, most)
	if err != nil {
		return []string{"its last key is of another version of nbpipe: " + err.Error()}
	}
	return lines
}

// Refused counts, by reason, the results that the team had and that were not
// believed or could not be used.
func (e *Engine) Refused() map[string]int {
	out := map[string]int{}
	for _, n := range e.Nodes {
		if n.askedFor.IsZero() {
			continue
		}
		for _, reason := range e.Store.MissReasons(n.askedFor) {
			out[reason]++
		}
	}
	return out
}

// lastPreimage finds the trace of a key that once had a result, whether or not
// the result is still usable.
func (e *Engine) lastPreimage(ctx context.Context, k cache.Key) []byte {
	candidates, err := e.Store.LookupAll(ctx, k)
	if err != nil {
		return nil
	}
	for _, c := range candidates {
		if c.Entry != nil {
			return c.Entry.Preimage
		}
	}
	return nil
}

// Members lists the nodes that the plan covers.
func (e *Engine) Members() []*Node {
	return slices.DeleteFunc(slices.Clone(e.Nodes), func(n *Node) bool { return n.Status == Outside })
}
