package torch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
)

// Algorithm is a search with shared weights; script/nbpipe_supernet.py says
// what each does in a step.
type Algorithm string

// The algorithms.
const (
	DARTS  Algorithm = "darts"  // first order
	GDAS   Algorithm = "gdas"   //
	Random Algorithm = "random" // uniform cells in training; then the best of Candidates with the shared weights
)

// opMixture is the operation of nodes that stand for an edge of the supernet.
const opMixture nn.Op = "mixture"

// SupernetJob is one search on the NAS-Bench-201 space with shared weights.
type SupernetJob struct {
	Algorithm Algorithm
	Network   nn.CellNetwork // its cell is not looked at
	Train     *nn.Dataset    // the weights are trained on
	Valid     *nn.Dataset    // the logits are trained on, or candidates judged
	Decoding  *nn.Decoding
	Seed      uint64

	Options SupernetOptions

	// Checkpoint is as that of nn.Job.
	Checkpoint string
}

// SupernetOptions are the numbers of a search.
type SupernetOptions struct {
	Epochs       int             `json:"epochs"`
	BatchSize    int             `json:"batch_size"`
	Optimizer    nn.Optimizer    `json:"optimizer"` // of the weights
	FinalRate    float64         `json:"final_rate"`
	Clip         float64         `json:"clip"`         // largest norm of the weights' gradient
	Architecture Adam            `json:"architecture"` // optimiser of the logits
	Loss         nn.Loss         `json:"loss"`
	Metric       nn.Metric       `json:"metric"`
	Precision    nn.Precision    `json:"precision"`
	Augmentation nn.Augmentation `json:"augmentation"` // of training data

	FirstTemperature float64 `json:"first_temperature"` // gdas: falls linearly over the epochs
	LastTemperature  float64 `json:"last_temperature"`

	Candidates        int `json:"candidates"`         // random: how many cells are judged
	ValidationSamples int `json:"validation_samples"` // by so many validation samples cells are judged, at most all
}

// Adam are the numbers of Adam with L2 regularisation, as torch.optim.Adam.
type Adam struct {
	LearningRate float64 `json:"learning_rate"`
	Beta1        float64 `json:"beta1"`
	Beta2        float64 `json:"beta2"`
	WeightDecay  float64 `json:"weight_decay"`
}

// DefaultSupernetOptions are those of the searches of NAS-Bench-201 (Dong and
// Yang, ICLR 2020, and AutoDL-Projects): SGD with Nesterov momentum, learning
// rate 0.025 to 0.001 by a cosine, weight decay 5e-4, batches of 64, gradients
// clipped at norm 5; Adam 3e-4 with betas 0.5 and 0.999 and weight decay 1e-3
// for the logits; temperatures 10 to 0.1; 100 candidates, judged by 512 samples.
// The 100 epochs are those of NATS-Bench (Dong et al., TPAMI 2021); NAS-Bench-201
// had 50 for DARTS, 240 for GDAS and 250 for random sampling.
func DefaultSupernetOptions() SupernetOptions {
	return SupernetOptions{
		Epochs: 100, BatchSize: 64, FinalRate: 0.001, Clip: 5,
		Optimizer:    nn.Optimizer{LearningRate: 0.025, Momentum: 0.9, Nesterov: true, WeightDecay: 5e-4},
		Architecture: Adam{LearningRate: 3e-4, Beta1: 0.5, Beta2: 0.999, WeightDecay: 1e-3},
		Loss:         nn.CrossEntropy, Metric: nn.ZeroOneError, Precision: nn.Float32,
		FirstTemperature: 10, LastTemperature: 0.1,
		Candidates: 100, ValidationSamples: 512,
	}
}

// Logits are the architecture's parameters: one for each edge and operation.
type Logits [nas.NumEdges][nas.NumOps]float64

// Cell has on each edge the operation with the largest logit, of equal ones the
// first.
func (l *Logits) Cell() nas.Cell {
	var c nas.Cell
	for e, row := range l {
		for op, v := range row {
			if v > row[c[e]] {
				c[e] = nas.Op(op)
			}
		}
	}
	return c
}

// SupernetEpoch are the figures of one epoch. Validation figures are those of
// the steps of the logits; the random search has none.
type SupernetEpoch struct {
	nn.EpochMetrics
	Logits Logits `json:"logits"` // after the epoch

	// Of the logits' cell after the epoch, with the shared weights, on the
	// validation samples by which cells are judged. The random search has none; they
	// are missing, too, where they are no numbers.
	CellLoss   *float64 `json:"cell_loss,omitempty"`
	CellMetric *float64 `json:"cell_metric,omitempty"`
}

