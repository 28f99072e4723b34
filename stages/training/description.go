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
type Description struct {
	Task    string `json:"task"`              // such as darcy_flow: chooses the recipe's defaults
	Inputs  Array  `json:"inputs"`            //
	Targets *Array `json:"targets,omitempty"` // numbers to predict: one vector, or one value a pixel
	Labels  *Array `json:"labels,omitempty"`  // instead of targets: whole numbers from 0
	Classes int    `json:"classes,omitempty"` // of labels
	Splits  Splits `json:"splits"`

	// Coordinates: each pixel's two coordinates in [0, 1] join the inputs as
	// channels, after normalisation.
	Coordinates   bool          `json:"coordinates,omitempty"`
	Normalisation Normalisation `json:"normalisation,omitzero"`

	Loss   nn.Loss   `json:"loss,omitempty"` // cross_entropy of labels, else as the metric
	Metric nn.Metric `json:"metric"`
}

// Array is a file of the folder.
type Array struct {
	File  string `json:"file"`
	DType string `json:"dtype,omitempty"`
	Shape []int  `json:"shape,omitempty"` // checked against the file's own
	Unit  string `json:"unit,omitempty"`

	// Axes name the axes: sample, and of channel, height, width, time (of a series)
	// and value (of a vector) those that there are. By their number where left out:
	// sample; sample, value; sample, height, width; sample, channel, height, width.
	Axes []string `json:"axes,omitempty"`
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

// Normalisation of inputs and targets by statistics of the samples that are
// trained on.
type Normalisation struct {
	Inputs  string  `json:"inputs,omitempty"` // "" or none, pointwise_gaussian
	Targets string  `json:"targets,omitempty"`
	Epsilon float64 `json:"epsilon,omitempty"` // added to standard deviations
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
