package darcyflow

import (
	"context"
	"fmt"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/matlab"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/preprocess/datafolder"
	"github.com/nbpipe/nbpipe/stages/training"
)

// Stage is a block `preprocess "darcy_flow"`.
type Stage struct {
	datafolder.Common
	Train     stages.File `attr:"train,key" doc:"piececonst_r421_N1024_smooth1.mat, of MATLAB's version 5 or 7.3, with coeff and sol: (samples, nodes, nodes)."`
	Test      stages.File `attr:"test,key" doc:"piececonst_r421_N1024_smooth2.mat, laid out as train."`
	Subsample int         `attr:"subsample,key" default:"5" doc:"Every node of this step is kept, in both directions: 5 makes 85 x 85 of 421 x 421."`
	Splits    *Splits     `attr:"splits,key,optional" doc:"How many samples are for what, from the first on: { train = 900, validation = 100, test = 100 }."`
}

// Splits are numbers of samples. Where they are left out they are NAS-Bench-360's.
type Splits struct {
	Train      int `attr:"train" default:"900" doc:"The first samples of file train."`
	Validation int `attr:"validation" default:"100" doc:"The samples of file train that follow splits.train."`
	Test       int `attr:"test" default:"100" doc:"The first samples of file test."`
}

// Kind is the kind `preprocess "darcy_flow"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "preprocess", Type: "darcy_flow", Version: 1, Reproducible: true,
	Doc:     "Darcy flow from the MATLAB files of its authors, coefficients and solutions on a grid: a folder that networks are trained on.",
	Outputs: datafolder.OutputDocs(),
})

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	p := datafolder.CheckCommon(attrs)
	p.Whole(attrs, "subsample", 1, 1<<16)
	if attrs.Known("splits") {
		v, _ := attrs["splits"].Unmark()
		for name, least := range map[string]int64{"train": 1, "validation": 0, "test": 0} {
			n := v.GetAttr(name)
			if n.IsNull() {
				continue
			}
			if i, _ := n.AsBigFloat().Int64(); !n.AsBigFloat().IsInt() || i < least || i > mostSamples {
				p.Add("splits", "Not a number of samples", "%s is %s; a whole number from %d to %d is needed.", name, stages.NumberText(n.AsBigFloat()), least, mostSamples)
			}
		}
	}
	return p
}

const mostSamples = 1 << 20 // of a split: beyond, it is a slip

// held is what the nodes that are gathered at a time take in memory.
const held = 128 << 20

// Resources implements stages.Estimator.
func (*Stage) Resources() stages.Resources { return stages.Resources{CPUs: 1, Memory: 2 * held} }

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	splits := Splits{Train: 900, Validation: 100, Test: 100}
	if s.Splits != nil {
		splits = *s.Splits
	}
	folder, err := datafolder.New(in)
	if err != nil {
		return err
	}
	d := &folder.Description
	d.Task, d.Metric, d.Coordinates, d.Targets = "darcy_flow", nn.MetricRelativeL2, true, new(training.Array)
	d.Normalisation = training.Normalisation{Inputs: "pointwise_gaussian", Targets: "pointwise_gaussian", Epsilon: 1e-5}
	train, validation, test := datafolder.Limited(splits.Train, s.Limit), datafolder.Limited(splits.Validation, s.Limit), datafolder.Limited(splits.Test, s.Limit)
	d.Splits = datafolder.Consecutive(train, validation, test)
	w := &writer{Stage: s, in: in, folder: folder, parts: []part{
		{"train", s.Train, append(numbers(0, train), numbers(splits.Train, validation)...)},
		{"test", s.Test, numbers(0, test)},
	}}
	if d.Inputs, err = w.array(ctx, "coeff"); err != nil {
		return err
	}
	if *d.Targets, err = w.array(ctx, "sol"); err != nil {
		return err
	}
	return folder.Finish(out)
}

// numbers are count numbers from first on.
func numbers(first, count int) []int {
	out := make([]int, count)
	for i := range out {
		out[i] = first + i
	}
	return out
}

// part is the samples of a file that are taken, in ascending order.
type part struct {
	name    string
	file    stages.File
	samples []int
}

type writer struct {
	*Stage
	in     *stages.Input
	folder *datafolder.Folder
	parts  []part
	rows   *datafolder.Rows[float32]
	shape  []int // of a sample in the files
	sides  [2]int
}

