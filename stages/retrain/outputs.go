package retrain

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/preprocess/tablefile"
)

var (
	// summaryType is a mean over seeds.
	summaryType = cty.Object(map[string]cty.Type{
		"value": cty.Number, "ci_low": cty.Number, "ci_high": cty.Number, "sd": cty.Number, "n": cty.Number,
	})
	recipeType = cty.Object(map[string]cty.Type{
		"epochs": cty.Number, "batch_size": cty.Number, "learning_rate": cty.Number, "momentum": cty.Number, "nesterov": cty.Bool,
		"weight_decay": cty.Number, "schedule": cty.String, "milestones": cty.List(cty.Number), "factor": cty.Number, "loss": cty.String,
		"metric": cty.String, "precision": cty.String, "crop": cty.Number, "flip": cty.Bool, "cutout": cty.Number,
		"one_a_record": cty.Bool, "levels": cty.List(cty.Number), "spec_augment": cty.Number, "noise": cty.Number, "noise_share": cty.Number,
	})
)

func outputTypes() map[string]cty.Type {
	return map[string]cty.Type{
		"test": summaryType, "validation": summaryType, "errors": cty.List(cty.Number), "results": stages.TableType, "history": stages.TableType,
		"weights": stages.FileType, "examples": stages.FileType, "curves": stages.FileType, "fields": stages.FileType,
		"recipe": recipeType, "parameters": cty.Number, "macs": cty.Number,
	}
}

// outputDocs say what they are.
func outputDocs() map[string]string {
	return map[string]string{
		"test":       "The metric on the split test: mean over seeds.",
		"validation": "The metric on the split validation after the last epoch: mean over seeds.",
		"errors":     "The metric on the split test, by seed.",
		"results":    "A row a seed: metrics after the last epoch.",
		"history":    "A row an epoch of a seed.",
		"weights":    "Folder with the weights of each seed, safetensors.",
		"examples":   "Predictions of some samples of the split test.",
		"curves":     "Loss and metric over epochs.",
		"fields":     "Some predictions beside their targets, drawn, where they are fields.",
		"recipe":     "How the network was trained, defaults filled in.",
		"parameters": "How many there are.",
		"macs":       "Multiply-accumulates of a sample.",
	}
}

// publish sets the outputs.
func (r *retraining) publish(out *stages.Output) error {
	macs, err := r.network.MultiplyAccumulates()
	if err != nil {
		return err
	}
	out.Set("parameters", cty.NumberIntVal(r.network.ParameterCount()))
	out.Set("macs", cty.NumberIntVal(macs))
	out.Set("recipe", recipeValue(&r.recipe))
	test, validation := make([]float64, len(r.done)), make([]float64, len(r.done))
	errorsOf := make([]cty.Value, len(r.done))
	for i, t := range r.done {
		test[i], validation[i] = testMetric(t.Test), valueOr(t.Valid)
		errorsOf[i] = stages.NumberValue(test[i])
	}
	out.Set("test", summary(test))
	out.Set("validation", summary(validation))
	out.Set("errors", cty.ListVal(errorsOf))
	out.SetFile("weights", r.weights, "weights")
	for _, write := range []func(*stages.Output) error{r.writeResults, r.writeHistory, r.writeExamples, r.writeCurves, r.writeFields} {
		if err := write(out); err != nil {
			return err
		}
	}
	return nil
}

func testMetric(e *nn.Evaluated) float64 {
	if e == nil {
		return math.NaN()
	}
	return e.Metric
}

// last is the metric on the validation split after the last epoch.
func last(epochs []nn.EpochMetrics) float64 { return valueOr(epochs[len(epochs)-1].ValidMetric) }

func valueOr(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

func summary(x []float64) cty.Value {
	i := stats.StudentMean(x)
	return cty.ObjectVal(map[string]cty.Value{
		"value": stages.NumberValue(i.Value), "ci_low": stages.NumberValue(i.Low), "ci_high": stages.NumberValue(i.High),
		"sd": stages.NumberValue(i.StdErr * math.Sqrt(float64(len(x)))), "n": cty.NumberIntVal(int64(len(x))),
	})
}

func recipeValue(r *nn.Recipe) cty.Value {
	milestones := cty.ListValEmpty(cty.Number)
	var list []cty.Value
	for _, m := range r.Schedule.Milestones {
		list = append(list, cty.NumberIntVal(int64(m)))
	}
	if list != nil {
		milestones = cty.ListVal(list)
	}
	factor := cty.NullVal(cty.Number)
	if r.Schedule.Name == nn.Steps {
		factor = cty.NumberFloatVal(r.Schedule.Factor)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"epochs": cty.NumberIntVal(int64(r.Epochs)), "batch_size": cty.NumberIntVal(int64(r.BatchSize)),
		"learning_rate": cty.NumberFloatVal(r.Optimizer.LearningRate), "momentum": cty.NumberFloatVal(r.Optimizer.Momentum),
		"nesterov": cty.BoolVal(r.Optimizer.Nesterov), "weight_decay": cty.NumberFloatVal(r.Optimizer.WeightDecay),
		"schedule": cty.StringVal(string(r.Schedule.Name)), "milestones": milestones, "factor": factor,
		"loss": cty.StringVal(string(r.Loss)), "metric": cty.StringVal(string(r.Metric)), "precision": cty.StringVal(string(r.Precision)),
		"crop": cty.NumberIntVal(int64(r.Augmentation.Crop)), "flip": cty.BoolVal(r.Augmentation.Flip), "cutout": cty.NumberIntVal(int64(r.Augmentation.Cutout)),
		"one_a_record": cty.BoolVal(r.Augmentation.OneARecord), "spec_augment": cty.NumberFloatVal(r.Augmentation.SpecAugment),
		"levels": cty.ListVal([]cty.Value{cty.NumberFloatVal(r.Augmentation.Levels[0]), cty.NumberFloatVal(r.Augmentation.Levels[1])}),
		"noise":  cty.NumberFloatVal(r.Augmentation.Noise), "noise_share": cty.NumberFloatVal(r.Augmentation.NoiseShare),
	})
}

