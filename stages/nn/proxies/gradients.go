package proxies

import (
	"context"
	"math"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// lossProxies are those of the gradient of the loss, which is computed once.
func lossProxies(ctx context.Context, engine nn.Engine, job *Job, scores map[Proxy]float64) error {
	if !job.wants(Fisher, GradNorm, Grasp, Snip) {
		return nil
	}
	ask, err := job.gradients(ctx, engine, nn.CrossEntropy)
	if err != nil {
		return err
	}
	all := layers(job.Network)
	if job.wants(Fisher) {
		for _, l := range all {
			ask.Products = append(ask.Products, l.Name)
		}
	}
	g, err := engine.Gradients(ctx, ask)
	if err != nil {
		return err
	}
	if job.wants(Fisher) {
		scores[Fisher] = fisher(all, job.Weights, g.Products)
	}
	if job.wants(GradNorm) {
		scores[GradNorm] = gradNorm(all, g.Parameters)
	}
	if job.wants(Snip) {
		scores[Snip] = snip(all, job.Weights, g.Parameters)
	}
	if job.wants(Grasp) {
		scores[Grasp], err = grasp(ctx, job, g.Parameters)
	}
	return err
}

func fisher(layers []nn.Node, weights, products nn.Weights) float64 {
	var total float64
	for _, l := range layers {
		p, shape := products[l.Name], weights[l.Weight].Shape
		samples := p.Shape[0]
		var sum float64
		for _, v := range p.Data {
			sum += float64(v * v)
		}
		each := float64(len(weights[l.Weight].Data) / shape[0]) // weights of a channel
		total += sum / float64(2*samples) * each
	}
	return total
}

func gradNorm(layers []nn.Node, gradients nn.Weights) float64 {
	var total float64
	for _, l := range layers {
		var sum float64
		for _, v := range gradients[l.Weight].Data {
			sum += float64(v * v)
		}
		total += math.Sqrt(sum)
	}
	return total
}

func snip(layers []nn.Node, weights, gradients nn.Weights) float64 {
	var total float64
	for _, l := range layers {
		g := gradients[l.Weight].Data
		for i, w := range weights[l.Weight].Data {
			total += math.Abs(float64(w * g[i]))
		}
	}
	return total
}
