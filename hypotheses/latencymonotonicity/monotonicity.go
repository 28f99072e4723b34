package latencymonotonicity

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/estimate"
	"github.com/nbpipe/nbpipe/hypotheses/pareto"
	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/hypotheses/tasks"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/tablefile"
)

// comparison holds the devices' latencies and what comes of them.
type comparison struct {
	*Stage
	proxy    string
	cells    []int       // numbers of the architectures, ascending
	class    []int       // of each cell
	latency  [][]float64 // by device; NaN where a cell was not measured
	accuracy []float64   // higher is better; nil without Pareto sets
	matrix   *stats.SpearmanMatrix
	clusters [][]int
}

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	c, err := s.load(ctx, in)
	if err != nil {
		return err
	}
	c.warn(out)
	in.Progress.Report(0, 2, "correlations")
	if c.matrix, err = stats.NewSpearmanMatrix(c.latency, c.class, s.Resamples, s.Seed); err != nil {
		return err
	}
	in.Progress.Report(1, 2, "Pareto sets")
	c.clusters = c.cluster()
	c.setCorrelations(out)
	pairs := c.pairs()
	if err := c.writePairs(in, out, pairs); err != nil {
		return err
	}
	if err := in.Save(out, "figure", "latency_monotonicity.svg", c.draw()); err != nil {
		return err
	}
	if c.accuracy == nil {
		return ctx.Err()
	}
	c.setTransfer(out, pairs)
	if err := in.Save(out, "pareto_figure", "pareto_sets.svg", c.drawPareto(pairs)); err != nil {
		return err
	}
	return ctx.Err()
}

// load reads the columns and keeps the cells that count.
func (s *Stage) load(ctx context.Context, in *stages.Input) (*comparison, error) {
	set, err := tasks.LoadPartial(ctx, in.Store, s.Tables, s.names())
	if err != nil {
		return nil, err
	}
	c := &comparison{Stage: s, proxy: s.Proxy}
	if c.proxy == "" {
		c.proxy = s.Devices[0]
	}
	representative := smallest()
	var at []int
	for i, a := range set.Architectures {
		if c.counts(set, i) && (!s.Representatives || representative[a]) {
			at = append(at, i)
			c.cells = append(c.cells, a)
		}
	}
	if len(at) < 2 {
		return nil, fmt.Errorf("devices: %d architectures have a latency%s; at least 2 are needed",
			len(at), map[bool]string{true: " and an accuracy", false: ""}[s.Accuracy != ""])
	}
	classOf, _ := nas.Classes()
	for _, a := range c.cells {
		c.class = append(c.class, classOf[a])
	}
	for _, d := range s.Devices {
		latency := tasks.Pick(set.Values[d], at)
		if !slices.ContainsFunc(latency, func(v float64) bool { return !math.IsNaN(v) }) {
			return nil, fmt.Errorf("devices: %s has no latency of any of the %d architectures", d, len(at))
		}
		c.latency = append(c.latency, latency)
	}
	if s.Accuracy != "" {
		c.accuracy = tasks.Pick(set.Values[s.Accuracy], at)
		if s.Better == "lower" {
			for i := range c.accuracy {
				c.accuracy[i] = -c.accuracy[i]
			}
		}
	}
	return c, nil
}

func (s *Stage) names() []string {
	if s.Accuracy == "" {
		return s.Devices
	}
	return append(slices.Clone(s.Devices), s.Accuracy)
}

// counts reports whether position i has a latency and, if it must, an accuracy.
func (c *comparison) counts(set *tasks.Set, i int) bool {
	if c.Accuracy != "" && math.IsNaN(set.Values[c.Accuracy][i]) {
		return false
	}
	return slices.ContainsFunc(c.Devices, func(d string) bool { return !math.IsNaN(set.Values[d][i]) })
}

// smallest holds the smallest number of each isomorphism class.
func smallest() map[int]bool {
	_, representatives := nas.Classes()
	out := make(map[int]bool, len(representatives))
	for _, r := range representatives {
		out[r] = true
	}
	return out
}

