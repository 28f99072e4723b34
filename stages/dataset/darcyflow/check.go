package darcyflow

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/dataset/darcyflow/pde"
	"github.com/nbpipe/nbpipe/stages/npy"
)

const mostBytes = 1 << 40 // of both arrays: beyond, it is a slip

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	c := &checker{attrs: attrs}
	c.seed()
	c.dtype()
	resolution, known := c.whole("resolution", pde.MinSide)
	if known && resolution > pde.MaxSide {
		c.add("resolution", "Too many nodes per side", "It is %d and can be %d at most: beyond, rounding to 64 bits alone leaves a residual above %g, "+
			"and a core would hold %.1f GB.", resolution, pde.MaxSide, pde.Tolerance, float64(resolution)*float64(resolution)*bytesPerNode/1e9)
	}
	known = known && resolution <= pde.MaxSide
	subsample, keeps := c.whole("subsample", 1)
	keeps = keeps && known && c.divides(subsample, resolution)
	samples, counted := c.whole("samples", 1)
	if counted {
		c.splits(samples)
	}
	if keeps && counted {
		c.volume(samples, (resolution-1)/subsample+1)
	}
	return c.problems
}

// checker gathers problems.
type checker struct {
	attrs    stages.Attrs
	problems []stages.Problem
}

func (c *checker) add(attribute, summary, detail string, args ...any) {
	c.problems = append(c.problems, stages.Problem{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(detail, args...)})
}

func number(v cty.Value) *big.Float {
	v, _ = v.Unmark()
	return v.AsBigFloat()
}

// whole gives an attribute that is a whole number of at least least.
func (c *checker) whole(name string, least int64) (int64, bool) {
	if !c.attrs.Known(name) {
		return 0, false
	}
	n := number(c.attrs[name])
	i, accuracy := n.Int64()
	if !n.IsInt() || accuracy != big.Exact || i < least {
		c.add(name, "Not a number of "+plural(name), "It is %s; a whole number of at least %d is needed.", stages.NumberText(n), least)
		return 0, false
	}
	return i, true
}

func plural(attribute string) string {
	if attribute == "samples" {
		return "samples"
	}
	return "nodes"
}

func (c *checker) seed() {
	if !c.attrs.Known("seed") {
		return
	}
	n := number(c.attrs["seed"])
	if _, accuracy := n.Uint64(); !n.IsInt() || accuracy != big.Exact {
		c.add("seed", "This is no seed", "%s is not a whole number from 0 to 18446744073709551615.", stages.NumberText(n))
	}
}

func (c *checker) dtype() {
	if !c.attrs.Known("dtype") {
		return
	}
	v, _ := c.attrs["dtype"].Unmark()
	if t := npy.Type(v.AsString()); t != npy.Float32 && t != npy.Float64 {
		c.add("dtype", "Unknown type of elements", "It is %q. The types are float32 and float64.", v.AsString())
	}
}

// divides reports whether the border stays the border and an inner node is left.
func (c *checker) divides(subsample, resolution int64) bool {
	intervals := resolution - 1
	if intervals%subsample == 0 && intervals/subsample >= pde.MinSide-1 {
		return true
	}
	var fit []string
	for d := int64(1); d <= intervals/(pde.MinSide-1); d++ {
		if intervals%d == 0 {
			fit = append(fit, fmt.Sprint(d))
		}
	}
	detail := "It is %d. With %d nodes per side there are %d intervals between them, and every k-th node can be kept for k = %s."
	if below := max(2, intervals/subsample) * subsample; intervals%subsample != 0 && below+subsample < pde.MaxSide {
		detail += fmt.Sprintf(" Or take a resolution of %d or %d.", below+1, below+subsample+1)
	}
	c.add("subsample", "The grid cannot be sampled like this", detail, subsample, resolution, intervals, strings.Join(fit, ", "))
	return false
}

func (c *checker) splits(samples int64) {
	if !c.attrs.Known("splits") {
		return
	}
	v, _ := c.attrs["splits"].Unmark()
	sum := new(big.Float)
	for _, name := range []string{"train", "validation", "test"} {
		e, _ := v.GetAttr(name).Unmark()
		if e.IsNull() {
			continue
		}
		n := e.AsBigFloat()
		if !n.IsInt() || n.Sign() < 0 {
			c.add("splits", "Not a number of samples", "%s is %s; a whole number of at least 0 is needed.", name, stages.NumberText(n))
			return
		}
		sum.Add(sum, n)
	}
	if sum.Cmp(new(big.Float).SetInt64(samples)) != 0 {
		c.add("splits", "The splits do not add up", "Together they are %s, and samples is %d. Make the two equal.", stages.NumberText(sum), samples)
	}
}

// volume bounds what is written.
func (c *checker) volume(samples, side int64) {
	size := int64(4)
	if v, ok := c.attrs["dtype"]; ok && c.attrs.Known("dtype") {
		v, _ = v.Unmark()
		size = int64(max(4, npy.Type(v.AsString()).Size()))
	}
	if one := 2 * side * side * size; samples > mostBytes/one {
		c.add("samples", "Too much data", "%d samples of %d x %d nodes take %.1f TB; at most %d of them can be made, which take 1.1. "+
			"Make fewer, or keep fewer nodes with subsample.", samples, side, side, float64(samples)*float64(one)/1e12, mostBytes/one)
	}
}
