package lang

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
)

const (
	// forEachOfExpect names the attribute in messages.
	forEachOfExpect = "the for_each of an expectation"

	// maxExpects bounds the expectations of one block of a node, and stepsPerExpect
	// counts each against the work of all expressions: nodes times expectations is
	// what a stranger's file could make large.
	maxExpects     = 1_000
	stepsPerExpect = 20
)

// expectCase is one of the expectations that an expect block makes for a node.
type expectCase struct {
	name string
	inst *instance // the node's, with the expectation's own each under for_each
}

// of names the case in a problem; "" if it is the only one of its block.
func (c expectCase) of(e *expect) string {
	if e.forEach == nil {
		return ""
	}
	return c.name
}

// cases lists the expectations of a block for a node.
func (s *State) cases(i *instance, e *expect) ([]expectCase, hcl.Diagnostics) {
	if e.forEach == nil {
		return []expectCase{{e.name, i}}, nil
	}
	v, diags := s.evalWith(e.forEach, i, nil)
	if e.forEach.broken || diags.HasErrors() || s.failedIn(e.forEach) {
		return nil, diags
	}
	if s.x.meter.spent() {
		return nil, append(diags, diagnostic.Error(e.forEach.expr.Range(), "Too much work", "The nodes of this experiment have too many expectations, all together. Give for_each fewer elements."))
	}
	elems, d := forEachElements(e.forEach, v, eachWords{"expectation", "expectations", tooManyExpects})
	if d != nil {
		return nil, append(diags, d)
	}
	s.x.meter.charge(len(elems) * stepsPerExpect)
	out := make([]expectCase, len(elems))
	for k, el := range elems {
		key := el.key.AsString()
		inst := *i
		inst.key, inst.eachKey, inst.eachValue = &key, el.key, el.value
		out[k] = expectCase{fmt.Sprintf("%s[%s]", e.name, key), &inst}
	}
	return out, diags
}

func tooManyExpects(count int) string {
	if count <= maxExpects {
		return ""
	}
	return fmt.Sprintf("This for_each makes %d expectations. A block may have %d.", count, maxExpects)
}
