package nn

import (
	"context"
	"fmt"
	"math"
)

// Engine trains networks. Implementations are safe for one call at a time;
// several engines may run at once.
type Engine interface {
	// Name is what a user writes to choose the engine.
	Name() string

	// Version names everything of the engine that can change the bits of a
	// result: its own version, the kernels it found fit for this processor, the
	// digest of a script, the versions and the device of another program. It
	// enters keys.
	Version(ctx context.Context) (string, error)

	// Train trains a network from its initial weights, or from a checkpoint.
	// Equal jobs give equal bits.
	Train(ctx context.Context, job *Job, hooks Hooks) (*Result, error)

	// Evaluate runs a network in evaluation mode over a data set, in order.
	Evaluate(ctx context.Context, job *Evaluation) (*Evaluated, error)

	// Gradients runs one batch forward and back without changing anything.
	Gradients(ctx context.Context, job *GradientJob) (*Gradients, error)
}

// Job is one training.
type Job struct {
	Network  *Network
	Recipe   Recipe
	Seed     uint64
	Weights  Weights   // parameters and buffers to start from; nil draws InitialWeights of the seed
	Train    *Dataset  //
	Valid    *Dataset  // evaluated after each epoch where it is not nil
	Decoding *Decoding // of outputs before loss and metric; nil for none

	// Checkpoint is the path of a file that holds the state after the last
	// finished epoch; "" for none. A training that finds a checkpoint of the
	// same job there goes on from it, and gives the bits that it would have
	// given without the interruption.
	Checkpoint string

	Threads int // at most so many; 0 for one. Results do not depend on it
}

// Hooks are called by Train, from its own goroutine. Each may be nil.
type Hooks struct {
	// Step is called after each step with the number done and the total, over
	// all epochs.
	Step func(done, total int)
	// Epoch is called after each epoch, those read from a checkpoint included.
	Epoch func(EpochMetrics)
}

// EpochMetrics are the figures of one epoch. Losses of cross_entropy, bce and
// mse are means over samples; relative_l2 is the mean of the samples' values.
type EpochMetrics struct {
	Epoch        int      `json:"epoch"` // from 0
	LearningRate float64  `json:"learning_rate"`
	TrainLoss    float64  `json:"train_loss"`   // mean over the epoch, while the weights move
	TrainMetric  float64  `json:"train_metric"` // likewise
	ValidLoss    *float64 `json:"valid_loss,omitempty"`
	ValidMetric  *float64 `json:"valid_metric,omitempty"`
}

// Result is a finished training.
type Result struct {
	Epochs  []EpochMetrics
	Weights Weights // parameters and buffers
	Resumed int     // epochs that a checkpoint had done
}

// Tensor is a named tensor's content. Float64 holds float32 values exactly.
type Tensor struct {
	Shape []int
	Data  []float64
}

// Weights are parameters and buffers by name.
type Weights map[string]Tensor

// Evaluation asks for a network's outputs.
type Evaluation struct {
	Network   *Network
	Weights   Weights
	Data      *Dataset
	Decoding  *Decoding
	BatchSize int // only memory and speed depend on it
	Loss      Loss
	Metric    Metric
	Precision Precision
	Outputs   bool // give the decoded outputs back, too
	Threads   int
}

// Evaluated is the answer to an Evaluation.
type Evaluated struct {
	Loss, Metric float64 // means over samples
	Outputs      Array   // (samples, ...) where they were asked for
}

// GradientJob asks for the loss and the gradients of one batch, all samples of
// Data, in training mode.
type GradientJob struct {
	Network   *Network
	Weights   Weights
	Data      *Dataset
	Decoding  *Decoding
	Loss      Loss
	Precision Precision
	Threads   int

	Inputs   bool     // the gradient of the inputs, too
	Products []string // names of conv2d or linear nodes: see Gradients.Products
}

// Gradients is the answer to a GradientJob.
type Gradients struct {
	Loss       float64 // as the recipe's loss: relative_l2 and sum are sums over the batch
	Output     Tensor  // (batch, ...), decoded
	Parameters Weights // gradient of every parameter; zero where the output does not depend on one
	Buffers    Weights // running statistics after the batch
	Inputs     Tensor  // (batch, channels, height, width) where asked for

	// Products holds for each node asked for the sum over pixels of activation
	// x gradient of the activation: (batch, channels). Fisher's proxy needs it.
	Products Weights
}

// DivergedError says that a loss stopped being a number.
type DivergedError struct {
	Epoch, Step int // both from 0; Step is within the epoch
	Loss        float64
}

func (e *DivergedError) Error() string {
	value := "not a number"
	if math.IsInf(e.Loss, 0) {
		value = "infinite"
	}
	return fmt.Sprintf("training diverged: the loss is %s in epoch %d, step %d; a smaller learning_rate most often helps, else check the data for values that are no numbers", value, e.Epoch, e.Step)
}

// Validate reports the first thing that is wrong with the job.
func (j *Job) Validate() error {
	if err := j.Network.Validate(); err != nil {
		return err
	}
	if err := j.Recipe.Validate(); err != nil {
		return err
	}
	if err := j.Train.Check("training data", j.Network, j.Recipe.Loss); err != nil {
		return err
	}
	if j.Valid != nil {
		if err := j.Valid.Check("validation data", j.Network, j.Recipe.Loss); err != nil {
			return err
		}
	}
	if err := j.Decoding.check(j.Network, j.Recipe.Loss); err != nil {
		return err
	}
	if j.Weights == nil {
		return nil
	}
	return j.Weights.Check(j.Network)
}

func (d *Decoding) check(n *Network, loss Loss) error {
	if d == nil {
		return nil
	}
	if loss == CrossEntropy || loss == BCE {
		return fmt.Errorf("outputs of %s are logits: they take no decoding", loss)
	}
	shapes, err := n.Shapes()
	if err != nil {
		return err
	}
	if size := shapes[n.Output].Size(); len(d.Scale) != size || len(d.Shift) != size {
		return fmt.Errorf("decoding of %d and %d elements, where the network's output has %d", len(d.Scale), len(d.Shift), size)
	}
	return nil
}

// Check reports the first parameter or buffer that is missing or has another
// shape than the network's.
func (w Weights) Check(n *Network) error {
	for _, list := range [][]Parameter{n.Parameters, n.Buffers} {
		for _, p := range list {
			t, ok := w[p.Name]
			if !ok {
				return fmt.Errorf("weights: %q is missing", p.Name)
			}
			if fmt.Sprint(t.Shape) != fmt.Sprint(p.Shape) || len(t.Data) != p.Size() {
				return fmt.Errorf("weights: %q has shape %v and %d elements, where the network has %v", p.Name, t.Shape, len(t.Data), p.Shape)
			}
		}
	}
	return nil
}

// Validate reports the first thing that is wrong with the evaluation.
func (e *Evaluation) Validate() error {
	if err := e.Data.Check("data", e.Network, e.Loss); err != nil {
		return err
	}
	if e.BatchSize < 1 {
		return fmt.Errorf("evaluation with a batch size of %d; it must be at least 1", e.BatchSize)
	}
	if err := e.Decoding.check(e.Network, e.Loss); err != nil {
		return err
	}
	return e.Weights.Check(e.Network)
}

// Validate reports the first thing that is wrong with the job.
func (g *GradientJob) Validate() error {
	if err := g.Data.Check("data", g.Network, g.Loss); err != nil {
		return err
	}
	if err := g.Decoding.check(g.Network, g.Loss); err != nil {
		return err
	}
	return g.Weights.Check(g.Network)
}
