package hypotheses

import (
	"github.com/nbpipe/nbpipe/hypotheses/algorithmcomparison"
	"github.com/nbpipe/nbpipe/hypotheses/estimates"
	"github.com/nbpipe/nbpipe/hypotheses/landscape"
	"github.com/nbpipe/nbpipe/hypotheses/meandifference"
	"github.com/nbpipe/nbpipe/hypotheses/operationimportance"
	"github.com/nbpipe/nbpipe/hypotheses/paired"
	"github.com/nbpipe/nbpipe/hypotheses/ranktransfer"
	"github.com/nbpipe/nbpipe/hypotheses/spaceshrinking"
	"github.com/nbpipe/nbpipe/stages"
)

// Kinds are the kinds of this keyword.
func Kinds() []*stages.Kind {
	return []*stages.Kind{algorithmcomparison.Kind, estimates.Kind, landscape.Kind, meandifference.Kind, operationimportance.Kind, paired.Kind, ranktransfer.Kind, spaceshrinking.Kind}
}
