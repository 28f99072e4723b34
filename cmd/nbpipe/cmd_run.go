package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/gpu/lease"
	"github.com/nbpipe/nbpipe/pipeline/plan"
	"github.com/nbpipe/nbpipe/pipeline/run"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/sandbox"
)

// outFolder is where reports and logs of failed stages land, beside the experiment.
const outFolder = "nbpipe-out"

type runOptions struct {
	strict   bool
	force    bool
	whole    bool // refuse to run without a whole sandbox
	executor string
	detach   bool
	in       string // folder of the detached run that this is
}

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run [EXPERIMENT] [NODE...]",
		Short: "Run what has no result yet, and print verdicts and outputs",
		Example: `  nbpipe run experiments/quickstart
  nbpipe run experiments/nb360 hypothesis.figure3 --var alpha=0.01`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.detach:
				return a.detach(cmd.Context(), args)
			case o.in != "":
				return runDetached(o.in, func() error { return a.run(cmd.Context(), args, o) })
			}
			return a.run(cmd.Context(), args, o)
		},
	}
	cmd.Flags().BoolVar(&o.strict, "strict", false, "exit with 3 if an expectation does not hold")
	cmd.Flags().BoolVar(&o.force, "force", false, "run the named nodes although they have results")
	cmd.Flags().BoolVar(&o.whole, "require-sandbox", false, "refuse to run where this machine cannot confine commands to what they declare")
	cmd.Flags().StringVar(&o.executor, "executor", "", "run all nodes on this executor of the experiment; local is this machine")
	cmd.Flags().BoolVar(&o.detach, "detach", false, "go on without this terminal: see nbpipe attach and nbpipe cancel")
	cmd.Flags().StringVar(&o.in, "detached-in", "", "")
	_ = cmd.Flags().MarkHidden("detached-in")
	return cmd
}

func (a *app) run(ctx context.Context, args []string, o runOptions) error {
	s, err := a.open(ctx, args, true)
	if err != nil {
		return err
	}
	defer s.close()
	s.warn, s.ask = true, true
	if o.whole {
		if err := whole(s.box.Support()); err != nil {
			return withCode(exitUsage, err)
		}
	}
	name, err := s.outcomeName()
	if err != nil {
		return err
	}
	started := time.Now()
	if outcome, ok := plan.LoadOutcome(s.store, name); ok && !o.force && !s.overdue(outcome, started) && s.stillHolds(ctx, outcome) {
		return s.conclude(outcome, run.Summary{Total: outcome.Nodes, Cached: outcome.Nodes}, time.Since(started), o)
	}
	v := a.newView()
	defer v.close()
	v.phase("reading " + s.target.experiment)
	if err := s.load(ctx, v.event); err != nil {
		return err
	}
	if o.force && len(s.wanted) == 0 {
		return withCode(exitUsage, errors.New("--force takes the nodes that are to run again; name them after the experiment"))
	}
	sum, err := s.execute(ctx, o)
	if err != nil {
		return err
	}
	_ = s.probes.Save() // for speed, and so that `plan` knows
	reports := s.deliver(ctx, &sum)
	s.leave(ctx, v)
	v.close()
	outcome, err := s.outcome(reports)
	if err != nil {
		return err
	}
	if complete(sum) && !s.unshared(ctx) {
		s.remember(outcome, name)
	}
	if err := s.conclude(outcome, sum, time.Since(started), o); err != nil {
		return err
	}
	if ctx.Err() != nil { // while publishing
		return silently(exitInterrupted)
	}
	return nil
}

// whole refuses a machine that cannot enforce all of the sandbox.
func whole(able sandbox.Support) error {
	missing := able.Missing()
	if len(missing) == 0 {
		return nil
	}
	text := "--require-sandbox: not enforced on this machine: " + strings.Join(missing, "; ")
	if able.Why != "" {
		text += " (" + able.Why + ")"
	}
	return errors.New(text)
}

// unshared reports whether something is still to be published: then the next run
// is not one with nothing to do.
func (s *session) unshared(ctx context.Context) bool {
	return s.apart || s.team != nil && (ctx.Err() != nil || s.team.Report().NotSentNum > 0)
}

func complete(sum run.Summary) bool {
	return sum.Failed+sum.Skipped+sum.Interrupted == 0
}

func (s *session) stillHolds(ctx context.Context, o *plan.Outcome) bool {
	return o.StillHolds(ctx, s.store, filepath.Join(s.folder, plan.LockName), s.hash(ctx), os.Environ(), s.box)
}

// overdue reports whether a team cache should be told again that the experiment is
// in use: a run with nothing to do does not ask it.
func (s *session) overdue(o *plan.Outcome, now time.Time) bool {
	const renew = 7 * 24 * time.Hour
	return len(s.trust.Stores) > 0 && now.Sub(o.Saved) > renew
}

