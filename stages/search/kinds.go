package search

import "github.com/nbpipe/nbpipe/stages"

// Kinds are the kinds of this keyword. They are made when they are asked for:
// reading so many attributes takes over a millisecond, which commands that read
// no experiment should not pay.
func Kinds() []*stages.Kind {
	return []*stages.Kind{
		asha(), autoshrink(), bananas(), bohb(), darts(), evolution(), gdas(), hyperband(), lissnas(), localSearch(), pruning(), random(), reinforce(), rsps(),
	}
}
