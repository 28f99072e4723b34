package darcyflow

import (
	"context"
	"math"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/npy"
)

// Stage is a block `dataset "darcy_flow"`.
type Stage struct {
	Resolution int     `attr:"resolution,key" doc:"Nodes per side of the grid on which the equation is solved, those on the border among them: 3 to 2048. NAS-Bench-360 has 421."`
	Samples    int     `attr:"samples,key" doc:"Pairs of coefficient and solution. Sample i is the same whatever their number."`
	Seed       uint64  `attr:"seed,key" default:"777" doc:"Seed of the coefficients."`
	Subsample  int     `attr:"subsample,key" default:"1" doc:"Every node of this step is kept, in both directions: 5 makes 85 x 85 of 421 x 421. It divides resolution - 1."`
	DType      string  `attr:"dtype,key" default:"\"float32\"" doc:"Type of the arrays' elements: float32 or float64. The equation is solved in float64."`
	Splits     *Splits `attr:"splits,key,optional" doc:"How many samples are for what, in this order: { train = 128, validation = 32, test = 64 }. They add up to samples. All are for training where it is left out."`
}

// Splits are numbers of samples.
type Splits struct {
	Train      int `attr:"train" doc:"The first samples."`
	Validation int `attr:"validation" default:"0" doc:"The samples after those of train."`
	Test       int `attr:"test" default:"0" doc:"The samples after those of validation."`
}

// Kind is the kind `dataset "darcy_flow"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block:   "dataset",
	Type:    "darcy_flow",
	Version: 1,
	Doc: "Darcy flow, made from a seed: coefficients of 12 and 3 by a Gaussian random field, and the solutions u of -div(a grad u) = 1 " +
		"on the unit square, u = 0 on its border. Arrays in NumPy's format. Computed, not fetched.",
	Reproducible: true,
	Outputs: map[string]string{
		"data":        "Folder with the arrays and dataset.json, which says what they are: for training.",
		"coefficient": "The coefficients a, of shape (samples, height, width) and type dtype, .npy.",
		"solution":    "The solutions u, of the same shape.",
		"description": "What dataset.json says.",
	},
})

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{
		"data":        stages.FileType,
		"coefficient": stages.FileType,
		"solution":    stages.FileType,
		"description": descriptionType,
	}
}

// side is the number of nodes per side that are kept.
func (s *Stage) side() int { return (s.Resolution-1)/s.Subsample + 1 }

func (s *Stage) header() npy.Header {
	return npy.Header{Type: npy.Type(s.DType), Shape: []int{s.Samples, s.side(), s.side()}}
}

// Measured at 421 nodes per side: 0.12 s of a core for a sample.
const secondsPerNode = 7e-7

// bytesPerNode is what a core holds while it makes a sample: 19 arrays.
const bytesPerNode = 19 * 8

// Resources implements stages.Estimator: as many cores as have about a second's
// work each.
func (s *Stage) Resources() stages.Resources {
	const most = 64
	nodes := float64(s.Resolution) * float64(s.Resolution)
	cores := math.Ceil(float64(s.Samples) * nodes * secondsPerNode)
	cores = max(1, min(cores, float64(s.Samples), most))
	return stages.Resources{CPUs: cores, Memory: int64(cores * nodes * bytesPerNode)}
}

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	folder, worst, err := s.write(ctx, in)
	if err != nil {
		return err
	}
	out.SetFile("data", folder.path, "darcy_flow")
	out.SetFile("coefficient", folder.coefficient, coefficientFile)
	out.SetFile("solution", folder.solution, solutionFile)
	out.Set("description", s.description())
	out.Metrics["residual"] = worst.Residual
	out.Metrics["iterations"] = float64(worst.Iterations)
	return nil
}

var (
	_ stages.Checker   = (*Stage)(nil)
	_ stages.Estimator = (*Stage)(nil)
)
