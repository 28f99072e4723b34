package proxies_test

import (
	"fmt"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/gorgonia"
	"github.com/nbpipe/nbpipe/stages/nn/proxies"
)

// float32Tolerance is what the roundings of 100 layers make of a second
// derivative, or those of a few.
func (c *testCase) float32Tolerance() float64 {
	if c.full {
		return 2e-3
	}
	return 1e-4
}

// The binary's own engine gives PyTorch's scores: to 1e-6 in float64, and in
// float32 to what its roundings allow.
func TestEngineAgreesWithPyTorch(t *testing.T) {
	g := golden(t)
	for k, c := range testCases() {
		for i, cell := range c.Cells {
			for precision, tolerance := range map[nn.Precision]float64{nn.Float64: 1e-6, nn.Float32: c.float32Tolerance()} {
				if c.full && !*heavy {
					continue
				}
				job := c.job(t, cell.Number)
				job.Precision = precision
				scores, err := proxies.Score(t.Context(), gorgonia.New(), job)
				if err != nil {
					t.Fatal(err)
				}
				compare(t, fmt.Sprintf("%s, architecture %d, %s", c.Name, cell.Number, precision), scores, g.Cases[k].Scores[i].Scores, tolerance)
			}
		}
	}
}

// BenchmarkLossGradients and BenchmarkInputGradients are what the engine adds to
// a cell's time: batch 64, full skeleton, float32.
func BenchmarkLossGradients(b *testing.B) {
	engineBenchmark(b, proxies.Snip, proxies.GradNorm, proxies.Fisher)
}

func BenchmarkInputGradients(b *testing.B) { engineBenchmark(b, proxies.JacobCov) }

func engineBenchmark(b *testing.B, list ...proxies.Proxy) {
	c := testCase{C: 16, N: 5, Side: 32, Classes: 100, Batch: 64, Seed: 1}
	engine := gorgonia.New()
	i := 0
	for b.Loop() {
		job := c.job(b, i*601%nas.Size)
		job.Proxies, job.Precision = list, nn.Float32
		if _, err := proxies.Score(b.Context(), engine, job); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
