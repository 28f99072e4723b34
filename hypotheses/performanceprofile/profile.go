package performanceprofile

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/scores"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages"
)

// sheet is the table with the methods of best_of.
type sheet struct {
	*Stage
	methods, tasks []string
	point          scores.Grid
	redraws        []scores.Grid
}

// profile is one profile. Its kept methods go by number, 0 .. len(kept)-1.
type profile struct {
	*sheet
	name        string
	methods     []string // as in the file
	kept        []string
	tasks       []string
	rows, cells []int // of the kept methods and the tasks in the sheet

	ratio  [][]float64 // by kept method and task
	rho    []steps
	end    float64
	drawn  [][]steps // by redraw
	ends   []float64 // of each redraw's axis
	curves []curve   // of kept methods
	values map[string]cty.Value
}

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	sh, err := s.load()
	if err != nil {
		return err
	}
	names := sortedNames(s.Profiles)
	if len(names) == 0 {
		return fmt.Errorf("profiles: there are none")
	}
	var all []*profile
	for i, name := range names {
		p, err := sh.profile(name)
		if err != nil {
			return fmt.Errorf("profiles: %s: %w", name, err)
		}
		if left := p.left(); len(left) > 0 {
			out.Warn("%s is left out of profile %s, since it has no error on some of its tasks", strings.Join(left, ", "), name)
		}
		p.evaluate()
		all = append(all, p)
		in.Progress.Report(int64(i+1), int64(len(names)), "profiles")
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	for output := range all[0].values {
		out.Set(output, estimate.Object(names, func(name string) cty.Value { return all[slices.Index(names, name)].values[output] }))
	}
	if err := writeCurves(in, out, all); err != nil {
		return err
	}
	return in.Save(out, "figure", "performance_profile.svg", s.figure(all))
}

func (s *Stage) load() (*sheet, error) {
	seeds := math.NaN()
	if s.Seeds != nil {
		seeds = *s.Seeds
	}
	methods, tasks := scores.MethodsOf(s.Results), scores.TasksOf(s.Results)
	t, err := scores.New(s.Results, methods, tasks, seeds)
	if err != nil {
		return nil, err
	}
	redraws, err := t.Redraws(s.Resamples, s.Seed)
	if err != nil {
		return nil, err
	}
	sh := &sheet{Stage: s, methods: append(slices.Clone(methods), sortedNames(s.BestOf)...), tasks: tasks}
	sh.point = s.withBest(methods, t.Mean)
	for _, g := range redraws {
		sh.redraws = append(sh.redraws, s.withBest(methods, g))
	}
	return sh, nil
}

// withBest adds the rows of best_of.
func (s *Stage) withBest(methods []string, g scores.Grid) scores.Grid {
	rows := make([][]float64, 0, len(methods)+len(s.BestOf))
	for m := range methods {
		rows = append(rows, g.Row(m))
	}
	for _, name := range sortedNames(s.BestOf) {
		best := make([]float64, len(rows[0]))
		for task := range best {
			best[task] = math.NaN()
			for _, of := range s.BestOf[name] {
				if v := g.At(slices.Index(methods, of), task); !(v >= best[task]) && !math.IsNaN(v) {
					best[task] = v
				}
			}
		}
		rows = append(rows, best)
	}
	return scores.NewGrid(rows)
}

// profile computes a profile and those of the redraws.
func (sh *sheet) profile(name string) (*profile, error) {
	spec := sh.Profiles[name]
	p := &profile{sheet: sh, name: name, methods: spec.Methods, tasks: spec.Tasks}
	if p.tasks == nil {
		p.tasks = sh.tasks
	}
	for _, task := range p.tasks {
		p.cells = append(p.cells, slices.Index(sh.tasks, task))
	}
	for _, m := range p.methods {
		row := slices.Index(sh.methods, m)
		complete := !slices.ContainsFunc(p.cells, func(c int) bool { return math.IsNaN(sh.point.At(row, c)) })
		if complete || sh.Missing == infeasible {
			p.kept, p.rows = append(p.kept, m), append(p.rows, row)
		}
	}
	if len(p.tasks) == 0 || len(p.kept) < 2 {
		return nil, fmt.Errorf("it has %d methods with an error on every one of %d tasks; a profile compares two or more on at least one. Name other methods or tasks, or say missing = \"infeasible\"", len(p.kept), len(p.tasks))
	}
	p.ratio = p.ratios(sh.point)
	p.rho = sorted(p.ratio)
	p.end = largest(p.rho)
	for _, g := range sh.redraws {
		rho := sorted(p.ratios(g))
		p.drawn, p.ends = append(p.drawn, rho), append(p.ends, largest(rho))
	}
	return p, nil
}

