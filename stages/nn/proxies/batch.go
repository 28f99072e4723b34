package proxies

import (
	"fmt"
	"slices"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// Gaussian makes a batch of images whose pixels are independent draws from
// N(0, 1), and uniformly drawn labels, from the streams (seed, "proxy images",
// 0) and (seed, "proxy labels", 0).
func Gaussian(input nn.Shape, classes, samples int, seed uint64) *nn.Dataset {
	d := &nn.Dataset{
		Inputs: nn.Array{Shape: append([]int{samples}, input.Dims()...), Data: make([]float32, samples*input.Size())},
		Labels: make([]int32, samples),
	}
	images := nn.Stream(seed, "proxy images", 0)
	for i := range d.Inputs.Data {
		d.Inputs.Data[i] = float32(images.NormFloat64())
	}
	labels := nn.Stream(seed, "proxy labels", 0)
	for i := range d.Labels {
		d.Labels[i] = int32(labels.IntN(classes))
	}
	return d
}

// Draw takes a batch from data: different samples in random order, from the
// stream (seed, "proxy batch", 0).
func Draw(from *nn.Dataset, samples int, seed uint64) (*nn.Dataset, error) {
	if from.Len() < samples {
		return nil, fmt.Errorf("a batch of %d from %d samples", samples, from.Len())
	}
	order := nn.Stream(seed, "proxy batch", 0).Perm(from.Len())[:samples]
	d := &nn.Dataset{Inputs: nn.Array{Shape: slices.Clone(from.Inputs.Shape)}, Standard: from.Standard}
	d.Inputs.Shape[0] = samples
	for _, i := range order {
		d.Inputs.Data = append(d.Inputs.Data, from.Inputs.Sample(i)...)
		d.Labels = append(d.Labels, from.Labels[i])
	}
	return d, nil
}
