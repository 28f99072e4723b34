package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/cache/team"
	"github.com/nbpipe/nbpipe/cache/trust"
	"github.com/nbpipe/nbpipe/pipeline/lang"
	"github.com/nbpipe/nbpipe/pipeline/plan"
	"github.com/nbpipe/nbpipe/pipeline/run"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/sandbox"
)

// target is what a command line names: an experiment, and nodes of it.
type target struct {
	experiment string // as given
	addresses  []string
}

// parseTarget takes the experiment first and nodes after it. Where the first
// argument is a node's address and no such file exists, the experiment is the
// current folder.
func parseTarget(args []string) target {
	if len(args) == 0 {
		return target{experiment: "."}
	}
	if isAddress(args[0]) {
		if _, err := os.Lstat(args[0]); err != nil {
			return target{experiment: ".", addresses: args}
		}
	}
	return target{experiment: args[0], addresses: args[1:]}
}

func isAddress(s string) bool {
	head, _, dotted := strings.Cut(s, ".")
	if !dotted {
		return false
	}
	for _, b := range append([]string{"import", "output"}, stages.Blocks...) {
		if head == b {
			return true
		}
	}
	return false
}

// session is an opened experiment with the store.
type session struct {
	app    *app
	target target
	path   string // absolute
	folder string // of the experiment: where the lock file and nbpipe-out lie
	store  *cache.Local
	trust  *trust.Set
	keys   trust.Keyring
	team   *team.Team       // nil where there is none
	ask    bool             // look for results in the team cache, too
	apart  bool             // there is a team cache, and it cannot be used just now
	warn   bool             // show warnings about the files
	place  s3.Config        // of the team cache
	box    *sandbox.Sandbox // of commands, and of the programs that are asked for versions
	probes *plan.Probes
	lock   *plan.Lock
	x      *lang.Experiment
	engine *run.Engine
	wanted []*lang.Node
	worked int // nodes that workers ran
}

// open finds the experiment and opens the store; it reads no HCL yet.
func (a *app) open(ctx context.Context, args []string, execute bool) (*session, error) {
	s := &session{app: a, target: parseTarget(args)}
	var err error
	if s.path, err = filepath.Abs(s.target.experiment); err != nil {
		return nil, withCode(exitUsage, err)
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return nil, withCode(exitUsage, a.noExperiment(ctx, s.target))
	}
	if s.folder = s.path; !info.IsDir() {
		s.folder = filepath.Dir(s.path)
	}
	if s.trust, s.keys, err = a.trusted(); err != nil {
		return nil, err
	}
	if s.store, err = a.openStoreFor(ctx, s.trust, s.keys); err != nil {
		return nil, err
	}
	s.box = a.sandbox(s.folder, s.store.Dir())
	s.probes = plan.NewProbes(s.store, os.Environ(), s.box, execute)
	return s, nil
}

// noExperiment says that a path is not there: it may be a node's address with a
// mistake in it.
func (a *app) noExperiment(ctx context.Context, t target) error {
	none := fmt.Errorf("there is no experiment %s: name a folder with *.hcl files, or one file", t.experiment)
	if !strings.Contains(t.experiment, ".") || strings.HasSuffix(t.experiment, ".hcl") || strings.ContainsRune(t.experiment, filepath.Separator) {
		return none
	}
	here, err := filepath.Abs(".")
	if err != nil {
		return none
	}
	x, _ := lang.Load(ctx, here, lang.Options{Kinds: kinds(), Executors: executorKinds()})
	if x == nil || len(x.Nodes) == 0 {
		return none
	}
	if _, err := x.Find(t.experiment); err != nil {
		return fmt.Errorf("%w; if it is to be a node of the experiment in this folder: %w", none, err)
	}
	return none
}

// planned opens and plans an experiment for a command that executes nothing.
// Where it is about what a run would do, it warns of what a run would warn of,
// and looks into the team cache, as a run would.
func (a *app) planned(ctx context.Context, args []string, aboutRun bool, f func(*session) error) error {
	s, err := a.open(ctx, args, false)
	if err != nil {
		return err
	}
	defer s.close()
	s.warn, s.ask = aboutRun, aboutRun
	if err := s.load(ctx, nil); err != nil {
		return err
	}
	return f(s)
}

func (a *app) openStore(ctx context.Context) (*cache.Local, error) {
	set, keys, err := a.trusted()
	if err != nil {
		return nil, err
	}
	return a.openStoreFor(ctx, set, keys)
}

func (a *app) openStoreFor(ctx context.Context, set *trust.Set, keys trust.Keyring) (*cache.Local, error) {
	own := a.settings.Remote.Key
	if names, err := keys.Names(); err == nil && own == "" && len(names) > 0 {
		own = names[len(names)-1]
	}
	store, err := cache.Open(ctx, a.settings.Cache, cache.Options{
		Now: time.Now, OnWait: func(m string) { fmt.Fprintln(a.stderr, m) }, Trust: set.Check, OwnSigner: own,
	})
	return store, withCode(exitStore, err)
}

func (s *session) close() {
	if s.team != nil {
		_ = s.team.Close()
	}
	_ = s.store.Close() // what a run had to say was synced before
}

