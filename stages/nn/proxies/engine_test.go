package proxies_test

import (
	"context"
	"errors"
	"math"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// plain is an engine in plain loops and float64, which computes gradients of
// small networks around cells: what the scores are tested with, whatever
// engines the build has.
type plain struct{}

func (plain) Name() string                            { return "plain" }
func (plain) Version(context.Context) (string, error) { return "plain", nil }
func (plain) Train(context.Context, *nn.Job, nn.Hooks) (*nn.Result, error) {
	return nil, errors.ErrUnsupported
}
func (plain) Evaluate(context.Context, *nn.Evaluation) (*nn.Evaluated, error) {
	return nil, errors.ErrUnsupported
}

type tape struct {
	w, dw  map[string][]float64
	x, dx  map[string][]float64
	shapes map[string]nn.Shape
	b      int
}

func (plain) Gradients(ctx context.Context, job *nn.GradientJob) (*nn.Gradients, error) {
	if err := job.Validate(); err != nil {
		return nil, err
	}
	shapes, err := job.Network.Shapes()
	if err != nil {
		return nil, err
	}
	t := &tape{map[string][]float64{}, map[string][]float64{}, map[string][]float64{}, map[string][]float64{}, shapes, job.Data.Len()}
	for _, p := range job.Network.Parameters {
		t.w[p.Name], t.dw[p.Name] = job.Weights[p.Name].Data, make([]float64, p.Size())
	}
	input := make([]float64, len(job.Data.Inputs.Data))
	for i, v := range job.Data.Inputs.Data {
		input[i] = float64(v)
	}
	t.x[nn.InputName], t.dx[nn.InputName] = input, make([]float64, len(input))
	live := job.Network.Live()
	for i := range live {
		size := t.b * shapes[live[i].Name].Size()
		t.x[live[i].Name], t.dx[live[i].Name] = make([]float64, size), make([]float64, size)
		t.step(&live[i], false)
	}
	out := job.Network.Output
	loss := lossOf(job, t.x[out], t.dx[out])
	for i := len(live) - 1; i >= 0; i-- {
		t.step(&live[i], true)
	}
	return t.answer(job, loss), nil
}

func (t *tape) answer(job *nn.GradientJob, loss float64) *nn.Gradients {
	g := &nn.Gradients{Loss: loss, Parameters: nn.Weights{}, Products: nn.Weights{}}
	for _, p := range job.Network.Parameters {
		g.Parameters[p.Name] = nn.Tensor{Shape: p.Shape, Data: t.dw[p.Name]}
	}
	in := job.Network.Input
	g.Inputs = nn.Tensor{Shape: []int{t.b, in.Channels, in.Height, in.Width}, Data: t.dx[nn.InputName]}
	for _, name := range job.Products {
		s := t.shapes[name]
		p := make([]float64, t.b*s.Channels)
		for i, v := range t.x[name] {
			p[i/s.Area()] += v * t.dx[name][i]
		}
		g.Products[name] = nn.Tensor{Shape: []int{t.b, s.Channels}, Data: p}
	}
	return g
}

// lossOf fills the gradient of the logits.
func lossOf(job *nn.GradientJob, z, dz []float64) float64 {
	if job.Loss == nn.SumOutputs {
		var sum float64
		for i, v := range z {
			sum, dz[i] = sum+v, 1
		}
		return sum
	}
	classes := len(z) / len(job.Data.Labels)
	var total float64
	for i, label := range job.Data.Labels {
		row := z[i*classes : (i+1)*classes]
		var sum float64
		for _, v := range row {
			sum += math.Exp(v)
		}
		total += math.Log(sum) - row[label]
		for j, v := range row {
			dz[i*classes+j] = math.Exp(v) / sum / float64(len(job.Data.Labels))
		}
		dz[i*classes+int(label)] -= 1 / float64(len(job.Data.Labels))
	}
	return total / float64(len(job.Data.Labels))
}

// step runs a node forward, or adds to its inputs' and parameters' gradients.
func (t *tape) step(n *nn.Node, back bool) {
	in := n.Inputs[0]
	x, dx, y, dy := t.x[in], t.dx[in], t.x[n.Name], t.dx[n.Name]
	// edge is y[j] += factor x[i], and its way back.
	edge := func(i, j int, factor float64) {
		if back {
			dx[i] += factor * dy[j]
		} else {
			y[j] += factor * x[i]
		}
	}
	switch n.Op {
	case nn.OpConv2d:
		w, dw := t.w[n.Weight], t.dw[n.Weight]
		t.windows(n, func(i, j, k int) {
			edge(i, j, w[k])
			if back {
				dw[k] += x[i] * dy[j]
			}
		})
	case nn.OpReLU:
		for i, v := range x {
			if v > 0 {
				edge(i, i, 1)
			}
		}
	case nn.OpBatchNorm:
		t.norm(n, back)
	case nn.OpAvgPool:
		t.pool(n, edge)
	case nn.OpGlobalAvgPool:
		area := t.shapes[in].Area()
		for i := range x {
			edge(i, i/area, 1/float64(area))
		}
	case nn.OpAdd:
		for _, name := range n.Inputs {
			x, dx = t.x[name], t.dx[name]
			for i := range x {
				edge(i, i, 1)
			}
		}
	case nn.OpLinear:
		t.dense(n, edge, back)
	}
}

func (t *tape) dense(n *nn.Node, edge func(i, j int, factor float64), back bool) {
	in, out := t.shapes[n.Inputs[0]].Channels, t.shapes[n.Name].Channels
	x, y, dy := t.x[n.Inputs[0]], t.x[n.Name], t.dx[n.Name]
	for s := range t.b {
		for o := range out {
			if !back {
				y[s*out+o] = t.w[n.Bias][o]
			}
			for i := range in {
				edge(s*in+i, s*out+o, t.w[n.Weight][o*in+i])
				if back {
					t.dw[n.Weight][o*in+i] += x[s*in+i] * dy[s*out+o]
				}
			}
		}
	}
}

func (t *tape) norm(n *nn.Node, back bool) {
	s, area := t.shapes[n.Name], t.shapes[n.Name].Area()
	x, dx, y, dy := t.x[n.Inputs[0]], t.dx[n.Inputs[0]], t.x[n.Name], t.dx[n.Name]
	count := float64(t.b * area)
	for c := range s.Channels {
		var all []int
		for b := range t.b {
			for i := range area {
				all = append(all, (b*s.Channels+c)*area+i)
			}
		}
		var mean, variance, sum, dot float64
		for _, i := range all {
			mean += x[i] / count
		}
		for _, i := range all {
			variance += (x[i] - mean) * (x[i] - mean) / count
		}
		r, g := 1/math.Sqrt(variance+n.Epsilon), t.w[n.Weight][c]
		for _, i := range all {
			h := (x[i] - mean) * r
			if !back {
				y[i] = g*h + t.w[n.Bias][c]
			}
			sum += dy[i] / count
			dot += dy[i] * h / count
		}
		for _, i := range all {
			if back {
				dx[i] += g * r * (dy[i] - sum - (x[i]-mean)*r*dot)
			}
		}
	}
}

// windows visits input, output and weight of every product of a convolution.
func (t *tape) windows(n *nn.Node, visit func(i, j, k int)) {
	in, out := t.shapes[n.Inputs[0]], t.shapes[n.Name]
	for s := range t.b {
		for o := range out.Channels {
			for y := range out.Height {
				for x := range out.Width {
					j := ((s*out.Channels+o)*out.Height+y)*out.Width + x
					for c := range in.Channels {
						for ky := range n.Kernel[0] {
							for kx := range n.Kernel[1] {
								iy, ix := y*n.Stride[0]+ky-n.Padding.Top, x*n.Stride[1]+kx-n.Padding.Left
								if iy < 0 || ix < 0 || iy >= in.Height || ix >= in.Width {
									continue
								}
								visit(((s*in.Channels+c)*in.Height+iy)*in.Width+ix, j, ((o*in.Channels+c)*n.Kernel[0]+ky)*n.Kernel[1]+kx)
							}
						}
					}
				}
			}
		}
	}
}

func (t *tape) pool(n *nn.Node, edge func(i, j int, factor float64)) {
	in, out := t.shapes[n.Inputs[0]], t.shapes[n.Name]
	for p := range t.b * out.Channels {
		for y := range out.Height {
			for x := range out.Width {
				var cells []int
				for ky := range n.Kernel[0] {
					for kx := range n.Kernel[1] {
						iy, ix := y*n.Stride[0]+ky-n.Padding.Top, x*n.Stride[1]+kx-n.Padding.Left
						if iy >= 0 && ix >= 0 && iy < in.Height && ix < in.Width {
							cells = append(cells, (p*in.Height+iy)*in.Width+ix)
						}
					}
				}
				for _, i := range cells {
					edge(i, (p*out.Height+y)*out.Width+x, 1/float64(len(cells)))
				}
			}
		}
	}
}
