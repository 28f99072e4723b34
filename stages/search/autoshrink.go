package search

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/search/algorithm"
	"github.com/nbpipe/nbpipe/stages/search/objective"
)

// AutoShrink is a block `search "autoshrink"`.
type AutoShrink struct {
	Single
	MACs   string  `attr:"macs,key,optional" doc:"Column of multiply-accumulates in units of 1e6, such as flops of dataset \"nas_bench_201\". Only with table: with train they are the trained network's."`
	Unit   string  `attr:"unit,key" default:"\"percent\"" doc:"percent or fraction: of task. The score takes accuracies as fractions; an error e counts as 1 - e. With train unit says nothing, and any metric counts as an error: 1 - relative_l2, too."`
	Weight float64 `attr:"weight,key" default:"0.1" doc:"What a tenfold of multiply-accumulates costs in the score."`
	Start  string  `attr:"start,key,optional" doc:"each: run i starts at cell i of the 4096 without none. drawn: at a drawn one of them. Or the cell, without none, at which every run starts. Left out: each with table, drawn with train."`
}

var autoshrink = sync.OnceValue(func() *stages.Kind {
	return stages.Define[AutoShrink](stages.Kind{
		Block: "search", Type: "autoshrink", Version: 1, Reproducible: true, Resumes: true,
		Doc: "Edge shrinking (AutoShrink, Zhang et al., AAAI 2020), adapted to NAS-Bench-201: from a cell without none, edges are removed one by one, always the one whose removal " +
			"gives the highest accuracy - 0.1 (log10 MACs - 6). On a table it is compared with as many random draws. Values of search are that score.",
		Outputs: withDocs(map[string]string{
			"draws":        "The best of as many random draws, by the same score: mean over runs of score and of the reported column. Null where networks are trained: draws would be as many trainings again.",
			"gain":         "By how much edge shrinking is better than `draws`, paired by run; null as `draws`.",
			"share_better": "Share of runs in which edge shrinking is better than the draws; null as `draws`.",
		}),
	})
})

// The outputs of the comparison with random draws, which are judged by the same
// score and by the reported column: paired by run.
var drawsType = cty.Object(map[string]cty.Type{"score": summaryType, "report": summaryType})

// OutputTypes implements stages.Stage.
func (*AutoShrink) OutputTypes(stages.Attrs) map[string]cty.Type {
	return withTypes(map[string]cty.Type{"draws": drawsType, "gain": drawsType, "share_better": cty.Number})
}

// Check implements stages.Checker.
func (*AutoShrink) Check(attrs stages.Attrs) []stages.Problem {
	p := checkSingle(attrs)
	p.oneOf(attrs, "unit", "percent", "fraction")
	p.between(attrs, "weight", 0, 1e6)
	switch {
	case trains(attrs):
		p.without(attrs, "macs")
	case given(attrs, "table") && !given(attrs, "macs"):
		p.add("macs", "No multiply-accumulates", "macs names the table's column of multiply-accumulates, which the score weighs against accuracy.")
	}
	p.start(attrs)
	return p
}

// Where edge shrinking starts, but for a cell.
const (
	startEach  = "each"
	startDrawn = "drawn"
)

// start checks where runs of edge shrinking start.
func (p *problems) start(attrs stages.Attrs) {
	if !attrs.Known("runs", "first_run") || given(attrs, "start") && !attrs.Known("start") {
		return
	}
	word := ""
	if given(attrs, "start") {
		word = stages.Text(attrs["start"])
	}
	runs := stages.Number(attrs["runs"])
	a, err := shrinking(word, trains(attrs))
	switch {
	case err != nil:
		p.add("start", "No cell to start at", "%v.", err)
	case a.From != nas.Cell{}:
		if trains(attrs) && runs > 1 {
			p.add("runs", "Runs that are the same", "All %v runs start at the cell of start, and would go the same way. Ask for one, or say start = \"drawn\".", runs)
		}
	case !a.Drawn && runs+stages.Number(attrs["first_run"]) > algorithm.NumStarts:
		p.add("runs", "More runs than starts", "There are 4096 cells without none, runs and first_run ask for number %v. Lower them, or say start = \"drawn\".",
			runs+stages.Number(attrs["first_run"])-1)
	}
}

