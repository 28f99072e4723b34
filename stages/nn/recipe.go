package nn

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// Recipe says how a network is trained.
type Recipe struct {
	Epochs       int          `json:"epochs"`
	BatchSize    int          `json:"batch_size"` // the last batch of an epoch may be smaller
	Optimizer    Optimizer    `json:"optimizer"`
	Schedule     Schedule     `json:"schedule"`
	Loss         Loss         `json:"loss"`
	Metric       Metric       `json:"metric"`
	Precision    Precision    `json:"precision"`
	Augmentation Augmentation `json:"augmentation,omitzero"`
}

// Optimizer is stochastic gradient descent as PyTorch's SGD has it: the weight
// decay times the parameter is added to its gradient; velocity = momentum x
// velocity + gradient (the first velocity is the gradient, which is the same
// from zero); the parameter moves by the learning rate times the velocity, or,
// with Nesterov, times gradient + momentum x velocity.
type Optimizer struct {
	LearningRate float64 `json:"learning_rate"`
	Momentum     float64 `json:"momentum"`
	Nesterov     bool    `json:"nesterov"`
	WeightDecay  float64 `json:"weight_decay"` // on every parameter
}

// Schedule is the learning rate over epochs; it changes between epochs only.
type Schedule struct {
	Name       ScheduleName `json:"name"`
	Milestones []int        `json:"milestones,omitempty"` // steps: the epochs, counted from 0, before which the rate is multiplied
	Factor     float64      `json:"factor,omitempty"`     // steps
}

// ScheduleName is the name of a schedule.
type ScheduleName string

// The schedules.
const (
	Constant ScheduleName = "constant"
	Cosine   ScheduleName = "cosine" // rate x (1 + cos(pi epoch/epochs))/2: 0 after the last epoch
	Steps    ScheduleName = "steps"  // rate x factor^(milestones passed)
)

// Loss is what is minimised.
type Loss string

// The losses.
const (
	CrossEntropy Loss = "cross_entropy" // softmax; mean over samples; targets are Labels
	BCE          Loss = "bce"           // binary cross-entropy with logits, mean over all elements
	MSE          Loss = "mse"           // mean over all elements
	RelativeL2   Loss = "relative_l2"   // ||prediction - target|| / ||target|| of each sample, summed over the batch
	SumOutputs   Loss = "sum"           // sum of all outputs: for Gradients alone
)

// Metric is what is reported of an evaluation; lower is better.
type Metric string

// Metrics that are means over samples: engines compute them.
const (
	ZeroOneError     Metric = "error"       // share of samples whose largest output is not their label
	MetricRelativeL2 Metric = "relative_l2" // as the loss, but the mean
	MetricMSE        Metric = "mse"
	MetricLoss       Metric = "loss" // the loss alone
)

// Metrics of a whole set of outputs. Engines report the loss in their place, and
// who asks for an evaluation computes them from the outputs.
const (
	MAE8              Metric = "mae8"                // mean absolute error of distances up to 8 of residues at least 24 apart
	FalseNegativeRate Metric = "false_negative_rate" // share of the pixels of target 1 whose probability is below .5
	PixelAUROCError   Metric = "pixel_auroc_error"   // 1 - area under the ROC curve, over all pixels
	AUROCError        Metric = "auroc_error"         // 1 - area under the ROC curve, mean over labels
	MAPError          Metric = "map_error"           // 1 - average precision, mean over labels; a record's score is the sigmoid of its samples' mean logits
	F1Error           Metric = "f1_error"            // 1 - F1, mean over classes; a record's class is its samples' most frequent
)

// OfSet reports whether a metric is one of a whole set of outputs.
func (m Metric) OfSet() bool {
	return slices.Contains([]Metric{MAE8, FalseNegativeRate, PixelAUROCError, AUROCError, MAPError, F1Error}, m)
}

// Precision is the arithmetic of activations, gradients and parameters.
type Precision string

// The precisions. Mixed is bfloat16 or float16 where the engine's device has
// it, with float32 parameters.
const (
	Float32 Precision = "float32"
	Float64 Precision = "float64"
	Mixed   Precision = "mixed"
)

// Augmentation changes training samples at random; see Batches for how it is
// drawn, and Change for what is done.
type Augmentation struct {
	Crop   int  `json:"crop,omitempty"`   // shift by up to so many pixels in each direction, zeros beyond the border
	Flip   bool `json:"flip,omitempty"`   // mirror left to right with probability 1/2
	Cutout int  `json:"cutout,omitempty"` // side of a square of zeros around a random pixel (DeVries and Taylor, 2017)

	OneARecord  bool       `json:"one_a_record,omitempty"` // an epoch sees one sample of each record, drawn uniformly
	Levels      [2]float64 `json:"levels,omitzero"`        // a sample's level times a factor drawn uniformly between the two is added to it
	SpecAugment float64    `json:"spec_augment,omitempty"` // probability of masks over rows and columns (Park et al., 2019)
	Noise       float64    `json:"noise,omitempty"`        // probability with which a row of the data's noise is mixed in
	NoiseShare  float64    `json:"noise_share,omitempty"`  // its share: drawn uniformly from 0 to this
}

// Active reports whether anything is changed or left out.
func (a Augmentation) Active() bool { return a != Augmentation{} }

// changes reports whether samples themselves are changed.
func (a Augmentation) changes() bool {
	a.OneARecord = false
	return a.Active()
}