// warn tells which latencies rank nothing, and which are negative: the mark of a
// cell that could not be measured.
func (c *comparison) warn(out *stages.Output) {
	for i, d := range c.Devices {
		low, high, negative := math.Inf(1), math.Inf(-1), 0
		for _, v := range c.latency[i] {
			if !math.IsNaN(v) {
				low, high = min(low, v), max(high, v)
			}
			if v < 0 {
				negative++
			}
		}
		if high <= low {
			out.Warn("all latencies of %s are %v: it ranks nothing, and has no SRCC with other devices", d, low)
		}
		if negative > 0 {
			out.Warn("%d latencies of %s are negative; they were kept as they are, and rank before all others", negative, d)
		}
	}
}

// cluster groups devices by complete linkage. Larger clusters come first, then those
// whose first device is named first.
func (c *comparison) cluster() [][]int {
	clusters := make([][]int, len(c.Devices))
	for i := range clusters {
		clusters[i] = []int{i}
	}
	for {
		best, a, b := math.Inf(-1), -1, -1
		for i := range clusters {
			for j := i + 1; j < len(clusters); j++ {
				if w := c.weakest(clusters[i], clusters[j]); w >= c.Strong && w > best {
					best, a, b = w, i, j
				}
			}
		}
		if a < 0 {
			break
		}
		clusters[a] = append(clusters[a], clusters[b]...)
		slices.Sort(clusters[a])
		clusters = slices.Delete(clusters, b, b+1)
	}
	slices.SortStableFunc(clusters, func(a, b []int) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return a[0] - b[0]
	})
	return clusters
}

// weakest is the smallest SRCC between the two clusters; NaN if one does not exist,
// which is not strong.
func (c *comparison) weakest(a, b []int) float64 {
	w := math.Inf(1)
	for _, i := range a {
		for _, j := range b {
			w = min(w, c.rho(i, j))
		}
	}
	return w
}

func (c *comparison) rho(i, j int) float64 { return c.matrix.Value(i, j).Value }

func (c *comparison) setCorrelations(out *stages.Output) {
	classes := map[int]bool{}
	for _, k := range c.class {
		classes[k] = true
	}
	out.Set("cells", estimate.Count(len(c.cells)))
	out.Set("classes", estimate.Count(len(classes)))
	out.Set("measured", estimate.Object(c.Devices, func(d string) cty.Value {
		n := 0
		for _, v := range c.latency[slices.Index(c.Devices, d)] {
			if !math.IsNaN(v) {
				n++
			}
		}
		return estimate.Count(n)
	}))
	out.Set("srcc", estimate.Object(c.Devices, func(a string) cty.Value {
		return estimate.Object(estimate.Without(c.Devices, a), func(b string) cty.Value {
			return estimate.Correlation(c.matrix.At(slices.Index(c.Devices, a), slices.Index(c.Devices, b)))
		})
	}))
	strong := 0
	for i := range c.Devices {
		for j := range i {
			if c.rho(i, j) >= c.Strong {
				strong++
			}
		}
	}
	share := c.matrix.Share(c.Strong)
	out.Set("strong_share", estimate.Interval(share, share.Units))
	out.Set("strong_pairs", estimate.Count(strong))
	out.Set("cluster_count", estimate.Count(len(c.clusters)))
	lists := make([]cty.Value, len(c.clusters))
	for i, members := range c.clusters {
		names := make([]cty.Value, len(members))
		for k, d := range members {
			names[k] = cty.StringVal(c.Devices[d])
		}
		lists[i] = cty.ListVal(names)
	}
	out.Set("clusters", cty.ListVal(lists))
}

// pair is a proxy and a target, by position, and what comes of them.
type pair struct {
	proxy, target int
	rho           stats.Correlation
	interval      stats.Interval
	quality       pareto.Quality
}

// pairs lists the ordered pairs, proxy by proxy.
func (c *comparison) pairs() []pair {
	var out []pair
	for i := range c.Devices {
		for j := range c.Devices {
			if i == j {
				continue
			}
			p := pair{proxy: i, target: j}
			p.rho, p.interval = c.matrix.At(i, j)
			if c.accuracy != nil {
				p.quality = pareto.Transfer(c.latency[i], c.latency[j], c.accuracy)
			}
			out = append(out, p)
		}
	}
	return out
}

