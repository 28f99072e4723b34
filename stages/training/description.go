package training

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// DescriptionFile is the name of a data folder's description.
const DescriptionFile = "dataset.json"

// Description is what dataset.json says.
//
// A sample is a row of every array. An array may lie in several files: rows go on
// from one file to the next, wherever the cut is, so that a writer needs no more
// memory than it likes. Element types are NumPy's: bool, whole numbers and floats of
// 1 to 8 bytes; small ones (uint8 pixels, 0/1 targets) keep folders small, and
// networks see float32 all the same.
//
// Images of classes, stored as uint8:
//
//	{"task": "cifar100", "classes": 100, "metric": "error",
//	 "inputs": {"files": ["x-0.npy", "x-1.npy"], "dtype": "uint8", "shape": [60000, 3, 32, 32], "unit": "1/255"},
//	 "labels": {"file": "y.npy"},
//	 "normalisation": {"inputs": "constant", "mean": [129.3, 124.1, 112.4], "std": [68.2, 65.4, 70.4]},
//	 "splits": {"train": {"first": 0, "count": 40000}, "validation": {"first": 40000, "count": 10000}, "test": {"first": 50000, "count": 10000}}}
//
// Several labels a sample, samples cut from recordings (FSD50K): targets of 0 and 1
// with loss bce, and the record of each sample.
//
//	{"task": "fsd50k", "metric": "map_error", "loss": "bce",
//	 "inputs":  {"files": ["x-0.npy", "x-1.npy"], "axes": ["sample", "height", "width"], "unit": "dB"},
//	 "targets": {"file": "y.npy", "dtype": "uint8"}, "records": {"file": "clip.npy"}, "noise": {"file": "noise.npy"},
//	 "splits": ...}
//
// A value a pixel, of which some do not count (Cosmic):
//
//	{"task": "cosmic", "metric": "false_negative_rate", "loss": "bce",
//	 "inputs":  {"file": "image.npy", "axes": ["sample", "height", "width"], "unit": "electrons"},
//	 "targets": {"file": "mask.npy", "dtype": "uint8"}, "counts": {"file": "counts.npy", "dtype": "uint8"},
//	 "levels": {"file": "sky.npy"}, "splits": ...}
//
// Maps of pairs of residues (PSICOV): pairs instead of inputs and targets; splits
// are then ranges of records.
type Description struct {
	Task    string `json:"task"`              // such as darcy_flow: chooses the recipe's defaults
	Inputs  Array  `json:"inputs,omitzero"`   //
	Targets *Array `json:"targets,omitempty"` // numbers to predict: one vector, or one value a pixel. 0 or 1 with loss bce
	Labels  *Array `json:"labels,omitempty"`  // instead of targets: one whole number from 0 a sample
	Classes int    `json:"classes,omitempty"` // of labels
	Splits  Splits `json:"splits"`

	// Counts has the targets' shape: elements where it is 0 add nothing to loss and
	// metric (Cosmic: 1 - ignore). All count where it is left out. For bce and mse.
	Counts *Array `json:"counts,omitempty"`

	// Records is one whole number a sample, 0 or more: the recording, clip or patient
	// that it was cut from. Metrics that vote or average over a record (f1_error,
	// map_error) need it; samples of one record have the same labels or targets, and
	// no record is in two splits. Numbers need not be dense, samples of a record need
	// not be neighbours. Where it is left out each sample is its own record.
	Records *Array `json:"records,omitempty"`

	// Levels is one number a sample, such as the sky's brightness: augmentation adds
	// a random multiple of it to all pixels of a training sample.
	Levels *Array `json:"levels,omitempty"`

	// Noise has rows of the shape of an input, in its unit and with its axes:
	// augmentation mixes them into training samples.
	Noise *Array `json:"noise,omitempty"`

	Pairs *Pairs `json:"pairs,omitempty"` // instead of inputs and targets

	// Coordinates: each pixel's two coordinates in [0, 1] join the inputs as
	// channels, after normalisation.
	Coordinates   bool          `json:"coordinates,omitempty"`
	Normalisation Normalisation `json:"normalisation,omitzero"`

	Loss   nn.Loss   `json:"loss,omitempty"` // where left out: cross_entropy of labels, relative_l2 or mse as the metric, bce for the metrics of 0/1 targets, mse for mae8
	Metric nn.Metric `json:"metric"`
}

