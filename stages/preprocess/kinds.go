package preprocess

import (
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/preprocess/arrays"
	"github.com/nbpipe/nbpipe/stages/preprocess/benchmarktable"
	"github.com/nbpipe/nbpipe/stages/preprocess/cifar100"
	"github.com/nbpipe/nbpipe/stages/preprocess/cosmic"
	"github.com/nbpipe/nbpipe/stages/preprocess/darcyflow"
	"github.com/nbpipe/nbpipe/stages/preprocess/deepsea"
	"github.com/nbpipe/nbpipe/stages/preprocess/ecg"
	"github.com/nbpipe/nbpipe/stages/preprocess/fsd50k"
	"github.com/nbpipe/nbpipe/stages/preprocess/latencytable"
	"github.com/nbpipe/nbpipe/stages/preprocess/ninapro"
	"github.com/nbpipe/nbpipe/stages/preprocess/psicov"
	"github.com/nbpipe/nbpipe/stages/preprocess/satellite"
	"github.com/nbpipe/nbpipe/stages/preprocess/spherical"
	"github.com/nbpipe/nbpipe/stages/preprocess/zerocostproxies"
)

// Kinds are the kinds of this keyword.
func Kinds() []*stages.Kind {
	return []*stages.Kind{
		arrays.Kind,
		benchmarktable.Kind,
		cifar100.Kind,
		cosmic.Kind,
		darcyflow.Kind,
		deepsea.Kind,
		ecg.Kind,
		fsd50k.Kind,
		latencytable.Kind,
		ninapro.Kind,
		psicov.Kind,
		satellite.Kind,
		spherical.Kind,
		zerocostproxies.Kind,
	}
}
