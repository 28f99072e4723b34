package run

import (
	"context"
	"fmt"

	"github.com/nbpipe/nbpipe/pipeline/executor"
)

// Action is what an executor of machine m would get for a planned node, and release
// gives back the GPUs that it has. Note is told why they are waited for. It is an error
// that the node depends on what has no result yet.
func (e *Engine) Action(ctx context.Context, m Machine, n *Node, note func(string)) (a *executor.Action, release func(), err error) {
	if n.Key.IsZero() {
		return nil, nil, fmt.Errorf("%s depends on what has no result yet: run the experiment first", n.Address)
	}
	p := pool{machine: m}
	if n.Needs().GPUs > 0 {
		_, _ = p.gpus() // for a look at the action it may lack them
	}
	return e.alone(ctx, &p, n, note)
}
