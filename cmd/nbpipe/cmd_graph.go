package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nbpipe/nbpipe/pipeline/graph"
	"github.com/nbpipe/nbpipe/pipeline/run"
)

func (a *app) graphCommand() *cobra.Command {
	var svg string
	cmd := &cobra.Command{
		Use:   "graph [EXPERIMENT] [NODE...]",
		Short: "Print the graph as DOT, or draw it",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.planned(cmd.Context(), args, false, func(s *session) error {
				d := drawing(s)
				if svg == "" {
					_, err := fmt.Fprint(a.stdout, d.DOT())
					return err
				}
				if svg == "-" {
					_, err := fmt.Fprint(a.stdout, d.SVG())
					return err
				}
				return os.WriteFile(svg, []byte(d.SVG()), 0o644)
			})
		},
	}
	cmd.Flags().StringVar(&svg, "svg", "", "draw an SVG picture into this file (- for standard output)")
	return cmd
}

// drawing prepares the picture: instances of one block are one box.
func drawing(s *session) *graph.Drawing {
	d := graph.NewDrawing(s.target.experiment)
	for _, n := range s.engine.Members() {
		d.Node(n.Index, group(n), n.Kind.Name(), string(n.Status))
	}
	for _, n := range s.engine.Members() {
		for _, i := range n.Deps {
			d.Edge(i, n.Index)
		}
	}
	return d
}

// group is the address without the instance's key, which may hold anything.
func group(n *run.Node) string {
	head, _, _ := strings.Cut(n.Address, "[")
	return head
}
