package proxies_test

import (
	"context"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/proxies"
)

// BenchmarkSynflow scores cells all over the space in the full skeleton, one a
// round.
func BenchmarkSynflow(b *testing.B) {
	c := testCase{C: 16, N: 5, Side: 32, Classes: 100, Batch: 1, Seed: 1}
	i := 0
	for b.Loop() {
		job := c.job(b, i*601%nas.Size)
		job.Proxies = []proxies.Proxy{proxies.Synflow}
		if _, err := proxies.Score(b.Context(), nil, job); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// constant gives gradients that cost nothing.
type constant struct{ plain }

func (constant) Gradients(_ context.Context, job *nn.GradientJob) (*nn.Gradients, error) {
	return &nn.Gradients{Parameters: job.Weights}, nil
}

// BenchmarkGrasp is the second derivative alone, float32, batch 64, full
// skeleton.
func BenchmarkGrasp(b *testing.B) {
	c := testCase{C: 16, N: 5, Side: 32, Classes: 100, Batch: 64, Seed: 1}
	i := 0
	for b.Loop() {
		job := c.job(b, i*601%nas.Size)
		job.Proxies, job.Precision = []proxies.Proxy{proxies.Grasp}, nn.Float32
		if _, err := proxies.Score(b.Context(), constant{}, job); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
