package search

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/torch"
	"github.com/nbpipe/nbpipe/stages/training"
)

// sharingTypes are the outputs of every search with shared weights.
func sharingTypes() map[string]cty.Type {
	return withTypes(map[string]cty.Type{"epochs": stages.TableType, "weights": stages.FileType, "curves": stages.FileType})
}

// logitTypes are those of searches that train logits.
func logitTypes() map[string]cty.Type {
	types := sharingTypes()
	maps.Copy(types, map[string]cty.Type{"logits": stages.TableType, "operations": stages.FileType})
	return types
}

// sharingDocs say what the outputs of every search with shared weights are.
func sharingDocs() map[string]string {
	return withDocs(map[string]string{
		"best":      "The best cell that a run returned, by the metric with the shared weights: both search and report.",
		"optimum":   "Null: nobody has trained all cells.",
		"final":     "Metric with the shared weights, on the validation split, of the cell that a run returned: mean over runs.",
		"regret":    "Null, as optimum.",
		"history":   "A row a judged cell: its metric with the shared weights; cost in epochs.",
		"incumbent": "The metric of the cell that a run would have returned after so many epochs: mean over runs with its interval.",
		"epochs":    "A row a run and epoch: learning rate, losses and metrics of the supernet, and of the logits' cell; entropy of the logits in nats.",
		"weights":   "Folder with the shared weights of each run, run-N.safetensors.",
		"curves":    "Losses of the supernet over epochs, and the entropy of its logits where it has any.",
	})
}

// logitDocs say what those of searches that train logits are.
func logitDocs() map[string]string {
	docs := sharingDocs()
	docs["logits"] = "A row a run, epoch, edge and operation: its logit, and its probability, the softmax over the edge."
	docs["operations"] = "Probability of each operation on each edge over epochs, of the run whose cell is best."
	return docs
}

// Resources implements stages.Estimator: of as many trainings as there are runs. A
// supernet all of whose operations run takes little more than a cell's network: 1.6 GB
// was measured where Memory says 1.5.
func (s *WeightSharing) Resources() stages.Resources {
	memory := s.Memory(s.BatchSize) * 5 / 4
	held := 3 * s.Data.Size // as the files have them, prepared, and between the two
	n := min(max(s.Runs, 1), mostTrainings)
	r := stages.Resources{CPUs: float64(n * max(s.Threads, 1)), Memory: int64(n)*memory + held}
	if s.Device == string(torch.CUDA) {
		r = stages.Resources{CPUs: 1, Memory: memory + held, GPUs: 1}
	}
	return r
}

// supernets is a node at work.
type supernets struct {
	*WeightSharing
	in        *stages.Input
	algorithm torch.Algorithm
	options   torch.SupernetOptions
	prepared  *training.Prepared
	network   nn.CellNetwork
	done      []*torch.SupernetResult // by run, without weights
	weights   string                  // folder
	resumed   int                     // epochs that an attempt before had done, of all runs
}

// search trains a supernet a run; set adds the kind's own options.
func (s *WeightSharing) search(ctx context.Context, in *stages.Input, out *stages.Output, algorithm torch.Algorithm, set func(*torch.SupernetOptions)) error {
	source, err := training.Read(ctx, in, s.Data, false)
	if err != nil {
		return err
	}
	w := &supernets{
		WeightSharing: s, in: in, algorithm: algorithm, options: s.options(&source.Description),
		done: make([]*torch.SupernetResult, s.Runs), weights: filepath.Join(in.Scratch, "weights"),
	}
	set(&w.options)
	if w.prepared, err = source.Prepare([]string{training.Train}); err != nil {
		return err
	}
	p := w.prepared
	if p.Valid == nil {
		return errors.New("data: the validation split has no samples, and architectures are chosen by it; the test split stays unseen")
	}
	w.network = nn.CellNetwork{Form: p.Form, Input: p.Input, Channels: s.Channels, Cells: s.Cells, Stages: s.Stages, Outputs: p.Outputs, Init: nn.InitDefault}
	if _, err := w.network.BuildSupernet(); err != nil {
		return fmt.Errorf("data: a supernet for samples of %s: %w", p.Input, err)
	}
	trainer, version, err := s.engine().Trainer(ctx, in, s.Runs)
	if err != nil {
		return err
	}
	out.Facts["engine"] = version
	if err := w.train(ctx, trainer); err != nil {
		return err
	}
	if w.resumed > 0 {
		out.Metrics["epochs_done_before"] = float64(w.resumed)
	}
	return w.publish(out)
}

