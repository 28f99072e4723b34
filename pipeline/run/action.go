package run

import (
	"fmt"

	"github.com/nbpipe/nbpipe/pipeline/executor"
)

// Action is what an executor of machine m would get for a planned node. It is an
// error that the node depends on what has no result yet.
func (e *Engine) Action(m Machine, n *Node) (*executor.Action, error) {
	if n.Key.IsZero() {
		return nil, fmt.Errorf("%s depends on what has no result yet: run the experiment first", n.Address)
	}
	res, stated, diags := e.State.Resources(n.Node)
	if diags.HasErrors() {
		return nil, diags
	}
	if !stated {
		res = estimate(n)
	}
	return e.action(n, (&pool{machine: m}).clamp(res)), nil
}
