package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/run"
)

// rerunOptions say which results of others are run again.
type rerunOptions struct {
	n      int
	signer string // "" for anybody
	seed   uint64
}

// rerunSeed is that of the sample unless another one is asked for: equal samples
// can be compared.
const rerunSeed = 1

func rerunFlags(cmd *cobra.Command, o *rerunOptions) {
	cmd.Flags().IntVar(&o.n, "rerun", 0, "run so many of the results again that others gave an experiment, and compare")
	cmd.Flags().StringVar(&o.signer, "signer", "", "with --rerun: only results that this key signed, such as alice-1")
	cmd.Flags().Uint64Var(&o.seed, "seed", rerunSeed, "with --rerun: seed of the sample")
}

// asked reports whether there is a sample to run again.
func (o *rerunOptions) asked(cmd *cobra.Command, args []string, remote bool) (bool, error) {
	if !cmd.Flags().Changed("rerun") {
		if o.signer != "" || cmd.Flags().Changed("seed") {
			return false, withCode(exitUsage, errors.New("--signer and --seed go with --rerun N"))
		}
		if len(args) > 0 && !remote {
			return false, withCode(exitUsage, errors.New("an experiment goes with --rerun N, or with --remote: without them this is about this machine's cache"))
		}
		return false, nil
	}
	if remote {
		return false, withCode(exitUsage, errors.New("--rerun runs results again and compares, --remote reads what is in the team cache: give one of them"))
	}
	if o.n < 1 {
		return false, withCode(exitUsage, fmt.Errorf("--rerun takes a number of results, from 1 on, not %d", o.n))
	}
	if o.signer != "" {
		if err := cache.CheckKeyName(o.signer); err != nil {
			return false, withCode(exitUsage, fmt.Errorf("--signer: %w", err))
		}
	}
	return true, nil
}

// who names those whose results are meant.
func (o *rerunOptions) who() string {
	if o.signer == "" {
		return "others"
	}
	return o.signer
}

// given is a node whose result in use comes from somebody else.
type given struct {
	node *run.Node
	by   cache.StoredEntry
}

// rerunSample runs a sample of the results that others gave an experiment again.
func (a *app) rerunSample(ctx context.Context, args []string, o rerunOptions) error {
	s, err := a.open(ctx, args, true)
	if err != nil {
		return err
	}
	defer s.close()
	s.ask = true // the content of inputs may be there only
	v := a.newView()
	defer v.close()
	v.phase("reading " + s.target.experiment)
	if err := s.load(ctx, v.event); err != nil {
		return err
	}
	all, others, err := s.givenBy(ctx, o.signer)
	if err != nil {
		return err
	}
	sample := draw(all, o)
	a.announce(o, len(sample), len(all), others)
	codes, err := s.rerunAll(ctx, v, sample)
	if err != nil {
		return err
	}
	_ = s.trust.SaveChecks(s.store) // saves time only
	a.printRerun(o, len(all), codes)
	if code := worst(codes...); code != exitOK {
		return silently(code)
	}
	return nil
}

// givenBy lists the nodes, one for each key, whose result in use was signed by
// somebody (signer "": by anybody), and counts the results of the others by who
// made them.
func (s *session) givenBy(ctx context.Context, signer string) (all []given, others map[string]int, err error) {
	seen, others := map[cache.Key]bool{}, map[string]int{}
	for _, n := range s.engine.Members() {
		if n.Entry == nil || seen[n.Key] {
			continue
		}
		seen[n.Key] = true
		candidates, err := s.store.LookupAll(ctx, n.Key)
		if err != nil {
			return nil, nil, withCode(exitStore, err)
		}
		if len(candidates) == 0 || candidates[0].Reason != "" {
			continue // lost since the plan was made
		}
		by := candidates[0].Stored // the one that the plan took
		switch {
		case by.Signer != "" && (signer == "" || by.Signer == signer):
			all = append(all, given{n, by})
		case by.Signer == "":
			others["this machine"]++
		default:
			others[by.Signer]++
		}
	}
	return all, others, nil
}

// draw picks a sample; it is in the order of the experiment.
func draw(all []given, o rerunOptions) []given {
	random := rand.New(rand.NewPCG(o.seed, 0))
	picked := random.Perm(len(all))[:min(o.n, len(all))]
	slices.Sort(picked)
	out := make([]given, len(picked))
	for i, at := range picked {
		out[i] = all[at]
	}
	return out
}

// announce says how large the sample is, and of what.
func (a *app) announce(o rerunOptions, sample, population int, others map[string]int) {
	if a.json {
		a.printLine(struct {
			Event   string `json:"event"` // "sample"
			Sample  int    `json:"sample"`
			Results int    `json:"results"`
			Signer  string `json:"signer,omitempty"`
			Seed    uint64 `json:"seed"`
		}{"sample", sample, population, o.signer, o.seed})
		return
	}
	if population > 0 {
		a.tell(fmt.Sprintf("running %d of %s signed by %s again, seed %d", sample, count(population, "result"), o.who(), o.seed))
		return
	}
	if len(others) == 0 {
		a.tell("the experiment has no results yet")
		return
	}
	var from []string
	for _, name := range sortedKeys(others) {
		from = append(from, fmt.Sprintf("%s (%d)", name, others[name]))
	}
	a.tell("the results in use come from " + strings.Join(from, ", "))
}

// rerunAll runs results again, says what came of each, and what to do about those
// that differ.
func (s *session) rerunAll(ctx context.Context, v *view, sample []given) (codes []int, err error) {
	if len(sample) == 0 {
		return nil, nil
	}
	local, machine, done, err := s.executor()
	if err != nil {
		return nil, err
	}
	defer done()
	wrong := map[string]time.Time{}
	for _, g := range sample {
		result := s.verifyNode(ctx, local, machine, g.node, v)
		result.Signer, result.Signed = g.by.Signer, &g.by.Time
		codes = append(codes, s.app.printVerified(v, result))
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if result.Error != "" || result.Same || !g.node.Kind.Reproducible {
			continue
		}
		if first, ok := wrong[g.by.Signer]; !ok || g.by.Time.Before(first) {
			wrong[g.by.Signer] = g.by.Time
		}
	}
	v.close()
	s.app.printRemedies(wrong)
	return codes, nil
}

// printRerun sums up.
func (a *app) printRerun(o rerunOptions, population int, codes []int) {
	if a.json {
		return // each result has its line
	}
	n := map[int]int{}
	for _, c := range codes {
		n[c]++
	}
	fmt.Fprintf(a.stdout, "%d of %s signed by %s, seed %d: %d the same, %d different, %d failed\n",
		len(codes), count(population, "result"), o.who(), o.seed, n[exitOK], n[exitDifference], n[exitStage])
}

// printRemedies says what to do about signers whose results differ, each with the
// time of the first one.
func (a *app) printRemedies(wrong map[string]time.Time) {
	for _, signer := range sortedKeys(wrong) {
		a.note("%s signed a result that this machine does not get. Either the stage does not give the same each time (`nbpipe verify` of an own result tells), or one of the two machines is wrong. To believe nothing that it signed from then on:\n  nbpipe key revoke %s --since %s",
			signer, signer, wrong[signer].UTC().Format(time.RFC3339))
	}
}
