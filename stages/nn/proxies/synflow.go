package proxies

import (
	"context"
	"math"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// flow is the linear network of synflow for one image.
type flow struct {
	network      *nn.Network
	weights      nn.Weights // absolute values
	shapes       map[string]nn.Shape
	convolutions map[string]*convolution
	values       map[string][]float64
	gradients    map[string][]float64
}

// linearFlow computes synflow. Since a layer's result is linear in its weights,
// the sum of w dR/dw over the layer's weights is the sum of y dR/dy over its
// result without the bias, so that no gradient of a weight is needed.
func linearFlow(ctx context.Context, _ nn.Engine, job *Job, scores map[Proxy]float64) error {
	if !job.wants(Synflow) {
		return nil
	}
	bare := job.Network.WithoutBatchNorm()
	shapes, err := bare.Shapes()
	if err != nil {
		return err
	}
	if err := known(bare); err != nil {
		return err
	}
	f := &flow{
		network: bare, weights: job.Weights, shapes: shapes,
		convolutions: map[string]*convolution{}, values: map[string][]float64{}, gradients: map[string][]float64{},
	}
	live := bare.Live()
	ones := make([]float64, bare.Input.Size())
	for i := range ones {
		ones[i] = 1
	}
	f.values[nn.InputName] = ones
	for i := range live {
		if err := ctx.Err(); err != nil {
			return err
		}
		f.forward(&live[i])
	}
	scores[Synflow] = f.score(live)
	return ctx.Err()
}

func (f *flow) absolute(name string) []float64 {
	w := f.weights[name].Data
	out := make([]float64, len(w))
	for i, v := range w {
		out[i] = math.Abs(v)
	}
	return out
}

func (f *flow) forward(n *nn.Node) {
	in, out := f.shapes[n.Inputs[0]], f.shapes[n.Name]
	x, y := f.values[n.Inputs[0]], make([]float64, out.Size())
	switch n.Op {
	case nn.OpConv2d:
		c := newConvolution(n, in, out)
		c.see(x)
		c.add(y, f.absolute(n.Weight))
		f.convolutions[n.Name] = c
	case nn.OpReLU:
		for i, v := range x {
			y[i] = max(v, 0)
		}
	case nn.OpAvgPool:
		averagePool(n, in, out, x, y)
	case nn.OpGlobalAvgPool:
		planeMeans(in.Area(), x, y)
	case nn.OpLinear: // without its bias, on which no gradient depends
		addLinear(f.absolute(n.Weight), in.Area(), x, y)
	case nn.OpAdd:
		for _, name := range n.Inputs {
			axpy(1, f.values[name], y)
		}
	}
	f.values[n.Name] = y
}

// score runs the network back and adds up the layers.
func (f *flow) score(live []nn.Node) float64 {
	last := make([]float64, f.shapes[f.network.Output].Size())
	for i := range last {
		last[i] = 1
	}
	f.gradients[f.network.Output] = last
	var total float64
	for i := len(live) - 1; i >= 0; i-- {
		n := &live[i]
		dy := f.gradients[n.Name]
		if dy == nil {
			continue // it feeds nothing but zeros
		}
		if n.Op == nn.OpConv2d || n.Op == nn.OpLinear {
			var sum float64
			for j, v := range f.values[n.Name] {
				sum += float64(v * dy[j])
			}
			total += sum
		}
		f.back(n, dy)
	}
	return total
}

// back adds to the gradients of a node's inputs.
func (f *flow) back(n *nn.Node, dy []float64) {
	if n.Op == nn.OpZero {
		return
	}
	for _, name := range n.Inputs {
		if name == nn.InputName {
			continue
		}
		if f.gradients[name] == nil {
			f.gradients[name] = make([]float64, len(f.values[name]))
		}
		f.backTo(n, name, f.gradients[name], dy)
	}
}

func (f *flow) backTo(n *nn.Node, input string, dx, dy []float64) {
	in, out := f.shapes[input], f.shapes[n.Name]
	switch n.Op {
	case nn.OpConv2d:
		f.convolutions[n.Name].addBack(dx, dy, f.absolute(n.Weight))
	case nn.OpAdd:
		axpy(1, dy, dx)
	case nn.OpReLU:
		for i, v := range f.values[input] {
			if v > 0 {
				dx[i] += dy[i]
			}
		}
	case nn.OpAvgPool:
		averagePoolBack(n, in, out, dx, dy)
	case nn.OpGlobalAvgPool:
		for i := range dx {
			dx[i] += dy[i/in.Area()] / float64(in.Area())
		}
	case nn.OpLinear:
		weight := f.absolute(n.Weight)
		for o := range out.Channels {
			for i := range in.Channels {
				axpy(weight[o*in.Channels+i], dy[o*in.Area():(o+1)*in.Area()], dx[i*in.Area():(i+1)*in.Area()])
			}
		}
	}
}
