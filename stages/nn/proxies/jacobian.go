package proxies

import (
	"context"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// jacobianOffset keeps the logarithm of an eigenvalue of 0 finite (k of the
// authors' code).
const jacobianOffset = 1e-5

func jacobian(ctx context.Context, engine nn.Engine, job *Job, scores map[Proxy]float64) error {
	if !job.wants(JacobCov) {
		return nil
	}
	ask, err := job.gradients(ctx, engine, nn.SumOutputs)
	if err != nil {
		return err
	}
	ask.Inputs = true
	g, err := engine.Gradients(ctx, ask)
	if err != nil {
		return err
	}
	scores[JacobCov] = jacobCov(g.Inputs.Data, job.Batch.Len())
	return nil
}

// jacobCov is the score of the rows of a matrix, one a sample.
func jacobCov(data []float64, samples int) float64 {
	correlations := correlate(data, samples)
	if correlations == nil {
		return math.NaN()
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(mat.NewSymDense(samples, correlations), false) {
		return math.NaN()
	}
	var total float64
	for _, v := range eigen.Values(nil) {
		total += math.Log(v+jacobianOffset) + 1/(v+jacobianOffset)
	}
	return -total
}

// correlate gives Pearson's correlations between rows, or nil where a row has
// no variance or no finite one.
func correlate(data []float64, rows int) []float64 {
	columns := len(data) / rows
	unit := make([]float64, len(data))
	for r := range rows {
		row, to := data[r*columns:(r+1)*columns], unit[r*columns:(r+1)*columns]
		var mean, square float64
		for _, v := range row {
			mean += v
		}
		mean /= float64(columns)
		for i, v := range row {
			to[i] = v - mean
			square += float64(to[i] * to[i])
		}
		if !(square > 0) || math.IsInf(square, 0) {
			return nil
		}
		scale := 1 / math.Sqrt(square)
		for i := range to {
			to[i] *= scale
		}
	}
	out := make([]float64, rows*rows)
	for i := range rows {
		for j := range i + 1 {
			var dot float64
			for k, v := range unit[i*columns : (i+1)*columns] {
				dot += float64(v * unit[j*columns+k])
			}
			dot = min(max(dot, -1), 1)
			out[i*rows+j], out[j*rows+i] = dot, dot
		}
	}
	return out
}
