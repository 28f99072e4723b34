package training

import (
	"fmt"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// Network is a family of networks with recipes of its own.
type Network string

// The families.
const (
	Cell       Network = "cell"
	WideResNet Network = "wide_resnet"
	ResNet1D   Network = "resnet1d"
)

// Defaults is the recipe with which NAS-Bench-360 (Tu et al., 2022) trains that
// kind of network on a task; loss and metric are the data's.
//
// Cells: the recipe of NAS-Bench-201 that is behind the paper's tables of NinaPro
// and Darcy Flow: SGD with Nesterov's momentum .9, learning rate .1 with a cosine
// to 0, weight decay 5e-4, 200 epochs; batches of 256, of 16 on Darcy Flow.
// WRN-16-4: the same optimiser, the rate times .2 at epochs 60, 120 and 160 of 200;
// rate .1 and batches of 128 (of 256 on FSD50K), rate .001 and batches of 8 on Darcy
// Flow, PSICOV and Cosmic. ResNet1D: as WRN, rate .1, batches of 256, on Satellite
// of 4096. On tasks of one's own: the point tasks' values.
//
// Augmentation is the task's: shifts, mirrors and cutout of CIFAR-100; one random
// chunk of each clip, noise and masks on FSD50K; a random sky on Cosmic. Windows of
// PSICOV are at random places by themselves.
func Defaults(network Network, task string) nn.Recipe {
	r := nn.Recipe{
		Epochs: 200, BatchSize: 256, Precision: nn.Float32,
		Optimizer: nn.Optimizer{LearningRate: 0.1, Momentum: 0.9, Nesterov: true, WeightDecay: 5e-4},
		Schedule:  nn.Schedule{Name: nn.Cosine},
	}
	if network != Cell {
		r.Schedule = nn.Schedule{Name: nn.Steps, Factor: 0.2}
	}
	if network == WideResNet {
		r.BatchSize = 128
	}
	switch task {
	case "cifar100":
		r.Augmentation = nn.Augmentation{Crop: 4, Flip: true, Cutout: 16}
	case "cosmic", "darcy_flow", "psicov":
		if task == "cosmic" {
			r.Augmentation = nn.Augmentation{Levels: [2]float64{-0.9, 3}}
		}
		if network == Cell {
			r.BatchSize = 16
		} else {
			r.BatchSize, r.Optimizer.LearningRate = 8, 0.001
		}
	case "fsd50k":
		r.BatchSize = 256
		r.Augmentation = nn.Augmentation{OneARecord: true, SpecAugment: 0.5, Noise: 0.75, NoiseShare: 0.5}
	case "satellite":
		if network == ResNet1D {
			r.BatchSize = 4096
		}
	}
	return r
}

// For is the recipe of a network on data: what the block says, else the defaults.
func (r *RecipeOptions) For(network Network, d *Description) (nn.Recipe, error) {
	out := Defaults(network, d.Task)
	out.Loss, out.Metric = d.Loss, d.Metric
	set(&out.Epochs, r.Epochs)
	set(&out.BatchSize, r.BatchSize)
	set(&out.Optimizer.LearningRate, r.LearningRate)
	set(&out.Optimizer.Momentum, r.Momentum)
	out.Optimizer.Nesterov = out.Optimizer.Momentum > 0
	set(&out.Optimizer.Nesterov, r.Nesterov)
	set(&out.Optimizer.WeightDecay, r.WeightDecay)
	set(&out.Augmentation.Crop, r.Crop)
	set(&out.Augmentation.Flip, r.Flip)
	set(&out.Augmentation.Cutout, r.Cutout)
	set(&out.Augmentation.OneARecord, r.OneARecord)
	set(&out.Augmentation.SpecAugment, r.SpecAugment)
	set(&out.Augmentation.Noise, r.Noise)
	set(&out.Augmentation.NoiseShare, r.NoiseShare)
	if r.Levels != nil {
		if len(r.Levels) != 2 {
			return out, fmt.Errorf("levels: %d numbers; two are needed, such as [-0.9, 3], or [0, 0] for none", len(r.Levels))
		}
		out.Augmentation.Levels = [2]float64(r.Levels)
	}
	if r.Precision != "" {
		out.Precision = nn.Precision(r.Precision)
	}
	if r.Schedule != "" && nn.ScheduleName(r.Schedule) != out.Schedule.Name {
		out.Schedule = nn.Schedule{Name: nn.ScheduleName(r.Schedule)}
	}
	if out.Schedule.Name == nn.Steps {
		out.Schedule.Factor = 0.2
		set(&out.Schedule.Factor, r.Factor)
		if out.Schedule.Milestones = r.Milestones; r.Milestones == nil {
			out.Schedule.Milestones = milestones(out.Epochs)
		}
	}
	return out, out.Validate()
}

// milestones are 60, 120 and 160 of 200 epochs, and in proportion of others.
func milestones(epochs int) []int {
	var out []int
	for _, percent := range []int{30, 60, 80} {
		if m := epochs * percent / 100; m > 0 && (len(out) == 0 || m > out[len(out)-1]) {
			out = append(out, m)
		}
	}
	return out
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}
