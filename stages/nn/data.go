package nn

import (
	"fmt"
	"math"
	"os"

	"github.com/nbpipe/nbpipe/stages/nn/npy"
)

// Array is a dense array of float32 in row-major order; the first dimension
// counts samples.
type Array struct {
	Shape []int
	Data  []float32
	Path  string // an .npy file with the same content, if there is one: engines in other processes read it
}

// ReadArray reads an .npy file of numbers as float32.
func ReadArray(path string) (Array, error) {
	f, err := os.Open(path)
	if err != nil {
		return Array{}, err
	}
	defer f.Close()
	shape, data, err := npy.ReadFloat32(f)
	if err != nil {
		return Array{}, fmt.Errorf("%s: %w", path, err)
	}
	return Array{Shape: shape, Data: data, Path: path}, nil
}

// ReadLabels reads an .npy file of one whole number a sample.
func ReadLabels(path string) ([]int32, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	shape, data, err := npy.ReadInt32(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(shape) != 1 {
		return nil, fmt.Errorf("%s: labels of shape %v; one number a sample is wanted", path, shape)
	}
	return data, nil
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
	Inputs  Array // (samples, channels, height, width)
	Targets Array // (samples, ...) of the shape of the network's output
	Labels  []int32
}

// Len is the number of samples.
func (d *Dataset) Len() int { return d.Inputs.Len() }

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
	if err := d.Inputs.check(what+" inputs", n.Input.Dims()); err != nil {
		return err
	}
	if loss == SumOutputs {
		return nil
	}
	if loss != CrossEntropy {
		if d.Targets.Len() != d.Len() {
			return fmt.Errorf("%s: %d inputs and %d targets", what, d.Len(), d.Targets.Len())
		}
		return d.Targets.check(what+" targets", out.Dims())
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

func (a Array) check(what string, want []int) error {
	if a.Len() == 0 {
		return fmt.Errorf("%s: no samples", what)
	}
	size := 1
	for _, d := range want {
		size *= d
	}
	fits := len(a.Shape) == len(want)+1 && len(a.Data) == a.Len()*size
	for i := range want {
		fits = fits && a.Shape[i+1] == want[i]
	}
	if !fits {
		return fmt.Errorf("%s: a sample of shape %v (array %v, %d elements), where the network has %v", what, a.Shape[min(1, len(a.Shape)):], a.Shape, len(a.Data), want)
	}
	return nil
}