func (a Augmentation) validate() error {
	if a.Crop < 0 || a.Crop > 1<<10 || a.Cutout < 0 || a.Cutout > 1<<10 {
		return fmt.Errorf("augmentation: crop is %d, cutout %d; both must be from 0 to %d", a.Crop, a.Cutout, 1<<10)
	}
	for _, v := range a.Levels {
		if math.IsNaN(v) || math.Abs(v) > math.MaxFloat32 {
			return fmt.Errorf("augmentation: levels are %v; they must be two numbers", a.Levels)
		}
	}
	for _, v := range []float64{a.Noise, a.NoiseShare, a.SpecAugment} {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("augmentation: noise is %v, noise_share %v, spec_augment %v; they must be from 0 to 1", a.Noise, a.NoiseShare, a.SpecAugment)
		}
	}
	return nil
}

// Validate reports the first field that no training can have.
func (r *Recipe) Validate() error {
	o := r.Optimizer
	switch {
	case r.Epochs < 1 || r.Epochs > 1<<20:
		return fmt.Errorf("recipe: epochs is %d; it must be from 1 to %d", r.Epochs, 1<<20)
	case r.BatchSize < 1 || r.BatchSize > 1<<20:
		return fmt.Errorf("recipe: batch_size is %d; it must be from 1 to %d", r.BatchSize, 1<<20)
	case !(o.LearningRate > 0) || math.IsInf(o.LearningRate, 0):
		return fmt.Errorf("recipe: learning_rate is %v; it must be over 0", o.LearningRate)
	case !(o.Momentum >= 0 && o.Momentum < 1):
		return fmt.Errorf("recipe: momentum is %v; it must be at least 0 and below 1", o.Momentum)
	case o.Nesterov && o.Momentum == 0:
		return fmt.Errorf("recipe: nesterov without momentum; set a momentum over 0, or nesterov to false")
	case !(o.WeightDecay >= 0) || math.IsInf(o.WeightDecay, 0):
		return fmt.Errorf("recipe: weight_decay is %v; it must be 0 or more", o.WeightDecay)
	}
	if err := r.Augmentation.validate(); err != nil {
		return fmt.Errorf("recipe: %w", err)
	}
	if err := r.Schedule.validate(r.Epochs); err != nil {
		return fmt.Errorf("recipe: %w", err)
	}
	return r.names()
}

// Goes reports what is unknown of a metric and a loss, or why they do not go
// together.
func Goes(m Metric, l Loss) error {
	if losses := []Loss{CrossEntropy, BCE, MSE, RelativeL2}; !slices.Contains(losses, l) {
		return fmt.Errorf("unknown loss %q; the losses are %v", l, losses)
	}
	metrics := map[Metric][]Loss{
		ZeroOneError: {CrossEntropy}, F1Error: {CrossEntropy}, MetricRelativeL2: {BCE, MSE, RelativeL2}, MetricMSE: {BCE, MSE, RelativeL2},
		MetricLoss: {CrossEntropy, BCE, MSE, RelativeL2}, MAE8: {MSE}, FalseNegativeRate: {BCE}, PixelAUROCError: {BCE}, AUROCError: {BCE}, MAPError: {BCE},
	}
	with, known := metrics[m]
	if !known {
		return fmt.Errorf("unknown metric %q; the metrics are %v", m, slices.Sorted(maps.Keys(metrics)))
	}
	if !slices.Contains(with, l) {
		return fmt.Errorf("metric %q does not go with loss %q: it goes with %v", m, l, with)
	}
	return nil
}

func (r *Recipe) names() error {
	if err := Goes(r.Metric, r.Loss); err != nil {
		return fmt.Errorf("recipe: %w", err)
	}
	if precisions := []Precision{Float32, Float64, Mixed}; !slices.Contains(precisions, r.Precision) {
		return fmt.Errorf("recipe: unknown precision %q; the precisions are %v", r.Precision, precisions)
	}
	return nil
}

func (s Schedule) validate(epochs int) error {
	switch s.Name {
	case Constant, Cosine:
		if len(s.Milestones) > 0 || s.Factor != 0 {
			return fmt.Errorf("schedule %s takes no milestones and no factor", s.Name)
		}
		return nil
	case Steps:
		if !(s.Factor > 0) || math.IsInf(s.Factor, 0) {
			return fmt.Errorf("schedule: factor is %v; it must be over 0", s.Factor)
		}
		for i, m := range s.Milestones {
			if m < 1 || i > 0 && m <= s.Milestones[i-1] {
				return fmt.Errorf("schedule: milestones are %v; they must rise and be at least 1", s.Milestones)
			}
		}
		return nil
	}
	return fmt.Errorf("unknown schedule %q; the schedules are %s, %s, %s", s.Name, Constant, Cosine, Steps)
}

// LearningRate is the rate during an epoch, counted from 0.
func (r *Recipe) LearningRate(epoch int) float64 {
	rate := r.Optimizer.LearningRate
	switch r.Schedule.Name {
	case Cosine:
		return rate * (1 + math.Cos(math.Pi*float64(epoch)/float64(r.Epochs))) / 2
	case Steps:
		for _, m := range r.Schedule.Milestones {
			if epoch >= m {
				rate *= r.Schedule.Factor
			}
		}
	}
	return rate
}