// shrinking reads the attribute start; "" is what its documentation says.
func shrinking(start string, trained bool) (algorithm.AutoShrink, error) {
	switch {
	case start == startDrawn || start == "" && trained:
		return algorithm.AutoShrink{Drawn: true}, nil
	case start == startEach || start == "":
		return algorithm.AutoShrink{}, nil
	}
	cell, err := nas.Parse(start)
	if err != nil {
		return algorithm.AutoShrink{}, fmt.Errorf("start is %q; it is each, drawn, or a cell of NAS-Bench-201: %w", start, err)
	}
	if slices.Contains(cell[:], nas.None) {
		return algorithm.AutoShrink{}, fmt.Errorf("start is %q; none is an edge that is removed already, and runs start with all six", start)
	}
	return algorithm.AutoShrink{From: cell}, nil
}

// Run implements stages.Stage.
func (s *AutoShrink) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	d, err := s.load(ctx, in, s.fidelities(), nil)
	if err != nil {
		return err
	}
	defer d.close(out)
	a, err := shrinking(s.Start, d.trained != nil)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if d.trained != nil {
		d = s.scoreTraining(d)
	} else if err := s.scoreTable(d); err != nil {
		return err
	}
	runs, err := s.execute(ctx, in, algorithm.Plan{Algorithm: a, Objective: d.objective})
	if err != nil {
		return err
	}
	if err := s.compare(ctx, out, d, runs); err != nil {
		return err
	}
	return s.publish(in, out, d, runs)
}

// score is the paper's: of an accuracy as a fraction, and of multiply-accumulates in
// units of 1e6.
func (s *AutoShrink) score(accuracy, macs float64) float64 {
	return accuracy - s.Weight*math.Log10(macs)
}

// scoreTable puts the score in the place of the searched column.
func (s *AutoShrink) scoreTable(d *data) error {
	macs, err := objective.Column(d.table, s.MACs)
	if err != nil {
		return fmt.Errorf("macs: the table: %w", err)
	}
	scores := make([]float64, nas.Size)
	for a, v := range d.searched[0] {
		if s.Unit == "percent" {
			v /= 100
		}
		if d.minimise {
			v = 1 - v
		}
		if !(macs[a] > 0) {
			return fmt.Errorf("macs: architecture %d has %v multiply-accumulates; its logarithm does not exist", a, macs[a])
		}
		scores[a] = s.score(v, macs[a])
	}
	d.searched[0] = scores
	d.objective, err = objective.NewTable(d.objective.Fidelities(), [][]float64{scores})
	return err
}

// compare gives every run as many random draws as it made evaluations, where these
// cost nothing.
func (s *AutoShrink) compare(ctx context.Context, out *stages.Output, d *data, runs []*algorithm.Run) error {
	if d.trained != nil {
		out.Set("draws", cty.NullVal(drawsType))
		out.Set("gain", cty.NullVal(drawsType))
		out.Set("share_better", cty.NullVal(cty.Number))
		return nil
	}
	cost := d.objective.Fidelities()[0].Cost
	var drawn, gain struct{ score, report []float64 }
	better := 0.0
	for _, r := range runs {
		draws := algorithm.NewRun(d.objective, cost*float64(len(r.Steps())), s.Seed, "draws", r.Number)
		if err := (algorithm.Random{}).Search(ctx, draws); err != nil && !isSpent(err) {
			return err
		}
		mine, theirs := d.finish(r.Steps()), d.finish(draws.Steps())
		drawn.score, drawn.report = append(drawn.score, theirs.search), append(drawn.report, theirs.report)
		gain.score = append(gain.score, mine.search-theirs.search)
		gain.report = append(gain.report, d.regret(theirs.report, mine.report))
		switch {
		case mine.search > theirs.search:
			better++
		case mine.search == theirs.search:
			better += 0.5
		}
	}
	for name, v := range map[string]struct{ score, report []float64 }{"draws": drawn, "gain": gain} {
		score, err := s.summary(v.score)
		if err != nil {
			return err
		}
		report, err := s.summary(v.report)
		if err != nil {
			return err
		}
		out.Set(name, cty.ObjectVal(map[string]cty.Value{"score": score, "report": report}))
	}
	out.Set("share_better", stages.NumberValue(better/float64(len(runs))))
	return nil
}