// Candidate is a cell that was judged with the shared weights.
type Candidate struct {
	Cell         nas.Cell
	Loss, Metric float64
}

// SupernetResult is a finished search.
type SupernetResult struct {
	// Cell is that of the logits, or the best candidate; Loss and Metric are its
	// means over validation samples with the shared weights.
	Cell         nas.Cell
	Loss, Metric float64

	Logits     Logits
	Epochs     []SupernetEpoch
	Candidates []Candidate // random, in the order in which they were drawn
	Weights    nn.Weights  // shared ones
	Resumed    int         // epochs that a checkpoint had done
}

// SupernetHooks are called from Supernet's own goroutine. Each may be nil.
type SupernetHooks struct {
	Step  func(done, total int)
	Epoch func(SupernetEpoch)
}

type supernetSpec struct {
	SupernetOptions
	Algorithm Algorithm `json:"algorithm"`
	Logits    Logits    `json:"logits"`
	Cutout    int       `json:"cutout"`
}

// logitsTensor and candidatesTensor are the names in the script's result.
const (
	logitsTensor     = "search/logits"
	candidatesTensor = "search/candidates"
)

// searching is a job of mode supernet with what its messages need.
type searching struct {
	*course[SupernetEpoch]
	ask   *SupernetJob
	net   *nn.Supernet
	cells []nas.Cell // candidates
	out   SupernetResult
}

// Supernet searches with shared weights. What is random is drawn from the
// job's seed: initial weights and batches as in training; initial logits,
// 0.001 N(0, 1), from the stream "logits"; the validation samples, for each
// training sample one drawn with replacement, from "architecture samples";
// noise and sampled cells from "architecture draws"; candidates from
// "candidates", and the validation samples that judge cells from "judged samples".
func (e *Engine) Supernet(ctx context.Context, ask *SupernetJob, hooks SupernetHooks) (*SupernetResult, error) {
	net, err := ask.Network.BuildSupernet()
	if err != nil {
		return nil, err
	}
	if err := ask.validate(net.Network); err != nil {
		return nil, err
	}
	c, err := newCourse(ctx, e, "supernet", ask.job(net.Network), func(e SupernetEpoch) int { return e.Epoch })
	if err != nil {
		return nil, err
	}
	defer c.remove()
	s := &searching{course: c, ask: ask, net: net}
	c.step, c.epoch, c.plan, c.after = hooks.Step, hooks.Epoch, s.epochPlan, ask.Algorithm == Random
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	if err := c.run(ctx); err != nil {
		return nil, err
	}
	return s.finish()
}

// job is the search seen as a training: what the two share is checked and
// drawn by package nn.
func (a *SupernetJob) job(network *nn.Network) *nn.Job {
	o := a.Options
	return &nn.Job{Network: network, Seed: a.Seed, Train: a.Train, Valid: a.Valid, Decoding: a.Decoding, Recipe: nn.Recipe{
		Epochs: o.Epochs, BatchSize: o.BatchSize, Optimizer: o.Optimizer, Schedule: nn.Schedule{Name: nn.Cosine},
		Loss: o.Loss, Metric: o.Metric, Precision: o.Precision, Augmentation: o.Augmentation,
	}}
}

func (a *SupernetJob) validate(network *nn.Network) error {
	o := a.Options
	algorithms := []Algorithm{DARTS, GDAS, Random}
	switch {
	case !slices.Contains(algorithms, a.Algorithm):
		return fmt.Errorf("supernet: unknown algorithm %q; the algorithms are %v", a.Algorithm, algorithms)
	case a.Valid == nil:
		return fmt.Errorf("supernet: there are no validation data: the architecture is chosen by them")
	case !(o.FinalRate >= 0 && o.FinalRate <= o.Optimizer.LearningRate):
		return fmt.Errorf("supernet: final_rate is %v; it must be from 0 to the learning_rate of %v", o.FinalRate, o.Optimizer.LearningRate)
	case !(o.Clip > 0):
		return fmt.Errorf("supernet: clip is %v; it must be over 0", o.Clip)
	case !(o.Architecture.LearningRate > 0) || !(o.Architecture.WeightDecay >= 0):
		return fmt.Errorf("supernet: the architecture's learning_rate is %v, its weight_decay %v; the rate must be over 0, the decay 0 or more", o.Architecture.LearningRate, o.Architecture.WeightDecay)
	case a.Algorithm == GDAS && !(o.FirstTemperature > 0 && o.LastTemperature > 0):
		return fmt.Errorf("supernet: the temperatures are %v and %v; both must be over 0", o.FirstTemperature, o.LastTemperature)
	case a.Algorithm == Random && o.Candidates < 1:
		return fmt.Errorf("supernet: %d candidates; there must be at least 1", o.Candidates)
	case o.ValidationSamples < 1:
		return fmt.Errorf("supernet: cells are judged by %d validation samples; it must be at least 1", o.ValidationSamples)
	}
	return a.job(network).Validate()
}

