package gorgonia

import (
	"context"
	"fmt"
	"math"

	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/kernel"
)

// version is raised when the bits of a result change that the kernel's name
// does not tell.
const version = 1

// Engine trains in process, on the CPU.
type Engine struct {
	set32 *kernel.Set[float32]
	set64 *kernel.Set[float64]
}

// New returns the engine with the fastest kernels that this processor runs.
func New() *Engine { return WithKernel(kernel.Sets32()[0]) }

// WithKernel returns the engine with other kernels: results differ in the last
// bits.
func WithKernel(set *kernel.Set[float32]) *Engine {
	return &Engine{set32: set, set64: kernel.Plain[float64]()}
}

// Name implements nn.Engine.
func (e *Engine) Name() string { return "gorgonia" }

// Version implements nn.Engine. It names gorgonia's version, the engine's and
// the kernels.
func (e *Engine) Version(context.Context) (string, error) {
	return fmt.Sprintf("gorgonia 0.9.18, engine %d, kernel %s", version, e.set32.Name), nil
}

// Train implements nn.Engine.
func (e *Engine) Train(ctx context.Context, job *nn.Job, hooks nn.Hooks) (*nn.Result, error) {
	return e.train(ctx, job, hooks, nil)
}

// train is Train that tells the mean loss of each step.
func (e *Engine) train(ctx context.Context, job *nn.Job, hooks nn.Hooks, observe func(loss float64)) (*nn.Result, error) {
	if err := job.Validate(); err != nil {
		return nil, err
	}
	sets, err := inMemory(job.Train, job.Valid)
	if err != nil {
		return nil, err
	}
	loaded := *job
	loaded.Train, loaded.Valid = sets[0], sets[1]
	job = &loaded
	switch job.Recipe.Precision {
	case nn.Float64:
		return train(ctx, e, e.set64, job, hooks, observe)
	case nn.Float32:
		return train(ctx, e, e.set32, job, hooks, observe)
	}
	return nil, precisionError(job.Recipe.Precision)
}

// Evaluate implements nn.Engine.
func (e *Engine) Evaluate(ctx context.Context, job *nn.Evaluation) (*nn.Evaluated, error) {
	if err := job.Validate(); err != nil {
		return nil, err
	}
	sets, err := inMemory(job.Data)
	if err != nil {
		return nil, err
	}
	loaded := *job
	loaded.Data = sets[0]
	job = &loaded
	switch job.Precision {
	case nn.Float64:
		return evaluate(ctx, e.set64, job)
	case nn.Float32:
		return evaluate(ctx, e.set32, job)
	}
	return nil, precisionError(job.Precision)
}

// Gradients implements nn.Engine.
func (e *Engine) Gradients(ctx context.Context, job *nn.GradientJob) (*nn.Gradients, error) {
	if err := job.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sets, err := inMemory(job.Data)
	if err != nil {
		return nil, err
	}
	loaded := *job
	loaded.Data = sets[0]
	job = &loaded
	switch job.Precision {
	case nn.Float64:
		return gradients(e.set64, job)
	case nn.Float32:
		return gradients(e.set32, job)
	}
	return nil, precisionError(job.Precision)
}

func precisionError(p nn.Precision) error {
	return fmt.Errorf("the engine gorgonia trains in float32 or float64, not %q; set precision to float32, or the engine to torch", p)
}

// load fills a program's input and targets with a batch.
func (p *program[T]) load(d *nn.Dataset, b nn.Batch, a nn.Augmentation) {
	nn.Gather(p.input.data, d, b, a, p.network.Input)
	p.target = targets{labels: p.target.labels[:0]}
	switch p.loss.name {
	case nn.CrossEntropy:
		for _, at := range b.Indices {
			p.target.labels = append(p.target.labels, d.Labels[at])
		}
	case nn.SumOutputs:
	default:
		p.target.values, p.target.counts = d.Answers(b)
	}
}

