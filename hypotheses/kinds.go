package hypotheses

import (
	"github.com/nbpipe/nbpipe/hypotheses/adaproxy"
	"github.com/nbpipe/nbpipe/hypotheses/algorithmcomparison"
	"github.com/nbpipe/nbpipe/hypotheses/edgeorder"
	"github.com/nbpipe/nbpipe/hypotheses/estimates"
	"github.com/nbpipe/nbpipe/hypotheses/fidelity"
	"github.com/nbpipe/nbpipe/hypotheses/latencymonotonicity"
	"github.com/nbpipe/nbpipe/hypotheses/meandifference"
	"github.com/nbpipe/nbpipe/hypotheses/methodranking"
	"github.com/nbpipe/nbpipe/hypotheses/operationimportance"
	"github.com/nbpipe/nbpipe/hypotheses/paired"
	"github.com/nbpipe/nbpipe/hypotheses/performanceprofile"
	"github.com/nbpipe/nbpipe/hypotheses/proxycorrelation"
	"github.com/nbpipe/nbpipe/hypotheses/ranktransfer"
	"github.com/nbpipe/nbpipe/hypotheses/sizecorrelation"
	"github.com/nbpipe/nbpipe/stages"
)

// Kinds are the kinds of this keyword.
func Kinds() []*stages.Kind {
	return []*stages.Kind{
		adaproxy.Kind,
		algorithmcomparison.Kind,
		edgeorder.Kind,
		estimates.Kind,
		fidelity.Kind,
		latencymonotonicity.Kind,
		meandifference.Kind,
		methodranking.Kind,
		operationimportance.Kind,
		paired.Kind,
		performanceprofile.Kind,
		proxycorrelation.Kind,
		ranktransfer.Kind,
		sizecorrelation.Kind,
	}
}