func (s *searching) prepare(ctx context.Context) error {
	o := s.ask.Options
	s.spec.Supernet = &supernetSpec{SupernetOptions: o, Algorithm: s.ask.Algorithm, Cutout: o.Augmentation.Cutout}
	draw := nn.Stream(s.ask.Seed, "logits", 0)
	for e := range s.spec.Supernet.Logits {
		for op := range s.spec.Supernet.Logits[e] {
			s.spec.Supernet.Logits[e][op] = float64(float32(1e-3 * draw.NormFloat64()))
		}
	}
	if s.ask.Checkpoint != "" {
		if err := s.resume(ctx); err != nil {
			return err
		}
	}
	err := s.network(s.net.Network, nn.InitialWeights(s.net.Network, s.ask.Seed), s.ask.Decoding, o.Precision)
	if err != nil {
		return err
	}
	for i := range s.spec.Network.Nodes {
		n := &s.spec.Network.Nodes[i]
		if edge, ok := s.net.Mixtures[n.Name]; ok {
			n.Op, n.Edge = opMixture, edge
		}
	}
	if s.spec.Train, err = s.data("train", s.ask.Train, o.Loss); err != nil {
		return err
	}
	s.spec.Valid, err = s.data("valid", s.ask.Valid, o.Loss)
	return err
}

// resume looks for a checkpoint of this search.
func (s *searching) resume(ctx context.Context) error {
	options, err := json.Marshal(s.spec.Supernet)
	if err != nil {
		return err
	}
	if err := s.keep(ctx, s.ask.job(s.net.Network), s.ask.Checkpoint, string(options)); err != nil {
		return err
	}
	all, text, err := nn.ReadCheckpoint(s.spec.Checkpoint, s.spec.Job)
	if all == nil || err != nil {
		return err
	}
	var epochs []SupernetEpoch
	if err := json.Unmarshal(text, &epochs); err != nil {
		return fmt.Errorf("checkpoint %s: its epochs: %w; remove it to start from the beginning", s.spec.Checkpoint, err)
	}
	return s.goOn(epochs)
}

// epochPlan gives the draws of an epoch, or after the last one the candidates.
func (s *searching) epochPlan(epoch int) (map[string]any, error) {
	o := s.ask.Options
	if epoch == o.Epochs {
		return s.candidatePlan()
	}
	r := s.ask.job(s.net.Network).Recipe
	rate := o.FinalRate + (1-o.FinalRate/o.Optimizer.LearningRate)*r.LearningRate(epoch)
	temperature := o.FirstTemperature
	if o.Epochs > 1 {
		temperature -= (o.FirstTemperature - o.LastTemperature) * float64(epoch) / float64(o.Epochs-1)
	}
	plan := map[string]any{"batches": s.path("batches.npy"), "valid": s.path("valid.npy"), "learning_rate": rate, "temperature": temperature}
	err := s.schedule("batches.npy", nn.Batches(s.ask.Seed, epoch, s.ask.Train, &r, s.ask.Network.Input))
	if err != nil {
		return nil, err
	}
	choose := nn.Stream(s.ask.Seed, "architecture samples", uint64(epoch))
	rows := make([]int32, s.ask.Train.Seen(r.Augmentation))
	for i := range rows {
		rows[i] = int32(choose.IntN(s.ask.Valid.Len()))
	}
	if err := s.rows("valid.npy", rows); err != nil {
		return nil, err
	}
	if s.ask.Algorithm != Random {
		plan["judged"] = s.path("judged.npy")
		if err := s.rows("judged.npy", s.judgedSamples()); err != nil {
			return nil, err
		}
	}
	if s.ask.Algorithm != DARTS {
		plan["draws"] = s.path("draws.npy")
		err = s.draws(epoch)
	}
	return plan, err
}

// judgedSamples are the validation samples by which cells are judged, the same
// throughout a search.
func (s *searching) judgedSamples() []int32 {
	var rows []int32
	all := nn.Stream(s.ask.Seed, "judged samples", 0).Perm(s.ask.Valid.Len())
	for _, i := range all[:min(s.ask.Options.ValidationSamples, len(all))] {
		rows = append(rows, int32(i))
	}
	return rows
}

func (s *searching) rows(name string, rows []int32) error {
	return s.write(name, func(to io.Writer) error {
		return npy.Write(to, npy.Header{Type: npy.Int32, Shape: []int{len(rows), 1}}, rows)
	})
}

