package training

import (
	"fmt"
	"slices"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// Prepared are data as an engine takes them.
type Prepared struct {
	Train    *nn.Dataset
	Valid    *nn.Dataset // nil where there is none, or where it is trained on
	Test     *nn.Dataset // nil where there is none
	Decoding *nn.Decoding

	Input   nn.Shape
	Form    nn.Form
	Outputs int // classes, or values, of a sample or a pixel
}

// Prepare splits and normalises. fit names the splits that are trained on: their
// samples, in that order, give the statistics of the normalisation, too.
func (d *Data) Prepare(fit []string) (*Prepared, error) {
	for i, name := range fit {
		if name != Train && name != Validation || slices.Contains(fit[:i], name) {
			return nil, fmt.Errorf("fit: %q; what is trained on is train, or train and validation, each once", name)
		}
	}
	if len(fit) == 0 {
		return nil, fmt.Errorf("fit: nothing is left to train on")
	}
	p := &Prepared{}
	var ranges []Range
	for _, name := range fit {
		ranges = append(ranges, d.Splits.named(name))
	}
	p.Train = d.set(true, ranges...)
	if r := d.Splits.Validation; r.Count > 0 && !slices.Contains(fit, Validation) {
		p.Valid = d.set(false, r)
	}
	if r := d.Splits.Test; r.Count > 0 {
		p.Test = d.set(false, r)
	}
	if d.pairs != nil {
		p.Input, p.Form, p.Outputs = d.pairs.Input(), nn.Dense, 1
		return p, nil
	}
	if err := d.normalise(p); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	shape := p.Train.Inputs.Shape
	p.Input = nn.Shape{Channels: shape[1], Height: shape[2], Width: shape[3]}
	return p, p.shape(d)
}

// shape finds out what the network is to give.
func (p *Prepared) shape(d *Data) error {
	switch t := d.targets.Shape; {
	case d.Labels != nil:
		p.Form, p.Outputs = nn.Point, d.Classes
	case len(t) == 2:
		p.Form, p.Outputs = nn.Point, t[1]
	case t[2] == p.Input.Height && t[3] == p.Input.Width:
		p.Form, p.Outputs = nn.Dense, t[1]
	default:
		return fmt.Errorf("data: inputs of %d x %d pixels and targets of %d x %d; networks keep the sides", p.Input.Height, p.Input.Width, t[2], t[3])
	}
	return nil
}

// set takes ranges of samples. Elements in memory are copied: normalisation is of
// them. Pairs have one window a record where they are trained on, else all.
func (d *Data) set(trained bool, ranges ...Range) *nn.Dataset {
	out := &nn.Dataset{}
	if d.pairs != nil {
		p := *d.pairs
		out.Pairs = &p
	}
	for _, r := range ranges {
		if d.pairs != nil {
			d.windows(out.Pairs, trained, r)
			continue
		}
		extend(&out.Inputs, d.inputs, r)
		extend(&out.Targets, d.targets, r)
		extend(&out.Counts, d.counts, r)
		if d.labels != nil {
			out.Labels = append(out.Labels, d.labels[r.First:r.First+r.Count]...)
		}
		if d.records != nil {
			out.Records = append(out.Records, d.records[r.First:r.First+r.Count]...)
		}
		if d.levels != nil {
			out.Levels = append(out.Levels, d.levels[r.First:r.First+r.Count]...)
		}
	}
	if trained {
		out.Noise = d.noise
	}
	return out
}

func (d *Data) windows(to *nn.Pairs, trained bool, r Range) {
	for record := r.First; record < r.First+r.Count; record++ {
		if trained {
			to.Windows = append(to.Windows, nn.Window{Record: record})
			continue
		}
		to.Windows = append(to.Windows, d.pairs.Cover(record)...)
	}
}

func extend(to *nn.Array, from nn.Array, r Range) {
	if from.Shape == nil {
		return
	}
	shape := append([]int{to.Len() + r.Count}, from.Shape[1:]...)
	if f := from.Files; f != nil {
		files := *f
		files.Rows = nil
		if to.Files != nil {
			files.Rows = to.Files.Rows
		}
		files.Rows = append(slices.Clone(files.Rows), nn.Rows{First: r.First, Count: r.Count})
		to.Files = &files
	} else {
		size := len(from.Data) / max(1, from.Len())
		to.Data = append(to.Data, from.Data[r.First*size:(r.First+r.Count)*size]...)
	}
	to.Shape = shape
}

// normalise encodes inputs and appends coordinates. Targets stay as they are: the
// network's outputs are decoded before they are compared.
func (d *Data) normalise(p *Prepared) error {
	all := []*nn.Dataset{p.Train, p.Valid, p.Test}
	if d.Normalisation.Inputs == pointwise {
		g, err := nn.PointwiseGaussian(p.Train.Inputs, d.Normalisation.Epsilon)
		if err != nil {
			return fmt.Errorf("inputs: %w", err)
		}
		if err := constant(g); err != nil {
			return fmt.Errorf("inputs: %w", err)
		}
		for _, s := range all {
			if s == nil {
				continue
			}
			if s.Inputs, err = g.Encode(s.Inputs); err != nil {
				return err
			}
		}
	}
	standard := d.standard(p.Train.Inputs.Shape[1])
	for _, s := range all {
		if s == nil {
			continue
		}
		s.Standard = standard
		if d.Coordinates {
			s.Inputs = withCoordinates(s.Inputs)
		}
	}
	if d.Normalisation.Targets != pointwise {
		return nil
	}
	var err error
	if p.Decoding, err = nn.PointwiseGaussian(p.Train.Targets, d.Normalisation.Epsilon); err != nil {
		return fmt.Errorf("targets: %w", err)
	}
	return nil
}

// standard are the constants of the normalisation, nil for none. Coordinates stay
// as they are.
func (d *Data) standard(channels int) *nn.Standardisation {
	if d.Normalisation.Inputs != constants {
		return nil
	}
	out := &nn.Standardisation{Mean: slices.Clone(d.Normalisation.Mean), Std: slices.Clone(d.Normalisation.Std)}
	if !d.Coordinates {
		return out
	}
	for len(out.Mean) < channels {
		out.Mean, out.Std = append(out.Mean, out.Mean[0]), append(out.Std, out.Std[0])
	}
	out.Mean, out.Std = append(out.Mean, 0, 0), append(out.Std, 1, 1)
	return out
}

// constant refuses a division by zero.
func constant(g *nn.Decoding) error {
	for i, s := range g.Scale {
		if s == 0 {
			return fmt.Errorf("element %d is the same in all samples that are trained on, and the normalisation divides by its standard deviation; give an epsilon over 0", i)
		}
	}
	return nil
}

// withCoordinates appends two channels: the row's and the column's coordinate, from
// 0 at the first to 1 at the last.
func withCoordinates(a nn.Array) nn.Array {
	n, ch, h, w := a.Shape[0], a.Shape[1], a.Shape[2], a.Shape[3]
	out := nn.Array{Shape: []int{n, ch + 2, h, w}, Data: make([]float32, 0, n*(ch+2)*h*w)}
	for s := range n {
		out.Data = append(out.Data, a.Sample(s)...)
		for y := range h {
			for range w {
				out.Data = append(out.Data, coordinate(y, h))
			}
		}
		for range h {
			for x := range w {
				out.Data = append(out.Data, coordinate(x, w))
			}
		}
	}
	return out
}

func coordinate(i, n int) float32 {
	if n < 2 {
		return 0
	}
	return float32(float64(i) / float64(n-1))
}
