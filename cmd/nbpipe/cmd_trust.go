package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nbpipe/nbpipe/cache/trust"
	"github.com/nbpipe/nbpipe/pipeline/lang"
	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
)

func (a *app) trustCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "trust [EXPERIMENT]", Short: "Agree to the team cache and the executors that an experiment names", Args: cobra.MaximumNArgs(1),
		Long: `Show the team cache that an experiment's settings name, whose results it asks you
to believe, and its executors, and ask whether you agree. Until you do, nothing is
sent to the cache and nothing is taken from there, and nothing runs on the
executors, whose blocks hold lines of shell that run outside of the sandbox, and
names of machines that get credentials: experiments may come from strangers. When
any of it changes, you are asked again, and shown what changed.

An executor "process" needs no agreement: it can name no program and no machine,
and starts on this one what would run here without it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.agree(cmd.Context(), args, yes, cmd.InOrStdin())
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "agree without being asked")
	return cmd
}

func (a *app) agree(ctx context.Context, args []string, yes bool, in io.Reader) error {
	s, err := a.open(ctx, args, false)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.parse(ctx); err != nil {
		return err
	}
	executors := s.consequential()
	if s.x.Cache == nil && len(executors) == 0 {
		return withCode(exitUsage, fmt.Errorf(`there is nothing to agree to in %s: its settings have no block cache "s3" "NAME", and it has no executor on other machines`, s.target.experiment))
	}
	if s.agreedToAll(executors) {
		fmt.Fprintf(a.stdout, "you have agreed to %s already\n", parts(s.x.Cache != nil, len(executors)))
		return nil
	}
	a.showTerms(s, executors)
	if !yes {
		fmt.Fprint(a.stdout, question(s.x.Cache != nil, len(executors))+" Type yes: ")
		answer, err := bufio.NewReader(in).ReadString('\n')
		if err != nil && answer == "" {
			return withCode(exitUsage, errors.New("nothing was answered; --yes agrees without being asked"))
		}
		if strings.TrimSpace(answer) != "yes" {
			return withCode(exitUsage, errors.New("not agreed; nothing has changed"))
		}
	}
	if err := s.confirm(executors, time.Now()); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, "agreed")
	return nil
}

// parts names what there is to agree to.
func parts(team bool, executors int) string {
	switch {
	case !team && executors == 1:
		return "this executor"
	case !team:
		return "these executors"
	case executors == 0:
		return "this team cache"
	}
	return "this team cache and " + count(executors, "executor")
}

func question(team bool, executors int) string {
	var asked []string
	if team {
		asked = append(asked, "Take results from there, believe these keys, and publish yours?")
	}
	if executors > 0 {
		asked = append(asked, "Run nodes so, on these machines?")
	}
	return strings.Join(asked, " ")
}

// consequential are the experiment's executors that need the user's agreement, by name.
func (s *session) consequential() []*lang.Executor {
	var out []*lang.Executor
	for _, name := range sortedKeys(s.x.Executors) {
		if e := s.x.Executors[name]; e.Kind.Agreement != "" {
			out = append(out, e)
		}
	}
	return out
}

// termsOf are the lines of an executor's block, its type first.
func termsOf(e *lang.Executor) []string {
	return append([]string{fmt.Sprintf("executor %q %q", e.Type, e.Name)}, e.Terms...)
}

// agreedTo reports whether the user agreed to exactly this block. A team cache of the
// user's own choice does not stand in for that, nor does --executor: who types a name
// has not seen what the file says of it.
func (s *session) agreedTo(e *lang.Executor) bool {
	return e.Kind.Agreement == "" || slices.Equal(s.trust.Agreed(s.folder).Executors[e.Name], termsOf(e))
}

// mayUse says why an executor is not used, or nil.
func (s *session) mayUse(e *lang.Executor) error {
	if s.agreedTo(e) {
		return nil
	}
	what := "which you have not agreed to"
	if s.trust.Agreed(s.folder).Executors[e.Name] != nil {
		what = "which is not what you agreed to: it was changed"
	}
	return fmt.Errorf("executor %q runs lines of this experiment outside of the sandbox, or sends credentials to other machines, %s. `nbpipe trust %s` shows it and asks; --executor local runs everything here", e.Name, what, s.target.experiment)
}

func (s *session) agreedToAll(executors []*lang.Executor) bool {
	if c := s.x.Cache; c != nil && !s.trust.Confirmed(s.folder, c.Digest().String()) {
		return false
	}
	return !slices.ContainsFunc(executors, func(e *lang.Executor) bool { return !s.agreedTo(e) })
}

// confirm records the agreement to all of it.
func (s *session) confirm(executors []*lang.Executor, now time.Time) error {
	p := trust.Project{Path: s.folder, Confirmed: now.UTC().Truncate(time.Second)}
	if c := s.x.Cache; c != nil {
		p.Digest, p.Cache = c.Digest().String(), c.Terms()
		for _, text := range c.Trust {
			key, err := trust.ParsePublic(text)
			if err == nil {
				err = s.trust.Add(key, "from "+s.folder, now)
			}
			if err != nil {
				return withCode(exitUsage, err)
			}
		}
	}
	for _, e := range executors {
		if p.Executors == nil {
			p.Executors = map[string][]string{}
		}
		p.Executors[e.Name] = termsOf(e)
	}
	s.trust.Confirm(p)
	return s.trust.Save()
}

// showTerms shows what changed since the user agreed, then all of it.
func (a *app) showTerms(s *session, executors []*lang.Executor) {
	old := s.trust.Agreed(s.folder)
	if old.Path != "" {
		a.showChanges(s, old, executors)
	}
	if s.x.Cache != nil {
		a.showCache(s, s.x.Cache)
	}
	for _, e := range executors {
		lines := termsOf(e)
		fmt.Fprintf(a.stdout, "%s runs nodes on\n  %s\n", s.target.experiment, lines[0])
		for _, l := range lines[1:] {
			fmt.Fprintf(a.stdout, "    %s\n", l)
		}
		for _, l := range diagnostic.Wrap(e.Kind.Agreement, 100) {
			fmt.Fprintf(a.stdout, "  %s\n", l)
		}
	}
}

func (a *app) showChanges(s *session, old trust.Project, executors []*lang.Executor) {
	fmt.Fprintf(a.stdout, "changed since you agreed on %s:\n", old.Confirmed.Format(time.DateOnly))
	if c := s.x.Cache; c != nil && c.Digest().String() != old.Digest {
		a.showChange(fmt.Sprintf("cache %q", c.Name), old.Cache, c.Terms())
	}
	for _, e := range executors {
		if was := old.Executors[e.Name]; !slices.Equal(was, termsOf(e)) {
			a.showChange("executor."+e.Name, was, termsOf(e))
		}
	}
	fmt.Fprintln(a.stdout)
}

// showChange shows the lines of a block that went and those that came.
func (a *app) showChange(what string, old, now []string) {
	if old == nil {
		fmt.Fprintf(a.stdout, "  %s is new, or was not shown to you before\n", what)
		return
	}
	fmt.Fprintf(a.stdout, "  %s\n", what)
	for _, l := range old {
		if !slices.Contains(now, l) {
			fmt.Fprintf(a.stdout, "  - %s\n", l)
		}
	}
	for _, l := range now {
		if !slices.Contains(old, l) {
			fmt.Fprintf(a.stdout, "  + %s\n", l)
		}
	}
}

func (a *app) showCache(s *session, c *lang.CacheSettings) {
	config, _ := (&remoteSettings{}).config(c)
	fmt.Fprintf(a.stdout, "%s shares results in\n  %s (%s)\n", s.target.experiment, placeText(config), map[string]string{"read": "for reading", "write": "for reading and publishing"}[c.Mode])
	if c.Insecure {
		fmt.Fprintln(a.stdout, "  without encryption: who is on the way can read what is sent")
	}
	if len(c.Trust) == 0 {
		fmt.Fprintln(a.stdout, "and names no keys: you believe those that you trust yourself (nbpipe key trust).")
		return
	}
	fmt.Fprintln(a.stdout, "and asks you to believe what is signed by")
	for _, k := range c.Trust {
		fmt.Fprintf(a.stdout, "  %s\n", k)
	}
}