// seedOf is the seed of a run's draws.
func (s *WeightSharing) seedOf(run int) uint64 {
	return nn.Stream(s.Seed, "weight sharing", uint64(run)).Uint64()
}

func (w *supernets) train(ctx context.Context, trainer *training.Trainer) error {
	if err := os.Mkdir(w.weights, 0o755); err != nil {
		return err
	}
	tasks := make([]training.Sharing, w.Runs)
	for i := range tasks {
		run := w.FirstRun + i
		tasks[i] = training.Sharing{Name: fmt.Sprintf("run-%d", run), Job: torch.SupernetJob{
			Algorithm: w.algorithm, Network: w.network, Options: w.options, Seed: w.seedOf(run),
			Train: w.prepared.Train, Valid: w.prepared.Valid, Decoding: w.prepared.Decoding,
		}}
	}
	return trainer.Share(ctx, tasks, func(i int, r *torch.SupernetResult) error {
		w.resumed += r.Resumed
		err := w.keepWeights(w.FirstRun+i, r)
		r.Weights = nil // those of many runs would not fit
		w.done[i] = r
		return err
	})
}

// keepWeights writes the shared weights. A parameter of an operation is named
// after edge and operation.
func (w *supernets) keepWeights(run int, r *torch.SupernetResult) (err error) {
	f, err := os.Create(filepath.Join(w.weights, fmt.Sprintf("run-%d.safetensors", run)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b := bufio.NewWriter(f)
	metadata := map[string]string{"architecture": r.Cell.String(), "run": strconv.Itoa(run), "format": "pt"}
	if err := nn.WriteTensors(b, r.Weights, w.options.Precision, metadata); err != nil {
		return err
	}
	return b.Flush()
}

// judgement is a cell that a run judged.
type judgement struct {
	epochs int // that the supernet had been trained for
	cell   nas.Cell
	metric float64 // NaN where it is no number
}

// judgements are the logits' cell after each epoch, or all candidates after the
// last.
func (w *supernets) judgements(r *torch.SupernetResult) []judgement {
	var out []judgement
	for _, c := range r.Candidates {
		out = append(out, judgement{w.Epochs, c.Cell, finite(c.Metric)})
	}
	if w.algorithm == torch.Random {
		return out
	}
	for _, e := range r.Epochs {
		out = append(out, judgement{e.Epoch + 1, e.Logits.Cell(), finite(orNaN(e.CellMetric))})
	}
	return out
}

func orNaN(v *float64) float64 { return training.Or(v, math.NaN()) }

// finite is the number, or NaN where it is none.
func finite(v float64) float64 {
	if math.IsInf(v, 0) {
		return math.NaN()
	}
	return v
}

// publish sets the outputs. Costs are epochs of the supernet.
func (w *supernets) publish(out *stages.Output) error {
	d := &data{minimise: true, epochs: []int{1}}
	r := resampling{w.Resamples, w.Seed}
	ends := make([]finish, w.Runs)
	for i, f := range w.done {
		ends[i] = finish{
			run: w.FirstRun + i, architecture: nas.Index(f.Cell), search: f.Metric, report: f.Metric, value: -f.Metric,
			evaluations: len(w.judgements(f)), cost: float64(w.Epochs),
		}
	}
	if err := r.conclude(w.in, out, d, ends); err != nil {
		return err
	}
	if err := w.writeHistory(out, d); err != nil {
		return err
	}
	grid, values := w.incumbents()
	if err := r.writeCurve(w.in, out, d, grid, values); err != nil {
		return err
	}
	if err := w.writeEpochs(out, d); err != nil {
		return err
	}
	out.SetFile("weights", w.weights, "weights")
	if err := w.writeCurves(out); err != nil {
		return err
	}
	if w.algorithm == torch.Random {
		return nil
	}
	if err := w.writeLogits(out, d); err != nil {
		return err
	}
	return w.writeOperations(out, best(ends))
}

// best is the position of the run whose cell is returned.
func best(ends []finish) int {
	at := 0
	for i, e := range ends {
		if e.value > ends[at].value {
			at = i
		}
	}
	return at
}

// incumbents are the metrics of what each run would have returned after so many
// epochs. Candidates are judged after the last alone.
func (w *supernets) incumbents() (grid []float64, values [][]float64) {
	for _, r := range w.done {
		if w.algorithm == torch.Random {
			values = append(values, []float64{r.Metric})
			continue
		}
		var metrics []float64
		for _, j := range w.judgements(r) {
			metrics = append(metrics, j.metric)
		}
		values = append(values, metrics)
	}
	for i := range values[0] {
		grid = append(grid, float64(w.Epochs-len(values[0])+i+1))
	}
	return grid, values
}

// writeHistory has a row a judged cell.
func (w *supernets) writeHistory(out *stages.Output, d *data) error {
	var run, step, architecture, epochs []int64
	var search, cost []float64
	for i, r := range w.done {
		for n, j := range w.judgements(r) {
			run, step, architecture = append(run, int64(w.FirstRun+i)), append(step, int64(n+1)), append(architecture, int64(nas.Index(j.cell)))
			epochs, search, cost = append(epochs, int64(j.epochs)), append(search, j.metric), append(cost, float64(j.epochs))
		}
	}
	return writeTable(w.in, out, "history", d, table.IntColumn("run", run), table.IntColumn("step", step), table.IntColumn(table.Architecture, architecture),
		table.FloatColumn("search", search), table.FloatColumn("report", search), table.FloatColumn("cost", cost), table.IntColumn("epochs", epochs))
}

// writeEpochs has a row a run and epoch: the supernet's losses and metrics.
func (w *supernets) writeEpochs(out *stages.Output, d *data) error {
	var run, epoch []int64
	var rate, trainLoss, trainMetric, validLoss, validMetric, cellLoss, cellMetric, entropies []float64
	for i, r := range w.done {
		for _, e := range r.Epochs {
			run, epoch, rate = append(run, int64(w.FirstRun+i)), append(epoch, int64(e.Epoch)), append(rate, e.LearningRate)
			trainLoss, trainMetric = append(trainLoss, e.TrainLoss), append(trainMetric, e.TrainMetric)
			validLoss, validMetric = append(validLoss, orNaN(e.ValidLoss)), append(validMetric, orNaN(e.ValidMetric))
			cellLoss, cellMetric = append(cellLoss, orNaN(e.CellLoss)), append(cellMetric, orNaN(e.CellMetric))
			entropies = append(entropies, w.entropy(&e.Logits))
		}
	}
	return writeTable(w.in, out, "epochs", d, table.IntColumn("run", run), table.IntColumn("epoch", epoch), table.FloatColumn("learning_rate", rate),
		table.FloatColumn("train_loss", trainLoss), table.FloatColumn("train_metric", trainMetric),
		table.FloatColumn("validation_loss", validLoss), table.FloatColumn("validation_metric", validMetric),
		table.FloatColumn("cell_loss", cellLoss), table.FloatColumn("cell_metric", cellMetric), table.FloatColumn("entropy", entropies))
}

// entropy is the mean over edges of the entropy of the logits' softmax, in nats:
// ln 5 where nothing is decided, 0 where all is. NaN without logits.
func (w *supernets) entropy(l *torch.Logits) float64 {
	if w.algorithm == torch.Random {
		return math.NaN()
	}
	sum := 0.0
	for _, edge := range probabilities(l) {
		for _, p := range edge {
			if p > 0 {
				sum -= p * math.Log(p)
			}
		}
	}
	return sum / nas.NumEdges
}

// probabilities are the softmax of each edge's logits.
func probabilities(l *torch.Logits) (out [nas.NumEdges][nas.NumOps]float64) {
	for e, row := range l {
		top, sum := row[0], 0.0
		for _, v := range row {
			top = max(top, v)
		}
		for op, v := range row {
			out[e][op] = math.Exp(v - top)
			sum += out[e][op]
		}
		for op := range row {
			out[e][op] /= sum
		}
	}
	return out
}

// writeLogits has a row a run, epoch, edge and operation.
func (w *supernets) writeLogits(out *stages.Output, d *data) error {
	var run, epoch []int64
	var edge, operation []string
	var logit, probability []float64
	for i, r := range w.done {
		for _, e := range r.Epochs {
			p := probabilities(&e.Logits)
			for at, name := range nas.Edges() {
				for o, op := range nas.Ops() {
					run, epoch = append(run, int64(w.FirstRun+i)), append(epoch, int64(e.Epoch))
					edge, operation = append(edge, name.String()), append(operation, op.String())
					logit, probability = append(logit, e.Logits[at][o]), append(probability, p[at][o])
				}
			}
		}
	}
	return writeTable(w.in, out, "logits", d, table.IntColumn("run", run), table.IntColumn("epoch", epoch), table.StringColumn("edge", edge),
		table.StringColumn("operation", operation), table.FloatColumn("logit", logit), table.FloatColumn("probability", probability))
}
