package zerocostproxies

import (
	"context"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/proxies"
	"github.com/nbpipe/nbpipe/stages/preprocess/tablefile"
	"github.com/nbpipe/nbpipe/stages/training"
)

// Stage is a block `preprocess "zero_cost_proxies"`.
type Stage struct {
	training.EngineOptions
	Architectures cty.Value   `attr:"architectures,key,optional" doc:"List of cells as text, |op~0|+..., or of architectures' numbers. All 15,625 where it is left out or \"all\"."`
	Sample        *int        `attr:"sample,key,optional" doc:"How many of the architectures, drawn at random by the seed. All of them where it is left out."`
	Proxies       []string    `attr:"proxies,key,optional" doc:"Which scores: fisher, flops, grad_norm, grasp, jacob_cov, params, snip, synflow. All where it is left out."`
	Data          stages.File `attr:"data,key,optional" doc:"Folder of arrays with dataset.json that the batch is drawn from, of its training split; its targets must be labels. Gaussian images where it is left out."`
	BatchSize     int         `attr:"batch_size,key" default:"64" doc:"Samples in the batch."`
	Channels      int         `attr:"channels,key" default:"16" doc:"Channels C of the first of the three stages; the others have 2C and 4C."`
	Cells         int         `attr:"cells,key" default:"5" doc:"Cells N in each stage."`
	Input         []int       `attr:"input,key,optional" doc:"Channels, height and width of a sample. The data's, or [3, 32, 32], where it is left out."`
	Classes       *int        `attr:"classes,key,optional" doc:"Outputs of the network. The data's, or 10, where it is left out."`
	Seed          uint64      `attr:"seed,key" default:"777" doc:"Seed of initial weights, of the batch and of the sample."`
	Precision     string      `attr:"precision,key" default:"\"float32\"" doc:"Of gradients: float32, or float64, for checks on small networks: many times slower. synflow is float64 always."`
}

// Kind is the kind `preprocess "zero_cost_proxies"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block:   "preprocess",
	Type:    "zero_cost_proxies",
	Version: 1,
	Doc: "Scores of untrained NAS-Bench-201 cells by the zero-cost proxies of Abdelfattah et al. (ICLR 2021) as a table, a column each. " +
		"Members of an isomorphism class have their representative's score, undefined scores rank worst.",
	Reproducible: true,
	Resumes:      true,
	Outputs: map[string]string{
		"table":     "A row an architecture, a column a proxy; what is undefined is null.",
		"rows":      "How many rows there are.",
		"scored":    "How many architectures were scored: one a class stands for the others.",
		"undefined": "By proxy, how many scores are undefined.",
		"variant":   "By proxy, which definition was used.",
	},
})

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{
		"table": stages.TableType, "rows": cty.Number, "scored": cty.Number,
		"undefined": cty.Map(cty.Number), "variant": cty.Map(cty.String),
	}
}

var defaultInput = nn.Shape{Channels: 3, Height: 32, Width: 32}

const defaultClasses = 10

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	var p training.Problems
	p.CheckEngine(attrs)
	p.Word(attrs, "precision", string(nn.Float32), string(nn.Float64))
	p.Whole(attrs, "sample", 1, nas.Size)
	p.Whole(attrs, "batch_size", 2, 1<<16)
	p.Whole(attrs, "channels", 1, 1<<12)
	p.Whole(attrs, "cells", 1, 1<<10)
	p.Whole(attrs, "classes", 1, 1<<16)
	p.Wholes(attrs, "input", 1, 1<<12)
	if v, ok := attrs["architectures"]; ok && !v.IsNull() && v.IsWhollyKnown() {
		if _, err := numbers(v); err != nil {
			p.Add("architectures", "Not a list of architectures", "%s.", err)
		}
	}
	for _, name := range attrs.Strings("proxies") {
		if !slices.Contains(proxies.All(), proxies.Proxy(name)) {
			p.Add("proxies", "Unknown proxy", "%q is none. The proxies are %s.", name, names(proxies.All()))
		}
	}
	if attrs.Known("proxies") && len(attrs.Strings("proxies")) == 0 {
		p.Add("proxies", "No proxies", "Nothing would be computed. Leave the attribute out for all: %s.", names(proxies.All()))
	}
	if attrs.Known("input") && len(p) == 0 {
		checkInput(&p, attrs["input"])
	}
	return p
}

func checkInput(p *training.Problems, v cty.Value) {
	var sides []int64
	v, _ = v.UnmarkDeep()
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		n, _ := e.AsBigFloat().Int64()
		sides = append(sides, n)
	}
	if len(sides) != 3 || sides[1]%4 != 0 || sides[2]%4 != 0 {
		p.Add("input", "Not an input", "%d is given; channels, height and width are needed, as in [3, 32, 32], the sides multiples of 4 since two blocks halve them.", sides)
	}
}

func names(list []proxies.Proxy) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = string(p)
	}
	return strings.Join(words, ", ")
}

// asked are the proxies to compute, in the order of the columns.
func (s *Stage) asked() []proxies.Proxy {
	if s.Proxies == nil {
		return proxies.All()
	}
	var out []proxies.Proxy
	for _, name := range s.Proxies {
		if p := proxies.Proxy(name); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// weighed are the proxies that depend on weights.
func (s *Stage) weighed() []proxies.Proxy {
	return slices.DeleteFunc(s.asked(), proxies.Proxy.Counted)
}

// needsEngine reports whether gradients are needed.
func (s *Stage) needsEngine() bool {
	return slices.ContainsFunc(s.asked(), proxies.Proxy.Engine)
}

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	rows, err := s.rows()
	if err != nil {
		return err
	}
	b, err := s.batch(ctx, in)
	if err != nil {
		return err
	}
	r := &run{stage: s, in: in, batch: b, rows: rows}
	if err := r.score(ctx); err != nil {
		return err
	}
	if r.version != "" {
		out.Facts["engine"] = r.version
	}
	t, undefined, err := r.table()
	if err != nil {
		return err
	}
	for _, p := range s.asked() {
		if n := undefined[p]; n == len(rows) {
			out.Warn("%s is undefined for all architectures; its column is 0", p)
		}
	}
	counts := map[string]cty.Value{}
	for p, n := range undefined {
		counts[string(p)] = cty.NumberIntVal(int64(n))
		out.Metrics["undefined_"+string(p)] = float64(n)
	}
	variant := map[string]cty.Value{}
	for name, text := range r.variant() {
		variant[name] = cty.StringVal(text)
	}
	out.Set("undefined", cty.MapVal(counts))
	out.Set("variant", cty.MapVal(variant))
	out.Set("rows", cty.NumberIntVal(int64(len(rows))))
	out.Set("scored", cty.NumberIntVal(int64(len(r.scored()))))
	return tablefile.Set(in, out, "table", t)
}

var (
	_ stages.Checker   = (*Stage)(nil)
	_ stages.Estimator = (*Stage)(nil)
	_ stages.Tooled    = (*Stage)(nil)
	_ stages.Versioned = (*Stage)(nil)
)
