package training

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// DescriptionFile is the name of a data folder's description.
const DescriptionFile = "dataset.json"

// Description is what dataset.json says.
//
// A sample is a row of every array. An array may lie in several files: rows go on
// from one file to the next, wherever the cut is, so that a writer needs no more
// memory than it likes. Element types are bool, uint8, int32, int64,
// float32 and float64; small ones (uint8 pixels, 0/1 targets) keep folders small,
// and networks see float32 all the same.
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

// constants is the normalisation of inputs by given numbers.
const constants = "constant"

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
	if err := d.predicted(); err != nil {
		return err
	}
	for _, a := range d.arrays() {
		if err := a.validate(); err != nil {
			return err
		}
	}
	if err := d.Normalisation.validate(d); err != nil {
		return err
	}
	if err := d.judged(); err != nil {
		return err
	}
	return d.Splits.validate()
}

// predicted checks that there is one thing to predict, and what goes with it.
func (d *Description) predicted() error {
	if p := d.Pairs; p != nil {
		if d.Targets != nil || d.Labels != nil || d.Counts != nil || d.Records != nil || d.Levels != nil || d.Noise != nil || d.Coordinates || len(d.Inputs.names()) > 0 {
			return fmt.Errorf("pairs stand for inputs and targets: task, pairs, splits, loss and metric are all that goes with them")
		}
		if p.Padding < 0 || p.Padding > 1<<10 || p.Window < 1 || p.Window > 1<<12 {
			return fmt.Errorf("pairs: padding is %d, window %d; they must be from 0 to %d and from 1 to %d", p.Padding, p.Window, 1<<10, 1<<12)
		}
		return nil
	}
	if (d.Targets == nil) == (d.Labels == nil) {
		return fmt.Errorf("either targets or labels are needed, and not both")
	}
	if d.Labels != nil && (d.Classes < 2 || d.Classes > 1<<16) {
		return fmt.Errorf("classes is %d; with labels it must be from 2 to %d", d.Classes, 1<<16)
	}
	return nil
}

// names are the files of an array.
func (a *Array) names() []string {
	if a.File != "" {
		return append([]string{a.File}, a.Files...)
	}
	return a.Files
}

// mostFiles of an array: beyond, it is a slip.
const mostFiles = 1 << 16

func (a *Array) validate() error {
	names := a.names()
	if len(names) == 0 || len(names) > mostFiles || a.File != "" && len(a.Files) > 0 {
		return fmt.Errorf("an array of %d files: give file, or files with 1 to %d names", len(names), mostFiles)
	}
	for _, name := range names {
		if name == "" || !filepath.IsLocal(name) || strings.Contains(name, `\`) {
			return fmt.Errorf("file %q is no name of a file in this folder", name)
		}
	}
	if len(names) > 1 && len(a.Axes) > 0 && a.Axes[0] != "sample" {
		return fmt.Errorf("axes %q of an array in several files: the first must be sample", a.Axes)
	}
	return nil
}

func (n *Normalisation) validate(d *Description) error {
	if how := n.Inputs; how != "" && how != "none" && how != pointwise && how != constants {
		return fmt.Errorf("unknown normalisation %q of inputs; they are none, %s and %s", how, pointwise, constants)
	}
	if how := n.Targets; how != "" && how != "none" && how != pointwise {
		return fmt.Errorf("unknown normalisation %q of targets; they are none and %s", how, pointwise)
	}
	if !(n.Epsilon >= 0) || math.IsInf(n.Epsilon, 0) {
		return fmt.Errorf("the normalisation's epsilon is %v; it must be 0 or more", n.Epsilon)
	}
	if d.Labels != nil && n.Targets == pointwise {
		return fmt.Errorf("labels cannot be normalised")
	}
	if given := len(n.Mean) > 0 || len(n.Std) > 0; d.Pairs != nil && (n.Inputs == pointwise || n.Targets == pointwise || given) {
		return fmt.Errorf("pairs take no normalisation")
	} else if given != (n.Inputs == constants) || len(n.Mean) != len(n.Std) {
		return fmt.Errorf("normalisation: mean and std go with inputs = %q, as many of each as there are channels, or one", constants)
	}
	for i := range n.Mean {
		if m, s := n.Mean[i], n.Std[i]; math.IsNaN(m) || math.IsInf(m, 0) || !(s > 0) || math.IsInf(s, 0) {
			return fmt.Errorf("normalisation: mean %v and std %v of channel %d; std must be over 0", m, s, i)
		}
	}
	return nil
}

// judged fills in the loss and checks that loss and metric are known and go
// together.
func (d *Description) judged() error {
	if d.Loss == "" {
		switch d.Metric {
		case nn.MetricRelativeL2:
			d.Loss = nn.RelativeL2
		case nn.MetricMSE, nn.MAE8:
			d.Loss = nn.MSE
		case nn.FalseNegativeRate, nn.PixelAUROCError, nn.AUROCError, nn.MAPError:
			d.Loss = nn.BCE
		}
		if d.Labels != nil {
			d.Loss = nn.CrossEntropy
		}
		if d.Loss == "" {
			return fmt.Errorf("loss is missing: with the metric %q it is not clear which", d.Metric)
		}
	}
	if err := nn.Goes(d.Metric, d.Loss); err != nil {
		return err
	}
	if (d.Loss == nn.CrossEntropy) != (d.Labels != nil) {
		return fmt.Errorf("loss %s: cross_entropy goes with labels, and labels with it alone", d.Loss)
	}
	if d.Counts != nil && d.Loss != nn.BCE && d.Loss != nn.MSE {
		return fmt.Errorf("loss %s: elements that do not count go with bce and mse alone", d.Loss)
	}
	if (d.Metric == nn.MAE8) != (d.Pairs != nil) || d.Pairs != nil && d.Loss != nn.MSE {
		return fmt.Errorf("metric %s, loss %s: mae8 with mse goes with pairs, and pairs with it alone", d.Metric, d.Loss)
	}
	return nil
}

// arrays are all that the description names.
func (d *Description) arrays() []*Array {
	if p := d.Pairs; p != nil {
		return []*Array{&p.Lengths, &p.Sequence, &p.Maps, &p.Targets}
	}
	out := []*Array{&d.Inputs}
	for _, a := range []*Array{d.Targets, d.Labels, d.Counts, d.Records, d.Levels, d.Noise} {
		if a != nil {
			out = append(out, a)
		}
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
