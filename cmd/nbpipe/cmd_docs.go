package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
	"github.com/nbpipe/nbpipe/pipeline/reference"
	"github.com/nbpipe/nbpipe/stages"
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
			all := kinds()
			switch {
			case markdown:
				return reference.Markdown(a.stdout, all.All())
			case len(args) == 1 && args[0] == "functions":
				return a.functions()
			}
			chosen, err := chooseKinds(all, args)
			switch {
			case err != nil:
				return withCode(exitUsage, err)
			case a.json:
				return a.kindsJSON(chosen)
			case len(args) == 0:
				return reference.List(a.stdout, chosen)
			}
			return reference.Text(a.stdout, chosen)
		},
	}
	c.Flags().BoolVar(&markdown, "markdown", false, "write the whole reference as Markdown")
	return c
}

// chooseKinds finds what a command line names: a block, and a kind of it.
func chooseKinds(all *stages.Registry, args []string) ([]*stages.Kind, error) {
	if len(args) == 0 {
		return all.All(), nil
	}
	if !slices.Contains(stages.Blocks, args[0]) {
		return nil, fmt.Errorf("no block is called %q.%s", args[0], diagnostic.Hint(args[0], append(slices.Clone(stages.Blocks), "functions"), "blocks"))
	}
	types := all.Types(args[0])
	if len(args) == 2 {
		if !slices.Contains(types, args[1]) {
			return nil, fmt.Errorf("%s has no kind %q.%s", args[0], args[1], diagnostic.Hint(args[1], types, "kinds"))
		}
		types = args[1:]
	}
	var out []*stages.Kind
	for _, t := range types {
		k, _ := all.Lookup(args[0], t)
		out = append(out, k)
	}
	return out, nil
}

func (a *app) kindsJSON(chosen []*stages.Kind) error {
	out := []reference.Kind{}
	for _, k := range chosen {
		out = append(out, reference.Of(k))
	}
	return a.printJSON(out)
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
