package training

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
)

// RecipeOptions are the attributes that say how networks are trained. What is left out is
// as Defaults has it.
type RecipeOptions struct {
	Epochs       *int     `attr:"epochs,key,optional" doc:"Times that all samples are seen. 200 where it is left out."`
	BatchSize    *int     `attr:"batch_size,key,optional" doc:"Samples a step. The paper's for the task where it is left out."`
	LearningRate *float64 `attr:"learning_rate,key,optional" doc:"Learning rate at the start. The paper's for the task where it is left out."`
	Momentum     *float64 `attr:"momentum,key,optional" doc:"Momentum of stochastic gradient descent; 0.9 where it is left out."`
	Nesterov     *bool    `attr:"nesterov,key,optional" doc:"Nesterov's momentum; true where it is left out and momentum is over 0."`
	WeightDecay  *float64 `attr:"weight_decay,key,optional" doc:"Weight decay of all parameters; 0.0005 where it is left out."`
	Schedule     string   `attr:"schedule,key,optional" doc:"constant, cosine (to 0) or steps. The paper's for the network where it is left out."`
	Milestones   []int    `attr:"milestones,key,optional" doc:"steps: epochs before which the rate is multiplied. 30, 60 and 80 % of all where it is left out."`
	Factor       *float64 `attr:"factor,key,optional" doc:"steps: by which the rate is multiplied; 0.2 where it is left out."`
	Precision    string   `attr:"precision,key" default:"\"float32\"" doc:"float32, float64, or mixed (torch on a GPU)."`
	Crop         *int     `attr:"crop,key,optional" doc:"Pixels by which training images are shifted at random, at most; 4 for CIFAR-100, else 0 where it is left out."`
	Flip         *bool    `attr:"flip,key,optional" doc:"Training images are mirrored at random; true for CIFAR-100 where it is left out."`
	Cutout       *int     `attr:"cutout,key,optional" doc:"Side of a square of zeros in training images; 16 for CIFAR-100, else 0 where it is left out."`

	OneARecord  *bool     `attr:"one_a_record,key,optional" doc:"An epoch sees one sample of each record, drawn at random; true for FSD50K where it is left out."`
	Levels      []float64 `attr:"levels,key,optional" doc:"[low, high]: the data's level of a training sample, times a factor drawn between the two, is added to it; [-0.9, 3] for Cosmic, else none where it is left out."`
	SpecAugment *float64  `attr:"spec_augment,key,optional" doc:"Probability with which rows and columns of a training sample are masked; 0.5 for FSD50K, else 0 where it is left out."`
	Noise       *float64  `attr:"noise,key,optional" doc:"Probability with which a row of the data's noise is mixed into a training sample; 0.75 for FSD50K, else 0 where it is left out."`
	NoiseShare  *float64  `attr:"noise_share,key,optional" doc:"Its share, at most; 0.5 for FSD50K where it is left out."`
}

// EngineOptions are the attributes that say who trains.
type EngineOptions struct {
	Engine  string `attr:"engine,key" default:"\"gorgonia\"" doc:"gorgonia: in this process, on the processor. torch: PyTorch, on a GPU where there is one."`
	Device  string `attr:"device,key" default:"\"auto\"" doc:"torch: cpu, cuda, or auto (a GPU where PyTorch finds one). What it was is part of the key."`
	Threads int    `attr:"threads,key" default:"1" doc:"torch on the processor: threads of one training; its sums depend on them."`
	Python  string `attr:"python" default:"\"python3\"" doc:"torch: the interpreter, a name in PATH or a path. Its versions are part of the key."`

	// Only is set by kinds that no other engine serves: errors propose none.
	Only bool
}

// DataOptions is the attribute that says on what.
type DataOptions struct {
	Data stages.File `attr:"data,key" doc:"Folder of arrays with dataset.json, such as dataset.NAME.data."`
}

// Held is the memory that data take: as the files have them, prepared, and what is
// between the two. An engine that reads files itself holds little of large arrays;
// those that are normalised by their own statistics need a resources block from 2 GB
// on.
func (d *DataOptions) Held(engine string) int64 {
	const little = 2 << 30
	if held := 3 * d.Data.Size; engine != Torch || held < little {
		return held
	}
	return little
}

// Problems collects what is wrong with a block.
type Problems []stages.Problem

// Add adds one.
func (p *Problems) Add(attribute, summary, detail string, args ...any) {
	*p = append(*p, stages.Problem{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(detail, args...)})
}