// Array is an array in one file of the folder, or in several.
type Array struct {
	File  string   `json:"file,omitempty"`
	Files []string `json:"files,omitempty"` // instead of file: rows go on from one to the next
	DType string   `json:"dtype,omitempty"`
	Shape []int    `json:"shape,omitempty"` // of all files together; checked against the files' own
	Unit  string   `json:"unit,omitempty"`

	// Axes name the axes: sample, and of channel, height, width, time (of a series)
	// and value (of a vector) those that there are. By their number where left out:
	// sample; sample, value; sample, height, width; sample, channel, height, width.
	Axes []string `json:"axes,omitempty"`
}

// Pairs are square maps of another side for each record, such as distances between
// the residues of a protein, that networks see through windows.
//
// A record of L residues has the input channels
//
//	2 f      sequence feature f of the column's residue, f from 0
//	2 f + 1  sequence feature f of the row's residue
//	2 F + m  map m of the pair
//
// on L x L pixels. Around them lies a border of Padding pixels, zero in all channels,
// with Outside as target; beyond it, up to the window's side, the same. In training an
// epoch sees one window a record, at a random place (rows and columns drawn on their
// own) of the padded map; for evaluation windows side by side cover it, and the metric
// is of whole maps.
type Pairs struct {
	Lengths  Array `json:"lengths"`  // one whole number a record: L
	Sequence Array `json:"sequence"` // (sum of L, F): records one after the other. PSICOV: F = 27
	Maps     Array `json:"maps"`     // (sum of L x L, M): row by row, records one after the other. PSICOV: M = 3
	Targets  Array `json:"targets"`  // (sum of L x L): as maps

	Padding int     `json:"padding"` // pixels on each side. PSICOV: 5, which is pad_size 10 of the authors' code
	Outside float64 `json:"outside"` // target beyond the residues. PSICOV: 16, where distances are clipped
	Window  int     `json:"window"`  // side. PSICOV: 128
}

// Splits are the samples for each purpose.
type Splits struct {
	Train      Range `json:"train"`
	Validation Range `json:"validation,omitzero"`
	Test       Range `json:"test,omitzero"`
}

// Range is Count samples from First on.
type Range struct {
	First int `json:"first"`
	Count int `json:"count"`
}

// Normalisation of inputs and targets: pointwise_gaussian by statistics of the
// samples that are trained on, constant (inputs alone) by Mean and Std.
type Normalisation struct {
	Inputs  string  `json:"inputs,omitempty"`  // "" or none, pointwise_gaussian, constant
	Targets string  `json:"targets,omitempty"` // "" or none, pointwise_gaussian
	Epsilon float64 `json:"epsilon,omitempty"` // pointwise_gaussian: added to standard deviations

	// Mean and Std, in the unit of the stored values: a number a channel, or one for
	// all. Networks see (value - mean) / std. Pixels that augmentation shifts in from
	// beyond the border are 0 before it, those that cutout cuts are 0 after it.
	Mean []float64 `json:"mean,omitempty"`
	Std  []float64 `json:"std,omitempty"`
}

// pointwise is the normalisation of each element of a sample by its own mean and
// standard deviation. Of targets it is undone before loss and metric.
const pointwise = "pointwise_gaussian"

// The names of splits.
const (
	Train      = "train"
	Validation = "validation"
	Test       = "test"
)

func (s Splits) named(name string) Range {
	switch name {
	case Train:
		return s.Train
	case Validation:
		return s.Validation
	}
	return s.Test
}