func (c *comparison) setTransfer(out *stages.Output, pairs []pair) {
	out.Set("optimal", estimate.Object(c.Devices, func(d string) cty.Value {
		return estimate.Count(len(pareto.Front(c.latency[slices.Index(c.Devices, d)], c.accuracy)))
	}))
	transfer := map[string]cty.Value{}
	var strong, weak []pair
	for _, p := range pairs {
		if c.Devices[p.proxy] == c.proxy {
			transfer[c.Devices[p.target]] = p.value()
		}
		switch {
		case p.rho.Value >= c.Strong:
			strong = append(strong, p)
		case p.rho.Value < c.Strong: // what has no SRCC is neither
			weak = append(weak, p)
		}
	}
	out.Set("transfer", cty.ObjectVal(transfer))
	out.Set("transfer_strong", summary(strong))
	out.Set("transfer_weak", summary(weak))
	out.Set("transfer_pairs", cty.ObjectVal(map[string]cty.Value{"strong": estimate.Count(len(strong)), "weak": estimate.Count(len(weak))}))
}

func (p pair) value() cty.Value {
	q := p.quality
	return cty.ObjectVal(map[string]cty.Value{
		"srcc": stages.NumberValue(p.rho.Value), "proxy_optimal": estimate.Count(q.Proxy), "target_optimal": estimate.Count(q.Target),
		"kept": stages.NumberValue(q.Kept), "found": stages.NumberValue(q.Found), "after": estimate.Count(q.After),
		"hypervolume": stages.NumberValue(q.Hypervolume), "regret": stages.NumberValue(q.Regret),
		"max_regret": stages.NumberValue(q.MaxRegret), "uncovered": stages.NumberValue(q.Uncovered),
	})
}

// summary is of summaryType. Of no pairs, all is null.
func summary(pairs []pair) cty.Value {
	n := float64(len(pairs))
	if n == 0 {
		n = math.NaN()
	}
	kept, volume, regret := 0/n, 0/n, 0/n
	lowest, highest := math.Inf(1)/n, math.Inf(-1)/n
	for _, p := range pairs {
		kept += p.quality.Kept / n
		volume += p.quality.Hypervolume / n
		regret += p.quality.Regret / n
		lowest, highest = min(lowest, p.quality.Hypervolume), max(highest, p.quality.Regret)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"kept": stages.NumberValue(kept), "hypervolume": stages.NumberValue(volume),
		"min_hypervolume": stages.NumberValue(lowest), "regret": stages.NumberValue(regret), "max_regret": stages.NumberValue(highest),
	})
}

// writePairs makes the table of ordered pairs.
func (c *comparison) writePairs(in *stages.Input, out *stages.Output, pairs []pair) error {
	text := func(name string, of func(pair) string) table.Column {
		values := make([]string, len(pairs))
		for i, p := range pairs {
			values[i] = of(p)
		}
		return table.StringColumn(name, values)
	}
	number := func(name, unit string, of func(pair) float64) table.Column {
		values := make([]float64, len(pairs))
		for i, p := range pairs {
			values[i] = of(p)
		}
		column := table.FloatColumn(name, values)
		column.Unit = unit
		return column
	}
	columns := []table.Column{
		text("proxy", func(p pair) string { return c.Devices[p.proxy] }), text("target", func(p pair) string { return c.Devices[p.target] }),
		number("srcc", "", func(p pair) float64 { return p.rho.Value }), number("ci_low", "", func(p pair) float64 { return p.interval.Low }),
		number("ci_high", "", func(p pair) float64 { return p.interval.High }), number("cells", "", func(p pair) float64 { return float64(p.rho.N) }),
	}
	if c.accuracy != nil {
		columns = append(columns,
			number("proxy_optimal", "", func(p pair) float64 { return float64(p.quality.Proxy) }),
			number("target_optimal", "", func(p pair) float64 { return float64(p.quality.Target) }),
			number("kept", "", func(p pair) float64 { return p.quality.Kept }), number("found", "", func(p pair) float64 { return p.quality.Found }),
			number("after", "", func(p pair) float64 { return float64(p.quality.After) }),
			number("hypervolume", "", func(p pair) float64 { return p.quality.Hypervolume }),
			number("regret", "of "+c.Accuracy, func(p pair) float64 { return p.quality.Regret }),
			number("max_regret", "of "+c.Accuracy, func(p pair) float64 { return p.quality.MaxRegret }),
			number("uncovered", "", func(p pair) float64 { return p.quality.Uncovered }))
	}
	t, err := table.New(columns...)
	if err != nil {
		return fmt.Errorf("the table of pairs: %w", err)
	}
	return tablefile.Set(in, out, "pairs", t)
}
