package landscape

import (
	"context"
	"fmt"
	"slices"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
)

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	set, err := tasks.Load(ctx, in.Store, s.Tables, s.Tasks)
	if err != nil {
		return err
	}
	if n := len(set.Architectures); n != nas.Size {
		return fmt.Errorf("tasks: %d of the %d architectures have a finite value in each of the columns; without the others neighbours are missing, so take tables of all", n, nas.Size)
	}
	a := &atlas{Stage: s, set: set, graph: newGraph(set.Classes(), set.Members()), of: map[string]*landscape{}}
	for i, task := range s.Tasks {
		if err := ctx.Err(); err != nil {
			return err
		}
		in.Progress.Report(int64(i), int64(len(s.Tasks)), "tasks")
		if a.of[task], err = a.describe(task); err != nil {
			return fmt.Errorf("%s: %w", task, err)
		}
	}
	a.publish(out)
	if err := a.writeBasins(in, out); err != nil {
		return err
	}
	for name, draw := range map[string]func() []byte{"figure": a.drawWalks, "figure_difference": a.drawDifferences, "figure_basins": a.drawBasins} {
		if err := in.Save(out, name, "landscape_"+name+".svg", draw()); err != nil {
			return err
		}
	}
	return nil
}

// atlas holds the tasks' landscapes over the one graph.
type atlas struct {
	*Stage
	set   *tasks.Set
	graph *graph
	of    map[string]*landscape
}

// landscape is a task's description.
type landscape struct {
	walk, ranks                []stats.Interval // autocorrelation of values and of their ranks, from lag 1
	length                     stats.Interval
	difference, distinct, rise []stats.Interval // by distance; of distinct classes; from one distance to the next, from 2
	anywhere                   stats.Interval   // difference of any two
	locality                   []stats.Interval // difference by distance over that of any two
	noise, signal              stats.Interval
	pairs                      int // of isomorphic cells, behind noise
	toBest                     stats.Interval
	raw                        heights
	rounded                    *heights // nil where nothing is rounded
}

// heights are values, higher is better, and what depends on their ties.
type heights struct {
	values  []float64
	falling []int // architectures from the best on, ties by number
	optima  optima
	basins  basins
	summary summary
	other   summary // by the other rule of ties
}

func (a *atlas) describe(task string) (*landscape, error) {
	lower, rounded := a.set.Lower(task, a.Better[task], a.Rounding[task])
	values := higher(lower)
	v := &intervals{class: a.graph.class}
	l := &landscape{
		walk:  v.correlations(a.graph.autocorrelations(values, a.Lags)...),
		ranks: v.correlations(a.graph.autocorrelations(stats.Ranks(values), a.Lags)...),
	}
	l.length = correlationLength(l.walk[0])
	l.compare(v, a.graph.newShells(values))
	noise := newNoise(values, a.graph.classes)
	l.noise, l.signal, l.pairs = v.of(noise.difference), v.of(noise.signal), noise.pairs
	l.signal.High = min(l.signal.High, 1) // noise takes nothing away from a variance
	l.raw = a.heights(values, l.noise.Value)
	if a.Rounding[task] > 0 {
		h := a.heights(higher(rounded), l.noise.Value)
		l.rounded = &h
	}
	l.toBest = v.correlations(pearson(values, distancesTo(l.raw.falling[0])))[0]
	return l, v.err
}

// compare sets the differences by distance.
func (l *landscape) compare(v *intervals, s shells) {
	anywhere := s.anywhere().mean()
	l.anywhere = v.of(anywhere)
	var before statistic
	for d := 1; d <= nas.NumEdges; d++ {
		here := s[d].mean()
		l.difference = append(l.difference, v.of(here))
		l.locality = append(l.locality, v.of(here.over(anywhere)))
		l.distinct = append(l.distinct, v.of(s[d].distinct().mean()))
		if d > 1 {
			l.rise = append(l.rise, v.of(here.minus(before)))
		}
		before = here
	}
}

func (a *atlas) heights(values []float64, noise float64) heights {
	h := heights{values: values, falling: tasks.Order(higher(values)), optima: a.graph.countOptima(values, noise)}
	highest := a.Ties == "highest"
	h.basins = a.graph.ascend(values, highest)
	h.summary = h.basins.summarise(values, h.falling)
	h.other = a.graph.ascend(values, !highest).summarise(values, h.falling)
	return h
}

// higher turns values round.
func higher(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = -v
	}
	return out
}

// distancesTo are the edit distances to an architecture.
func distancesTo(architecture int) []float64 {
	out := make([]float64, nas.Size)
	for i := range out {
		out[i] = float64(nas.Distance(nas.At(i), nas.At(architecture)))
	}
	return out
}

// optimaOf are the local optima, from the best on, ties by number.
func (h heights) optimaOf() []int {
	return slices.DeleteFunc(slices.Clone(h.falling), func(i int) bool { return h.basins.size[i] == 0 })
}
