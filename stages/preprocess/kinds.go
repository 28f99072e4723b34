package preprocess

import (
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/preprocess/arrays"
	"github.com/nbpipe/nbpipe/stages/preprocess/benchmarktable"
	"github.com/nbpipe/nbpipe/stages/preprocess/latencytable"
	"github.com/nbpipe/nbpipe/stages/preprocess/zerocostproxies"
)

// Kinds are the kinds of this keyword.
func Kinds() []*stages.Kind {
	return []*stages.Kind{arrays.Kind, benchmarktable.Kind, latencytable.Kind, zerocostproxies.Kind}
}
