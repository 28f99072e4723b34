package proxies

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// Proxy is the name of a score. Of every one, higher is said to be better.
type Proxy string

// The proxies.
const (
	// Fisher is the sum over weights of half the mean over samples of (the sum
	// over pixels of activation x its gradient)^2, taken at the channel of the
	// layer's output that the weight belongs to (Theis et al., 2018; Turner et
	// al., BlockSwap, ICLR 2020). The authors' code spreads a channel's value
	// over all its weights before it sums, and so does this.
	Fisher Proxy = "fisher"

	// GradNorm is the sum over layers of the Euclidean norm of the gradient of
	// the layer's weights (Abdelfattah et al., 2021, section 3.2).
	GradNorm Proxy = "grad_norm"

	// Grasp is the sum over weights of -w (H g): H is the Hessian of the loss
	// and g its gradient, both of convolution and linear weights alone (Wang et
	// al., GraSP, ICLR 2020, equation 8; temperature 1). The sign is that of the
	// authors' code.
	Grasp Proxy = "grasp"

	// JacobCov is -sum over eigenvalues v of log(v + 1e-5) + 1/(v + 1e-5), of
	// the matrix of correlations between samples of the gradient of the sum of
	// all outputs by the input (Mellor et al., 2020, version 1, equation 2). It
	// is undefined where a sample's gradient is constant, as it is for the 341
	// cells that pass nothing.
	JacobCov Proxy = "jacob_cov"

	// Snip is the sum over weights of |w g| (Lee et al., SNIP, ICLR 2019).
	Snip Proxy = "snip"

	// Synflow is the sum over weights of w dR/dw, where all weights are replaced
	// by their absolute values, the input is one image of ones, batch
	// normalisation is the identity, and R is the sum of the outputs (Tanaka et
	// al., NeurIPS 2020, equations 2 and 3); in float64.
	Synflow Proxy = "synflow"

	// Params is the number of trained numbers in millions; parts that no signal
	// passes count, too.
	Params Proxy = "params"

	// FLOPs is the number of multiply-accumulates of one sample in millions, as
	// nn.Network.MultiplyAccumulates counts them.
	FLOPs Proxy = "flops"
)

// All returns the proxies by name.
func All() []Proxy {
	return []Proxy{Fisher, FLOPs, GradNorm, Grasp, JacobCov, Params, Snip, Synflow}
}

// Engine reports whether the proxy needs an engine.
func (p Proxy) Engine() bool {
	return p == Fisher || p == GradNorm || p == Grasp || p == JacobCov || p == Snip
}

// Counted reports whether the proxy is a count, which needs no weights.
func (p Proxy) Counted() bool { return p == Params || p == FLOPs }

// Job asks for scores of one network.
type Job struct {
	Network   *nn.Network
	Weights   nn.Weights
	Batch     *nn.Dataset // all samples are used; labels are classes
	Precision nn.Precision
	Proxies   []Proxy
	Threads   int // of the engine; scores do not depend on it
}

// Score computes the job's proxies; undefined ones are NaN. The engine may be
// nil where no proxy needs one.
func Score(ctx context.Context, engine nn.Engine, job *Job) (map[Proxy]float64, error) {
	scores := make(map[Proxy]float64, len(job.Proxies))
	for _, p := range job.Proxies {
		if !slices.Contains(All(), p) {
			return nil, fmt.Errorf("unknown proxy %q; the proxies are %v", p, All())
		}
	}
	for _, step := range []func(context.Context, nn.Engine, *Job, map[Proxy]float64) error{counts, lossProxies, jacobian, linearFlow} {
		if err := step(ctx, engine, job, scores); err != nil {
			return nil, err
		}
	}
	for p, v := range scores {
		if math.IsInf(v, 0) {
			scores[p] = math.NaN()
		}
	}
	return scores, nil
}

// wants reports whether one of the proxies is asked for.
func (j *Job) wants(proxies ...Proxy) bool {
	return slices.ContainsFunc(proxies, func(p Proxy) bool { return slices.Contains(j.Proxies, p) })
}

func counts(_ context.Context, _ nn.Engine, job *Job, scores map[Proxy]float64) error {
	if job.wants(Params) {
		scores[Params] = float64(job.Network.ParameterCount()) / 1e6
	}
	if job.wants(FLOPs) {
		flops, err := job.Network.MultiplyAccumulates()
		if err != nil {
			return err
		}
		scores[FLOPs] = float64(flops) / 1e6
	}
	return nil
}

// layers are the convolutions and linear layers that the output depends on.
func layers(n *nn.Network) []nn.Node {
	return slices.DeleteFunc(n.Live(), func(node nn.Node) bool { return node.Op != nn.OpConv2d && node.Op != nn.OpLinear })
}

func (j *Job) gradients(ctx context.Context, engine nn.Engine, loss nn.Loss) (*nn.GradientJob, error) {
	if engine == nil {
		return nil, fmt.Errorf("the proxies %v need an engine for their gradients", slices.DeleteFunc(slices.Clone(j.Proxies), func(p Proxy) bool { return !p.Engine() }))
	}
	return &nn.GradientJob{
		Network: j.Network, Weights: j.Weights, Data: j.Batch, Loss: loss, Precision: j.Precision, Threads: j.Threads,
	}, ctx.Err()
}