// inMemory reads what lies in files: this engine has no use for it there.
func inMemory(sets ...*nn.Dataset) ([]*nn.Dataset, error) {
	out := make([]*nn.Dataset, len(sets))
	for i, d := range sets {
		if d == nil {
			continue
		}
		var err error
		if out[i], err = d.Load(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sums adds up losses and metrics of samples.
type sums struct {
	loss, metric float64
	count        int
}

func (s *sums) add(losses, metrics []float64) {
	for i, v := range losses {
		s.loss += v
		s.metric += metrics[i]
	}
	s.count += len(losses)
}

func (s *sums) means() (loss, metric float64) {
	return s.loss / float64(s.count), s.metric / float64(s.count)
}

// evaluator runs a session in evaluation mode.
type evaluator[T kernel.Float] struct {
	session  *session[T]
	programs map[int]*program[T]
	metric   nn.Metric
	size     int
	outputs  bool
}

// run evaluates a data set in order; output is called with each batch's
// decoded outputs where they are wanted.
func (e *evaluator[T]) run(ctx context.Context, d *nn.Dataset, output func(values []T)) (sums, error) {
	var total sums
	for _, b := range nn.Ordered(d.Len(), e.size) {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		p, ok := e.programs[len(b.Indices)]
		if !ok {
			var err error
			if p, err = e.session.program(len(b.Indices), evaluating, e.metric, e.outputs); err != nil {
				return total, err
			}
			e.programs[len(b.Indices)] = p
		}
		p.load(d, b, nn.Augmentation{})
		if err := p.run(); err != nil {
			return total, err
		}
		total.add(p.losses, p.metrics)
		if e.outputs {
			output(p.output())
		}
	}
	return total, nil
}

// output returns the decoded outputs of the batch.
func (p *program[T]) output() []T {
	data := p.values[p.layers[len(p.layers)-1].name].data
	decoded := make([]T, len(data))
	size := len(data) / p.batch
	for i := range p.batch {
		copy(decoded[i*size:], p.loss.decode(decoded[i*size:][:size], data[i*size:][:size]))
	}
	return decoded
}

func evaluate[T kernel.Float](ctx context.Context, set *kernel.Set[T], job *nn.Evaluation) (*nn.Evaluated, error) {
	s, err := newSession(job.Network, set, job.Threads, job.Weights, job.Loss, job.Decoding)
	if err != nil {
		return nil, err
	}
	e := evaluator[T]{session: s, programs: map[int]*program[T]{}, metric: job.Metric, size: job.BatchSize, outputs: job.Outputs}
	result := &nn.Evaluated{}
	total, err := e.run(ctx, job.Data, func(values []T) {
		result.Outputs.Data = append(result.Outputs.Data, convert[float32](values)...)
	})
	if err != nil {
		return nil, err
	}
	result.Loss, result.Metric = total.means()
	if job.Outputs {
		result.Outputs.Shape = append([]int{job.Data.Len()}, s.layers[len(s.layers)-1].shape.Dims()...)
	}
	return result, nil
}

func gradients[T kernel.Float](set *kernel.Set[T], job *nn.GradientJob) (*nn.Gradients, error) {
	s, err := newSession(job.Network, set, job.Threads, job.Weights, job.Loss, job.Decoding)
	if err != nil {
		return nil, err
	}
	s.products = job.Products
	m := training
	if job.Inputs {
		m = inputsWanted
	}
	p, err := s.program(job.Data.Len(), m, nn.MetricLoss, true)
	if err != nil {
		return nil, err
	}
	p.load(job.Data, nn.Ordered(job.Data.Len(), job.Data.Len())[0], nn.Augmentation{})
	if err := p.run(); err != nil {
		return nil, err
	}
	out := p.layers[len(p.layers)-1]
	r := &nn.Gradients{
		Loss: p.stepLoss(), Output: nn.Tensor{Shape: p.batchShape(out.shape), Data: convert[float64](p.output())},
		Parameters: nn.Weights{}, Buffers: s.export(s.network.Buffers), Products: nn.Weights{},
	}
	for _, param := range s.network.Parameters {
		g := s.grads[param.Name]
		if g == nil {
			g = make([]T, param.Size())
		}
		r.Parameters[param.Name] = nn.Tensor{Shape: param.Shape, Data: convert[float64](g)}
	}
	if g := p.gradients[nn.InputName]; job.Inputs && g != nil {
		r.Inputs = nn.Tensor{Shape: g.shape, Data: convert[float64](g.data)}
	}
	for name, w := range p.wanted {
		r.Products[name] = nn.Tensor{Shape: []int{p.batch, p.layer(name).shape.Channels}, Data: w.sums}
	}
	return r, nil
}

// export copies parameters or buffers out of the session.
func (s *session[T]) export(list []nn.Parameter) nn.Weights {
	w := make(nn.Weights, len(list))
	for _, p := range list {
		w[p.Name] = nn.Tensor{Shape: p.Shape, Data: convert[float64](s.weights[p.Name])}
	}
	return w
}

// finite reports whether all weights are numbers.
func (s *session[T]) finite() bool {
	for _, list := range [][]nn.Parameter{s.network.Parameters, s.network.Buffers} {
		for _, p := range list {
			if v := s.set.Sum(s.weights[p.Name]); math.IsNaN(v) || math.IsInf(v, 0) {
				return false
			}
		}
	}
	return true
}