// Whole checks that an attribute, where it is given, is a whole number in a range.
func (p *Problems) Whole(attrs stages.Attrs, name string, low, high int64) {
	if attrs.Known(name) {
		p.whole(name, attrs[name], low, high)
	}
}

func (p *Problems) whole(name string, v cty.Value, low, high int64) {
	v, _ = v.Unmark()
	n := v.AsBigFloat()
	if i, accuracy := n.Int64(); !n.IsInt() || accuracy != big.Exact || i < low || i > high {
		p.Add(name, "Out of range", "%s is %s; it must be a whole number from %d to %d.", name, stages.NumberText(n), low, high)
	}
}

// Wholes checks a list of whole numbers.
func (p *Problems) Wholes(attrs stages.Attrs, name string, low, high int64) {
	if !attrs.Known(name) {
		return
	}
	v, _ := attrs[name].UnmarkDeep()
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if e.IsNull() {
			p.Add(name, "Out of range", "A null is no number.")
			continue
		}
		p.whole(name, e, low, high)
	}
}

// Number checks that an attribute is above low, or at least low where it may be
// equal, and below high.
func (p *Problems) Number(attrs stages.Attrs, name string, low, high float64, equal bool) {
	if !attrs.Known(name) {
		return
	}
	v, _ := attrs[name].Unmark()
	f, _ := v.AsBigFloat().Float64()
	if f > low && f < high || equal && f == low {
		return
	}
	from := "over"
	if equal {
		from = "at least"
	}
	p.Add(name, "Out of range", "%s is %s; it must be %s %v and below %v.", name, stages.NumberText(v.AsBigFloat()), from, low, high)
}

// Word checks that an attribute, where it is given, is one of the words.
func (p *Problems) Word(attrs stages.Attrs, name string, words ...string) {
	if !attrs.Known(name) {
		return
	}
	v, _ := attrs[name].Unmark()
	if !slices.Contains(words, v.AsString()) {
		p.Add(name, "Unknown word", "%s is %q; it is one of %s.", name, v.AsString(), strings.Join(words, ", "))
	}
}

// most is a limit of epochs, batches and pixels: beyond, it is a slip.
const most = 1 << 20

// CheckRecipe checks the attributes of RecipeOptions that are known.
func (p *Problems) CheckRecipe(attrs stages.Attrs) {
	p.Whole(attrs, "epochs", 1, most)
	p.Whole(attrs, "batch_size", 1, most)
	p.Wholes(attrs, "milestones", 1, most)
	p.Whole(attrs, "crop", 0, 1<<10)
	p.Whole(attrs, "cutout", 0, 1<<10)
	for _, name := range []string{"spec_augment", "noise", "noise_share"} {
		p.Number(attrs, name, 0, math.Nextafter(1, 2), true)
	}
	p.Number(attrs, "learning_rate", 0, 1e6, false)
	p.Number(attrs, "momentum", 0, 1, true)
	p.Number(attrs, "weight_decay", 0, 1e6, true)
	p.Number(attrs, "factor", 0, 1e6, false)
	p.Word(attrs, "schedule", string(nn.Constant), string(nn.Cosine), string(nn.Steps))
	p.Word(attrs, "precision", string(nn.Float32), string(nn.Float64), string(nn.Mixed))
	if attrs.Known("schedule") && textOf(attrs["schedule"]) != string(nn.Steps) {
		for _, name := range []string{"milestones", "factor"} {
			if attrs.Known(name) {
				p.Add(name, "Not for this schedule", "schedule is %q; milestones and factor go with steps alone.", textOf(attrs["schedule"]))
			}
		}
	}
}

// CheckEngine checks the attributes of EngineOptions that are known.
func (p *Problems) CheckEngine(attrs stages.Attrs) {
	p.Word(attrs, "engine", Gorgonia, Torch)
	p.Word(attrs, "device", "auto", "cpu", "cuda")
	p.Whole(attrs, "threads", 1, 1<<10)
	if attrs.Known("engine", "precision") && textOf(attrs["engine"]) == Gorgonia && textOf(attrs["precision"]) == string(nn.Mixed) {
		p.Add("precision", "Not for this engine", "gorgonia computes in float32 or float64; mixed needs engine = \"torch\".")
	}
	if attrs.Known("engine", "device") && textOf(attrs["engine"]) == Gorgonia && textOf(attrs["device"]) == "cuda" {
		p.Add("device", "Not for this engine", "gorgonia computes on the processor; a GPU needs engine = \"torch\".")
	}
}

func textOf(v cty.Value) string {
	v, _ = v.Unmark()
	return v.AsString()
}
