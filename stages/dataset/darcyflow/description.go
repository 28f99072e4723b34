package darcyflow

import "github.com/zclconf/go-cty/cty"

// The files of output data.
const (
	coefficientFile = "coeff.npy"
	solutionFile    = "sol.npy"
	descriptionFile = "dataset.json"
)

var (
	arrayType = cty.Object(map[string]cty.Type{"file": cty.String, "dtype": cty.String, "shape": cty.List(cty.Number)})
	rangeType = cty.Object(map[string]cty.Type{"first": cty.Number, "count": cty.Number})

	// descriptionType says what a trainer has to know of a data set: the arrays
	// of inputs and targets, samples along the first axis; which samples are for
	// what; whether each node's two coordinates in [0, 1] join the input as
	// channels; how inputs and targets are normalised by statistics of the
	// training samples, and the metric, of which less is better.
	//
	// pointwise_gaussian: for each node (x - mean) / (standard deviation +
	// epsilon), undone before the metric. relative_l2: the mean over samples of
	// ||prediction - target|| / ||target||, Euclidean norms.
	descriptionType = cty.Object(map[string]cty.Type{
		"task":          cty.String,
		"inputs":        arrayType,
		"targets":       arrayType,
		"splits":        cty.Object(map[string]cty.Type{"train": rangeType, "validation": rangeType, "test": rangeType}),
		"coordinates":   cty.Bool,
		"normalisation": cty.Object(map[string]cty.Type{"inputs": cty.String, "targets": cty.String, "epsilon": cty.Number}),
		"metric":        cty.String,
	})
)

// description is of type descriptionType.
func (s *Stage) description() cty.Value {
	splits := Splits{Train: s.Samples}
	if s.Splits != nil {
		splits = *s.Splits
	}
	array := func(file string) cty.Value {
		var shape []cty.Value
		for _, n := range s.header().Shape {
			shape = append(shape, cty.NumberIntVal(int64(n)))
		}
		return cty.ObjectVal(map[string]cty.Value{"file": cty.StringVal(file), "dtype": cty.StringVal(s.DType), "shape": cty.ListVal(shape)})
	}
	samples := func(first, count int) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{"first": cty.NumberIntVal(int64(first)), "count": cty.NumberIntVal(int64(count))})
	}
	return cty.ObjectVal(map[string]cty.Value{
		"task":    cty.StringVal("darcy_flow"),
		"inputs":  array(coefficientFile),
		"targets": array(solutionFile),
		"splits": cty.ObjectVal(map[string]cty.Value{
			"train":      samples(0, splits.Train),
			"validation": samples(splits.Train, splits.Validation),
			"test":       samples(splits.Train+splits.Validation, splits.Test),
		}),
		"coordinates": cty.True,
		"normalisation": cty.ObjectVal(map[string]cty.Value{
			"inputs": cty.StringVal("pointwise_gaussian"), "targets": cty.StringVal("pointwise_gaussian"), "epsilon": cty.NumberFloatVal(1e-5),
		}),
		"metric": cty.StringVal("relative_l2"),
	})
}
