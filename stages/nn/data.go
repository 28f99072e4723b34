package nn

import (
	"fmt"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/nbpipe/nbpipe/stages/npy"
)

// Array is a dense array of float32 in row-major order; the first dimension
// counts samples.
type Array struct {
	Shape []int
	Data  []float32
	Path  string // an .npy file with the same content, if there is one: engines in other processes read it
	Files *Files // where the elements are in files and Data is nil: such an engine reads what it needs
}

// ReadArray reads an .npy file of numbers as float32.
func ReadArray(path string) (Array, error) {
	shape, data, err := readNPY[float32](path)
	return Array{Shape: shape, Data: data, Path: path}, err
}

// ReadLabels reads an .npy file of one whole number a sample.
func ReadLabels(path string) ([]int32, error) {
	shape, data, err := readNPY[int32](path)
	if err == nil && len(shape) != 1 {
		err = fmt.Errorf("%s: labels of shape %v; one number a sample is wanted", path, shape)
	}
	return data, err
}

// mostBytes is how much an array may take in memory.
const mostBytes = 1 << 40

func readNPY[T npy.Number](path string) ([]int, []T, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	r, err := npy.NewReader(path, f, info.Size())
	if err != nil {
		return nil, nil, err
	}
	data, err := npy.ReadAll[T](r, mostBytes)
	return r.Shape, data, err
}

// Len is the number of samples.
func (a Array) Len() int {
	if len(a.Shape) == 0 {
		return 0
	}
	return a.Shape[0]
}

// Sample is the part of one sample, not a copy.
func (a Array) Sample(i int) []float32 {
	n := len(a.Data) / max(a.Len(), 1)
	return a.Data[i*n : (i+1)*n]
}

// Dataset is samples with what a network is to say of them: Labels for
// cross-entropy, Targets for the other losses.
type Dataset struct {
	Inputs   Array // (samples, channels, height, width)
	Targets  Array // (samples, ...) of the shape of the network's output
	Labels   []int32
	Standard *Standardisation // of inputs; nil for none

	Counts  Array     // of the targets' shape: elements where it is 0 add nothing to the loss; empty where all count
	Records []int32   // what each sample is part of; nil: of itself alone
	Levels  []float32 // a number a sample that Augmentation.Levels multiplies
	Noise   Array     // of inputs' shape, for Augmentation.Noise
	Pairs   *Pairs    // instead of inputs and targets
}

// Len is the number of samples.
func (d *Dataset) Len() int {
	if d.Pairs != nil {
		return len(d.Pairs.Windows)
	}
	return d.Inputs.Len()
}

// Seen is the number of samples that an epoch of training sees.
func (d *Dataset) Seen(a Augmentation) int {
	if !a.OneARecord || d.Records == nil {
		return d.Len()
	}
	return len(d.members())
}

// members are the samples of each record, records in the order of their numbers.
func (d *Dataset) members() [][]int32 {
	of := map[int32][]int32{}
	for i, r := range d.Records {
		of[r] = append(of[r], int32(i))
	}
	out := make([][]int32, 0, len(of))
	for _, r := range slices.Sorted(maps.Keys(of)) {
		out = append(out, of[r])
	}
	return out
}

// Standardisation is what networks see of inputs: (value - Mean)/Std, with a number of each
// for a channel, or one for all; rounded to float32.
type Standardisation struct {
	Mean []float64 `json:"mean"`
	Std  []float64 `json:"std"`
}

// encode is the value that a network sees of one in a channel.
func (c *Standardisation) encode(channel int, v float32) float32 {
	if c == nil {
		return v
	}
	if len(c.Mean) == 1 {
		channel = 0
	}
	return float32((float64(v) - c.Mean[channel]) / c.Std[channel])
}

// Decoding maps a network's output to the unit of the targets before loss and
// metric: output x Scale + Shift, element by element over one sample.
type Decoding struct {
	Scale, Shift []float64
}

// PointwiseGaussian returns mean and standard deviation (n - 1 in the
// denominator, as torch.std) of each element of a sample over all samples:
// the decoding of a network that predicts (target - mean)/(std + epsilon).
// Encoding inputs is Decoding.Encode.
func PointwiseGaussian(a Array, epsilon float64) (*Decoding, error) {
	if a.Len() < 2 {
		return nil, fmt.Errorf("pointwise normalisation of %d samples; it needs two", a.Len())
	}
	n := len(a.Data) / a.Len()
	d := &Decoding{Scale: make([]float64, n), Shift: make([]float64, n)}
	for s := range a.Len() {
		for i, v := range a.Sample(s) {
			d.Shift[i] += float64(v)
		}
	}
	for i := range d.Shift {
		d.Shift[i] /= float64(a.Len())
	}
	for s := range a.Len() {
		for i, v := range a.Sample(s) {
			e := float64(v) - d.Shift[i]
			d.Scale[i] += float64(e * e)
		}
	}
	for i, v := range d.Scale {
		d.Scale[i] = math.Sqrt(v/float64(a.Len()-1)) + epsilon
	}
	return d, nil
}

