// Package training turns what an experiment says of data, recipe and engine into
// trainings of stages/nn. The kinds under `retrain`, and searches that train, share
// it; it is no kind itself.
//
// # Data
//
// Data reach training as a folder: arrays as .npy files, samples along the first
// axis, and dataset.json, which says what they are (see Description). Kinds under
// `dataset` give such folders, and preprocess "arrays" makes one of plain arrays; so
// can a `command "run"` that writes them with NumPy, and path() to a folder of one's
// own. Shapes, splits, targets or labels,
// normalisation, loss and metric are the data's, so that every kind that trains
// treats them alike. An array may lie in several files, and where the engine reads
// files itself (torch) large arrays stay there: memory need not hold them.
//
// # Metrics
//
// Metrics that are means over samples are computed by engines, those of a whole set
// (nn.Metric.OfSet) from an engine's outputs by stages/metrics: after the last epoch,
// on the validation and the test split. Epochs report the loss in their place.
//
// # Recipes
//
// What a block leaves out of its recipe is what NAS-Bench-360 trains that kind of
// network with on that task: see Defaults.
//
// # Determinism
//
// Everything random comes from the seed of a training through the streams of
// package nn. Trainings of one node run at the same time where there are cores;
// no result depends on that.
package training
