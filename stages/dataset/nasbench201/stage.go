package nasbench201

import (
	"context"
	"math"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/tablefile"
)

// Stage is a block `dataset "nas_bench_201"`.
type Stage struct {
	Channels      int `attr:"channels,key" default:"16" doc:"Channels C of the first of the three stages; the others have 2C and 4C."`
	Cells         int `attr:"cells,key" default:"5" doc:"Cells N in each stage."`
	InputChannels int `attr:"input_channels,key" default:"3" doc:"Channels of the input image."`
	ImageSize     int `attr:"image_size,key" default:"32" doc:"Height and width of the input image, a multiple of 4. Only flops depend on it."`
	Classes       int `attr:"classes,key" default:"10" doc:"Outputs of the network's last layer."`
}

// Kind is the kind `dataset "nas_bench_201"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block:   "dataset",
	Type:    "nas_bench_201",
	Version: 1,
	Doc: "The cell space of NAS-Bench-201 as a table: number, notation, isomorphism class, parameters and multiply-accumulates of all 15,625 cells " +
		"in a skeleton. Computed, not fetched.",
	Reproducible: true,
	Outputs: map[string]string{
		"table":          "A row an architecture.",
		"architectures":  "How many there are.",
		"classes":        "Isomorphism classes by the definition of NAS-Bench-201.",
		"strict_classes": "Isomorphism classes with zeros removed.",
		"unreachable":    "Cells without a path from input to output.",
	},
})

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{
		"table":          stages.TableType,
		"architectures":  cty.Number,
		"classes":        cty.Number,
		"strict_classes": cty.Number,
		"unreachable":    cty.Number,
	}
}

var sizes = []string{"cells", "channels", "classes", "image_size", "input_channels"}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	value := map[string]int{}
	for _, name := range sizes {
		if !attrs.Known(name) {
			return nil
		}
		v, _ := attrs[name].Unmark()
		n, _ := v.AsBigFloat().Int64()
		if !v.AsBigFloat().IsInt() || n > math.MaxInt32 || n < math.MinInt32 {
			return []stages.Problem{{
				Attribute: name, Summary: "Not a size",
				Detail: "It is " + stages.NumberText(v.AsBigFloat()) + "; a whole number is needed.",
			}}
		}
		value[name] = int(n)
	}
	s := Stage{Channels: value["channels"], Cells: value["cells"], InputChannels: value["input_channels"], ImageSize: value["image_size"], Classes: value["classes"]}
	if err := s.skeleton().Validate(); err != nil {
		return []stages.Problem{{Summary: "No network has this skeleton", Detail: err.Error()}}
	}
	return nil
}

func (s *Stage) skeleton() nas.Skeleton {
	return nas.Skeleton{
		Channels: s.Channels, Cells: s.Cells, InputChannels: s.InputChannels, Classes: s.Classes,
		Height: s.ImageSize, Width: s.ImageSize,
	}
}

// Run implements stages.Stage.
func (s *Stage) Run(_ context.Context, in *stages.Input, out *stages.Output) error {
	if err := s.skeleton().Validate(); err != nil {
		return err
	}
	classOf, representatives := nas.Classes()
	_, strict := nas.StrictClasses()
	t, err := s.table(&classOf, representatives)
	if err != nil {
		return err
	}
	if err := tablefile.Set(in, out, "table", t); err != nil {
		return err
	}
	out.Set("architectures", cty.NumberIntVal(nas.Size))
	out.Set("classes", cty.NumberIntVal(int64(len(representatives))))
	out.Set("strict_classes", cty.NumberIntVal(int64(len(strict))))
	out.Set("unreachable", cty.NumberIntVal(int64(len(nas.Dead()))))
	return nil
}

// table has a row for each cell, in the benchmark's order.
func (s *Stage) table(classOf *[nas.Size]int, representatives []int) (*table.Table, error) {
	skeleton := s.skeleton()
	numbers, class := make([]int64, nas.Size), make([]int64, nas.Size)
	cells := make([]string, nas.Size)
	params, flops := make([]float64, nas.Size), make([]float64, nas.Size)
	reachable := make([]bool, nas.Size)
	for i := range nas.Size {
		c := nas.At(i)
		numbers[i], cells[i] = int64(i), c.String()
		class[i] = int64(representatives[classOf[i]])
		params[i] = float64(nas.Params(c, skeleton)) / 1e6
		flops[i] = float64(nas.FLOPs(c, skeleton)) / 1e6
		reachable[i] = c.Connected()
	}
	columns := []table.Column{
		table.IntColumn(table.Architecture, numbers),
		table.StringColumn("cell", cells),
		table.IntColumn("class", class),
		table.FloatColumn("params", params),
		table.FloatColumn("flops", flops),
		table.BoolColumn("reachable", reachable),
	}
	columns[2].Source = "smallest number with the same unique string"
	columns[3].Unit, columns[3].Source = "1e6", "trainable parameters"
	columns[4].Unit, columns[4].Source = "1e6", "multiply-accumulates"
	columns[5].Source = "a path leads from input to output"
	return table.New(columns...)
}