// execute runs the plan on this machine.
func (s *session) execute(ctx context.Context, o runOptions) (run.Summary, error) {
	local, machine, done, err := s.executor()
	if err != nil {
		return run.Summary{}, err
	}
	defer done()
	where, err := s.useExecutors(ctx, local, o)
	if err != nil {
		return run.Summary{}, err
	}
	defer where.close()
	options := run.Options{Executor: local, Machine: machine, Remote: where.remote}
	if o.force {
		for _, n := range s.wanted {
			options.Force = append(options.Force, n.Index)
		}
	}
	collectAt(running)
	sum := s.engine.Run(ctx, options)
	const most = 3 // results that turn out lost when they are delivered
	for range most {
		lost := s.lostReports(ctx)
		if len(lost) == 0 || ctx.Err() != nil {
			break
		}
		again := s.engine.Run(ctx, run.Options{Executor: local, Machine: machine, Force: lost, Remote: where.remote})
		sum = merge(sum, again)
	}
	for _, n := range s.engine.Members() {
		if n.Status == run.Finished && where.remote(n) != nil {
			s.worked++
		}
	}
	return sum, nil
}

// merge adds a second pass over the same plan to the first one's summary.
func merge(first, second run.Summary) run.Summary {
	second.Ran = first.Ran + second.Ran
	second.Cached = max(0, second.Total-second.Ran-second.Failed-second.Skipped-second.Interrupted)
	return second
}

// executor runs stages on this machine, of which it is told what they may use.
func (s *session) executor() (local *executor.Local, machine run.Machine, done func(), err error) {
	if machine, err = s.app.settings.machine(); err != nil {
		return nil, machine, nil, withCode(exitUsage, err)
	}
	scratch, err := executor.NewScratch(filepath.Join(s.store.Dir(), "scratch"))
	if err != nil {
		return nil, machine, nil, withCode(exitStore, err)
	}
	if folder := s.app.settings.leases(); folder != "" {
		machine.Leases = lease.New(folder, scratch.Dir, time.Now)
	}
	local = &executor.Local{
		Store: s.store, Scratch: scratch.Dir, LogDir: filepath.Join(s.folder, outFolder, "logs"), Now: time.Now,
		Services: s.services(), Resume: filepath.Join(s.store.Dir(), cache.ResumeFolder),
	}
	return local, machine, scratch.Close, nil
}

// remember keeps a complete outcome, so that the next run has nothing to do.
// That is an optimisation: a failure costs the next run some time.
func (s *session) remember(o *plan.Outcome, name string) {
	if _, ok := s.lock.Digest(); !ok {
		return // what others locked meanwhile may say something else
	}
	if err := s.store.Seal(context.Background()); err != nil {
		return
	}
	fingerprint, err := s.store.Fingerprint()
	if err != nil {
		return
	}
	o.Store = fingerprint
	_ = o.Save(s.store, name)
}

// outcome describes what the run came to.
func (s *session) outcome(reports []plan.Report) (*plan.Outcome, error) {
	members := s.engine.Members()
	lock, _ := s.lock.Digest()
	o := &plan.Outcome{
		Reads: s.x.Reads(), Programs: s.probes.Programs(), Answers: s.probes.Volatile(), Lock: lock,
		Nodes: len(members), Reports: reports, Saved: time.Now(),
	}
	for _, n := range members {
		o.Verdicts = append(o.Verdicts, n.Verdicts...)
	}
	if len(s.wanted) > 0 {
		return o, nil
	}
	values, diags := s.engine.State.Outputs()
	if diags.HasErrors() {
		return o, s.report(diags)
	}
	for _, v := range values {
		text := plan.OutputText{Name: v.Name, Description: v.Description, Sensitive: v.Sensitive}
		if !v.Sensitive && v.Value.IsWhollyKnown() {
			raw, err := stages.EncodeJSON(v.Value)
			if err != nil {
				return o, fmt.Errorf("output %s: %w", v.Name, err)
			}
			text.Value = raw
		}
		o.Outputs = append(o.Outputs, text)
	}
	return o, nil
}

// conclude prints what a run came to, and decides on the exit code.
func (s *session) conclude(o *plan.Outcome, sum run.Summary, took time.Duration, opt runOptions) error {
	s.app.printOutcome(s, o, sum, took)
	var codes []int
	if sum.Interrupted > 0 {
		codes = append(codes, exitInterrupted)
	}
	if sum.Failed > 0 {
		codes = append(codes, exitStage)
		if s.engine.StoreFailed() {
			codes = append(codes, exitStore)
		}
	}
	if sum.Saved != nil {
		codes = append(codes, exitStore)
	}
	if opt.strict && anyRefuted(o.Verdicts) {
		codes = append(codes, exitExpectation)
	}
	if code := worst(codes...); code != exitOK {
		return silently(code)
	}
	return nil
}

func anyRefuted(all []stages.Verdict) bool {
	for _, v := range all {
		if v.Outcome == stages.NotReproduced {
			return true
		}
	}
	return false
}
