package torch

import (
	"context"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// Gradients runs one batch forward and back.
func (e *Engine) Gradients(ctx context.Context, ask *nn.GradientJob) (*nn.Gradients, error) {
	if err := ask.Validate(); err != nil {
		return nil, err
	}
	j, err := e.newJob(ctx, "gradients")
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
	for _, node := range j.spec.Network.Dropouts {
		k := nn.NewDropoutKey(0, node, 0)
		if j.spec.Network.Keys == nil {
			j.spec.Network.Keys = map[string][2]int{}
		}
		j.spec.Network.Keys[node] = [2]int{int(k[0]), int(k[1])}
	}
	j.spec.Loss, j.spec.Inputs = ask.Loss, ask.Inputs
	j.spec.Products = append(j.spec.Products, ask.Products...)
	if err := j.run(ctx, nil); err != nil {
		return nil, err
	}
	w, err := j.result()
	if err != nil {
		return nil, err
	}
	return gradientsOf(ask, w)
}

// gradientsOf puts the script's tensors together with what belongs to nodes
// that were not run: zeros, and buffers as they were.
func gradientsOf(ask *nn.GradientJob, w nn.Weights) (*nn.Gradients, error) {
	loss, err := scalar(w, "loss")
	if err != nil {
		return nil, err
	}
	g := &nn.Gradients{
		Loss: loss, Output: w["output"], Inputs: w["inputs"],
		Parameters: part(w, "parameter/"), Buffers: part(w, "buffer/"), Products: part(w, "product/"),
	}
	for _, p := range ask.Network.Parameters {
		if _, ok := g.Parameters[p.Name]; !ok {
			g.Parameters[p.Name] = nn.Tensor{Shape: append([]int{}, p.Shape...), Data: make([]float64, p.Size())}
		}
	}
	for _, p := range ask.Network.Buffers {
		if _, ok := g.Buffers[p.Name]; !ok {
			g.Buffers[p.Name] = clone(ask.Weights[p.Name])
		}
	}
	shapes, err := ask.Network.Shapes()
	if err != nil {
		return nil, err
	}
	for _, name := range ask.Products {
		if _, ok := g.Products[name]; !ok {
			shape := []int{ask.Data.Len(), shapes[name].Channels}
			g.Products[name] = nn.Tensor{Shape: shape, Data: make([]float64, shape[0]*shape[1])}
		}
	}
	return g, nil
}