// array writes a variable of all files.
func (w *writer) array(ctx context.Context, variable string) (training.Array, error) {
	w.rows = nil
	defer func() {
		if w.rows != nil {
			w.rows.Abandon()
		}
	}()
	for _, p := range w.parts {
		if len(p.samples) == 0 {
			continue
		}
		if err := w.part(ctx, p, variable); err != nil {
			return training.Array{}, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return w.rows.Close()
}

func (w *writer) part(ctx context.Context, p part, variable string) error {
	local, err := datafolder.Open(ctx, w.in, p.name, p.file)
	if err != nil {
		return err
	}
	defer local.Close()
	file, err := matlab.Open(p.file.Name, local, local.Size)
	if err != nil {
		return err
	}
	a, err := file.Array(variable)
	if err != nil {
		return err
	}
	if err := w.fit(a, p, variable); err != nil {
		return err
	}
	side := w.sides[0] * w.sides[1]
	atOnce := max(1, held/4/side)
	for first := 0; first < len(p.samples); first += atOnce {
		some := p.samples[first:min(first+atOnce, len(p.samples))]
		values, err := w.gather(ctx, a, some)
		if err != nil {
			return fmt.Errorf("variable %q: %w", variable, err)
		}
		if err := w.rows.Extend(values); err != nil {
			return err
		}
		w.in.Progress.Report(int64(first+len(some)), int64(len(p.samples)), "samples")
	}
	return nil
}

const mostNodes = 1 << 13 // per side

// fit checks the variable's shape, and begins the rows with the first one.
func (w *writer) fit(a *matlab.Array, p part, variable string) error {
	if len(a.Shape) != 3 || a.Shape[1] < 1 || a.Shape[2] < 1 || a.Shape[1] > mostNodes || a.Shape[2] > mostNodes {
		return fmt.Errorf("variable %q has shape %v, and (samples, nodes, nodes) is needed", variable, a.Shape)
	}
	if last := p.samples[len(p.samples)-1]; last >= a.Shape[0] {
		return fmt.Errorf("variable %q has %d samples, and %d are asked for: see splits", variable, a.Shape[0], last+1)
	}
	if w.shape == nil {
		w.shape = a.Shape[1:]
		w.sides = [2]int{(w.shape[0]-1)/w.Subsample + 1, (w.shape[1]-1)/w.Subsample + 1}
	}
	if w.shape[0] != a.Shape[1] || w.shape[1] != a.Shape[2] {
		return fmt.Errorf("variable %q has %v nodes, and another one %v", variable, a.Shape[1:], w.shape)
	}
	if w.rows == nil {
		n := 0
		for _, p := range w.parts {
			n += len(p.samples)
		}
		w.rows = datafolder.NewRows[float32](w.folder.Dir, variable, npy.Float32, n, w.sides[0], w.sides[1])
	}
	return nil
}

// gather keeps some samples' nodes, sample by sample. As the authors' reader does, it
// rounds to float32 first of all.
func (w *writer) gather(ctx context.Context, a *matlab.Array, samples []int) ([]float32, error) {
	place := make([]int32, a.Shape[0]) // of a sample, from 1; 0 is for those that are left out
	for i, n := range samples {
		place[n] = int32(i + 1)
	}
	side := w.sides[0] * w.sides[1]
	out := make([]float32, len(samples)*side)
	err := a.Blocks(ctx, func(b matlab.Block) error {
		n := b.Shape[0]
		for k := range b.Shape[2] {
			for j := range b.Shape[1] {
				y, x := b.Start[1]+j, b.Start[2]+k
				if y%w.Subsample != 0 || x%w.Subsample != 0 {
					continue
				}
				to := y/w.Subsample*w.sides[1] + x/w.Subsample
				for i, v := range b.Values[(k*b.Shape[1]+j)*n:][:n] {
					p := place[b.Start[0]+i]
					if p == 0 {
						continue
					}
					f := float32(v)
					if f-f != 0 {
						return fmt.Errorf("node (%d, %d) of sample %d is %v", y, x, b.Start[0]+i, v)
					}
					out[int(p-1)*side+to] = f
				}
			}
		}
		return nil
	})
	return out, err
}