// draws writes what a step draws, first for the weights and then for the
// logits: Gumbel noise (steps, 2, edges, operations), or operations (steps, 2,
// edges).
func (s *searching) draws(epoch int) error {
	draw := nn.Stream(s.ask.Seed, "architecture draws", uint64(epoch))
	if s.ask.Algorithm == Random {
		ops := make([]int32, s.steps*2*nas.NumEdges)
		for i := range ops {
			ops[i] = int32(draw.IntN(nas.NumOps))
		}
		return s.write("draws.npy", func(to io.Writer) error {
			return npy.Write(to, npy.Header{Type: npy.Int32, Shape: []int{s.steps, 2, nas.NumEdges}}, ops)
		})
	}
	noise := make([]float64, s.steps*2*nas.NumEdges*nas.NumOps)
	for i := range noise {
		noise[i] = -math.Log(draw.ExpFloat64())
	}
	return s.write("draws.npy", func(to io.Writer) error {
		return npy.Write(to, npy.Header{Type: npy.Float64, Shape: []int{s.steps, 2, nas.NumEdges, nas.NumOps}}, noise)
	})
}

// candidatePlan draws the cells to judge.
func (s *searching) candidatePlan() (map[string]any, error) {
	draw := nn.Stream(s.ask.Seed, "candidates", 0)
	s.cells = make([]nas.Cell, s.ask.Options.Candidates)
	var ops []int32
	for i := range s.cells {
		for e := range s.cells[i] {
			s.cells[i][e] = nas.Op(draw.IntN(nas.NumOps))
			ops = append(ops, int32(s.cells[i][e]))
		}
	}
	if err := s.rows("judged.npy", s.judgedSamples()); err != nil {
		return nil, err
	}
	err := s.write("draws.npy", func(to io.Writer) error {
		return npy.Write(to, npy.Header{Type: npy.Int32, Shape: []int{len(s.cells), nas.NumEdges}}, ops)
	})
	return map[string]any{"judged": s.path("judged.npy"), "draws": s.path("draws.npy")}, err
}

func (s *searching) finish() (*SupernetResult, error) {
	w, err := s.result()
	if err != nil {
		return nil, err
	}
	logits, ok := w[logitsTensor]
	if !ok || len(logits.Data) != nas.NumEdges*nas.NumOps {
		return nil, &Error{Kind: Malformed, Message: fmt.Sprintf("the script gave %d logits of %d", len(logits.Data), nas.NumEdges*nas.NumOps)}
	}
	for i, v := range logits.Data {
		s.out.Logits[i/nas.NumOps][i%nas.NumOps] = v
	}
	s.out.Epochs, s.out.Resumed = s.done, s.resumed
	if s.ask.Algorithm == Random {
		err = s.judge(w[candidatesTensor])
	} else {
		err = s.derive()
	}
	if err != nil {
		return nil, err
	}
	delete(w, logitsTensor)
	delete(w, candidatesTensor)
	s.out.Weights = w
	return &s.out, w.Check(s.net.Network)
}

// derive takes the cell of the logits.
func (s *searching) derive() error {
	last := s.done[len(s.done)-1]
	if last.CellLoss == nil || last.CellMetric == nil {
		return s.diverged()
	}
	s.out.Cell, s.out.Loss, s.out.Metric = s.out.Logits.Cell(), *last.CellLoss, *last.CellMetric
	return nil
}

// diverged says that the cells' losses are no numbers.
func (s *searching) diverged() error {
	return &nn.DivergedError{Epoch: s.epochs - 1, Step: s.steps - 1, Loss: math.NaN()}
}

// judge takes the candidate with the least metric, then loss, then the first.
func (s *searching) judge(values nn.Tensor) error {
	if len(values.Data) != 2*len(s.cells) {
		return &Error{Kind: Malformed, Message: fmt.Sprintf("the script judged %d candidates of %d", len(values.Data)/2, len(s.cells))}
	}
	best := -1
	for i, cell := range s.cells {
		c := Candidate{Cell: cell, Loss: values.Data[2*i], Metric: values.Data[2*i+1]}
		s.out.Candidates = append(s.out.Candidates, c)
		if math.IsNaN(c.Metric) || math.IsNaN(c.Loss) {
			continue
		}
		if best < 0 || c.Metric < s.out.Candidates[best].Metric || c.Metric == s.out.Candidates[best].Metric && c.Loss < s.out.Candidates[best].Loss {
			best = i
		}
	}
	if best < 0 {
		return s.diverged()
	}
	found := s.out.Candidates[best]
	s.out.Cell, s.out.Loss, s.out.Metric = found.Cell, found.Loss, found.Metric
	return nil
}
