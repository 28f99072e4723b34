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
	seen := &repeats{first: map[repeat]*hcl.Diagnostic{}, count: map[*hcl.Diagnostic]int{}}
	for _, n := range x.Nodes {
		if err := x.meter.cancelled(); err != nil {
			return append(all, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Cancelled", Detail: sentence(err)})
		}
		_, d := s.Attributes(n)
		all = seen.add(all, n, d)
		_, _, d = s.Resources(n)
		all = seen.add(all, n, d)
		_, d = s.Verdicts(n, s.Get(n))
		all = seen.add(all, n, d)
	}
	seen.finish()
	for _, n := range x.named {
		if n.kind != "for_each" {
			s.named(n)
		}
	}
	return tidy(append(all, s.takeProblems()...))
}

// repeats folds the same problem of several nodes of one block into one.
type repeats struct {
	first map[repeat]*hcl.Diagnostic
	count map[*hcl.Diagnostic]int
}

type repeat struct {
	at      hcl.Range
	summary string
}

func (r *repeats) add(all hcl.Diagnostics, n *Node, diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		if n.EachKey == nil {
			all = append(all, d)
			continue
		}
		id := repeat{subject(d), d.Summary}
		if first := r.first[id]; first != nil {
			r.count[first]++
			continue
		}
		c := *d
		c.Detail += fmt.Sprintf(" (%s)", n.Address)
		r.first[id] = &c
		all = append(all, &c)
	}
	return all
}

func (r *repeats) finish() {
	for d, n := range r.count {
		nodes := "nodes"
		if n == 1 {
			nodes = "node"
		}
		d.Detail += fmt.Sprintf(" The same holds for %d more %s of this block.", n, nodes)
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
