package search

import (
	"context"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/search/algorithm"
	"github.com/nbpipe/nbpipe/stages/search/subspace"
)

// spaceTypes are the outputs of searches that shrink the space: what the spaces are
// like that the runs were left with, as means over runs, and which they are.
func spaceTypes() map[string]cty.Type {
	types := map[string]cty.Type{"spaces": stages.TableType}
	for _, name := range subspace.Names() {
		types[name] = summaryType
	}
	return types
}

// spaceDocs say what they are.
func spaceDocs() map[string]string {
	return map[string]string{
		"spaces":     "A row an architecture of the space that a run was left with: run and architecture.",
		"size_ratio": "Size of the space that is left, as a share of all: mean over runs.",
		"mean_gain":  "By how much the average of the space that is left is better than that of all, in the unit of the reported column; null where networks are trained.",
		"recall":     "Share of the true best 1 % that the space still has; null where networks are trained.",
		"diversity":  "Mean edit distance between two architectures of the space that is left.",
		"pockets":    "How many parts the space that is left has which no single edit connects.",
		"tau":        "Kendall's tau-b, within the space that is left, of the searched and the reported column; null where these are one, and where networks are trained.",
	}
}

// trueTop is the share of the architectures that recall is about.
const trueTop = 0.01

// maxSpaceRows bounds what a node writes down of its spaces.
const maxSpaceRows = 10_000_000

// publishSpaces sets the outputs of spaceTypes.
func (c *Common) publishSpaces(ctx context.Context, in *stages.Input, out *stages.Output, d *data, runs []*algorithm.Run) error {
	seen := d.searched[0]
	if !d.reported {
		seen = nil
	}
	judged := d.report
	if d.trained != nil { // only what the runs asked for has a value
		judged = nil
	}
	judge := subspace.NewJudge(seen, judged, d.minimise, trueTop)
	values := make([][]float64, len(subspace.Names()))
	for _, r := range runs {
		if err := ctx.Err(); err != nil {
			return err
		}
		description, err := judge.Describe(r.Space)
		if err != nil {
			return err
		}
		for i, v := range description.Values() {
			values[i] = append(values[i], v)
		}
	}
	for i, name := range subspace.Names() {
		v, err := c.summary(values[i])
		if err != nil {
			return err
		}
		out.Set(name, v)
	}
	return writeSpaces(in, out, d, runs)
}

// writeSpaces has a row an architecture of each run's space.
func writeSpaces(in *stages.Input, out *stages.Output, d *data, runs []*algorithm.Run) error {
	n := 0
	for _, r := range runs {
		n += len(r.Space)
	}
	if n > maxSpaceRows {
		return fmt.Errorf("runs: the spaces of %d runs hold %d architectures together, more than the %d that a node writes down; make fewer runs, or several nodes with first_run",
			len(runs), n, maxSpaceRows)
	}
	number, architecture := make([]int64, 0, n), make([]int64, 0, n)
	for _, r := range runs {
		for _, a := range r.Space {
			number, architecture = append(number, int64(r.Number)), append(architecture, int64(a))
		}
	}
	return writeTable(in, out, "spaces", d, table.IntColumn("run", number), table.IntColumn(table.Architecture, architecture))
}