// Encode returns (value - Shift)/Scale of every element, rounded to float32.
func (d *Decoding) Encode(a Array) (Array, error) {
	if a.Len() == 0 || len(a.Data)/a.Len() != len(d.Scale) {
		return Array{}, fmt.Errorf("an array of shape %v has not the %d elements a sample that the normalisation has", a.Shape, len(d.Scale))
	}
	out := Array{Shape: append([]int(nil), a.Shape...), Data: make([]float32, len(a.Data))}
	for s := range a.Len() {
		to := out.Sample(s)
		for i, v := range a.Sample(s) {
			to[i] = float32((float64(v) - d.Shift[i]) / d.Scale[i])
		}
	}
	return out, nil
}

// Check reports the first thing in which the data do not fit the network and
// the loss; what names the data set in the error.
func (d *Dataset) Check(what string, n *Network, loss Loss) error {
	shapes, err := n.Shapes()
	if err != nil {
		return err
	}
	out := shapes[n.Output]
	if d.Pairs != nil {
		return d.Pairs.check(what, n.Input, out, loss)
	}
	if err := d.Inputs.check(what+" inputs", n.Input.Dims()); err != nil {
		return err
	}
	if err := d.besides(what, n.Input); err != nil {
		return err
	}
	if loss == SumOutputs {
		return nil
	}
	if loss != CrossEntropy {
		return d.checkTargets(what, out, loss)
	}
	if !out.Flat() {
		return fmt.Errorf("%s: cross_entropy takes one label a sample, and the network's output is %s", what, out)
	}
	if len(d.Labels) != d.Len() {
		return fmt.Errorf("%s: %d inputs and %d labels", what, d.Len(), len(d.Labels))
	}
	for i, l := range d.Labels {
		if l < 0 || int(l) >= out.Channels {
			return fmt.Errorf("%s: label %d of sample %d; the network has the classes 0 to %d", what, l, i, out.Channels-1)
		}
	}
	return nil
}

// besides checks what inputs are changed by.
func (d *Dataset) besides(what string, input Shape) error {
	if c := d.Standard; c != nil && (len(c.Mean) != len(c.Std) || len(c.Mean) != 1 && len(c.Mean) != input.Channels) {
		return fmt.Errorf("%s: %d means and %d deviations for %d channels; give one for each, or one for all", what, len(c.Mean), len(c.Std), input.Channels)
	}
	if d.Records != nil && len(d.Records) != d.Len() || d.Levels != nil && len(d.Levels) != d.Len() {
		return fmt.Errorf("%s: %d inputs, records of %d and levels of %d", what, d.Len(), len(d.Records), len(d.Levels))
	}
	if d.Noise.Len() > 0 {
		return d.Noise.check(what+" noise", input.Dims())
	}
	return nil
}

func (d *Dataset) checkTargets(what string, out Shape, loss Loss) error {
	if d.Targets.Len() != d.Len() {
		return fmt.Errorf("%s: %d inputs and %d targets", what, d.Len(), d.Targets.Len())
	}
	if d.Counts.Shape != nil {
		if loss != BCE && loss != MSE {
			return fmt.Errorf("%s: elements that do not count go with bce and mse, not with %s", what, loss)
		}
		if d.Counts.Len() != d.Len() {
			return fmt.Errorf("%s: %d inputs and counts of %d", what, d.Len(), d.Counts.Len())
		}
		if err := d.Counts.check(what+" counts", out.Dims()); err != nil {
			return err
		}
	}
	return d.Targets.check(what+" targets", out.Dims())
}

func (a Array) check(what string, want []int) error {
	if a.Len() == 0 {
		return fmt.Errorf("%s: no samples", what)
	}
	size := 1
	for _, d := range want {
		size *= d
	}
	fits := len(a.Shape) == len(want)+1 && (a.Files != nil || len(a.Data) == a.Len()*size)
	for i := range want {
		fits = fits && a.Shape[i+1] == want[i]
	}
	if !fits {
		return fmt.Errorf("%s: a sample of shape %v (array %v, %d elements), where the network has %v", what, a.Shape[min(1, len(a.Shape)):], a.Shape, len(a.Data), want)
	}
	return nil
}