// left are the methods that are left out.
func (p *profile) left() []string {
	return slices.DeleteFunc(slices.Clone(p.methods), func(m string) bool { return slices.Contains(p.kept, m) })
}

// ratios are the errors of the kept methods over the best of them, by task.
func (p *profile) ratios(g scores.Grid) [][]float64 {
	out := make([][]float64, len(p.rows))
	for i := range out {
		out[i] = make([]float64, len(p.cells))
	}
	for t, cell := range p.cells {
		best := math.Inf(1)
		for _, row := range p.rows {
			if v := g.At(row, cell); v < best {
				best = v
			}
		}
		for i, row := range p.rows {
			switch v := g.At(row, cell); {
			case v == best:
				out[i][t] = 1
			case math.IsNaN(v):
				out[i][t] = math.Inf(1)
			default:
				out[i][t] = v / best // infinite where the best is 0
			}
		}
	}
	return out
}

func sorted(ratios [][]float64) []steps {
	out := make([]steps, len(ratios))
	for i, r := range ratios {
		out[i] = slices.Sorted(slices.Values(r))
	}
	return out
}

// interval is a statistic of a profile with its interval over redraws.
func (p *profile) interval(of func(rho []steps, end float64) float64) stats.Interval {
	value := of(p.rho, p.end)
	drawn := make([]float64, len(p.drawn))
	for b, rho := range p.drawn {
		drawn[b] = of(rho, p.ends[b])
	}
	return stats.PercentileInterval(value, drawn, len(p.tasks))
}

// evaluate computes the outputs and the curves; it then forgets the redraws.
func (p *profile) evaluate() {
	p.values = map[string]cty.Value{
		"ratio":     p.ratioValues(),
		"largest":   p.value(func(_ []steps, end float64) float64 { return end }),
		"wins":      p.each(func(s steps, _ float64) float64 { return s.rho(1) }),
		"area":      p.each(steps.area),
		"below":     p.pairs(p.share(below)),
		"below_log": p.pairs(p.share(belowLog)),
		"crossings": p.pairs(p.crossingList),
	}
	for i := range p.kept {
		p.curves = append(p.curves, p.curve(i))
	}
	p.drawn, p.ends = nil, nil
}

// nothing stands for the numbers of a method that is left out.
func nothing() cty.Value {
	nan := math.NaN()
	return estimate.Interval(stats.Interval{Value: nan, Low: nan, High: nan}, 0)
}

func (p *profile) value(of func(rho []steps, end float64) float64) cty.Value {
	return estimate.Interval(p.interval(of), len(p.tasks))
}

// each is a statistic of every method, null for those that are left out.
func (p *profile) each(of func(s steps, end float64) float64) cty.Value {
	return estimate.Object(p.methods, func(m string) cty.Value {
		i := slices.Index(p.kept, m)
		if i < 0 {
			return nothing()
		}
		return p.value(func(rho []steps, end float64) float64 { return of(rho[i], end) })
	})
}

// pairs is something of every ordered pair of methods; -1 for those left out.
func (p *profile) pairs(of func(a, b int) cty.Value) cty.Value {
	return estimate.Object(p.methods, func(m string) cty.Value {
		return estimate.Object(estimate.Without(p.methods, m), func(other string) cty.Value {
			return of(slices.Index(p.kept, m), slices.Index(p.kept, other))
		})
	})
}

// share is a statistic of two methods for pairs.
func (p *profile) share(of func(a, b steps, end float64) float64) func(a, b int) cty.Value {
	return func(a, b int) cty.Value {
		if a < 0 || b < 0 {
			return nothing()
		}
		return p.value(func(rho []steps, end float64) float64 { return of(rho[a], rho[b], end) })
	}
}

func (p *profile) crossingList(a, b int) cty.Value {
	if a < 0 || b < 0 {
		return cty.NullVal(cty.List(cty.Number))
	}
	var out []cty.Value
	for _, tau := range crossings(p.rho[a], p.rho[b], p.end) {
		out = append(out, cty.NumberFloatVal(tau))
	}
	if out == nil {
		return cty.ListValEmpty(cty.Number)
	}
	return cty.ListVal(out)
}

// ratioValues are the ratios by method and task.
func (p *profile) ratioValues() cty.Value {
	drawn := make([][][]float64, len(p.redraws))
	for b, g := range p.redraws {
		drawn[b] = p.ratios(g)
	}
	return estimate.Object(p.methods, func(m string) cty.Value {
		i := slices.Index(p.kept, m)
		return estimate.Object(p.tasks, func(task string) cty.Value {
			if i < 0 {
				return nothing()
			}
			t := slices.Index(p.tasks, task)
			values := make([]float64, len(drawn))
			for b := range drawn {
				values[b] = drawn[b][i][t]
			}
			return estimate.Interval(stats.PercentileInterval(p.ratio[i][t], values, 1), 1)
		})
	})
}
