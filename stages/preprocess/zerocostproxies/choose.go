package zerocostproxies

import (
	"context"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/proxies"
	"github.com/nbpipe/nbpipe/stages/training"
)

// numbers reads attribute architectures.
func numbers(v cty.Value) ([]int, error) {
	if v == cty.NilVal || v.IsNull() {
		return everything(), nil
	}
	v, _ = v.UnmarkDeep()
	if v.Type() == cty.String {
		if v.AsString() == "all" {
			return everything(), nil
		}
		return nil, fmt.Errorf("%q is given; a list is needed, or \"all\"", v.AsString())
	}
	if t := v.Type(); !t.IsListType() && !t.IsSetType() && !t.IsTupleType() {
		return nil, fmt.Errorf("a %s is given; a list is needed, or \"all\"", t.FriendlyName())
	}
	var out []int
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		n, err := number(e)
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", len(out), err)
		}
		if slices.Contains(out, n) {
			return nil, fmt.Errorf("element %d: architecture %d stands there twice", len(out), n)
		}
		out = append(out, n)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the list is empty")
	}
	return out, nil
}

func everything() []int {
	all := make([]int, nas.Size)
	for i := range all {
		all[i] = i
	}
	return all
}

// number reads a cell's text or an architecture's number.
func number(v cty.Value) (int, error) {
	switch {
	case v.IsNull():
		return 0, fmt.Errorf("it is null")
	case v.Type() == cty.String:
		cell, err := nas.Parse(v.AsString())
		if err != nil {
			return 0, err
		}
		return nas.Index(cell), nil
	case v.Type() == cty.Number:
		n, _ := v.AsBigFloat().Int64()
		if !v.AsBigFloat().IsInt() {
			return 0, fmt.Errorf("%s is no architecture's number", stages.NumberText(v.AsBigFloat()))
		}
		return int(n), nas.CheckIndex(n)
	}
	return 0, fmt.Errorf("it is a %s; cells as text or architectures' numbers are needed", v.Type().FriendlyName())
}

// rows are the architectures of the table, ascending: all that are asked for, or
// a sample, drawn from the stream (seed, "proxy architectures", 0).
func (s *Stage) rows() ([]int, error) {
	rows, err := numbers(s.Architectures)
	if err != nil {
		return nil, fmt.Errorf("architectures: %w", err)
	}
	slices.Sort(rows)
	if s.Sample == nil {
		return rows, nil
	}
	if *s.Sample > len(rows) {
		return nil, fmt.Errorf("sample: %d of %d architectures", *s.Sample, len(rows))
	}
	order := nn.Stream(s.Seed, "proxy architectures", 0).Perm(len(rows))[:*s.Sample]
	slices.Sort(order)
	out := make([]int, len(order))
	for i, at := range order {
		out[i] = rows[at]
	}
	return out, nil
}

// batch is what all architectures are scored on.
type batch struct {
	samples *nn.Dataset
	input   nn.Shape
	classes int
	source  string // in words
}

func (s *Stage) batch(ctx context.Context, in *stages.Input) (*batch, error) {
	b := &batch{input: defaultInput, classes: defaultClasses}
	var data *training.Prepared
	if s.Data.Digest != (stages.File{}).Digest {
		d, err := training.Read(ctx, in, s.Data, false)
		if err != nil {
			return nil, err
		}
		if data, err = d.Prepare([]string{training.Train}); err != nil {
			return nil, err
		}
		if data.Train.Labels == nil {
			return nil, fmt.Errorf("data: it has targets, and the loss of the proxies is the cross-entropy of labels")
		}
		b.input, b.classes = data.Input, data.Outputs
	}
	if s.Input != nil {
		given := nn.Shape{Channels: s.Input[0], Height: s.Input[1], Width: s.Input[2]}
		if data != nil && given != b.input {
			return nil, fmt.Errorf("input: %s, where samples of the data are %s; leave it out", given, b.input)
		}
		b.input = given
	}
	if s.Classes != nil {
		if data != nil && *s.Classes < b.classes {
			return nil, fmt.Errorf("classes: %d, where the data have %d; leave it out", *s.Classes, b.classes)
		}
		b.classes = *s.Classes
	}
	if data == nil {
		b.source = "Gaussian images and uniform labels, drawn by the seed: no data"
		b.samples = proxies.Gaussian(b.input, b.classes, s.BatchSize, s.Seed)
		return b, nil
	}
	var err error
	b.source = fmt.Sprintf("drawn by the seed from the %d training samples of %s", data.Train.Len(), s.Data.Name)
	if b.samples, err = proxies.Draw(data.Train, s.BatchSize, s.Seed); err != nil {
		return nil, fmt.Errorf("batch_size: %w", err)
	}
	return b, nil
}