// writeResults has a row a seed: the metrics after the last epoch.
func (r *retraining) writeResults(out *stages.Output) error {
	n := len(r.done)
	seed, text := make([]int64, n), make([]string, n)
	test, loss, train, valid := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	for i, t := range r.done {
		seed[i], text[i] = int64(i), fmt.Sprint(r.Seeds[i])
		test[i], loss[i] = testMetric(t.Test), math.NaN()
		if t.Test != nil {
			loss[i] = t.Test.Loss
		}
		train[i], valid[i] = t.Epochs[len(t.Epochs)-1].TrainMetric, valueOr(t.Valid)
	}
	return r.setTable(out, "results", table.IntColumn("training", seed), table.StringColumn("seed", text), table.FloatColumn("test_metric", test),
		table.FloatColumn("test_loss", loss), table.FloatColumn("train_metric", train), table.FloatColumn("validation_metric", valid))
}

// writeHistory has a row a seed and epoch.
func (r *retraining) writeHistory(out *stages.Output) error {
	var training, epoch []int64
	var seed []string
	var rate, trainLoss, trainMetric, validLoss, validMetric []float64
	for i, t := range r.done {
		for _, e := range t.Epochs {
			training, seed, epoch = append(training, int64(i)), append(seed, fmt.Sprint(r.Seeds[i])), append(epoch, int64(e.Epoch))
			rate, trainLoss, trainMetric = append(rate, e.LearningRate), append(trainLoss, e.TrainLoss), append(trainMetric, e.TrainMetric)
			validLoss, validMetric = append(validLoss, valueOr(e.ValidLoss)), append(validMetric, valueOr(e.ValidMetric))
		}
	}
	return r.setTable(out, "history", table.IntColumn("training", training), table.StringColumn("seed", seed), table.IntColumn("epoch", epoch),
		table.FloatColumn("learning_rate", rate), table.FloatColumn("train_loss", trainLoss), table.FloatColumn("train_metric", trainMetric),
		table.FloatColumn("validation_loss", validLoss), table.FloatColumn("validation_metric", validMetric))
}

func (r *retraining) setTable(out *stages.Output, name string, columns ...table.Column) error {
	t, err := table.New(columns...)
	if err != nil {
		return fmt.Errorf("output %s: %w", name, err)
	}
	return tablefile.Set(r.in, out, name, t)
}

// examples is how many test samples are kept.
func (r *retraining) examples() int { return r.done[0].Outputs.Len() }

// writeExamples keeps inputs, targets and outputs of the first test samples.
func (r *retraining) writeExamples(out *stages.Output) error {
	n := r.examples()
	if n == 0 {
		out.Set("examples", cty.NullVal(stages.FileType))
		return nil
	}
	dir := filepath.Join(r.in.Scratch, "examples")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	test, err := r.data.Examples(n)
	if err != nil {
		return err
	}
	arrays := map[string]nn.Array{"inputs": test.Inputs, "outputs": r.done[0].Outputs}
	if test.Labels == nil {
		arrays["targets"] = test.Targets
	}
	for name, a := range arrays {
		if err := writeArray(filepath.Join(dir, name+".npy"), npy.Header{Type: npy.Float32, Shape: a.Shape}, a.Data); err != nil {
			return err
		}
	}
	if test.Labels != nil {
		labels := make([]int64, len(test.Labels))
		for i, l := range test.Labels {
			labels[i] = int64(l)
		}
		if err := writeArray(filepath.Join(dir, "labels.npy"), npy.Header{Type: npy.Int32, Shape: []int{n}}, labels); err != nil {
			return err
		}
	}
	out.SetFile("examples", dir, "examples")
	return nil
}

func writeArray[T npy.Number](path string, h npy.Header, values []T) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return npy.Write(f, h, values)
}
