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
	p := pool{machine: m}
	if n.Needs().GPUs > 0 {
		_, _ = p.gpus() // for a look at the action it may lack them
	}
	return e.alone(&p, n), nil
}