// parse reads the experiment's files. Problems are printed.
func (s *session) parse(ctx context.Context) error {
	variables, err := s.app.settings.variables()
	if err != nil {
		return withCode(exitUsage, err)
	}
	x, diags := lang.Load(ctx, s.path, lang.Options{
		Kinds: kinds(), Executors: executorKinds(), Hash: s.hash(ctx), Environment: s.app.settings.environment(), Variables: variables, Version: version,
	})
	s.x = x
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return s.report(diags)
}

// load parses the experiment and plans it.
func (s *session) load(ctx context.Context, events func(run.Event)) error {
	if err := s.parse(ctx); err != nil {
		return err
	}
	if s.ask {
		if err := s.join(ctx, events); err != nil {
			return err
		}
	}
	return s.plan(ctx, events)
}

// plan plans an experiment that was parsed.
func (s *session) plan(ctx context.Context, events func(run.Event)) error {
	var err error
	if s.lock, err = plan.LoadLock(s.folder); err != nil {
		return withCode(exitUsage, err)
	}
	if err := s.find(); err != nil {
		return err
	}
	s.trust.LoadChecks(s.store)
	config := run.Config{
		Experiment: s.x, Store: s.store, Lock: s.lock, Manifest: plan.LoadManifest(s.store, s.path), Prober: s.probes,
		Build: version, Now: time.Now, Events: events,
	}
	if s.team != nil {
		config.Team = s.team
	}
	s.engine = run.New(config)
	diags := s.engine.Plan(ctx, s.wanted)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return s.report(diags)
}

func (s *session) find() error {
	for _, address := range s.target.addresses {
		found, err := s.x.Find(address)
		if err != nil {
			return withCode(exitUsage, err)
		}
		s.wanted = append(s.wanted, found...)
	}
	return nil
}

// hash memoises digests of files named by path().
func (s *session) hash(ctx context.Context) func(string) (cache.Object, error) {
	return func(path string) (cache.Object, error) { return s.store.HashPath(ctx, path) }
}

// report prints problems of the files; errors among them end the command.
func (s *session) report(diags hcl.Diagnostics) error {
	if diags = s.relevant(diags); len(diags) == 0 {
		return nil
	}
	if err := s.app.printDiagnostics(diags, s.x.Sources()); err != nil {
		return err
	}
	if diags.HasErrors() {
		return silently(exitUsage)
	}
	return nil
}

// relevant leaves out warnings where the command is not about the files, and
// tells the same warning once: a block of 10,000 instances, or 10,000 blocks
// that call the same program, are one reason to worry.
func (s *session) relevant(diags hcl.Diagnostics) hcl.Diagnostics {
	type text struct{ summary, detail string }
	first := map[text]*hcl.Diagnostic{}
	more := map[text]int{}
	var out hcl.Diagnostics
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			out = append(out, d)
			continue
		}
		t := text{d.Summary, d.Detail}
		if first[t] == nil && s.warn {
			first[t] = d
			out = append(out, d)
		} else if first[t] != nil && *d.Subject != *first[t].Subject {
			more[t]++
		}
	}
	for t, n := range more {
		d := *first[t]
		d.Detail += fmt.Sprintf(" The same holds in %s more.", count(n, "block"))
		out[slices.Index(out, first[t])] = &d
	}
	return out
}

func (a *app) printDiagnostics(diags hcl.Diagnostics, sources map[string][]byte) error {
	if a.json {
		doc, err := lang.DiagnosticsJSON(diags, sources)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.stdout, "%s\n", doc)
		return err
	}
	t := a.terminal(a.stderr)
	if err := lang.WriteDiagnostics(a.stderr, diags, sources, lang.PrintOptions{Color: t.color, Width: t.width}); err != nil {
		return err
	}
	_, err := fmt.Fprintln(a.stderr)
	return err
}

// outcomeName identifies this invocation among cached outcomes.
func (s *session) outcomeName() (string, error) {
	parts := []string{"build", version, buildID(), "trust", s.trust.Digest().String(), "remote", fmt.Sprintf("%+v", s.app.settings.Remote), "experiment", s.path, "nodes"}
	parts = append(parts, s.target.addresses...)
	parts = append(parts, "variables")
	for _, v := range s.app.settings.environment() {
		parts = append(parts, v.From, v.Value)
	}
	for _, k := range kinds().All() {
		if v, ok := k.Zero().(stages.Versioned); ok {
			parts = append(parts, "versions", fmt.Sprint(v.Versions()))
		}
	}
	variables, err := s.app.settings.variables()
	if err != nil {
		return "", withCode(exitUsage, err)
	}
	for _, v := range variables {
		file := v.File
		if abs, err := filepath.Abs(file); err == nil && file != "" {
			file = abs
		}
		parts = append(parts, v.Name, v.Value, file)
	}
	return plan.OutcomeName(parts...), nil
}

// buildID tells builds of the same version apart.
func buildID() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return strconv.FormatInt(info.Size(), 10) + "-" + strconv.FormatInt(info.ModTime().UnixNano(), 10)
}

func abbreviate(names []string, most int) string {
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// errNoNode says that a command needs a node.
var errNoNode = errors.New("name a node after the experiment, such as: experiments/nb360 hypothesis.figure4")
