package retrain

import (
	"context"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/training"
)

// Kinds are the kinds of this keyword.
func Kinds() []*stages.Kind { return []*stages.Kind{cell, wideResNet, resNet1D} }

// Cell is a block `retrain "cell"`.
type Cell struct {
	Common
	training.Skeleton
	Architecture string `attr:"architecture,key" doc:"The cell, |op~0|+|op~0|op~1|+|op~0|op~1|op~2|, such as search.NAME.best.architecture."`
}

var cell = stages.Define[Cell](stages.Kind{
	Block: "retrain", Type: "cell", Version: 2, Reproducible: true, Resumes: true,
	Doc:     "Trains a cell of NAS-Bench-201 from the beginning, once a seed: in the benchmark's network for classes, or in NAS-Bench-360's for a value a pixel, as the data are.",
	Outputs: outputDocs(),
})

// OutputTypes implements stages.Stage.
func (*Cell) OutputTypes(stages.Attrs) map[string]cty.Type { return outputTypes() }

// Check implements stages.Checker.
func (*Cell) Check(attrs stages.Attrs) []stages.Problem {
	p := checkCommon(attrs)
	p.CheckSkeleton(attrs)
	if attrs.Known("architecture") {
		v, _ := attrs["architecture"].Unmark()
		if _, err := nas.Parse(v.AsString()); err != nil {
			p.Add("architecture", "Not a cell of NAS-Bench-201", "%v.", err)
		}
	}
	return p
}

// Resources implements stages.Estimator.
func (s *Cell) Resources() stages.Resources {
	return s.resources(s.Skeleton.Memory(training.Or(s.BatchSize, 16)))
}

// Run implements stages.Stage.
func (s *Cell) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	parsed, err := nas.Parse(s.Architecture)
	if err != nil {
		return fmt.Errorf("architecture: %w", err)
	}
	return s.retrain(ctx, in, out, training.Cell, func(p *training.Prepared) (*nn.Network, error) { return s.Network(parsed, p) })
}

// WideResNet is a block `retrain "wide_resnet"`.
type WideResNet struct {
	Common
	Depth   int     `attr:"depth,key" default:"16" doc:"Layers: 6 n + 4."`
	Width   int     `attr:"width,key" default:"4" doc:"Factor on 16, 32 and 64 channels."`
	Dropout float64 `attr:"dropout,key" default:"0" doc:"Rate of dropout within blocks."`
}

var wideResNet = stages.Define[WideResNet](stages.Kind{
	Block: "retrain", Type: "wide_resnet", Version: 2, Reproducible: true, Resumes: true,
	Doc:     "Trains a wide residual network (Zagoruyko and Komodakis, 2016) from the beginning, once a seed: WRN-16-4 with the recipe that NAS-Bench-360 compares with, unless told otherwise.",
	Outputs: outputDocs(),
})

// OutputTypes implements stages.Stage.
func (*WideResNet) OutputTypes(stages.Attrs) map[string]cty.Type { return outputTypes() }

// Check implements stages.Checker.
func (*WideResNet) Check(attrs stages.Attrs) []stages.Problem {
	p := checkCommon(attrs)
	p.Whole(attrs, "depth", 10, 1000)
	p.Whole(attrs, "width", 1, 1<<10)
	p.Number(attrs, "dropout", 0, 1, true)
	if attrs.Known("depth") && len(p) == 0 {
		v, _ := attrs["depth"].Unmark()
		if n, _ := v.AsBigFloat().Int64(); (n-4)%6 != 0 {
			p.Add("depth", "Not a depth", "depth is %d; it must be 6 n + 4: %d or %d.", n, n-(n-4)%6, n-(n-4)%6+6)
		}
	}
	return p
}

// Resources implements stages.Estimator. Its activations are those of a cell
// network of as many channels.
func (s *WideResNet) Resources() stages.Resources {
	like := training.Skeleton{Channels: 16 * max(s.Width, 1), Cells: max((s.Depth-4)/6, 1), Stages: 3}
	return s.resources(like.Memory(training.Or(s.BatchSize, 128)))
}

// Run implements stages.Stage.
func (s *WideResNet) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	return s.retrain(ctx, in, out, training.WideResNet, func(p *training.Prepared) (*nn.Network, error) {
		w := nn.WideResNet{Form: p.Form, Input: p.Input, Depth: s.Depth, Width: s.Width, Outputs: p.Outputs, Dropout: s.Dropout, Init: nn.InitKaiming}
		return w.Build()
	})
}

// ResNet1D is a block `retrain "resnet1d"`.
type ResNet1D struct {
	Common
	Middle int `attr:"middle,key" default:"64" doc:"Channels of the first block; the other two have twice as many."`
}

var resNet1D = stages.Define[ResNet1D](stages.Kind{
	Block: "retrain", Type: "resnet1d", Version: 2, Reproducible: true, Resumes: true,
	Doc:     "Trains the residual network for series of Wang, Yan and Oates (2017) from the beginning, once a seed, with the recipe that NAS-Bench-360 compares with.",
	Outputs: outputDocs(),
})

// OutputTypes implements stages.Stage.
func (*ResNet1D) OutputTypes(stages.Attrs) map[string]cty.Type { return outputTypes() }

// Check implements stages.Checker.
func (*ResNet1D) Check(attrs stages.Attrs) []stages.Problem {
	p := checkCommon(attrs)
	p.Whole(attrs, "middle", 1, 1<<14)
	return p
}

// Resources implements stages.Estimator.
func (s *ResNet1D) Resources() stages.Resources {
	like := training.Skeleton{Channels: max(s.Middle, 1), Cells: 1, Stages: 1}
	return s.resources(like.Memory(training.Or(s.BatchSize, 256)))
}

// Run implements stages.Stage.
func (s *ResNet1D) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	return s.retrain(ctx, in, out, training.ResNet1D, func(p *training.Prepared) (*nn.Network, error) {
		if p.Form != nn.Point {
			return nil, fmt.Errorf("targets of %d values a pixel; resnet1d gives one vector a series", p.Outputs)
		}
		r := nn.ResNet1D{Input: p.Input, Middle: s.Middle, Outputs: p.Outputs, Init: nn.InitKaiming}
		return r.Build()
	})
}
