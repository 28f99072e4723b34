package zerocostproxies

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/proxies"
)

// run is one run of the stage.
type run struct {
	stage *Stage
	in    *stages.Input
	batch *batch
	rows  []int

	version string // of the engine; "" for none

	mu     sync.Mutex
	scores map[int]map[proxies.Proxy]float64 // of representatives
	done   *journal
}

// representative is the architecture that is scored for another.
func representative(number int) int {
	classOf, representatives := nas.Classes()
	return representatives[classOf[number]]
}

// scored are the architectures that are scored, ascending. Counts are of each
// architecture without its network.
func (r *run) scored() []int {
	if len(r.stage.weighed()) == 0 {
		return nil
	}
	out := make([]int, len(r.rows))
	for i, n := range r.rows {
		out[i] = representative(n)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (s *Stage) network(number int, b *batch) (*nn.Network, error) {
	return nn.CellNetwork{
		Cell: nas.At(number), Form: nn.Point, Input: b.input,
		Channels: s.Channels, Cells: s.Cells, Outputs: b.classes, Init: nn.InitDefault,
	}.Build()
}

// score fills scores, several architectures at a time. What an attempt before
// this one has finished is not done again.
func (r *run) score(ctx context.Context) (err error) {
	path := ""
	if r.in.Resume != "" {
		path = filepath.Join(r.in.Resume, "scores.jsonl")
	}
	if r.done, r.scores, err = openJournal(path); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.done.close()) }()
	all := r.scored()
	left := slices.DeleteFunc(slices.Clone(all), func(n int) bool { return r.scores[n] != nil })
	r.in.Progress.Report(int64(len(all)-len(left)), int64(len(all)), "architectures")
	e, err := r.stage.engines(ctx, r.in, len(left))
	if err != nil {
		return err
	}
	r.version = e.version
	next := make(chan int)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(next)
		for _, n := range left {
			select {
			case next <- n:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range e.workers {
		group.Go(func() error { return r.work(ctx, e, next, int64(len(all))) })
	}
	return group.Wait()
}

// work scores architectures with an engine of its own.
func (r *run) work(ctx context.Context, e *engines, next <-chan int, total int64) error {
	engine, err := e.open()
	if err != nil {
		return err
	}
	for n := range next {
		scores, err := r.one(ctx, engine, e.threads, n)
		if err != nil {
			return fmt.Errorf("architecture %d: %w", n, err)
		}
		r.mu.Lock()
		r.scores[n] = scores
		err = r.done.add(n, scores)
		r.in.Progress.Report(int64(len(r.scores)), total, "architectures")
		r.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (r *run) one(ctx context.Context, engine nn.Engine, threads, number int) (map[proxies.Proxy]float64, error) {
	n, err := r.stage.network(number, r.batch)
	if err != nil {
		return nil, err
	}
	return proxies.Score(ctx, engine, &proxies.Job{
		Network: n, Weights: nn.InitialWeights(n, r.stage.Seed), Batch: r.batch.samples,
		Precision: nn.Precision(r.stage.Precision), Proxies: r.stage.weighed(), Threads: threads,
	})
}

// table has a row for each architecture, and counts the undefined scores.
func (r *run) table() (*table.Table, map[proxies.Proxy]int, error) {
	first := make([]int64, len(r.rows))
	for i, n := range r.rows {
		first[i] = int64(n)
	}
	columns := []table.Column{table.IntColumn(table.Architecture, first)}
	undefined := map[proxies.Proxy]int{}
	for _, p := range r.stage.asked() {
		values, err := r.values(p)
		if err != nil {
			return nil, nil, err
		}
		undefined[p] = rankUndefinedLast(values)
		c := table.FloatColumn(string(p), values)
		if c.Source = "zero-cost proxy, " + r.batch.source; p == proxies.Synflow {
			c.Source = "zero-cost proxy, an image of ones"
		}
		if p.Counted() {
			c.Unit, c.Source = "1e6", "counted"
		}
		columns = append(columns, c)
	}
	t, err := table.New(columns...)
	return t, undefined, err
}

// values are the scores of a column; NaN where undefined.
func (r *run) values(p proxies.Proxy) ([]float64, error) {
	out := make([]float64, len(r.rows))
	for i, n := range r.rows {
		if !p.Counted() {
			out[i] = r.scores[representative(n)][p]
			continue
		}
		skeleton := nas.Skeleton{
			Channels: r.stage.Channels, Cells: r.stage.Cells, InputChannels: r.batch.input.Channels, Classes: r.batch.classes,
			Height: r.batch.input.Height, Width: r.batch.input.Width,
		}
		if err := skeleton.Validate(); err != nil {
			return nil, err
		}
		if p == proxies.Params {
			out[i] = float64(nas.Params(nas.At(n), skeleton)) / 1e6
		} else {
			out[i] = float64(nas.FLOPs(nas.At(n), skeleton)) / 1e6
		}
	}
	return out, nil
}

// rankUndefinedLast replaces NaN by the number just below the lowest score, 0
// where there is none, and gives the number of replacements.
func rankUndefinedLast(values []float64) int {
	lowest, count := math.Inf(1), 0
	for _, v := range values {
		if math.IsNaN(v) {
			count++
		} else {
			lowest = min(lowest, v)
		}
	}
	worst := math.Nextafter(lowest, math.Inf(-1))
	if count == len(values) {
		worst = 0
	}
	for i, v := range values {
		if math.IsNaN(v) {
			values[i] = worst
		}
	}
	return count
}

// variant says what was computed, since it decides what a proxy is worth.
func (r *run) variant() map[string]string {
	s := r.stage
	v := map[string]string{
		"definitions":    "Abdelfattah et al., ICLR 2021, and their code mohsaied/zero-cost-nas",
		"batch_norm":     "training mode; identity in synflow",
		"initialisation": "PyTorch's defaults, drawn by the seed and a parameter's name; no bias in convolutions",
		"batch":          fmt.Sprintf("%d samples, %s; one image of ones in synflow", s.BatchSize, r.batch.source),
		"network":        fmt.Sprintf("C = %d, N = %d, input %s, %d outputs", s.Channels, s.Cells, r.batch.input, r.batch.classes),
		"members":        "of an isomorphism class have the score of their smallest number; params and flops are their own",
		"undefined":      "ranks worst: the number just below the lowest defined score",
		"precision":      "float64",
	}
	if s.needsEngine() {
		v["engine"] = s.Engine
		v["precision"] = s.Precision + "; synflow float64"
	}
	return v
}
