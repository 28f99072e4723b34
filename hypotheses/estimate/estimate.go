package estimate

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages"
)

// CorrelationType is the type of a correlation: value, 95 % interval, two-sided
// p-value of independence and its decimal logarithm, number of pairs.
var CorrelationType = numbers("value", "ci_low", "ci_high", "p", "log10_p", "n")

// IntervalType is the type of an estimate without a test.
var IntervalType = numbers("value", "ci_low", "ci_high", "n")

// OverlapType is the type of a comparison of two tops: share of the top that is
// shared, its expectation by chance, one-sided p-value, size k, number shared.
var OverlapType = numbers("value", "chance", "p", "log10_p", "k", "count")

func numbers(names ...string) cty.Type {
	attrs := make(map[string]cty.Type, len(names))
	for _, n := range names {
		attrs[n] = cty.Number
	}
	return cty.Object(attrs)
}

// Correlation makes a value of CorrelationType.
func Correlation(c stats.Correlation, i stats.Interval) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"value":   stages.NumberValue(c.Value),
		"ci_low":  stages.NumberValue(i.Low),
		"ci_high": stages.NumberValue(i.High),
		"p":       stages.NumberValue(c.P),
		"log10_p": stages.NumberValue(c.Log10P),
		"n":       Count(c.N),
	})
}

// Interval makes a value of IntervalType.
func Interval(i stats.Interval, n int) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"value":   stages.NumberValue(i.Value),
		"ci_low":  stages.NumberValue(i.Low),
		"ci_high": stages.NumberValue(i.High),
		"n":       Count(n),
	})
}

// Overlap makes a value of OverlapType.
func Overlap(o stats.TopOverlap) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"value":   stages.NumberValue(o.Share),
		"chance":  stages.NumberValue(o.Chance),
		"p":       stages.NumberValue(o.P),
		"log10_p": stages.NumberValue(o.Log10P),
		"k":       Count(o.K),
		"count":   Count(o.Count),
	})
}

// Count makes a number of a count.
func Count(n int) cty.Value { return cty.NumberIntVal(int64(n)) }

// ByName is the object type whose members, one a name, have the type. Where the
// names are not known, it is dynamic.
func ByName(names []string, t cty.Type) cty.Type {
	if names == nil {
		return cty.DynamicPseudoType
	}
	return Each(names, func(string) cty.Type { return t })
}

// Each is ByName with a type of its own for each name.
func Each(names []string, t func(name string) cty.Type) cty.Type {
	attrs := make(map[string]cty.Type, len(names))
	for _, n := range names {
		attrs[n] = t(n)
	}
	return cty.Object(attrs)
}

// Object makes a value of Each from a function.
func Object(names []string, v func(name string) cty.Value) cty.Value {
	attrs := make(map[string]cty.Value, len(names))
	for _, n := range names {
		attrs[n] = v(n)
	}
	return cty.ObjectVal(attrs)
}
