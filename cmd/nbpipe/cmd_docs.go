package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
	"github.com/nbpipe/nbpipe/pipeline/reference"
)

func (a *app) docsCommand() *cobra.Command {
	markdown := false
	c := &cobra.Command{
		Use:   "docs [BLOCK [KIND]]",
		Short: "What an experiment file may say: kinds of nodes, their attributes and outputs, functions",
		Example: `  nbpipe docs                          every kind, in a line
  nbpipe docs hypothesis               all about the hypotheses
  nbpipe docs hypothesis paired        all about one kind
  nbpipe docs functions                what expressions may call`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			all := described()
			switch {
			case markdown:
				return reference.Markdown(a.stdout, all)
			case len(args) == 1 && args[0] == "functions":
				return a.functions()
			}
			chosen, err := chooseKinds(all, args)
			switch {
			case err != nil:
				return withCode(exitUsage, err)
			case a.json:
				return a.printJSON(chosen)
			case len(args) == 0:
				return reference.List(a.stdout, chosen)
			}
			return reference.Text(a.stdout, chosen)
		},
	}
	c.Flags().BoolVar(&markdown, "markdown", false, "write the whole reference as Markdown")
	return c
}

// described are all kinds of blocks with labels of their own.
func described() []reference.Kind {
	var out []reference.Kind
	for _, k := range kinds().All() {
		out = append(out, reference.Of(k))
	}
	for _, k := range executorKinds() {
		out = append(out, reference.OfExecutor(k))
	}
	return out
}

// chooseKinds finds what a command line names: a block, and a kind of it.
func chooseKinds(all []reference.Kind, args []string) ([]reference.Kind, error) {
	if len(args) == 0 {
		return all, nil
	}
	if !slices.Contains(reference.Blocks, args[0]) {
		return nil, fmt.Errorf("no block is called %q.%s", args[0], diagnostic.Hint(args[0], append(slices.Clone(reference.Blocks), "functions"), "blocks"))
	}
	var out []reference.Kind
	var types []string
	for _, k := range all {
		if k.Block == args[0] {
			types = append(types, k.Type)
			if len(args) == 1 || k.Type == args[1] {
				out = append(out, k)
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no kind %q.%s", args[0], args[1], diagnostic.Hint(args[1], types, "kinds"))
	}
	return out, nil
}

func (a *app) functions() error {
	all := reference.Functions()
	if a.json {
		return a.printJSON(all)
	}
	for _, f := range all {
		if _, err := fmt.Fprintf(a.stdout, "%s\n    %s\n", f.Signature, strings.ReplaceAll(f.Doc, "\n", " ")); err != nil {
			return err
		}
	}
	return nil
}
