package search

import (
	"context"
	"fmt"
	"math"
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
	MACs   string  `attr:"macs,key" doc:"Column of multiply-accumulates in units of 1e6, such as flops of dataset \"nas_bench_201\"."`
	Unit   string  `attr:"unit,key" default:"\"percent\"" doc:"percent or fraction: of task. The score takes accuracies as fractions; an error e counts as 1 - e."`
	Weight float64 `attr:"weight,key" default:"0.1" doc:"What a tenfold of multiply-accumulates costs in the score."`
	Start  string  `attr:"start,key" default:"\"each\"" doc:"each: run i starts at cell i of the 4096 without none. drawn: at a drawn one of them."`
}

var autoshrink = sync.OnceValue(func() *stages.Kind {
	return stages.Define[AutoShrink](stages.Kind{
		Block: "search", Type: "autoshrink", Version: 1, Reproducible: true,
		Doc: "Edge shrinking (AutoShrink, Zhang et al., AAAI 2020), adapted to NAS-Bench-201: from a cell without none, edges are removed one by one, always the one whose removal " +
			"gives the highest accuracy - 0.1 (log10 MACs - 6). Compared with as many random draws. Values of search are that score. On tables only: attribute train is not for it.",
		Outputs: withDocs(map[string]string{
			"draws": "The best of as many random draws, by the same score: mean over runs of score and of the reported column.",
			"gain":  "By how much edge shrinking is better than `draws`, paired by run.", "share_better": "Share of runs in which edge shrinking is better than the draws.",
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
	p.tableOnly(attrs)
	p.oneOf(attrs, "unit", "percent", "fraction")
	p.oneOf(attrs, "start", "each", "drawn")
	p.between(attrs, "weight", 0, 1e6)
	if attrs.Known("start", "runs", "first_run") && text(attrs["start"]) == "each" && number(attrs["runs"])+number(attrs["first_run"]) > algorithm.NumStarts {
		p.add("runs", "More runs than starts", "There are 4096 cells without none, runs and first_run ask for number %v. Lower them, or say start = \"drawn\".",
			number(attrs["runs"])+number(attrs["first_run"])-1)
	}
	return p
}

// Run implements stages.Stage.
func (s *AutoShrink) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	d, err := s.load(ctx, in, s.fidelities(), nil)
	if err != nil {
		return err
	}
	if err := s.score(d); err != nil {
		return err
	}
	plan := algorithm.Plan{Algorithm: algorithm.AutoShrink{Drawn: s.Start == "drawn"}, Objective: d.objective}
	runs, err := s.execute(ctx, in, plan)
	if err != nil {
		return err
	}
	if err := s.compare(ctx, out, d, runs); err != nil {
		return err
	}
	return s.publish(in, out, d, runs)
}

// score puts the paper's score in the place of the searched column.
func (s *AutoShrink) score(d *data) error {
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
		scores[a] = v - s.Weight*math.Log10(macs[a]) // 1e6 is the column's unit
	}
	d.searched[0] = scores
	d.objective, err = objective.NewTable(d.objective.Fidelities(), [][]float64{scores})
	return err
}

// compare gives every run as many random draws as it made evaluations.
func (s *AutoShrink) compare(ctx context.Context, out *stages.Output, d *data, runs []*algorithm.Run) error {
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
