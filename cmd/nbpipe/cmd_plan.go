package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nbpipe/nbpipe/pipeline/run"
)

func (a *app) planCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "plan [EXPERIMENT] [NODE...]",
		Short: "Say for each node: cached, will run, or known after run; and why",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.planned(cmd.Context(), args, true, func(s *session) error {
				return a.printPlan(s, all)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "list cached nodes, too")
	return cmd
}

// planJSON is a line of `plan --json`.
type planJSON struct {
	Node   string     `json:"node"`
	Status run.Status `json:"status"`
	Why    []string   `json:"why,omitempty"`
	Key    string     `json:"key,omitempty"`
}

func (a *app) printPlan(s *session, all bool) error {
	counts := map[run.Status]int{}
	t := a.terminal(a.stdout)
	var doc []planJSON
	for _, n := range s.engine.Members() {
		counts[n.Status]++
		switch {
		case a.json:
			doc = append(doc, planJSON{n.Address, n.Status, n.Why, keyText(n)})
		case n.Status != run.Cached || all:
			fmt.Fprintf(a.stdout, "%s  %s\n", statusText(t, n.Status), n.Address)
			for _, why := range n.Why {
				fmt.Fprintln(a.stdout, t.paint(faint, "                   "+why))
			}
		}
	}
	if a.json {
		return a.printJSON(doc)
	}
	fmt.Fprintf(a.stdout, "%d cached, %d will run, %d known after run\n", counts[run.Cached], counts[run.WillRun], counts[run.KnownAfterRun])
	return nil
}

func statusText(t terminal, s run.Status) string {
	style := map[run.Status]string{run.Cached: green, run.WillRun: yellow, run.KnownAfterRun: yellow}[s]
	return t.paint(style, fmt.Sprintf("%-15s", s))
}

func keyText(n *run.Node) string {
	if n.Key.IsZero() {
		return ""
	}
	return n.Key.String()
}

func (a *app) whyCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "why [EXPERIMENT] NODE",
		Short:   "Name the input that changed: why a node will run, or ran last",
		Example: "  nbpipe why experiments/nb360 hypothesis.figure4",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(parseTarget(args).addresses) == 0 {
				return withCode(exitUsage, errNoNode)
			}
			return a.planned(cmd.Context(), args, true, func(s *session) error {
				for i, n := range s.wanted {
					if i > 0 && !a.json {
						fmt.Fprintln(a.stdout)
					}
					if err := a.printWhy(s, s.engine.Nodes[n.Index]); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func (a *app) printWhy(s *session, n *run.Node) error {
	if a.json {
		return a.printJSON(planJSON{n.Address, n.Status, whyOf(n), keyText(n)})
	}
	switch n.Status {
	case run.Cached:
		fmt.Fprintf(a.stdout, "%s is up to date (key %s).\n", n.Address, n.Key.Short())
		if n.Entry != nil {
			fmt.Fprintf(a.stdout, "It last ran on %s, because:\n", n.Entry.Record.Started.Local().Format("2006-01-02 15:04:05"))
		}
	case run.WillRun:
		fmt.Fprintf(a.stdout, "%s will run, because:\n", n.Address)
	default:
		fmt.Fprintf(a.stdout, "Whether %s will run is known after what it needs has run. It\n", n.Address)
	}
	for _, line := range whyOf(n) {
		fmt.Fprintln(a.stdout, "  "+line)
	}
	if n.Status == run.KnownAfterRun {
		a.printRoots(s, n)
	}
	return nil
}

func whyOf(n *run.Node) []string {
	if n.Status == run.Cached && n.Entry != nil {
		return n.Entry.Record.Why
	}
	return n.Why
}

// printRoots explains the nodes above that will run for reasons of their own.
func (a *app) printRoots(s *session, n *run.Node) {
	for i, up := range s.engine.Graph().Upstream(n.Index) {
		root := s.engine.Nodes[i]
		if up && root.Status == run.WillRun {
			fmt.Fprintf(a.stdout, "%s will run, because:\n  %s\n", root.Address, strings.Join(root.Why, "\n  "))
		}
	}
}
