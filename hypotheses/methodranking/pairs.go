package methodranking

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/scores"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages"
)

// pairs gives the outputs about every ordered pair of methods.
func (r *ranking) pairs(ctx context.Context, in *stages.Input, out *stages.Output) error {
	methods := r.Table.Methods
	done := int64(0)
	for _, o := range []struct {
		name  string
		value func(a, b int) (cty.Value, error)
	}{{"better", r.better}, {"pair", r.pair}, {"gain", r.gains}, {"nemenyi", r.difference}} {
		var failed error
		out.Set(o.name, byNumber(methods, func(a int) cty.Value {
			return estimate.Object(without(methods, methods[a]), func(other string) cty.Value {
				v, err := o.value(a, slices.Index(methods, other))
				if err == nil {
					err = ctx.Err()
				}
				if err != nil && failed == nil {
					failed = fmt.Errorf("%s against %s: %w", methods[a], other, err)
				}
				done++
				in.Progress.Report(done, int64(4*len(methods)*(len(methods)-1)), "pairs")
				return v
			})
		}))
		if failed != nil {
			return failed
		}
	}
	return nil
}

// counts are on how many tasks a's error is lower than b's, higher, and the same.
func (r *ranking) counts(g scores.Grid, a, b int) (better, worse, tied int) {
	for task := range r.Table.Tasks {
		switch x, y := g.At(a, task), g.At(b, task); {
		case x < y:
			better++
		case x > y:
			worse++
		case x == y:
			tied++
		}
	}
	return better, worse, tied
}

func (r *ranking) better(a, b int) (cty.Value, error) {
	better, worse, tied := r.counts(r.Mean, a, b)
	n := better + worse + tied
	if n == 0 {
		nan := math.NaN()
		return estimate.Interval(stats.Interval{Value: nan, Low: nan, High: nan}, 0), nil
	}
	return estimate.Interval(scores.Interval(r.Mean, r.redraws, n, func(g scores.Grid) float64 {
		better, _, _ := r.counts(g, a, b)
		return float64(better)
	}), n), nil
}

func (r *ranking) pair(a, b int) (cty.Value, error) {
	better, worse, tied := r.counts(r.Mean, a, b)
	wilcoxon, err := stats.WilcoxonTest(r.logRatios(a, b), stats.WilcoxonOptions{})
	return cty.ObjectVal(map[string]cty.Value{
		"better": estimate.Count(better), "worse": estimate.Count(worse), "tied": estimate.Count(tied), "n": estimate.Count(better + worse + tied),
		"sign_p": stages.NumberValue(stats.SignTest(better, worse)), "wilcoxon_p": stages.NumberValue(wilcoxon.P),
	}), err
}

// logRatios are the logarithms of a's errors over b's on the tasks that both have.
func (r *ranking) logRatios(a, b int) []float64 {
	var out []float64
	for task := range r.Table.Tasks {
		switch x, y := r.Mean.At(a, task), r.Mean.At(b, task); {
		case math.IsNaN(x) || math.IsNaN(y):
		case x == y: // both may be 0
			out = append(out, 0)
		default:
			out = append(out, math.Log(x/y))
		}
	}
	return out
}

func (r *ranking) gains(a, b int) (cty.Value, error) {
	return byNumber(r.Table.Tasks, func(task int) cty.Value { return estimate.Interval(r.gain(a, b, task), 1) }), nil
}

func (r *ranking) difference(a, b int) (cty.Value, error) {
	i, j := slices.Index(r.complete, a), slices.Index(r.complete, b)
	value, p, log10P := math.NaN(), math.NaN(), math.NaN()
	if r.friedmanRank != nil && i >= 0 && j >= 0 {
		value, p, log10P = r.friedman.MeanRanks[i]-r.friedman.MeanRanks[j], r.nemenyi.P[i][j], r.nemenyi.Log10P[i][j]
	}
	return cty.ObjectVal(map[string]cty.Value{
		"value": stages.NumberValue(value), "p": stages.NumberValue(p), "log10_p": stages.NumberValue(log10P), "n": estimate.Count(len(r.Table.Tasks)),
	}), nil
}
