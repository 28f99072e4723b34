package torch

import (
	"context"
	"fmt"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// Evaluate runs the network in evaluation mode. Outputs of float64 and mixed
// evaluations are rounded to float32.
func (e *Engine) Evaluate(ctx context.Context, ask *nn.Evaluation) (*nn.Evaluated, error) {
	if err := ask.Validate(); err != nil {
		return nil, err
	}
	j, err := e.newJob(ctx, "evaluate")
	if err != nil {
		return nil, err
	}
	defer j.remove()
	if err := j.network(ask.Network, ask.Weights, ask.Decoding, ask.Precision); err != nil {
		return nil, err
	}
	if j.spec.Data, err = j.data("data", ask.Data, ask.Loss); err != nil {
		return nil, err
	}
	j.spec.Loss, j.spec.Metric, j.spec.BatchSize = ask.Loss, ask.Metric, ask.BatchSize
	if ask.Outputs {
		j.spec.Outputs = j.path("outputs.npy")
	}
	if err := j.run(ctx, nil); err != nil {
		return nil, err
	}
	w, err := j.result()
	if err != nil {
		return nil, err
	}
	out := new(nn.Evaluated)
	if out.Loss, err = scalar(w, "loss"); err != nil {
		return nil, err
	}
	if out.Metric, err = scalar(w, "metric"); err != nil {
		return nil, err
	}
	if ask.Outputs {
		out.Outputs, err = readArray(j.spec.Outputs)
	}
	return out, err
}

func readArray(path string) (nn.Array, error) {
	out, err := nn.ReadArray(path)
	if err != nil {
		return out, fmt.Errorf("the outputs of engine %s: %w", Name, err)
	}
	out.Path = "" // it goes with the job
	return out, nil
}
