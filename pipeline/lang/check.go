package lang

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// Check visits all nodes with outputs that are typed but unknown, and reports
// every problem that can be seen before a run: attributes, resources,
// expectations, outputs, unused local values. s has no outputs set; afterwards it
// knows the outputs' types.
func (x *Experiment) Check(s *State) (diags hcl.Diagnostics) {
	defer func() {
		if r := recover(); r != nil {
			diags = tidy(append(diags, internal(r)))
		}
	}()
	var all hcl.Diagnostics
	seen := newRepeats("node")
	for _, n := range x.Nodes {
		if err := x.meter.cancelled(); err != nil {
			return append(all, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Cancelled", Detail: sentence(err)})
		}
		of := ""
		if n.EachKey != nil {
			of = n.Address
		}
		_, d := s.Attributes(n)
		all = seen.add(all, of, d)
		_, _, d = s.Resources(n)
		all = seen.add(all, of, d)
		_, d = s.Verdicts(n, s.Get(n))
		all = seen.add(all, of, d)
	}
	seen.finish()
	for _, n := range x.named {
		if n.kind != "for_each" {
			s.named(n)
		}
	}
	return tidy(append(all, s.takeProblems()...))
}

// repeats folds the same problem of several things that one block makes into one.
type repeats struct {
	thing string // "node" or "expectation"
	first map[repeat]*hcl.Diagnostic
	count map[*hcl.Diagnostic]int
}

type repeat struct {
	at      hcl.Range
	summary string
}

func newRepeats(thing string) *repeats {
	return &repeats{thing: thing, first: map[repeat]*hcl.Diagnostic{}, count: map[*hcl.Diagnostic]int{}}
}

// add appends the problems of one of these things; of names it, "" if it is the
// only one of its block.
func (r *repeats) add(all hcl.Diagnostics, of string, diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		if of == "" {
			all = append(all, d)
			continue
		}
		id := repeat{subject(d), d.Summary}
		if first := r.first[id]; first != nil {
			r.count[first]++
			continue
		}
		c := *d
		c.Detail += fmt.Sprintf(" (%s)", of)
		r.first[id] = &c
		all = append(all, &c)
	}
	return all
}

func (r *repeats) finish() {
	for d, n := range r.count {
		things := r.thing + "s"
		if n == 1 {
			things = r.thing
		}
		d.Detail += fmt.Sprintf(" The same holds for %d more %s of this block.", n, things)
	}
}

// Format writes an HCL file in canonical style.
func Format(src []byte) []byte { return hclwrite.Format(src) }

// Value is the constant or evaluated value of an experiment's variable, for
// reports; unmarked, and false where it is sensitive or unknown.
func (x *Experiment) Value(variable string) (cty.Value, bool) {
	if x.root == nil {
		return cty.DynamicVal, false
	}
	n := x.root.variables[variable]
	if n == nil || n.broken || n.sensitive || !n.value.IsKnown() {
		return cty.DynamicVal, false
	}
	return n.value, true
}
