package hypotheses

import (
	"github.com/nbpipe/nbpipe/hypotheses/operationimportance"
	"github.com/nbpipe/nbpipe/hypotheses/ranktransfer"
	"github.com/nbpipe/nbpipe/stages"
)

// Kinds are the kinds of this keyword.
func Kinds() []*stages.Kind {
	return []*stages.Kind{operationimportance.Kind, ranktransfer.Kind}
}