// ParseDescription reads dataset.json.
func ParseDescription(text []byte) (*Description, error) {
	d := new(Description)
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(d); err != nil {
		return nil, fmt.Errorf("%s: %w", DescriptionFile, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s: something follows the description", DescriptionFile)
	}
	if err := d.validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", DescriptionFile, err)
	}
	return d, nil
}

func (d *Description) validate() error {
	if (d.Targets == nil) == (d.Labels == nil) {
		return fmt.Errorf("either targets or labels are needed, and not both")
	}
	if d.Labels != nil && (d.Classes < 2 || d.Classes > 1<<16) {
		return fmt.Errorf("classes is %d; with labels it must be from 2 to %d", d.Classes, 1<<16)
	}
	for _, a := range d.arrays() {
		if a.File == "" || !filepath.IsLocal(a.File) || strings.Contains(a.File, `\`) {
			return fmt.Errorf("file %q is no name of a file in this folder", a.File)
		}
	}
	for _, how := range []string{d.Normalisation.Inputs, d.Normalisation.Targets} {
		if how != "" && how != "none" && how != pointwise {
			return fmt.Errorf("unknown normalisation %q; they are none and %s", how, pointwise)
		}
	}
	if !(d.Normalisation.Epsilon >= 0) {
		return fmt.Errorf("the normalisation's epsilon is %v; it must be 0 or more", d.Normalisation.Epsilon)
	}
	if d.Labels != nil && d.Normalisation.Targets == pointwise {
		return fmt.Errorf("labels cannot be normalised")
	}
	if err := d.judged(); err != nil {
		return err
	}
	return d.Splits.validate()
}

// judged fills in the loss and checks that loss and metric are known.
func (d *Description) judged() error {
	if d.Loss == "" {
		switch {
		case d.Labels != nil:
			d.Loss = nn.CrossEntropy
		case d.Metric == nn.MetricRelativeL2:
			d.Loss = nn.RelativeL2
		case d.Metric == nn.MetricMSE:
			d.Loss = nn.MSE
		default:
			return fmt.Errorf("loss is missing: with the metric %q it is not clear which", d.Metric)
		}
	}
	if losses := []nn.Loss{nn.CrossEntropy, nn.BCE, nn.MSE, nn.RelativeL2}; !slices.Contains(losses, d.Loss) {
		return fmt.Errorf("unknown loss %q; the losses are %v", d.Loss, losses)
	}
	if metrics := []nn.Metric{nn.ZeroOneError, nn.MetricRelativeL2, nn.MetricMSE, nn.MetricLoss}; !slices.Contains(metrics, d.Metric) {
		return fmt.Errorf("unknown metric %q; the metrics are %v", d.Metric, metrics)
	}
	if (d.Loss == nn.CrossEntropy) != (d.Labels != nil) {
		return fmt.Errorf("loss %s: cross_entropy goes with labels, and labels with it alone", d.Loss)
	}
	return nil
}

func (d *Description) arrays() []*Array {
	out := []*Array{&d.Inputs}
	if d.Targets != nil {
		out = append(out, d.Targets)
	}
	if d.Labels != nil {
		out = append(out, d.Labels)
	}
	return out
}

// validate wants splits that do not share samples: else an error would be of
// samples that were trained on.
func (s Splits) validate() error {
	names := []string{Train, Validation, Test}
	for i, a := range names {
		r := s.named(a)
		if r.First < 0 || r.Count < 0 || r.First > 1<<40 || r.Count > 1<<40 {
			return fmt.Errorf("split %s: first is %d, count %d", a, r.First, r.Count)
		}
		for _, b := range names[:i] {
			if q := s.named(b); r.Count > 0 && q.Count > 0 && r.First < q.First+q.Count && q.First < r.First+r.Count {
				return fmt.Errorf("splits %s and %s share samples", b, a)
			}
		}
	}
	if s.Train.Count == 0 {
		return fmt.Errorf("split train has no samples")
	}
	return nil
}
